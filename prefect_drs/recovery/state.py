"""Where an execution stood, read from its journal: what a new process starts from.

In: events. Out: the waves as they were, the jobs so far, and the launches whose answer is missing. The journal may lag
behind AWS by what a dying process could not write any more; the engine's first reading of DRS's jobs closes that gap
before anything is launched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.recovery.ports import Decision, GateAnswer
from prefect_drs.recovery.waves import ServerState, WaveRun
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
    JobEnded,
    JobRefused,
    JobRequested,
    JobStarted,
    PauseAsked,
    PauseEnded,
    ServerRetried,
    ServerStatus,
    WaveEnded,
    WaveStarted,
)
from prefect_drs.report.fold import fitting
from prefect_drs.report.model import WaveStatus
from prefect_drs.runbook import Runbook

FINAL = {"LAUNCHED": ServerState.LAUNCHED, "FAILED": ServerState.FAILED, "TERMINATED": ServerState.FAILED}


@dataclass(slots=True)
class ExecutionState:
    """How an execution stands.

    Args:
        runbook: what it carries out.
        started_at: when it began; no job of it is older.
        waves: every wave, by number.
        requests: launches that were asked for and whose answer is not known, by batch.
        jobs: every job so far, by job id.
        over: the ids of those that are known to be over.
        answers: what was decided about the waves behind gates, by wave number; answers given stay given.
        deadlines: until when the gates that are open wait, by wave number.
        cancel: the cancel that is in force; None where there is none, or it was overridden.
        held: whether launching is paused.
        handled: the ids of the control requests that were handled.
        ended: whether it came to its end; carrying it on then means trying again what failed.
        asks: the calls to carry it out that were heeded; none of them opens it again once it has ended.
    """

    runbook: Runbook
    started_at: datetime
    waves: dict[int, WaveRun]
    requests: dict[str, JobRequested] = field(default_factory=dict)
    jobs: dict[str, JobStarted] = field(default_factory=dict)
    answers: dict[int, GateAnswer] = field(default_factory=dict)
    deadlines: dict[int, datetime] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    cancel: CancelAsked | None = None
    held: bool = False
    handled: set[str] = field(default_factory=set)
    ended: bool = False
    asks: set[str] = field(default_factory=set)

    @classmethod
    def fresh(cls, start: ExecutionStarted) -> ExecutionState:
        """An execution that nothing has happened to yet."""
        waves = {wave.wave_number: WaveRun.of(wave) for wave in start.runbook.waves}
        # Its own flow run, which bears its id, asked for its beginning, whatever an older journal says.
        return cls(start.runbook, start.at, waves, asks={start.execution_id, start.asked})

    def is_concluded(self, asked: str) -> bool:
        """Whether it has ended, and this call has been heeded: it is not to be tried again."""
        return self.ended and asked != "" and asked in self.asks

    def apply(self, event: Event) -> None:
        """Take one more event, in the order it was appended."""
        match event:
            case GateAsked():
                if event.until is not None:
                    self.deadlines[event.wave_number] = event.until
            case GateAnswered():
                self.deadlines.pop(event.wave_number, None)
                self.answers[event.wave_number] = GateAnswer(
                    Decision(event.decision), event.by, event.answered_at, event.comment
                )
            case WaveStarted():
                self.waves[event.wave_number].start()
            case CheckDone():
                self.waves[event.wave_number].check_results.append(event.result)
            case JobRequested():
                self.requests[event.batch] = event
                wave = self.waves[event.wave_number]
                wave.batches = max(wave.batches, int(event.batch.rpartition(".")[2]))
            case JobRefused():
                self.requests.pop(event.batch, None)
            case JobStarted():
                self.requests.pop(event.batch, None)
                self.jobs[event.job_id] = event
                for server_id in event.server_ids:
                    run = self.waves[event.wave_number].servers[server_id]
                    run.state, run.job_id = ServerState.IN_JOB, event.job_id
                    run.attempts += 1
            case ServerStatus():
                run = self.waves[event.wave_number].servers[event.source_server_id]
                run.launch_status, run.error = event.launch_status, event.error or ""
                run.state = FINAL.get(event.launch_status, run.state)
                run.recovery_instance_id = event.recovery_instance_id
            case ServerRetried():
                run = self.waves[event.wave_number].servers[event.source_server_id]
                run.try_again(event.settings, event.snapshot_id)
            case JobEnded():
                self.over.add(event.job_id)
            case WaveEnded():
                self.waves[event.wave_number].end(WaveStatus(event.status), event.reason)
            case CancelAsked() | CancelOverridden() | PauseAsked() | PauseEnded() | ControlRequestHandled():
                self._apply_control(event)
            case ExecutionEnded():
                self.ended = True
            case ExecutionResumed():
                self.asks.add(event.asked)
                if event.again:
                    self.try_again()
            case _:
                pass  # the rest is for the report

    def _apply_control(
        self, event: CancelAsked | CancelOverridden | PauseAsked | PauseEnded | ControlRequestHandled
    ) -> None:
        match event:
            case CancelAsked():
                self.cancel = event
            case CancelOverridden():
                self.cancel = None
            case PauseAsked() | PauseEnded():
                self.held = isinstance(event, PauseAsked)
        self.handled.update(event.requests if isinstance(event, CancelOverridden) else (event.request,))

    def try_again(self) -> None:
        """Open anew what failed, was skipped or timed out. What a person rejected stays rejected."""
        self.ended = self.held = False
        self.cancel = None
        self.answers = {n: answer for n, answer in self.answers.items() if answer.decision is not Decision.TIMED_OUT}
        for wave in self.waves.values():
            if wave.status in {WaveStatus.FAILED, WaveStatus.SKIPPED, WaveStatus.CANCELLED}:
                wave.reopen()


def state_of(events: Iterable[Event]) -> ExecutionState | None:
    """How the execution of a journal stands; None where the journal is empty.

    Raises:
        PrefectDrsError: the journal does not begin with ExecutionStarted, or an event does not fit those before it.
    """
    remaining = iter(events)
    first = next(remaining, None)
    if first is None:
        return None
    if not isinstance(first, ExecutionStarted):
        raise PrefectDrsError(f"the journal begins with {first.kind}, not with ExecutionStarted; it is not whole")
    standing = ExecutionState.fresh(first)
    for number, event in enumerate(remaining, 2):
        with fitting(number, event):
            standing.apply(event)
    return standing
