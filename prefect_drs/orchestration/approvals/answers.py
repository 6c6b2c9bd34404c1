"""Gates on the Prefect server: their flow runs, the pending ones, and the stored answers.

In: an execution and a wave. Out: `PendingGate`s and `GateAnswer`s. Works from any machine that reaches the Prefect API.
Opening a gate and waiting for its answer is in `prefect_drs.orchestration.approvals.gate`.

Must never: change a stored answer; accept an answer without a name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from logging import Logger
from typing import Any, Literal
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger
from prefect.logging.loggers import LoggingAdapter
from prefect.states import Cancelled, Completed

from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import ExecutionStateError, UsageError
from prefect_drs.core.polling import polled
from prefect_drs.orchestration.approvals.form import (
    RESPONSE_KEY,
    SignedApproval,
    approval_form,
    has_form,
    input_of,
    signed_form,
)
from prefect_drs.orchestration.approvals.gate_artifact import not_raising, show_answer
from prefect_drs.orchestration.approvals.standings import read_standing
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.paging import PAGE, entries
from prefect_drs.orchestration.ui_links import ui_link
from prefect_drs.recovery.ports import Decision, GateAnswer, GateRequest
from prefect_drs.report.gate_standing import GateStanding
from prefect_drs.report.situation import OpenGate

FLOW_NAME = "approve"
GATE_TAG = "prefect-drs:gate"
CHECKED_TAG = "prefect-drs:gate:signed"  # of a gate that demands proofs
# Labels of gates that are flow runs of a deployment (`suspended_gate`) and so have the deployment's parameters.
ROLE_LABEL = "prefect-drs.role"
EXECUTION_LABEL = "prefect-drs.execution"
# Prefix of the keys under which control requests are stored as inputs of an execution's flow run; a time follows. The
# text is that of 0.1.0, so that requests stored by it are still read.
CONTROL_REQUEST_KEY = "prefect-drs-wish-"
# The server's deadline is this much later than ours, so that the waiting process ends the run and not the server, and
# clock differences of some seconds do not matter.
GRACE = timedelta(seconds=30)
_FORM_SECONDS = 10.0  # the form is stored by the two requests after the one that pauses the run
_JUDGING_SECONDS = 15.0  # a process looks for answers every 10 s at most, and asks STS
_LABELS = {
    "execution_id": EXECUTION_LABEL,
    "plan_name": "prefect-drs.plan",
    "mode": "prefect-drs.mode",
    "wave_number": "prefect-drs.wave",
    "wave_name": "prefect-drs.wave-name",
}


@dataclass(frozen=True, slots=True)
class PendingGate:
    """A gate that waits for an answer.

    Args:
        execution_id: the execution that waits.
        plan_name: its plan.
        mode: `drill` or `recovery`.
        wave_number: the wave behind the gate.
        wave_name: its name.
        flow_run_id: the Paused child flow run.
        link: its page in the Prefect UI, which shows the form; None if no UI is known.
        until: when the gate times out (UTC).
        since: when it was opened (UTC).
        standing: of a gate that demands proofs: what, and how far it is; None of another.
    """

    execution_id: str
    plan_name: str
    mode: str
    wave_number: int
    wave_name: str
    flow_run_id: UUID
    link: str | None
    until: datetime | None
    since: datetime | None = None
    standing: GateStanding | None = None

    def __str__(self) -> str:
        return f"wave {self.wave_number} {self.wave_name!r} of execution {self.execution_id}"

    def as_open_gate(self) -> OpenGate:
        """The gate as a situation tells of it."""
        return OpenGate(self.wave_number, self.wave_name, self.since, self.until, self.link, self.standing)


def pending_gates(execution_id: str | None = None) -> tuple[PendingGate, ...]:
    """The gates that wait for an answer, sorted by execution and wave; of all executions by default.

    Raises:
        PrefectDrsError: the Prefect API cannot be reached.
    """
    with prefect_client() as client:
        runs = gate_runs(client, execution_id, states=(StateType.PAUSED,))
        gates = [_with_standing(client, run) for run in runs]
    return tuple(sorted(gates, key=lambda gate: (gate.execution_id, gate.wave_number)))


def _with_standing(client: SyncPrefectClient, run: FlowRun) -> PendingGate:
    gate = pending_gate(run)
    return replace(gate, standing=read_standing(client, run.id)) if CHECKED_TAG in run.tags else gate


def find_gate(execution_id: str, wave_number: int, clock: Clock | None = None) -> PendingGate:
    """The gate that waits for an answer before a wave; one whose last answer is being judged is waited for.

    Raises:
        ExecutionStateError: no such gate is pending; the message lists those that are.
        PrefectDrsError: the Prefect API cannot be reached.
    """

    def look() -> PendingGate | None:
        pending = pending_gates(execution_id)
        gate = next((g for g in pending if g.wave_number == wave_number), None)
        if gate is None and not _is_judging(execution_id, wave_number):
            raise ExecutionStateError(_not_pending(execution_id, wave_number, pending))
        return gate

    gate = polled(look, seconds=_JUDGING_SECONDS, clock=clock)
    if gate is None:
        raise ExecutionStateError(_not_pending(execution_id, wave_number, pending_gates(execution_id)))
    return gate


def _is_judging(execution_id: str, wave_number: int) -> bool:
    """Whether a gate that demands proofs has an answer that the execution has not judged yet."""
    with prefect_client() as client:
        runs = gate_runs(client, execution_id, wave_number)
    return any(
        CHECKED_TAG in run.tags and run.state is not None and (not run.state.is_final() or run.state.name == "Answered")
        for run in runs
    )


def answer_gate(
    execution_id: str,
    wave_number: int,
    decision: Decision,
    by: str,
    comment: str = "",
    *,
    token: str = "",
    break_glass: str = "",
    clock: Clock | None = None,
) -> PendingGate:
    """Answer a pending gate as the UI's Resume does, from any machine that reaches the Prefect API.

    Args:
        execution_id: the execution that waits.
        wave_number: the wave behind the gate.
        decision: APPROVED or REJECTED.
        by: who answers; must not be blank.
        comment: recorded in the report.
        token: the proof of identity, for a gate that demands one.
        break_glass: why such a gate is to be passed without what it demands.
        clock: time for the wait for a form that is not stored yet.

    Returns:
        The answered gate.

    Raises:
        ExecutionStateError: no such gate is pending (the message lists those that are), its form was never stored, or
            it was answered in the meantime.
        PrefectDrsError: the Prefect API cannot be reached.
    """
    if decision is Decision.TIMED_OUT:
        raise UsageError("a gate is answered with APPROVED or REJECTED; TIMED_OUT means that nobody answered")
    word: Literal["approve", "reject"] = "approve" if decision is Decision.APPROVED else "reject"
    approval = approval_form(word, by, comment)
    gate = find_gate(execution_id, wave_number, clock)
    if gate.standing is not None:
        approval = signed_form(word, by, comment, token=token, break_glass=break_glass)
    elif token or break_glass:
        raise UsageError(f"{gate} demands no proof: answer it without one")
    with prefect_client() as client:
        _await_form(client, gate, clock)
        _remove_unreadable_answer(client, gate)
        result = client.resume_flow_run(gate.flow_run_id, run_input=approval.model_dump())
        if result.status is not SetStateStatus.ACCEPT:
            earlier = recorded_answer(client, gate.flow_run_id)
            reason = getattr(result.details, "reason", None) or "it is no longer pending"
            if earlier is not None:
                reason = (
                    f"it was {earlier.decision.value.lower()} by {earlier.by} at {earlier.at:%Y-%m-%d %H:%M:%S} UTC"
                )
            raise ExecutionStateError(
                f"{gate} could not be answered: {reason}", execution_id=execution_id, wave_number=wave_number
            )
    return gate


def _await_form(client: SyncPrefectClient, gate: PendingGate, clock: Clock | None) -> None:
    """Wait for the form of a gate that was just Paused; UsageError if it is not stored in time."""
    if not polled(lambda: has_form(client, gate.flow_run_id) or None, seconds=_FORM_SECONDS, clock=clock, every=0.2):
        raise ExecutionStateError(
            f"{gate} has no form yet, so Prefect accepts no answer: the process that opened it has ended; "
            f"`prefect-drs resume {gate.execution_id}` opens it again",
            execution_id=gate.execution_id,
            wave_number=gate.wave_number,
        )


def _remove_unreadable_answer(client: SyncPrefectClient, gate: PendingGate) -> None:
    """Delete an unreadable input with the answer's key: keys are unique, so Prefect could not store an answer."""
    stored = input_of(client, gate.flow_run_id, RESPONSE_KEY)
    if stored is not None and recorded_answer(client, gate.flow_run_id) is None:
        client.delete_flow_run_input(gate.flow_run_id, RESPONSE_KEY)


def execution_tags(execution_id: str, wave_number: int | None = None) -> list[str]:
    """The tags of an execution's flow runs, or of those of one wave; used to find them in Prefect."""
    found = ["prefect-drs", f"prefect-drs:execution:{execution_id}"]
    return found if wave_number is None else [*found, f"prefect-drs:wave:{wave_number}"]


def gate_runs(
    client: SyncPrefectClient,
    execution_id: str | None,
    wave_number: int | None = None,
    states: tuple[StateType, ...] = (),
) -> list[FlowRun]:
    """The flow runs of an execution's gates (of one wave, in certain states), newest first."""
    wanted = [GATE_TAG] if execution_id is None else [GATE_TAG, *execution_tags(execution_id, wave_number)]
    run_filter = FlowRunFilter(tags=FlowRunFilterTags(all_=wanted))
    if states:
        run_filter.state = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))
    read = partial(client.read_flow_runs, flow_run_filter=run_filter, sort=FlowRunSort.START_TIME_DESC, limit=PAGE)
    return list(entries(lambda offset: read(offset=offset)))


def settle_leftovers(client: SyncPrefectClient, runs: list[FlowRun], now: datetime) -> FlowRun | None:
    """Cancel the unfinished runs of a dead process, except one that is Paused before its deadline; return that one."""
    open_run: FlowRun | None = None
    for run in runs:
        if run.state is None or run.state.is_final():
            continue
        until = deadline(run)
        if run.state.is_paused() and open_run is None and (until is None or now < until):
            open_run = run
        else:
            gate_log().info("Cancelling approval run %s, which an earlier attempt left %s", run.id, run.state.name)
            client.set_flow_run_state(run.id, Cancelled(message="Left unanswered by an earlier attempt"), force=True)
    return open_run


def earlier_answer(client: SyncPrefectClient, runs: list[FlowRun]) -> GateAnswer | None:
    """The answer that an earlier attempt of the execution received, if any."""
    for run in runs:
        if (answer := recorded_answer(client, run.id)) is not None:
            gate_log().info("%s was answered before: %s by %s", pending_gate(run), answer.decision, answer.by)
            return record_decision(client, run.id, answer)
    return None


def recorded_answer(client: SyncPrefectClient, run_id: UUID) -> GateAnswer | None:
    """The answer that the Prefect server stored for a gate's run. An unreadable one is logged and ignored."""
    stored = input_of(client, run_id, RESPONSE_KEY)
    if stored is None:
        return None
    try:
        approval = SignedApproval.load_from_flow_run_input(stored)
    except (ValueError, TypeError) as error:  # not JSON, not an object, or not the form's fields
        gate_log().warning(
            "The input %r of flow run %s is not an answer of the approval form and is ignored (%s)",
            RESPONSE_KEY,
            run_id,
            type(error).__name__,
        )
        return None
    decision = Decision.APPROVED if approval.decision == "approve" else Decision.REJECTED
    return GateAnswer(
        decision,
        by=approval.by.strip(),
        at=stored.created or datetime.now(UTC),
        comment=approval.comment,
        token=approval.token.strip(),
        break_glass=approval.break_glass,
        answer_id=str(stored.id),
    )


def record_decision(
    client: SyncPrefectClient, run_id: UUID, answer: GateAnswer, *, checked: bool = False
) -> GateAnswer:
    """Set the gate's run to its final state.

    A stored answer takes precedence over `answer`, unless that was checked: it is the one that passed.
    """
    decided = answer if checked else recorded_answer(client, run_id) or answer
    run = client.read_flow_run(run_id)
    final, current = final_state(decided), run.state
    if current is None or (current.type, current.name, current.message) != (final.type, final.name, final.message):
        client.set_flow_run_state(run_id, final, force=True)
    with not_raising():
        gate = pending_gate(run)
        show_answer(run_id, gate.plan_name, gate.wave_number, gate.wave_name, final.message or str(final.name))
    return decided


def final_state(answer: GateAnswer) -> State[Any]:
    """The final state of a gate's run, readable in the UI's list of runs."""
    comment = f": {answer.comment}" if answer.comment else ""
    if answer.decision is Decision.APPROVED:
        return Completed(name="Approved", message=f"Approved by {answer.by}{comment}")
    if answer.decision is Decision.TIMED_OUT:
        return Cancelled(name="TimedOut", message=f"Timed out{comment}")
    if not answer.by:
        return Cancelled(message=f"Not approved{comment}")
    return Cancelled(name="Rejected", message=f"Rejected by {answer.by}{comment}")


def pending_gate(run: FlowRun) -> PendingGate:
    """The gate of a flow run."""
    labels = run.labels
    values = {field: labels[label] for field, label in _LABELS.items()} if is_of_deployment(run) else run.parameters
    return PendingGate(
        execution_id=str(values["execution_id"]),
        plan_name=str(values["plan_name"]),
        mode=str(values["mode"]),
        wave_number=int(values["wave_number"]),
        wave_name=str(values["wave_name"]),
        flow_run_id=run.id,
        link=ui_link(run.id),
        until=deadline(run),
        since=None if run.state is None else run.state.timestamp,
    )


def gate_labels(request: GateRequest) -> dict[str, Any]:
    """The labels that describe a gate whose flow run has a deployment's parameters."""
    return {label: getattr(request, field) for field, label in _LABELS.items()}


def is_of_deployment(run: FlowRun) -> bool:
    """Whether a gate's flow run belongs to a deployment, so that it waits without a process."""
    return ROLE_LABEL in run.labels


def deadline(run: FlowRun) -> datetime | None:
    """The deadline of a Paused run (UTC); the server's own deadline is `GRACE` later."""
    timeout = None if run.state is None else run.state.state_details.pause_timeout
    return None if timeout is None else timeout - GRACE


def gate_log() -> Logger | LoggingAdapter:
    """The logger of the enclosing run, shown in the UI; outside any run, a plain logger."""
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("prefect_drs.orchestration.approvals.gate")


def _not_pending(execution_id: str, wave_number: int, pending: tuple[PendingGate, ...]) -> str:
    if pending:
        named = ", ".join(f"wave {gate.wave_number} {gate.wave_name!r}" for gate in pending)
        return f"wave {wave_number} of execution {execution_id} does not wait for an answer; pending there: {named}"
    elsewhere = ", ".join(map(str, pending_gates()))
    others = f"pending elsewhere: {elsewhere}" if elsewhere else "no other gate is pending"
    return f"no gate of execution {execution_id} waits for an answer; {others}"
