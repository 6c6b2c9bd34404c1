"""The operations of `prefect_drs.operations.source_servers` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset


class GetDrsSourceServersPage(TypedDict):
    """The source servers of an account and region. `states`: how many are in each state of replication."""

    accountId: str
    region: str
    servers: list[SourceServerView]
    totalCount: int
    states: dict[str, int]
    nextToken: str | None


class SourceServerView(TypedDict):
    """A source server. `lag`: how far its replication lags behind, as an ISO 8601 duration."""

    sourceServerId: str
    arn: str
    name: str
    hostname: str
    instanceId: str | None
    tags: dict[str, str]
    replicationState: str
    ready: bool
    lag: str | None
    recoveryInstanceId: str | None
    lastLaunchJobId: str | None
    lastLaunchAt: str | None
    lastLaunchStatus: str | None
    lastLaunchType: str | None
    stagingAccountId: str | None
    originAccountId: str | None
    originRegion: str | None
    os: str
    diskBytes: int
    protectionGroups: list[str]


class SourceServersOperations(Caller):
    """Calls the operations."""

    def get_drs_source_servers(
        self,
        *,
        region: str,
        account_id: str | Unset = UNSET,
        tags: Mapping[str, str] | Unset = UNSET,
        replication_state: str | Unset = UNSET,
        limit: int | Unset = UNSET,
        next_token: str | Unset = UNSET,
        sort: Literal[
            "name",
            "-name",
            "hostname",
            "-hostname",
            "replicationState",
            "-replicationState",
            "sourceServerId",
            "-sourceServerId",
        ]
        | Unset = UNSET,
    ) -> GetDrsSourceServersPage:
        """List the DRS source servers of a region, with the stored groups that hold them."""
        return self.call(
            "get_drs_source_servers",
            {
                "region": region,
                "accountId": account_id,
                "tags": tags,
                "replicationState": replication_state,
                "limit": limit,
                "nextToken": next_token,
                "sort": sort,
            },
        )

    def iterate_drs_source_servers(
        self,
        *,
        region: str,
        account_id: str | Unset = UNSET,
        tags: Mapping[str, str] | Unset = UNSET,
        replication_state: str | Unset = UNSET,
        limit: int | Unset = UNSET,
        sort: Literal[
            "name",
            "-name",
            "hostname",
            "-hostname",
            "replicationState",
            "-replicationState",
            "sourceServerId",
            "-sourceServerId",
        ]
        | Unset = UNSET,
    ) -> Iterator[SourceServerView]:
        """Iterate over all that `get_drs_source_servers` lists; a page of `limit` is read when it is needed."""
        return self._items(
            "get_drs_source_servers",
            "servers",
            {
                "region": region,
                "accountId": account_id,
                "tags": tags,
                "replicationState": replication_state,
                "limit": limit,
                "sort": sort,
            },
        )
