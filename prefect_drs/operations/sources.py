"""Which plan a request means: a stored one, or one of a manifest that the request names or holds.

In: `PlanSource`, the fields of a request that name a plan. Out: a checked `Manifest`, one of its plans, and the
warnings about it. A request without a manifest means the stored estate.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import AliasChoices, Field, JsonValue, ValidationError, field_validator, model_validator

from prefect_drs.core.errors import Fault, UsageError
from prefect_drs.core.models import FrozenModel
from prefect_drs.estate.source import STORED, check_source
from prefect_drs.operations.context import Context
from prefect_drs.operations.invocation import MissingParameterError
from prefect_drs.plan import Bindings, Manifest, Reading, RecoveryPlan, check_text, check_values
from prefect_drs.plan.read.load import BindingsSource

ManifestField = Annotated[str, Field(min_length=1)] | dict[str, JsonValue]
"""A manifest in a request: its values, its text (JSON or YAML), the path of a file of this machine, or `estate:`."""


class FileRefusedError(UsageError):
    """The request names a file of this machine, and its caller may be elsewhere."""


class SourceFields(FrozenModel):
    """A manifest and its bindings.

    Args:
        manifest: the manifest's values, its text in JSON or YAML (more than one line, or an object), the path of a file
            of this machine, or `estate:`.
        bindings: the bindings' values, or the path of a file of this machine.
        strict: warnings are faults.
    """

    manifest: ManifestField | None = None
    bindings: Annotated[str, Field(min_length=1)] | dict[str, JsonValue] | None = None
    strict: bool = False

    @field_validator("bindings")
    @classmethod
    def _form_of_bindings(cls, given: str | dict[str, JsonValue] | None) -> str | dict[str, JsonValue] | None:
        if isinstance(given, dict):
            bindings_of(given)
        return given

    def check(self, context: Context, *, plan: str | None = None, rehearsal: bool = False) -> Reading:
        """The manifest, checked.

        Args:
            context: says whether files may be named.
            plan: read only this plan of the stored estate.
            rehearsal: accept names that no binding resolves.

        Raises:
            FileRefusedError: a file is named, and the caller may not.
            NotStoredError: the stored estate has no such plan.
        """
        return check_given(context, self.manifest, self.bindings, plan=plan, rehearsal=rehearsal)


class PlanSource(SourceFields):
    """A plan: a stored one by its id or name, or one of a manifest.

    Args:
        plan_id: the id (or the name) of a stored plan.
        plan_name: the name of a plan: of the manifest where one is given, else of a stored one. A manifest with one
            plan needs none. Also accepted as `plan`.
    """

    plan_id: Annotated[str | None, Field(validation_alias=AliasChoices("planId", "recoveryPlanId"))] = None
    plan_name: Annotated[str | None, Field(validation_alias=AliasChoices("planName", "plan"))] = None

    @model_validator(mode="after")
    def _one_source(self) -> PlanSource:
        if self.plan_id is not None and not self.stored:
            raise ValueError("planId names a stored plan: leave out manifest, or give planName instead")
        if None not in {self.plan_id, self.plan_name} and self.plan_id != self.plan_name:
            raise ValueError("planId and planName name two plans: give one of them")
        return self

    @property
    def stored(self) -> bool:
        """Whether a stored plan is meant."""
        return self.manifest is None or self.manifest == STORED

    def read(self, context: Context, operation: str, *, rehearsal: bool = False) -> NamedPlan:
        """The plan that is meant.

        Raises:
            MissingParameterError: nothing names a plan.
            FaultyInputError: the manifest has faults; all of them.
            NotStoredError, UsageError: there is no such plan.
        """
        named = self.plan_id or self.plan_name
        if self.stored and named is None:
            raise MissingParameterError(
                f"{operation}: name a stored plan by planId or planName, or give a manifest",
                faults=[{"field": "planId", "message": "is missing"}],
            )
        reading = self.check(context, plan=named, rehearsal=rehearsal)
        warnings: list[Fault] = []
        manifest = reading.accepted(warnings.append, strict=self.strict)
        plan = manifest.plan(None if self.stored else self.plan_name)
        return NamedPlan(manifest, plan, tuple(warnings))


class NamedPlan(NamedTuple):
    """A plan, its manifest, and the warnings about that."""

    manifest: Manifest
    plan: RecoveryPlan
    warnings: tuple[Fault, ...]


def check_given(
    context: Context,
    manifest: str | dict[str, JsonValue] | None,
    bindings: str | dict[str, JsonValue] | None,
    *,
    plan: str | None = None,
    rehearsal: bool = False,
) -> Reading:
    """A manifest of a request, checked; see `SourceFields.check`."""
    bound: BindingsSource | None = bindings_of(bindings) if isinstance(bindings, dict) else bindings
    if isinstance(bound, str):
        _require_files(context, "bindings")
    if isinstance(manifest, dict):
        return check_values(manifest, bound, rehearsal=rehearsal)
    source = manifest or STORED
    if is_text(source):
        return check_text(source, bound, rehearsal=rehearsal)
    if source != STORED:
        _require_files(context, "manifest")
    return check_source(source, bound, plan=plan, rehearsal=rehearsal)


def is_text(source: str) -> bool:
    """Whether that is the text of a manifest, and not the path of one."""
    return "\n" in source or source.lstrip().startswith("{")


def bindings_of(values: dict[str, Any]) -> Bindings:
    """Bindings given as values.

    Raises:
        ValueError: they are none.
    """
    try:
        return Bindings.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}"
            for one in error.errors(include_url=False, include_input=False)
        )
    raise ValueError(problems)


def _require_files(context: Context, field: str) -> None:
    if not context.files:
        raise FileRefusedError(
            f"{field} names a file, which callers of this interface may not: give its values, or store the plan "
            "(import_configuration) and name it by planId",
            field=field,
        )
