"""Markdown for the Prefect UI: what a wave would do (at its gate), the waves with their states, the servers.

In: reports and runbooks. Out: text for a page about 800 pixels wide, or the gate's form, half of that: a table has no
more columns than are seen there at once, and whatever may be long (reasons, errors, changes) is a list below it. Names
are escaped, so that one with a bar or a bracket in it stays a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect_drs.core.escaping import markdown_text
from prefect_drs.report.approving import launch_line
from prefect_drs.report.lag import lag_line
from prefect_drs.report.model import RecoveryReport, WaveReport, WaveStatus
from prefect_drs.report.prepared import prepared_losses, prepared_summary
from prefect_drs.report.targets import by_how_much, planned_targets, risk_note, whose
from prefect_drs.report.text import clock_time, duration, table
from prefect_drs.runbook import ExcludedServer, PlannedChange, Runbook, RunbookServer, RunbookWave

SHOWN_SERVERS = 100  # rows in a form; more would bury the buttons
STATE_MARKS = {  # not emoji: a desktop without a colour font shows those as empty boxes
    WaveStatus.PENDING: "○",
    WaveStatus.INITIATED: "◐",
    WaveStatus.LAUNCHING: "◐",
    WaveStatus.COMPLETED: "✓",
    WaveStatus.FAILED: "✗",
    WaveStatus.SKIPPED: "–",
    WaveStatus.CANCELLED: "⊘",
}


def value(setting: Any) -> str:
    """A setting's value as a person reads it."""
    match setting:
        case None:
            return "—"
        case bool():
            return "yes" if setting else "no"
        case list() | tuple():
            return ", ".join(value(item) for item in setting) or "—"
        case dict():
            return ", ".join(f"{key}={value(item)}" for key, item in setting.items()) or "—"
        case _:
            return str(setting)


def change_text(change: PlannedChange) -> str:
    """`instanceType c5.large → r7a.large`."""
    return f"{change.field} {value(change.before)} → {value(change.after)}"


def gate_summary(runbook: Runbook, wave_number: int, so_far: RecoveryReport) -> str:
    """What a person should know before approving a wave: what it would launch, what would change, what has run."""
    wave = runbook.wave(wave_number)
    shown = wave.servers[:SHOWN_SERVERS]
    hidden = len(wave.servers) - len(shown)
    parts = [
        f"### {runbook.mode.capitalize()} of {markdown_text(runbook.plan_name)}: "
        f"approve {markdown_text(wave.wave_name)}?",
        _what_approving_does(runbook, wave),
        "\n".join(f"- {markdown_text(line)}" for line in wave_promises(wave)),
        f"**So far:** {_so_far(so_far)}",
        "**To be launched**" if wave.action == "launch" else "**Servers**",
        "\n".join(_server_line(server) for server in shown),
        f"… and {hidden} more." if hidden else "",
    ]
    return _paragraphs(*parts)


def _what_approving_does(runbook: Runbook, wave: RunbookWave) -> str:
    if wave.action != "launch":
        return f"Approving {markdown_text(launch_line(runbook, wave.wave_number))}."
    jobs = wave.jobs
    places = ", ".join(sorted({str(location) for location, _ in jobs}))
    does = {
        "drill": "Approving launches **drill** instances.",
        "recovery": "Approving launches **recovery** instances and replaces former ones.",
        "failback": "Approving launches the servers **back**, where they came from.",
    }
    return f"**{len(wave.servers)} server(s)** in {len(jobs)} job(s), {places}. {does[runbook.mode]}"


def wave_promises(wave: RunbookWave) -> list[str]:
    """What the plan says of a wave beside its servers: hooks, health checks, and what is done about failures."""
    lines = [
        f"{when}: {', '.join(check.name or check.type for check in checks)}"
        for when, checks in (
            ("before it, hooks", wave.pre_wave),
            ("done when healthy", wave.health_checks),
            ("after it, hooks", wave.post_wave),
        )
        if checks
    ]
    if wave.retry.attempts:
        lines.append(f"a server that fails is launched again, up to {wave.retry.attempts} time(s)")
    if targets := planned_targets(wave):
        lines.append(f"targets, from the start of the execution: {targets}")
    if wave.on_server_failure == "continue":
        lines.append(f"goes on with {wave.min_healthy} of {len(wave.servers)} servers")
    return lines


def exclusion_text(excluded: ExcludedServer) -> str:
    """A server that was left out, with its reason."""
    return f"left out {excluded.name} ({excluded.source_server_id}) of {excluded.group}: {excluded.reason}"


def check_table(report: RecoveryReport) -> str:
    """Every health check and hook with its result."""
    return table(
        ("wave", "when", "check", "of", "result", "seen last"),
        (
            (
                wave.wave_number,
                result.phase,
                result.name,
                result.source_server_id or "the wave",
                ("passed" if result.passed else "NOT PASSED") + ("" if result.required else " (not required)"),
                result.detail,
            )
            for wave in report.waves
            for result in wave.checks
        ),
    )


def _so_far(report: RecoveryReport) -> str:
    """The waves that have begun or ended, in one paragraph: above it and below it a small window shows little."""
    told = [
        f"{STATE_MARKS[wave.status]} {wave.wave_number} {markdown_text(wave.wave_name)} {wave.status} "
        f"{wave.launched}/{len(wave.servers)}"
        for wave in report.waves
        if wave.status is not WaveStatus.PENDING
    ]
    return " · ".join(told) or "nothing has been launched"


def _server_line(server: RunbookServer) -> str:
    """A server in the form's list; lists, since the dialog is narrow and cuts wide tables off."""
    lag = f", lag {server.lag}" if server.lag else ""
    changes = "".join(f"\n  - {markdown_text(change_text(change))}" for change in server.changes)
    point = f", from {server.snapshot_at:%Y-%m-%d %H:%M:%S} UTC" if server.snapshot_at else ""
    name, state = markdown_text(server.name), server.replication_state
    return f"- **{name}** `{server.source_server_id}`, {state}{lag}{point}{changes}"


def wave_table(waves: Sequence[WaveReport]) -> str:
    """The waves with their states, who approved or rejected them, and why those that did not complete did not."""
    rows = table(
        ("wave", "name", "after", "state", "launched", "started UTC", "ended UTC"),
        (
            (
                wave.wave_number,
                wave.wave_name,
                ", ".join(map(str, wave.depends_on_waves)) or "—",
                f"{STATE_MARKS[wave.status]} {wave.status}",
                f"{wave.launched}/{len(wave.servers)}",
                clock_time(wave.started_at),
                clock_time(wave.ended_at),
            )
            for wave in waves
        ),
    )
    return _paragraphs(rows, "\n".join(line for wave in waves for line in _wave_notes(wave)))


def _wave_notes(wave: WaveReport) -> list[str]:
    said = f"{wave.status}: {markdown_text(wave.reason)}" if wave.reason else ""
    if approval := wave.approval:
        comment = f": {markdown_text(approval.comment)}" if approval.comment else ""
        glass = "**BREAK-GLASS** " if approval.break_glass else ""
        answered = f"{glass}{approval.decision} by {markdown_text(approval.by)} at {clock_time(approval.at)}{comment}"
        said = f"{answered}. {said}" if said else answered
    return [f"- **{wave.wave_number} {markdown_text(wave.wave_name)}** {said}"] if said else []


def server_table(report: RecoveryReport) -> str:
    """Every server with what became of it, and the errors of those that failed."""
    servers = [(wave, server) for wave in report.waves for server in wave.servers]
    rows = table(
        ("wave", "server", "id", "state", "recovery instance", "ended UTC"),
        (
            (
                wave.wave_number,
                server.name,
                server.source_server_id,
                server.launch_status,
                server.recovery_instance_id or "—",
                clock_time(server.ended_at),
            )
            for wave, server in servers
        ),
    )
    errors = (
        f"- **{markdown_text(server.name)}** `{server.source_server_id}`: {markdown_text(server.error)}"
        for _, server in servers
        if server.error
    )
    return _paragraphs(rows, "\n".join(errors))


def job_table(report: RecoveryReport) -> str:
    """Every job with its place in AWS; nothing where none was started."""
    return table(
        ("wave", "job", "account", "region", "servers", "started UTC", "ended UTC"),
        (
            (
                wave.wave_number,
                job.job_id,
                job.account_id,
                job.region,
                len(job.server_ids),
                clock_time(job.started_at),
                clock_time(job.ended_at),
            )
            for wave in report.waves
            for job in wave.jobs
        ),
    )


def target_table(report: RecoveryReport) -> str:
    """Every RTO and RPO target with its outcome; nothing where there are none."""
    return table(
        ("target", "of", "allowed", "achieved", "outcome", "by"),
        (
            (
                target.kind,
                whose(target),
                duration(target.target_seconds),
                duration(target.achieved_seconds),
                target.outcome,
                "; ".join(note for note in (by_how_much(target), risk_note(target, report.started_at)) if note),
            )
            for target in report.targets
        ),
    )


def unsent_lines(report: RecoveryReport) -> list[str]:
    """What nobody was told, a line each."""
    return [
        f"not sent: {unsent.milestone}{'' if unsent.wave_number is None else f' of wave {unsent.wave_number}'} "
        f"to {unsent.channel}: {unsent.error}"
        for unsent in report.notifications.failed
    ]


def _prepared(report: RecoveryReport) -> str:
    """Whether prepared instances kept their identity; nothing where there are none."""
    summary = prepared_summary(report)
    lines = [summary, *(f"**{line}**" for line in map(markdown_text, prepared_losses(report)))] if summary else []
    return "\n".join(f"- {line}" for line in lines)


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def report_summary(report: RecoveryReport, *lead: str) -> str:
    """The whole report as a page: how it stands or ended, the waves, the servers, the jobs.

    Args:
        report: what to show.
        lead: paragraphs of Markdown that come right after the headline.
    """
    reached = report.achieved_rto_seconds
    rto = f"The last server was up {duration(reached)} after the start." if reached else "No server was launched."
    age = report.achieved_rpo_seconds
    rpo = f" The oldest data that was launched was {duration(age)} old (RPO)." if age is not None else ""
    jobs = job_table(report)
    checks = check_table(report)
    targets = target_table(report)
    return _paragraphs(
        f"# {markdown_text(report.plan_name)}: {report.mode} {report.status}",
        *lead,
        f"Execution `{report.execution_id}`. {rto}{rpo}",
        "\n".join(
            f"- **waived {finding.code}**: {markdown_text(finding.message)}. "
            f"Because: {markdown_text(finding.waived_because)}"
            for finding in report.findings
            if finding.waived_because
        ),
        "\n".join(
            f"- **wave {wave.wave_number}** {markdown_text(exclusion_text(excluded))}"
            for wave in report.waves
            for excluded in wave.excluded
        ),
        _prepared(report),
        f"- {markdown_text(lag)}" if (lag := lag_line(report)) else "",
        "## Targets" if targets else "",
        targets,
        "## Waves",
        wave_table(report.waves),
        "## Servers",
        server_table(report),
        "## Checks" if checks else "",
        checks,
        "## Jobs in DRS" if jobs else "",
        jobs,
        "## Notifications that were not sent" if report.notifications.failed else "",
        "\n".join(f"- {markdown_text(line)}" for line in unsent_lines(report)),
    )
