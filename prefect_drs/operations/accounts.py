"""Target accounts: their saved settings, and whether DRS can be used in them.

In: an account's settings. Out: the account as it is saved, and how DRS answered in each of its regions. An account is
saved if DRS answers in at least one of its regions; the others are reported with reason and remedy. An ExternalId is
stored in the block and never returned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.fan_out import fan_out
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError, PrefectDrsError
from prefect_drs.core.models import FrozenModel
from prefect_drs.estate.store import read_estate
from prefect_drs.operations.account_view import AccountView, account_change, account_view
from prefect_drs.operations.context import Context
from prefect_drs.operations.models import EmptyRequest, NamedAccountId
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.operations.saved_accounts import (
    AccountExistsError,
    block_of,
    changed,
    find_account,
    one_writer,
    save_changed,
    saved_account,
)
from prefect_drs.operations.scope import RegionState, region_state
from prefect_drs.orchestration.blocks import (
    TargetAccount,
    delete_target_account_block,
    save_target_account,
    saved_target_accounts,
)
from prefect_drs.plan.read.finding import listed

SESSION_NAME = "prefect-drs-validate"


class AccountInUseError(PrefectDrsError):
    """Stored protection groups are of the account."""

    code = "IN_USE"
    exit_code = 1


class CurrentAccount(FrozenModel):
    """The account of the caller's own credentials."""

    account_id: str


class AccountFields(FrozenModel):
    """The settings of an account besides its id; see the fields of `TargetAccount`."""

    account_name: str | None = None
    regions: tuple[str, ...] | None = None
    role_arn: str | None = None
    role_name: str | None = None
    external_id: SecretStr | None = None
    endpoint_url: str | None = None
    force: bool = False


class AddAccount(AccountFields):
    """A new account. `force` saves it although DRS answers in none of its regions."""

    account_id: NamedAccountId


class UpdateAccount(AccountFields):
    """A saved account's new values; omitted fields stay, null clears."""

    account_id: NamedAccountId


class NamedAccount(FrozenModel):
    """One account."""

    account_id: NamedAccountId


class Accounts(FrozenModel):
    """The saved target accounts, by id."""

    accounts: tuple[AccountView, ...]


class CheckedAccount(FrozenModel):
    """An account, and how DRS answered in each of its regions; `usable_regions` are those where it did."""

    account: AccountView
    usable_regions: tuple[str, ...]
    regions: tuple[RegionState, ...]


class DeletedAccount(FrozenModel):
    """The deleted account."""

    account_id: str
    block: str


# ---- operations --------------------------------------------------------------------------------------------------


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def get_current_account_id(context: Context, request: EmptyRequest) -> CurrentAccount:
    """Return the account of the caller's own credentials.

    Calls `GetCallerIdentity`.

    Raises:
        AwsError: there are no credentials, or STS could not be reached.
    """
    return CurrentAccount(account_id=context.sessions.caller_account_id)


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def get_target_accounts(context: Context, request: EmptyRequest) -> Accounts:
    """List the saved target accounts.

    The caller's own account needs no block; it is listed if it has one.
    """
    views = [account_view(name, account) for name, account in saved_target_accounts().items()]
    return Accounts(accounts=tuple(sorted(views, key=lambda view: view.account_id)))


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def get_target_account(context: Context, request: NamedAccount) -> AccountView:
    """Return a saved target account.

    Raises:
        AccountNotSavedError: it is not saved.
    """
    return account_view(*saved_account(request.account_id))


@operation(kind=OperationKind.DATA, permission="register_accounts")
def add_target_account(context: Context, request: AddAccount) -> CheckedAccount:
    """Save an account once DRS answers in at least one of its regions.

    The regions are read in parallel.

    Raises:
        AccountExistsError: it is saved already.
        InvalidRequestError: a value that AWS would refuse.
        AwsError: DRS answers in none of its regions (of the kind that most of them give), and `force` was not given.
    """
    _refuse_saved(request.account_id)
    account = block_of("add_target_account", {"account_id": request.account_id, **_given(request)})
    answers = _usable(account, force=request.force)
    with one_writer():
        _refuse_saved(request.account_id)
        name = f"account-{request.account_id}"
        save_target_account(account, name, overwrite=False)
        context.changes.append(account_change(name, None, account))
    return _checked(name, account, answers)


@operation(kind=OperationKind.DATA, permission="modify_accounts")
def update_target_account(context: Context, request: UpdateAccount) -> CheckedAccount:
    """Change a saved account once DRS answers in at least one of its regions.

    Raises:
        AccountNotSavedError: it is not saved.
        InvalidRequestError: a value that AWS would refuse.
        AwsError: as for `add_target_account`.
    """
    given = _given(request)
    _, former = saved_account(request.account_id)
    answers = _usable(changed(former, "update_target_account", given), force=request.force)
    with one_writer():  # changes that others made meanwhile stay
        name, former = saved_account(request.account_id)
        account = changed(former, "update_target_account", given)
        save_changed(context, name, former, account)
    return _checked(name, account, answers)


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def validate_target_account(context: Context, request: NamedAccount) -> CheckedAccount:
    """Report how DRS answers in each region of a saved account.

    Saves nothing.

    Raises:
        AccountNotSavedError: it is not saved.
    """
    name, account = saved_account(request.account_id)
    return _checked(name, account, enter(account.sessions(session_name=SESSION_NAME), account.account_id))


@operation(kind=OperationKind.DATA, permission="delete_accounts")
def delete_target_account(context: Context, request: NamedAccount) -> DeletedAccount:
    """Delete a saved account; nothing in AWS changes.

    Raises:
        AccountNotSavedError: it is not saved.
        AccountInUseError: stored protection groups name it.
    """
    name, account = saved_account(request.account_id)
    groups = [group.name for group in read_estate().groups if group.definition.get("accountId") == request.account_id]
    if groups:
        raise AccountInUseError(
            f"account {request.account_id} is named by stored protection groups: {listed(groups)}; delete or move them "
            "first",
            account_id=request.account_id,
            groups=groups,
        )
    delete_target_account_block(name)
    context.changes.append(account_change(name, account, None))
    return DeletedAccount(account_id=request.account_id, block=name)


# ---- saved accounts ----------------------------------------------------------------------------------------------


def _refuse_saved(account_id: str) -> None:
    if (found := find_account(account_id)) is not None:
        raise AccountExistsError(
            f"account {account_id} is saved already, as block {found[0]}; change it with update_target_account",
            account_id=account_id,
            block=found[0],
        )


def _given(request: AccountFields) -> dict[str, Any]:
    """The block's values that a request sets; no regions means all."""
    given = {name: getattr(request, name) for name in request.model_fields_set - {"account_id", "force"}}
    if "regions" in given:
        given["regions"] = list(given["regions"] or ())
    return given


# ---- entering ----------------------------------------------------------------------------------------------------


def enter(sessions: Sessions, account_id: str) -> dict[Location, AwsError | None]:
    """Ask DRS for one source server in each region of an account; None for a region that answered.

    Raises:
        AwsError: the caller's own identity could not be read.
    """

    def ask(location: Location) -> None:
        with aws_call("DescribeSourceServers", location.account_id, location.region):
            sessions.client("drs", **location._asdict()).describe_source_servers(maxResults=1)

    locations = (Location(account_id, region) for region in sessions.regions(account_id))
    return fan_out(locations, ask, workers=sessions.workers)


def _checked(name: str, account: TargetAccount, answers: Mapping[Location, AwsError | None]) -> CheckedAccount:
    return CheckedAccount(
        account=account_view(name, account),
        usable_regions=tuple(location.region for location, answer in answers.items() if answer is None),
        regions=tuple(region_state(location, answer) for location, answer in answers.items()),
    )


def _usable(account: TargetAccount, *, force: bool) -> dict[Location, AwsError | None]:
    """How each region answered; at least one of them with DRS, unless `force` is set.

    Raises:
        AwsError: no region answered.
    """
    answers = enter(account.sessions(session_name=SESSION_NAME), account.account_id)
    failures = [answer for answer in answers.values() if answer is not None]
    if len(failures) == len(answers) and not force:
        raise _unusable(account.account_id, answers, failures)
    return answers


def _unusable(account_id: str, answers: Mapping[Location, AwsError | None], failures: Sequence[AwsError]) -> AwsError:
    """The most frequent error of the regions, with the answer of each region."""
    counts = Counter(type(failure) for failure in failures)
    kind, _ = counts.most_common(1)[0]
    example = next(failure for failure in failures if type(failure) is kind)
    counted = ", ".join(f"{kind.code} in {count}" for kind, count in counts.most_common())
    return kind(
        f"account {account_id} was not saved, since DRS can be used in none of its {len(answers)} regions ({counted}): "
        f"{example.message}; or save it anyway with force",
        aws_code=example.aws_code,
        account_id=account_id,
        remedy=example.details.get("remedy"),
        regions=[region_state(location, answer).model_dump(by_alias=True) for location, answer in answers.items()],
    )
