"""The operations on tag sync and on the inventory, which run on a schedule.

In: settings, or filters. Out: the settings and the status of tag sync; the last inventory and its age. Only
`sync_source_server_inventory` reads DRS; it takes an inventory now.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect_drs.core.models import FrozenModel
from prefect_drs.flows import inventory as inventory_flow
from prefect_drs.inventory import Inventory
from prefect_drs.inventory.model import InventoryCapacity, InventoryRecoveryInstance, InventoryServer, InventoryTotals
from prefect_drs.operations.context import Context
from prefect_drs.operations.models import AccountId, EmptyRequest
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.orchestration.scheduled import deployments
from prefect_drs.orchestration.scheduled.deployments import TagSyncStatus, TagSyncTrigger, TagSyncUpdate
from prefect_drs.orchestration.scheduled.inventory import InventoryIncompleteError, last_inventory


class TagFilters(FrozenModel):
    """Patterns of tag keys to copy, and of those not to copy; None leaves them unchanged."""

    include: list[str] | None = None
    exclude: list[str] | None = None


class TagSyncSettingsRequest(FrozenModel):
    """Settings to change; omitted fields stay unchanged. `schedule`: every how many hours, 1 to 24."""

    enabled: bool | None = None
    schedule: int | None = None
    tag_filters: TagFilters = TagFilters()
    tag_mappings: dict[str, str] | None = None
    remove_tags: bool | None = None
    copy_tags: bool | None = None
    accounts: list[AccountId] | None = None
    regions: list[str] | None = None


class InventoryRequest(FrozenModel):
    """Filters of the inventory; by default all of it."""

    account_id: AccountId | None = None
    region: str | None = None
    replication_state: str | None = None


class InventoryAnswer(FrozenModel):
    """An inventory, or the requested part of it.

    `totals` are of the whole; `complete` is false if an account-region did not answer when it was taken.
    """

    taken_at: datetime
    age_seconds: float
    complete: bool
    failures: tuple[str, ...]
    servers: tuple[InventoryServer, ...]
    recovery_instances: tuple[InventoryRecoveryInstance, ...]
    capacity: tuple[InventoryCapacity, ...]
    totals: InventoryTotals


@operation(kind=OperationKind.QUERY, permission="view_protection_groups")
def get_tag_sync_settings(context: Context, request: EmptyRequest) -> dict[str, Any]:
    """Return the settings of tag sync.

    Raises:
        UsageError: the saved settings are no longer valid.
    """
    return deployments.get_tag_sync_settings()


@operation(kind=OperationKind.DATA, permission="modify_protection_groups")
def update_tag_sync_settings(context: Context, request: TagSyncSettingsRequest) -> TagSyncUpdate:
    """Change settings of tag sync; a change starts one synchronisation at once.

    Raises:
        UsageError: a setting is not valid, with the reason; nothing is changed.
    """
    return deployments.update_tag_sync_settings(
        enabled=request.enabled,
        schedule_hours=request.schedule,
        include=request.tag_filters.include,
        exclude=request.tag_filters.exclude,
        mappings=request.tag_mappings,
        remove=request.remove_tags,
        copy_tags=request.copy_tags,
        accounts=request.accounts,
        regions=request.regions,
    )


@operation(kind=OperationKind.DATA, permission="modify_protection_groups")
def trigger_tag_sync(context: Context, request: EmptyRequest) -> TagSyncTrigger:
    """Start tag sync's deployment now, unless it is running.

    Raises:
        UsageError: there is no deployment.
    """
    return deployments.trigger_tag_sync()


@operation(kind=OperationKind.QUERY, permission="view_protection_groups")
def get_tag_sync_status(context: Context, request: EmptyRequest) -> TagSyncStatus:
    """Return the last tag sync, the next one, and its pending changes.

    Raises:
        UsageError: the saved settings are no longer valid.
    """
    return deployments.get_tag_sync_status()


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def get_source_server_inventory(context: Context, request: InventoryRequest) -> InventoryAnswer:
    """Return the last inventory and its age.

    Raises:
        NoInventoryError: none was taken yet.
    """
    last = last_inventory()
    return _answer(last.inventory, last.age.total_seconds(), request)


@operation(kind=OperationKind.DATA, permission="modify_accounts")
def sync_source_server_inventory(context: Context, request: EmptyRequest) -> InventoryAnswer:
    """Take an inventory of all accounts and regions now.

    Runs the flow `inventory`; the answer names the account-regions that did not answer.

    Raises:
        AwsError: the caller's own account could not be read.
    """
    try:
        taken: Inventory = inventory_flow()
    except InventoryIncompleteError as incomplete:
        taken = incomplete.inventory
    return _answer(taken, 0.0, InventoryRequest())


def _answer(inventory: Inventory, age_seconds: float, request: InventoryRequest) -> InventoryAnswer:
    def matches(thing: InventoryServer | InventoryRecoveryInstance | InventoryCapacity) -> bool:
        return request.account_id in {None, thing.account_id} and request.region in {None, thing.region}

    servers = tuple(
        server
        for server in inventory.servers
        if matches(server) and request.replication_state in {None, server.replication_state}
    )
    shown = {server.source_server_id for server in servers}
    return InventoryAnswer(
        taken_at=inventory.taken_at,
        age_seconds=age_seconds,
        complete=not inventory.failures,
        failures=tuple(failure.message for failure in inventory.failures),
        servers=servers,
        recovery_instances=tuple(
            instance
            for instance in inventory.recovery_instances
            if matches(instance) and (request.replication_state is None or instance.source_server_id in shown)
        ),
        capacity=tuple(filter(matches, inventory.capacity)),
        totals=inventory.totals,
    )


class InstanceSyncAnswer(FrozenModel):
    """The recovery instances of the last inventory, and its age.

    `complete` is false if an account-region did not answer when it was taken; `failures` says which and why.
    """

    taken_at: datetime
    age_seconds: float
    complete: bool
    failures: tuple[str, ...]
    recovery_instances: tuple[InventoryRecoveryInstance, ...]
    count: int
    drill_instances: int


@operation(kind=OperationKind.DATA, permission="modify_accounts")
def sync_recovery_instances(context: Context, request: EmptyRequest) -> InstanceSyncAnswer:
    """Read the recovery instances of all accounts and regions now; takes an inventory.

    Raises:
        AwsError: the caller's own account could not be read.
    """
    return _instances_of(sync_source_server_inventory(context, request))


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def get_recovery_instance_sync_status(context: Context, request: InventoryRequest) -> InstanceSyncAnswer:
    """Return the recovery instances as last read, and when that was.

    Raises:
        NoInventoryError: they were not read yet.
    """
    return _instances_of(get_source_server_inventory(context, request))


def _instances_of(inventory: InventoryAnswer) -> InstanceSyncAnswer:
    instances = inventory.recovery_instances
    return InstanceSyncAnswer(
        taken_at=inventory.taken_at,
        age_seconds=inventory.age_seconds,
        complete=inventory.complete,
        failures=inventory.failures,
        recovery_instances=instances,
        count=len(instances),
        drill_instances=sum(instance.is_drill for instance in instances),
    )
