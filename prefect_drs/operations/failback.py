"""Start a failback: by a deployment, whose worker carries it, or here.

In: a plan, and the execution that recovered it where one is named. Out: the execution's id at once; it is approved,
paused, cancelled, resumed and reported like any other execution.

Must never: start a failback of a plan of which an execution has not ended.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from prefect_drs.estate.source import STORED
from prefect_drs.operations.approvals import starter_of
from prefect_drs.operations.context import Context
from prefect_drs.operations.models import DeploymentName
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.operations.sources import PlanSource, is_text
from prefect_drs.operations.start import (
    StartedExecution,
    gate_parameters,
    no_deployment,
    refuse_active,
    require_foreground,
)
from prefect_drs.orchestration.client import require_configured
from prefect_drs.orchestration.executions.names import named_execution
from prefect_drs.orchestration.flow.deployed import StartKey, find_deployment, start_by_deployment
from prefect_drs.orchestration.flow.failback import compile_failback, recovered_by
from prefect_drs.orchestration.ui_links import ui_link
from prefect_drs.plan.advance import Gated, failback_gates_of, refuse_in_advance
from prefect_drs.report.model import ExecutionStatus, RecoveryReport
from prefect_drs.runbook.exclusions import parse_exclusions

FAILBACK_FLOW = "failback"
PARAMETERS = frozenset({"manifest", "plan", "execution"})
"""Parameters of the flow `failback`; a deployment without them is one of another flow."""


class StartFailback(PlanSource):
    """A failback to run.

    Args:
        execution_id: the execution that recovered the servers, or the drill whose instances rehearse a failback;
            without, each server's one running recovery instance fails back.
        exclude: servers to leave out, server to reason.
        initiated_by: who starts it; by default the caller.
        deployment: the deployment of the flow `failback` that runs it, as FLOW/NAME.
        foreground: run it in this process, and answer when it has ended.
        approve_gates: approve every gate in the name of `initiated_by`; needs `confirm_failback` too.
        confirm_failback: yes, approve the gates of a failback without asking.
        gate_timeout_seconds: how long a gate waits.
        gates: `hold` a process at gates, or `suspend` the flow run.
        idempotency_key: of a start by a deployment: the same key with the same request starts one execution, however
            often it is sent; with another request it is refused.
    """

    execution_id: Annotated[str | None, Field(min_length=1)] = None
    exclude: dict[str, str] = Field(default_factory=dict)
    initiated_by: Annotated[str | None, Field(min_length=1)] = None
    deployment: DeploymentName | None = None
    foreground: bool = False
    approve_gates: bool = False
    confirm_failback: bool = False
    gate_timeout_seconds: Annotated[float | None, Field(gt=0)] = None
    gates: Literal["hold", "suspend"] | None = None
    idempotency_key: Annotated[str | None, Field(min_length=1, max_length=255)] = None

    @model_validator(mode="after")
    def _options_agree(self) -> StartFailback:
        if self.approve_gates and not self.confirm_failback:
            raise ValueError(
                "approveGates of a failback, which launches production servers, needs confirmFailback; or approve its "
                "gates one by one (approve_gate)"
            )
        if self.foreground and (self.deployment is not None or self.gates == "suspend"):
            raise ValueError("foreground runs it here: leave out deployment, and gates: suspend")
        here = isinstance(self.manifest, dict) or (self.manifest is not None and is_text(self.manifest))
        if not self.foreground and (here or isinstance(self.bindings, dict)):
            raise ValueError("a deployment takes a stored plan or files: store this, or run it here (foreground)")
        return self


@operation(kind=OperationKind.EXECUTION, permission="start_recovery")
def start_failback(context: Context, request: StartFailback) -> StartedExecution:
    """Start the failback of a plan's servers, and answer at once with the execution's id.

    Raises:
        MissingParameterError: nothing names a plan, or a deployment.
        FaultyInputError: the manifest has faults; all of them.
        NotStoredError, UsageError: there is no such plan or execution.
        NoDeploymentError: there is no such deployment.
        PlanActiveError: an execution of the plan has not ended.
        KeyReusedError: the idempotency key started another execution.
        PreflightRefusedError, RecoveryNotCompletedError: with `foreground`: it was refused, or ended otherwise than
            COMPLETED.
    """
    by = request.initiated_by or context.caller
    require_configured()
    recovery = named_execution(request.execution_id) if request.execution_id else None
    if recovery is not None:
        recovered_by(recovery)  # refused here, not by the worker
    excluded = parse_exclusions(request.exclude)
    if request.foreground:
        require_foreground(context)
        return _run_here(context, request, recovery, excluded, by)
    if request.deployment is None:
        raise no_deployment("start_failback", FAILBACK_FLOW)
    deployment = find_deployment(request.deployment, PARAMETERS)
    plan_name, parameters, gates = _parameters(context, request, dict(deployment.parameters or {}))
    parameters |= {"execution": recovery, "exclude": excluded or None}
    parameters |= gate_parameters(
        approved_by=by if request.approve_gates else None,
        gate_timeout_seconds=request.gate_timeout_seconds,
        gates=request.gates,
    )
    key = None
    if request.idempotency_key is not None:
        what = {"deployment": request.deployment, "plan": plan_name, "by": by, **parameters}
        key = StartKey(request.idempotency_key, what)
    refuse_active(plan_name, {})
    starter = starter_of(context, by, gates)
    run = start_by_deployment(
        deployment, parameters, plan_name=plan_name, mode="failback", by=starter.by, proven=starter.proven, key=key
    )
    return _answer(str(run.id), plan_name, by, request.deployment)


def _parameters(
    context: Context, request: StartFailback, own: dict[str, Any]
) -> tuple[str, dict[str, Any], tuple[Gated, ...]]:
    """The plan's name, the flow's parameters that name it, over those of the deployment, and its gates where known."""
    if isinstance(request.manifest, str) and not request.stored:
        if not context.files:
            request.check(context)  # refuses it
        named = {"manifest": request.manifest, "bindings": request.bindings, "plan": request.plan_name}
        return request.plan_name or request.manifest, named, ()
    if request.plan_id is None and request.plan_name is None and request.manifest is None and own.get("manifest"):
        return str(own.get("plan") or own["manifest"]), {}, ()
    plan = request.read(context, "start_failback").plan
    gates = tuple(failback_gates_of(plan))
    if request.approve_gates:
        refuse_in_advance(gates)
    return plan.plan_name, {"manifest": STORED, "bindings": request.bindings, "plan": plan.plan_name}, gates


def _run_here(
    context: Context, request: StartFailback, recovery: str | None, excluded: dict[str, str], by: str
) -> StartedExecution:
    named = request.read(context, "start_failback")
    refuse_active(named.plan.plan_name, {})
    gates = failback_gates_of(named.plan)
    if request.approve_gates:
        refuse_in_advance(gates)
    starter = starter_of(context, by, gates)
    report = compile_failback(named.manifest, named.plan.plan_name, starter=starter)(
        execution=recovery,
        exclude=excluded,
        approved_by=by if request.approve_gates else None,
        gate_timeout_seconds=request.gate_timeout_seconds,
    )
    return _answer(report.execution_id, named.plan.plan_name, by, None, report)


def _answer(
    execution_id: str, plan_name: str, by: str, deployment: str | None, report: RecoveryReport | None = None
) -> StartedExecution:
    return StartedExecution(
        execution_id=execution_id,
        plan_name=plan_name,
        mode="failback",
        execution_type="FAILBACK",
        status=report.status if report is not None else ExecutionStatus.PENDING,
        initiated_by=by,
        deployment=deployment,
        link=ui_link(execution_id),
        report=report,
    )
