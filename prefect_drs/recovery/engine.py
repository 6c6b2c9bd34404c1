"""The engine: carries out a runbook, wave by wave, one `tick` at a time.

In: a runbook, or the journal of an execution that was interrupted. Out: events, and each wave's outcome. A single
thread calls `tick`; it reads every account-region once, judges, packs and starts jobs, and says when to come back.
Whoever decides that a wave may begin (a Prefect task whose upstream succeeded, a plain driver under test) hands it over
with `submit`; the engine refuses one whose dependencies did not succeed. It never decides about people's approvals.

Each change has one way: decide, append an event to the journal, apply the event to the state (`record`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

from prefect_drs.aws.location import Location
from prefect_drs.core.clock import clock_time_of, is_simulated
from prefect_drs.core.errors import UsageError
from prefect_drs.execution.approval import Decision, GateAnswer
from prefect_drs.execution.events import (
    Event,
    ExecutionEnded,
    ExecutionResumed,
    ExecutionStarted,
    GateAnswered,
    GateAsked,
    IdentitiesCompared,
    PointsReached,
)
from prefect_drs.execution.replay import state_of
from prefect_drs.execution.state import ExecutionState, ServerState, WaveRun
from prefect_drs.execution.view import final_status
from prefect_drs.execution.view import report as report_view
from prefect_drs.recovery.control_requests import Control, RequestsUnreachableError, override_event
from prefect_drs.recovery.failback.launches import FailbackLaunches
from prefect_drs.recovery.identities import compare_identities
from prefect_drs.recovery.launch.chooser import LaunchChooser
from prefect_drs.recovery.launch.jobs import LocationJobs
from prefect_drs.recovery.launch.launches import Launches
from prefect_drs.recovery.launch.packing import JobStart
from prefect_drs.recovery.objectives import RtoWatch
from prefect_drs.recovery.options import EngineOptions, EnginePorts, ExecutionContext
from prefect_drs.recovery.points import points_reached
from prefect_drs.recovery.resume import Start, Starter, require_open
from prefect_drs.recovery.wave_runner import WaveRunner
from prefect_drs.recovery.waves import LiveWave, WavePhase
from prefect_drs.report.model import RecoveryReport, WaveStatus
from prefect_drs.runbook import Runbook

SLOT_RETRY = 1.0  # seconds until a slot is requested again that another execution has
IDLE = 30.0  # seconds between two ticks of an engine that has nothing to do; a submission wakes it sooner


class Engine:
    """One execution of one runbook.

    Args:
        execution_id: the id that its jobs are tagged with.
        runbook: what to do; no finding of it may refuse. Where the journal holds this execution, the journal's runbook
            is carried out, and this may be None.
        ports: the world.
        options: how the engine works.
        start: how this process came to carry the execution.

    Raises:
        UsageError: there is nothing to resume, or the execution has ended and stays so.
        PreflightRefusedError: a finding of the runbook refuses it.
        RequestsUnreachableError: control requests cannot be read; nothing is launched before they are.
    """

    def __init__(
        self,
        execution_id: str,
        runbook: Runbook | None,
        ports: EnginePorts,
        options: EngineOptions | None = None,
        start: Start | None = None,
    ) -> None:
        self.execution_id = execution_id
        self._ports = ports
        self._clock = ports.clock
        self._lock = threading.RLock()  # events come from wave threads (gates), from executors and from the tick
        self._inbox: deque[int] = deque()
        self.woken = threading.Event()
        self.changed = threading.Condition()
        self._state = self._take_up(runbook, start or Start())
        self.runbook = self._state.runbook
        context = ExecutionContext(self._state, ports, options or EngineOptions(), self.record, self._wake)
        self._control = Control(self._state, ports.clock, self.record, self._wake, ports.requests)
        self._waves = {number: LiveWave(run) for number, run in self._state.waves.items()}
        self._chooser = LaunchChooser(self.runbook.waves, self._waves, context.options.expected, context.options.limits)
        self._locations = {
            location: LocationJobs(self._launches(location), context, self._waves)
            for location in self.runbook.locations
        }
        self._waves_at: dict[Location, list[LiveWave]] = {location: [] for location in self._locations}
        for wave in self._waves.values():
            for location in wave.locations:
                self._waves_at[location].append(wave)
        self._runner = WaveRunner(context, self._waves, self._locations, self._allowed)
        self._rto_watch = RtoWatch(context, self._locations)
        # A wave that a former process began goes on, whether or not anybody hands it over again.
        self._inbox.extend(n for n, run in self._state.waves.items() if run.begun and not run.status.over)
        self._control.handle_pending()  # what was requested while no process ran, before anything is launched

    def _take_up(self, runbook: Runbook | None, start: Start) -> ExecutionState:
        """Begin the execution, or resume it from its journal; from here on a former process is fenced.

        The journal is read here even where the caller has read it: what another process wrote meanwhile counts, and
        this process writes after what it has read.
        """
        events = self._ports.journal.read()
        state = state_of(events)
        if state is None:
            return self._begin(runbook, start)
        require_open(state, start)
        for event in events:
            self._notify(event)
        self._state = state
        now = self._clock.now()
        if start.despite_cancel is not None:
            overridden = override_event(state, self._ports.requests, start.despite_cancel, now)
            if overridden is not None:
                self.record(overridden)
        self.record(ExecutionResumed(at=now, by=start.holder, again=state.ended, asked=start.run_request))
        return state

    def _begin(self, runbook: Runbook | None, start: Start) -> ExecutionState:
        if runbook is None:
            raise UsageError(f"execution {self.execution_id} has no journal here: there is nothing to resume")
        runbook.require_accepted()
        started = ExecutionStarted(
            at=self._clock.now(),
            execution_id=self.execution_id,
            runbook=runbook,
            asked=start.run_request,
            simulated_time=is_simulated(self._clock),
            started_by=start.starter.by,
            starter_proven=start.starter.proven,
        )
        self._state = started.initial_state
        self.record(started)
        return self._state

    def _launches(self, location: Location) -> Launches:
        """How servers are launched there."""
        sessions, mode = self._ports.sessions, self.runbook.mode
        if mode == "failback":
            return FailbackLaunches(sessions, location, self._state)
        return Launches(sessions, location, is_drill=mode == "drill")

    @contextmanager
    def _allowed(self) -> Iterator[bool]:
        """Held while calls of a failback's step are sent: not where a cancel or a pause is stored by now."""
        unread = self._read_requests()
        with self._control.launch() as allowed:
            yield allowed and not (unread and unread.holds_launches)

    def _read_requests(self) -> RequestsUnreachableError | None:
        """Handle the requests stored by now; the error where they cannot be read.

        Prefect may be part of the disaster: a recovery goes on without it (docs/operating.md), but not without the
        journals' storage.
        """
        try:
            self._control.handle_pending()
        except RequestsUnreachableError as error:
            return error
        return None

    # Events

    def record(self, *events: Event) -> None:
        """Append events to the journal, then apply them to the state, then tell the observers.

        Whoever sees a change of the state may rely on the journal holding its event.
        """
        with self._lock:
            self._ports.journal.append(events)
            for event in events:
                self._state.apply(event)
                self._notify(event)
        with self.changed:
            self.changed.notify_all()

    def _notify(self, event: Event) -> None:
        for observer in self._ports.observers:
            observer(event)

    def _wake(self) -> None:
        """Something happened that waiters, and the next tick, should see at once."""
        self.woken.set()
        with self.changed:
            self.changed.notify_all()

    # Queries

    def report(self) -> RecoveryReport:
        """The report as things stand."""
        with self._lock:
            return report_view(self._state)

    def status(self, wave_number: int) -> WaveStatus:
        """The status of a wave, as those that depend on it see it."""
        return self._state.waves[wave_number].status

    def reason(self, wave_number: int) -> str:
        """Why a wave ended as it did."""
        return self._state.waves[wave_number].reason

    def launched(self, wave_number: int) -> int:
        """How many of a wave's servers are LAUNCHED."""
        return len(self._state.waves[wave_number].in_state(ServerState.LAUNCHED))

    def is_approved(self, wave_number: int) -> bool:
        """Whether a person has approved this wave, now or before a restart."""
        answer = self.answer(wave_number)
        return answer is not None and answer.decision is Decision.APPROVED

    def answer(self, wave_number: int) -> GateAnswer | None:
        """What was decided about this wave, now or before a restart; None where nobody has decided yet."""
        return self._state.answers.get(wave_number)

    def wave_run(self, wave_number: int) -> WaveRun:
        """A wave as the journal tells it; changed by `record` only."""
        return self._state.waves[wave_number]

    @property
    def starter(self) -> Starter:
        """Who started the execution."""
        return Starter(self._state.started_by, self._state.starter_proven)

    def now(self) -> datetime:
        """The time by the execution's clock."""
        return self._clock.now()

    @property
    def control(self) -> Control:
        """Pause, resume and cancel."""
        return self._control

    @property
    def cancelled(self) -> bool:
        """Whether a cancel is in force: nothing more is launched."""
        return self._control.cancelled is not None

    @property
    def idle(self) -> bool:
        """Whether no wave is under way and every job of this execution is over."""
        return (
            not self._inbox
            and all(wave.phase in {WavePhase.WAITING, WavePhase.OVER} for wave in self._waves.values())
            and not any(jobs.busy for jobs in self._locations.values())
        )

    # What the waves' tasks call

    def gate_asked(self, wave_number: int, until: datetime, *, digest: str = "", demands: str = "") -> datetime:
        """A person is being asked about a wave, with this deadline; where one was recorded before, that one counts.

        `digest`: of what is approved; `demands`: what the gate demands, in words.
        """
        until = self._state.deadlines.get(wave_number, until)
        asked = GateAsked(at=self._clock.now(), wave_number=wave_number, until=until, digest=digest, demands=demands)
        self.record(asked)
        return until

    def deadline(self, wave_number: int) -> datetime:
        """Until when the gate of a wave waits, as `gate_asked` recorded it."""
        return self._state.deadlines[wave_number]

    def gate_answered(self, wave_number: int, answer: GateAnswer) -> None:
        """A person, or the time-out, decided about a wave."""
        self.record(
            GateAnswered(
                at=self._clock.now(),
                wave_number=wave_number,
                decision=answer.decision,
                by=answer.by,
                answered_at=clock_time_of(self._clock, answer.at),
                comment=answer.comment,
            )
        )

    def submit(self, wave_number: int) -> None:
        """Hand a wave over: from now on its servers may be launched. Handing it over again changes nothing.

        Raises:
            UsageError: a wave it depends on has not succeeded, or its gate was not passed. The caller's ordering is
                broken; nothing was done.
        """
        wave = self._state.waves[wave_number].wave
        if wave.gate and not self.is_approved(wave_number):
            raise UsageError(f"wave {wave_number} may not start: nobody has approved it")
        waiting = [n for n in wave.depends_on_waves if self.status(n) is not WaveStatus.COMPLETED]
        if waiting:
            raise UsageError(f"wave {wave_number} may not start: it depends on waves {waiting}, which did not succeed")
        self._inbox.append(wave_number)
        self.woken.set()

    def cancel_wave(self, wave_number: int, reason: str) -> None:
        """End a wave that was not handed over: CANCELLED.

        Raises:
            UsageError: it has begun.
        """
        wave = self._waves[wave_number]
        if wave.phase is not WavePhase.WAITING:
            raise UsageError(f"wave {wave_number} has begun; it cannot be cancelled as a wave that has not")
        self._runner.end(wave, WaveStatus.CANCELLED, reason)

    def finish(self) -> RecoveryReport:
        """End the waves that never began, and the execution. Call when nothing will be submitted any more."""
        for planned in self.runbook.waves:
            wave = self._waves[planned.wave_number]
            if wave.phase is WavePhase.WAITING:
                self._runner.end(wave, *self._why_not_begun(wave.run))
        launched = [run for wave in self._state.waves.values() for run in wave.in_state(ServerState.LAUNCHED)]
        pointed = [run for run in launched if run.server.way_back is None]  # of a failback, the lag at its stop counts
        if points := points_reached(self._ports.sessions, pointed):
            self.record(PointsReached(at=self._clock.now(), points=points))
        if differences := compare_identities(self._ports.sessions, launched):
            self.record(IdentitiesCompared(at=self._clock.now(), differences=differences))
        with suppress(RequestsUnreachableError):
            self._control.handle_pending()  # what was stored in the last seconds is recorded too
        status = final_status(self.report().waves)
        self.record(ExecutionEnded(at=self._clock.now(), status=status))
        return self.report()

    def _why_not_begun(self, wave: WaveRun) -> tuple[WaveStatus, str]:
        """How a wave that never began ends, and why: SKIPPED where one that it depends on did not succeed."""
        upstream = [self._state.waves[n] for n in wave.wave.depends_on_waves]
        blockers = [each for each in upstream if each.status is not WaveStatus.COMPLETED]
        if not blockers:
            return WaveStatus.CANCELLED, self._control.cancelled or "the execution was stopped before it began"
        cancelled = any(each.status is WaveStatus.CANCELLED for each in blockers)
        reason = "; ".join(f"wave {each.number} {each.wave.wave_name!r} {each.status}" for each in blockers)
        return WaveStatus.CANCELLED if cancelled else WaveStatus.SKIPPED, reason

    # The tick

    def tick(self) -> float:
        """Do everything that can be done now; return the seconds until the next tick is due."""
        self.woken.clear()
        while self._inbox and (self.cancelled or not self._control.paused):
            self._runner.begin(self._waves[self._inbox.popleft()], self._control.cancelled)
        self._runner.step(self._control.cancelled)
        waits = [self._visit(location, jobs) for location, jobs in self._locations.items()]
        waits.append(self._runner.step(self._control.cancelled))
        self._rto_watch.look()
        return min((wait for wait in waits if wait is not None), default=IDLE)

    def _visit(self, location: Location, jobs: LocationJobs) -> float | None:
        """Read one account-region if it is time, and launch there what fits."""
        wanting = self._wanting(location)
        if jobs.seconds_to_next(wanting=wanting) == 0.0:
            jobs.read()
            wanting = self._wanting(location)
        sharers = self._ports.sharing.want(location, wanted=wanting)
        if wanting and jobs.may_launch():
            starts = self._chooser.choose(location, jobs, sharers)
            if not starts:
                jobs.note_full()
            elif (slot := self._ports.sharing.take(location)) is None:
                return SLOT_RETRY
            else:
                with slot:
                    self._launch(location, jobs, sharers, starts)
                wanting = self._wanting(location)
        return jobs.seconds_to_next(wanting=wanting)

    def _launch(self, location: Location, jobs: LocationJobs, sharers: int, starts: Sequence[JobStart]) -> None:
        """Start there what fits; where another execution may have been faster, its jobs are read first."""
        if self._ports.sharing.shared:
            jobs.read()
            starts = self._chooser.choose(location, jobs, sharers) if jobs.may_launch() else ()
        if starts and all(self._start(jobs, start) for start in starts):
            self._chooser.decided(location, jobs, sharers)

    def _start(self, jobs: LocationJobs, start: JobStart) -> bool:
        """Start one job, unless a cancel or a pause is stored by now; False where no more should be started."""
        if (unread := self._read_requests()) is not None:
            jobs.last_error = unread.message
            if unread.holds_launches:
                return False
        with self._control.launch() as allowed:
            return allowed and jobs.launch(start)

    def _wanting(self, location: Location) -> bool:
        """Whether servers there are to be launched as soon as there is room."""
        if self._control.paused or self.cancelled:
            return False
        return any(wave.is_ready(location) for wave in self._waves_at[location])
