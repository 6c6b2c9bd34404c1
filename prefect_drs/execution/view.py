"""The report as a view of the state: a pure function. The same events give the same report, in any process.

Calling it often is cheap: the part of a server is kept with the server until an event changes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from prefect_drs.execution.event import Event
from prefect_drs.execution.events import ExecutionStarted
from prefect_drs.execution.records import Cancellation, LaunchJob
from prefect_drs.execution.replay import state_of
from prefect_drs.execution.state import ExecutionState, ServerRun, WaveRun
from prefect_drs.execution.targets import target_reports
from prefect_drs.plan.effective import settings_of
from prefect_drs.report.model import (
    ApprovalAttemptReport,
    ApprovalReport,
    ControlReport,
    ExecutionStatus,
    JobReport,
    NotificationsReport,
    Placement,
    PreparedReport,
    ProvenApproval,
    RecoveryReport,
    ServerReport,
    WaitReport,
    WaveReport,
    WaveStatus,
)
from prefect_drs.runbook import Runbook, RunbookServer
from prefect_drs.runbook.launch_settings import sized_by_drs


def report(state: ExecutionState) -> RecoveryReport:
    """The report of an execution as it stands."""
    waves = tuple(_wave(wave, state) for wave in state.waves.values())
    launched = [server for wave in waves for server in wave.servers if server.launched]
    ended = [server.ended_at for server in launched if server.ended_at is not None]
    ages = [server.rpo_seconds for server in launched]
    return RecoveryReport(
        execution_id=state.execution_id,
        plan_name=state.runbook.plan_name,
        mode=state.runbook.mode,
        status=state.final_status or _running_status(state),
        started_at=state.started_at,
        ended_at=state.ended_at,
        achieved_rto_seconds=(max(ended) - state.started_at).total_seconds() if ended else None,
        achieved_rpo_seconds=None if None in ages else max((age for age in ages if age is not None), default=None),
        waves=waves,
        findings=state.runbook.findings,
        notifications=NotificationsReport(sent=state.notified, failed=tuple(state.unsent)),
        at_gates_seconds=state.seconds_at_gates,
        gates_open_since=state.gates_open_since,
        paused=ControlReport(by=state.pause.by, at=state.pause.at) if state.pause else None,
        cancelled=_cancelled(state.cancellation),
        terminated=ControlReport(by=state.termination.by, at=state.termination.at) if state.termination else None,
        simulated_time=state.simulated_time,
        targets=target_reports(state, waves),
    )


def _cancelled(cancellation: Cancellation | None) -> ControlReport | None:
    if cancellation is None:
        return None
    return ControlReport(by=cancellation.by, at=cancellation.at, reason=cancellation.reason)


def report_of(events: Iterable[Event]) -> RecoveryReport:
    """The report of a whole journal.

    Raises:
        PrefectDrsError: it does not begin with ExecutionStarted, or an event does not fit those before it.
        ValueError: it is empty.
    """
    state = state_of(events)
    if state is None:
        raise ValueError("the journal holds no ExecutionStarted: nothing can be reported")
    return report(state)


class ReportFold:
    """The report of an execution that somebody observes: events go in by `apply`, `report` can be called in between."""

    def __init__(self) -> None:
        self._state: ExecutionState | None = None

    def apply(self, event: Event) -> None:
        """Take one more event, in the order it was appended; the first is the ExecutionStarted.

        Raises:
            ValueError: it is not.
        """
        if self._state is not None:
            self._state.apply(event)
        elif isinstance(event, ExecutionStarted):
            self._state = event.initial_state
        else:
            raise ValueError(f"the first event is {event.kind}, not ExecutionStarted: nothing can be reported")

    @property
    def started(self) -> bool:
        """Whether there is anything to report."""
        return self._state is not None

    @property
    def runbook(self) -> Runbook:
        """What the execution is to do.

        Raises:
            ValueError: no ExecutionStarted has been applied.
        """
        if self._state is None:
            raise ValueError("no ExecutionStarted was applied: nothing can be reported")
        return self._state.runbook

    def report(self) -> RecoveryReport:
        """The report as things stand.

        Raises:
            ValueError: no ExecutionStarted has been applied.
        """
        if self._state is None:
            raise ValueError("no ExecutionStarted was applied: nothing can be reported")
        return report(self._state)


def final_status(waves: Iterable[WaveReport]) -> ExecutionStatus:
    """How an execution whose waves are all over ended.

    COMPLETED: every wave did, with every server. FAILED: a wave failed. PARTIAL: none failed, but some servers did of
    waves that go on without them, or some waves were cancelled after others had completed. CANCELLED: nothing was
    launched.
    """
    waves = tuple(waves)
    statuses = [wave.status for wave in waves]
    if all(status is WaveStatus.COMPLETED for status in statuses):
        whole = all(wave.launched == len(wave.servers) for wave in waves)
        return ExecutionStatus.COMPLETED if whole else ExecutionStatus.PARTIAL
    if WaveStatus.FAILED in statuses:
        return ExecutionStatus.FAILED
    return ExecutionStatus.PARTIAL if WaveStatus.COMPLETED in statuses else ExecutionStatus.CANCELLED


def _running_status(state: ExecutionState) -> ExecutionStatus:
    waves = state.waves.values()
    moving = any(wave.status in {WaveStatus.INITIATED, WaveStatus.LAUNCHING} for wave in waves)
    waiting = any(wave.waiting_for_approval for wave in waves) and not moving
    return ExecutionStatus.PAUSED if state.paused or waiting else ExecutionStatus.IN_PROGRESS


def _wave(wave: WaveRun, state: ExecutionState) -> WaveReport:
    servers = [run.shown or _server(run) for run in wave.servers.values()]
    if state.points:
        servers = [_with_point(server, wave, state) for server in servers]
    if state.identities:
        servers = [_with_identity(server, state) for server in servers]
    if state.terminated:
        servers = [_after_termination(server, state) for server in servers]
    return WaveReport(
        wave_number=wave.number,
        wave_name=wave.wave.wave_name,
        status=wave.status,
        reason=wave.reason,
        started_at=wave.started_at,
        ended_at=wave.ended_at,
        depends_on_waves=wave.wave.depends_on_waves,
        approval=_approval(wave),
        jobs=tuple(_job(job) for job in wave.jobs.values()),
        servers=tuple(servers),
        checks=tuple(wave.checks.values()),
        delays=tuple(wave.delays),
        excluded=wave.wave.excluded,
        gate_opened_at=wave.gate_opened_at,
        waits=tuple(
            WaitReport(since=since, cause=cause, reason=reason) for reason, (since, cause) in wave.waits.items()
        ),
        approvals=_proven_approvals(wave),
        attempts=_attempts(wave),
        action=wave.wave.action,
    )


def _approval(wave: WaveRun) -> ApprovalReport | None:
    if (answer := wave.approval) is None:
        return None
    return ApprovalReport(
        decision=answer.decision.value,
        by=answer.by,
        at=answer.at,
        comment=answer.comment,
        break_glass=wave.broken_glass.reason if wave.broken_glass is not None else None,
    )


def _proven_approvals(wave: WaveRun) -> tuple[ProvenApproval, ...]:
    return tuple(
        ProvenApproval(
            by=each.identity,
            proven_by=each.proven_by,
            proof_at=each.proof_at,
            digest=each.digest,
            comment=each.comment,
        )
        for each in wave.approvals
    )


def _attempts(wave: WaveRun) -> tuple[ApprovalAttemptReport, ...]:
    return tuple(
        ApprovalAttemptReport(at=each.at, by=each.by, code=each.code, reason=each.reason) for each in wave.attempts
    )


def _job(job: LaunchJob) -> JobReport:
    return JobReport(
        job_id=job.job_id,
        region=job.location.region,
        account_id=job.location.account_id,
        server_ids=job.server_ids,
        started_at=job.started_at,
        ended_at=job.ended_at,
    )


def _server(run: ServerRun) -> ServerReport:
    run.shown = ServerReport(
        source_server_id=run.server.source_server_id,
        name=run.server.name,
        launch_status=run.launch_status,
        recovery_instance_id=run.recovery_instance_id,
        attempts=run.attempts,
        started_at=run.started_at,
        ended_at=run.ended_at,
        error=run.error or None,
        placement=_placement(run.server),
        lag_at_stop=run.lag_at_stop,
        prepared=_prepared(run.server),
    )
    return run.shown


def _prepared(server: RunbookServer) -> PreparedReport | None:
    return None if server.prepared is None else PreparedReport(**server.prepared.model_dump())


def _with_identity(server: ServerReport, state: ExecutionState) -> ServerReport:
    """The server with what became of its prepared instance's identity; only of a server that is launched."""
    differences = state.identities.get(server.source_server_id) if server.launch_status == "LAUNCHED" else None
    if differences is None or server.prepared is None:
        return server
    compared = server.prepared.model_copy(update={"kept": not differences, "differences": differences})
    return server.model_copy(update={"prepared": compared})


def _with_point(server: ServerReport, wave: WaveRun, state: ExecutionState) -> ServerReport:
    """The server with its point in time and the age of its data; only of a server that is launched."""
    point = state.points.get(server.source_server_id) if server.launch_status == "LAUNCHED" else None
    if point is None:
        return server
    age = _age(server.source_server_id, point, wave, state.started_at)
    return server.model_copy(update={"point_in_time": point, "rpo_seconds": age})


def _after_termination(server: ServerReport, state: ExecutionState) -> ServerReport:
    """The server as TERMINATED, where its recovery instance is gone."""
    gone = state.terminated.get(server.recovery_instance_id or "")
    if gone is None:
        return server
    return server.model_copy(update={"launch_status": "TERMINATED", "terminated_at": gone})


def _age(source_server_id: str, point: datetime, wave: WaveRun, began: datetime) -> float:
    """Seconds that the data of a launched server was old when the execution began or, if newer, when its job began."""
    started = [job.started_at for job in wave.jobs.values() if source_server_id in job.server_ids]
    moment = began if point <= began else max(started, default=began)
    return max(0.0, (moment - point).total_seconds())


def _placement(server: RunbookServer) -> Placement:
    settings = settings_of(server.effective)
    return Placement(
        account_id=server.account_id,
        region=server.region,
        subnet_id=settings.subnet_id,
        instance_type=None if sized_by_drs(settings) else settings.instance_type,
    )
