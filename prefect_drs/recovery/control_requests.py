"""Control requests of one execution: pause, resume and cancel, each handled exactly once.

In: requests that were stored before they were acknowledged (the port `ControlRequests`), or direct calls. Out: events
in the journal, one for each request, and two facts for the engine: whether launching is paused, and whether the
execution is cancelled. The journal alone says which requests were handled, so whichever process carries the execution
next handles every request that the journal does not record.

Must never: let a launch follow a cancel or a pause that the journal holds; stop at a request that cannot be read.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeGuard

from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.execution.events import (
    CancelAsked,
    CancelOverridden,
    ControlRequestHandled,
    Event,
    PauseAsked,
    PauseEnded,
)
from prefect_drs.execution.state import ExecutionState


class RequestsUnreachableError(PrefectDrsError):
    """The stored control requests could not be read.

    Args:
        message: one line for people.
        read: those that could be read, where they are stored in several places.
        holds_launches: nothing is launched before they can be read again. Otherwise a recovery goes on without them.
    """

    def __init__(self, message: str, read: Sequence[StoredRequest] = (), *, holds_launches: bool = False) -> None:
        super().__init__(message)
        self.read = tuple(read)
        self.holds_launches = holds_launches


class ControlAction(enum.StrEnum):
    """What a control request asks for."""

    PAUSE = "PAUSE"
    RESUME = "RESUME"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """A stored request.

    Args:
        request_id: unique within the execution; requests are handled in the order of `(at, request_id)`.
        action: what is requested.
        by: who asks, as claimed.
        at: when it was stored (UTC).
        reason: why; may be empty.
    """

    request_id: str
    action: ControlAction
    by: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class UnreadableRequest:
    """A stored request whose content cannot be read. It is recorded and skipped. `problem`: one line."""

    request_id: str
    at: datetime
    problem: str


StoredRequest = ControlRequest | UnreadableRequest


class ControlRequests(Protocol):
    """Where requests are stored."""

    def pending(self, handled: Collection[str]) -> Sequence[StoredRequest]:
        """The requests whose ids are not in `handled`, in the order in which they were made.

        Raises:
            RequestsUnreachableError: they could not be read.
        """
        ...

    def acknowledge(self, request_id: str) -> None:
        """Called once the journal holds the request, for whoever waits for that; must not raise."""
        ...


class Control:
    """Handles control requests, and says whether launching is paused or cancelled. Safe to call from any thread.

    Args:
        state: the execution; `record` changes it.
        clock: the time.
        record: appends an event to the journal and applies it to `state`; it is safe when this returns.
        wake: called after a change that the engine should act on at once.
        requests: the stored requests; None where there are none but direct calls.
    """

    def __init__(
        self,
        state: ExecutionState,
        clock: Clock,
        record: Callable[[Event], None],
        wake: Callable[[], None],
        requests: ControlRequests | None,
    ) -> None:
        self._state = state
        self._clock = clock
        self._record = record
        self._wake = wake
        self._requests = requests
        self._handling = threading.Lock()
        self._launching = threading.Lock()  # held while a launch is sent, and while a cancel or a pause is recorded

    @property
    def cancelled(self) -> str | None:
        """Who cancelled and why, one line; None where no cancel is in force."""
        cancellation = self._state.cancellation
        return None if cancellation is None else cancellation.summary

    @property
    def cancelled_by(self) -> str:
        """Who cancelled; empty where nobody did."""
        cancellation = self._state.cancellation
        return "" if cancellation is None else cancellation.by

    @property
    def paused(self) -> bool:
        """Whether launching is paused."""
        return self._state.paused

    def handle_pending(self) -> tuple[StoredRequest, ...]:
        """Read the stored requests and handle those that the journal does not record; returns them.

        Raises:
            RequestsUnreachableError: the requests could not be read.
        """
        if self._requests is None:
            return ()
        with self._handling:
            unreachable: RequestsUnreachableError | None = None
            try:
                pending = tuple(self._requests.pending(frozenset(self._state.handled)))
            except RequestsUnreachableError as error:
                unreachable, pending = error, error.read
            for request in pending:
                self._handle(request)
                self._requests.acknowledge(request.request_id)
        if unreachable is not None:
            raise unreachable
        return pending

    def cancel(self, by: str, reason: str = "", request_id: str = "") -> None:
        """Launch nothing more. Returns once no launch is in flight; a second cancel changes nothing."""
        with self._launching:
            if self.cancelled is not None:
                self._note(request_id, "the execution was cancelled before")
                return
            self._record(CancelAsked(at=self._clock.now(), by=by, reason=reason, request=request_id))
        self._wake()

    def pause(self, by: str, request_id: str = "") -> None:
        """Launch nothing more until `resume`. Returns once no launch is in flight."""
        with self._launching:
            if self.paused:
                self._note(request_id, "the execution was paused before")
                return
            self._record(PauseAsked(at=self._clock.now(), by=by, request=request_id))

    def resume(self, by: str, request_id: str = "") -> None:
        """Go on launching after a `pause`."""
        with self._launching:
            if not self.paused:
                self._note(request_id, "the execution was not paused")
                return
            self._record(PauseEnded(at=self._clock.now(), by=by, request=request_id))
        self._wake()

    @contextmanager
    def launch(self) -> Iterator[bool]:
        """Held while one launch is sent. Yields whether it may be: not where the execution is paused or cancelled."""
        with self._launching:
            yield self.cancelled is None and not self.paused

    def _handle(self, request: StoredRequest) -> None:
        match request:
            case UnreadableRequest():
                self._note(request.request_id, f"skipped, it cannot be read: {request.problem}")
            case ControlRequest(action=ControlAction.CANCEL):
                self.cancel(request.by, request.reason, request.request_id)
            case ControlRequest(action=ControlAction.PAUSE):
                self.pause(request.by, request.request_id)
            case ControlRequest():
                self.resume(request.by, request.request_id)

    def _note(self, request_id: str, outcome: str) -> None:
        """Record a request that changed nothing."""
        if request_id:
            self._record(ControlRequestHandled(at=self._clock.now(), request=request_id, outcome=outcome))


def _is_cancel(request: StoredRequest) -> TypeGuard[ControlRequest]:
    return isinstance(request, ControlRequest) and request.action is ControlAction.CANCEL


def pending_cancel(requests: ControlRequests, handled: Collection[str]) -> ControlRequest | None:
    """The first cancel that nobody has handled; None where there is none.

    Raises:
        RequestsUnreachableError: the requests could not be read, and what could be read is no cancel.
    """
    try:
        pending = requests.pending(handled)
    except RequestsUnreachableError as error:
        if (found := next(filter(_is_cancel, error.read), None)) is not None:
            return found
        raise
    return next(filter(_is_cancel, pending), None)


def override_event(
    state: ExecutionState, requests: ControlRequests | None, by: str, now: datetime
) -> CancelOverridden | None:
    """The event that records that `by` resumes despite a cancel, handled or not; None where nobody cancelled.

    Raises:
        RequestsUnreachableError: the requests could not be read.
    """
    pending = () if requests is None else requests.pending(state.handled)
    overridden = tuple(request.request_id for request in pending if _is_cancel(request))
    if not overridden and state.cancellation is None:
        return None
    return CancelOverridden(at=now, by=by, requests=overridden)


def cancelled_refusal(execution_id: str, by: str, at: datetime, reason: str = "", *, ended: bool = False) -> str:
    """Why a cancelled execution is not resumed, and what to do."""
    why = f" ({reason})" if reason else ""
    end = "it has ended" if ended else f"to bring it to its end: prefect-drs cancel {execution_id}"
    return (
        f"execution {execution_id} was cancelled by {by} at {at:%Y-%m-%d %H:%M:%S} UTC{why}; {end}; "
        f"to go on all the same: prefect-drs resume {execution_id} --despite-cancel"
    )
