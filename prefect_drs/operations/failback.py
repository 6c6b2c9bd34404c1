"""Start a failback: by a deployment, whose worker carries it, or here.

In: a plan, and the execution that recovered it where one is named. Out: the execution's id at once; it is approved,
paused, cancelled, resumed and reported like any other execution.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from prefect_drs.operations.approvals import starter_of
from prefect_drs.operations.context import Context
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.operations.starting import (
    StartedExecution,
    StartRequest,
    no_deployment,
    plan_to_run,
    refuse_active,
    require_foreground,
    start_on,
)
from prefect_drs.orchestration.client import require_configured
from prefect_drs.orchestration.executions.names import named_execution
from prefect_drs.orchestration.flow.deployed import find_deployment
from prefect_drs.orchestration.flow.failback import compile_failback, recovered_by
from prefect_drs.plan.advance import failback_gates_of, refuse_in_advance
from prefect_drs.runbook.exclusions import parse_exclusions

FAILBACK_FLOW = "failback"
PARAMETERS = frozenset({"manifest", "plan", "execution"})
"""Parameters of the flow `failback`; a deployment without them is one of another flow."""


class StartFailback(StartRequest):
    """A failback to run.

    Args:
        execution_id: the execution that recovered the servers, or the drill whose instances rehearse a failback;
            without, each server's one running recovery instance fails back.
        exclude: servers to leave out, server to reason.
        deployment: the deployment of the flow `failback` that runs it, as FLOW/NAME. Without planId, planName and
            manifest, the deployment's own plan runs.
        approve_gates: approve every gate in the name of `initiated_by`; needs `confirm_failback` too.
        confirm_failback: yes, approve the gates of a failback without asking.
    """

    execution_id: Annotated[str | None, Field(min_length=1)] = None
    exclude: dict[str, str] = Field(default_factory=dict)
    confirm_failback: bool = False

    @model_validator(mode="after")
    def _approval_is_confirmed(self) -> StartFailback:
        if self.approve_gates and not self.confirm_failback:
            raise ValueError(
                "approveGates of a failback, which launches production servers, needs confirmFailback; or approve its "
                "gates one by one (approve_gate)"
            )
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
    require_configured()
    recovery = named_execution(request.execution_id) if request.execution_id else None
    if recovery is not None:
        recovered_by(recovery)  # refused here, not by the worker
    excluded = parse_exclusions(request.exclude)
    if request.foreground:
        require_foreground(context)
        return _run_here(context, request, recovery, excluded)
    if request.deployment is None:
        raise no_deployment("start_failback", FAILBACK_FLOW)
    deployment = find_deployment(request.deployment, PARAMETERS)
    plan = plan_to_run(context, request, dict(deployment.parameters or {}), "start_failback")
    strict = {"strict": request.strict} if "strict" in request.model_fields_set else {}
    return start_on(
        context,
        request,
        deployment,
        request.deployment,
        plan,
        mode="failback",
        parameters={"execution": recovery, "exclude": excluded or None, **strict},
        gates=failback_gates_of(plan.named.plan) if plan.named is not None else (),
    )


def _run_here(
    context: Context, request: StartFailback, recovery: str | None, excluded: dict[str, str]
) -> StartedExecution:
    named = request.read(context, "start_failback")
    refuse_active(named.plan.plan_name, {})
    gates, by = failback_gates_of(named.plan), request.initiated_by or context.caller
    if request.approve_gates:
        refuse_in_advance(gates)
    starter = starter_of(context, by, gates)
    report = compile_failback(named.manifest, named.plan.plan_name, starter=starter)(
        execution=recovery,
        exclude=excluded,
        approved_by=by if request.approve_gates else None,
        gate_timeout_seconds=request.gate_timeout_seconds,
    )
    return StartedExecution.of(report.execution_id, named.plan.plan_name, "failback", by, report=report)
