"""A dry run on a terminal: each wave with its servers and what would change on them, the findings, and a last line.

In: a `Runbook`. Out: rich renderables. Servers of a wave that share group, changes and settings are one block: a wave
of 100 equal servers shows its changes once. A line that is wrapped keeps its indent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.text import Text

from prefect_drs.plan.effective import Origin
from prefect_drs.report.markdown import change_text, exclusion_text, wave_promises
from prefect_drs.report.targets import planned_targets
from prefect_drs.runbook import FindingSeverity, PreparedIdentity, Runbook, RunbookFinding, RunbookServer, RunbookWave

INTO = "launchIntoInstance"
_STYLES = {
    FindingSeverity.ERROR: "bold red",
    FindingSeverity.WAIVED: "yellow",
    FindingSeverity.INFO: "yellow",
}


class Indented:
    """A line of text; where it is wrapped, its further lines are indented by `hanging` cells more.

    Args:
        text: without its indent.
        style: of the whole line.
        indent: cells before the line.
        hanging: more cells before the further lines.
    """

    def __init__(self, text: str | Text, style: str = "", *, indent: int = 0, hanging: int = 2) -> None:
        self.text = text if isinstance(text, Text) else Text(text, style)
        self.indent = indent
        self.hanging = hanging

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The lines that the width of the terminal makes of it."""
        if self.text.cell_len + self.indent <= options.max_width:
            yield Text(" " * self.indent) + self.text
            return
        width = max(options.max_width - self.indent - self.hanging, 1)
        for number, line in enumerate(self.text.wrap(console, width, overflow="fold")):
            line.rstrip()
            yield Text(" " * (self.indent + (self.hanging if number else 0))) + line


def dry_run_view(runbook: Runbook) -> RenderableType:
    """A dry run: every wave with its servers, what would change on each, what refuses it, and the sum of it all."""
    parts: list[RenderableType] = [Text.assemble((runbook.plan_name, "bold"), f"  {runbook.mode}  dry run")]
    if targets := planned_targets(runbook):
        parts.append(Indented(f"targets: {targets}"))
    for wave in runbook.waves:
        parts += ["", *_wave(wave)]
    for severity in (FindingSeverity.INFO, FindingSeverity.WAIVED, FindingSeverity.ERROR):
        if found := [_finding(finding) for finding in runbook.findings if finding.severity is severity]:
            parts += ["", *found]
    parts += ["", Indented(dry_run_summary(runbook), "bold")]
    return Group(*parts)


def dry_run_summary(runbook: Runbook) -> str:
    """The last line: servers and waves, how many servers would change, gates, findings by severity."""
    servers = [server for wave in runbook.waves for server in wave.servers]
    changed = sum(bool(server.changes) for server in servers)
    counts = {severity: sum(f.severity is severity for f in runbook.findings) for severity in FindingSeverity}
    waived = f"{counts[FindingSeverity.WAIVED]} waived, " if counts[FindingSeverity.WAIVED] else ""
    left_out = sum(len(wave.excluded) for wave in runbook.waves)
    return (
        f"{_count(len(servers), 'server')} in {_count(len(runbook.waves), 'wave')}: {changed} to change, "
        f"{len(servers) - changed} unchanged{f', {left_out} left out' if left_out else ''}; "
        f"{_count(sum(wave.gate for wave in runbook.waves), 'gate')}; "
        f"{_count(counts[FindingSeverity.INFO], 'warning')}, {waived}{_count(counts[FindingSeverity.ERROR], 'error')}; "
        "nothing was changed"
    )


def _wave(wave: RunbookWave) -> Iterator[RenderableType]:
    after = f"  after {', '.join(map(str, wave.depends_on_waves))}" if wave.depends_on_waves else ""
    gate = f"  [gate: {_gate(wave)}]" if wave.gate else ""
    jobs = ", ".join(f"{size} in {location}" for location, size in wave.jobs)
    yield Indented(f"wave {wave.wave_number}  {wave.wave_name}{after}{gate}", "bold")
    yield Indented(f"jobs: {jobs or 'none'}", "bold", indent=2)
    for line in wave_promises(wave):
        yield Indented(line, indent=2)
    for excluded in wave.excluded:
        yield Indented(exclusion_text(excluded), "yellow", indent=2)
    for servers in _alike(wave.servers):
        yield from _block(servers)


def _gate(wave: RunbookWave) -> str:
    return wave.demand.text if wave.demand.proven else "a person approves"


def _alike(servers: Sequence[RunbookServer]) -> Iterator[list[RunbookServer]]:
    """The servers in blocks of those with the same group, changes and settings, in the order of the first of each."""
    first: dict[tuple[str, ...], int] = {}
    placed = [
        (first.setdefault((server.group, *_details(server)), number), server) for number, server in enumerate(servers)
    ]
    for _, block in groupby(sorted(placed, key=lambda each: each[0]), key=lambda each: each[0]):
        yield [server for _, server in block]


def _block(servers: Sequence[RunbookServer]) -> Iterator[RenderableType]:
    for server in servers:
        lag = f", lag {server.lag}" if server.lag else ""
        at = f"  from {server.snapshot_at:%Y-%m-%d %H:%M:%S} UTC" if server.snapshot_at else ""
        into = _prepared(server, server.prepared) if server.prepared else ""
        told = f"  {server.source_server_id}  {server.group}  {server.replication_state}{lag}{at}{into}"
        yield Indented(Text.assemble((server.name, "cyan"), told), indent=2)
    if len(servers) > 1:
        yield Indented(f"these {len(servers)} servers, each:", "dim", indent=6)
    changes, settings = _changes(servers[0]), _settings(servers[0])
    for line in changes:
        yield Indented(line, indent=6)
    if not servers[0].changes:
        yield Indented("no launch setting changes", "dim", indent=6)
    for line in settings:
        yield Indented(line, "dim", indent=6)


def _prepared(server: RunbookServer, prepared: PreparedIdentity) -> str:
    """The prepared instance, on the server's own line: it differs from server to server."""
    notes = [f"{change.before or 'a new one'} before" for change in server.changes if change.field == INTO]
    if kept := ", ".join(filter(None, (prepared.private_ip, prepared.network_interface_id))):
        notes.append(f"keeps {kept}")
    return f"  into {prepared.instance_id}" + (f" ({'; '.join(notes)})" if notes else "")


def _details(server: RunbookServer) -> list[str]:
    return [*_changes(server), *_settings(server)]


def _changes(server: RunbookServer) -> list[str]:
    return [change_text(change) for change in server.changes if not (server.prepared and change.field == INTO)]


def _settings(server: RunbookServer) -> list[str]:
    """A server's effective settings, a line for each origin; tags are left to the JSON."""
    said: dict[Origin, list[str]] = {origin: [] for origin in reversed(Origin)}
    for word, found in server.effective.items():
        if not word.startswith("tags.") and not (server.prepared and word == INTO):
            value = ",".join(map(str, found.value)) if isinstance(found.value, list) else str(found.value)
            said[found.origin].append(f"{word}={value}")
    return [f"{origin}: {' '.join(words)}" for origin, words in said.items() if words]


def _finding(finding: RunbookFinding) -> Indented:
    waived = f" (waived: {finding.waived_because})" if finding.waived_because else ""
    return Indented(f"{finding.severity}: {finding.code}: {finding.message}{waived}", _STYLES[finding.severity])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
