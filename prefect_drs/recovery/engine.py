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
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import datetime

from prefect_drs.aws.launch_configuration import (
    LaunchState,
    apply_changes,
    changes,
    read_launch_states,
)
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.clock import Clock
from prefect_drs.errors import PrefectDrsError, UsageError
from prefect_drs.recovery.jobs import LocationJobs
from prefect_drs.recovery.journal import Journal
from prefect_drs.recovery.packing import Demand, Limits, pack
from prefect_drs.recovery.ports import GateAnswer
from prefect_drs.recovery.watch import PollPolicy
from prefect_drs.recovery.waves import ServerRun, ServerState, WavePhase, WaveRun
from prefect_drs.report.events import (
    Event,
    ExecutionEnded,
    ExecutionStarted,
    GateAnswered,
    GateAsked,
    SettingsApplied,
    WaveEnded,
    WaveStarted,
)
from prefect_drs.report.fold import ReportFold, final_status
from prefect_drs.report.model import RecoveryReport, WaveStatus
from prefect_drs.runbook import Runbook

TYPICAL_LAUNCH = 20 * 60.0  # seconds; what one wave is taken to last when paths are compared
IDLE = 30.0  # seconds between looks at an engine that has nothing to do; a submission wakes it sooner


class Engine:
    """One execution of one runbook.

    Args:
        execution_id: what jobs are tagged with and the report is called by.
        runbook: what to do; its refusals must have been dealt with.
        sessions: the way into the accounts.
        clock: the time.
        journal: where events are kept.
        executor: runs the applying of launch settings, an account-region of a wave a call.
        workers: threads that read and write launch settings side by side; 1 in virtual time.
        limits: DRS's quotas.
        policy: how often to look.
        observers: told every event after it is safe in the journal; must not raise.
        seed: of the jitter.
    """

    def __init__(
        self,
        execution_id: str,
        runbook: Runbook,
        sessions: Sessions,
        *,
        clock: Clock,
        journal: Journal,
        executor: Executor,
        workers: int = 8,
        limits: Limits | None = None,
        policy: PollPolicy | None = None,
        observers: Sequence[Callable[[Event], None]] = (),
        seed: int | None = None,
    ) -> None:
        runbook.require_accepted()
        self.execution_id = execution_id
        self.runbook = runbook
        self._sessions = sessions
        self._clock = clock
        self._journal = journal
        self._executor = executor
        self._workers = workers
        self._limits = limits or Limits()
        self._observers = observers
        self._lock = threading.RLock()  # events come from wave threads (gates) and from the tick
        self._fold = ReportFold()
        self._inbox: deque[int] = deque()
        self.woken = threading.Event()
        self.changed = threading.Condition()
        self._waves = {wave.wave_number: WaveRun.of(wave) for wave in runbook.waves}
        self._remaining = self._remaining_paths()
        started_at = clock.now()
        self.record(ExecutionStarted(at=started_at, execution_id=execution_id, runbook=runbook))
        self._locations = {
            location: self._location_jobs(location, started_at, policy or PollPolicy(), seed)
            for location in runbook.locations
        }

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
            policy=policy,
            chance=random.Random(f"{seed}/{location}" if seed is not None else None),  # noqa: S311 - jitter
        )

    def _remaining_paths(self) -> dict[int, float]:
        """The longest chain of waves from each wave on, in seconds, every wave taken to last `TYPICAL_LAUNCH`."""
        remaining: dict[int, float] = {}
        for wave in reversed(self.runbook.waves):  # the runbook holds its waves in topological order
            after = [
                remaining[other.wave_number]
                for other in self.runbook.waves
                if wave.wave_number in other.depends_on_waves
            ]
            remaining[wave.wave_number] = TYPICAL_LAUNCH + max(after, default=0.0)
        return remaining

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

    # What the waves' tasks say

    def gate_asked(self, wave_number: int) -> None:
        """A person is being asked about a wave."""
        self.record(GateAsked(at=self._clock.now(), wave_number=wave_number))

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

    def submit(self, wave_number: int) -> None:
        """Hand a wave over: from now on its servers may be launched. Handing it over again changes nothing.

        Raises:
            UsageError: a wave it depends on has not succeeded. The caller's ordering is broken; nothing was done.
        """
        wave = self._waves[wave_number]
        waiting = [n for n in wave.wave.depends_on_waves if self._waves[n].status is not WaveStatus.COMPLETED]
        if waiting:
            raise UsageError(f"wave {wave_number} may not start: it depends on waves {waiting}, which did not succeed")
        self._inbox.append(wave_number)
        self.woken.set()

    def cancel_wave(self, wave_number: int, reason: str) -> None:
        """A wave that was not handed over will not be."""
        wave = self._waves[wave_number]
        if wave.phase is not WavePhase.WAITING:
            raise UsageError(f"wave {wave_number} has begun and cannot be cancelled as if it had not")
        self._end(wave, WaveStatus.CANCELLED, reason)

    def finish(self) -> RecoveryReport:
        """Settle the waves that never began, and end the execution. Call when nothing will be submitted any more."""
        for planned in self.runbook.waves:
            wave = self._waves[planned.wave_number]
            if wave.phase is not WavePhase.WAITING:
                continue
            upstream = [self._waves[n] for n in planned.depends_on_waves]
            blockers = [w for w in upstream if w.status is not WaveStatus.COMPLETED]
            cancelled = any(w.status is WaveStatus.CANCELLED for w in blockers) or not blockers
            self._end(
                wave,
                WaveStatus.CANCELLED if cancelled else WaveStatus.SKIPPED,
                "; ".join(f"wave {w.number} {w.wave.wave_name!r} {w.status}" for w in blockers)
                or "the execution was stopped before it began",
            )
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
            and not any(w.phase in {WavePhase.PREPARING, WavePhase.LAUNCHING} for w in self._waves.values())
            and not any(jobs.busy for jobs in self._locations.values())
        )

    def tick(self) -> float:
        """Do everything that can be done now; answer how many seconds to wait before the next tick is worth it."""
        self.woken.clear()
        while self._inbox:
            self._begin(self._waves[self._inbox.popleft()])
        for wave in self._waves.values():
            if wave.phase is WavePhase.PREPARING:
                self._finish_preparing(wave)
        waits = [self._visit(location, jobs) for location, jobs in self._locations.items()]
        for wave in self._waves.values():
            if wave.phase is WavePhase.LAUNCHING and all(run.state.final for run in wave.servers.values()):
                self._judge(wave)
        preparing = any(wave.phase is WavePhase.PREPARING for wave in self._waves.values())
        return min([wait for wait in waits if wait is not None] + [1.0 if preparing else IDLE])

    def _visit(self, location: Location, jobs: LocationJobs) -> float | None:
        """Read one account-region if it is time, and launch there what fits."""
        wanting = any(wave.ready_servers(location) for wave in self._waves.values())
        if jobs.seconds_to_next(wanting=wanting) == 0.0:
            jobs.read()
            wanting = any(wave.ready_servers(location) for wave in self._waves.values())
        if wanting and jobs.may_launch():
            for start in pack(self._demands(location), jobs.usage, self._limits):
                if not jobs.launch(start):
                    break
            wanting = any(wave.ready_servers(location) for wave in self._waves.values())
        return jobs.seconds_to_next(wanting=wanting)

    def _demands(self, location: Location) -> list[Demand]:
        return [
            Demand(
                wave_number=wave.number,
                servers=servers,
                remaining_path=self._remaining[wave.number],
                durations=None,
            )
            for wave in self._waves.values()
            if (servers := wave.ready_servers(location))
        ]

    # A wave's way

    def _begin(self, wave: WaveRun) -> None:
        """Apply the launch settings of a wave that was handed over."""
        if wave.phase is not WavePhase.WAITING:
            return
        wave.phase, wave.status = WavePhase.PREPARING, WaveStatus.INITIATED
        self.record(WaveStarted(at=self._clock.now(), wave_number=wave.number))
        by_location: dict[Location, list[ServerRun]] = {}
        for run in wave.servers.values():
            by_location.setdefault(run.server.location, []).append(run)
        wave.preparations = [
            self._executor.submit(self._prepare, wave, location, runs) for location, runs in sorted(by_location.items())
        ]

    def _prepare(self, wave: WaveRun, location: Location, runs: Sequence[ServerRun]) -> None:
        """Write the launch settings that differ, for the servers of one account-region.

        A server whose settings cannot be written is failed: it is never launched with others than the plan's.
        """
        ids = [run.server.source_server_id for run in runs]
        states = read_launch_states(self._sessions, location.account_id, location.region, ids, workers=self._workers)
        with ThreadPoolExecutor(self._workers, thread_name_prefix="drs-settings") as pool:
            each = map if self._workers == 1 else pool.map
            for _ in each(lambda run: self._apply(wave, run, states.get(run.server.source_server_id)), runs):
                pass

    def _apply(self, wave: WaveRun, run: ServerRun, state: LaunchState | None) -> None:
        """Write one server's settings, only what differs."""
        server = run.server
        try:
            if state is None:
                raise UsageError(f"{server.location} holds no launch configuration of {server.source_server_id}")
            differing = changes(state, server.settings)
            if not differing:
                return
            apply_changes(self._sessions, server.account_id, server.region, state, server.settings)
        except PrefectDrsError as error:
            reason = f"launch settings could not be applied: {error.message}"
            self._locations[server.location].fail(wave, run, reason)
            return
        self.record(
            SettingsApplied(
                at=self._clock.now(),
                wave_number=wave.number,
                source_server_id=server.source_server_id,
                fields=tuple(change.field for change in differing),
            )
        )

    def _finish_preparing(self, wave: WaveRun) -> None:
        if not all(future.done() for future in wave.preparations):
            return
        faults = [f"{error}" for future in wave.preparations if (error := _expected_error(future))]
        wave.preparations = []
        if faults:
            self._end(wave, WaveStatus.FAILED, "launch settings could not be read: " + "; ".join(faults))
        elif failed := [run for run in wave.servers.values() if run.state is ServerState.FAILED]:
            self._end(wave, WaveStatus.FAILED, _failure_reason(failed))  # a wave is launched whole or not at all
        else:
            wave.phase = WavePhase.LAUNCHING

    def _judge(self, wave: WaveRun) -> None:
        """Every server is final: each one's launchStatus decides, never the job's."""
        failed = [run for run in wave.servers.values() if run.state is not ServerState.LAUNCHED]
        if failed:
            self._end(wave, WaveStatus.FAILED, _failure_reason(failed))
        else:
            self._end(wave, WaveStatus.COMPLETED, "")

    def _end(self, wave: WaveRun, status: WaveStatus, reason: str) -> None:
        wave.phase, wave.reason = WavePhase.OVER, reason
        self.record(WaveEnded(at=self._clock.now(), wave_number=wave.number, status=status, reason=reason))
        wave.status = status  # last: whoever sees it may rely on the journal holding it
        with self.changed:
            self.changed.notify_all()


def _expected_error(future: Future[None]) -> PrefectDrsError | None:
    """The error a preparation ended with, where it is of our own family; any other is a defect and is raised."""
    error = future.exception()
    if error is None or isinstance(error, PrefectDrsError):
        return error
    raise error


def _failure_reason(failed: Sequence[ServerRun]) -> str:
    told = [f"{run.server.name} ({run.server.source_server_id}): {run.error}" for run in failed[:5]]
    more = f"; and {len(failed) - 5} more" if len(failed) > 5 else ""
    return f"{len(failed)} server(s) not launched: " + "; ".join(told) + more
