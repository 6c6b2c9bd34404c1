"""When each wave, gate, server and process changed: one pass over a journal.

In: events. Out: `Marks`, with the times that `waits` makes causes of. A wave may have several *turns*: a resume of an
execution that has ended opens the waves again that did not complete. A server has *stays*: ready, requested, in a job,
failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.execution.event import Event
from prefect_drs.execution.events import (
    CancelAsked,
    CancelOverridden,
    CheckDone,
    ExecutionEnded,
    ExecutionResumed,
    ExecutionStarted,
    GateAnswered,
    GateAsked,
    JobRefused,
    JobRequested,
    JobStarted,
    PauseAsked,
    PauseEnded,
    ServerRetried,
    ServerStatus,
    SettingsApplied,
    WaveDelayed,
    WaveEnded,
    WaveStarted,
)
from prefect_drs.execution.replay import apply_next
from prefect_drs.execution.state import FINAL, ExecutionState, ServerState
from prefect_drs.report.model import WaveStatus


@dataclass(slots=True)
class Stay:
    """A server in one state. `end` is None while it lasts. `note`: the reason, such as an error or a retry's change."""

    state: ServerState
    start: datetime
    end: datetime | None = None
    job_id: str = ""
    note: str = ""


@dataclass(slots=True)
class GateMark:
    """A gate that was opened. `answered_at`: on the engine's clock."""

    asked_at: datetime
    until: datetime | None
    answered_at: datetime | None = None
    answer: GateAnswered | None = None


@dataclass(slots=True)
class Turn:
    """One attempt of a wave: from when it may wait for something to its end."""

    opened: datetime
    opened_by: str = ""
    gates: list[GateMark] = field(default_factory=list)
    begun: datetime | None = None
    ended: datetime | None = None
    status: WaveStatus = WaveStatus.PENDING
    reason: str = ""
    stays: dict[str, list[Stay]] = field(default_factory=dict)
    settings: list[SettingsApplied] = field(default_factory=list)
    delays: list[WaveDelayed] = field(default_factory=list)
    checks: list[CheckDone] = field(default_factory=list)


@dataclass(slots=True)
class Span:
    """A pause, a cancel in force, or a time without a process. `ended_by` is empty while it lasts."""

    start: datetime
    by: str
    end: datetime | None = None
    ended_by: str = ""
    reason: str = ""


@dataclass(slots=True)
class Marks:
    """The times of an execution.

    Args:
        state: the state at the end of the journal.
        until: the execution's end, or the time that is taken as now.
        turns: of each wave, by number.
        pauses: when launching was paused.
        cancels: when a cancel was in force.
        gaps: between the last event of a process and the first of the next one, while the execution had not ended.
    """

    state: ExecutionState
    until: datetime
    turns: dict[int, list[Turn]]
    pauses: list[Span] = field(default_factory=list)
    cancels: list[Span] = field(default_factory=list)
    gaps: list[Span] = field(default_factory=list)

    def end_of(self, span: Span | Stay) -> datetime:
        """Its end, or `until` while it lasts."""
        return self.until if span.end is None else span.end


def marks_of(events: Sequence[Event], now: datetime | None = None) -> Marks:
    """One pass over a journal.

    Raises:
        PrefectDrsError: the journal does not begin with ExecutionStarted, or an event does not fit those before it.
        ValueError: it is empty.
    """
    if not events:
        raise ValueError("the journal is empty: it has no timeline")
    first = events[0]
    if not isinstance(first, ExecutionStarted):
        raise PrefectDrsError(f"the journal begins with {first.kind}, not with ExecutionStarted; it is not whole")
    recorder = _Recorder(first)
    for number, event in enumerate(events[1:], 2):
        recorder.take(event, number)
    state, last = recorder.marks.state, max(event.at for event in events)
    recorder.marks.until = state.ended_at or max(last, now or last)
    return recorder.marks


class _Recorder:
    """Takes events in order; each mark is made before or after the state has changed, as it needs."""

    def __init__(self, started: ExecutionStarted) -> None:
        state = started.initial_state
        turns = {number: [Turn(started.at)] for number in state.waves}
        self.marks = Marks(state, started.at, turns)
        self._last_at = started.at

    def take(self, event: Event, number: int) -> None:
        """Mark the event, then apply it."""
        if isinstance(event, ExecutionResumed):
            self._resumed(event)
        else:
            self._mark(event)
        apply_next(self.marks.state, event, number)
        self._last_at = max(self._last_at, event.at)

    def _resumed(self, event: ExecutionResumed) -> None:
        state = self.marks.state
        if not state.ended:
            self.marks.gaps.append(Span(self._last_at, event.by, max(event.at, self._last_at), event.by))
        if not event.again:
            return
        for spans in (self.marks.pauses, self.marks.cancels):
            self._close(spans, event.at, event.by)
        for wave in state.waves.values():
            if wave.status.over and wave.status is not WaveStatus.COMPLETED:
                self.marks.turns[wave.number].append(Turn(event.at, event.by))

    def _mark(self, event: Event) -> None:
        match event:
            case PauseAsked():
                self._open(self.marks.pauses, Span(event.at, event.by))
            case PauseEnded():
                self._close(self.marks.pauses, event.at, event.by)
            case CancelAsked():
                self._open(self.marks.cancels, Span(event.at, event.by, reason=event.reason))
            case CancelOverridden():
                self._close(self.marks.cancels, event.at, event.by)
            case ExecutionEnded():
                for spans in (self.marks.pauses, self.marks.cancels):
                    self._close(spans, event.at, "")
            case GateAsked() | GateAnswered() | WaveStarted() | WaveEnded():
                self._mark_wave(event, self._turn(event.wave_number))
            case SettingsApplied():
                self._turn(event.wave_number).settings.append(event)
            case WaveDelayed():
                self._turn(event.wave_number).delays.append(event)
            case CheckDone():
                self._turn(event.wave_number).checks.append(event)
            case _:
                self._mark_servers(event)

    def _mark_wave(self, event: GateAsked | GateAnswered | WaveStarted | WaveEnded, turn: Turn) -> None:
        match event:
            case GateAsked():
                if turn.gates and turn.gates[-1].answer is None:
                    turn.gates[-1].until = event.until  # asked once more by a process that resumed
                else:
                    turn.gates.append(GateMark(event.at, event.until))
            case GateAnswered():
                if not turn.gates or turn.gates[-1].answer is not None:
                    turn.gates.append(GateMark(event.at, None))
                gate = turn.gates[-1]
                # People answer on the wall clock; a simulated clock may differ from it by years.
                within = gate.asked_at <= event.answered_at <= event.at
                gate.answer, gate.answered_at = event, event.answered_at if within else event.at
            case WaveStarted():
                turn.begun = turn.begun or event.at
                for server_id, run in self.marks.state.waves[event.wave_number].servers.items():
                    if not run.state.final:
                        self._move(turn, [server_id], ServerState.READY, event.at)
            case WaveEnded():
                turn.ended, turn.status, turn.reason = event.at, WaveStatus(event.status), event.reason
                for stays in turn.stays.values():
                    self._end(stays, event.at)

    def _mark_servers(self, event: Event) -> None:
        state = self.marks.state
        match event:
            case JobRequested():
                self._move(self._turn(event.wave_number), event.server_ids, ServerState.REQUESTED, event.at)
            case JobRefused() if (request := state.requests.get(event.batch)) is not None:
                servers = state.waves[event.wave_number].servers
                refused = [each for each in request.server_ids if servers[each].state is ServerState.REQUESTED]
                turn = self._turn(event.wave_number)
                self._move(turn, refused, ServerState.READY, event.at, note=event.reason)
            case JobStarted():
                turn = self._turn(event.wave_number)
                at = min(event.started_at, event.at)
                self._move(turn, event.server_ids, ServerState.IN_JOB, at, job_id=event.job_id)
            case ServerStatus() if event.launch_status in FINAL:
                turn, error = self._turn(event.wave_number), event.error or event.launch_status
                failed = FINAL[event.launch_status] is ServerState.FAILED
                to = ServerState.FAILED if failed else ServerState.LAUNCHED
                self._move(turn, [event.source_server_id], to, event.at, note=error if failed else "")
            case ServerRetried():
                turn = self._turn(event.wave_number)
                self._move(turn, [event.source_server_id], ServerState.READY, event.at, note=event.how)
            case _:
                pass

    def _turn(self, wave_number: int) -> Turn:
        return self.marks.turns[wave_number][-1]

    def _move(
        self,
        turn: Turn,
        server_ids: Iterable[str],
        state: ServerState,
        at: datetime,
        *,
        job_id: str = "",
        note: str = "",
    ) -> None:
        """The servers come into a state. A job that started before its servers were known to be requested begins with
        that request.
        """
        for server_id in server_ids:
            stays = turn.stays.setdefault(server_id, [])
            start = max(at, stays[-1].start) if stays else at
            self._end(stays, start)
            stays.append(Stay(state, start, None, job_id, note))

    @staticmethod
    def _end(stays: list[Stay], at: datetime) -> None:
        if stays and stays[-1].end is None:
            stays[-1].end = max(at, stays[-1].start)

    @staticmethod
    def _open(spans: list[Span], span: Span) -> None:
        if not spans or spans[-1].end is not None:
            spans.append(span)

    @staticmethod
    def _close(spans: list[Span], at: datetime, by: str) -> None:
        if spans and spans[-1].end is None:
            spans[-1].end, spans[-1].ended_by = max(at, spans[-1].start), by
