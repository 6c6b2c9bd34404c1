"""Start an execution: by a deployment, whose worker carries it, or here.

In: a plan, its mode and the options of the run. Out: the execution's id at once; what becomes of it is asked by
`get_execution`. With `foreground` the plan runs in this process, and the answer has its report.

Must never: start a plan of which an execution has not ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, model_validator

from prefect_drs.core.errors import UsageError
from prefect_drs.core.models import FrozenModel
from prefect_drs.estate.source import STORED
from prefect_drs.operations.approvals import starter_of
from prefect_drs.operations.context import Context
from prefect_drs.operations.invocation import MissingParameterError
from prefect_drs.operations.models import DeploymentName, OptionalAccountId
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.operations.run_options import ModeField, RunOptions
from prefect_drs.operations.sources import NamedPlan, PlanSource, is_text
from prefect_drs.orchestration.client import prefect_client, require_configured
from prefect_drs.orchestration.executions.claims import others_than
from prefect_drs.orchestration.flow.compile import compile_plan
from prefect_drs.orchestration.flow.deployed import (
    PlanActiveError,
    StartKey,
    deployment_names,
    find_deployment,
    start_by_deployment,
)
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.orchestration.ui_links import ui_link
from prefect_drs.plan.advance import Gated, gates_of, refuse_in_advance
from prefect_drs.report.model import ExecutionStatus, RecoveryReport

RECOVER_FLOW = "recover"
PARAMETERS = frozenset({"manifest", "plan", "mode"})
"""Parameters of the flow `recover`; a deployment without them is one of another flow."""
CLAIMED = "SERVER_IN_OTHER_EXECUTION"
"""The finding whose waiver lets two executions have one server."""


class AccountContext(FrozenModel):
    """The account that the caller expects the plan to run in, and how it is entered.

    A plan's groups say in which accounts they are, and saved accounts say how each is entered; what differs from that
    is refused.

    Args:
        account_id: the account. Also accepted as `targetAccountId`.
        is_current_account: the account is that of the engine's own credentials.
        assume_role_name: the role that the account's block names. Also accepted as `roleName`.
        external_id: the ExternalId of the account's block.
    """

    account_id: OptionalAccountId = None
    is_current_account: bool = False
    assume_role_name: Annotated[str | None, Field(validation_alias=AliasChoices("assumeRoleName", "roleName"))] = None
    external_id: SecretStr | None = None


class StartExecution(PlanSource, RunOptions):
    """A plan to run.

    Args:
        mode: `executionType`: DRILL or RECOVERY; also accepted as `mode`.
        initiated_by: who starts it; by default the caller.
        account_context: the account that the caller expects.
        deployment: the deployment of the flow `recover` that runs it, as FLOW/NAME; by default that of the setting
            PREFECT_DRS_DEPLOYMENT. Without planId, planName and manifest, the deployment's own plan runs.
        foreground: run it in this process, and answer when it has ended.
        approve_gates: approve every gate in the name of `initiated_by`; a recovery needs `confirm_recovery` too.
        confirm_recovery: yes, approve the gates of a recovery without asking.
        gate_timeout_seconds: how long a gate waits.
        gates: `hold` a process at gates, or `suspend` the flow run.
        idempotency_key: of a start by a deployment: the same key with the same request starts one execution, however
            often it is sent; with another request it is refused.
    """

    mode: ModeField
    initiated_by: Annotated[str | None, Field(min_length=1)] = None
    account_context: AccountContext | None = None
    deployment: DeploymentName | None = None
    foreground: bool = False
    approve_gates: bool = False
    confirm_recovery: bool = False
    gate_timeout_seconds: Annotated[float | None, Field(gt=0)] = None
    gates: Literal["hold", "suspend"] | None = None
    idempotency_key: Annotated[str | None, Field(min_length=1, max_length=255)] = None

    @model_validator(mode="after")
    def _options_agree(self) -> StartExecution:
        if self.approve_gates and self.mode == "recovery" and not self.confirm_recovery:
            raise ValueError(
                "approveGates of a recovery, which launches recovery instances, needs confirmRecovery; or approve its "
                "gates one by one (approve_gate)"
            )
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


@operation(kind=OperationKind.EXECUTION, permission="start_recovery")
def start_execution(context: Context, request: StartExecution) -> StartedExecution:
    """Start a drill or a recovery of a plan, and answer at once with the execution's id.

    Raises:
        MissingParameterError: nothing names a plan, or a deployment.
        FaultyInputError: the manifest has faults; all of them.
        NotStoredError, UsageError: there is no such plan; the plan is not of the account that the caller expects.
        NoDeploymentError: there is no such deployment.
        PlanActiveError: an execution of the plan has not ended.
        KeyReusedError: the idempotency key started another execution.
        PreflightRefusedError, RecoveryNotCompletedError: with `foreground`: it was refused, or ended otherwise than
            COMPLETED.
    """
    by = request.initiated_by or context.caller
    require_configured()
    if request.foreground:
        require_foreground(context)
        return _run_here(context, request, request.read(context, "start_execution"), by)
    name = request.deployment or PrefectDrsSettings().deployment
    if not name:
        raise no_deployment("start_execution", RECOVER_FLOW, " (deployment, or the setting PREFECT_DRS_DEPLOYMENT)")
    deployment = find_deployment(name, PARAMETERS)
    own = dict(deployment.parameters or {})
    plan_name, parameters = _of_request(context, request, own, by)
    key = None
    if request.idempotency_key is not None:
        key = StartKey(request.idempotency_key, {"deployment": name, "plan": plan_name, "by": by, **parameters})
        with prefect_client() as client:
            if (earlier := key.find(client)) is not None:
                return _answer(str(earlier.id), plan_name, request, by, name)
    gates = _gates(context, request, parameters)
    if request.approve_gates:
        refuse_in_advance(gates)
    starter = starter_of(context, by, gates)
    refuse_active(plan_name, request.waivers)
    run = start_by_deployment(
        deployment,
        parameters,
        plan_name=plan_name,
        mode=request.mode,
        by=starter.by,
        proven=starter.proven,
        alone=CLAIMED not in request.waivers,
        key=key,
    )
    return _answer(str(run.id), plan_name, request, by, name)


def _gates(context: Context, request: StartExecution, parameters: Mapping[str, Any]) -> tuple[Gated, ...]:
    """The gates of a stored plan. A plan in a file of the worker is read there, and refused there where it must be."""
    if parameters.get("manifest") != STORED:
        return ()
    return gates_of(request.read(context, "start_execution").plan)


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


def gate_parameters(
    *, approved_by: str | None, gate_timeout_seconds: float | None, gates: str | None
) -> dict[str, Any]:
    """The parameters of a flow for its gates; what is None is left to the deployment."""
    given = {"approved_by": approved_by, "gate_timeout_seconds": gate_timeout_seconds, "gates": gates}
    return {name: value for name, value in given.items() if value is not None}


def _of_request(
    context: Context, request: StartExecution, own: Mapping[str, Any], by: str
) -> tuple[str, dict[str, Any]]:
    """The plan's name and the flow's parameters: what the request gives, over those of the deployment."""
    given = {field: getattr(request, field) for field in ("at", "snapshots", "waivers", "exclude", "strict")}
    parameters = {field: value for field, value in given.items() if field in request.model_fields_set}
    parameters["mode"] = request.mode
    parameters |= gate_parameters(
        approved_by=by if request.approve_gates else None,
        gate_timeout_seconds=request.gate_timeout_seconds,
        gates=request.gates,
    )
    if isinstance(request.manifest, str) and not request.stored:
        if not context.files:
            request.check(context)  # refuses it
        parameters |= {"manifest": request.manifest, "bindings": request.bindings, "plan": request.plan_name}
        return request.plan_name or request.manifest, parameters
    if request.plan_id is None and request.plan_name is None and request.manifest is None and own.get("manifest"):
        if request.account_context is not None:
            raise UsageError("accountContext is checked for stored plans: name the plan by planId")
        return str(own.get("plan") or own["manifest"]), parameters
    named = request.read(context, "start_execution")
    _check_account(context, request.account_context, named)
    parameters |= {"manifest": STORED, "bindings": request.bindings, "plan": named.plan.plan_name}
    return named.plan.plan_name, parameters


def _run_here(context: Context, request: StartExecution, named: NamedPlan, by: str) -> StartedExecution:
    _check_account(context, request.account_context, named)
    refuse_active(named.plan.plan_name, request.waivers)
    gates = gates_of(named.plan)
    if request.approve_gates:
        refuse_in_advance(gates)
    starter = starter_of(context, by, gates)
    flow = compile_plan(named.manifest, named.plan.plan_name, starter=starter)
    report = flow(
        mode=request.mode,
        at=request.at,
        snapshots=dict(request.snapshots),
        waivers=request.accepted_waivers,
        exclude=request.excluded,
        approved_by=by if request.approve_gates else None,
        gate_timeout_seconds=request.gate_timeout_seconds,
    )
    return _answer(report.execution_id, named.plan.plan_name, request, by, None, report)


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


def _check_account(context: Context, expected: AccountContext | None, named: NamedPlan) -> None:
    """Refuse a plan that is not of the account that the caller expects.

    Raises:
        UsageError: it is not, or the account is entered otherwise.
    """
    if expected is None:
        return
    manifest, plan, _ = named
    wanted = {name for wave in plan.waves for name in wave.groups}
    groups = [group for group in manifest.protection_groups if group.group_name in wanted]
    own = context.sessions.caller_account_by(group.region for group in groups)
    accounts = sorted({group.account_id or own for group in groups})
    account_id = expected.account_id or (own if expected.is_current_account else None)
    if expected.is_current_account and account_id != own:
        raise UsageError(f"accountContext: the account of the engine's credentials is {own}, not {account_id}")
    if account_id is not None and account_id not in accounts:
        raise UsageError(
            f"accountContext: {plan.plan_name} is of account {', '.join(accounts)}, not of {account_id}: its groups "
            "name their accounts (accountId)"
        )
    saved = next((access for access in context.sessions.accounts if access.account_id == account_id), None)
    by_arn = saved.role_arn.rpartition("/")[2] if saved and saved.role_arn else None
    role = by_arn or (saved.role_name if saved else None) or PrefectDrsSettings().role_name
    if expected.assume_role_name not in {None, role}:
        raise UsageError(
            f"accountContext: account {account_id} is entered by role {role}, not {expected.assume_role_name}; change "
            "it with update_target_account"
        )
    external_id = saved.external_id.get_secret_value() if saved and saved.external_id else None
    if expected.external_id is not None and expected.external_id.get_secret_value() != external_id:
        raise UsageError(
            f"accountContext: the ExternalId of account {account_id} is another one; change it with "
            "update_target_account"
        )


def _answer(
    execution_id: str,
    plan_name: str,
    request: StartExecution,
    by: str,
    deployment: str | None,
    report: RecoveryReport | None = None,
) -> StartedExecution:
    return StartedExecution(
        execution_id=execution_id,
        plan_name=plan_name,
        mode=request.mode,
        execution_type=request.mode.upper(),
        status=report.status if report is not None else ExecutionStatus.PENDING,
        initiated_by=by,
        deployment=deployment,
        link=ui_link(execution_id),
        report=report,
    )
