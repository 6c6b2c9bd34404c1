"""The operations of `prefect_drs.operations.extended_servers` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Literal, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset

ExtensionState = Literal["EXTENDED", "PLANNED", "FAILED", "NOT_TRIED"]


class Extended(TypedDict):
    """The result for all servers; `unchecked`: account-regions whose servers could not be read."""

    targetAccountId: str
    dryRun: bool
    counts: dict[str, int]
    servers: list[ExtensionAnswer]
    unchecked: list[ExtensionPlace]


class ExtensionAnswer(TypedDict):
    """What became of one server of a staging account."""

    stagingAccountId: str
    region: str
    arn: str
    hostname: str
    state: ExtensionState
    sourceServerId: str | None
    error: str | None
    message: str | None


class ExtensionPlace(TypedDict):
    """A region of a target account as it answered for a staging account."""

    accountId: str
    region: str
    status: str
    message: str | None
    remedy: str | None
    stagingAccountId: str


class ExtendedServersOperations(Caller):
    """Calls the operations."""

    def sync_extended_source_servers(
        self,
        target_account_id: str,
        *,
        staging_account_id: str | Unset | None = UNSET,
        region: str | Unset | None = UNSET,
        dry_run: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> Extended:
        """Extend the servers of staging accounts that are not extended yet."""
        return self.call(
            "sync_extended_source_servers",
            {
                "targetAccountId": target_account_id,
                "stagingAccountId": staging_account_id,
                "region": region,
                "dryRun": dry_run,
            },
            idempotency_key=idempotency_key,
        )
