"""The roles and permissions that the caller has.

In: a context. Out: the caller's name, how it was proven, roles and permissions. Without an access policy, the one user
of this machine has all of them.
"""

from __future__ import annotations

from prefect_drs.core.models import FrozenModel
from prefect_drs.identity import Identity
from prefect_drs.identity.policy import PERMISSIONS, Grant
from prefect_drs.operations.context import Context
from prefect_drs.operations.models import EmptyRequest
from prefect_drs.operations.registry import OperationKind, operation


class PermissionsAnswer(FrozenModel):
    """The caller and its permissions.

    Args:
        user: the caller's name: an ARN, or issuer and subject; without a policy as claimed.
        identity: how it was proven; null without a policy.
        roles: the roles, also those that are narrowed.
        permissions: what the caller may do everywhere.
        narrowed: the grants that hold for some plans, groups or accounts only.
        policy: the version of the access policy that says so; null where there is none.
        note: one line for people.
    """

    user: str
    identity: Identity | None
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    narrowed: tuple[Grant, ...]
    policy: str | None
    note: str


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def get_user_permissions(context: Context, request: EmptyRequest) -> PermissionsAnswer:
    """Return the caller's name, roles and permissions."""
    stored = context.policies.current() if context.identity is not None else None
    if stored is None or context.identity is None:
        return PermissionsAnswer(
            user=context.caller,
            identity=None,
            roles=(),
            permissions=PERMISSIONS,
            narrowed=(),
            policy=None,
            note="no access policy is configured: every caller of this process has all permissions",
        )
    narrowed = tuple(grant for grant in stored.policy.grants_of(context.identity) if grant.is_narrowed)
    return PermissionsAnswer(
        user=context.caller,
        identity=context.identity,
        roles=stored.policy.roles_of(context.identity),
        permissions=stored.policy.permissions_of(context.identity, narrowed=False),
        narrowed=narrowed,
        policy=f"version {stored.version}",
        note=f"by version {stored.version} of the access policy",
    )
