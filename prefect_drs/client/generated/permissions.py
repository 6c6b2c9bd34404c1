"""The operations of `prefect_drs.operations.permissions` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import TypedDict

from prefect_drs.client.caller import Caller
from prefect_drs.client.generated.shared_types import GrantOutput, Identity


class PermissionsAnswer(TypedDict):
    """The caller and its permissions."""

    user: str
    identity: Identity | None
    roles: list[str]
    permissions: list[str]
    narrowed: list[GrantOutput]
    policy: str | None
    note: str


class PermissionsOperations(Caller):
    """Calls the operations."""

    def get_user_permissions(
        self,
    ) -> PermissionsAnswer:
        """Return the caller's name, roles and permissions."""
        return self.call("get_user_permissions", {})
