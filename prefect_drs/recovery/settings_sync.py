"""Launch settings of a wave, written before its launch: only what differs, server by server.

In: the servers of one wave in one account-region. Out: an event for each server whose settings were written, and the
servers whose settings could not be written; such a server is never launched with settings other than the plan's. Of
servers for which the plan sets nothing, nothing is read. A failback writes those of the source server that replicates
back, which is the one that it launches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from prefect_drs.aws.launch_configuration import LaunchState, SettingChange, changes, read_launch_states
from prefect_drs.aws.launch_writing import apply_changes
from prefect_drs.aws.parallel import map_parallel
from prefect_drs.core.errors import PrefectDrsError, UsageError
from prefect_drs.execution.events import SettingsApplied
from prefect_drs.execution.state import ServerRun
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.recovery.launch.jobs import LocationJobs
from prefect_drs.recovery.launch.launch_errors import passes
from prefect_drs.recovery.options import ExecutionContext
from prefect_drs.recovery.waves import LiveWave
from prefect_drs.runbook import PlannedChange

FAILURES_A_TRY = 8  # after so many, AWS is called no more in this try


class SettingsSync:
    """Writes the launch settings of a wave's servers in one account-region.

    Args:
        execution: the execution.
        wave: the wave.
        jobs: the account-region; fails servers whose settings cannot be written.
    """

    def __init__(self, execution: ExecutionContext, wave: LiveWave, jobs: LocationJobs) -> None:
        self._execution = execution
        self._sessions = execution.ports.sessions
        self._wave = wave
        self._jobs = jobs
        self._passing: list[PrefectDrsError] = []

    def apply(self, runs: Sequence[ServerRun], *, singly: bool = False) -> None:
        """Bring the launch settings of those servers to the plan's.

        Args:
            runs: the servers.
            singly: read server by server, so that each success counts; reading all together takes fewer calls where AWS
                answers without errors.

        Raises:
            AwsError: settings could not be read, or some not be written, for a reason that may pass: call it again.
                What is written already is in the wave's `prepared`, and left as it is.
        """
        workers = self._execution.options.workers
        runs = [
            run
            for run in runs
            if run.settings != LaunchSettings() and run.server.source_server_id not in self._wave.prepared
        ]
        states = None if singly else self._read_together(runs, workers)
        map_parallel(lambda run: self._try(run, states), runs, workers)
        if self._passing:
            raise self._passing[0]

    def _read_together(self, runs: Sequence[ServerRun], workers: int) -> dict[str, LaunchState] | None:
        """The launch configurations of those servers; None where one of them keeps the others from being read.

        Raises:
            AwsError: for a reason that may pass.
        """
        try:
            return self._read([run.server.source_server_id for run in runs], workers)
        except PrefectDrsError as error:
            if passes(error):
                raise
            return None

    def _read(self, server_ids: Sequence[str], workers: int) -> dict[str, LaunchState]:
        location = self._jobs.location
        ids = {self._jobs.drs_id(server_id): server_id for server_id in server_ids}
        states = read_launch_states(self._sessions, *location, tuple(ids), workers=workers)
        return {ids[drs_id]: state for drs_id, state in states.items()}

    def _try(self, run: ServerRun, states: dict[str, LaunchState] | None) -> None:
        if len(self._passing) >= FAILURES_A_TRY:
            return
        server_id = run.server.source_server_id
        try:
            changed = self._write(run, (self._read([server_id], 1) if states is None else states).get(server_id))
        except PrefectDrsError as error:
            if passes(error):
                self._passing.append(error)
            else:
                self._jobs.fail(self._wave, server_id, f"launch settings could not be applied: {error.message}")
            return
        self._wave.prepared.add(server_id)
        if changed:
            self._execution.record(
                SettingsApplied(
                    at=self._execution.ports.clock.now(),
                    wave_number=self._wave.number,
                    source_server_id=server_id,
                    fields=tuple(change.field for change in changed),
                    changes=tuple(PlannedChange(**asdict(change)) for change in changed),
                )
            )

    def _write(self, run: ServerRun, state: LaunchState | None) -> tuple[SettingChange, ...]:
        """Write one server's settings; what was changed."""
        server = run.server
        location = server.location
        if state is None:
            raise UsageError(f"{location} holds no launch configuration of {server.source_server_id}")
        differing = changes(state, run.settings)
        if differing:
            apply_changes(self._sessions, server.account_id, server.region, state, run.settings)
        return differing
