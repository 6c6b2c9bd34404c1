"""Staging accounts, from the target account: listing them and their extensible servers, and extending those.

In: `Sessions` of the target account and a `Location` of it. Out: plain values, or an `AwsError`. DRS asks the staging
account itself; it answers where the staging account names the target under "Trusted accounts" (DRS user guide, "Using
multiple staging accounts"). An extended server is written once: one that is extended already is not written again.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prefect_drs.aws.errors import QuotaExceededError, aws_call
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError


@dataclass(frozen=True, slots=True)
class ExtensibleServer:
    """A server of a staging account that is not extended into the target account yet."""

    arn: str
    hostname: str
    tags: Mapping[str, str]

    @property
    def source_server_id(self) -> str:
        """Its id in the staging account."""
        return self.arn.rpartition("/")[2]


class ExtensionState(enum.StrEnum):
    """The outcome for one server: extended, to be extended (a dry run), refused, or not tried after a used-up quota."""

    EXTENDED = "EXTENDED"
    PLANNED = "PLANNED"
    FAILED = "FAILED"
    NOT_TRIED = "NOT_TRIED"


@dataclass(frozen=True, slots=True)
class Extension:
    """The outcome for one extensible server.

    Args:
        server: in the staging account.
        state: the outcome.
        source_server_id: the extended server's id in the target account, where DRS returned it.
        error: why it was refused or not tried.
    """

    server: ExtensibleServer
    state: ExtensionState
    source_server_id: str | None = None
    error: AwsError | None = None


def list_staging_accounts(sessions: Sessions, location: Location) -> tuple[str, ...]:
    """The accounts that extended source servers of this account-region come from, sorted.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    with aws_call("ListStagingAccounts", location.account_id, location.region):
        paginator = sessions.client("drs", **location._asdict()).get_paginator("list_staging_accounts")
        pages = paginator.paginate()
        return tuple(sorted(account["accountID"] for page in pages for account in page.get("accounts", [])))


def list_extensible_source_servers(
    sessions: Sessions, location: Location, staging_account_id: str
) -> tuple[ExtensibleServer, ...]:
    """The servers of a staging account in this region that can be extended into the account and are not yet.

    Raises:
        AwsError: DRS refused or could not be reached; PermissionDeniedError where the staging account does not trust
            this one.
    """
    remedy = (
        f"in staging account {staging_account_id}, name {location.account_id} under the trusted accounts of DRS in "
        f"{location.region} (DRS console: Settings), and let this role call drs:ListExtensibleSourceServers"
    )
    with aws_call(
        "ListExtensibleSourceServers",
        location.account_id,
        location.region,
        staging_account_id=staging_account_id,
        denied_remedy=remedy,
    ):
        paginator = sessions.client("drs", **location._asdict()).get_paginator("list_extensible_source_servers")
        return tuple(
            ExtensibleServer(item["arn"], item.get("hostname", ""), dict(item.get("tags", {})))
            for page in paginator.paginate(stagingAccountID=staging_account_id)
            for item in page["items"]
        )


def extend_source_servers(
    sessions: Sessions, location: Location, staging_account_id: str, *, dry_run: bool = False
) -> tuple[Extension, ...]:
    """Extend every server of a staging account that is not extended yet; doing it again extends none twice.

    A server is refused without ending the others, except that a used-up quota leaves the rest untried. A refusal of
    a server that is extended by then (somebody else's doing, or a lost answer that was retried) counts as extended.

    Args:
        sessions: the way into the target account.
        location: the target account and the region of both.
        staging_account_id: where the servers replicate.
        dry_run: returns what would be extended and writes nothing.

    Raises:
        AwsError: what can be extended could not be read.
    """
    servers = list_extensible_source_servers(sessions, location, staging_account_id)
    if dry_run:
        return tuple(Extension(server, ExtensionState.PLANNED) for server in servers)
    tried = tuple(_extended(sessions, location, servers))
    if not any(extension.state is ExtensionState.FAILED for extension in tried):
        return tried
    missing = {server.arn for server in list_extensible_source_servers(sessions, location, staging_account_id)}
    return tuple(
        Extension(one.server, ExtensionState.EXTENDED)
        if one.state is ExtensionState.FAILED and one.server.arn not in missing
        else one
        for one in tried
    )


def _extended(sessions: Sessions, location: Location, servers: Sequence[ExtensibleServer]) -> Iterator[Extension]:
    drs = sessions.client("drs", **location._asdict())
    full: AwsError | None = None
    for server in servers:
        if full is not None:
            yield Extension(server, ExtensionState.NOT_TRIED, error=full)
            continue
        try:
            tags = {key: value for key, value in server.tags.items() if not key.startswith("aws:")}  # AWS's own
            with aws_call("CreateExtendedSourceServer", location.account_id, location.region, server=server.arn):
                answer = drs.create_extended_source_server(sourceServerArn=server.arn, tags=tags)
            yield Extension(server, ExtensionState.EXTENDED, answer["sourceServer"]["sourceServerID"])
        except AwsError as error:
            full = error if isinstance(error, QuotaExceededError) else None
            yield Extension(server, ExtensionState.FAILED, error=error)
