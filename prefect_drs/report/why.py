"""Why an execution took as long as it did, in sentences: what each wave and server waited for.

In: a `Timeline`. Out: an `Explanation`, and its view on a terminal. Waits shorter than `SHOWN_SECONDS` are left out of
sentences; the JSON of the timeline has them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prefect_drs.core.errors import UsageError
from prefect_drs.report.text import clock_time, counted, duration, full_time
from prefect_drs.report.timeline import OF_THE_WAVE, Cause, ServerTimeline, Timeline, Wait, WaveTimeline, totals

SHOWN_SECONDS = 10.0
SHOWN_GROUPS = 20  # of servers that waited for the same
SHOWN_NAMES = 8
UNREMARKABLE = frozenset({Cause.LAUNCH, Cause.ENGINE, Cause.SETTINGS, Cause.HOOKS})
STYLES = {
    Cause.DEPENDENCIES: "dim",
    Cause.GATE: "yellow",
    Cause.PAUSE: "yellow",
    Cause.CANCEL: "yellow",
    Cause.NO_PROCESS: "bold red",
    Cause.REFUSED: "red",
    Cause.FOREIGN_JOB: "red",
    Cause.RETRY: "red",
    Cause.QUOTA: "magenta",
    Cause.LAUNCH: "green",
}


Times = Callable[[datetime | None], str]


@dataclass(frozen=True, slots=True)
class Line:
    """A wait as a sentence."""

    at: str
    took: str
    cause: Cause
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A wave or a server: its title, its waits, and sentences about servers that differ."""

    title: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer. `others`: one sentence for each wave that did not decide when the execution ended."""

    summary: tuple[str, ...]
    paragraphs: tuple[Paragraph, ...]
    others: tuple[str, ...] = ()


def explain(timeline: Timeline, *, wave: str | None = None, server: str | None = None) -> Explanation:
    """Explain an execution, one of its waves, or one of its servers.

    Args:
        timeline: the execution.
        wave: number or name of a wave; None explains the waves that decided when the execution ended.
        server: name or source server id of a server.

    Raises:
        UsageError: there is no such wave or server.
    """

    def times(at: datetime | None) -> str:
        return clock_time(at, timeline.started_at)

    if server is not None:
        found = [_server(each, of, times) for of, each in _servers_named(timeline, server, wave)]
        return Explanation((_headline(timeline),), tuple(found))
    if wave is not None:
        return Explanation((_headline(timeline),), (_wave(timeline.named_wave(wave), times),))
    deciding = [timeline.wave(number) for number in timeline.deciding]
    others = [each for each in timeline.waves if each.wave_number not in timeline.deciding]
    return Explanation(
        (_headline(timeline), *_chain(timeline)),
        tuple(_wave(each, times) for each in deciding),
        tuple(_in_short(each, times) for each in others),
    )


def _headline(timeline: Timeline) -> str:
    took = duration((timeline.until - timeline.started_at).total_seconds())
    word = "ended" if timeline.over else "as of"
    clock = " Times are those of the sandbox (simulated)." if timeline.simulated_time else ""
    return (
        f"{timeline.plan_name}, {timeline.mode} {timeline.status}: started {full_time(timeline.started_at)}, "
        f"{word} {full_time(timeline.until)}, {took}.{clock}"
    )


def _chain(timeline: Timeline) -> list[str]:
    """Which waves decided when it ended, and what their time went to."""
    if not timeline.deciding:
        return []
    path = " → ".join(timeline.wave(number).label for number in timeline.deciding)
    shares = timeline.shares
    whole = sum(shares.values()) or 1.0
    parts = [
        f"{cause} {duration(seconds)} ({seconds / whole * 100:.0f} %)"
        for cause, seconds in shares.items()
        if seconds >= max(SHOWN_SECONDS, whole / 100)
    ]
    verb = "decided when it ended" if timeline.over else "it has waited for"
    return [f"What {verb}: {path}.", f"Its time: {', '.join(parts)}." if parts else "It took no time."]


def _servers_named(timeline: Timeline, server: str, wave: str | None) -> list[tuple[WaveTimeline, ServerTimeline]]:
    waves = timeline.waves if wave is None else (timeline.named_wave(wave),)
    found = [(of, each) for of in waves for each in of.servers if server in {each.name, each.source_server_id}]
    if not found:
        raise UsageError(
            f"the execution has no server {server}; name it as the report does, or by its source server id"
        )
    return found


def _wave(wave: WaveTimeline, times: Times) -> Paragraph:
    ended = f" at {times(wave.ended_at)}" if wave.status.over else ""
    return Paragraph(f"{wave.label}: {wave.status}{ended}", _lines(wave.waits, times), _server_notes(wave))


def _server(server: ServerTimeline, wave: WaveTimeline, times: Times) -> Paragraph:
    before = [wait for wait in wave.waits if not server.waits or wait.end <= server.waits[0].start]
    title = f"{server.name} ({server.source_server_id}) of {wave.label}: {server.launch_status}"
    own = [
        wait if wait.cause in OF_THE_WAVE else wait.model_copy(update={"text": f"it {wait.text}"})
        for wait in server.waits
    ]
    return Paragraph(title, _lines([*before, *own], times))


def _lines(waits: Sequence[Wait], times: Times) -> tuple[Line, ...]:
    shown = [wait for wait in waits if wait.seconds >= SHOWN_SECONDS]
    return tuple(
        Line(times(wait.start), duration(wait.seconds), wait.cause, _sentence(wait.text)) for wait in shown or waits
    )


def _sentence(text: str) -> str:
    ended = text if text.endswith((".", "!", "?", "…")) else f"{text}."
    return ended[:1].upper() + ended[1:]


def _server_notes(wave: WaveTimeline) -> tuple[str, ...]:
    """The servers that waited for something of their own, or failed; then how long the others took.

    The waits of the deciding server are told as the wave's.
    """
    servers = [server for server in wave.servers if server.waits and server.source_server_id != wave.decided_by]
    alike: dict[tuple[str, ...], list[ServerTimeline]] = {}
    for server in servers:
        alike.setdefault(_remarkable(server), []).append(server)
    others = alike.pop((), [])
    groups = list(alike.items())
    notes = [_alike_note(texts, group) for texts, group in groups[:SHOWN_GROUPS]]
    if len(groups) > SHOWN_GROUPS:
        more = sum(len(group) for _, group in groups[SHOWN_GROUPS:])
        notes.append(f"And {counted(more, 'server')} more; --json lists all.")
    if others:
        notes.append(f"The other {counted(len(others), 'server')} waited for nothing else: {_span(others)}.")
    return tuple(notes)


def _remarkable(server: ServerTimeline) -> tuple[str, ...]:
    """What it waited for of its own; for one that failed, everything that is known."""
    failed = server.launch_status == "FAILED"
    return tuple(
        wait.text
        for wait in server.waits
        if (wait.cause not in UNREMARKABLE and wait.seconds >= SHOWN_SECONDS) or (failed and wait.cause is Cause.LAUNCH)
    ) or (("no job of it was started",) if failed else ())


def _alike_note(texts: tuple[str, ...], servers: Sequence[ServerTimeline]) -> str:
    named = ", ".join(server.name for server in servers[:SHOWN_NAMES])
    more = f" and {len(servers) - SHOWN_NAMES} more" if len(servers) > SHOWN_NAMES else ""
    status = ", ".join(sorted({server.launch_status for server in servers}))
    return f"{named}{more}, {status} after {_span(servers)}: {'; '.join(texts)}."


def _span(servers: Sequence[ServerTimeline]) -> str:
    """How long these servers took from their wave's beginning on."""
    took = [sum(wait.seconds for wait in server.waits) for server in servers]
    low, high = duration(min(took)), duration(max(took))
    return low if low == high else f"{low} to {high}"


def _in_short(wave: WaveTimeline, times: Times) -> str:
    """A wave in one sentence: how it stands, and what it waited for most besides other waves."""
    ended = f" at {times(wave.ended_at)}" if wave.status.over else ""
    own = {cause: seconds for cause, seconds in totals(wave.waits).items() if cause is not Cause.DEPENDENCIES}
    shown = [f"{cause} {duration(seconds)}" for cause, seconds in own.items() if seconds >= SHOWN_SECONDS]
    return f"{wave.label}: {wave.status}{ended}" + (f"; {', '.join(shown)}." if shown else ".")


def why_view(explanation: Explanation) -> RenderableType:
    """The explanation on a terminal."""
    parts: list[RenderableType] = [
        Text(line, style="" if index else "bold") for index, line in enumerate(explanation.summary)
    ]
    for paragraph in explanation.paragraphs:
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, min_width=10)
        grid.add_column(no_wrap=True, justify="right")
        grid.add_column(overflow="fold")
        for line in paragraph.lines:
            grid.add_row(f"  {line.at}", Text(line.took, style=STYLES.get(line.cause, "")), Text(line.text))
        parts += ["", Text(paragraph.title, style="bold"), grid]
        parts += [Padding(Text(note), (0, 0, 0, 2)) for note in paragraph.notes]
    if explanation.others:
        parts += ["", Text("The other waves did not decide it (--wave N explains one):")]
        parts += [Padding(Text(line), (0, 0, 0, 2)) for line in explanation.others]
    return Group(*parts)
