"""The AWS accounts that this Prefect API knows, as values that `prefect_drs.aws` takes.

In: the saved TargetAccount blocks. Out: `AccountAccess` values, and `Sessions` for them. The block classes are imported
only where a block is saved: prefect_aws takes a second of CPU to import, and every flow run starts here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.paging import PAGE, entries
from prefect_drs.orchestration.settings import PrefectDrsSettings

TARGET_ACCOUNT_SLUG = "drs-target-account"
ACCOUNT_ID = r"^\d{12}$"


def open_sessions(accounts: Iterable[AccountAccess] | None = None, *, session_name: str = "prefect-drs") -> Sessions:
    """Sessions for several accounts, with the settings `PREFECT_DRS_*`.

    Args:
        accounts: access to the accounts; None for all accounts that are saved as blocks.
        session_name: RoleSessionName of the assumed roles, visible in CloudTrail; pass the execution's id.

    Raises:
        UsageError: the saved blocks contradict each other.
    """
    settings = PrefectDrsSettings()
    return Sessions(
        load_target_accounts() if accounts is None else accounts,
        session_name=session_name,
        workers=settings.workers,
        role_name=settings.role_name,
    )


def load_target_accounts() -> tuple[AccountAccess, ...]:
    """All accounts that are saved as blocks, sorted by account id; none if the block type was never registered.

    Raises:
        UsageError: two blocks are for the same account, or a block is invalid.
    """
    if not (names := saved_account_names()):
        return ()
    from prefect_drs.orchestration.blocks import saved_target_accounts  # noqa: PLC0415 - loads prefect_aws: a second

    accesses = (account.access() for account in saved_target_accounts(names).values())
    return tuple(sorted(accesses, key=lambda access: access.account_id))


def saved_account_names() -> list[str]:
    """The names of the saved TargetAccount blocks, sorted; none if the block type was never registered."""
    with prefect_client() as client:
        try:
            client.read_block_type_by_slug(TARGET_ACCOUNT_SLUG)
        except ObjectNotFound:
            return []  # listing the documents of an unknown type answers 404 without naming the type
        return sorted(_names(client))


def _names(client: SyncPrefectClient) -> list[str]:
    read = partial(client.read_block_documents_by_type, TARGET_ACCOUNT_SLUG, limit=PAGE, include_secrets=False)
    documents = entries(lambda offset: read(offset=offset))
    return [document.name for document in documents if document.name]
