"""Saved target accounts: found, validated, and changed under one lock.

In: account ids and values of `TargetAccount`. Out: blocks, or errors with the operations' codes. Nothing here asks AWS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.operations.account_view import account_change
from prefect_drs.operations.context import Context
from prefect_drs.operations.invocation import invalid_request
from prefect_drs.orchestration.blocks import TargetAccount, save_target_account, saved_target_accounts
from prefect_drs.orchestration.executions.lease import hold

PATIENCE = timedelta(seconds=120)  # a dead writer's lease lives up to 75 s


class AccountExistsError(PrefectDrsError):
    """The account is saved already."""

    code = "ALREADY_EXISTS"
    exit_code = 1


class AccountsBusyError(PrefectDrsError):
    """Other processes held the lock of the saved accounts for too long."""

    code = "CONFLICT_ERROR"


class AccountNotSavedError(PrefectDrsError):
    """The account is not saved."""

    code = "NOT_FOUND"
    exit_code = 2


@contextmanager
def one_writer() -> Iterator[None]:
    """Hold the lock of the saved accounts within the block, against writers in any process.

    Raises:
        AccountsBusyError: other processes held it for too long.
    """
    busy = AccountsBusyError("other processes are changing the saved accounts; try again")
    with hold("prefect-drs-accounts", PATIENCE, busy):
        yield


def find_account(account_id: str) -> tuple[str, TargetAccount] | None:
    """The name of the block of that account and the block; None if it is not saved."""
    saved = saved_target_accounts().items()
    return next(((name, account) for name, account in saved if account.account_id == account_id), None)


def saved_account(account_id: str) -> tuple[str, TargetAccount]:
    """The name of the block of that account, and the block.

    Raises:
        AccountNotSavedError: it is not saved.
    """
    found = find_account(account_id)
    if found is None:
        saved = ", ".join(sorted(one.account_id for one in saved_target_accounts().values())) or "none"
        raise AccountNotSavedError(
            f"account {account_id} is not saved; saved are: {saved}; add it with add_target_account",
            account_id=account_id,
        )
    return found


def save_changed(context: Context, name: str, former: TargetAccount, account: TargetAccount) -> None:
    """Save a changed account, and note for the audit log what it was and is."""
    save_target_account(account, name, overwrite=True)
    context.changes.append(account_change(name, former, account))


def changed(account: TargetAccount, operation: str, values: Mapping[str, Any]) -> TargetAccount:
    """The block with new values; omitted ones stay.

    Raises:
        InvalidRequestError: the values are not valid.
    """
    former = {field: getattr(account, field) for field in TargetAccount.model_fields}
    return block_of(operation, {**former, **values})


def block_of(operation: str, values: Mapping[str, Any]) -> TargetAccount:
    """A block of those values, not saved.

    Raises:
        InvalidRequestError: the values are not valid; names `operation`.
    """
    try:
        return TargetAccount(**values)
    except ValidationError as error:
        refusal = invalid_request(operation, TargetAccount, error, spelled=to_camel)
    raise refusal  # outside the handler: pydantic's error holds the values that were given
