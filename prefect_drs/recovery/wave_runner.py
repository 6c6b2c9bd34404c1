"""The way of a wave, from being handed over to its end: hooks, launch settings, launches, health checks, hooks.

In: waves that may begin. Out: events, and each wave's outcome. Driven by `step`, from the engine's one thread; what may
block (hooks, checks, writing settings) runs on the executors. `recovery.launch` starts and follows the jobs; this
decides which servers are ready for one, what is tried again, and how a wave ends. A wave is launched whole or not at
all: where settings of one server cannot be written, none of it is launched, unless the plan lets it go on without some.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta

from prefect_drs.aws.location import Location
from prefect_drs.aws.snapshots import describe_snapshots
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.execution.events import CheckDone, ServerRetried, StepBegan, WaveDelayed, WaveEnded, WaveStarted
from prefect_drs.execution.state import ServerRun, ServerState
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.recovery.checks import CheckTarget
from prefect_drs.recovery.checks.runner import CheckRunner
from prefect_drs.recovery.checks.wave_checks import wave_check_runner
from prefect_drs.recovery.failback.step_runner import Allowed, StepRunner
from prefect_drs.recovery.launch.jobs import LocationJobs
from prefect_drs.recovery.launch.launch_errors import passes
from prefect_drs.recovery.options import ExecutionContext
from prefect_drs.recovery.retry_policy import RetryStep, next_step
from prefect_drs.recovery.settings_sync import SettingsSync
from prefect_drs.recovery.wave_completion import enough, failure_reason
from prefect_drs.recovery.waves import LiveWave, WavePhase
from prefect_drs.report.checks import CheckPhase, CheckResult
from prefect_drs.report.model import WaveStatus

PREPARING_PATIENCE = timedelta(hours=6)  # how long settings are tried to be written while no further server succeeds
PREPARING_LOOK = 1.0  # seconds between two looks at settings that are being written


class WaveRunner:
    """Runs all waves of an execution.

    Args:
        execution: the execution.
        waves: every wave, by number.
        locations: the jobs of each account-region.
        allowed: held while calls of a failback's step are sent; yields whether they may be.
    """

    def __init__(
        self,
        execution: ExecutionContext,
        waves: Mapping[int, LiveWave],
        locations: Mapping[Location, LocationJobs],
        allowed: Allowed,
    ) -> None:
        self._allowed = allowed
        self._step_runners: dict[int, StepRunner] = {}
        self._execution = execution
        self._clock = execution.ports.clock
        self._waves = waves
        self._locations = locations
        self._jitter = execution.options.jitter()
        self._check_runners: dict[int, CheckRunner] = {}

    def begin(self, wave: LiveWave, cancelled: str | None) -> None:
        """A wave was handed over."""
        if wave.phase is not WavePhase.WAITING:
            return
        if cancelled is not None and not wave.run.begun:
            self.end(wave, WaveStatus.CANCELLED, cancelled)
            return
        if not wave.run.begun:
            self._execution.record(WaveStarted(at=self._clock.now(), wave_number=wave.number))
        if cancelled is not None:
            wave.phase = WavePhase.LAUNCHING if wave.run.wave.action == "launch" else WavePhase.STEP
        elif wave.run.batches or wave.run.step_begun:
            self._prepare(wave)  # resumed: its hooks are done
        else:
            self._check(wave, WavePhase.PRE_WAVE, CheckPhase.PRE_WAVE)

    def step(self, cancelled: str | None) -> float | None:
        """Bring every wave forward as far as possible now; seconds until the next step of one is due, if one is."""
        waits: list[float] = []
        for wave in self._waves.values():
            wait = self._step(wave, cancelled)
            if wait is not None:
                waits.append(wait)
        return min(waits, default=None)

    def end(self, wave: LiveWave, status: WaveStatus, reason: str) -> None:
        """The wave is over."""
        self._check_runners.pop(wave.number, None)
        self._execution.record(WaveEnded(at=self._clock.now(), wave_number=wave.number, status=status, reason=reason))
        self._execution.wake()

    def _step(self, wave: LiveWave, cancelled: str | None) -> float | None:
        match wave.phase:
            case WavePhase.PRE_WAVE:
                if cancelled is not None:
                    self._check_runners[wave.number].stop(cancelled)
                    self.end(wave, WaveStatus.CANCELLED, cancelled)
                    return None
                return self._follow_checks(wave, lambda: self._prepare(wave))
            case WavePhase.PREPARING:
                return self._finish_preparing(wave, cancelled)
            case WavePhase.LAUNCHING:  # also resumed only to follow the jobs that run
                return self._follow_launches(wave, cancelled)
            case WavePhase.STEP:
                return self._follow_step(wave, cancelled)
            case WavePhase.HEALTH:
                return self._follow_checks(wave, lambda: self._check(wave, WavePhase.POST_WAVE, CheckPhase.POST_WAVE))
            case WavePhase.POST_WAVE:
                return self._follow_checks(wave, lambda: self._complete(wave))
            case _:
                return None

    # Hooks and health checks

    def _check(self, wave: LiveWave, phase: WavePhase, checks: CheckPhase) -> None:
        wave.phase = phase
        launched = wave.run.in_state(ServerState.LAUNCHED)
        self._check_runners[wave.number] = wave_check_runner(
            self._execution,
            wave.run,
            checks,
            [
                CheckTarget(run.server, run.recovery_instance_id, run.job_id)
                for run in launched
                if run.recovery_instance_id is not None and run.job_id is not None
            ],
            on_result=lambda result: self._record_check(wave, result),
        )
        self._step(wave, None)  # where there is nothing to check, it is over at once

    def _record_check(self, wave: LiveWave, result: CheckResult) -> None:
        self._execution.record(CheckDone(at=self._clock.now(), wave_number=wave.number, result=result))

    def _follow_checks(self, wave: LiveWave, then: Callable[[], None]) -> float | None:
        checks = self._check_runners[wave.number]
        wait = checks.step()
        if wait is not None:
            return wait
        if checks.passed:
            then()
        elif wave.phase is WavePhase.HEALTH and self._may_do_without(wave, checks):
            wave.unhealthy = checks.reason
            then()
        else:
            self.end(wave, WaveStatus.FAILED, checks.reason)
        return None

    def _may_do_without(self, wave: LiveWave, checks: CheckRunner) -> bool:
        """Whether enough servers are healthy without those whose checks did not pass."""
        of_the_wave = any(
            result.required and not result.passed and result.source_server_id is None for result in checks.results
        )
        return not of_the_wave and enough(wave.run, without=checks.unhealthy)

    # Launch settings

    def _prepare(self, wave: LiveWave, retries: Mapping[str, RetryStep] | None = None) -> None:
        """Write launch settings: of all servers that are ready, or of those that are tried again. A step has none."""
        if wave.run.wave.action != "launch":
            self._begin_step(wave)
            return
        wave.phase, wave.prepare_again_at = WavePhase.PREPARING, None
        by_location: dict[Location, list[ServerRun]] = {}
        # Of a resumed wave, some servers are in jobs or launched already.
        runs = wave.run.in_state(ServerState.READY) if retries is None else [wave.servers[each] for each in retries]
        for run in runs:
            by_location.setdefault(run.server.location, []).append(run)
        wave.preparations = [
            self._execution.ports.executor.submit(self._write_settings, wave, location, of_location, retries or {})
            for location, of_location in sorted(by_location.items())
        ]

    def _write_settings(
        self, wave: LiveWave, location: Location, runs: Sequence[ServerRun], retries: Mapping[str, RetryStep]
    ) -> None:
        if retries:
            runs = [run for run in runs if self._retry(wave, run, retries[run.server.source_server_id])]
        SettingsSync(self._execution, wave, self._locations[location]).apply(runs, singly=wave.prepare_failures > 0)

    def _retry(self, wave: LiveWave, run: ServerRun, step: RetryStep) -> bool:
        """Reopen a failed server for one more attempt; False where there is no older point in time to launch from."""
        snapshot_id, server = run.snapshot_id, run.server
        if step.older_snapshot:
            available = describe_snapshots(self._execution.ports.sessions, server.location, server.source_server_id)
            ids = [snapshot.snapshot_id for snapshot in available]  # the newest first
            tried = ids.index(snapshot_id) if snapshot_id in ids else 0
            if tried + 1 >= len(ids):
                wave.exhausted.add(server.source_server_id)
                return False
            snapshot_id = ids[tried + 1]
        wave.prepared.discard(server.source_server_id)
        self._execution.record(
            ServerRetried(
                at=self._clock.now(),
                wave_number=wave.number,
                source_server_id=server.source_server_id,
                how=step.how,
                settings=step.settings,
                snapshot_id=snapshot_id,
            )
        )
        return True

    def _finish_preparing(self, wave: LiveWave, cancelled: str | None) -> float | None:
        now = self._clock.now()
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
            wait = self._execution.options.policy.backoff(wave.prepare_failures, self._jitter)
            wave.prepare_again_at = now + timedelta(seconds=wait)
            return PREPARING_LOOK
        if errors:
            self._give_up_preparing(wave, "; ".join(sorted({str(error) for error in errors})))
        return self._launch_prepared(wave)

    def _launch_prepared(self, wave: LiveWave) -> float | None:
        """Let the servers whose settings are written be launched; none of them where the wave needs more."""
        failed = wave.run.in_state(ServerState.FAILED)
        if failed and not wave.run.batches and not enough(wave.run, counting_ready=True):
            self.end(wave, WaveStatus.FAILED, failure_reason(failed))  # nothing of it is launched
            return None
        wave.phase = WavePhase.LAUNCHING
        if wave.run.in_state(ServerState.READY):
            wave.stuck_since, wave.prepare_failures = None, 0
        return 0.0

    def _may_pass(self, wave: LiveWave, errors: Sequence[PrefectDrsError], now: datetime) -> bool:
        """Whether settings that could not be read or written are tried again; recorded once for each code of error."""
        if not all(passes(error) for error in errors):
            return False
        if len(wave.prepared) > wave.progress or wave.stuck_since is None:
            wave.progress, wave.prepare_failures, wave.stuck_since = len(wave.prepared), 0, now
        wave.prepare_failures += 1
        for error in errors:
            if error.code not in wave.recorded_delays:
                wave.recorded_delays.add(error.code)
                reason = f"launch settings could not be written yet: {error.message}"
                self._execution.record(WaveDelayed(at=now, wave_number=wave.number, reason=reason, cause="settings"))
        return now - wave.stuck_since < PREPARING_PATIENCE

    def _give_up_preparing(self, wave: LiveWave, errors: str) -> None:
        """Fail the servers whose settings are not written by now, and try no server of the wave again."""
        for run in wave.run.in_state(ServerState.READY):
            server_id = run.server.source_server_id
            if server_id not in wave.prepared and run.settings != LaunchSettings():
                why = f"launch settings could not be written: {errors}"
                self._locations[run.server.location].fail(wave, server_id, why)
        wave.exhausted |= {run.server.source_server_id for run in wave.run.in_state(ServerState.FAILED)}

    # Steps of a failback

    def _begin_step(self, wave: LiveWave) -> None:
        wave.phase = WavePhase.STEP
        if not wave.run.step_begun:
            self._execution.record(StepBegan(at=self._clock.now(), wave_number=wave.number))
        self._step_runners[wave.number] = StepRunner(self._execution, wave.run, self._allowed)

    def _follow_step(self, wave: LiveWave, cancelled: str | None) -> float | None:
        """A cancelled step calls nothing more; what replicates goes on replicating."""
        if cancelled is not None:
            self.end(wave, WaveStatus.CANCELLED, cancelled)
            return None
        wait = self._step_runners[wave.number].step()
        if wait is not None:
            return wait
        if enough(wave.run):
            self._check(wave, WavePhase.POST_WAVE, CheckPhase.POST_WAVE)
        else:
            failed = wave.run.in_state(ServerState.FAILED)
            self.end(wave, WaveStatus.FAILED, failure_reason(failed, what="failed"))
        return None

    # Launches

    def _follow_launches(self, wave: LiveWave, cancelled: str | None) -> float | None:
        """Every server's own launchStatus decides, never the job's."""
        if cancelled is not None:
            in_flight = wave.run.in_state(ServerState.REQUESTED, ServerState.IN_JOB)
            if not in_flight and wave.run.in_state(ServerState.READY):
                self.end(wave, WaveStatus.CANCELLED, cancelled)
                return None
        elif retries := self._retries(wave):
            self._prepare(wave, retries)
            return PREPARING_LOOK
        if not wave.run.settled:
            return None
        if enough(wave.run):
            self._check(wave, WavePhase.HEALTH, CheckPhase.HEALTH)
        else:
            self.end(wave, WaveStatus.FAILED, failure_reason(wave.run.in_state(ServerState.FAILED)))
        return None

    def _retries(self, wave: LiveWave) -> dict[str, RetryStep]:
        """The failed servers that are tried again, by source server id, and how."""
        return {
            run.server.source_server_id: step
            for run in wave.run.in_state(ServerState.FAILED)
            if run.server.source_server_id not in wave.exhausted
            and (step := next_step(run, wave.run.wave.retry)) is not None
        }

    def _complete(self, wave: LiveWave) -> None:
        failed = wave.run.in_state(ServerState.FAILED)
        reasons = [failure_reason(failed)] if failed else []
        self.end(wave, WaveStatus.COMPLETED, "; ".join([*reasons, *([wave.unhealthy] if wave.unhealthy else [])]))


def _expected_error(future: Future[None]) -> PrefectDrsError | None:
    """The PrefectDrsError that a preparation ended with; any other error is a defect and is raised."""
    error = future.exception()
    if error is None or isinstance(error, PrefectDrsError):
        return error
    raise error
