"""The source servers of DRS in an account and region, read now.

In: a region, and filters. Out: servers with their replication, their last launch, and the stored groups that hold them.
The inventory (`get_source_server_inventory`) has those of all accounts as they were when it was taken.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from pydantic import Field

from prefect_drs.aws.drs import READY_STATES, SourceServer, describe_source_servers
from prefect_drs.aws.location import Location
from prefect_drs.core.models import FrozenModel
from prefect_drs.estate.overlap import ServerReader
from prefect_drs.estate.rules import valid_manifest
from prefect_drs.estate.store import read_estate
from prefect_drs.operations.context import Context
from prefect_drs.operations.models import OptionalAccountId
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.operations.scope import check_region


class SourceServersRequest(FrozenModel):
    """A region of an account, and filters.

    Args:
        region: the region.
        account_id: the account; by default the caller's own. Also accepted as `targetAccountId`.
        tags: all of these a server must carry.
        replication_state: only servers in this state of data replication.
    """

    region: str
    account_id: OptionalAccountId = None
    tags: dict[str, str] = Field(default_factory=dict)
    replication_state: str | None = None


class SourceServerView(FrozenModel):
    """A source server. `lag`: how far its replication lags behind, as an ISO 8601 duration.

    `ready`: whether DRS has a current state of it to launch. `protection_groups`: the stored groups that hold it.
    """

    source_server_id: str
    arn: str
    name: str
    hostname: str
    instance_id: str | None
    tags: dict[str, str]
    replication_state: str
    ready: bool
    lag: str | None
    recovery_instance_id: str | None
    last_launch_job_id: str | None
    last_launch_at: datetime | None
    last_launch_status: str | None
    last_launch_type: str | None
    staging_account_id: str | None
    origin_account_id: str | None
    origin_region: str | None
    os: str
    disk_bytes: int
    protection_groups: tuple[str, ...]


class SourceServersAnswer(FrozenModel):
    """The source servers of an account and region. `states`: how many are in each state of replication."""

    account_id: str
    region: str
    servers: tuple[SourceServerView, ...]
    total_count: int
    states: dict[str, int]


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def get_drs_source_servers(context: Context, request: SourceServersRequest) -> SourceServersAnswer:
    """List the DRS source servers of a region, with the stored groups that hold them.

    Raises:
        UsageError: DRS is not in that region.
        AwsError: DRS refused or could not be reached.
    """
    check_region(request.region)
    location = Location(request.account_id or context.sessions.caller_account_id, request.region)
    found = [
        server
        for server in describe_source_servers(context.sessions, location)
        if request.tags.items() <= server.tags.items() and request.replication_state in {None, server.replication_state}
    ]
    holders = _holders(context, location)
    return SourceServersAnswer(
        account_id=location.account_id,
        region=location.region,
        servers=tuple(_view(server, holders.get(server.source_server_id, ())) for server in found),
        total_count=len(found),
        states=dict(sorted(Counter(server.replication_state for server in found).items())),
    )


def _holders(context: Context, location: Location) -> dict[str, tuple[str, ...]]:
    """The stored groups of an account and region that hold each server."""
    readings = ServerReader(lambda: context.sessions)
    holders: dict[str, tuple[str, ...]] = {}
    for group in valid_manifest(read_estate()).protection_groups:
        if readings.location(group) == location:
            for server_id in readings.members(group):
                holders[server_id] = (*holders.get(server_id, ()), group.group_name)
    return holders


def _view(server: SourceServer, groups: tuple[str, ...]) -> SourceServerView:
    return SourceServerView(
        source_server_id=server.source_server_id,
        arn=server.arn,
        name=server.name,
        hostname=server.hostname,
        instance_id=server.instance_id,
        tags=dict(server.tags),
        replication_state=server.replication_state,
        ready=server.replication_state in READY_STATES,
        lag=server.lag,
        recovery_instance_id=server.recovery_instance_id,
        last_launch_job_id=server.last_launch_job_id,
        last_launch_at=server.last_launch_at,
        last_launch_status=server.last_launch_status or None,
        last_launch_type=server.last_launch_type or None,
        staging_account_id=server.staging_account_id,
        origin_account_id=server.origin_account_id,
        origin_region=server.origin_region,
        os=server.os,
        disk_bytes=server.disk_bytes,
        protection_groups=groups,
    )
