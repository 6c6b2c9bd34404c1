"""The operations of `prefect_drs.operations.plans` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import DeletedAnswer


class ListRecoveryPlansPage(TypedDict):
    """All stored plans, by name."""

    recoveryPlans: list[PlanAnswer]
    totalCount: int
    nextToken: str | None


class PlanAnswer(TypedDict):
    """A stored plan. `waves` are in the manifest's form, with their groups' ids and names."""

    planId: str
    name: str
    description: str | None
    waves: list[dict[str, Any]]
    definition: dict[str, Any]
    version: int
    createdAt: str
    updatedAt: str
    updatedBy: str
    warnings: list[dict[str, Any]]


class PlansOperations(Caller):
    """Calls the operations."""

    def create_recovery_plan(
        self, *, waves: Any, name: Any, description: Any = UNSET, idempotency_key: str | None = None
    ) -> PlanAnswer:
        """Store a recovery plan over stored groups."""
        return self.call(
            "create_recovery_plan",
            {"waves": waves, "name": name, "description": description},
            idempotency_key=idempotency_key,
        )

    def delete_recovery_plan(self, plan_id: str, *, version: int | Unset = UNSET) -> DeletedAnswer:
        """Delete a stored recovery plan; its groups stay."""
        return self.call("delete_recovery_plan", {"planId": plan_id, "version": version})

    def get_recovery_plan(self, plan_id: str) -> PlanAnswer:
        """Return a stored recovery plan."""
        return self.call("get_recovery_plan", {"planId": plan_id})

    def list_recovery_plans(
        self,
        *,
        limit: int | Unset = UNSET,
        next_token: str | Unset = UNSET,
        sort: Literal["name", "-name", "createdAt", "-createdAt", "updatedAt", "-updatedAt", "planId", "-planId"]
        | Unset = UNSET,
        name: str | Unset = UNSET,
    ) -> ListRecoveryPlansPage:
        """List all stored recovery plans."""
        return self.call("list_recovery_plans", {"limit": limit, "nextToken": next_token, "sort": sort, "name": name})

    def iterate_recovery_plans(
        self,
        *,
        limit: int | Unset = UNSET,
        sort: Literal["name", "-name", "createdAt", "-createdAt", "updatedAt", "-updatedAt", "planId", "-planId"]
        | Unset = UNSET,
        name: str | Unset = UNSET,
    ) -> Iterator[PlanAnswer]:
        """Iterate over all that `list_recovery_plans` lists; a page of `limit` is read when it is needed."""
        return self._items("list_recovery_plans", "recoveryPlans", {"limit": limit, "sort": sort, "name": name})

    def update_recovery_plan(
        self, plan_id: str, *, version: int, description: Any = UNSET, waves: Any = UNSET, name: Any = UNSET
    ) -> PlanAnswer:
        """Change a stored recovery plan, from the version that was read."""
        return self.call(
            "update_recovery_plan",
            {"planId": plan_id, "version": version, "description": description, "waves": waves, "name": name},
        )
