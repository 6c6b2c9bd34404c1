"""The Inventory: what was there when it was taken. JSON is camelCase, times are UTC, durations ISO 8601 as in DRS."""

from __future__ import annotations

from datetime import datetime

from prefect_drs.aws.capacity import CapacityLevel
from prefect_drs.aws.locations import Failure, Skipped
from prefect_drs.core.models import FrozenModel


class InventoryServer(FrozenModel):
    """A source server. `lag` is its RPO at that moment, None where DRS did not say."""

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
    """An instance that a drill or a recovery left."""

    account_id: str
    region: str
    recovery_instance_id: str
    source_server_id: str
    job_id: str | None
    state: str
    is_drill: bool


class InventoryQuota(FrozenModel):
    """How much of a quota of an account and region is used; `level` tells when that is worth a word."""

    name: str
    used: int
    limit: int
    available: int
    percent: float
    level: CapacityLevel


class InventoryCapacity(FrozenModel):
    """How full DRS is in one account and region."""

    account_id: str
    region: str
    quotas: tuple[InventoryQuota, ...]


class InventoryTotals(FrozenModel):
    """All accounts and regions together; `replicating_limit` and `source_limit` are the sums of their quotas."""

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
    """Everything that answered, and what did not."""

    taken_at: datetime
    servers: tuple[InventoryServer, ...]
    recovery_instances: tuple[InventoryRecoveryInstance, ...]
    capacity: tuple[InventoryCapacity, ...]
    totals: InventoryTotals
    failures: tuple[Failure, ...]
    skipped: tuple[Skipped, ...]
