"""The report on a terminal: a table when it is over, the same table live while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from prefect_drs.report.lag import lag_line
from prefect_drs.report.markdown import exclusion_text, unsent_lines
from prefect_drs.report.model import ExecutionStatus, RecoveryReport, WaveReport, WaveStatus
from prefect_drs.report.prepared import prepared_losses, prepared_summary
from prefect_drs.report.summary import ExecutionSummary
from prefect_drs.report.targets import STYLES as TARGET_STYLES
from prefect_drs.report.targets import target_line
from prefect_drs.report.text import clock_time, duration

STYLES = {
    "PENDING": "dim",
    "INITIATED": "blue",
    "IN_PROGRESS": "blue",
    "LAUNCHING": "blue",
    "PAUSED": "yellow",
    "COMPLETED": "green",
    "LAUNCHED": "green",
    "FAILED": "bold red",
    "TERMINATED": "red",
    "SKIPPED": "dim",
    "CANCELLED": "yellow",
    "PARTIAL": "yellow",
}


def styled(status: str) -> Text:
    """A status in its colour."""
    return Text(status, style=STYLES.get(status, ""))


def _columns(*names: str, free: str) -> Table:
    """A table that fits 80 columns: only the columns in `free` (names, separated by blanks) may break their lines."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name not in free.split())
    return table


def wave_rows(report: RecoveryReport) -> Table:
    """The waves, a row each, with how many servers are up; approvals where there are any."""
    approvals = any(wave.approval for wave in report.waves)
    named = ("wave", "name", "after", "status", "launched", "started", "ended", *["approval"][: int(approvals)])
    table = _columns(*named, free="name after approval")
    for wave in report.waves:
        cells: list[RenderableType] = [
            str(wave.wave_number),
            Text(wave.wave_name),
            ", ".join(map(str, wave.depends_on_waves)),
            styled(wave.status),
            f"{wave.launched}/{len(wave.servers)}",
            clock_time(wave.started_at, report.started_at),
            clock_time(wave.ended_at, report.started_at),
            Text(_answer(wave)),
        ]
        table.add_row(*cells[: len(named)])
    return table


def _answer(wave: WaveReport) -> str:
    if (approval := wave.approval) is None:
        return ""
    return f"{'BREAK-GLASS ' if approval.break_glass else ''}{approval.decision} by {approval.by}"


def server_rows(report: RecoveryReport) -> Table:
    """The servers, a row each; the number of tries where one took more than one."""
    tries = any(server.attempts > 1 for wave in report.waves for server in wave.servers)
    named = ("wave", "server", "id", "status", "recovery instance", "ended", *["tries"][: int(tries)])
    table = _columns(*named, free="server")
    for wave in report.waves:
        for server in wave.servers:
            cells: list[RenderableType] = [
                str(wave.wave_number),
                Text(server.name),
                server.source_server_id,
                styled(server.launch_status),
                server.recovery_instance_id or "",
                clock_time(server.ended_at, report.started_at),
                str(server.attempts),
            ]
            table.add_row(*cells[: len(named)])
    return table


def headline(report: RecoveryReport, now: datetime | None = None) -> Text:
    """Two lines: what it is and how it stands; its times, and which clock they are of.

    Args:
        report: what to show.
        now: the time by the report's clock: while it runs, the RTO so far is counted up to it.
    """
    rto, at_gates = report.achieved_rto_seconds, report.at_gates_seconds
    if report.ended_at is None and now is not None:
        rto = (now - report.started_at).total_seconds()
        at_gates += (now - report.gates_open_since).total_seconds() if report.gates_open_since else 0.0
    so_far = "" if report.ended_at else " so far"
    gates = f", {duration(at_gates)} of it with a gate open" if at_gates else ""
    return Text.assemble(
        (report.plan_name, "bold"),
        f"  {report.mode}  ",
        styled(report.status),
        f"  execution {report.execution_id}",
        f"\nstarted {report.started_at:%Y-%m-%d %H:%M:%S}",
        f", ended {clock_time(report.ended_at, report.started_at)}" if report.ended_at else "",
        " UTC, simulated time of the sandbox" if report.simulated_time else " UTC",
        f"; RTO{so_far} {duration(rto)}{gates}" if rto else "",
        f"; RPO {duration(report.achieved_rpo_seconds)}" if report.achieved_rpo_seconds is not None else "",
    )


def report_view(report: RecoveryReport) -> RenderableType:
    """The whole report: headline, waves, servers, why what failed did, and what nobody was told."""
    return Group(headline(report), *report_body(report))


def report_body(report: RecoveryReport) -> list[RenderableType]:
    """The report without its headline."""
    why = [
        Text(f"wave {wave.wave_number} {wave.wave_name}: {wave.status}: {wave.reason}", style="red")
        for wave in report.waves
        if wave.reason or wave.status in {WaveStatus.FAILED, WaveStatus.SKIPPED, WaveStatus.CANCELLED}
    ]
    checks = [
        Text(f"wave {wave.wave_number} checks: {sum(c.passed for c in wave.checks)} of {len(wave.checks)} passed")
        for wave in report.waves
        if wave.checks
    ]
    delays = [
        Text(f"wave {wave.wave_number} {wave.wave_name} waited: {delay}", style="yellow")
        for wave in report.waves
        for delay in wave.delays
    ]
    targets = [
        Text(target_line(target, report.started_at), style=TARGET_STYLES.get(target.outcome, ""))
        for target in report.targets
    ]
    left_out = [
        Text(f"wave {wave.wave_number} {exclusion_text(excluded)}", style="yellow")
        for wave in report.waves
        for excluded in wave.excluded
    ]
    prepared = prepared_summary(report)
    lost = [Text(line, style="bold red") for line in prepared_losses(report)]
    notes = [
        *targets,
        *([Text(prepared)] if prepared else []),
        *([Text(lag)] if (lag := lag_line(report)) else []),
        *lost,
        *left_out,
        *checks,
        *delays,
        *why,
        *(Text(line, style="yellow") for line in unsent_lines(report)),
    ]
    return ["", wave_rows(report), "", server_rows(report), *([""] if notes else []), *notes]


def live_view(report: RecoveryReport) -> RenderableType:
    """What is shown while it runs."""
    running = report.status in {ExecutionStatus.IN_PROGRESS, ExecutionStatus.PAUSED}
    return Group(headline(report), "", wave_rows(report)) if running else report_view(report)


def executions_view(executions: Sequence[ExecutionSummary]) -> Table:
    """Executions, a row each, in the given order."""
    table = _columns("execution", "status", "started", "launched", "plan", free="plan")
    for execution in executions:
        table.add_row(
            execution.execution_id,
            styled(execution.status),
            f"{execution.started_at:%m-%d %H:%M}",
            f"{execution.launched}/{execution.servers}",
            Text(f"{execution.plan_name} {execution.mode}"),
        )
    return table
