"""The operations of `prefect_drs.operations.staging` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import RegionCapacityAnswer, RegionState, StagingView


class Discovered(TypedDict):
    """What was discovered, account by account."""

    accounts: list[DiscoveredAccount]


class DiscoveredAccount(TypedDict):
    """What DRS knows of a target account's staging accounts; `unchecked`: regions that could not be asked."""

    targetAccountId: str
    stagingAccounts: list[DiscoveredStaging]
    unchecked: list[RegionState]


class DiscoveredStaging(TypedDict):
    """A staging account that servers are extended from: in which regions, and whether it is saved."""

    accountId: str
    regions: list[str]
    saved: bool


class SavedStagingAccounts(TypedDict):
    """The staging accounts that are saved for a target account."""

    targetAccountId: str
    stagingAccounts: list[StagingView]


class StagingRegion(TypedDict):
    """A region of a staging account: what it says itself, and whether the target account may extend from it."""

    region: str
    usable: bool
    staging: RegionCapacityAnswer
    trust: RegionState
    extensibleServers: int | None


class SyncedAccount(TypedDict):
    """What became of a target account's list: added to it, and on it though no server is extended from there."""

    targetAccountId: str
    added: list[str]
    withoutExtendedServers: list[str]
    unchecked: list[RegionState]


class SyncedStaging(TypedDict):
    """What became of the lists, account by account."""

    accounts: list[SyncedAccount]


class ValidatedStaging(TypedDict):
    """A staging account, region by region; `valid` where it can be used in at least one."""

    targetAccountId: str
    stagingAccountId: str
    valid: bool
    usableRegions: list[str]
    regions: list[StagingRegion]


class StagingOperations(Caller):
    """Calls the operations."""

    def add_staging_account(
        self,
        target_account_id: str,
        *,
        staging_account_id: str,
        account_name: str | Unset | None = UNSET,
        role_arn: str | Unset | None = UNSET,
        role_name: str | Unset | None = UNSET,
        external_id: str | Unset | None = UNSET,
        force: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> ValidatedStaging:
        """Save a staging account once it can be used in at least one region."""
        return self.call(
            "add_staging_account",
            {
                "targetAccountId": target_account_id,
                "stagingAccountId": staging_account_id,
                "accountName": account_name,
                "roleArn": role_arn,
                "roleName": role_name,
                "externalId": external_id,
                "force": force,
            },
            idempotency_key=idempotency_key,
        )

    def discover_staging_accounts(self, target_account_id: str) -> Discovered:
        """List the staging accounts that DRS knows, in every region."""
        return self.call("discover_staging_accounts", {"targetAccountId": target_account_id})

    def get_staging_accounts(self, target_account_id: str) -> SavedStagingAccounts:
        """List the saved staging accounts of a target account."""
        return self.call("get_staging_accounts", {"targetAccountId": target_account_id})

    def remove_staging_account(self, target_account_id: str, staging_account_id: str) -> SavedStagingAccounts:
        """Delete a saved staging account; extended servers stay."""
        return self.call(
            "remove_staging_account", {"targetAccountId": target_account_id, "stagingAccountId": staging_account_id}
        )

    def sync_staging_accounts(self, target_account_id: str, *, idempotency_key: str | None = None) -> SyncedStaging:
        """Save the staging accounts that DRS knows and that are not saved yet; delete none."""
        return self.call(
            "sync_staging_accounts", {"targetAccountId": target_account_id}, idempotency_key=idempotency_key
        )

    def validate_staging_account(
        self,
        *,
        target_account_id: str,
        staging_account_id: str,
        account_name: str | Unset | None = UNSET,
        role_arn: str | Unset | None = UNSET,
        role_name: str | Unset | None = UNSET,
        external_id: str | Unset | None = UNSET,
        region: str | Unset | None = UNSET,
    ) -> ValidatedStaging:
        """Report whether a staging account can be used: access, capacity and trust, by region."""
        return self.call(
            "validate_staging_account",
            {
                "targetAccountId": target_account_id,
                "stagingAccountId": staging_account_id,
                "accountName": account_name,
                "roleArn": role_arn,
                "roleName": role_name,
                "externalId": external_id,
                "region": region,
            },
        )
