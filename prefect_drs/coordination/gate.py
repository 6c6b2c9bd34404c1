"""A gate that is answered through the messages in the journals' storage, by whoever reaches it.

In: a `GateRequest`. Out: a `GateAnswer`: the first answer in the message box to this gate. An answer outlives the
process, as every message does: an execution that is resumed finds it and does not ask again. An answer names the
deadline of the gate that it answers, so that one to a gate which timed out does not count once it opens again.

Must never: start a wave without a stored approval; take a storage that does not answer for silence.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from prefect_drs.coordination.messages import Message, MessageBox, StoredMessage
from prefect_drs.core.clock import Clock
from prefect_drs.execution.approval import Decision, GateAnswer
from prefect_drs.execution.state import ExecutionState
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import JournalUnavailableError
from prefect_drs.recovery.ports import GateRequest
from prefect_drs.report.situation import OpenGate

POLL_SECONDS = 2.0
DECISIONS = {"APPROVE": Decision.APPROVED, "REJECT": Decision.REJECTED}

_logger = logging.getLogger("prefect_drs.coordination.gate")


@dataclass(frozen=True, slots=True)
class WaitingGate:
    """A gate that waits for an answer.

    Args:
        execution_id: the execution.
        plan_name: its plan.
        wave_number: the wave behind the gate.
        wave_name: its name.
        since: when it was opened, by the execution's clock (UTC).
        until: its deadline, in people's time (UTC); it identifies the gate.
        demands: what it demands, in words; empty where any answer counts.
    """

    execution_id: str
    plan_name: str
    wave_number: int
    wave_name: str
    since: datetime | None
    until: datetime
    demands: str = ""

    def __str__(self) -> str:
        return f"wave {self.wave_number} {self.wave_name!r} of {self.plan_name}"

    def as_open_gate(self, wall: Callable[[datetime], datetime]) -> OpenGate:
        """The gate in the form that reports use. `wall` turns the execution's time into people's."""
        since = wall(self.since) if self.since is not None else None
        return OpenGate(self.wave_number, self.wave_name, since, self.until, None)


def waiting_gates(state: ExecutionState) -> tuple[WaitingGate, ...]:
    """The gates of an execution that wait for an answer, by its journal."""
    return tuple(
        WaitingGate(
            execution_id=state.execution_id,
            plan_name=state.runbook.plan_name,
            wave_number=number,
            wave_name=wave.wave.wave_name,
            since=wave.gate_opened_at,
            until=state.deadlines[number],
            demands=wave.wave.demand.text if wave.wave.demand.proven else "",
        )
        for number, wave in state.waves.items()
        if wave.waiting_for_approval and number in state.deadlines and not state.ended
    )


class StoredGate:
    """Waits for the answer in the message box. Implements `prefect_drs.recovery.ports.Gate`.

    Args:
        box: the messages of the execution.
        engine: the engine of the execution; it has recorded the gate's deadline.
        clock: people's time.
        on_waiting: called once for each gate that begins to wait.
    """

    def __init__(
        self, box: MessageBox, engine: Engine, clock: Clock, on_waiting: Callable[[WaitingGate], None] | None = None
    ) -> None:
        self._box, self._engine, self._clock, self._on_waiting = box, engine, clock, on_waiting
        self._given: set[str] = set()  # answers to gates that demand proofs, which are judged one by one
        self._told: set[tuple[int, datetime]] = set()

    def ask(self, request: GateRequest) -> GateAnswer:
        """Block until the gate is answered or its deadline has passed, or the execution is cancelled."""
        until = self._engine.deadline(request.wave_number)
        self._tell(request, until)
        unread = False
        while True:
            answer: StoredMessage | None = None
            try:
                answer = next(self._answers(request, until), None)
                unread = False
            except JournalUnavailableError as error:
                if not unread:
                    _logger.warning("answers at the gate of wave %s cannot be read: %s", request.wave_number, error)
                unread = True
            if answer is not None and answer.message is not None:
                return _gate_answer(answer.id, answer.message)
            if self._engine.cancelled:
                return GateAnswer(Decision.REJECTED, "", self._clock.now(), "the execution was cancelled")
            if not unread and self._clock.now() >= until:
                return GateAnswer(Decision.TIMED_OUT, "", self._clock.now(), "nobody answered in time")
            self._clock.wait(POLL_SECONDS)

    def given(self, request: GateRequest) -> GateAnswer | None:
        """The answer that was given already; None where there is none.

        Raises:
            JournalUnavailableError: the answers cannot be read.
        """
        found = next(self._answers(request, self._engine.deadline(request.wave_number)), None)
        return None if found is None or found.message is None else _gate_answer(found.id, found.message)

    def _answers(self, request: GateRequest, until: datetime) -> Iterator[StoredMessage]:
        """The answers to this gate that were given in time."""
        for stored in self._box.read():
            message = stored.message
            if message is None or message.action not in DECISIONS or message.wave_number != request.wave_number:
                continue
            if message.until != until or message.at > until or stored.id in self._given:
                continue
            if request.check is not None:
                self._given.add(stored.id)
            yield stored

    def _tell(self, request: GateRequest, until: datetime) -> None:
        if self._on_waiting is None or (request.wave_number, until) in self._told:
            return
        self._told.add((request.wave_number, until))
        demands = request.check.standing().demands if request.check is not None else ""
        self._on_waiting(
            WaitingGate(
                execution_id=request.execution_id,
                plan_name=request.plan_name,
                wave_number=request.wave_number,
                wave_name=request.wave_name,
                since=self._engine.now(),
                until=until,
                demands=demands,
            )
        )


class ApprovedGate:
    """Approves in advance, in a person's name. Implements `prefect_drs.recovery.ports.Gate`.

    Args:
        by: who approved; must not be blank.
        clock: people's time.
        stored: has the answers that were given while no process carried the execution. They count first: whoever
            rejected was told that it is stored.
    """

    def __init__(self, by: str, clock: Clock, stored: StoredGate) -> None:
        self._by, self._clock, self._stored = by, clock, stored

    def ask(self, request: GateRequest) -> GateAnswer:
        """The approval. No gate that demands proofs is asked: those were refused before.

        Raises:
            JournalUnavailableError: earlier answers cannot be read, so that nothing is approved.
        """
        if (given := self._stored.given(request)) is not None:
            return given
        return GateAnswer(Decision.APPROVED, self._by, self._clock.now(), "approved in advance")


def _gate_answer(answer_id: str, message: Message) -> GateAnswer:
    return GateAnswer(
        DECISIONS[message.action],
        message.by,
        message.at,
        message.reason,
        token=message.token,
        break_glass=message.break_glass,
        answer_id=answer_id,
    )
