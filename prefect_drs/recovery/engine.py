"""The engine: carries out a runbook, wave by wave, one `tick` at a time.

In: a runbook, the ports and the way into AWS. Out: events, and each wave's outcome. A single thread calls `tick`; it
reads every account-region once, judges, packs and starts jobs, and says when to come back. Whoever decides that a wave
may begin (a Prefect task whose upstream succeeded, a plain driver under test) hands it over with `submit`; the engine
refuses one whose dependencies did not succeed. It never decides about people's approvals.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from datetime import datetime

from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import UsageError
from prefect_drs.recovery.control_requests import (
    Control,
    ControlRequests,
    RequestsUnreachableError,
    cancelled_refusal,
    override_event,
)
from prefect_drs.recovery.journal import Journal
from prefect_drs.recovery.launch.chooser import LaunchChooser
from prefect_drs.recovery.launch.jobs import LocationJobs
from prefect_drs.recovery.launch.packing import JobStart, Limits
from prefect_drs.recovery.launch.polling import PollPolicy
from prefect_drs.recovery.launch.quota_sharing import NoSharing, QuotaSharing
from prefect_drs.recovery.points import points_reached
from prefect_drs.recovery.ports import Decision, GateAnswer
from prefect_drs.recovery.state import ExecutionState, state_of
from prefect_drs.recovery.wave_runner import ExecutionContext, WaveRunner
from prefect_drs.recovery.waves import ServerState, WavePhase
from prefect_drs.report.events import (
    Event,
    ExecutionEnded,
    ExecutionResumed,
    ExecutionStarted,
    GateAnswered,
    GateAsked,
    PointsReached,
)
from prefect_drs.report.fold import ReportFold, final_status
from prefect_drs.report.model import RecoveryReport, WaveStatus
from prefect_drs.runbook import Runbook

TURN_LOOK = 1.0  # seconds until a turn is asked for again that another execution has
IDLE = 30.0  # seconds between looks at an engine that has nothing to do; a submission wakes it sooner


class Engine:
    """One execution of one runbook.

    Args:
        execution_id: what jobs are tagged with and the report is called by.
        runbook: what to do; nothing of it may be refused. Where the journal already tells of this execution, the
            journal's own runbook is carried on with, and this may be None.
        sessions: the way into the accounts.
        clock: the time.
        journal: where events are kept.
        executor: runs the applying of launch settings, an account-region of a wave a call.
        check_executor: runs hooks and health checks, which may hang; the same as `executor` where None.
        workers: threads that read and write launch settings side by side; 1 in virtual time.
        limits: DRS's quotas.
        policy: how often to look.
        observers: told every event after it is safe in the journal; must not raise.
        expected: seconds that each server's launch is expected to take, by source server id, where known.
        turns: tells executions in the same account-region of each other; none are known where None.
        holder: who carries it out, for the journal.
        asked: what the call to carry it out is known by, so that an execution that has ended is tried again once for
            each call; empty where every call is a new one.
        requests: the stored control requests. Those that the journal does not record are handled before anything is
            launched, and again before each launch.
        override_cancel: who goes on despite a cancel; None honours it.
        seed: of the jitter.
    """

    def __init__(
        self,
        execution_id: str,
        runbook: Runbook | None,
        sessions: Sessions,
        *,
        clock: Clock,
        journal: Journal,
        executor: Executor,
        check_executor: Executor | None = None,
        workers: int = 8,
        limits: Limits | None = None,
        policy: PollPolicy | None = None,
        observers: Sequence[Callable[[Event], None]] = (),
        expected: Mapping[str, float] | None = None,
        turns: QuotaSharing | None = None,
        holder: str = "",
        asked: str = "",
        requests: ControlRequests | None = None,
        override_cancel: str | None = None,
        seed: int | None = None,
    ) -> None:
        self.execution_id = execution_id
        self._sessions = sessions
        self._clock = clock
        self._journal = journal
        self._executor = executor
        self._workers = workers
        self._policy = policy or PollPolicy()
        self._turns: QuotaSharing = turns or NoSharing()
        self._observers = observers
        self._lock = threading.RLock()  # events come from wave threads (gates) and from the tick
        self._fold = ReportFold()
        self._inbox: deque[int] = deque()
        self.woken = threading.Event()
        self.changed = threading.Condition()
        standing = self._take_up(runbook, holder, asked, requests, override_cancel)
        self.runbook = standing.runbook
        self._waves = standing.waves
        self._answers = standing.answers
        self._deadlines = standing.deadlines
        self._control = Control(standing, clock, self.record, self._wake, requests)
        self._expected = dict(expected or {})
        self._chooser = LaunchChooser(self.runbook.waves, self._waves, self._expected, limits or Limits())
        self._locations = {
            location: self._location_jobs(location, standing.started_at, self._policy, seed)
            for location in self.runbook.locations
        }
        self._courses = WaveRunner(
            ExecutionContext(
                execution_id,
                self.runbook,
                standing.started_at,
                sessions,
                clock,
                executor,
                check_executor or executor,
                workers,
                self._policy,
                random.Random(seed),  # noqa: S311 - jitter
                self.record,
                self._wake,
            ),
            self._waves,
            self._locations,
        )
        for request in standing.requests.values():
            self._locations[Location(request.account_id, request.region)].adopt_request(request)
        for job in standing.jobs.values():
            self._locations[Location(job.account_id, job.region)].adopt_job(job, over=job.job_id in standing.over)
        # A wave that a former process began is carried on whether or not anybody hands it over again.
        self._inbox.extend(n for n, wave in self._waves.items() if wave.begun and not wave.status.over)
        self._control.handle_pending()  # what was requested while no process ran, before anything is launched

    def _take_up(
        self,
        runbook: Runbook | None,
        holder: str,
        asked: str,
        requests: ControlRequests | None,
        override_cancel: str | None,
    ) -> ExecutionState:
        """Begin the execution, or take it up where its journal leaves it; from here on a former holder is fenced.

        Raises:
            UsageError: there is nothing to take up, or it has ended and nobody asked anew, or it was cancelled.
        """
        now = self._clock.now()
        events = self._journal.read()
        standing = state_of(events)
        if standing is None:
            if runbook is None:
                raise UsageError(f"execution {self.execution_id} has no journal here: there is nothing to resume")
            runbook.require_accepted()
            started = ExecutionStarted(at=now, execution_id=self.execution_id, runbook=runbook, asked=asked)
            self.record(started)
            return ExecutionState.fresh(started)
        if standing.is_concluded(asked):
            raise UsageError(
                f"execution {self.execution_id} has ended; to try again what failed: "
                f"prefect-drs resume {self.execution_id}"
            )
        if override_cancel is None and standing.ended and standing.cancel is not None:
            cancel = standing.cancel
            raise UsageError(cancelled_refusal(self.execution_id, cancel.by, cancel.at, cancel.reason, ended=True))
        for event in events:
            self._fold.apply(event)
            for observer in self._observers:
                observer(event)
        if override_cancel is not None:
            overridden = override_event(standing, requests, override_cancel, now)
            if overridden is not None:
                self.record(overridden)
                standing.apply(overridden)
        resumed = ExecutionResumed(at=now, by=holder, again=standing.ended, asked=asked)
        self.record(resumed)
        standing.apply(resumed)
        return standing

    def _location_jobs(
        self, location: Location, started_at: datetime, policy: PollPolicy, seed: int | None
    ) -> LocationJobs:
        return LocationJobs(
            location,
            self._sessions,
            self._clock,
            self.record,
            execution_id=self.execution_id,
            plan_name=self.runbook.plan_name,
            is_drill=self.runbook.mode == "drill",
            waves=self._waves,
            started_at=started_at,
            knows_last_launches=self.runbook.resolved_at is not None,
            policy=policy,
            chance=random.Random(f"{seed}/{location}" if seed is not None else None),  # noqa: S311 - jitter
            expected=self._expected,
        )

    # Events

    def record(self, *events: Event) -> None:
        """Make events safe in the journal, then tell the report and the observers."""
        with self._lock:
            self._journal.append(events)
            for event in events:
                self._fold.apply(event)
                for observer in self._observers:
                    observer(event)
        with self.changed:
            self.changed.notify_all()

    def _wake(self) -> None:
        """Something happened that waiters, and the next tick, should see at once."""
        self.woken.set()
        with self.changed:
            self.changed.notify_all()

    def report(self) -> RecoveryReport:
        """The report as things stand."""
        with self._lock:
            return self._fold.report()

    def status(self, wave_number: int) -> WaveStatus:
        """How a wave stands for those that depend on it."""
        return self._waves[wave_number].status

    def reason(self, wave_number: int) -> str:
        """Why a wave ended as it did."""
        return self._waves[wave_number].reason

    def launched(self, wave_number: int) -> int:
        """How many of a wave's servers are LAUNCHED."""
        runs = self._waves[wave_number].servers.values()
        return sum(run.state is ServerState.LAUNCHED for run in runs)

    def is_approved(self, wave_number: int) -> bool:
        """Whether a person has let this wave through, now or before a restart."""
        answer = self._answers.get(wave_number)
        return answer is not None and answer.decision is Decision.APPROVED

    def answer(self, wave_number: int) -> GateAnswer | None:
        """What was decided about this wave, now or before a restart; None where nobody has decided yet."""
        return self._answers.get(wave_number)

    # What the waves' tasks say

    def gate_asked(self, wave_number: int, until: datetime) -> datetime:
        """A person is being asked about a wave, by now until then; the deadline that counts is the first one's."""
        until = self._deadlines.setdefault(wave_number, until)
        self.record(GateAsked(at=self._clock.now(), wave_number=wave_number, until=until))
        return until

    def gate_answered(self, wave_number: int, answer: GateAnswer) -> None:
        """A person, or the time-out, decided about a wave."""
        self.record(
            GateAnswered(
                at=self._clock.now(),
                wave_number=wave_number,
                decision=answer.decision,
                by=answer.by,
                answered_at=answer.at,
                comment=answer.comment,
            )
        )
        self._answers[wave_number] = answer
        self._deadlines.pop(wave_number, None)

    def submit(self, wave_number: int) -> None:
        """Hand a wave over: from now on its servers may be launched. Handing it over again changes nothing.

        Raises:
            UsageError: a wave it depends on has not succeeded, or its gate was not passed. The caller's ordering is
                broken; nothing was done.
        """
        wave = self._waves[wave_number]
        if wave.wave.gate and not self.is_approved(wave_number):
            raise UsageError(f"wave {wave_number} may not start: nobody has approved it")
        waiting = [n for n in wave.wave.depends_on_waves if self._waves[n].status is not WaveStatus.COMPLETED]
        if waiting:
            raise UsageError(f"wave {wave_number} may not start: it depends on waves {waiting}, which did not succeed")
        self._inbox.append(wave_number)
        self.woken.set()

    @property
    def control(self) -> Control:
        """Pause, resume and cancel."""
        return self._control

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked that nothing more be launched."""
        return self._control.cancelled is not None

    def cancel_wave(self, wave_number: int, reason: str) -> None:
        """A wave that was not handed over will not be."""
        wave = self._waves[wave_number]
        if wave.phase is not WavePhase.WAITING:
            raise UsageError(f"wave {wave_number} has begun and cannot be cancelled as if it had not")
        self._courses.end(wave, WaveStatus.CANCELLED, reason)

    def finish(self) -> RecoveryReport:
        """Settle the waves that never began, and end the execution. Call when nothing will be submitted any more."""
        for planned in self.runbook.waves:
            wave = self._waves[planned.wave_number]
            if wave.phase is not WavePhase.WAITING:
                continue
            upstream = [self._waves[n] for n in planned.depends_on_waves]
            blockers = [w for w in upstream if w.status is not WaveStatus.COMPLETED]
            cancelled = any(w.status is WaveStatus.CANCELLED for w in blockers) or not blockers
            self._courses.end(
                wave,
                WaveStatus.CANCELLED if cancelled else WaveStatus.SKIPPED,
                "; ".join(f"wave {w.number} {w.wave.wave_name!r} {w.status}" for w in blockers)
                or self._control.cancelled
                or "the execution was stopped before it began",
            )
        launched = [run for wave in self._waves.values() for run in wave.in_state(ServerState.LAUNCHED)]
        if points := points_reached(self._sessions, launched):
            self.record(PointsReached(at=self._clock.now(), points=points))
        with suppress(RequestsUnreachableError):
            self._control.handle_pending()  # what was stored in the last seconds is recorded too
        with self._lock:
            status = final_status(self._fold.report().waves)
        self.record(ExecutionEnded(at=self._clock.now(), status=status))
        return self.report()

    # The tick

    @property
    def idle(self) -> bool:
        """Whether no wave is under way and every job of this execution is over."""
        return (
            not self._inbox
            and all(wave.phase in {WavePhase.WAITING, WavePhase.OVER} for wave in self._waves.values())
            and not any(jobs.busy for jobs in self._locations.values())
        )

    def tick(self) -> float:
        """Do everything that can be done now; answer how many seconds to wait before the next tick is worth it."""
        self.woken.clear()
        while self._inbox and (self.cancelled or not self._control.paused):
            self._courses.begin(self._waves[self._inbox.popleft()], self._control.cancelled)
        self._courses.step(self._control.cancelled)
        waits = [self._visit(location, jobs) for location, jobs in self._locations.items()]
        waits.append(self._courses.step(self._control.cancelled))
        return min((wait for wait in waits if wait is not None), default=IDLE)

    def _visit(self, location: Location, jobs: LocationJobs) -> float | None:
        """Read one account-region if it is time, and launch there what fits."""
        if jobs.seconds_to_next(wanting=self._wanting(location)) == 0.0:
            jobs.read()
        wanting = self._wanting(location)
        sharers = self._turns.want(location, wanted=wanting)
        if wanting and jobs.may_launch() and (starts := self._chooser.choose(location, jobs, sharers)):
            turn = self._turns.take(location)
            if turn is None:
                return TURN_LOOK
            with turn:
                self._launch(location, jobs, sharers, starts)
        return jobs.seconds_to_next(wanting=self._wanting(location))

    def _launch(self, location: Location, jobs: LocationJobs, sharers: int, starts: Sequence[JobStart]) -> None:
        """Start there what fits; where another execution may have been faster, what runs is read first."""
        if self._turns.shared:
            jobs.read()
            starts = self._chooser.choose(location, jobs, sharers) if jobs.may_launch() else ()
        if starts and all(self._start(jobs, start) for start in starts):
            self._chooser.decided(location, jobs, sharers)

    def _start(self, jobs: LocationJobs, start: JobStart) -> bool:
        """Start one job, unless a cancel or a pause is stored by now; False where no more should be started."""
        try:
            self._control.handle_pending()
        except RequestsUnreachableError as error:
            # Prefect may be part of the disaster: a recovery goes on without it (docs/operating.md).
            jobs.last_error = error.message
        with self._control.launch() as allowed:
            return allowed and jobs.launch(start)

    def _wanting(self, location: Location) -> bool:
        """Whether servers there are to be launched as soon as there is room."""
        if self._control.paused or self.cancelled:
            return False
        return any(wave.ready_servers(location) for wave in self._waves.values())
