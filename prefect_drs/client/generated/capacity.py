"""The operations of `prefect_drs.operations.capacity` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import CapacityLevel, QuotaUse, RegionCapacityAnswer, RegionState


class CapacityAnswer(TypedDict):
    """Several account-regions; those without servers and without errors are left out of `regions`."""

    level: CapacityLevel
    complete: bool
    sourceServers: int
    replicatingServers: int
    regions: list[RegionCapacityAnswer]


class CombinedAccount(TypedDict):
    """A target account with its staging accounts, region by region."""

    accountId: str
    stagingAccountIds: list[str]
    complete: bool
    level: CapacityLevel
    regions: list[CombinedRegion]


class CombinedCapacity(TypedDict):
    """Target accounts with their staging accounts."""

    accounts: list[CombinedAccount]


class CombinedRegion(TypedDict):
    """A region of a target account together with its staging accounts."""

    region: str
    replicatingServers: QuotaUse
    sourceServers: QuotaUse
    accounts: list[RegionCapacityAnswer]


class Conflict(TypedDict):
    """A quota that is used by 80 % or more: INFO, WARNING from 90 %, CRITICAL from 100 %."""

    severity: CapacityLevel
    accountId: str
    region: str
    quota: str
    used: int
    limit: int
    percentUsed: float
    message: str


class Conflicts(TypedDict):
    """The conflicts, the highest level first, and the locations that could not be checked."""

    conflicts: list[Conflict]
    unchecked: list[RegionState]


class CapacityOperations(Caller):
    """Calls the operations."""

    def get_combined_capacity(self, *, account_id: str | Unset = UNSET) -> CombinedCapacity:
        """Count servers of target accounts together with their staging accounts, by region."""
        return self.call("get_combined_capacity", {"accountId": account_id})

    def get_drs_account_capacity(self, *, region: str, account_id: str | Unset = UNSET) -> RegionCapacityAnswer:
        """Count servers against the quotas of DRS in one account and region."""
        return self.call("get_drs_account_capacity", {"region": region, "accountId": account_id})

    def get_drs_account_capacity_all_regions(self, account_id: str) -> CapacityAnswer:
        """Count servers against the quotas of DRS in all regions of one account."""
        return self.call("get_drs_account_capacity_all_regions", {"accountId": account_id})

    def get_drs_capacity_conflicts(self, *, account_id: str | Unset = UNSET, region: str | Unset = UNSET) -> Conflicts:
        """List quotas of DRS that are used by 80 % or more, and what could not be checked."""
        return self.call("get_drs_capacity_conflicts", {"accountId": account_id, "region": region})

    def get_drs_regional_capacity(self, *, region: str) -> CapacityAnswer:
        """Count servers against the quotas of DRS in one region of all known accounts."""
        return self.call("get_drs_regional_capacity", {"region": region})
