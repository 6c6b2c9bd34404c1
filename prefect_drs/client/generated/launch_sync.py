"""The operations of `prefect_drs.operations.launch_sync` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import SettingDifference, TemplateVersion

GroupState = Literal["IN_SYNC", "WRITTEN", "DRIFTED", "FAILED"]


SyncState = Literal["IN_SYNC", "DRIFTED", "WRITTEN", "FAILED"]


class GroupSync(TypedDict):
    """One group. `error`: why none of it could be looked at or written; `history_error`: as in other answers."""

    groupId: str
    groupName: str
    status: GroupState
    counts: dict[str, int]
    servers: list[ServerSync]
    error: str | None
    message: str | None
    historyError: str | None


class HistoryAnswer(TypedDict):
    """A server's history, the newest first."""

    groupId: str
    serverId: str
    history: list[HistoryEntry]


class HistoryEntry(TypedDict):
    """What was done to a server: by whom, as claimed, in which operation or execution, from what to what."""

    timestamp: str
    user: str
    action: str
    source: str
    changes: list[dict[str, Any]]


class ServerSync(TypedDict):
    """One server: what differs, or was written; `template`: the version that its account launches from."""

    serverId: str
    name: str
    status: SyncState
    changes: list[SettingDifference]
    template: TemplateVersion | None
    error: str | None
    message: str | None


class SyncAnswer(TypedDict):
    """Several groups."""

    dryRun: bool
    status: GroupState
    groups: list[GroupSync]


class LaunchSyncOperations(Caller):
    """Calls the operations."""

    def apply_launch_configs(
        self,
        group_id: str,
        *,
        server_ids: Sequence[str] | Unset | None = UNSET,
        dry_run: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> GroupSync:
        """Write a stored group's launch settings to its account, only what differs."""
        return self.call(
            "apply_launch_configs",
            {"groupId": group_id, "serverIds": server_ids, "dryRun": dry_run},
            idempotency_key=idempotency_key,
        )

    def get_launch_config_status(self, group_id: str) -> GroupSync:
        """Report how an account has drifted from a stored group's launch settings."""
        return self.call("get_launch_config_status", {"groupId": group_id})

    def get_server_config_history(self, group_id: str, server_id: str, *, limit: int | Unset = UNSET) -> HistoryAnswer:
        """List who changed a server's launch settings, when, and from what to what."""
        return self.call("get_server_config_history", {"groupId": group_id, "serverId": server_id, "limit": limit})

    def sync_launch_configs(
        self,
        *,
        group_ids: Sequence[str] | Unset | None = UNSET,
        dry_run: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> SyncAnswer:
        """Write the launch settings of several stored groups, or all, to their accounts."""
        return self.call(
            "sync_launch_configs", {"groupIds": group_ids, "dryRun": dry_run}, idempotency_key=idempotency_key
        )
