"""Pause, resume, cancel an execution and answer its gates, through the journals' storage.

In: an execution, who asks, and why. Out: a `ControlOutcome` or an answered gate. A request is stored before it is
acknowledged; the process that carries the execution handles it within seconds, with Prefect or without, and without one
whichever carries it next. A cancelled execution that no process carries is brought to its end here.

Must never: launch anything; ask a Prefect API.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from prefect_drs.coordination.claims import StoredClaims
from prefect_drs.coordination.gate import WaitingGate, waiting_gates
from prefect_drs.coordination.messages import Message, MessageBox, StoredRequests
from prefect_drs.coordination.process import Marking, ProcessMark, last_mark, require_free
from prefect_drs.core.clock import Clock, WallClock, configured_clock
from prefect_drs.core.errors import AwsError, ExecutionStateError, UsageError
from prefect_drs.core.polling import polled
from prefect_drs.execution.events import Event
from prefect_drs.execution.state import ExecutionState
from prefect_drs.identity.approvers import approval_binding
from prefect_drs.identity.sts_proof import MOST_SECONDS, make_token
from prefect_drs.identity.verify import DEFAULT_AUDIENCE
from prefect_drs.operations.approvals import RULING_SECONDS, Proof, RulingAnswer
from prefect_drs.operations.control import CONFIRM_SECONDS, ControlOutcome, ControlStatus
from prefect_drs.operations.standalone.setting import sessions_of, stored, stored_state
from prefect_drs.orchestration.client import refused_prefect
from prefect_drs.orchestration.storage.journal_storage import holder, open_journal
from prefect_drs.recovery.control_requests import ControlAction, ControlRequest, pending_cancel
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.options import EnginePorts
from prefect_drs.recovery.ports import Decision
from prefect_drs.recovery.resume import Start
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook.approved import approved_digest

CHECK_WORKERS = 4
FINALIZE_PATIENCE = timedelta(seconds=1)
POLL_SECONDS = 1.0  # between two readings of the journal


def cancel_here(
    execution_id: str, *, by: str, reason: str = "", observers: Sequence[Callable[[Event], None]] = ()
) -> ControlOutcome:
    """Launch nothing more; running DRS jobs are followed to their end.

    Args:
        execution_id: the execution.
        by: who cancels.
        reason: why.
        observers: called with every event where the execution is brought to its end here.

    Raises:
        UnknownExecutionError: there is no journal of it, and no claim.
        ExecutionStateError: it has ended.
        JournalUnavailableError: the storage cannot be reached; nothing was stored, or it may appear.
    """
    with refused_prefect():
        if (unbegun := _cancel_unbegun(execution_id, by, reason)) is not None:
            return unbegun
        _require_active(execution_id)
        request = _send(execution_id, ControlAction.CANCEL, by, reason)
        if _carrier(execution_id) is not None:
            if _handled(execution_id, request):
                return ControlOutcome(
                    ControlStatus.CONFIRMED,
                    f"execution {execution_id} is cancelled: nothing more is launched, running DRS jobs are followed "
                    "to their end",
                )
            return ControlOutcome(
                ControlStatus.STORED,
                f"the cancel of execution {execution_id} is stored, but its process has not confirmed it within "
                f"{CONFIRM_SECONDS:.0f} s: it may be dead or stuck; whoever carries it next launches nothing. "
                f"To bring it to its end a minute after the process died: prefect-drs cancel {execution_id} "
                "--without-prefect",
            )
        report = finalize_here(execution_id, observers)
    return ControlOutcome(
        ControlStatus.ENDED,
        f"no process carried execution {execution_id}; it was finalized here: {report.status}",
        report,
    )


def _cancel_unbegun(execution_id: str, by: str, reason: str) -> ControlOutcome | None:
    """Cancel an execution that has claimed its servers and has no journal; None where it has one, or no claim.

    The cancel is stored before it is looked once more whether the execution has begun: its process writes its journal
    before it reads its requests. So either it reads the cancel, or its journal is seen here.
    """
    claims = StoredClaims(stored(), with_prefect=False)
    journal = open_journal(execution_id, blocks=False)
    if journal.read() or claims.find(execution_id) is None:
        return None
    _send(execution_id, ControlAction.CANCEL, by, reason)
    if journal.read():
        return None
    claims.release(execution_id)
    return ControlOutcome(
        ControlStatus.STORED,
        f"execution {execution_id} has not begun; the cancel is stored, so that it launches nothing, and its servers "
        "are claimed no more",
    )


def pause_here(execution_id: str, *, by: str) -> ControlOutcome:
    """Launch nothing more for now; running jobs continue.

    Raises:
        UnknownExecutionError: there is no journal of it.
        ExecutionStateError: it has ended.
        JournalUnavailableError: the storage cannot be reached.
    """
    with refused_prefect():
        _require_active(execution_id)
        request = _send(execution_id, ControlAction.PAUSE, by)
        resume = f"resume with: prefect-drs resume {execution_id} --without-prefect"
        if _carrier(execution_id) is not None and _handled(execution_id, request):
            return ControlOutcome(ControlStatus.CONFIRMED, f"execution {execution_id} is paused; {resume}")
    return ControlOutcome(
        ControlStatus.STORED,
        f"the pause of execution {execution_id} is stored; no process has confirmed it, and whoever carries it next "
        f"launches nothing until it is resumed; {resume}",
    )


def end_pause(execution_id: str, *, by: str) -> bool:
    """End a pause: in the process that carries the execution, otherwise for the one that carries it next.

    Returns:
        Whether a process carries it, which goes on.

    Raises:
        JournalUnavailableError: the storage cannot be reached.
    """
    carried = _carrier(execution_id) is not None
    if not carried and not _is_paused(execution_id):
        return False
    request = _send(execution_id, ControlAction.RESUME, by)
    return carried and _handled(execution_id, request)


def finalize_here(execution_id: str, observers: Sequence[Callable[[Event], None]] = ()) -> RecoveryReport:
    """Bring a cancelled execution that no process carries to its end; its DRS jobs are followed until they are over.

    Raises:
        ExecutionBusyError: a process carries it.
        ExecutionStateError: it is not cancelled.
        AwsError, JournalUnavailableError: AWS or the storage cannot be reached.
    """
    storage, clock = stored(), configured_clock()
    require_free(storage, execution_id, clock=WallClock(), patience=FINALIZE_PATIENCE)
    requests = StoredRequests(MessageBox(storage, execution_id))
    state = stored_state(execution_id)
    if state.ended or (state.cancellation is None and pending_cancel(requests, state.handled) is None):
        raise ExecutionStateError(f"execution {execution_id} has ended, or is not cancelled any more")
    with (
        Marking(storage, execution_id, holder(), with_prefect=False),
        ThreadPoolExecutor(CHECK_WORKERS) as executor,
    ):
        ports = EnginePorts(
            sessions_of(execution_id),
            clock,
            open_journal(execution_id, blocks=False),
            executor,
            requests=requests,
            observers=observers,
        )
        engine = Engine(execution_id, None, ports, start=Start(holder=holder()))
        if not engine.cancelled:  # somebody overrode the cancel meanwhile
            raise ExecutionStateError(f"execution {execution_id} is not cancelled any more")
        while not engine.idle:
            clock.wait(engine.tick(), engine.woken)
        report = engine.finish()
        StoredClaims(storage, with_prefect=False).release(execution_id)
    return report


# Gates


def gate_here(execution_id: str, wave: str) -> WaitingGate:
    """The gate that waits before a wave.

    Args:
        execution_id: the execution.
        wave: the number of the wave, or its name.

    Raises:
        UnknownExecutionError: there is no journal of it.
        ExecutionStateError: no such gate waits, or it waits in Prefect.
    """
    state = stored_state(execution_id)
    waiting = waiting_gates(state)
    found = [
        gate
        for gate in waiting
        if (gate.wave_number == int(wave) if wave.isdecimal() else gate.wave_name.casefold() == wave.casefold())
    ]
    if len(found) != 1:
        named = ", ".join(f"{gate.wave_number} {gate.wave_name!r}" for gate in waiting) or "none"
        raise ExecutionStateError(f"no gate waits before a wave {wave!r} of execution {execution_id}; waiting: {named}")
    mark = _carrier(execution_id)
    if mark is not None and mark.with_prefect:
        raise ExecutionStateError(
            f"{mark.holder} carries execution {execution_id} with Prefect: answer the gate there (prefect-drs approve "
            f"without --without-prefect), or carry it on without Prefect: prefect-drs resume {execution_id} "
            "--without-prefect --take-over"
        )
    return found[0]


def answer_here(
    execution_id: str, wave: str, decision: Decision, *, by: str, comment: str = "", proof: Proof | None = None
) -> tuple[WaitingGate, RulingAnswer | None]:
    """Answer a gate.

    Args:
        execution_id: the execution.
        wave: the number of the wave behind the gate, or its name.
        decision: APPROVED or REJECTED.
        by: who answers.
        comment: why.
        proof: what is given beside an approval, for a gate that demands proofs.

    Returns:
        The gate, and what the execution made of an approval that needs a proof; None where it needs none.

    Raises:
        UnknownExecutionError, ExecutionStateError: as of `gate_here`.
        UsageError: the name is blank.
        AwsError: a proof is needed, and there are no AWS credentials.
        JournalUnavailableError: the storage cannot be reached.
    """
    with refused_prefect():
        if not by.strip():
            raise UsageError("an answer needs a name: say who decides with --by NAME")
        gate, given = gate_here(execution_id, wave), proof or Proof()
        state = stored_state(execution_id)
        approves = decision is Decision.APPROVED
        token = _proof(state, gate, given) if approves and gate.demands else ""
        answer_id = MessageBox(stored(), execution_id).send(
            Message(
                action="APPROVE" if approves else "REJECT",
                by=by.strip(),
                at=WallClock().now(),
                reason=comment,
                wave_number=gate.wave_number,
                until=gate.until,
                token=token,
                break_glass=given.break_glass if approves else "",
            )
        )
        if not gate.demands or not approves:
            return gate, None
        return gate, _ruling(state, gate, answer_id)


def _proof(state: ExecutionState, gate: WaitingGate, given: Proof) -> str:
    """The proof to send: the one that was given, or one of this process's AWS credentials."""
    if given.token:
        return given.token
    digest = approved_digest(state.runbook, gate.wave_number)
    bound = approval_binding(gate.execution_id, gate.wave_number, digest, break_glass=bool(given.break_glass))
    try:
        return make_token(DEFAULT_AUDIENCE, at=WallClock().now(), bound=bound, seconds=MOST_SECONDS)
    except AwsError:
        if given.break_glass:  # counts without a proof where there is no access policy
            return ""
        raise


def _ruling(before: ExecutionState, gate: WaitingGate, answer_id: str) -> RulingAnswer:
    """Wait some seconds for what the execution makes of an approval; `before`: its state before that was sent."""
    execution_id, former = before.execution_id, before.waves[gate.wave_number]

    def look() -> RulingAnswer | None:
        state = stored_state(execution_id)
        wave, answer = state.waves[gate.wave_number], state.answers.get(gate.wave_number)
        if answer is not None:
            passed = answer.decision is Decision.APPROVED
            return RulingAnswer(passed, "the gate is passed" if passed else "the gate is closed")
        if answer_id not in wave.judged:
            return None
        if len(wave.attempts) > len(former.attempts):
            return RulingAnswer(False, f"it does not count: {wave.attempts[-1].reason}; the gate keeps waiting")
        return RulingAnswer(True, "it counts; the gate keeps waiting for more approvals")

    seconds = RULING_SECONDS if _carrier(execution_id) is not None else 0.0
    checks = f"it is stored; the process that carries the execution checks it: prefect-drs status {execution_id}"
    return polled(look, seconds=seconds, every=POLL_SECONDS) or RulingAnswer(None, f"{checks} --without-prefect")


# What the journal and the mark tell


def is_carried_here(execution_id: str) -> bool:
    """Whether a process carries the execution, with Prefect or without.

    Raises:
        JournalUnavailableError: the storage cannot be read.
    """
    return _carrier(execution_id) is not None


def _carrier(execution_id: str) -> ProcessMark | None:
    """The process that carries the execution; None where none does."""
    mark = last_mark(stored(), execution_id)
    return mark if mark is not None and mark.alive(WallClock().now()) else None


def _send(execution_id: str, action: ControlAction, by: str, reason: str = "") -> str:
    message = Message(action=action.value, by=by, at=WallClock().now(), reason=reason)
    return MessageBox(stored(), execution_id).send(message)


def _handled(execution_id: str, request_id: str, clock: Clock | None = None) -> bool:
    """Wait until the journal has a request."""

    def look() -> bool | None:
        return request_id in stored_state(execution_id).handled or None

    return polled(look, seconds=CONFIRM_SECONDS, clock=clock, every=POLL_SECONDS) is not None


def _is_paused(execution_id: str) -> bool:
    """Whether the execution is paused by its journal, or by a request that no process has handled yet."""
    state = stored_state(execution_id)
    paused = state.paused
    for request in StoredRequests(MessageBox(stored(), execution_id)).pending(state.handled):
        if isinstance(request, ControlRequest) and request.action is not ControlAction.CANCEL:
            paused = request.action is ControlAction.PAUSE
    return paused


def _require_active(execution_id: str) -> None:
    """Refuse to control an execution that has ended; a claim that its process left behind is released.

    Raises:
        ExecutionStateError: it has ended.
    """
    state = stored_state(execution_id)
    if not state.ended:
        return
    if _carrier(execution_id) is None:
        StoredClaims(stored(), with_prefect=False).release(execution_id)
    raise ExecutionStateError(
        f"execution {execution_id} has ended: {state.final_status} at {state.ended_at:%Y-%m-%d %H:%M:%S} UTC"
    )
