"""Saved target accounts as answers and the audit log show them: without their secrets.

In: a block. Out: an `AccountView`; or the record of a change, with the account before and after.
"""

from __future__ import annotations

from prefect_drs.core.models import FrozenModel
from prefect_drs.orchestration.blocks import TargetAccount
from prefect_drs.orchestration.storage.audit_log import AuditChange


class StagingView(FrozenModel):
    """A staging account as it is saved."""

    account_id: str
    account_name: str | None
    role_arn: str | None
    role_name: str | None
    own_external_id: bool


class AccountView(FrozenModel):
    """A target account as it is saved. `block`: the name of its block; no regions: every region of DRS."""

    account_id: str
    account_name: str | None
    block: str
    regions: tuple[str, ...]
    role_arn: str | None
    role_name: str | None
    has_external_id: bool
    endpoint_url: str | None
    staging_accounts: tuple[StagingView, ...]


def account_view(name: str, account: TargetAccount) -> AccountView:
    """A saved account without its secrets."""
    own = account.staging_external_ids.get_secret_value() if account.staging_external_ids else {}
    return AccountView(
        account_id=account.account_id,
        account_name=account.account_name,
        block=name,
        regions=tuple(account.regions),
        role_arn=account.role_arn,
        role_name=account.role_name,
        has_external_id=account.external_id is not None,
        endpoint_url=account.endpoint_url,
        staging_accounts=tuple(
            StagingView(
                account_id=staging.account_id,
                account_name=staging.account_name,
                role_arn=staging.role_arn,
                role_name=staging.role_name,
                own_external_id=staging.account_id in own,
            )
            for staging in account.staging_accounts
        ),
    )


def account_change(name: str, before: TargetAccount | None, after: TargetAccount | None) -> AuditChange:
    """What the audit log holds of a change of an account; of ExternalIds, only that they changed.

    Args:
        name: of its block.
        before: the account before; None where it was not saved.
        after: the account afterwards; None where it was deleted.
    """
    subject = after or before
    assert subject is not None  # noqa: S101 - one of the two is there
    views = [
        None if one is None else account_view(name, one).model_dump(mode="json", by_alias=True)
        for one in (before, after)
    ]
    if before is not None and after is not None and views[1] is not None:
        secrets = ("external_id", "staging_external_ids")
        views[1]["externalIdsChanged"] = any(getattr(before, each) != getattr(after, each) for each in secrets)
    return AuditChange(what=f"account {subject.account_id}", before=views[0], after=views[1])
