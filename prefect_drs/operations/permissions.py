"""The permissions of operations, and those that the caller has.

In: a context. Out: the caller's name and permissions. Without an access policy, the one user of this machine has all of
them.
"""

from __future__ import annotations

from prefect_drs.core.models import FrozenModel
from prefect_drs.operations.context import Context
from prefect_drs.operations.models import EmptyRequest
from prefect_drs.operations.registry import OperationKind, operation

PERMISSIONS = (
    "register_accounts",
    "modify_accounts",
    "delete_accounts",
    "view_accounts",
    "view_executions",
    "view_protection_groups",
    "view_recovery_plans",
    "start_recovery",
    "stop_recovery",
    "terminate_instances",
    "create_protection_groups",
    "delete_protection_groups",
    "create_recovery_plans",
    "delete_recovery_plans",
    "modify_protection_groups",
    "modify_recovery_plans",
    "export_configuration",
    "import_configuration",
)
"""All permissions; each operation needs one of them."""


class PermissionsAnswer(FrozenModel):
    """The caller and its permissions. `policy`: the access policy that says so; null where there is none."""

    user: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    policy: str | None
    note: str


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def get_user_permissions(context: Context, request: EmptyRequest) -> PermissionsAnswer:
    """Return the caller's name, roles and permissions."""
    return PermissionsAnswer(
        user=context.caller,
        roles=(),
        permissions=PERMISSIONS,
        policy=None,
        note="no access policy is configured: every caller of this process has all permissions",
    )
