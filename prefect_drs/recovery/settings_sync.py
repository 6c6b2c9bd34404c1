"""Launch settings of a wave, written before its launch: only what differs, server by server.

In: the servers of one wave in one account-region. Out: an event for each server whose settings were written, and the
servers that could not be. A server whose settings cannot be written is never launched with others than the plan's. Of
servers for which the plan sets nothing, nothing is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from prefect_drs.aws.launch_configuration import LaunchState, SettingChange, changes, read_launch_states
from prefect_drs.aws.launch_writing import apply_changes
from prefect_drs.aws.location import Location
from prefect_drs.aws.parallel import map_parallel
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import PrefectDrsError, UsageError
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.recovery.launch.launch_errors import passes
from prefect_drs.recovery.waves import ServerRun
from prefect_drs.report.events import Event, SettingsApplied
from prefect_drs.runbook import PlannedChange

FAILURES_A_TRY = 8  # after so many, AWS is left alone for the moment


def apply_settings(
    sessions: Sessions,
    clock: Clock,
    wave_number: int,
    location: Location,
    runs: Sequence[ServerRun],
    *,
    workers: int,
    singly: bool = False,
    record: Callable[[Event], None],
    fail: Callable[[ServerRun, str], None],
) -> None:
    """Bring the launch settings of those servers to what the plan says.

    Args:
        sessions: the way into the account.
        clock: the time, for the events.
        wave_number: their wave.
        location: their account and region.
        runs: the servers.
        workers: threads that read and write side by side; 1 runs in the caller's thread alone.
        singly: read server by server, so that what is done is done; together takes fewer calls where AWS is well.
        record: called with each event.
        fail: called with each server whose settings could not be written, and why.

    Raises:
        AwsError: settings could not be read, or some not be written, for a reason that may pass: call it again. What
            is written already is `prepared` and left as it is.
    """
    runs = [run for run in runs if run.settings != LaunchSettings() and not run.prepared]

    def read(ids: Sequence[str], workers: int) -> dict[str, LaunchState]:
        return read_launch_states(sessions, location.account_id, location.region, ids, workers=workers)

    states: dict[str, LaunchState] = {}
    if not singly:
        try:
            states = read([run.server.source_server_id for run in runs], workers)
        except PrefectDrsError as error:
            if passes(error):
                raise
            singly = True  # one server that cannot be read keeps no other from being so
    passing: list[PrefectDrsError] = []

    def apply(run: ServerRun) -> None:
        if len(passing) >= FAILURES_A_TRY:
            return
        server_id = run.server.source_server_id
        try:
            changed = _apply(sessions, run, (read([server_id], 1) if singly else states).get(server_id))
        except PrefectDrsError as error:
            if passes(error):
                passing.append(error)
                return
            fail(run, f"launch settings could not be applied: {error.message}")
            return
        run.prepared = True
        if changed:
            record(
                SettingsApplied(
                    at=clock.now(),
                    wave_number=wave_number,
                    source_server_id=server_id,
                    fields=tuple(change.field for change in changed),
                    changes=tuple(PlannedChange(**asdict(change)) for change in changed),
                )
            )

    map_parallel(apply, runs, workers)
    if passing:
        raise passing[0]


def _apply(sessions: Sessions, run: ServerRun, state: LaunchState | None) -> tuple[SettingChange, ...]:
    """Write one server's settings; what was changed."""
    server = run.server
    if state is None:
        raise UsageError(f"{server.location} holds no launch configuration of {server.source_server_id}")
    differing = changes(state, run.settings)
    if differing:
        apply_changes(sessions, server.account_id, server.region, state, run.settings)
    return differing
