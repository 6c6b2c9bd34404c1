"""Events of a wave: its gate, its beginning, its checks, its end."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from prefect_drs.execution.approval import Decision, GateAnswer
from prefect_drs.execution.event import Event
from prefect_drs.execution.state import ExecutionState
from prefect_drs.report.checks import CheckResult
from prefect_drs.report.model import DelayCause, WaveStatus

NAMED_AT_MOST = 5


class GateAsked(Event):
    """A wave waits for a person.

    `until`: its deadline, however often the execution is resumed meanwhile. `digest`: of what is approved; `demands`:
    what the gate demands, in words. Both are empty in journals of former releases.
    """

    kind: Literal["GateAsked"] = "GateAsked"
    wave_number: int
    until: datetime | None = None
    digest: str = ""
    demands: str = ""

    @property
    def text(self) -> str:
        """Which wave waits."""
        return f"wave {self.wave_number} waits for approval"

    def apply_to(self, state: ExecutionState) -> None:
        """The gate is open until its deadline."""
        wave = state.waves[self.wave_number]
        wave.gate_opened_at = wave.gate_opened_at or self.at
        state.note_gates(self.at)
        if self.until is not None:
            state.deadlines[self.wave_number] = self.until


class GateAnswered(Event):
    """A person, or the time-out, decided about a wave."""

    kind: Literal["GateAnswered"] = "GateAnswered"
    wave_number: int
    decision: str
    by: str
    answered_at: datetime
    comment: str = ""

    @property
    def text(self) -> str:
        """The answer, and by whom."""
        return f"wave {self.wave_number} {self.decision} by {self.by}" + (f": {self.comment}" if self.comment else "")

    def apply_to(self, state: ExecutionState) -> None:
        """The answer is in force."""
        answer = GateAnswer(Decision(self.decision), self.by, self.answered_at, self.comment)
        wave = state.waves[self.wave_number]
        wave.gate_opened_at, wave.approval = None, answer
        state.note_gates(self.at)
        state.answers[self.wave_number] = answer
        state.deadlines.pop(self.wave_number, None)


class WaveStarted(Event):
    """A wave was handed to the engine: its dependencies succeeded, and its gate, if any, was passed."""

    kind: Literal["WaveStarted"] = "WaveStarted"
    wave_number: int

    @property
    def text(self) -> str:
        """Which wave."""
        return f"wave {self.wave_number} started"

    def apply_to(self, state: ExecutionState) -> None:
        """The wave begins."""
        state.waves[self.wave_number].begin(self.at)


class WaveDelayed(Event):
    """The wave, or some servers of it, is delayed. Recorded once per cause.

    `cause`: what holds it up; `other` in journals of former releases.
    """

    kind: Literal["WaveDelayed"] = "WaveDelayed"
    wave_number: int
    source_server_ids: tuple[str, ...] = ()
    reason: str
    cause: DelayCause = "other"

    @property
    def summary(self) -> str:
        """Which servers wait and why, one line."""
        servers = ", ".join(self.source_server_ids[:NAMED_AT_MOST])
        more = len(self.source_server_ids) - NAMED_AT_MOST
        return (f"{servers}{f' and {more} more' if more > 0 else ''}: " if servers else "") + self.reason

    @property
    def text(self) -> str:
        """Which wave waits, and why."""
        return f"wave {self.wave_number} waits: {self.summary}"

    def apply_to(self, state: ExecutionState) -> None:
        """The report lists the delay, once; the wave waits until it launches something."""
        wave = state.waves[self.wave_number]
        wave.delays[self.summary] = None
        wave.waits.setdefault(self.summary, (self.at, self.cause))


class CheckDone(Event):
    """A health check or hook has its result."""

    kind: Literal["CheckDone"] = "CheckDone"
    wave_number: int
    result: CheckResult

    @property
    def text(self) -> str:
        """Which check, and its result."""
        result = self.result
        of_server = f" of {result.source_server_id}" if result.source_server_id else ""
        passed = "passed" if result.passed else "did not pass"
        return f"wave {self.wave_number} {result.phase} {result.name}{of_server} {passed}: {result.detail}"

    def apply_to(self, state: ExecutionState) -> None:
        """The check is not made again in this turn of the wave."""
        state.waves[self.wave_number].checks[self.result.key] = self.result


class WaveEnded(Event):
    """A wave is over: COMPLETED, FAILED, SKIPPED or CANCELLED, and why."""

    kind: Literal["WaveEnded"] = "WaveEnded"
    wave_number: int
    status: str
    reason: str = ""

    @property
    def text(self) -> str:
        """How it ended, and why."""
        return f"wave {self.wave_number} {self.status}" + (f": {self.reason}" if self.reason else "")

    def apply_to(self, state: ExecutionState) -> None:
        """The wave is over."""
        state.waves[self.wave_number].end(WaveStatus(self.status), self.reason, self.at)
        state.note_gates(self.at)
