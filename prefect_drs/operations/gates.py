"""The operations on gates: which wait for an answer, and the answers.

In: an execution and a wave, by its number or name. Out: the gates that wait; the gate that was answered. Prefect stores
the first answer; a later one is refused.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr

from prefect_drs.core.models import FrozenModel
from prefect_drs.operations import control
from prefect_drs.operations.approvals import Proof
from prefect_drs.operations.context import Context
from prefect_drs.operations.executions import ExecutionReference
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.orchestration.approvals.answers import PendingGate, pending_gates
from prefect_drs.orchestration.client import require_configured
from prefect_drs.orchestration.executions.names import named_execution
from prefect_drs.recovery.ports import Decision
from prefect_drs.report.gate_standing import GateStanding


class ListGates(FrozenModel):
    """An execution; without one, all of them."""

    execution_id: Annotated[str | None, Field(min_length=1)] = None


class GateView(FrozenModel):
    """A gate that waits for an answer, or waited for one.

    `until`: when it times out; `link`: its page in the Prefect UI, which shows the form. `standing`: of a gate that
    demands proofs: what, who has approved so far, and what lacks; null of another.
    """

    execution_id: str
    plan_name: str
    mode: str
    wave_number: int
    wave_name: str
    since: datetime | None
    until: datetime | None
    link: str | None
    standing: GateStanding | None = None


class GatesAnswer(FrozenModel):
    """The gates that wait for an answer, by execution and wave."""

    gates: tuple[GateView, ...]


class AnswerGate(ExecutionReference):
    """An answer to a gate.

    Args:
        wave: the number of the wave behind the gate, or its name. Also accepted as `waveNumber` and `waveName`.
        by: who answers; by default the caller. Also accepted as `approvedBy` and `approver`.
        comment: why; in the report.
    """

    wave: Annotated[
        int | str, Field(union_mode="left_to_right", validation_alias=AliasChoices("wave", "waveNumber", "waveName"))
    ]
    by: Annotated[str | None, Field(min_length=1, validation_alias=AliasChoices("by", "approvedBy", "approver"))] = None
    comment: str = ""


class ApproveGate(AnswerGate):
    """An approval.

    Args:
        token: the proof of identity, for a gate that demands one: what `prefect-drs token --approve` prints, or a token
            of an OIDC issuer whose nonce is bound to the approval. On this machine one is made where it is left out.
        break_glass: why the gate is to be passed without what it demands; with an access policy, an admin's proof is
            needed. Everybody who is notified is told.
    """

    token: SecretStr | None = None
    break_glass: Annotated[str | None, Field(min_length=1)] = None


class AnsweredAnswer(FrozenModel):
    """A gate that was answered.

    `lost`: what to do where no process carries the execution; null where one does. `counted`: of an approval with a
    proof, whether the execution counts it; null while that is not known, or where the gate demands no proof. `ruling`:
    the same in words.
    """

    decision: str
    by: str
    gate: GateView
    lost: str | None
    counted: bool | None = None
    ruling: str = ""


@operation(kind=OperationKind.EXECUTION, permission="view_executions")
def list_gates(context: Context, request: ListGates) -> GatesAnswer:
    """List the gates that wait for an answer.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
    """
    require_configured()
    execution_id = None if request.execution_id is None else named_execution(request.execution_id)
    return GatesAnswer(gates=tuple(map(_gate, pending_gates(execution_id))))


@operation(kind=OperationKind.EXECUTION, permission="start_recovery")
def approve_gate(context: Context, request: ApproveGate) -> AnsweredAnswer:
    """Approve a wave that waits at its gate.

    Raises:
        UsageError: the gate demands a proof, and none was sent.
        AwsError: a proof is to be made here, and there are no AWS credentials.
        UnknownExecutionError: this Prefect API knows no such execution.
        ExecutionStateError: no such gate waits, or it was answered; says what to do where no process carries it.
    """
    token = request.token.get_secret_value() if request.token is not None else ""
    return _answer(context, request, Decision.APPROVED, Proof(token, request.break_glass or "", own=context.files))


@operation(kind=OperationKind.EXECUTION, permission="start_recovery")
def reject_gate(context: Context, request: AnswerGate) -> AnsweredAnswer:
    """Reject a wave that waits at its gate: it and every wave that depends on it are cancelled.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        ExecutionStateError: no such gate waits, or it was answered; says what to do where no process carries it.
    """
    return _answer(context, request, Decision.REJECTED)


def _answer(context: Context, request: AnswerGate, decision: Decision, proof: Proof | None = None) -> AnsweredAnswer:
    require_configured()
    by = request.by or context.caller
    answered = control.answer(
        request.execution_id, str(request.wave), decision, by=by, comment=request.comment, proof=proof
    )
    ruling = answered.ruling
    return AnsweredAnswer(
        decision=decision.value,
        by=by,
        gate=_gate(answered.gate),
        lost=answered.lost,
        counted=ruling.counted if ruling is not None else None,
        ruling=ruling.text if ruling is not None else "",
    )


def _gate(gate: PendingGate) -> GateView:
    return GateView(
        execution_id=gate.execution_id,
        plan_name=gate.plan_name,
        mode=gate.mode,
        wave_number=gate.wave_number,
        wave_name=gate.wave_name,
        since=gate.since,
        until=gate.until,
        link=gate.link,
        standing=gate.standing,
    )
