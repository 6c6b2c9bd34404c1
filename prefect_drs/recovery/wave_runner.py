"""A wave's way, from being handed over to its end: hooks, launch settings, launches, health checks, hooks.

In: waves that may begin. Out: events, and each wave's outcome. Driven by `step`, from the engine's one thread; what may
block (hooks, checks, writing settings) runs on the executors. The jobs themselves are `recovery.jobs`' business; this
decides what is ready for one, what is tried again, and what a wave came to. A wave is launched whole or not at all:
where settings of one server cannot be written, none of it is launched, unless the plan lets it go on without some.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import datetime, timedelta

from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.aws.snapshots import describe_snapshots
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.recovery.checks import CheckTarget
from prefect_drs.recovery.checks.runner import CheckRunner
from prefect_drs.recovery.checks.wave_checks import wave_checking
from prefect_drs.recovery.launch.jobs import LocationJobs
from prefect_drs.recovery.launch.launch_errors import passes
from prefect_drs.recovery.launch.polling import PollPolicy
from prefect_drs.recovery.retry_policy import RetryStep, enough, next_rung
from prefect_drs.recovery.settings_sync import apply_settings
from prefect_drs.recovery.waves import ServerRun, ServerState, WavePhase, WaveRun
from prefect_drs.report.checks import CheckPhase, CheckResult
from prefect_drs.report.events import CheckDone, Event, ServerRetried, WaveDelayed, WaveEnded, WaveStarted
from prefect_drs.report.model import WaveStatus
from prefect_drs.runbook import Runbook

TOLD_AT_MOST = 5
PREPARING_PATIENCE = timedelta(hours=6)  # how long settings are tried to be written without getting any further
PREPARING_LOOK = 1.0  # seconds between two looks at settings that are being written


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """What all waves of an execution share."""

    execution_id: str
    runbook: Runbook
    started_at: datetime
    sessions: Sessions
    clock: Clock
    executor: Executor
    check_executor: Executor
    workers: int
    policy: PollPolicy
    chance: random.Random
    record: Callable[[Event], None]
    wake: Callable[[], None]


class WaveRunner:
    """All waves on their way.

    Args:
        execution: what they share.
        waves: every wave, by number.
        locations: the jobs of each account-region.
    """

    def __init__(
        self, execution: ExecutionContext, waves: Mapping[int, WaveRun], locations: Mapping[Location, LocationJobs]
    ) -> None:
        self._execution = execution
        self._waves = waves
        self._locations = locations
        self._checkings: dict[int, CheckRunner] = {}

    def begin(self, wave: WaveRun, cancelled: str | None) -> None:
        """A wave was handed over."""
        if wave.phase is not WavePhase.WAITING:
            return
        if cancelled is not None and not wave.begun:
            self.end(wave, WaveStatus.CANCELLED, cancelled)
            return
        if not wave.begun:
            wave.start()
            self._execution.record(WaveStarted(at=self._execution.clock.now(), wave_number=wave.number))
        wave.status = WaveStatus.INITIATED
        if cancelled is not None:
            wave.phase = WavePhase.LAUNCHING  # carried on only to watch what runs
        elif wave.batches:
            self._prepare(wave)  # carried on: its hooks are done
        else:
            self._check(wave, WavePhase.PRE_WAVE, CheckPhase.PRE_WAVE)

    def step(self, cancelled: str | None) -> float | None:
        """Bring every wave forward as far as it goes now; seconds until doing so again is worth it, if it is."""
        waits: list[float] = []
        for wave in self._waves.values():
            wait = self._step(wave, cancelled)
            if wait is not None:
                waits.append(wait)
        return min(waits, default=None)

    def end(self, wave: WaveRun, status: WaveStatus, reason: str) -> None:
        """The wave is over."""
        self._checkings.pop(wave.number, None)
        now = self._execution.clock.now()
        self._execution.record(WaveEnded(at=now, wave_number=wave.number, status=status, reason=reason))
        wave.end(status, reason)  # last: whoever sees it may rely on the journal holding it
        self._execution.wake()

    def _step(self, wave: WaveRun, cancelled: str | None) -> float | None:
        match wave.phase:
            case WavePhase.PRE_WAVE:
                if cancelled is not None:
                    self._checkings[wave.number].stop(cancelled)
                    self.end(wave, WaveStatus.CANCELLED, cancelled)
                    return None
                return self._follow_checks(wave, lambda: self._prepare(wave))
            case WavePhase.PREPARING:
                return self._finish_preparing(wave, cancelled)
            case WavePhase.LAUNCHING:
                return self._follow_launches(wave, cancelled)
            case WavePhase.HEALTH:
                return self._follow_checks(wave, lambda: self._check(wave, WavePhase.POST_WAVE, CheckPhase.POST_WAVE))
            case WavePhase.POST_WAVE:
                return self._follow_checks(wave, lambda: self._complete(wave))
            case _:
                return None

    # Hooks and health checks

    def _check(self, wave: WaveRun, phase: WavePhase, checks: CheckPhase) -> None:
        execution = self._execution
        wave.phase = phase
        self._checkings[wave.number] = wave_checking(
            execution.runbook,
            wave.number,
            checks,
            [
                CheckTarget(run.server, run.recovery_instance_id, run.job_id)
                for run in wave.in_state(ServerState.LAUNCHED)
                if run.recovery_instance_id is not None and run.job_id is not None
            ],
            execution_id=execution.execution_id,
            started_at=execution.started_at,
            turn=wave.turn,
            sessions=execution.sessions,
            clock=execution.clock,
            executor=execution.check_executor,
            finished=wave.check_results,
            on_result=lambda result: self._note(wave, result),
            wake=execution.wake,
        )
        self._step(wave, None)  # where there is nothing to check, it is over at once

    def _note(self, wave: WaveRun, result: CheckResult) -> None:
        wave.check_results.append(result)
        self._execution.record(CheckDone(at=self._execution.clock.now(), wave_number=wave.number, result=result))

    def _follow_checks(self, wave: WaveRun, then: Callable[[], None]) -> float | None:
        checking = self._checkings[wave.number]
        wait = checking.step()
        if wait is not None:
            return wait
        if checking.passed:
            then()
        elif wave.phase is WavePhase.HEALTH and self._may_do_without(wave, checking):
            wave.unhealthy = checking.reason
            then()
        else:
            self.end(wave, WaveStatus.FAILED, checking.reason)
        return None

    def _may_do_without(self, wave: WaveRun, checking: CheckRunner) -> bool:
        """Whether enough servers are healthy without those whose checks did not pass."""
        of_the_wave = any(
            result.required and not result.passed and result.source_server_id is None for result in checking.results
        )
        return not of_the_wave and enough(wave, without=checking.unhealthy)

    # Launch settings

    def _prepare(self, wave: WaveRun, rungs: Mapping[str, RetryStep] | None = None) -> None:
        """Write launch settings: of all servers that are ready, or of those that are tried again."""
        wave.phase, wave.prepare_again_at = WavePhase.PREPARING, None
        by_location: dict[Location, list[ServerRun]] = {}
        runs = wave.in_state(ServerState.READY) if rungs is None else [wave.servers[server] for server in rungs]
        for run in runs:  # of a resumed wave, some are in jobs or up already
            by_location.setdefault(run.server.location, []).append(run)
        wave.preparations = [
            self._execution.executor.submit(self._write_settings, wave, location, of_location, rungs or {})
            for location, of_location in sorted(by_location.items())
        ]

    def _write_settings(
        self, wave: WaveRun, location: Location, runs: Sequence[ServerRun], rungs: Mapping[str, RetryStep]
    ) -> None:
        execution, jobs = self._execution, self._locations[location]
        if rungs:
            runs = [run for run in runs if self._climb(wave, run, rungs[run.server.source_server_id])]
        apply_settings(
            execution.sessions,
            execution.clock,
            wave.number,
            location,
            runs,
            workers=execution.workers,
            singly=wave.prepare_failures > 0,
            record=execution.record,
            fail=lambda run, why: jobs.fail(wave, run, why),
        )

    def _climb(self, wave: WaveRun, run: ServerRun, rung: RetryStep) -> bool:
        """Open a failed server for one more attempt; False where there is no older point in time to launch from."""
        snapshot_id, server = run.snapshot_id, run.server
        if rung.older_snapshot:
            there = describe_snapshots(self._execution.sessions, server.location, server.source_server_id)
            ids = [snapshot.snapshot_id for snapshot in there]  # the newest first
            tried = ids.index(snapshot_id) if snapshot_id in ids else 0
            if tried + 1 >= len(ids):
                run.exhausted = True
                return False
            snapshot_id = ids[tried + 1]
        self._execution.record(
            ServerRetried(
                at=self._execution.clock.now(),
                wave_number=wave.number,
                source_server_id=server.source_server_id,
                how=rung.how,
                settings=rung.settings,
                snapshot_id=snapshot_id,
            )
        )
        run.try_again(rung.settings, snapshot_id)
        return True

    def _finish_preparing(self, wave: WaveRun, cancelled: str | None) -> float | None:
        now = self._execution.clock.now()
        if wave.prepare_again_at is not None:
            if cancelled is not None:
                wave.phase = WavePhase.LAUNCHING  # nothing is launched any more: the next step ends it
            elif now >= wave.prepare_again_at:
                self._prepare(wave)
            return PREPARING_LOOK
        if not all(future.done() for future in wave.preparations):
            return PREPARING_LOOK
        errors = [error for future in wave.preparations if (error := _expected_error(future))]
        wave.preparations = []
        if errors and self._may_pass(wave, errors, now):
            wait = self._execution.policy.backoff(wave.prepare_failures, self._execution.chance)
            wave.prepare_again_at = now + timedelta(seconds=wait)
            return PREPARING_LOOK
        if errors:
            self._give_up_preparing(wave, "; ".join(sorted({str(error) for error in errors})))
        failed = wave.in_state(ServerState.FAILED)
        if failed and not wave.batches and not enough(wave, counting_ready=True):
            self.end(wave, WaveStatus.FAILED, failure_reason(failed))  # nothing of it is launched
            return None
        wave.phase = WavePhase.LAUNCHING
        if wave.in_state(ServerState.READY):
            wave.stuck_since, wave.prepare_failures = None, 0
        return 0.0

    def _may_pass(self, wave: WaveRun, errors: Sequence[PrefectDrsError], now: datetime) -> bool:
        """Whether settings that could not be read or written are tried again; told once for each kind of error."""
        if not all(passes(error) for error in errors):
            return False
        prepared = sum(run.prepared for run in wave.servers.values())
        if prepared > wave.prepared or wave.stuck_since is None:
            wave.prepared, wave.prepare_failures, wave.stuck_since = prepared, 0, now
        wave.prepare_failures += 1
        for error in errors:
            if error.code not in wave.delays_told:
                wave.delays_told.add(error.code)
                reason = f"launch settings could not be written yet: {error.message}"
                self._execution.record(WaveDelayed(at=now, wave_number=wave.number, reason=reason))
        return now - wave.stuck_since < PREPARING_PATIENCE

    def _give_up_preparing(self, wave: WaveRun, errors: str) -> None:
        """What is not written by now will not be: its servers fail, and no further attempt is made for others."""
        for run in wave.in_state(ServerState.READY):
            if not run.prepared and run.settings != LaunchSettings():
                told = f"launch settings could not be written: {errors}"
                self._locations[run.server.location].fail(wave, run, told)
        for run in wave.in_state(ServerState.FAILED):
            run.exhausted = True

    # Launches

    def _follow_launches(self, wave: WaveRun, cancelled: str | None) -> float | None:
        """Every server's own launchStatus decides, never the job's."""
        if cancelled is not None:
            if not wave.in_state(ServerState.REQUESTED, ServerState.IN_JOB) and wave.in_state(ServerState.READY):
                self.end(wave, WaveStatus.CANCELLED, cancelled)
                return None
        elif rungs := {
            run.server.source_server_id: rung
            for run in wave.in_state(ServerState.FAILED)
            if (rung := next_rung(run, wave.wave.retry)) is not None
        }:
            self._prepare(wave, rungs)
            return PREPARING_LOOK
        if not wave.settled:
            return None
        if enough(wave):
            self._check(wave, WavePhase.HEALTH, CheckPhase.HEALTH)
        else:
            self.end(wave, WaveStatus.FAILED, failure_reason(wave.in_state(ServerState.FAILED)))
        return None

    def _complete(self, wave: WaveRun) -> None:
        failed = wave.in_state(ServerState.FAILED)
        reasons = [failure_reason(failed)] if failed else []
        self.end(wave, WaveStatus.COMPLETED, "; ".join([*reasons, *([wave.unhealthy] if wave.unhealthy else [])]))


def failure_reason(failed: Sequence[ServerRun]) -> str:
    """Which servers did not come up and why, one line."""
    told = [f"{run.server.name} ({run.server.source_server_id}): {run.error}" for run in failed[:TOLD_AT_MOST]]
    more = f"; and {len(failed) - TOLD_AT_MOST} more" if len(failed) > TOLD_AT_MOST else ""
    return f"{len(failed)} server(s) not launched: " + "; ".join(told) + more


def _expected_error(future: Future[None]) -> PrefectDrsError | None:
    """The error a preparation ended with, where it is of our own family; any other is a defect and is raised."""
    error = future.exception()
    if error is None or isinstance(error, PrefectDrsError):
        return error
    raise error
