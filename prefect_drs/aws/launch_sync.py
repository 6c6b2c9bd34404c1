"""The launch settings of many servers of an account and region: compared with what is wanted, and written.

In: effective `LaunchSettings` by source server id. Out: for each server what differs, what was written, or why it could
not be. Only what differs is written (`launch_writing.apply_changes`), so a second sync makes no call that writes.
A server that fails ends no other.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace

from prefect_drs.aws.errors import NotFoundError
from prefect_drs.aws.launch_configuration import (
    LaunchState,
    SettingChange,
    changes,
    read_launch_states,
)
from prefect_drs.aws.launch_writing import apply_changes
from prefect_drs.aws.location import Location
from prefect_drs.aws.parallel import map_parallel
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.plan.model import LaunchSettings

WRITERS = 8  # servers written at a time


class SyncState(enum.StrEnum):
    """How a server's settings in the account compare with those that are wanted."""

    IN_SYNC = "IN_SYNC"
    DRIFTED = "DRIFTED"
    WRITTEN = "WRITTEN"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Compared:
    """One server.

    Args:
        source_server_id: the server.
        state: IN_SYNC, or DRIFTED and, after a sync, WRITTEN or FAILED.
        changes: what differs, or was written; from the account's value to the wanted one.
        launch_state: what the account has; after a sync, the state after it. None where DRS does not know the server.
        error: why it FAILED.
    """

    source_server_id: str
    state: SyncState
    changes: tuple[SettingChange, ...] = ()
    launch_state: LaunchState | None = None
    error: PrefectDrsError | None = None


def compare_settings(
    sessions: Sessions, location: Location, wanted: Mapping[str, LaunchSettings]
) -> dict[str, Compared]:
    """What differs, server by server; reads only.

    Raises:
        AwsError: the settings could not be read.
    """
    states = read_launch_states(sessions, location.account_id, location.region, tuple(wanted), workers=sessions.workers)
    return {server: _compared(location, server, states.get(server), settings) for server, settings in wanted.items()}


def write_settings(
    sessions: Sessions, location: Location, wanted: Mapping[str, LaunchSettings], compared: Mapping[str, Compared]
) -> dict[str, Compared]:
    """Write what differs of those servers; the others stay as `compared` has them.

    At most three writing calls a server, and one more where old template versions are deleted.
    """

    def write(one: Compared) -> Compared:
        if one.state is not SyncState.DRIFTED or one.launch_state is None:
            return one
        settings = wanted[one.source_server_id]
        try:
            after = apply_changes(sessions, location.account_id, location.region, one.launch_state, settings)
        except PrefectDrsError as error:
            return replace(one, state=SyncState.FAILED, error=error)
        return replace(one, state=SyncState.WRITTEN, launch_state=after)

    written = map_parallel(write, compared.values(), min(WRITERS, sessions.workers))
    return {one.source_server_id: one for one in written}


def _compared(location: Location, server_id: str, state: LaunchState | None, settings: LaunchSettings) -> Compared:
    if state is None:
        missing = NotFoundError(
            f"DRS has no source server {server_id} in {location}; check its id, account and region",
            account_id=location.account_id,
            region=location.region,
            source_server_id=server_id,
        )
        return Compared(server_id, SyncState.FAILED, error=missing)
    differing = changes(state, settings)
    return Compared(server_id, SyncState.DRIFTED if differing else SyncState.IN_SYNC, differing, state)
