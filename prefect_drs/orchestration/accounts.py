"""The AWS accounts that this Prefect API, or a file, knows, as values that `prefect_drs.aws` takes.

In: the saved TargetAccount blocks; without a Prefect server a file. Out: `AccountAccess` values, and `Sessions` for
them. The block classes are imported only where a block is saved: prefect_aws takes a second of CPU to import, and every
flow run starts here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from pydantic import SecretStr, TypeAdapter, ValidationError

from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.core.errors import UsageError
from prefect_drs.core.models import FrozenModel
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


class AccountEntry(FrozenModel):
    """An account in the file that `PREFECT_DRS_ACCOUNTS_FILE` names; fields as of `AccountAccess`."""

    account_id: str
    role_arn: str | None = None
    role_name: str | None = None
    external_id: SecretStr | None = None
    name: str | None = None
    regions: tuple[str, ...] = ()
    staging_accounts: tuple[AccountEntry, ...] = ()

    def access(self) -> AccountAccess:
        """How the account is entered."""
        return AccountAccess(
            self.account_id,
            self.role_arn,
            self.role_name,
            self.external_id,
            name=self.name,
            regions=self.regions,
            staging_accounts=tuple(staging.access() for staging in self.staging_accounts),
        )


def accounts_of_file() -> tuple[AccountAccess, ...]:
    """The accounts in the file that the settings name; none where they name none.

    Raises:
        UsageError: the file cannot be read, or has another form; the message quotes none of its values.
    """
    named = PrefectDrsSettings().accounts_file
    if not named:
        return ()
    path = Path(named).expanduser()
    try:
        return tuple(entry.access() for entry in TypeAdapter(list[AccountEntry]).validate_json(path.read_bytes()))
    except OSError as error:
        raise UsageError(
            f"PREFECT_DRS_ACCOUNTS_FILE: {path} cannot be read: {error.strerror or error}; correct the setting"
        ) from None
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(
            f"PREFECT_DRS_ACCOUNTS_FILE: {path}: {where}: {first['msg']}; it is a JSON list of objects with accountId "
            "and, where needed, roleArn, roleName, externalId, name, regions, stagingAccounts"
        ) from None


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
