"""Take an inventory: read source servers and recovery instances of each account-region once, page by page.

In: `Sessions`, accounts and regions, a clock. Out: an `Inventory`. An account-region that does not answer is one of its
failures and never counts as empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from prefect_drs.aws.capacity import CapacityLevel, QuotaUsage, RegionCapacity, count_capacity
from prefect_drs.aws.drs import RecoveryInstance, SourceServer, describe_recovery_instances
from prefect_drs.aws.fan_out import fan_out
from prefect_drs.aws.location import Location
from prefect_drs.aws.locations import accounts_to_read, failures_of, locations_to_read, read_fleet
from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import AwsError
from prefect_drs.inventory.model import (
    Inventory,
    InventoryCapacity,
    InventoryQuota,
    InventoryRecoveryInstance,
    InventoryServer,
    InventoryTotals,
)


def take_inventory(
    sessions: Sessions,
    *,
    clock: Clock,
    accounts: Sequence[AccountAccess] = (),
    regions: Sequence[str] = (),
    workers: int = 16,
) -> Inventory:
    """Read the current inventory of all accounts.

    Args:
        sessions: give clients for the accounts.
        clock: time for the inventory.
        accounts: only these accounts; by default those of `sessions`, else the caller's own.
        regions: only these regions; by default every region in which DRS is set up.
        workers: maximum number of calls at a time.

    Raises:
        UsageError: DRS is not available in one of `regions`.
        AwsError: the caller's own account could not be read.
    """
    taken_at = clock.now()
    asked = tuple(accounts) or accounts_to_read(sessions, sessions.accounts)
    places = locations_to_read(sessions, asked, regions)
    fleet = read_fleet(sessions, places, workers=workers)
    answers = fan_out(fleet.servers, lambda place: describe_recovery_instances(sessions, place), workers=workers)
    instances = {place: answer for place, answer in answers.items() if not isinstance(answer, AwsError)}
    capacities = [count_capacity(place, servers) for place, servers in fleet.servers.items()]
    return Inventory(
        taken_at=taken_at,
        servers=tuple(_server(location, server) for location, found in fleet.servers.items() for server in found),
        recovery_instances=tuple(_instance(location, each) for location, found in instances.items() for each in found),
        capacity=tuple(_capacity(capacity) for capacity in capacities),
        totals=_totals(capacities, instances),
        failures=(
            *fleet.failures,
            *failures_of({place: answer for place, answer in answers.items() if isinstance(answer, AwsError)}),
        ),
        skipped=fleet.skipped,
    )


def _server(location: Location, server: SourceServer) -> InventoryServer:
    return InventoryServer(
        account_id=location.account_id,
        region=location.region,
        source_server_id=server.source_server_id,
        name=server.name,
        hostname=server.hostname,
        instance_id=server.instance_id,
        origin_account_id=server.origin_account_id,
        origin_region=server.origin_region,
        staging_account_id=server.staging_account_id,
        replication_state=server.replication_state,
        lag=server.lag,
        recovery_instance_id=server.recovery_instance_id,
        os=server.os,
        disk_bytes=server.disk_bytes,
        tags=dict(server.tags),
    )


def _instance(location: Location, instance: RecoveryInstance) -> InventoryRecoveryInstance:
    return InventoryRecoveryInstance(
        account_id=location.account_id,
        region=location.region,
        recovery_instance_id=instance.recovery_instance_id,
        source_server_id=instance.source_server_id,
        job_id=instance.job_id,
        state=instance.state,
        is_drill=instance.is_drill,
    )


def _quota(usage: QuotaUsage) -> InventoryQuota:
    return InventoryQuota(
        name=usage.quota.name,
        used=usage.used,
        limit=usage.quota.limit,
        available=usage.available,
        percent=usage.percent,
        level=usage.level,
    )


def _capacity(capacity: RegionCapacity) -> InventoryCapacity:
    return InventoryCapacity(
        account_id=capacity.location.account_id,
        region=capacity.location.region,
        quotas=tuple(_quota(usage) for usage in capacity.usages),
    )


def _totals(
    capacities: Sequence[RegionCapacity], instances: Mapping[Location, Sequence[RecoveryInstance]]
) -> InventoryTotals:
    states: Counter[str] = Counter()
    for capacity in capacities:
        states.update(capacity.states)
    usages = [capacity.usages for capacity in capacities]
    every = [instance for found in instances.values() for instance in found]
    levels = {usage.level for pair in usages for usage in pair}
    return InventoryTotals(
        accounts=len({capacity.location.account_id for capacity in capacities}),
        regions=len({capacity.location.region for capacity in capacities}),
        source_servers=sum(source.used for _, source in usages),
        source_limit=sum(source.quota.limit for _, source in usages),
        replicating_servers=sum(replicating.used for replicating, _ in usages),
        replicating_limit=sum(replicating.quota.limit for replicating, _ in usages),
        recovery_instances=len(every),
        drill_instances=sum(instance.is_drill for instance in every),
        states=dict(sorted(states.items())),
        worst_level=max(levels, key=list(CapacityLevel).index, default=CapacityLevel.OK),
    )
