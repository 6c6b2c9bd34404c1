"""The texts of messages: plain text for any mail client, readable on a phone.

In: the current report, the runbook, and how people reach the execution. Out: lines of at most 78 columns, except for
longer addresses and names. Lists are bounded, so that a wave of 500 servers does not make an unreadable mail.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from prefect_drs.aws.regions import partition_of
from prefect_drs.core.escaping import one_line
from prefect_drs.execution.events import GlassBroken, RtoTargetAtRisk
from prefect_drs.notifications.commands import (
    ExecutionAccess,
    approve_command,
    cancel_command,
    resume_command,
    signed_approve_command,
)
from prefect_drs.notifications.message import WIDTH, NotifiedGate
from prefect_drs.report.approving import size_line
from prefect_drs.report.lag import lag_line
from prefect_drs.report.markdown import exclusion_text, wave_promises
from prefect_drs.report.model import ExecutionStatus, RecoveryReport, ServerReport, WaveReport, WaveStatus
from prefect_drs.report.targets import planned_targets, target_line
from prefect_drs.report.text import counted, duration
from prefect_drs.runbook import Runbook, RunbookServer, RunbookWave

SERVERS_AT_MOST = 200  # in one list
CUT_HERE = "-" * 20
RESUME, CANCEL, END = (
    f"{CUT_HERE} to resume {CUT_HERE}",
    f"{CUT_HERE} to cancel {CUT_HERE}",
    f"{CUT_HERE} end {CUT_HERE}",
)
CONSOLES = {"aws": "console.aws.amazon.com", "aws-us-gov": "console.amazonaws-us-gov.com"}
"""The consoles that have AWS CloudShell, by partition."""


def started(runbook: Runbook, report: RecoveryReport, access: ExecutionAccess) -> str:
    """An execution started: its waves and gates, the waived findings, the excluded servers."""
    waived = [f"{f.code}: {f.message} Waived because: {f.waived_because}" for f in runbook.findings if f.waived_because]
    excluded = [f"wave {w.wave_number}: {exclusion_text(each)}" for w in runbook.waves for each in w.excluded]
    return _text(
        f"The {report.mode} of {report.plan_name} has started: {size_line(runbook)}, {_locations(runbook.waves)}.",
        _what_it_launches(report.mode),
        f"Targets: {targets}." if (targets := planned_targets(runbook)) else "",
        _block("Waves", [_planned(wave) for wave in runbook.waves]),
        _block("Waived findings", waived),
        _block("Excluded servers", excluded),
        _follow(report, access),
    )


def wave_ended(report: RecoveryReport, wave: WaveReport, access: ExecutionAccess) -> str:
    """A wave is COMPLETED or FAILED: its servers, its failed checks, and the status of all waves."""
    took = (wave.ended_at - wave.started_at).total_seconds() if wave.ended_at and wave.started_at else None
    checks = [
        f"{check.phase} {check.name}{f' of {check.source_server_id}' if check.source_server_id else ''}: {check.detail}"
        for check in wave.checks
        if not check.passed
    ]
    failed = wave.status is WaveStatus.FAILED
    return _text(
        f"Wave {wave.wave_number} {wave.wave_name} of the {report.mode} of {report.plan_name} is {wave.status}: "
        f"{wave.launched} of {counted(len(wave.servers), 'server')} {wave.done_word}"
        f"{f' in {duration(took)}' if took else ''}.",
        _block("Why", [wave.reason] if wave.reason else []),
        _servers(wave),
        _block("Failed checks", checks),
        "Waves that depend on it will not start; other waves continue." if failed else "",
        _block("Waves", [_wave_status(other) for other in report.waves]),
        _follow(report, access),
    )


def ended(report: RecoveryReport, access: ExecutionAccess) -> str:
    """The execution ended: its status, RTO and RPO, the failures, and the next command."""
    incomplete = [wave for wave in report.waves if wave.status is not WaveStatus.COMPLETED]
    unsent = report.notifications.failed
    can_resume = report.status is not ExecutionStatus.COMPLETED
    launched = report.launched_count > 0
    return _text(
        f"The {report.mode} of {report.plan_name} has ended: {report.status}.",
        _achieved(report),
        _targets(report),
        _block("Waves", [_wave_status(wave) for wave in report.waves]),
        _block(
            "Why", [f"wave {wave.wave_number} {wave.wave_name}: {wave.reason}" for wave in incomplete if wave.reason]
        ),
        _block("Failed servers", _bounded([_failure(s) for w in incomplete for s in w.servers if s.error])),
        f"{len(unsent)} notification(s) could not be sent; the report lists them." if unsent else "",
        _command(
            "To retry what failed, once the cause is fixed", access.cli(f"prefect-drs resume {report.execution_id}")
        )
        if can_resume
        else "",
        _command(
            "The drill instances keep running and incur costs. To terminate them",
            f"prefect-drs terminate {report.execution_id}",
        )
        if launched and report.mode == "drill"
        else "",
        _follow(report, access),
    )


def wave_paused(runbook: Runbook, report: RecoveryReport, gate: NotifiedGate, access: ExecutionAccess) -> str:
    """A wave waits for approval: what it launches, who may approve, the deadline, the link, and the commands."""
    wave = runbook.wave(gate.wave_number)
    jobs, beside = wave.jobs, access.without_prefect
    changes = sum(len(server.changes) for server in wave.servers)
    actions = [
        f"launches {len(wave.servers)} {report.mode} instance(s) in {len(jobs)} job(s): "
        + ", ".join(f"{size} in {location}" for location, size in jobs),
        f"first changes {changes} launch setting(s); the form lists them" if changes else "changes no launch setting",
        *wave_promises(wave),
    ]
    region = wave.servers[0].region if wave.servers else ""
    return _text(
        f"Wave {wave.wave_number} {wave.wave_name} of the {report.mode} of {report.plan_name} waits for your approval.",
        _what_it_launches(report.mode),
        _block("On approval, the wave", actions),
        _block("Servers", _bounded([_planned_server(server) for server in wave.servers])),
        _block("Waves", [_wave_status(other) for other in report.waves]),
        _block("Who may approve", [_who_may_approve(wave, access)]),
        _block("Deadline", [f"{_utc(gate.until)}, then the wave is cancelled" if gate.until else "none"]),
        _block("In the browser", [gate.link or f"flow run {gate.flow_run_id}: Resume"]) if not beside else "",
        _commands(
            access,
            report.execution_id,
            [] if beside else _approve(access, report.execution_id, wave, gate),
            [f"prefect-drs {word} {report.execution_id} --wave {gate.wave_number}" for word in ("approve", "reject")],
            region,
            needs="prefect-drs and your AWS credentials" if wave.demand.proven else "access to the Prefect API",
        ),
        _follow(report, access),
    )


def _who_may_approve(wave: RunbookWave, access: ExecutionAccess) -> str:
    if access.without_prefect:
        if not wave.demand.proven:
            return "Anyone who may write to the journals' storage. The report records the name."
        return (
            f"The gate demands {wave.demand.text}. The command below proves who you are with your AWS credentials. "
            "Anybody may reject."
        )
    if not wave.demand.proven:
        return "Anyone with access to the Prefect API. The report records the name."
    return (
        f"The gate demands {wave.demand.text}. The command below proves who you are with your AWS credentials; in the "
        "browser, paste what prefect-drs token --approve prints. Anybody may reject."
    )


def _approve(access: ExecutionAccess, execution_id: str, wave: RunbookWave, gate: NotifiedGate) -> list[str]:
    if wave.demand.proven:
        return signed_approve_command(access, execution_id, gate.wave_number)
    return approve_command(access, execution_id, gate.flow_run_id)


def glass_broken(report: RecoveryReport, wave: WaveReport, event: GlassBroken, access: ExecutionAccess) -> str:
    """Somebody passed a gate without what it demands: who, why, and how to stop it."""
    how = "a proven identity" if event.proven else "a name as claimed, not proven"
    return _text(
        f"BREAK-GLASS: wave {wave.wave_number} {wave.wave_name} of the {report.mode} of {report.plan_name} starts "
        "without the approvals that its gate demands.",
        _what_it_launches(report.mode),
        _block("Who", [f"{event.by} ({how})"]),
        _block("Why", [event.reason]),
        _block("Waves", [_wave_status(other) for other in report.waves]),
        _command("To stop it", access.cli(f"prefect-drs cancel {report.execution_id}")),
        _follow(report, access),
    )


def target_at_risk(report: RecoveryReport, event: RtoTargetAtRisk, access: ExecutionAccess) -> str:
    """The forecast expects that an RTO target is missed: by how much, what is left, and the status of all waves."""
    of = "" if event.wave_number is None else f" of wave {event.wave_number}"
    left = event.target_seconds - event.elapsed_seconds
    until = f"{_utc(report.started_at + timedelta(seconds=event.target_seconds))}, in {duration(left)}"
    return _text(
        f"The RTO target{of} of the {report.mode} of {report.plan_name} will probably be missed: the last server is "
        f"expected to be up {duration(event.expected_seconds)} after the start; the target is "
        f"{duration(event.target_seconds)}.",
        _block("Target ends at", [until if left > 0 else f"{until.partition(',')[0]}: it is missed already"]),
        _block("Waves", [_wave_status(wave) for wave in report.waves]),
        _block(
            "What it waits for",
            [f"wave {wave.wave_number}: {each.reason}" for wave in report.waves for each in wave.waits],
        ),
        _block("Open gates", [f"{wave.wave_number} {wave.wave_name}" for wave in report.waves if wave.gate_opened_at]),
        _follow(report, access),
    )


def paused(report: RecoveryReport, by: str, access: ExecutionAccess) -> str:
    """Somebody paused the execution."""
    return _text(
        f"The {report.mode} of {report.plan_name} was paused by {by}: no more servers are launched. DRS jobs that "
        "already run continue.",
        _block("Waves", [_wave_status(wave) for wave in report.waves]),
        _commands(
            access,
            report.execution_id,
            resume_command(access, report.execution_id),
            [f"prefect-drs resume {report.execution_id}"],
            next((job.region for wave in report.waves for job in wave.jobs), ""),
        ),
        _follow(report, access),
    )


def _commands(
    access: ExecutionAccess,
    execution_id: str,
    resume: Sequence[str],
    alternatives: Sequence[str],
    region: str,
    *,
    needs: str = "access to the Prefect API",
) -> _Lines:
    """The commands to resume and to cancel between cut marks, or why there are none."""
    cli = [access.cli(command) for command in (*alternatives, f"prefect-drs cancel {execution_id}")]
    if access.without_prefect:
        reach = "On any machine with prefect-drs that reaches the journals (PREFECT_DRS_JOURNAL as where it runs)"
        return _text("No Prefect server takes part in this run.", _block(reach, cli))
    if access.api_url is None:
        why = "This run's Prefect API is not reachable from other machines: answer on the machine that runs it."
        return _text(why, _block("With prefect-drs installed", cli))
    variable = access.variable
    key = [f"The Prefect API requires {variable}: set it first. This mail contains no secret."] if variable else []
    console = CONSOLES.get(partition_of(region)) if region else None
    where = [f"AWS CloudShell: https://{console}/cloudshell/home?region={region}"] if console else []
    return _Lines(
        "\n".join(
            [
                _block(f"In any shell with {needs}, unchanged", [*where, *key]),
                "",
                RESUME,
                *resume,
                END,
                "",
                CANCEL,
                *cancel_command(access, execution_id),
                END,
                "",
                _block(f"With prefect-drs and PREFECT_API_URL={access.api_url}", cli),
            ]
        )
    )


def _follow(report: RecoveryReport, access: ExecutionAccess) -> _Lines:
    lines = [access.link] if access.link else []
    lines += [access.cli(f"prefect-drs status {report.execution_id}"), f"Started at {_utc(report.started_at)}."]
    return _block("Status of the execution", lines)


def _achieved(report: RecoveryReport) -> str:
    if report.achieved_rto_seconds is None:
        return "No server was launched."
    age = report.achieved_rpo_seconds
    rpo = f" The oldest data that was launched was {duration(age)} old (RPO)." if age is not None else ""
    lag = f" {line[0].upper()}{line[1:]}." if (line := lag_line(report)) else ""
    return f"The last server was up {duration(report.achieved_rto_seconds)} after the start (RTO).{rpo}{lag}"


def _targets(report: RecoveryReport) -> str:
    return _block("Targets", [target_line(target, report.started_at) for target in report.targets])


def _what_it_launches(mode: str) -> str:
    if mode == "drill":
        return "It launches drill instances; production servers are not affected."
    if mode == "failback":
        return "It launches servers FOR REAL where they came from, from the recovery instances that run now."
    return "It launches recovery instances FOR REAL and replaces earlier ones."


def _planned(wave: RunbookWave) -> str:
    after = f", after {', '.join(map(str, wave.depends_on_waves))}" if wave.depends_on_waves else ""
    gate = ", needs approval" if wave.gate else ""
    return f"{wave.wave_number} {wave.wave_name}: {len(wave.servers)} server(s), {_locations([wave])}{after}{gate}"


def _planned_server(server: RunbookServer) -> str:
    lag = f", lag {server.lag}" if server.lag else ""
    return f"{server.name}, {server.source_server_id}, {server.location}, {server.replication_state}{lag}"


def _wave_status(wave: WaveReport) -> str:
    who = f", {wave.approval.decision} by {wave.approval.by}" if wave.approval and wave.approval.by else ""
    done = f"{wave.launched} of {len(wave.servers)} {wave.done_word}"
    return f"{wave.wave_number} {wave.wave_name}: {wave.status}, {done}{who}"


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


def _locations(waves: Iterable[RunbookWave]) -> str:
    return ", ".join(str(each) for each in sorted({server.location for wave in waves for server in wave.servers}))


def _bounded(lines: Sequence[str]) -> list[str]:
    hidden = len(lines) - SERVERS_AT_MOST
    return [*lines[:SERVERS_AT_MOST], *([f"... and {hidden} more"] if hidden > 0 else [])]


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _command(what: str, command: str) -> _Lines:
    return _Lines(f"{what}:\n  {command}")


class _Lines(str):
    """Text that is already split into lines. Any other text is a sentence, even if a name in it has line breaks."""

    __slots__ = ()


def _block(heading: str, lines: Sequence[str]) -> _Lines:
    """A heading and its lines, indented; empty without lines."""
    if not lines:
        return _Lines()
    return _Lines("\n".join([f"{heading}:", *(_wrapped(line, "  ", "    ") for line in lines)]))


def _wrapped(line: str, first: str = "", later: str = "") -> str:
    return textwrap.fill(
        one_line(line).replace(CUT_HERE, "---"),  # no name may look like a cut mark
        WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _text(*parts: str) -> _Lines:
    """Paragraphs; sentences are wrapped, lists and commands are not."""
    return _Lines("\n\n".join(part if isinstance(part, _Lines) else _wrapped(part) for part in parts if part))
