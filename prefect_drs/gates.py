"""Gates under Prefect: an approval before a wave, asked as a child flow run that sits in Paused with a form.

In comes a `GateRequest` (from inside a wave's task), out goes a `GateAnswer`. Each gate is a flow run of its own, named
`approve <wave name>`, because one flow run can hold one pause at a time (`HandlePausingFlows` in Prefect's
orchestration policy): so gates that are ready together wait side by side and each releases its own wave only.

What `prefect.pause_flow_run(wait_for_input=Approval)` does is done here through Prefect's client: the form is stored,
the run is set to Paused and watched until somebody resumes it, in the UI, with `prefect-drs approve` or by the REST
API. The function itself would not do, for it cannot wait on the form that a dead process left open, does not see that
a run was cancelled, and leaves a run that nobody answered in Paused (PrefectHQ/prefect#11414).

The answer that counts is the *input* which the Prefect server stores in the same transaction as it resumes the run. It
outlives every process here: an execution that is retried or resumed finds it and does not ask again. A rejection stays
too; a time-out or a cancelled approval run was no answer, so a resumed execution asks anew.

Must never: let a wave through without a stored approval; open a second form for a wave while one is open; put a
secret into the form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from logging import Logger
from typing import Any, Literal
from uuid import UUID

import httpx
from prefect import flow, get_client, tags
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import MissingContextError, PrefectHTTPStatusError
from prefect.input import RunInput, keyset_from_paused_state
from prefect.logging import get_logger, get_run_logger
from prefect.logging.loggers import LoggingAdapter
from prefect.runtime import flow_run
from prefect.settings import get_current_settings
from prefect.states import Cancelled, Completed, Paused
from prefect.utilities.urls import url_for
from pydantic import Field

from prefect_drs.clock import Clock, WallClock
from prefect_drs.errors import PrefectDrsError, UsageError
from prefect_drs.recovery.ports import Decision, GateAnswer, GateRequest

FLOW_NAME = "approve"

_PAUSE_KEY = "approval"
_RESPONSE_KEY = "paused-approval-response"
_PAGE = 200  # flow runs; the most that the API gives at once
# The server's own deadline lies this much later than ours: so that the waiting process settles the run, not the server,
# and clocks that differ by seconds do not matter.
_GRACE = timedelta(seconds=30)
_FASTEST_POLL_SECONDS = 0.5
_SLOWEST_POLL_SECONDS = 10.0


class Approval(RunInput):
    """The form that the Prefect UI shows when a person resumes a gate's flow run."""

    decision: Literal["approve", "reject"] = Field(
        title="Decision",
        # Prefect 3.8.8's drop-downs close again on a mouse click: both the button and its frame toggle the list.
        description="Approve starts this wave; reject cancels it and all that depend on it. "
        "If the list does not open, press ↓ (the Down key).",
    )
    by: str = Field(title="By", min_length=1, pattern=r"\S", description="Your name. It goes into the recovery report.")
    comment: str = Field(default="", title="Comment", description="Goes into the recovery report. May stay empty.")


@dataclass(frozen=True, slots=True)
class PendingGate:
    """A gate that waits for an answer.

    Args:
        execution_id: the execution that waits.
        plan_name: its plan.
        mode: `drill` or `recovery`.
        wave_number: the wave behind the gate.
        wave_name: its name.
        flow_run_id: the child flow run that is Paused.
        link: its page in the Prefect UI, where the form is; None where no UI is known.
        until: when the gate times out (UTC).
    """

    execution_id: str
    plan_name: str
    mode: str
    wave_number: int
    wave_name: str
    flow_run_id: UUID
    link: str | None
    until: datetime | None

    def __str__(self) -> str:
        return f"wave {self.wave_number} {self.wave_name!r} of execution {self.execution_id}"


class PrefectGate:
    """Asks a person through a Paused child flow run, and waits. Implements `prefect_drs.recovery.ports.Gate`.

    Args:
        clock: time for deadlines and polling.
        on_waiting: called once for each gate whose form is open, with the link to click.
    """

    def __init__(self, *, clock: Clock | None = None, on_waiting: Callable[[PendingGate], None] | None = None) -> None:
        self._clock = clock or WallClock()
        self._on_waiting = on_waiting

    def ask(self, request: GateRequest) -> GateAnswer:
        """Block until the gate is answered, cancelled or timed out. Call it inside a Prefect task or outside any run.

        A stored answer of an earlier attempt is returned at once; a form that is still open is waited for.

        Raises:
            PrefectDrsError: the gate could not be opened, or Prefect could not be reached past the deadline.
        """
        parent = _enclosing_flow_run()
        with _client() as client:
            former = _gate_runs(client, request.execution_id, request.wave_number)
            open_run = _settle_leftovers(client, former, self._clock.now())
            if (earlier := _earlier_answer(client, former)) is not None:
                return earlier
            if open_run is not None:
                return _conclude(client, open_run.id, self._wait(client, open_run.id, parent))

        def answer(client: SyncPrefectClient, run_id: UUID) -> GateAnswer:
            _open_form(client, run_id, request, until=self._clock.now() + request.timeout)
            return self._wait(client, run_id, parent)

        return _run_child(answer, request)

    def _wait(self, client: SyncPrefectClient, run_id: UUID, parent: UUID | None) -> GateAnswer:
        """Watch the Paused run until it is answered, cancelled, or its time is over."""
        run = client.read_flow_run(run_id)
        pending = _pending(run)
        _log().info("Waiting for approval of %s: %s", pending, pending.link or f"flow run {run_id}")
        if self._on_waiting is not None:
            self._on_waiting(pending)
        started = self._clock.now()
        while True:
            try:
                if (answer := _answer_so_far(client, run_id, parent, self._clock.now())) is not None:
                    return answer
            except (httpx.TransportError, PrefectHTTPStatusError) as error:
                refused = isinstance(error, PrefectHTTPStatusError) and error.response.status_code < 500
                # Prefect's server may restart while a person thinks; only past the deadline is that an error.
                if refused or (pending.until is not None and self._clock.now() > pending.until + _GRACE):
                    raise
                _log().warning("Prefect could not be asked about %s, trying again: %s", pending, error)
            waited = (self._clock.now() - started).total_seconds()
            self._clock.wait(min(_SLOWEST_POLL_SECONDS, max(_FASTEST_POLL_SECONDS, waited / 30)))


class AutomaticGate:
    """Approves in advance, leaving the same kind of flow run and stored answer as a person would.

    Args:
        by: who approved in advance; must not be blank.
        comment: why.
    """

    def __init__(self, *, by: str, comment: str = "approved in advance") -> None:
        self._approval = _approval("approve", by, comment)

    def ask(self, request: GateRequest) -> GateAnswer:
        """Return the earlier answer where there is one, a rejection included; else record an approval.

        Raises:
            PrefectDrsError: the approval could not be recorded.
        """
        _enclosing_flow_run()
        with _client() as client:
            former = _gate_runs(client, request.execution_id, request.wave_number)
            open_run = _settle_leftovers(client, former, datetime.now(UTC))
            if (earlier := _earlier_answer(client, former)) is not None:
                return earlier
            if open_run is not None:
                client.resume_flow_run(open_run.id, run_input=self._approval.model_dump())
                return _conclude(client, open_run.id, _not_stored())

        def answer(client: SyncPrefectClient, run_id: UUID) -> GateAnswer:
            client.create_flow_run_input(run_id, _RESPONSE_KEY, self._approval.model_dump_json())
            return _recorded_answer(client, run_id) or _not_stored()

        return _run_child(answer, request)


def pending_gates(execution_id: str | None = None) -> tuple[PendingGate, ...]:
    """The gates that wait for an answer, by execution and wave; of every execution where none is named.

    Raises:
        PrefectDrsError: the Prefect API cannot be reached.
    """
    with _client() as client:
        runs = _gate_runs(client, execution_id, states=(StateType.PAUSED,))
    return tuple(sorted(map(_pending, runs), key=lambda gate: (gate.execution_id, gate.wave_number)))


def answer_gate(execution_id: str, wave_number: int, decision: Decision, by: str, comment: str = "") -> PendingGate:
    """Answer an open gate as the UI's Resume does, from any machine that reaches the Prefect API.

    Args:
        execution_id: the execution that waits.
        wave_number: the wave behind the gate.
        decision: APPROVED or REJECTED.
        by: who answers; must not be blank.
        comment: goes into the report.

    Returns:
        The gate that was answered.

    Raises:
        UsageError: no such gate waits (says which do), or somebody else was faster.
        PrefectDrsError: the Prefect API cannot be reached.
    """
    if decision is Decision.TIMED_OUT:
        raise UsageError("a gate is answered with APPROVED or REJECTED; TIMED_OUT is what happens without an answer")
    approval = _approval("approve" if decision is Decision.APPROVED else "reject", by, comment)
    waiting = pending_gates(execution_id)
    gate = next((g for g in waiting if g.wave_number == wave_number), None)
    if gate is None:
        raise UsageError(_nothing_waits(execution_id, wave_number, waiting))
    with _client() as client:
        result = client.resume_flow_run(gate.flow_run_id, run_input=approval.model_dump())
        if result.status is not SetStateStatus.ACCEPT:
            earlier = _recorded_answer(client, gate.flow_run_id)
            reason = getattr(result.details, "reason", None) or "it waits no longer"
            if earlier is not None:
                reason = (
                    f"it was {earlier.decision.value.lower()} by {earlier.by} at {earlier.at:%Y-%m-%d %H:%M:%S} UTC"
                )
            raise UsageError(
                f"{gate} could not be answered: {reason}", execution_id=execution_id, wave_number=wave_number
            )
    return gate


def ui_link(flow_run_id: UUID | str) -> str | None:
    """The page of a flow run in the Prefect UI (PREFECT_UI_URL, else derived from the API's URL); None if unknown."""
    return url_for("flow-run", obj_id=str(flow_run_id))


def execution_tags(execution_id: str, wave_number: int | None = None) -> list[str]:
    """The tags by which the flow runs of an execution, or of one of its waves, are found in Prefect."""
    found = ["prefect-drs", f"prefect-drs:execution:{execution_id}"]
    return found if wave_number is None else [*found, f"prefect-drs:wave:{wave_number}"]


# --- asking -------------------------------------------------------------------------------------------------------


def _run_child(answer: Callable[[SyncPrefectClient, UUID], GateAnswer], request: GateRequest) -> GateAnswer:
    """Run the gate's child flow run to its end."""
    answers: list[GateAnswer] = []

    def approve(execution_id: str, plan_name: str, mode: str, wave_number: int, wave_name: str) -> State[Any]:
        with _client() as client:
            answers.append(answer(client, UUID(str(flow_run.id))))
        return _final_state(answers[-1])

    child = flow(
        name=FLOW_NAME,
        description="Asks a person before a wave of a recovery plan starts.",
        flow_run_name=lambda: f"approve {request.wave_name}",
        retries=0,
        persist_result=False,
        validate_parameters=False,
    )(approve)
    parameters = {k: v for k, v in asdict(request).items() if k not in {"summary", "timeout"}}
    with tags(*execution_tags(request.execution_id, request.wave_number)):
        state = child(**parameters, return_state=True)
    run_id = state.state_details.flow_run_id
    if run_id is None or not answers:
        raise PrefectDrsError(
            f"the gate before wave {request.wave_number} {request.wave_name!r} of execution {request.execution_id} "
            f"could not be asked: {state.message}; nothing of the wave was started, resume the execution to ask again"
        )
    with _client() as client:
        return _conclude(client, run_id, answers[-1])


def _open_form(client: SyncPrefectClient, run_id: UUID, request: GateRequest, until: datetime) -> None:
    """Store the form, then pause: whoever sees the run Paused can answer it."""
    pause: State[Any] = Paused(pause_expiration_time=until + _GRACE, pause_key=_PAUSE_KEY)
    keyset = keyset_from_paused_state(pause)
    pause.state_details.run_input_keyset = {str(k): v for k, v in keyset.items()}
    Approval.with_initial_data(description=request.summary).save(keyset, flow_run_id=run_id)
    result = client.set_flow_run_state(run_id, pause)
    if result.status is not SetStateStatus.ACCEPT:
        raise PrefectDrsError(f"Prefect refused to pause: {getattr(result.details, 'reason', result.status)}")


def _answer_so_far(client: SyncPrefectClient, run_id: UUID, parent: UUID | None, now: datetime) -> GateAnswer | None:
    """What has become of a Paused run by now; None while it waits on."""
    run = client.read_flow_run(run_id)
    if run.state is None or not run.state.is_paused():
        return _recorded_answer(client, run_id) or _unanswered(run.state)
    if parent is not None:
        above = client.read_flow_run(parent).state
        if above is not None and (above.is_cancelling() or above.is_cancelled()):
            return GateAnswer(Decision.REJECTED, by="", at=above.timestamp, comment="the execution was cancelled")
    until = _deadline(run)
    if until is not None and now >= until:
        return GateAnswer(Decision.TIMED_OUT, by="", at=now, comment="nobody answered in time")
    return None


def _unanswered(state: State[Any] | None) -> GateAnswer:
    """A run that left Paused without a stored answer: never an approval."""
    at = datetime.now(UTC) if state is None else state.timestamp
    if state is not None and state.is_failed():  # Prefect's FailExpiredPauses service was faster
        return GateAnswer(Decision.TIMED_OUT, by="", at=at, comment="nobody answered in time")
    what = "was cancelled" if state is not None and (state.is_cancelled() or state.is_cancelling()) else "went on"
    return GateAnswer(
        Decision.REJECTED, by="", at=at, comment=f"the approval's flow run {what} in Prefect without an answer"
    )


def _not_stored() -> GateAnswer:
    return GateAnswer(Decision.REJECTED, by="", at=datetime.now(UTC), comment="Prefect did not store the approval")


def _conclude(client: SyncPrefectClient, run_id: UUID, answer: GateAnswer) -> GateAnswer:
    """Let a stored answer count, should one have come at the last moment, and leave the run in its final state."""
    concluded = _recorded_answer(client, run_id) or answer
    final, now = _final_state(concluded), client.read_flow_run(run_id).state
    if now is None or (now.type, now.name, now.message) != (final.type, final.name, final.message):
        client.set_flow_run_state(run_id, final, force=True)
    return concluded


def _final_state(answer: GateAnswer) -> State[Any]:
    """The state in which a gate's run ends, readable in the UI's list of runs."""
    said = f": {answer.comment}" if answer.comment else ""
    if answer.decision is Decision.APPROVED:
        return Completed(name="Approved", message=f"Approved by {answer.by}{said}")
    if answer.decision is Decision.TIMED_OUT:
        return Cancelled(name="TimedOut", message=f"Timed out{said}")
    if not answer.by:
        return Cancelled(message=f"Not approved{said}")
    return Cancelled(name="Rejected", message=f"Rejected by {answer.by}{said}")


# --- what Prefect knows ---------------------------------------------------------------------------------------------


def _gate_runs(
    client: SyncPrefectClient,
    execution_id: str | None,
    wave_number: int | None = None,
    states: tuple[StateType, ...] = (),
) -> list[FlowRun]:
    """The gates' flow runs of an execution (of one wave, in certain states), the newest first."""
    wanted = ["prefect-drs"] if execution_id is None else execution_tags(execution_id, wave_number)
    run_filter = FlowRunFilter(tags=FlowRunFilterTags(all_=wanted))
    if states:
        run_filter.state = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))
    runs: list[FlowRun] = []
    while len(page := _page_of_runs(client, run_filter, offset=len(runs))) == _PAGE:
        runs += page
    return runs + page


def _page_of_runs(client: SyncPrefectClient, run_filter: FlowRunFilter, offset: int) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW_NAME])),
        flow_run_filter=run_filter,
        sort=FlowRunSort.START_TIME_DESC,
        limit=_PAGE,
        offset=offset,
    )


def _settle_leftovers(client: SyncPrefectClient, runs: list[FlowRun], now: datetime) -> FlowRun | None:
    """Of the runs that a dead process left unfinished keep the one whose form is open, and end the others."""
    open_run: FlowRun | None = None
    for run in runs:
        if run.state is None or run.state.is_final():
            continue
        until = _deadline(run)
        if run.state.is_paused() and open_run is None and (until is None or now < until):
            open_run = run
        else:
            _log().info("Ending the approval run %s, which an earlier attempt left %s", run.id, run.state.name)
            client.set_flow_run_state(
                run.id, Cancelled(message="Left behind unanswered by an earlier attempt"), force=True
            )
    return open_run


def _earlier_answer(client: SyncPrefectClient, runs: list[FlowRun]) -> GateAnswer | None:
    """The answer that an earlier attempt of the execution got, if any."""
    for run in runs:
        if (answer := _recorded_answer(client, run.id)) is not None:
            _log().info("%s was answered before: %s by %s", _pending(run), answer.decision, answer.by)
            return _conclude(client, run.id, answer)
    return None


def _recorded_answer(client: SyncPrefectClient, run_id: UUID) -> GateAnswer | None:
    """The answer that the Prefect server stored for a gate's run."""
    stored = client.filter_flow_run_input(run_id, key_prefix=_RESPONSE_KEY, limit=1, exclude_keys=set())
    if not stored:
        return None
    approval = Approval.load_from_flow_run_input(stored[0])
    decision = Decision.APPROVED if approval.decision == "approve" else Decision.REJECTED
    return GateAnswer(
        decision, by=approval.by.strip(), at=stored[0].created or datetime.now(UTC), comment=approval.comment
    )


def _pending(run: FlowRun) -> PendingGate:
    asked = run.parameters
    return PendingGate(
        execution_id=str(asked["execution_id"]),
        plan_name=str(asked["plan_name"]),
        mode=str(asked["mode"]),
        wave_number=int(asked["wave_number"]),
        wave_name=str(asked["wave_name"]),
        flow_run_id=run.id,
        link=ui_link(run.id),
        until=_deadline(run),
    )


def _deadline(run: FlowRun) -> datetime | None:
    """When a Paused run's time is over for us (UTC); the server's own deadline is later by the grace."""
    timeout = None if run.state is None else run.state.state_details.pause_timeout
    return None if timeout is None else timeout - _GRACE


def _enclosing_flow_run() -> UUID | None:
    """The flow run whose task asks; None outside of any.

    Raises:
        UsageError: called in a flow's own body, where Prefect tells child runs of a retried run apart by their order
            only, and could hand one wave another wave's approval.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None
    if TaskRunContext.get() is None:
        raise UsageError("a gate must be asked inside a Prefect task (one a wave), not in the flow's own body")
    return context.flow_run.id


# --- small things -----------------------------------------------------------------------------------------------------


def _log() -> Logger | LoggingAdapter:
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("prefect_drs.gates")


@contextmanager
def _client() -> Iterator[SyncPrefectClient]:
    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.TransportError as error:
        raise PrefectDrsError(
            f"the Prefect API at {get_current_settings().api.url} cannot be reached ({error}); "
            "start it or set PREFECT_API_URL"
        ) from error


def _approval(decision: Literal["approve", "reject"], by: str, comment: str) -> Approval:
    if not by.strip():
        raise UsageError("an answer needs a name: say who decides with --by NAME")
    return Approval(decision=decision, by=by.strip(), comment=comment)


def _nothing_waits(execution_id: str, wave_number: int, waiting: tuple[PendingGate, ...]) -> str:
    if waiting:
        named = ", ".join(f"wave {gate.wave_number} {gate.wave_name!r}" for gate in waiting)
        return f"wave {wave_number} of execution {execution_id} waits for no answer; what waits there: {named}"
    elsewhere = ", ".join(map(str, pending_gates()))
    what_waits = f"what waits elsewhere: {elsewhere}" if elsewhere else "nothing waits anywhere"
    return f"no gate of execution {execution_id} waits for an answer; {what_waits}"
