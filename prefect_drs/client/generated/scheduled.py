"""The operations of `prefect_drs.operations.scheduled` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import CapacityLevel, RunningRequest

TagSyncState = Literal["RUNNING", "DISABLED", "NOT_DEPLOYED", "NOT_SCHEDULED", "NEVER_RUN", "FAILED", "COMPLETED"]


class InstanceSyncAnswer(TypedDict):
    """The recovery instances of the last inventory, and its age."""

    takenAt: str
    ageSeconds: float
    complete: bool
    failures: list[str]
    recoveryInstances: list[InventoryRecoveryInstance]
    count: int
    drillInstances: int


class InventoryAnswer(TypedDict):
    """An inventory, or the requested part of it."""

    takenAt: str
    ageSeconds: float
    complete: bool
    failures: list[str]
    servers: list[InventoryServer]
    recoveryInstances: list[InventoryRecoveryInstance]
    capacity: list[InventoryCapacity]
    totals: InventoryTotals


class InventoryCapacity(TypedDict):
    """The usage of all DRS quotas of one account and region."""

    accountId: str
    region: str
    quotas: list[InventoryQuota]


class InventoryQuota(TypedDict):
    """The usage of a quota of an account and region; `level` rates it."""

    name: str
    used: int
    limit: int
    available: int
    percent: float
    level: CapacityLevel


class InventoryRecoveryInstance(TypedDict):
    """An instance that a drill or a recovery launched."""

    accountId: str
    region: str
    recoveryInstanceId: str
    sourceServerId: str
    jobId: str | None
    state: str
    isDrill: bool


class InventoryServer(TypedDict):
    """A source server. `lag` is its replication lag (RPO) at that time; None if DRS did not report one."""

    accountId: str
    region: str
    sourceServerId: str
    name: str
    hostname: str
    instanceId: str | None
    originAccountId: str | None
    originRegion: str | None
    stagingAccountId: str | None
    replicationState: str
    lag: str | None
    recoveryInstanceId: str | None
    os: str
    diskBytes: int
    tags: dict[str, str]


class InventoryTotals(TypedDict):
    """Totals of all accounts and regions; `replicating_limit` and `source_limit` are the sums of their quotas."""

    accounts: int
    regions: int
    sourceServers: int
    sourceLimit: int
    replicatingServers: int
    replicatingLimit: int
    recoveryInstances: int
    drillInstances: int
    states: dict[str, int]
    worstLevel: CapacityLevel


class TagFilters(TypedDict):
    """Patterns of tag keys to copy, and of those not to copy; None leaves them unchanged."""

    include: NotRequired[list[str] | None]
    exclude: NotRequired[list[str] | None]


class TagSyncStatus(TypedDict):
    """The answer of `get_tag_sync_status`; counts and errors are those of the last complete synchronisation."""

    enabled: bool
    status: TagSyncState
    lastSyncTime: str | None
    serversProcessed: int
    tagsSynchronized: int
    errors: list[str]
    nextScheduledSync: str | None
    note: str


class TagSyncTrigger(TypedDict):
    """The result of a request for a run: the flow run, and whether this request created it."""

    flowRunId: str | None
    started: bool
    note: str


class TagSyncUpdate(TypedDict):
    """The settings after a change, and the run for it; None if nothing changed or tag sync is not enabled."""

    settings: dict[str, Any]
    changed: bool
    nextScheduledSync: str | None
    run: TagSyncTrigger | None


class ScheduledOperations(Caller):
    """Calls the operations."""

    def get_recovery_instance_sync_status(
        self, *, account_id: str | Unset = UNSET, region: str | Unset = UNSET, replication_state: str | Unset = UNSET
    ) -> InstanceSyncAnswer:
        """Return the recovery instances as last read, and when that was."""
        return self.call(
            "get_recovery_instance_sync_status",
            {"accountId": account_id, "region": region, "replicationState": replication_state},
        )

    def get_source_server_inventory(
        self, *, account_id: str | Unset = UNSET, region: str | Unset = UNSET, replication_state: str | Unset = UNSET
    ) -> InventoryAnswer:
        """Return the last inventory and its age."""
        return self.call(
            "get_source_server_inventory",
            {"accountId": account_id, "region": region, "replicationState": replication_state},
        )

    def get_tag_sync_settings(
        self,
    ) -> dict[str, Any]:
        """Return the settings of tag sync."""
        return self.call("get_tag_sync_settings", {})

    def get_tag_sync_status(
        self,
    ) -> TagSyncStatus:
        """Return the last tag sync, the next one, and its pending changes."""
        return self.call("get_tag_sync_status", {})

    def sync_recovery_instances(self, *, idempotency_key: str | None = None) -> InstanceSyncAnswer:
        """Read the recovery instances of all accounts and regions now; takes an inventory."""
        return self.call("sync_recovery_instances", {}, idempotency_key=idempotency_key)

    def sync_source_server_inventory(self, *, idempotency_key: str | None = None) -> InventoryAnswer:
        """Take an inventory of all accounts and regions now."""
        return self.call("sync_source_server_inventory", {}, idempotency_key=idempotency_key)

    def trigger_tag_sync(self, *, idempotency_key: str | None = None) -> TagSyncTrigger | RunningRequest:
        """Start tag sync's deployment now, unless it is running."""
        return self.call("trigger_tag_sync", {}, idempotency_key=idempotency_key)

    def update_tag_sync_settings(
        self,
        *,
        enabled: bool | Unset | None = UNSET,
        schedule: int | Unset | None = UNSET,
        tag_filters: TagFilters | Unset = UNSET,
        tag_mappings: Mapping[str, str] | Unset | None = UNSET,
        remove_tags: bool | Unset | None = UNSET,
        copy_tags: bool | Unset | None = UNSET,
        accounts: Sequence[str] | Unset | None = UNSET,
        regions: Sequence[str] | Unset | None = UNSET,
    ) -> TagSyncUpdate:
        """Change settings of tag sync; a change starts one synchronisation at once."""
        return self.call(
            "update_tag_sync_settings",
            {
                "enabled": enabled,
                "schedule": schedule,
                "tagFilters": tag_filters,
                "tagMappings": tag_mappings,
                "removeTags": remove_tags,
                "copyTags": copy_tags,
                "accounts": accounts,
                "regions": regions,
            },
        )
