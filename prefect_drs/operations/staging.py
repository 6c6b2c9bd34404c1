"""Staging accounts of a target account: saved, discovered, validated.

In: a target account and, where one is meant, a staging account. Out: what is saved, and what DRS says region by region.
Only blocks are written here; their servers are extended by `extended_servers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import SecretStr

from prefect_drs.aws.capacity import RegionCapacity, read_capacity
from prefect_drs.aws.fan_out import fan_out
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.aws.staging import list_extensible_source_servers, list_staging_accounts
from prefect_drs.core.errors import AwsError, UsageError
from prefect_drs.core.models import FrozenModel
from prefect_drs.operations.account_view import StagingView, account_view
from prefect_drs.operations.accounts import SESSION_NAME
from prefect_drs.operations.capacity import RegionCapacityAnswer, region_capacity
from prefect_drs.operations.context import Context
from prefect_drs.operations.models import AccountId, OptionalTargetAccountId, StagingAccountId, TargetAccountId
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.operations.saved_accounts import (
    AccountExistsError,
    AccountNotSavedError,
    block_of,
    changed,
    find_account,
    one_writer,
    save_changed,
    saved_account,
)
from prefect_drs.operations.scope import RegionState, check_region, has_no_servers, region_state
from prefect_drs.orchestration.blocks import StagingAccount, TargetAccount, saved_target_accounts


class TargetRequest(FrozenModel):
    """A target account."""

    target_account_id: TargetAccountId


class TargetsRequest(FrozenModel):
    """A target account; by default every saved one."""

    target_account_id: OptionalTargetAccountId = None


class StagingRequest(FrozenModel):
    """A staging account of a target account."""

    target_account_id: AccountId
    staging_account_id: StagingAccountId


class StagingEntry(StagingRequest):
    """A staging account, and how it is entered: by default as its target account is."""

    account_name: str | None = None
    role_arn: str | None = None
    role_name: str | None = None
    external_id: SecretStr | None = None


class AddStaging(StagingEntry):
    """A new staging account. `force` saves it although it cannot be used in any region."""

    force: bool = False


class ValidateStaging(StagingEntry):
    """A staging account, saved or not, and the region to look in; by default all of the target account."""

    region: str | None = None


class SavedStagingAccounts(FrozenModel):
    """The staging accounts that are saved for a target account."""

    target_account_id: str
    staging_accounts: tuple[StagingView, ...]


class StagingRegion(FrozenModel):
    """A region of a staging account: what it says itself, and whether the target account may extend from it.

    `usable` where both answer. `extensible_servers`: not extended yet.
    """

    region: str
    usable: bool
    staging: RegionCapacityAnswer
    trust: RegionState
    extensible_servers: int | None


class ValidatedStaging(FrozenModel):
    """A staging account, region by region; `valid` where it can be used in at least one."""

    target_account_id: str
    staging_account_id: str
    valid: bool
    usable_regions: tuple[str, ...]
    regions: tuple[StagingRegion, ...]


class DiscoveredStaging(FrozenModel):
    """A staging account that servers are extended from: in which regions, and whether it is saved."""

    account_id: str
    regions: tuple[str, ...]
    saved: bool


class DiscoveredAccount(FrozenModel):
    """What DRS knows of a target account's staging accounts; `unchecked`: regions that could not be asked."""

    target_account_id: str
    staging_accounts: tuple[DiscoveredStaging, ...]
    unchecked: tuple[RegionState, ...]


class Discovered(FrozenModel):
    """What was discovered, account by account."""

    accounts: tuple[DiscoveredAccount, ...]


class SyncedAccount(FrozenModel):
    """What became of a target account's list: added to it, and on it though no server is extended from there."""

    target_account_id: str
    added: tuple[str, ...]
    without_extended_servers: tuple[str, ...]
    unchecked: tuple[RegionState, ...]


class SyncedStaging(FrozenModel):
    """What became of the lists, account by account."""

    accounts: tuple[SyncedAccount, ...]


# ---- operations --------------------------------------------------------------------------------------------------


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def get_staging_accounts(context: Context, request: TargetRequest) -> SavedStagingAccounts:
    """List the saved staging accounts of a target account.

    Raises:
        AccountNotSavedError: the target account is not saved.
    """
    return _saved(*saved_account(request.target_account_id))


@operation(kind=OperationKind.DATA, permission="modify_accounts")
def add_staging_account(context: Context, request: AddStaging) -> ValidatedStaging:
    """Save a staging account once it can be used in at least one region.

    Raises:
        AccountNotSavedError: the target account is not saved.
        AccountExistsError: the staging account is saved with it already.
        InvalidRequestError: a value that AWS would refuse.
        UsageError: it can be used in no region, and `force` was not given.
    """
    _, account = _without(request)
    account = _with_staging(account, "add_staging_account", request)
    found = _validated(account.sessions(session_name=SESSION_NAME), request, None)
    if not found.valid and not request.force:
        raise UsageError(
            f"staging account {request.staging_account_id} was not saved, since {request.target_account_id} can use it "
            f"in none of {len(found.regions)} regions: {_why_not(found)}; or save it anyway with force",
            regions=[region.model_dump(mode="json", by_alias=True) for region in found.regions],
        )
    with one_writer():
        name, account = _without(request)
        save_changed(context, name, account, _with_staging(account, "add_staging_account", request))
    return found


@operation(kind=OperationKind.DATA, permission="modify_accounts")
def remove_staging_account(context: Context, request: StagingRequest) -> SavedStagingAccounts:
    """Delete a saved staging account; extended servers stay.

    Raises:
        AccountNotSavedError: the target account is not saved, or that staging account not with it.
    """
    with one_writer():
        name, former = saved_account(request.target_account_id)
        remaining = [one for one in former.staging_accounts if one.account_id != request.staging_account_id]
        if len(remaining) == len(former.staging_accounts):
            saved = ", ".join(one.account_id for one in remaining) or "none"
            raise AccountNotSavedError(
                f"{request.staging_account_id} is no saved staging account of {request.target_account_id}; "
                f"saved are: {saved}",
                target_account_id=request.target_account_id,
                staging_account_id=request.staging_account_id,
            )
        external_ids = {id_: one for id_, one in _external_ids(former).items() if id_ != request.staging_account_id}
        values = {"staging_accounts": remaining, "staging_external_ids": external_ids or None}
        account = changed(former, "remove_staging_account", values)
        save_changed(context, name, former, account)
    return _saved(name, account)


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def validate_staging_account(context: Context, request: ValidateStaging) -> ValidatedStaging:
    """Report whether a staging account can be used: access, capacity and trust, by region.

    Raises:
        InvalidRequestError: a value that AWS would refuse.
        UsageError: DRS is not in the region.
    """
    found = find_account(request.target_account_id)
    account = found[1] if found else block_of("validate_staging_account", {"account_id": request.target_account_id})
    if request.region is not None:
        check_region(request.region)
    account = _with_staging(account, "validate_staging_account", request)
    return _validated(account.sessions(session_name=SESSION_NAME), request, request.region)


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def discover_staging_accounts(context: Context, request: TargetsRequest) -> Discovered:
    """List the staging accounts that DRS knows, in every region.

    Calls `ListStagingAccounts`.

    Raises:
        AccountNotSavedError: a named target account is not saved.
    """
    return Discovered(accounts=tuple(_discovered(context, account) for account in _targets(request)))


@operation(kind=OperationKind.DATA, permission="modify_accounts")
def sync_staging_accounts(context: Context, request: TargetsRequest) -> SyncedStaging:
    """Save the staging accounts that DRS knows and that are not saved yet; delete none.

    Raises:
        AccountNotSavedError: a named target account is not saved.
    """
    return SyncedStaging(accounts=tuple(_synced(context, account) for account in _targets(request)))


# ---- the saved list ----------------------------------------------------------------------------------------------


def _saved(name: str, account: TargetAccount) -> SavedStagingAccounts:
    view = account_view(name, account)
    return SavedStagingAccounts(target_account_id=account.account_id, staging_accounts=view.staging_accounts)


def _targets(request: TargetsRequest) -> tuple[TargetAccount, ...]:
    """The named target account or every saved one."""
    if request.target_account_id is not None:
        return (saved_account(request.target_account_id)[1],)
    return tuple(saved_target_accounts().values())


def _without(request: AddStaging) -> tuple[str, TargetAccount]:
    """The saved target account, which does not have that staging account yet.

    Raises:
        AccountNotSavedError: the target account is not saved.
        AccountExistsError: it has.
    """
    name, account = saved_account(request.target_account_id)
    if request.staging_account_id in {staging.account_id for staging in account.staging_accounts}:
        raise AccountExistsError(
            f"staging account {request.staging_account_id} is saved with {request.target_account_id} already; remove "
            "it with remove_staging_account first to enter it differently",
            target_account_id=request.target_account_id,
            staging_account_id=request.staging_account_id,
        )
    return name, account


def _external_ids(account: TargetAccount) -> dict[str, Any]:
    return dict(account.staging_external_ids.get_secret_value()) if account.staging_external_ids else {}


def _with_staging(account: TargetAccount, operation: str, entry: StagingEntry) -> TargetAccount:
    """The target account with that staging account in its list, entered as the request says, or as it is saved.

    Raises:
        InvalidRequestError: the values do not fit.
    """
    others = [one for one in account.staging_accounts if one.account_id != entry.staging_account_id]
    known = len(others) < len(account.staging_accounts)
    given = {name: getattr(entry, name) for name in ("account_name", "role_arn", "role_name")}
    if known and entry.external_id is None and not any(given.values()):
        return account
    external_ids = _external_ids(account)
    external_ids.pop(entry.staging_account_id, None)
    if entry.external_id is not None:
        external_ids[entry.staging_account_id] = entry.external_id.get_secret_value()
    staging = {"account_id": entry.staging_account_id, **given}
    values = {"staging_accounts": [*others, staging], "staging_external_ids": external_ids or None}
    return changed(account, operation, values)


# ---- what DRS says -----------------------------------------------------------------------------------------------


def _validated(sessions: Sessions, request: StagingEntry, region: str | None) -> ValidatedStaging:
    staging, target = request.staging_account_id, request.target_account_id
    regions = [region] if region else sessions.regions(target)
    full = fan_out(
        [Location(staging, each) for each in regions],
        lambda location: read_capacity(sessions, location),
        workers=sessions.workers,
    )
    trust = fan_out(
        [Location(target, each) for each in regions],
        lambda location: list_extensible_source_servers(sessions, location, staging),
        workers=sessions.workers,
    )
    found = tuple(
        _staging_region(there, full[there], here, trust[here])
        for there, here in ((Location(staging, each), Location(target, each)) for each in regions)
    )
    usable = tuple(one.region for one in found if one.usable)
    return ValidatedStaging(
        target_account_id=target,
        staging_account_id=staging,
        valid=bool(usable),
        usable_regions=usable,
        regions=found,
    )


def _staging_region(
    staging: Location, capacity: RegionCapacity | AwsError, target: Location, trust: Sequence[object] | AwsError
) -> StagingRegion:
    return StagingRegion(
        region=target.region,
        usable=not isinstance(capacity, AwsError) and not isinstance(trust, AwsError),
        staging=region_capacity(staging, capacity),
        trust=region_state(target, trust),
        extensible_servers=None if isinstance(trust, AwsError) else len(trust),
    )


def _why_not(found: ValidatedStaging) -> str:
    """The first reason of the region that came furthest."""
    entered = [one for one in found.regions if one.staging.status == "OK"]
    region = (entered or found.regions)[0]
    return (region.trust.message if entered else region.staging.message) or ""


def _discovered(context: Context, account: TargetAccount) -> DiscoveredAccount:
    account_id = account.account_id
    found = fan_out(
        [Location(account_id, region) for region in context.sessions.regions(account_id)],
        lambda location: list_staging_accounts(context.sessions, location),
        workers=context.sessions.workers,
    )
    regions: dict[str, list[str]] = {}
    for location, answer in found.items():
        for staging in () if isinstance(answer, AwsError) else answer:
            regions.setdefault(staging, []).append(location.region)
    saved = {staging.account_id for staging in account.staging_accounts}
    return DiscoveredAccount(
        target_account_id=account_id,
        staging_accounts=tuple(
            DiscoveredStaging(account_id=staging, regions=tuple(there), saved=staging in saved)
            for staging, there in sorted(regions.items())
        ),
        unchecked=tuple(
            region_state(location, answer)
            for location, answer in found.items()
            if isinstance(answer, AwsError) and not has_no_servers(answer)
        ),
    )


def _synced(context: Context, account: TargetAccount) -> SyncedAccount:
    discovered = _discovered(context, account)
    added: tuple[str, ...] = ()
    if not all(one.saved for one in discovered.staging_accounts):
        with one_writer():
            name, former = saved_account(account.account_id)
            saved = {one.account_id for one in former.staging_accounts}
            added = tuple(one.account_id for one in discovered.staging_accounts if one.account_id not in saved)
            staging = [*former.staging_accounts, *(StagingAccount(account_id=one) for one in added)]
            account = changed(former, "sync_staging_accounts", {"staging_accounts": staging})
            save_changed(context, name, former, account)
    there = {one.account_id for one in discovered.staging_accounts}
    return SyncedAccount(
        target_account_id=account.account_id,
        added=added,
        without_extended_servers=tuple(
            one.account_id for one in account.staging_accounts if one.account_id not in there
        ),
        unchecked=discovered.unchecked,
    )
