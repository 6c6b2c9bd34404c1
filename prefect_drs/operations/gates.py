"""The operations on gates: which wait for an answer, and the answers.

In: an execution and a wave, by its number or name. Out: the gates that wait; the gate that was answered. Prefect stores
the first answer; a later one is refused.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AliasChoices, Field

from prefect_drs.core.models import FrozenModel
from prefect_drs.operations import control
from prefect_drs.operations.context import Context
from prefect_drs.operations.executions import ExecutionReference
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.orchestration.approvals.answers import PendingGate, pending_gates
from prefect_drs.orchestration.client import require_configured
from prefect_drs.orchestration.executions.names import named_execution
from prefect_drs.recovery.ports import Decision


class ListGates(FrozenModel):
    """An execution; without one, all of them."""

    execution_id: Annotated[str | None, Field(min_length=1)] = None


class GateView(FrozenModel):
    """A gate that waits for an answer, or waited for one.

    `until`: when it times out; `link`: its page in the Prefect UI, which shows the form.
    """

    execution_id: str
    plan_name: str
    mode: str
    wave_number: int
    wave_name: str
    since: datetime | None
    until: datetime | None
    link: str | None


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


class AnsweredAnswer(FrozenModel):
    """A gate that was answered.

    `lost`: what to do where no process carries the execution; null where one does.
    """

    decision: str
    by: str
    gate: GateView
    lost: str | None


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
def approve_gate(context: Context, request: AnswerGate) -> AnsweredAnswer:
    """Approve a wave that waits at its gate.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        ExecutionStateError: no such gate waits, or it was answered; says what to do where no process carries it.
    """
    return _answer(context, request, Decision.APPROVED)


@operation(kind=OperationKind.EXECUTION, permission="start_recovery")
def reject_gate(context: Context, request: AnswerGate) -> AnsweredAnswer:
    """Reject a wave that waits at its gate: it and every wave that depends on it are cancelled.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        ExecutionStateError: no such gate waits, or it was answered; says what to do where no process carries it.
    """
    return _answer(context, request, Decision.REJECTED)


def _answer(context: Context, request: AnswerGate, decision: Decision) -> AnsweredAnswer:
    require_configured()
    by = request.by or context.caller
    answered = control.answer(request.execution_id, str(request.wave), decision, by=by, comment=request.comment)
    return AnsweredAnswer(decision=decision.value, by=by, gate=_gate(answered.gate), lost=answered.lost)


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
    )
