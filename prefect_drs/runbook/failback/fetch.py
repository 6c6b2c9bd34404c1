"""What a failback is resolved from: recovery instances of the plan's servers, and DRS where their machines came from.

In: the servers of a plan by account and region. Out: `FailbackReading`, plain data. What could not be read is in it by
location, and refuses the execution.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prefect_drs.aws.drs import RecoveryInstance, SourceServer, describe_recovery_instances, describe_source_servers
from prefect_drs.aws.fan_out import fan_out
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError

FAILBACK = "FAILBACK"  # ReplicationDirection


@dataclass(frozen=True, slots=True)
class FailbackReading:
    """What the accounts hold.

    Args:
        instances: the recovery instances of the plan's servers, by account and region.
        origins: the source servers that replicate back, by the account and region that they replicate to.
        unread: what could not be read, and why.
    """

    instances: Mapping[Location, tuple[RecoveryInstance, ...]]
    origins: Mapping[Location, tuple[SourceServer, ...]]
    unread: Mapping[Location, str]


def read_failback(sessions: Sessions, servers: Mapping[Location, Iterable[SourceServer]]) -> FailbackReading:
    """Read recovery instances where the servers are recovered, and source servers where they came from, in parallel.

    Args:
        sessions: the way in.
        servers: the plan's servers, by the account and region that they are recovered in.
    """
    wanted = {location: [server.source_server_id for server in there] for location, there in servers.items()}
    found = fan_out(wanted, lambda location: describe_recovery_instances(sessions, location, wanted[location] or None))
    places = {origin for there in servers.values() for server in there if (origin := origin_of(server)) is not None}
    back = fan_out(places, lambda location: describe_source_servers(sessions, location))
    return FailbackReading(
        {location: answer for location, answer in found.items() if not isinstance(answer, AwsError)},
        {
            location: tuple(server for server in answer if server.direction == FAILBACK)
            for location, answer in back.items()
            if not isinstance(answer, AwsError)
        },
        {
            location: answer.message
            for location, answer in (*found.items(), *back.items())
            if isinstance(answer, AwsError)
        },
    )


def origin_of(server: SourceServer) -> Location | None:
    """The account and region of the EC2 instance that a source server came from; None outside AWS."""
    if server.origin_account_id is None or server.origin_region is None:
        return None
    return Location(server.origin_account_id, server.origin_region)
