"""What the starts of recoveries and failbacks have in common: the request, the plan that is meant, the start itself.

In: a request, and the plan's parameters of the flow that carries it. Out: the execution's id at once, of the flow run
that a worker of the deployment carries.

Must never: start a plan of which an execution has not ended; start a second execution by one idempotency key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from prefect.client.schemas.responses import DeploymentResponse
from pydantic import Field, model_validator

from prefect_drs.core.errors import UsageError
from prefect_drs.core.models import FrozenModel
from prefect_drs.estate.source import STORED
from prefect_drs.operations.approvals import starter_of
from prefect_drs.operations.context import Context
from prefect_drs.operations.invocation import MissingParameterError
from prefect_drs.operations.models import DeploymentName
from prefect_drs.operations.sources import NamedPlan, PlanSource, is_text
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.executions.claims import others_than
from prefect_drs.orchestration.flow.deployed import PlanActiveError, StartKey, deployment_names, start_by_deployment
from prefect_drs.orchestration.ui_links import ui_link
from prefect_drs.plan.advance import Gated, refuse_in_advance
from prefect_drs.plan.model import ExecutionMode
from prefect_drs.report.model import ExecutionStatus, RecoveryReport

CLAIMED = "SERVER_IN_OTHER_EXECUTION"
"""The finding whose waiver lets two executions have one server."""


class StartRequest(PlanSource):
    """A plan to run, and how.

    Args:
        initiated_by: who starts it; by default the caller.
        deployment: the deployment of the flow that runs it, as FLOW/NAME.
        foreground: run it in this process, and answer when it has ended.
        approve_gates: approve every gate in the name of `initiated_by`.
        gate_timeout_seconds: how long a gate waits.
        gates: `hold` a process at gates, or `suspend` the flow run.
        idempotency_key: of a start by a deployment: the same key with the same request starts one execution, however
            often it is sent; with another request it is refused.
    """

    initiated_by: Annotated[str | None, Field(min_length=1)] = None
    deployment: DeploymentName | None = None
    foreground: bool = False
    approve_gates: bool = False
    gate_timeout_seconds: Annotated[float | None, Field(gt=0)] = None
    gates: Literal["hold", "suspend"] | None = None
    idempotency_key: Annotated[str | None, Field(min_length=1, max_length=255)] = None

    @model_validator(mode="after")
    def _place_agrees(self) -> StartRequest:
        if self.foreground and self.deployment is not None:
            raise ValueError("foreground runs it here: leave out deployment")
        if self.foreground and self.gates == "suspend":
            raise ValueError("gates: suspend needs a deployment: leave out foreground")
        if not self.foreground and (
            isinstance(self.manifest, dict) or (self.manifest is not None and is_text(self.manifest))
        ):
            raise ValueError(
                "a deployment runs a stored plan or a file: store this manifest (import_configuration) and name the "
                "plan by planId, or run it here (foreground)"
            )
        if not self.foreground and isinstance(self.bindings, dict):
            raise ValueError("a deployment takes bindings as a file: give its path, or run the plan here (foreground)")
        return self

    @property
    def gate_parameters(self) -> dict[str, Any]:
        """The parameters of a flow for its gates, but for who approved them; what is None is left to the deployment."""
        given = {"gate_timeout_seconds": self.gate_timeout_seconds, "gates": self.gates}
        return {name: value for name, value in given.items() if value is not None}


class StartedExecution(FrozenModel):
    """An execution that was started. `execution_id` is the id of its flow run too.

    `execution_type`: DRILL, RECOVERY or FAILBACK. `deployment` None and `report` given: it ran here, and has ended.
    """

    execution_id: str
    plan_name: str
    mode: str
    execution_type: str
    status: ExecutionStatus
    initiated_by: str
    deployment: str | None
    link: str | None
    report: RecoveryReport | None = None

    @classmethod
    def of(
        cls,
        execution_id: str,
        plan_name: str,
        mode: ExecutionMode,
        by: str,
        *,
        deployment: str | None = None,
        report: RecoveryReport | None = None,
    ) -> StartedExecution:
        """What is known of it at the start, or at its end where `report` is given."""
        return cls(
            execution_id=execution_id,
            plan_name=plan_name,
            mode=mode,
            execution_type=mode.upper(),
            status=report.status if report is not None else ExecutionStatus.PENDING,
            initiated_by=by,
            deployment=deployment,
            link=ui_link(execution_id),
            report=report,
        )


@dataclass(frozen=True, slots=True)
class PlanToRun:
    """The plan that a deployment is to run.

    Args:
        name: its name; the manifest's file where the worker finds the plan in it.
        parameters: those of the flow that name it; none where it is the deployment's own.
        named: the plan; None where the worker reads it, and refuses there what must be refused.
    """

    name: str
    parameters: Mapping[str, Any]
    named: NamedPlan | None = None


def plan_to_run(context: Context, request: StartRequest, own: Mapping[str, Any], operation_name: str) -> PlanToRun:
    """What the request names: a file of the worker, a stored plan, or else the plan of the deployment.

    Args:
        context: of the operation.
        request: the request.
        own: the parameters of the deployment.
        operation_name: in messages.

    Raises:
        MissingParameterError: nothing names a plan.
        FaultyInputError: the stored groups and plans have faults; all of them.
        NotStoredError, UsageError: there is no such plan; a caller from elsewhere names a file of this machine.
    """
    if isinstance(request.manifest, str) and not request.stored:
        if not context.files:
            request.check(context)  # refuses it
        named = {"manifest": request.manifest, "bindings": request.bindings, "plan": request.plan_name}
        return PlanToRun(request.plan_name or request.manifest, named)
    if request.plan_id is None and request.plan_name is None and request.manifest is None and own.get("manifest"):
        return PlanToRun(str(own.get("plan") or own["manifest"]), {})
    read = request.read(context, operation_name)
    name = read.plan.plan_name
    return PlanToRun(name, {"manifest": STORED, "bindings": request.bindings, "plan": name}, read)


def start_on(
    context: Context,
    request: StartRequest,
    deployment: DeploymentResponse,
    deployment_name: str,
    plan: PlanToRun,
    *,
    mode: ExecutionMode,
    parameters: Mapping[str, Any],
    gates: tuple[Gated, ...],
    waivers: Mapping[str, str] | None = None,
) -> StartedExecution:
    """Start the plan on a deployment, once for each idempotency key.

    Args:
        context: of the operation.
        request: who starts it, its gates and its key.
        deployment: of the flow that carries the mode.
        deployment_name: as FLOW/NAME.
        plan: what it runs.
        mode: drill, recovery or failback.
        parameters: of the flow, besides those of plan and gates.
        gates: those of the plan, where it was read.
        waivers: findings that are let pass.

    Raises:
        PlanActiveError: an execution of the plan has not ended.
        KeyReusedError: the key started another execution.
        UsageError: a gate cannot be approved in advance, or not by this caller.
    """
    by = request.initiated_by or context.caller
    approved = {"approved_by": by} if request.approve_gates else {}
    given = {**parameters, **request.gate_parameters, **approved, **plan.parameters}
    key = None
    if request.idempotency_key is not None:
        what = {"deployment": deployment_name, "plan": plan.name, "by": by, **given}
        key = StartKey(request.idempotency_key, what)
        with prefect_client() as client:
            if (earlier := key.find(client)) is not None:
                return StartedExecution.of(str(earlier.id), plan.name, mode, by, deployment=deployment_name)
    if request.approve_gates:
        refuse_in_advance(gates)
    starter = starter_of(context, by, gates)
    refuse_active(plan.name, waivers or {})
    run = start_by_deployment(
        deployment,
        given,
        plan_name=plan.name,
        mode=mode,
        by=starter.by,
        proven=starter.proven,
        alone=CLAIMED not in (waivers or {}),
        key=key,
    )
    return StartedExecution.of(str(run.id), plan.name, mode, by, deployment=deployment_name)


def require_foreground(context: Context) -> None:
    """Refuse to carry an execution in a process that may not.

    Raises:
        UsageError: it may not.
    """
    if not context.foreground:
        raise UsageError("foreground: this process may not carry an execution: name a deployment", field="foreground")


def no_deployment(operation_name: str, flow: str, setting: str = "") -> MissingParameterError:
    """Nothing names the deployment: which there are. `setting`: the other way to name one."""
    with prefect_client() as client:
        there = ", ".join(deployment_names(client, flow)) or "none"
    return MissingParameterError(
        f"{operation_name}: name the deployment that runs it{setting}; of the flow {flow} there are: {there}; or run "
        "it here (foreground)",
        faults=[{"field": "deployment", "message": "is missing"}],
    )


def refuse_active(plan_name: str, waivers: Mapping[str, str]) -> None:
    """Refuse a plan that an execution with claimed servers carries out.

    Raises:
        PlanActiveError: it has not ended.
    """
    if CLAIMED in waivers:
        return
    for other in others_than(None):
        if other.plan_name.casefold() == plan_name.casefold():
            raise PlanActiveError(
                f"execution {other.execution_id} of {plan_name} has not ended; wait for it, resume or cancel it: "
                f"prefect-drs cancel {other.execution_id}",
                execution_id=other.execution_id,
            )
