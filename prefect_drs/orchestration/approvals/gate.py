"""Gates under Prefect: an approval before a wave, as a child flow run that is Paused with a form.

In: a `GateRequest`, from a wave's task. Out: a `GateAnswer`. Each gate is its own flow run, named `approve <wave
name>`, because a flow run can have one pause at a time (`HandlePausingFlows` in Prefect's orchestration policy). So
several gates can wait at the same time, and each releases its own wave only.

This module does through Prefect's client what `prefect.pause_flow_run(wait_for_input=Approval)` does: it sets the run
to Paused, stores the form, and polls the run until somebody resumes it, in the UI, with `prefect-drs approve` or by the
REST API. The order matters: from 3.9 on, entering Paused deletes the inputs of the pause's keyset
(`HandlePausingFlows.after_transition`). If a process dies in between, the Paused run has no form; the next attempt
stores it. The function cannot be used, because it cannot wait for a form that a dead process left open, does not notice
a cancelled run, and leaves an unanswered run in Paused (PrefectHQ/prefect#11414).

The answer is the *input* that the Prefect server stores in the transaction that resumes the run. It outlives the
process: an execution that is retried or resumed finds it and does not ask again. This includes rejections; a time-out
or a cancelled approval run is not an answer, so a resumed execution asks again.

Must never: start a wave without a stored approval; open a second form for a wave while one is open; put a secret into
the form.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from prefect import flow, tags
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import SetStateStatus
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import PrefectHTTPStatusError
from prefect.runtime import flow_run
from prefect.states import Paused

from prefect_drs.core.clock import Clock, WallClock
from prefect_drs.core.errors import PrefectDrsError, UsageError
from prefect_drs.orchestration.approvals.answers import (
    CHECKED_TAG,
    FLOW_NAME,
    GATE_TAG,
    GRACE,
    PendingGate,
    answer_gate,
    deadline,
    earlier_answer,
    execution_tags,
    final_state,
    gate_log,
    gate_runs,
    pending_gate,
    pending_gates,
    record_decision,
    recorded_answer,
    settle_leftovers,
)
from prefect_drs.orchestration.approvals.checked_gates import (
    considered,
    former_answer,
    is_under_way,
    left_until,
    reopen,
)
from prefect_drs.orchestration.approvals.form import (
    KEYSET,
    PAUSE_KEY,
    RESPONSE_KEY,
    Approval,
    approval_form,
    has_form,
    store_form,
)
from prefect_drs.orchestration.approvals.gate_artifact import form_text, prompt, show_gate, show_lost
from prefect_drs.orchestration.approvals.standings import publish_standing
from prefect_drs.orchestration.client import OutageLog, prefect_client
from prefect_drs.recovery.ports import Decision, GateAnswer, GateRequest

__all__ = [
    "Approval",
    "AutomaticGate",
    "PendingGate",
    "PrefectGate",
    "answer_gate",
    "execution_tags",
    "pending_gates",
]

_FASTEST_POLL_SECONDS = 0.5
_SLOWEST_POLL_SECONDS = 10.0


class PrefectGate:
    """Asks a person through a Paused child flow run, and waits. Implements `prefect_drs.recovery.ports.Gate`.

    Args:
        clock: time for deadlines and polling.
        on_waiting: called once for each gate whose form is open, with the link to click.
    """

    _suspends = False  # whether the answer needs no process

    def __init__(self, *, clock: Clock | None = None, on_waiting: Callable[[PendingGate], None] | None = None) -> None:
        self._clock = clock or WallClock()
        self._on_waiting = on_waiting

    def ask(self, request: GateRequest) -> GateAnswer:
        """Block until the gate is answered, cancelled or timed out. Call it inside a Prefect task or outside any run.

        A stored answer of an earlier attempt is returned immediately; if its form is still open, wait for that one.

        Raises:
            PrefectDrsError: the gate could not be opened, or Prefect was still unreachable after the deadline.
        """
        parent = _enclosing_flow_run()
        with prefect_client() as client:
            former = gate_runs(client, request.execution_id, request.wave_number)
            open_run = settle_leftovers(client, former, self._clock.now())
            if request.check is not None:
                judged, passing = former_answer(client, former, request)
                if judged is not None and passing is not None:
                    return record_decision(client, judged.id, passing, checked=True)
                until = left_until(self._clock.now(), request)
                if judged is not None and open_run is None and until is not None:
                    reopen(client, judged, request, until)
                    open_run = judged
            elif (earlier := earlier_answer(client, former)) is not None:
                return earlier
            if open_run is not None:
                ensure_form(client, open_run.id, request)
                answer = self._wait(client, open_run.id, parent, request)
                return record_decision(client, open_run.id, answer, checked=request.check is not None)

        if request.timeout <= timedelta():
            return nobody_answered(self._clock.now())
        return self._open_and_wait(request, parent)

    def _open_and_wait(self, request: GateRequest, parent: UUID | None) -> GateAnswer:
        """Open a new form and wait for its answer."""

        def answer(client: SyncPrefectClient, run_id: UUID) -> GateAnswer:
            until = self._clock.now() + request.timeout
            pause: State[Any] = Paused(
                message=prompt(request), pause_expiration_time=until + GRACE, pause_key=PAUSE_KEY
            )
            open_form(client, run_id, request, pause)
            return self._wait(client, run_id, parent, request)

        return _run_child(answer, request)

    def _still_waiting(self, pending: PendingGate) -> None:
        """Called after each poll without an answer; a subclass raises to stop waiting."""

    def _wait(self, client: SyncPrefectClient, run_id: UUID, parent: UUID | None, request: GateRequest) -> GateAnswer:
        """Poll the Paused run until it is answered, cancelled, or its deadline has passed."""
        run = client.read_flow_run(run_id)
        pending = pending_gate(run)
        publish_standing(client, run_id, request)
        gate_log().info("Waiting for approval of %s: %s", pending, pending.link or f"flow run {run_id}")
        if self._on_waiting is not None:
            self._on_waiting(pending)
        show_gate(run_id, request, suspended=self._suspends)
        started = self._clock.now()
        outage = OutageLog(f"answers about {pending}", gate_log().warning)
        while True:
            try:
                if (answer := self._answer_so_far(client, run, parent, request, pending)) is not None:
                    return answer
                outage.answered()
                self._still_waiting(pending)
            except (httpx.TransportError, PrefectHTTPStatusError) as error:
                refused = isinstance(error, PrefectHTTPStatusError) and error.response.status_code < 500
                # Prefect's server may restart while a gate is open; this is an error only after the deadline.
                if refused or (pending.until is not None and self._clock.now() > pending.until + GRACE):
                    raise
                outage.failed(error)
            waited = (self._clock.now() - started).total_seconds()
            try:
                self._clock.wait(min(_SLOWEST_POLL_SECONDS, max(_FASTEST_POLL_SECONDS, waited / 30)))
            except PrefectDrsError:  # this process was told to stop
                if not self._suspends:
                    show_lost(run_id, request)
                raise

    def _answer_so_far(
        self,
        client: SyncPrefectClient,
        run: FlowRun,
        parent: UUID | None,
        request: GateRequest,
        pending: PendingGate,
    ) -> GateAnswer | None:
        """The answer that passes, rejects or ends the gate; one that does not count opens it again."""
        until = pending.until or self._clock.now() + request.timeout
        if request.check is not None and is_under_way(client, run):
            reopen(client, run, request, until)  # its own process judges nothing, and may have found nothing to judge
            return None
        answer = _answer_so_far(client, run.id, parent, self._clock.now(), checked=request.check is not None)
        if answer is None:
            return None
        if (passing := considered(client, run.id, request, answer)) is None:
            reopen(client, run, request, until)
        return passing


class AutomaticGate:
    """Approves in advance, with the same kind of flow run and stored answer as an approval by a person.

    Args:
        by: who approved in advance; must not be blank.
        comment: why.
    """

    def __init__(self, *, by: str, comment: str = "approved in advance") -> None:
        self._approval = approval_form("approve", by, comment)

    def ask(self, request: GateRequest) -> GateAnswer:
        """Return the answer of an earlier attempt, including a rejection; otherwise record an approval.

        Raises:
            PrefectDrsError: the approval could not be recorded.
        """
        _enclosing_flow_run()
        if request.check is not None:
            raise UsageError(
                f"wave {request.wave_number} demands {request.check.standing().demands}: it cannot be approved in "
                "advance; start without --yes (approveGates, approved_by), and approve it at its gate"
            )
        with prefect_client() as client:
            former = gate_runs(client, request.execution_id, request.wave_number)
            open_run = settle_leftovers(client, former, datetime.now(UTC))
            if (earlier := earlier_answer(client, former)) is not None:
                return earlier
            if open_run is not None:
                ensure_form(client, open_run.id, request)
                client.resume_flow_run(open_run.id, run_input=self._approval.model_dump())
                return record_decision(client, open_run.id, _not_stored())

        def answer(client: SyncPrefectClient, run_id: UUID) -> GateAnswer:
            client.create_flow_run_input(run_id, RESPONSE_KEY, self._approval.model_dump_json())
            return recorded_answer(client, run_id) or _not_stored()

        return _run_child(answer, request)


def _run_child(answer: Callable[[SyncPrefectClient, UUID], GateAnswer], request: GateRequest) -> GateAnswer:
    """Run the gate's child flow run to its end."""
    answers: list[GateAnswer] = []

    def approve(execution_id: str, plan_name: str, mode: str, wave_number: int, wave_name: str) -> State[Any]:
        with prefect_client() as client:
            answers.append(answer(client, UUID(str(flow_run.id))))
        return final_state(answers[-1])

    child = flow(
        name=FLOW_NAME,
        description="Asks a person before a wave of a recovery plan starts.",
        flow_run_name=lambda: f"approve {request.wave_name}",
        retries=0,
        persist_result=False,
        validate_parameters=False,
    )(approve)
    parameters = {
        name: getattr(request, name) for name in ("execution_id", "plan_name", "mode", "wave_number", "wave_name")
    }
    with tags(*gate_tags(request)):
        state = child(**parameters, return_state=True)
    run_id = state.state_details.flow_run_id
    if run_id is None or not answers:
        raise PrefectDrsError(
            f"the gate before wave {request.wave_number} {request.wave_name!r} of execution {request.execution_id} "
            f"could not be opened: {state.message}; the wave was not started. Resume the execution to open it again"
        )
    with prefect_client() as client:
        return record_decision(client, run_id, answers[-1], checked=request.check is not None)


def gate_tags(request: GateRequest) -> list[str]:
    """The tags of a gate's flow run."""
    checked = [CHECKED_TAG] if request.check is not None else []
    return [GATE_TAG, *checked, *execution_tags(request.execution_id, request.wave_number)]


def open_form(
    client: SyncPrefectClient, run_id: UUID, request: GateRequest, pause: State[Any], *, force: bool = False
) -> None:
    """Set the run to `pause`, then store the form: the order of `pause_flow_run`, and the only one possible with 3.9.

    The server refuses an answer between the two requests ("Run input schema not found");
    `prefect_drs.orchestration.approvals.answers.answer_gate` waits for the form.

    Raises:
        PrefectDrsError: Prefect refused.
    """
    pause.state_details.run_input_keyset = dict(KEYSET)
    result = client.set_flow_run_state(run_id, pause, force=force)
    if result.status is not SetStateStatus.ACCEPT:
        raise PrefectDrsError(f"Prefect refused to pause: {getattr(result.details, 'reason', result.status)}")
    store_form(client, run_id, form_text(request), signed=request.check is not None)


def ensure_form(client: SyncPrefectClient, run_id: UUID, request: GateRequest) -> None:
    """Store the form of a Paused run whose process died between pausing it and storing the form."""
    if not has_form(client, run_id):
        gate_log().warning("Approval run %s has no form; storing it", run_id)
        store_form(client, run_id, form_text(request), signed=request.check is not None)


def _answer_so_far(
    client: SyncPrefectClient, run_id: UUID, parent: UUID | None, now: datetime, *, checked: bool
) -> GateAnswer | None:
    """The answer of a gate's run at this time; None while it is pending. `checked`: only answers with proofs count."""
    run = client.read_flow_run(run_id)
    if run.state is None or not run.state.is_paused():
        return recorded_answer(client, run_id) or (_resumed(run) if checked else None) or _unanswered(run.state)
    if parent is not None:
        state = client.read_flow_run(parent).state
        if state is not None and (state.is_cancelling() or state.is_cancelled()):
            return GateAnswer(Decision.REJECTED, by="", at=state.timestamp, comment="the execution was cancelled")
    until = deadline(run)
    if until is not None and now >= until:
        return nobody_answered(now)
    return None


def nobody_answered(at: datetime) -> GateAnswer:
    """The answer of a gate whose deadline has passed."""
    return GateAnswer(Decision.TIMED_OUT, by="", at=at, comment="nobody answered in time")


def _unanswered(state: State[Any] | None) -> GateAnswer:
    """The answer of a run that left Paused without a stored answer: never an approval."""
    at = datetime.now(UTC) if state is None else state.timestamp
    if state is not None and state.is_failed():  # Prefect's FailExpiredPauses service was faster
        return nobody_answered(at)
    what = "was cancelled" if state is not None and (state.is_cancelled() or state.is_cancelling()) else "was resumed"
    return GateAnswer(
        Decision.REJECTED, by="", at=at, comment=f"the approval's flow run {what} in Prefect without an answer"
    )


def _resumed(run: FlowRun) -> GateAnswer | None:
    """An approval without a name or a proof, for a gate whose run was set going in Prefect: it will not count."""
    state = run.state
    if state is None or state.is_cancelled() or state.is_cancelling() or state.is_failed():
        return None
    return GateAnswer(
        Decision.APPROVED, by="somebody who resumed the flow run", at=state.timestamp, answer_id=f"{run.id}/{state.id}"
    )


def _not_stored() -> GateAnswer:
    return GateAnswer(Decision.REJECTED, by="", at=datetime.now(UTC), comment="Prefect did not store the approval")


def _enclosing_flow_run() -> UUID | None:
    """The flow run of the calling task; None outside any flow run.

    Raises:
        UsageError: called in a flow's own body, where Prefect identifies the child runs of a retried run by their order
            only, so that one wave could get another wave's approval.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None
    if TaskRunContext.get() is None:
        raise UsageError("a gate must be opened inside a Prefect task (one per wave), not in the flow's own body")
    return context.flow_run.id
