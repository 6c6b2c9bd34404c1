"""The Inventory: a snapshot of DRS. JSON is camelCase, times are UTC, durations ISO 8601 as in DRS."""

from __future__ import annotations

from datetime import datetime

from prefect_drs.aws.capacity import CapacityLevel
from prefect_drs.aws.locations import Failure, Skipped
from prefect_drs.core.models import FrozenModel


class InventoryServer(FrozenModel):
    """A source server. `lag` is its replication lag (RPO) at that time; None if DRS did not report one."""

    account_id: str
    region: str
    source_server_id: str
    name: str
    hostname: str
    instance_id: str | None
    origin_account_id: str | None
    origin_region: str | None
    staging_account_id: str | None
    replication_state: str
    lag: str | None
    recovery_instance_id: str | None
    os: str
    disk_bytes: int
    tags: dict[str, str]


class InventoryRecoveryInstance(FrozenModel):
    """An instance that a drill or a recovery launched."""

    account_id: str
    region: str
    recovery_instance_id: str
    source_server_id: str
    job_id: str | None
    state: str
    is_drill: bool


class InventoryQuota(FrozenModel):
    """The usage of a quota of an account and region; `level` rates it."""

    name: str
    used: int
    limit: int
    available: int
    percent: float
    level: CapacityLevel


class InventoryCapacity(FrozenModel):
    """The usage of all DRS quotas of one account and region."""

    account_id: str
    region: str
    quotas: tuple[InventoryQuota, ...]


class InventoryTotals(FrozenModel):
    """Totals of all accounts and regions; `replicating_limit` and `source_limit` are the sums of their quotas."""

    accounts: int
    regions: int
    source_servers: int
    source_limit: int
    replicating_servers: int
    replicating_limit: int
    recovery_instances: int
    drill_instances: int
    states: dict[str, int]
    worst_level: CapacityLevel


class Inventory(FrozenModel):
    """The inventory of the account-regions that answered, and a failure for each of the others."""

    taken_at: datetime
    servers: tuple[InventoryServer, ...]
    recovery_instances: tuple[InventoryRecoveryInstance, ...]
    capacity: tuple[InventoryCapacity, ...]
    totals: InventoryTotals
    failures: tuple[Failure, ...]
    skipped: tuple[Skipped, ...]
