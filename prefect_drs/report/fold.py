"""The fold: events in, RecoveryReport out. The same events give the same report, whoever reads them and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.plan.effective import settings_of
from prefect_drs.report.checks import CheckResult
from prefect_drs.report.events import (
    CancelAsked,
    CancelOverridden,
    CheckDone,
    ControlRequestHandled,
    Event,
    ExecutionEnded,
    ExecutionResumed,
    ExecutionStarted,
    GateAnswered,
    GateAsked,
    InstancesTerminated,
    JobEnded,
    JobRefused,
    JobRequested,
    JobStarted,
    Notified,
    PauseAsked,
    PauseEnded,
    PointsReached,
    ServerRetried,
    ServerStatus,
    SettingsApplied,
    TerminationAsked,
    TerminationStarted,
    WaveDelayed,
    WaveEnded,
    WaveStarted,
)
from prefect_drs.report.model import (
    ApprovalReport,
    ExecutionStatus,
    JobReport,
    NotificationsReport,
    Placement,
    RecoveryReport,
    ServerReport,
    UnsentNotification,
    WaveReport,
    WaveStatus,
)
from prefect_drs.runbook import RunbookServer, RunbookWave
from prefect_drs.runbook.launch_settings import sized_by_drs


class _Wave:
    """One wave as the fold knows it so far."""

    def __init__(self, wave: RunbookWave) -> None:
        self.wave = wave
        self.status = WaveStatus.PENDING
        self.reason = ""
        self.asking = False
        self.started_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.approval: ApprovalReport | None = None
        self.jobs: dict[str, JobReport] = {}
        self.checks: dict[object, CheckResult] = {}
        self.delays: dict[str, None] = {}  # in order, each once
        self.servers = {
            server.source_server_id: ServerReport(
                source_server_id=server.source_server_id,
                name=server.name,
                launch_status="PENDING",
                recovery_instance_id=None,
                attempts=0,
                started_at=None,
                ended_at=None,
                placement=_placement(server),
            )
            for server in wave.servers
        }

    def retry(self, server_id: str) -> None:
        """The server is to be launched once more; what it tried so far stays told in `attempts`."""
        self.servers[server_id] = self.servers[server_id].model_copy(
            update={"launch_status": "PENDING", "recovery_instance_id": None, "ended_at": None}
        )

    def reopen(self) -> None:
        """What did not succeed is tried again."""
        if self.status in {WaveStatus.FAILED, WaveStatus.SKIPPED, WaveStatus.CANCELLED}:
            self.status, self.reason, self.ended_at = WaveStatus.PENDING, "", None
            self.checks.clear()
            for server in list(self.servers.values()):
                if server.launch_status not in {"LAUNCHED", "PENDING"}:
                    self.retry(server.source_server_id)

    def report(self, points: Mapping[str, datetime], began: datetime) -> WaveReport:
        return WaveReport(
            wave_number=self.wave.wave_number,
            wave_name=self.wave.wave_name,
            status=self.status,
            reason=self.reason,
            started_at=self.started_at,
            ended_at=self.ended_at,
            depends_on_waves=self.wave.depends_on_waves,
            approval=self.approval,
            jobs=tuple(self.jobs.values()),
            servers=tuple(self._with_point(server, points, began) for server in self.servers.values()),
            checks=tuple(self.checks.values()),
            delays=tuple(self.delays),
            excluded=self.wave.excluded,
        )

    def _with_point(self, server: ServerReport, points: Mapping[str, datetime], began: datetime) -> ServerReport:
        """The server with its point in time and the age of its data; only of a server that is up."""
        point = points.get(server.source_server_id) if server.launch_status == "LAUNCHED" else None
        if point is None:
            return server
        asked = [job.started_at for job in self.jobs.values() if server.source_server_id in job.server_ids]
        moment = began if point <= began else max(asked, default=began)
        age = max(0.0, (moment - point).total_seconds())
        return server.model_copy(update={"point_in_time": point, "rpo_seconds": age})


def _placement(server: RunbookServer) -> Placement:
    settings = settings_of(server.effective)
    return Placement(
        account_id=server.account_id,
        region=server.region,
        subnet_id=settings.subnet_id,
        instance_type=None if sized_by_drs(settings) else settings.instance_type,
    )


class ReportFold:
    """A report that grows by `apply`, an event at a time, and can be read in between by `report`."""

    def __init__(self) -> None:
        self._start: ExecutionStarted | None = None
        self._waves: dict[int, _Wave] = {}
        self._job_waves: dict[str, _Wave] = {}
        self._ended_at: datetime | None = None
        self._status: ExecutionStatus | None = None
        self._held = False
        self._points: dict[str, datetime] = {}
        self._notified = 0
        self._unsent: list[UnsentNotification] = []

    def apply(self, event: Event) -> None:
        """Take one more event, in the order it was appended."""
        match event:
            case ExecutionStarted():
                if self._start is None:
                    self._start = event
                    self._waves = {wave.wave_number: _Wave(wave) for wave in event.runbook.waves}
            case ExecutionResumed():
                self._ended_at = self._status = None
                if event.again:
                    for wave in self._waves.values():
                        wave.reopen()
            case PauseAsked() | PauseEnded():
                self._held = isinstance(event, PauseAsked)
            case JobRequested() | JobRefused() | SettingsApplied():
                pass  # the journal's own business: nothing of the report changes
            case CancelAsked() | CancelOverridden() | ControlRequestHandled():
                pass  # the journal's own business: nothing of the report changes
            case TerminationAsked() | TerminationStarted() | InstancesTerminated():
                pass  # what an execution reached stays reached
            case PointsReached():
                self._points |= event.points
            case Notified():
                self._apply_notified(event)
            case JobEnded():
                wave = self._job_waves[event.job_id]
                wave.jobs[event.job_id] = wave.jobs[event.job_id].model_copy(update={"ended_at": event.ended_at})
            case ExecutionEnded():
                self._ended_at, self._status = event.at, ExecutionStatus(event.status)
            case _:
                self._apply_to_wave(self._waves[event.wave_number], event)

    def _apply_notified(self, event: Notified) -> None:
        if event.error is None:
            self._notified += 1
            return
        self._unsent.append(
            UnsentNotification(
                milestone=event.milestone,
                wave_number=event.wave_number,
                channel=event.channel,
                error=event.error,
                at=event.at,
            )
        )

    def _apply_to_wave(
        self,
        wave: _Wave,
        event: GateAsked
        | GateAnswered
        | WaveStarted
        | JobStarted
        | ServerStatus
        | ServerRetried
        | WaveDelayed
        | CheckDone
        | WaveEnded,
    ) -> None:
        match event:
            case GateAsked():
                wave.asking = True
            case GateAnswered():
                wave.asking = False
                wave.approval = ApprovalReport(
                    decision=event.decision, by=event.by, at=event.answered_at, comment=event.comment
                )
            case WaveStarted():
                wave.status = WaveStatus.INITIATED
                wave.started_at = wave.started_at or event.at
            case JobStarted():
                wave.status = WaveStatus.LAUNCHING
                self._job_waves[event.job_id] = wave
                wave.jobs[event.job_id] = JobReport(
                    job_id=event.job_id,
                    region=event.region,
                    account_id=event.account_id,
                    server_ids=event.server_ids,
                    started_at=event.started_at,
                    ended_at=None,
                )
                for server_id in event.server_ids:
                    server = wave.servers[server_id]
                    wave.servers[server_id] = server.model_copy(
                        update={
                            "attempts": server.attempts + 1,
                            "started_at": server.started_at or event.started_at,
                            "ended_at": None,
                        }
                    )
            case ServerStatus():
                ended = event.launch_status in {"LAUNCHED", "FAILED", "TERMINATED", "SKIPPED"}
                wave.servers[event.source_server_id] = wave.servers[event.source_server_id].model_copy(
                    update={
                        "launch_status": event.launch_status,
                        "recovery_instance_id": event.recovery_instance_id,
                        "error": event.error,
                        "ended_at": event.at if ended else None,
                    }
                )
            case WaveDelayed():
                wave.delays[event.told] = None
            case ServerRetried():
                wave.retry(event.source_server_id)
            case CheckDone():
                wave.checks[event.result.key] = event.result
            case WaveEnded():
                wave.status, wave.reason = WaveStatus(event.status), event.reason
                wave.ended_at = event.at
                wave.asking = False

    @property
    def started(self) -> bool:
        """Whether there is anything to report."""
        return self._start is not None

    def report(self) -> RecoveryReport:
        """The report as things stand.

        Raises:
            ValueError: no ExecutionStarted has been applied.
        """
        if self._start is None:
            raise ValueError("the journal holds no ExecutionStarted: nothing can be reported")
        waves = tuple(wave.report(self._points, self._start.at) for wave in self._waves.values())
        launched = [
            server.ended_at
            for wave in waves
            for server in wave.servers
            if server.launch_status == "LAUNCHED" and server.ended_at is not None
        ]
        ages = [s.rpo_seconds for wave in waves for s in wave.servers if s.launch_status == "LAUNCHED"]
        return RecoveryReport(
            execution_id=self._start.execution_id,
            plan_name=self._start.runbook.plan_name,
            mode=self._start.runbook.mode,
            status=self._status or self._running_status(waves),
            started_at=self._start.at,
            ended_at=self._ended_at,
            achieved_rto_seconds=(max(launched) - self._start.at).total_seconds() if launched else None,
            achieved_rpo_seconds=None if None in ages else max((age for age in ages if age is not None), default=None),
            waves=waves,
            findings=self._start.runbook.findings,
            notifications=NotificationsReport(sent=self._notified, failed=tuple(self._unsent)),
        )

    def _running_status(self, waves: tuple[WaveReport, ...]) -> ExecutionStatus:
        moving = any(wave.status in {WaveStatus.INITIATED, WaveStatus.LAUNCHING} for wave in waves)
        asking = any(wave.asking for wave in self._waves.values())
        return ExecutionStatus.PAUSED if self._held or (asking and not moving) else ExecutionStatus.IN_PROGRESS


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


@contextmanager
def fitting(number: int, event: Event) -> Iterator[None]:
    """Turn what fails while an event of a journal is taken in into one line that names it.

    Args:
        number: its place in the journal, from 1.
        event: the event.

    Raises:
        PrefectDrsError: it does not fit the events before it, such as one of a wave that the runbook has not.
    """
    try:
        yield
    except (KeyError, ValueError) as fault:
        raise PrefectDrsError(
            f"event {number} of the journal, {event.kind}, does not fit those before it ({fault}): the journal is not "
            "whole; restore it from a backup, or start a new execution after looking at DRS's jobs"
        ) from None


def report_of(events: Iterable[Event]) -> RecoveryReport:
    """The report of a whole journal.

    Raises:
        PrefectDrsError: an event does not fit those before it.
        ValueError: the journal holds no ExecutionStarted.
    """
    fold = ReportFold()
    for number, event in enumerate(events, 1):
        with fitting(number, event):
            fold.apply(event)
    return fold.report()
