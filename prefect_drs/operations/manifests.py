"""The operations on plans before they run: checked, shown, compared, resolved against the accounts, forecast.

In: a plan (`sources.PlanSource`). Out: faults, an overview, a difference, a runbook, a forecast. Nothing is changed
anywhere. Each is the function that the command of the same purpose calls.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, JsonValue, field_validator

from prefect_drs.core.errors import Fault, FaultyInputError
from prefect_drs.core.models import FrozenModel
from prefect_drs.diff import Difference, compare
from prefect_drs.operations import forecast
from prefect_drs.operations.context import Context
from prefect_drs.operations.dry_run import dry_run
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.operations.run_options import ModeField, RunOptions
from prefect_drs.operations.sources import ManifestField, PlanSource, SourceFields, bindings_of, check_given
from prefect_drs.plan import Manifest
from prefect_drs.plan.overview import PlanOverview, overview_of
from prefect_drs.runbook import runbook_json

SAMPLES_AT_MOST = 2_000


class ValidateManifest(SourceFields):
    """A manifest to check; without one, the stored estate."""


class ManifestCheck(FrozenModel):
    """What a check found. `valid`: no fault refuses the manifest. `recovery_plans`: the names of its plans."""

    valid: bool
    errors: int
    warnings: int
    faults: tuple[Fault, ...]
    recovery_plans: tuple[str, ...]


class ShowPlan(PlanSource):
    """A plan to show."""


class GetRunbook(PlanSource, RunOptions):
    """A plan to resolve against the accounts, and the options of the run."""

    mode: Annotated[ModeField, Field(json_schema_extra={"default": "DRILL"})] = "drill"


class ForecastPlan(PlanSource):
    """A plan to forecast.

    Args:
        exclude: servers that are left out, server to reason; needs the accounts.
        offline: use the servers that the manifest names, and do not ask AWS.
        samples: how many runs are simulated.
        seed: of the simulation.
        failback: forecast the failback of the plan instead of a recovery.
    """

    exclude: dict[str, str] = Field(default_factory=dict)
    offline: bool = False
    samples: Annotated[int, Field(ge=1, le=SAMPLES_AT_MOST)] = 100
    seed: int = 1
    failback: bool = False


class DiffPlan(FrozenModel):
    """Two manifests to compare; each null is an empty one.

    Args:
        old: the old manifest: values, text, a path, or `estate:`.
        new: the new one, likewise.
        bindings: of both sides.
        old_bindings: of the old side alone.
    """

    old: ManifestField | None
    new: ManifestField | None
    bindings: Annotated[str, Field(min_length=1)] | dict[str, JsonValue] | None = None
    old_bindings: Annotated[str, Field(min_length=1)] | dict[str, JsonValue] | None = None

    @field_validator("bindings", "old_bindings")
    @classmethod
    def _form_of_bindings(cls, given: str | dict[str, JsonValue] | None) -> str | dict[str, JsonValue] | None:
        if isinstance(given, dict):
            bindings_of(given)
        return given


@operation(kind=OperationKind.QUERY, permission="view_recovery_plans")
def validate_manifest(context: Context, request: ValidateManifest) -> ManifestCheck:
    """Check a manifest, or the stored estate, and return all faults at once.

    Raises:
        FileRefusedError: a file is named, and the caller may not.
    """
    reading = request.check(context)
    if request.strict:
        reading = reading.strictly()
    return ManifestCheck(
        valid=reading.manifest is not None,
        errors=len(reading.errors),
        warnings=len(reading.warnings),
        faults=reading.faults,
        recovery_plans=tuple(plan.plan_name for plan in reading.manifest.recovery_plans) if reading.manifest else (),
    )


@operation(kind=OperationKind.QUERY, permission="view_recovery_plans")
def show_plan(context: Context, request: ShowPlan) -> PlanOverview:
    """Return a plan's waves in the order they run, what each waits for, and its gates.

    Raises:
        FaultyInputError: the manifest has faults; all of them.
        NotStoredError, UsageError: there is no such plan.
    """
    named = request.read(context, "show_plan", rehearsal=True)
    return overview_of(named.manifest, named.plan)


@operation(kind=OperationKind.QUERY, permission="view_recovery_plans")
def get_runbook(context: Context, request: GetRunbook) -> dict[str, Any]:
    """Read the accounts and return exactly what a run would do; change nothing.

    `refused` says whether the preflight would refuse the run; `findings` has every reason.

    Raises:
        FaultyInputError: the manifest has faults; all of them.
        NotStoredError, UsageError: there is no such plan; a time, snapshot, waiver or excluded server is not valid.
        AwsError: the caller's own account could not be read.
    """
    named = request.read(context, "get_runbook")
    runbook = dry_run(
        named.manifest,
        named.plan,
        mode=request.mode,
        points=request.points,
        waivers=request.accepted_waivers,
        exclude=request.excluded,
    )
    return {"refused": bool(runbook.refusals), **runbook_json(runbook)}


@operation(kind=OperationKind.QUERY, permission="view_recovery_plans")
def forecast_plan(context: Context, request: ForecastPlan) -> dict[str, Any]:
    """Forecast how long a run of a plan would take: timeline, RTO, critical path.

    Raises:
        FaultyInputError: the manifest has faults; all of them.
        NotStoredError, UsageError: there is no such plan, options contradict each other, or no server is known.
    """
    named = request.read(context, "forecast_plan", rehearsal=request.offline)
    result = forecast.forecast_plan(
        named.manifest,
        named.plan,
        exclude=request.exclude,
        offline=request.offline,
        samples=request.samples,
        seed=request.seed,
        failback=request.failback,
    )
    return result.to_json()


@operation(kind=OperationKind.QUERY, permission="view_recovery_plans")
def diff_plan(context: Context, request: DiffPlan) -> Difference:
    """Compare two manifests: waves, servers, launch settings, forecast.

    Raises:
        FaultyInputError: one of them has faults; all of its faults.
    """
    before = _side(context, request.old, request.old_bindings or request.bindings)
    return compare(before, _side(context, request.new, request.bindings))


def _side(
    context: Context, manifest: str | dict[str, JsonValue] | None, bindings: str | dict[str, JsonValue] | None
) -> Manifest:
    if manifest is None:
        return Manifest.empty()
    reading = check_given(context, manifest, bindings, rehearsal=True)
    if reading.manifest is None:
        raise FaultyInputError(reading.faults)
    return reading.manifest
