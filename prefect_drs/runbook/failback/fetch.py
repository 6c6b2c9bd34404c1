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
ENDED_STATES = frozenset({"STOPPED", "DISCONNECTED"})  # DataReplicationState of a replication that is over


@dataclass(frozen=True, slots=True)
class FailbackReading:
    """What the accounts hold.

    Args:
        instances: the recovery instances of the plan's servers, by account and region.
        origins: the source servers that replicate back, by the account and region that they replicate to.
        servers: every source server of those accounts and regions.
        unread: what could not be read, and why.
    """

    instances: Mapping[Location, tuple[RecoveryInstance, ...]]
    origins: Mapping[Location, tuple[SourceServer, ...]]
    servers: Mapping[Location, tuple[SourceServer, ...]]
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
    at = {location: tuple(answer) for location, answer in back.items() if not isinstance(answer, AwsError)}
    return FailbackReading(
        {location: answer for location, answer in found.items() if not isinstance(answer, AwsError)},
        {location: tuple(server for server in there if server.direction == FAILBACK) for location, there in at.items()},
        at,
        {
            location: answer.message
            for location, answer in (*found.items(), *back.items())
            if isinstance(answer, AwsError)
        },
    )


def by_instance(servers: Iterable[SourceServer]) -> dict[str, SourceServer]:
    """The source server that replicates each EC2 instance, by the instance's id.

    An instance that was failed back before may have another, whose replication is over: it counts only where there is
    no newer one.
    """
    ended_first = sorted(servers, key=lambda server: server.replication_state not in ENDED_STATES)
    return {server.instance_id: server for server in ended_first if server.instance_id is not None}


def origin_of(server: SourceServer) -> Location | None:
    """The account and region of the EC2 instance that a source server came from; None outside AWS."""
    if server.origin_account_id is None or server.origin_region is None:
        return None
    return Location(server.origin_account_id, server.origin_region)
