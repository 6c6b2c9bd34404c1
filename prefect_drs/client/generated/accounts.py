"""The operations of `prefect_drs.operations.accounts` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import RegionState, StagingView


class AccountView(TypedDict):
    """A target account as it is saved. `block`: the name of its block; no regions: every region of DRS."""

    accountId: str
    accountName: str | None
    block: str
    regions: list[str]
    roleArn: str | None
    roleName: str | None
    hasExternalId: bool
    endpointUrl: str | None
    stagingAccounts: list[StagingView]


class CheckedAccount(TypedDict):
    """An account, and how DRS answered in each of its regions; `usable_regions` are those where it did."""

    account: AccountView
    usableRegions: list[str]
    regions: list[RegionState]


class CurrentAccount(TypedDict):
    """The account of the caller's own credentials."""

    accountId: str


class DeletedAccount(TypedDict):
    """The deleted account."""

    accountId: str
    block: str


class GetTargetAccountsPage(TypedDict):
    """The saved target accounts, by id."""

    accounts: list[AccountView]
    totalCount: int
    nextToken: str | None


class AccountsOperations(Caller):
    """Calls the operations."""

    def add_target_account(
        self,
        *,
        account_id: str,
        account_name: str | Unset | None = UNSET,
        regions: Sequence[str] | Unset | None = UNSET,
        role_arn: str | Unset | None = UNSET,
        role_name: str | Unset | None = UNSET,
        external_id: str | Unset | None = UNSET,
        endpoint_url: str | Unset | None = UNSET,
        force: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> CheckedAccount:
        """Save an account once DRS answers in at least one of its regions."""
        return self.call(
            "add_target_account",
            {
                "accountId": account_id,
                "accountName": account_name,
                "regions": regions,
                "roleArn": role_arn,
                "roleName": role_name,
                "externalId": external_id,
                "endpointUrl": endpoint_url,
                "force": force,
            },
            idempotency_key=idempotency_key,
        )

    def delete_target_account(self, account_id: str) -> DeletedAccount:
        """Delete a saved account; nothing in AWS changes."""
        return self.call("delete_target_account", {"accountId": account_id})

    def get_current_account_id(
        self,
    ) -> CurrentAccount:
        """Return the account of the caller's own credentials."""
        return self.call("get_current_account_id", {})

    def get_target_account(self, account_id: str) -> AccountView:
        """Return a saved target account."""
        return self.call("get_target_account", {"accountId": account_id})

    def get_target_accounts(
        self,
        *,
        limit: int | Unset = UNSET,
        next_token: str | Unset = UNSET,
        sort: Literal["accountId", "-accountId", "accountName", "-accountName"] | Unset = UNSET,
        account_name: str | Unset = UNSET,
    ) -> GetTargetAccountsPage:
        """List the saved target accounts."""
        return self.call(
            "get_target_accounts", {"limit": limit, "nextToken": next_token, "sort": sort, "accountName": account_name}
        )

    def iterate_target_accounts(
        self,
        *,
        limit: int | Unset = UNSET,
        sort: Literal["accountId", "-accountId", "accountName", "-accountName"] | Unset = UNSET,
        account_name: str | Unset = UNSET,
    ) -> Iterator[AccountView]:
        """Iterate over all that `get_target_accounts` lists; a page of `limit` is read when it is needed."""
        return self._items(
            "get_target_accounts", "accounts", {"limit": limit, "sort": sort, "accountName": account_name}
        )

    def update_target_account(
        self,
        account_id: str,
        *,
        account_name: str | Unset | None = UNSET,
        regions: Sequence[str] | Unset | None = UNSET,
        role_arn: str | Unset | None = UNSET,
        role_name: str | Unset | None = UNSET,
        external_id: str | Unset | None = UNSET,
        endpoint_url: str | Unset | None = UNSET,
        force: bool | Unset = UNSET,
    ) -> CheckedAccount:
        """Change a saved account once DRS answers in at least one of its regions."""
        return self.call(
            "update_target_account",
            {
                "accountId": account_id,
                "accountName": account_name,
                "regions": regions,
                "roleArn": role_arn,
                "roleName": role_name,
                "externalId": external_id,
                "endpointUrl": endpoint_url,
                "force": force,
            },
        )

    def validate_target_account(self, account_id: str) -> CheckedAccount:
        """Report how DRS answers in each region of a saved account."""
        return self.call("validate_target_account", {"accountId": account_id})
