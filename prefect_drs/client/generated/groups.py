"""The operations of `prefect_drs.operations.groups` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import DeletedAnswer


class GroupAnswer(TypedDict):
    """A stored group. `source_server_ids`: its current servers; null, with the reason, if they could not be read."""

    groupId: str
    name: str
    description: str | None
    region: str
    accountId: str | None
    serverSelectionMode: Literal["explicit", "tags"]
    serverSelectionTags: dict[str, str]
    sourceServerIds: list[str] | None
    serverCount: int | None
    resolutionError: str | None
    launchConfiguration: dict[str, Any]
    servers: list[dict[str, Any]]
    recoveryPlans: list[str]
    version: int
    createdAt: str
    updatedAt: str
    updatedBy: str
    warnings: list[dict[str, Any]]
    historyError: str | None


class ListProtectionGroupsPage(TypedDict):
    """All stored groups, by name."""

    protectionGroups: list[GroupAnswer]
    totalCount: int
    nextToken: str | None


class MatchingServer(TypedDict):
    """A server that a selection holds. `protection_groups`: the stored groups that hold it already."""

    sourceServerId: str
    name: str
    hostname: str
    replicationState: str
    tags: dict[str, str]
    protectionGroups: list[str]


class SelectionAnswer(TypedDict):
    """Who a selection holds now."""

    region: str
    accountId: str
    serverSelectionTags: dict[str, str]
    servers: list[MatchingServer]
    serverCount: int


class GroupsOperations(Caller):
    """Calls the operations."""

    def create_protection_group(
        self,
        *,
        region: Any,
        name: Any,
        description: Any = UNSET,
        account_id: Any = UNSET,
        server_selection_mode: Literal["explicit", "tags"] | Unset | None = UNSET,
        server_selection_tags: Any = UNSET,
        source_server_ids: Any = UNSET,
        launch_configuration: Any = UNSET,
        servers: Any = UNSET,
        idempotency_key: str | None = None,
    ) -> GroupAnswer:
        """Store a protection group: servers by ids or by tags, and their launch settings."""
        return self.call(
            "create_protection_group",
            {
                "region": region,
                "name": name,
                "description": description,
                "accountId": account_id,
                "serverSelectionMode": server_selection_mode,
                "serverSelectionTags": server_selection_tags,
                "sourceServerIds": source_server_ids,
                "launchConfiguration": launch_configuration,
                "servers": servers,
            },
            idempotency_key=idempotency_key,
        )

    def delete_protection_group(self, group_id: str, *, version: int | Unset = UNSET) -> DeletedAnswer:
        """Delete a stored protection group that no plan names."""
        return self.call("delete_protection_group", {"groupId": group_id, "version": version})

    def get_protection_group(self, group_id: str) -> GroupAnswer:
        """Return a stored protection group with its current servers."""
        return self.call("get_protection_group", {"groupId": group_id})

    def list_protection_groups(
        self,
        *,
        limit: int | Unset = UNSET,
        next_token: str | Unset = UNSET,
        sort: Literal[
            "name",
            "-name",
            "region",
            "-region",
            "serverCount",
            "-serverCount",
            "createdAt",
            "-createdAt",
            "updatedAt",
            "-updatedAt",
            "groupId",
            "-groupId",
        ]
        | Unset = UNSET,
        name: str | Unset = UNSET,
        region: str | Unset = UNSET,
        account_id: str | Unset = UNSET,
        server_selection_mode: str | Unset = UNSET,
    ) -> ListProtectionGroupsPage:
        """List all stored protection groups with their current servers."""
        return self.call(
            "list_protection_groups",
            {
                "limit": limit,
                "nextToken": next_token,
                "sort": sort,
                "name": name,
                "region": region,
                "accountId": account_id,
                "serverSelectionMode": server_selection_mode,
            },
        )

    def iterate_protection_groups(
        self,
        *,
        limit: int | Unset = UNSET,
        sort: Literal[
            "name",
            "-name",
            "region",
            "-region",
            "serverCount",
            "-serverCount",
            "createdAt",
            "-createdAt",
            "updatedAt",
            "-updatedAt",
            "groupId",
            "-groupId",
        ]
        | Unset = UNSET,
        name: str | Unset = UNSET,
        region: str | Unset = UNSET,
        account_id: str | Unset = UNSET,
        server_selection_mode: str | Unset = UNSET,
    ) -> Iterator[GroupAnswer]:
        """Iterate over all that `list_protection_groups` lists; a page of `limit` is read when it is needed."""
        return self._items(
            "list_protection_groups",
            "protectionGroups",
            {
                "limit": limit,
                "sort": sort,
                "name": name,
                "region": region,
                "accountId": account_id,
                "serverSelectionMode": server_selection_mode,
            },
        )

    def resolve_protection_group_tags(
        self, *, region: str, server_selection_tags: Mapping[str, str], account_id: str | Unset | None = UNSET
    ) -> SelectionAnswer:
        """List the servers that have all of these tags, and the stored groups they belong to."""
        return self.call(
            "resolve_protection_group_tags",
            {"region": region, "serverSelectionTags": server_selection_tags, "accountId": account_id},
        )

    def update_protection_group(
        self,
        group_id: str,
        *,
        version: int,
        description: Any = UNSET,
        region: Any = UNSET,
        account_id: Any = UNSET,
        server_selection_mode: Literal["explicit", "tags"] | Unset | None = UNSET,
        server_selection_tags: Any = UNSET,
        source_server_ids: Any = UNSET,
        launch_configuration: Any = UNSET,
        servers: Any = UNSET,
        name: Any = UNSET,
    ) -> GroupAnswer:
        """Change a stored protection group, from the version that was read."""
        return self.call(
            "update_protection_group",
            {
                "groupId": group_id,
                "version": version,
                "description": description,
                "region": region,
                "accountId": account_id,
                "serverSelectionMode": server_selection_mode,
                "serverSelectionTags": server_selection_tags,
                "sourceServerIds": source_server_ids,
                "launchConfiguration": launch_configuration,
                "servers": servers,
                "name": name,
            },
        )
