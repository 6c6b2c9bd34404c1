"""The texts of messages: plain, for any mail client, at night, on a telephone.

In: the report as it stands, the runbook, and how the execution is reached. Out: lines of at most 78 columns, but for
addresses and names that are longer. Lists are bounded: a wave of 500 servers must not become a mail that no one reads.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime

from prefect_drs.aws.regions import partition_of
from prefect_drs.core.escaping import one_line
from prefect_drs.notifications.commands import Reach, approve_command, cancel_command, resume_command
from prefect_drs.notifications.message import WIDTH, OpenGate
from prefect_drs.report.markdown import exclusion_text, wave_promises
from prefect_drs.report.model import ExecutionStatus, RecoveryReport, ServerReport, WaveReport, WaveStatus
from prefect_drs.report.text import duration
from prefect_drs.runbook import Runbook, RunbookServer, RunbookWave

SERVERS_AT_MOST = 200  # of one list
CUT_HERE = "-" * 20
RESUME, CANCEL, END = (
    f"{CUT_HERE} to resume {CUT_HERE}",
    f"{CUT_HERE} to cancel {CUT_HERE}",
    f"{CUT_HERE} end {CUT_HERE}",
)
CONSOLES = {"aws": "console.aws.amazon.com", "aws-us-gov": "console.amazonaws-us-gov.com"}
"""The consoles that have AWS CloudShell, by partition."""


def started(runbook: Runbook, report: RecoveryReport, reach: Reach) -> str:
    """An execution began: its waves, who must approve, what was waived, who was left out."""
    servers = sum(len(wave.servers) for wave in runbook.waves)
    waived = [f"{f.code}: {f.message} Waived because: {f.waived_because}" for f in runbook.findings if f.waived_because]
    left_out = [f"wave {w.wave_number}: {exclusion_text(excluded)}" for w in runbook.waves for excluded in w.excluded]
    return _text(
        f"The {report.mode} of {report.plan_name} has started: {servers} server(s) in {len(runbook.waves)} wave(s), "
        f"{_places(runbook.waves)}.",
        _what_it_launches(report.mode),
        _block("Waves", [_planned(wave) for wave in runbook.waves]),
        _block("Waived findings", waived),
        _block("Servers left out", left_out),
        _follow(report, reach),
    )


def wave_ended(report: RecoveryReport, wave: WaveReport, reach: Reach) -> str:
    """A wave is COMPLETED or FAILED: its servers, and what comes next."""
    took = (wave.ended_at - wave.started_at).total_seconds() if wave.ended_at and wave.started_at else None
    checks = [
        f"{check.phase} {check.name}{f' of {check.source_server_id}' if check.source_server_id else ''}: {check.detail}"
        for check in wave.checks
        if not check.passed
    ]
    skipped = wave.status is WaveStatus.FAILED
    return _text(
        f"Wave {wave.wave_number} {wave.wave_name} of the {report.mode} of {report.plan_name} is {wave.status}: "
        f"{wave.launched} of {len(wave.servers)} server(s) LAUNCHED{f' in {duration(took)}' if took else ''}.",
        _block("Why", [wave.reason] if wave.reason else []),
        _servers(wave),
        _block("Checks that did not pass", checks),
        "The waves that depend on it will not start; others go on." if skipped else "",
        _block("How the waves stand", [_standing(other) for other in report.waves]),
        _follow(report, reach),
    )


def ended(report: RecoveryReport, reach: Reach) -> str:
    """The execution ended: how, what was reached, what to do next."""
    down = [wave for wave in report.waves if wave.status is not WaveStatus.COMPLETED]
    unsent = report.notifications.failed
    again = report.status is not ExecutionStatus.COMPLETED
    launched = any(wave.launched for wave in report.waves)
    return _text(
        f"The {report.mode} of {report.plan_name} has ended: {report.status}.",
        _reached(report),
        _block("Waves", [_standing(wave) for wave in report.waves]),
        _block("Why", [f"wave {wave.wave_number} {wave.wave_name}: {wave.reason}" for wave in down if wave.reason]),
        _block("Servers that did not come up", _bounded([_failure(s) for w in down for s in w.servers if s.error])),
        f"{len(unsent)} notification(s) of it could not be sent; the report lists them." if unsent else "",
        _command("To try again what failed, once its cause is mended", f"prefect-drs resume {report.execution_id}")
        if again
        else "",
        _command("Its instances run on, and cost. To take them away", f"prefect-drs terminate {report.execution_id}")
        if launched and report.mode == "drill"
        else "",
        _follow(report, reach),
    )


def wave_paused(runbook: Runbook, report: RecoveryReport, gate: OpenGate, reach: Reach) -> str:
    """A wave waits for an approval: what it would do, who may approve, until when, where, and how without the UI."""
    wave = runbook.wave(gate.wave_number)
    jobs = wave.jobs
    changes = sum(len(server.changes) for server in wave.servers)
    does = [
        f"launches {len(wave.servers)} {report.mode} instance(s) in {len(jobs)} job(s): "
        + ", ".join(f"{size} in {location}" for location, size in jobs),
        f"writes {changes} launch setting(s) first; the form lists them" if changes else "changes no launch setting",
        *wave_promises(wave),
    ]
    region = wave.servers[0].region if wave.servers else ""
    return _text(
        f"Wave {wave.wave_number} {wave.wave_name} of the {report.mode} of {report.plan_name} waits for your approval.",
        _what_it_launches(report.mode),
        _block("What it would do", does),
        _block("Servers", _bounded([_planned_server(server) for server in wave.servers])),
        _block("How the waves stand", [_standing(other) for other in report.waves]),
        _block("Who may approve", ["Anybody who reaches the Prefect API. The name given goes into the report."]),
        _block("Until when", [f"{_utc(gate.until)}, then the wave is cancelled" if gate.until else "for ever"]),
        _block("In the browser", [gate.link or f"flow run {gate.flow_run_id}: Resume"]),
        _commands(
            reach,
            report.execution_id,
            approve_command(reach, report.execution_id, gate.flow_run_id),
            [f"prefect-drs {word} {report.execution_id} --wave {gate.wave_number}" for word in ("approve", "reject")],
            region,
        ),
        _follow(report, reach),
    )


def paused(report: RecoveryReport, by: str, reach: Reach) -> str:
    """Somebody paused the execution."""
    return _text(
        f"The {report.mode} of {report.plan_name} was paused by {by}: nothing new is launched. What DRS runs already "
        "goes on.",
        _block("How the waves stand", [_standing(wave) for wave in report.waves]),
        _commands(
            reach,
            report.execution_id,
            resume_command(reach, report.execution_id),
            [f"prefect-drs resume {report.execution_id}"],
            next((job.region for wave in report.waves for job in wave.jobs), ""),
        ),
        _follow(report, reach),
    )


def _commands(
    reach: Reach, execution_id: str, resume: Sequence[str], alternatives: Sequence[str], region: str
) -> _Lines:
    """Both commands between lines to cut along, or why there are none."""
    tool = [*alternatives, f"prefect-drs cancel {execution_id}"]
    if reach.api_url is None:
        why = "This run has no Prefect API that other machines reach: answer it where it runs."
        return _text(why, _block("With prefect-drs installed", tool))
    key = (
        [f"The Prefect API wants {reach.variable}: set it first. This mail holds no secret."] if reach.variable else []
    )
    console = CONSOLES.get(partition_of(region)) if region else None
    where = [f"AWS CloudShell: https://{console}/cloudshell/home?region={region}"] if console else []
    return _Lines(
        "\n".join(
            [
                _block("In any shell that reaches the Prefect API, as it stands", [*where, *key]),
                "",
                RESUME,
                *resume,
                END,
                "",
                CANCEL,
                *cancel_command(reach, execution_id),
                END,
                "",
                _block(f"With prefect-drs and PREFECT_API_URL={reach.api_url}", tool),
            ]
        )
    )


def _follow(report: RecoveryReport, reach: Reach) -> _Lines:
    lines = [reach.link] if reach.link else []
    lines += [f"prefect-drs status {report.execution_id}", f"It started at {_utc(report.started_at)}."]
    return _block("To follow it", lines)


def _reached(report: RecoveryReport) -> str:
    if report.achieved_rto_seconds is None:
        return "No server was launched."
    age = report.achieved_rpo_seconds
    rpo = f" The oldest data that was launched was {duration(age)} old (RPO)." if age is not None else ""
    return f"The last server was up {duration(report.achieved_rto_seconds)} after the start (RTO).{rpo}"


def _what_it_launches(mode: str) -> str:
    if mode == "drill":
        return "It launches drill instances beside what runs in production."
    return "It launches recovery instances FOR REAL and replaces former ones."


def _planned(wave: RunbookWave) -> str:
    after = f", after {', '.join(map(str, wave.depends_on_waves))}" if wave.depends_on_waves else ""
    gate = ", needs an approval" if wave.gate else ""
    return f"{wave.wave_number} {wave.wave_name}: {len(wave.servers)} server(s), {_places([wave])}{after}{gate}"


def _planned_server(server: RunbookServer) -> str:
    lag = f", lag {server.lag}" if server.lag else ""
    return f"{server.name}, {server.source_server_id}, {server.location}, {server.replication_state}{lag}"


def _standing(wave: WaveReport) -> str:
    who = f", {wave.approval.decision} by {wave.approval.by}" if wave.approval and wave.approval.by else ""
    return f"{wave.wave_number} {wave.wave_name}: {wave.status}, {wave.launched} of {len(wave.servers)} LAUNCHED{who}"


def _servers(wave: WaveReport) -> str:
    lines = [
        f"{server.name}, {server.source_server_id}: {server.launch_status}"
        + (f" as {server.recovery_instance_id}" if server.recovery_instance_id else "")
        + (f". {server.error}" if server.error else "")
        for server in sorted(wave.servers, key=lambda server: server.launch_status == "LAUNCHED")  # failures first
    ]
    return _block("Servers", _bounded(lines))


def _failure(server: ServerReport) -> str:
    return f"{server.name}, {server.source_server_id}: {server.launch_status}. {server.error}"


def _places(waves: Iterable[RunbookWave]) -> str:
    return ", ".join(str(place) for place in sorted({server.location for wave in waves for server in wave.servers}))


def _bounded(lines: Sequence[str]) -> list[str]:
    hidden = len(lines) - SERVERS_AT_MOST
    return [*lines[:SERVERS_AT_MOST], *([f"... and {hidden} more"] if hidden > 0 else [])]


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _command(what: str, command: str) -> _Lines:
    return _Lines(f"{what}:\n  {command}")


class _Lines(str):
    """Text that is laid out in lines already. Any other text is a sentence, whatever line breaks a name brings in."""

    __slots__ = ()


def _block(heading: str, lines: Sequence[str]) -> _Lines:
    """A heading and its lines, indented; nothing where there are none."""
    if not lines:
        return _Lines()
    return _Lines("\n".join([f"{heading}:", *(_wrapped(line, "  ", "    ") for line in lines)]))


def _wrapped(line: str, first: str = "", later: str = "") -> str:
    return textwrap.fill(
        one_line(line).replace(CUT_HERE, "---"),  # no name may look like a line to cut along
        WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _text(*parts: str) -> _Lines:
    """Paragraphs; sentences are wrapped, lists and commands are left as they are."""
    return _Lines("\n\n".join(part if isinstance(part, _Lines) else _wrapped(part) for part in parts if part))
