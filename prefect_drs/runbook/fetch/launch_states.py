"""Launch configurations and launch templates of source servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prefect_drs.aws.launch_configuration import LaunchState, read_launch_states
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError
from prefect_drs.runbook.preflight_input import Unread


@dataclass(frozen=True, slots=True)
class LaunchStates:
    """Launch states by source server id; `unread`: those that could not be read, and why."""

    by_server: Mapping[str, LaunchState]
    unread: tuple[Unread, ...]


def read_states(sessions: Sessions, servers: Mapping[Location, Sequence[str]]) -> LaunchStates:
    """The launch configurations and launch templates of those servers.

    Args:
        sessions: the way into the accounts.
        servers: source server ids by account and region.
    """
    states: dict[str, LaunchState] = {}
    unread: list[Unread] = []
    for location, ids in sorted(servers.items()):
        try:
            found = read_launch_states(sessions, location.account_id, location.region, ids)
        except AwsError as error:
            unread.append(Unread(location, f"{location}: {error.message}"))
            continue
        for missing in sorted(set(ids) - found.keys()):
            message = f"{location}: the launch configuration of {missing} could not be read; check that DRS has it"
            unread.append(Unread(location, message, missing))
        states |= found
    return LaunchStates(states, tuple(unread))
