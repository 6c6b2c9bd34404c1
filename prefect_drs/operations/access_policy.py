"""Operations on the access policy: read it, change it, list its versions.

In: a policy and the version that it is based on. Out: the stored version. A change is refused that would leave nobody
with the role to change it again, as far as that can be known: the caller himself must keep it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from prefect_drs.core.errors import PrefectDrsError, UsageError
from prefect_drs.core.models import FrozenModel
from prefect_drs.identity.policy import AuthorizationError, PolicyDocument
from prefect_drs.operations.access import own_identity
from prefect_drs.operations.context import Context
from prefect_drs.operations.models import EmptyRequest
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.orchestration.client import require_configured
from prefect_drs.orchestration.storage.access_policy import (
    PolicyVersion,
    PolicyVersionError,
    policy_versions,
    read_access_policy,
    store_access_policy,
)
from prefect_drs.orchestration.storage.audit_log import AuditChange


class PolicyAnswer(FrozenModel):
    """The access policy in force. `version` 0 and no policy: there is none, and everybody may do everything."""

    version: int
    policy: PolicyDocument | None
    changed_at: AwareDatetime | None
    changed_by: str | None
    reason: str


class PolicyVersionsAnswer(FrozenModel):
    """All versions of the access policy, the newest first."""

    versions: tuple[PolicyAnswer, ...]


class SetAccessPolicy(FrozenModel):
    """A new version of the access policy.

    Args:
        policy: all grants and issuers, not only changed ones.
        version: the version that it is based on; 0 where there is none yet.
        reason: why; kept with the version.
        allow_lockout: store it although the caller could not change it afterwards.
    """

    policy: PolicyDocument
    version: Annotated[int, Field(ge=0)] = 0
    reason: str = ""
    allow_lockout: bool = False


@operation(kind=OperationKind.QUERY, permission="manage_access")
def get_access_policy(context: Context, request: EmptyRequest) -> PolicyAnswer:
    """Return the access policy in force and who changed it last."""
    require_configured()
    return _answer(read_access_policy())


@operation(kind=OperationKind.QUERY, permission="manage_access")
def list_access_policy_versions(context: Context, request: EmptyRequest) -> PolicyVersionsAnswer:
    """List all versions of the access policy, the newest first."""
    require_configured()
    return PolicyVersionsAnswer(versions=tuple(map(_answer, policy_versions())))


@operation(kind=OperationKind.DATA, permission="manage_access")
def set_access_policy(context: Context, request: SetAccessPolicy) -> PolicyAnswer:
    """Store a new version of the access policy; it is in force within five seconds.

    Raises:
        PolicyVersionError: it was changed since the version that this is based on.
        AuthorizationError: the caller could not change it afterwards, and allowLockout is not given.
        AwsError: there are no AWS credentials to know the caller by.
    """
    require_configured()
    stored = read_access_policy()
    current = stored.version if stored is not None else 0
    if request.version != current:
        raise PolicyVersionError(
            f"the access policy is at version {current}, not {request.version}: read it and try again", version=current
        )
    if not request.allow_lockout:
        _require_way_back(context, request.policy, stored)
    version = PolicyVersion(
        version=current + 1,
        policy=request.policy,
        changed_at=context.clock.now(),
        changed_by=context.caller,
        reason=request.reason,
    )
    store_access_policy(version)
    before = stored.policy.model_dump(mode="json", by_alias=True) if stored is not None else None
    after = request.policy.model_dump(mode="json", by_alias=True)
    context.changes.append(AuditChange(what="access policy", before=before, after=after))
    context.policies.forget()
    return _answer(version)


def _require_way_back(context: Context, policy: PolicyDocument, stored: PolicyVersion | None) -> None:
    if context.identity is None and not context.files:
        raise UsageError(
            "without a policy a caller over the network has no identity: set the first one on the machine of the "
            "server (prefect-drs op set_access_policy), or give allowLockout"
        )
    try:
        identity = context.identity or own_identity(context, stored)
    except PrefectDrsError as error:
        raise type(error)(
            f"who you are cannot be proven, so this policy might lock you out: {error.message}; or give allowLockout",
            **error.details,
        ) from None
    if "manage_access" not in policy.permissions_of(identity, narrowed=False):
        raise AuthorizationError(
            f"under this policy {identity.name} could not change it again: grant him DRSOrchestrationAdmin, or give "
            "allowLockout",
            permission="manage_access",
            identity=identity.name,
        )


def _answer(stored: PolicyVersion | None) -> PolicyAnswer:
    if stored is None:
        return PolicyAnswer(version=0, policy=None, changed_at=None, changed_by=None, reason="")
    return PolicyAnswer(**{name: getattr(stored, name) for name in PolicyVersion.model_fields})
