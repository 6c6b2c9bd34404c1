"""Stored recovery plans: created, read, changed, deleted.

In: plans as operations write them: the manifest's form, where a wave's name may be called `name`, and its groups go by
stored id or by name. Out: the same with the plan's id and version. Which servers a plan recovers is resolved when it is
carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, JsonValue, model_validator

from prefect_drs.core.models import FrozenModel
from prefect_drs.estate.change import EstateChange
from prefect_drs.estate.errors import fault_json
from prefect_drs.estate.model import DocumentKind, Estate, Stored, Upsert
from prefect_drs.estate.store import read_estate
from prefect_drs.operations.context import Context
from prefect_drs.operations.groups import DeletedAnswer, Version, change_stored, delete
from prefect_drs.operations.models import EmptyRequest, NewPlanName, PlanId
from prefect_drs.operations.registry import OperationKind, operation


class PlanFields(FrozenModel):
    """A plan as operations write it. What it may hold besides is what a manifest's plan may; the rules check it all."""

    model_config = ConfigDict(extra="allow")

    description: JsonValue = None
    waves: JsonValue = None

    def definition(self, former: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The plan in the manifest's form: what is given over `former`; null takes a field away."""
        given = self.model_dump(by_alias=True, exclude_unset=True, exclude={"plan_id", "version"})
        if "name" in given:
            given["planName"] = given.pop("name")
        if isinstance(waves := given.get("waves"), list):
            given["waves"] = [_wave(wave) for wave in waves]
        return {field: value for field, value in {**(former or {}), **given}.items() if value is not None}


class CreatePlan(PlanFields):
    """A new plan."""

    name: NewPlanName
    waves: JsonValue


class UpdatePlan(PlanFields):
    """Changes to a plan: given fields replace the former ones, null removes a field.

    Args:
        plan_id: the plan's id, or its name.
        version: the version that the changes were made from.
        name: a new name.
    """

    plan_id: PlanId
    version: Version
    name: NewPlanName = None

    @model_validator(mode="after")
    def _changes_something(self) -> UpdatePlan:
        if not self.model_fields_set - {"plan_id", "version"}:
            raise ValueError("nothing to change is given")
        return self


class PlanReference(FrozenModel):
    """A plan, by its id or name."""

    plan_id: PlanId


class DeletePlan(PlanReference):
    """A plan to delete; with a version, only that one."""

    version: Version | None = None


class PlanAnswer(FrozenModel):
    """A stored plan. `waves` are in the manifest's form, with their groups' ids and names.

    `definition` is the whole plan as a manifest has it.
    """

    plan_id: str
    name: str
    description: str | None
    waves: tuple[dict[str, JsonValue], ...]
    definition: dict[str, JsonValue]
    version: int
    created_at: datetime
    updated_at: datetime
    updated_by: str
    warnings: tuple[dict[str, JsonValue], ...] = ()


class PlansAnswer(FrozenModel):
    """All stored plans, by name."""

    recovery_plans: tuple[PlanAnswer, ...]


@operation(kind=OperationKind.DATA, permission="create_recovery_plans")
def create_recovery_plan(context: Context, request: CreatePlan) -> PlanAnswer:
    """Store a recovery plan over stored groups.

    Raises:
        EstateRefusedError: ALREADY_EXISTS, or VALIDATION_ERROR: no wave, numbers given twice, a cycle, a dependency or
            a group that is not there; all faults.
    """
    edits = [Upsert(DocumentKind.PLAN, request.definition())]
    return _answer_of(change_stored(context, lambda _: edits, "the recovery plan was not created"))


@operation(kind=OperationKind.DATA, permission="modify_recovery_plans")
def update_recovery_plan(context: Context, request: UpdatePlan) -> PlanAnswer:
    """Change a stored recovery plan, from the version that was read.

    Raises:
        EstateRefusedError: as `create_recovery_plan`; NOT_FOUND, VERSION_MISMATCH, ACTIVE_EXECUTION.
    """

    def edit(estate: Estate) -> list[Upsert]:
        plan = estate.find(DocumentKind.PLAN, request.plan_id)
        return [Upsert(DocumentKind.PLAN, request.definition(plan.definition), plan.id, request.version)]

    return _answer_of(change_stored(context, edit, f"recovery plan {request.plan_id!r} was not changed"))


@operation(kind=OperationKind.DATA, permission="delete_recovery_plans")
def delete_recovery_plan(context: Context, request: DeletePlan) -> DeletedAnswer:
    """Delete a stored recovery plan; its groups stay.

    Raises:
        EstateRefusedError: NOT_FOUND, VERSION_MISMATCH, ACTIVE_EXECUTION.
    """
    return delete(context, DocumentKind.PLAN, request.plan_id, request.version)


@operation(kind=OperationKind.QUERY, permission="view_recovery_plans")
def get_recovery_plan(context: Context, request: PlanReference) -> PlanAnswer:
    """Return a stored recovery plan.

    Raises:
        NotStoredError: no plan has that id or name.
    """
    estate = read_estate()
    return _answer(estate.find(DocumentKind.PLAN, request.plan_id), estate)


@operation(kind=OperationKind.QUERY, permission="view_recovery_plans")
def list_recovery_plans(context: Context, request: EmptyRequest) -> PlansAnswer:
    """List all stored recovery plans."""
    estate = read_estate()
    return PlansAnswer(recovery_plans=tuple(_answer(plan, estate) for plan in estate.plans))


def _wave(wave: Any) -> Any:
    if not isinstance(wave, dict) or "name" not in wave or "waveName" in wave:
        return wave
    return {"waveName" if field == "name" else field: value for field, value in wave.items()}


def _answer_of(change: EstateChange) -> PlanAnswer:
    plan = next(step.after for step in change.steps if step.after is not None)
    answer = _answer(plan, change.after)
    return answer.model_copy(update={"warnings": tuple(fault_json(fault) for fault in change.warnings)})


def _answer(stored: Stored, estate: Estate) -> PlanAnswer:
    definition = stored.definition
    return PlanAnswer(
        plan_id=stored.id,
        name=stored.name,
        description=definition.get("description"),
        waves=tuple(_with_ids(wave, estate) for wave in definition.get("waves") or ()),
        definition=dict(definition),
        version=stored.version,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        updated_by=stored.updated_by,
    )


def _with_ids(wave: Mapping[str, Any], estate: Estate) -> dict[str, Any]:
    named = (estate.named(DocumentKind.GROUP, name) for name in wave.get("protectionGroupNames") or ())
    return {**wave, "protectionGroupIds": [group.id for group in named if group is not None]}
