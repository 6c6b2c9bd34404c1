"""Target accounts: who they are, how they are entered, and whether that works."""

from __future__ import annotations

from prefect_drs.operations.context import Context
from prefect_drs.operations.registry import AnswerModel, Nothing


class CurrentAccount(AnswerModel):
    """The account of the caller's own credentials."""

    account_id: str


def get_current_account_id(context: Context, request: Nothing) -> CurrentAccount:
    """The account of the caller's own credentials (`GetCallerIdentity`).

    Raises:
        AwsError: there are no credentials, or STS could not be reached.
    """
    return CurrentAccount(account_id=context.sessions.caller_account_id)
