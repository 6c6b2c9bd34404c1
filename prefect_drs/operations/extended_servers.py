"""Servers of staging accounts extended into their target account.

In: a target account whose staging accounts are saved. Out: what became of each server that was not extended yet. Only
what is missing is written, so it can be done again at any time; an extended server is never removed.
"""

from __future__ import annotations

from functools import partial

from prefect_drs.aws.fan_out import fan_out
from prefect_drs.aws.location import Location
from prefect_drs.aws.staging import Extension, ExtensionState, extend_source_servers
from prefect_drs.core.errors import AwsError
from prefect_drs.core.models import FrozenModel
from prefect_drs.operations.context import Context
from prefect_drs.operations.models import AccountId
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.operations.saved_accounts import AccountNotSavedError, saved_account
from prefect_drs.operations.scope import RegionState, check_region, has_no_servers, region_state


class ExtendRequest(FrozenModel):
    """Which servers to extend: of one staging account or all, in one region or all; `dry_run` only reports."""

    target_account_id: AccountId
    staging_account_id: AccountId | None = None
    region: str | None = None
    dry_run: bool = False


class ExtensionAnswer(FrozenModel):
    """What became of one server of a staging account."""

    staging_account_id: str
    region: str
    arn: str
    hostname: str
    state: ExtensionState
    source_server_id: str | None
    error: str | None
    message: str | None


class ExtensionPlace(RegionState):
    """A region of a target account as it answered for a staging account."""

    staging_account_id: str


class Extended(FrozenModel):
    """The result for all servers; `unchecked`: account-regions whose servers could not be read."""

    target_account_id: str
    dry_run: bool
    counts: dict[str, int]
    servers: tuple[ExtensionAnswer, ...]
    unchecked: tuple[ExtensionPlace, ...]


@operation(kind=OperationKind.DATA, permission="modify_accounts")
def sync_extended_source_servers(context: Context, request: ExtendRequest) -> Extended:
    """Extend the servers of staging accounts that are not extended yet.

    Calls `CreateExtendedSourceServer`, in all regions in parallel. Safe to repeat: DRS does not list extended servers
    as extensible.

    Raises:
        AccountNotSavedError: the target account is not saved, or that staging account not with it.
        UsageError: DRS is not in the region.
    """
    _, account = saved_account(request.target_account_id)
    saved = [staging.account_id for staging in account.staging_accounts]
    if request.staging_account_id is not None and request.staging_account_id not in saved:
        raise AccountNotSavedError(
            f"{request.staging_account_id} is no saved staging account of {request.target_account_id}; add it with "
            "add_staging_account",
            target_account_id=request.target_account_id,
            staging_account_id=request.staging_account_id,
        )
    if request.region is not None:
        check_region(request.region)
    regions = [request.region] if request.region else context.sessions.regions(request.target_account_id)
    servers: list[ExtensionAnswer] = []
    unchecked: list[ExtensionPlace] = []
    for staging in [request.staging_account_id] if request.staging_account_id else saved:
        found = fan_out(
            [Location(request.target_account_id, region) for region in regions],
            partial(extend_source_servers, context.sessions, staging_account_id=staging, dry_run=request.dry_run),
            workers=context.sessions.workers,
        )
        for location, answer in found.items():
            if not isinstance(answer, AwsError):
                servers.extend(_extension(staging, location, extension) for extension in answer)
            elif not has_no_servers(answer):
                state = region_state(location, answer)
                unchecked.append(ExtensionPlace(**state.model_dump(), staging_account_id=staging))
    return Extended(
        target_account_id=request.target_account_id,
        dry_run=request.dry_run,
        counts={state: sum(one.state is state for one in servers) for state in ExtensionState},
        servers=tuple(servers),
        unchecked=tuple(unchecked),
    )


def _extension(staging: str, location: Location, extension: Extension) -> ExtensionAnswer:
    error = extension.error
    return ExtensionAnswer(
        staging_account_id=staging,
        region=location.region,
        arn=extension.server.arn,
        hostname=extension.server.hostname,
        state=extension.state,
        source_server_id=extension.source_server_id,
        error=error.code if error else None,
        message=error.message if error else None,
    )
