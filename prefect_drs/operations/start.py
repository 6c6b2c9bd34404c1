"""Start a drill or a recovery: by a deployment, whose worker carries it, or here.

In: a plan, its mode and the options of the run. Out: the execution's id at once; what becomes of it is asked by
`get_execution`. With `foreground` the plan runs in this process, and the answer has its report.

Must never: start a plan that is not of the account that the caller expects.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr, model_validator

from prefect_drs.core.errors import UsageError
from prefect_drs.core.models import FrozenModel
from prefect_drs.operations.approvals import starter_of
from prefect_drs.operations.context import Context
from prefect_drs.operations.models import OptionalAccountId
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.operations.run_options import ModeField, RunOptions
from prefect_drs.operations.sources import NamedPlan
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
from prefect_drs.orchestration.flow.compile import compile_plan
from prefect_drs.orchestration.flow.deployed import find_deployment
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.plan.advance import gates_of, refuse_in_advance

RECOVER_FLOW = "recover"
PARAMETERS = frozenset({"manifest", "plan", "mode"})
"""Parameters of the flow `recover`; a deployment without them is one of another flow."""


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


class StartExecution(StartRequest, RunOptions):
    """A plan to run.

    Args:
        mode: `executionType`: DRILL or RECOVERY; also accepted as `mode`.
        account_context: the account that the caller expects.
        deployment: the deployment of the flow `recover` that runs it, as FLOW/NAME; by default that of the setting
            PREFECT_DRS_DEPLOYMENT. Without planId, planName and manifest, the deployment's own plan runs.
        approve_gates: approve every gate in the name of `initiated_by`; a recovery needs `confirm_recovery` too.
        confirm_recovery: yes, approve the gates of a recovery without asking.
    """

    mode: ModeField
    account_context: AccountContext | None = None
    confirm_recovery: bool = False

    @model_validator(mode="after")
    def _approval_is_confirmed(self) -> StartExecution:
        if self.approve_gates and self.mode == "recovery" and not self.confirm_recovery:
            raise ValueError(
                "approveGates of a recovery, which launches recovery instances, needs confirmRecovery; or approve its "
                "gates one by one (approve_gate)"
            )
        return self


@operation(kind=OperationKind.EXECUTION, permission="start_recovery")
def start_execution(context: Context, request: StartExecution) -> StartedExecution:
    """Start a drill or a recovery of a plan, and answer at once with the execution's id.

    Raises:
        MissingParameterError: nothing names a plan, or a deployment.
        FaultyInputError: the manifest has faults; all of them.
        NotStoredError, UsageError: there is no such plan; the plan is not of the account that the caller expects, or
            that cannot be checked.
        NoDeploymentError: there is no such deployment.
        PlanActiveError: an execution of the plan has not ended.
        KeyReusedError: the idempotency key started another execution.
        PreflightRefusedError, RecoveryNotCompletedError: with `foreground`: it was refused, or ended otherwise than
            COMPLETED.
    """
    require_configured()
    if request.foreground:
        require_foreground(context)
        return _run_here(context, request, request.read(context, "start_execution"))
    name = request.deployment or PrefectDrsSettings().deployment
    if not name:
        raise no_deployment("start_execution", RECOVER_FLOW, " (deployment, or the setting PREFECT_DRS_DEPLOYMENT)")
    deployment = find_deployment(name, PARAMETERS)
    plan = plan_to_run(context, request, dict(deployment.parameters or {}), "start_execution")
    if plan.named is not None:
        _check_account(context, request.account_context, plan.named)
    elif request.account_context is not None:
        raise UsageError("accountContext is checked for stored plans: name the plan by planId")
    given = {field: getattr(request, field) for field in ("at", "snapshots", "waivers", "exclude", "strict")}
    return start_on(
        context,
        request,
        deployment,
        name,
        plan,
        mode=request.mode,
        parameters={
            **{field: value for field, value in given.items() if field in request.model_fields_set},
            "mode": request.mode,
        },
        gates=gates_of(plan.named.plan) if plan.named is not None else (),
        waivers=request.waivers,
    )


def _run_here(context: Context, request: StartExecution, named: NamedPlan) -> StartedExecution:
    _check_account(context, request.account_context, named)
    refuse_active(named.plan.plan_name, request.waivers)
    gates, by = gates_of(named.plan), request.initiated_by or context.caller
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
    return StartedExecution.of(report.execution_id, named.plan.plan_name, request.mode, by, report=report)


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
