"""The points at which a process of the kill-point benchmark can die, and the ports that have them.

In: the numbers of the points to die at. Out: a way into AWS, a clock, a journal storage and a gate. Each counts its
points in `Points` and raises `StoppedError` at the chosen ones. Nothing here depends on the engine's inside.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import HTTPClientError
from moto.core.models import botocore_stubber

from benchmarks.kill_worlds import Gatekeeper
from prefect_drs.aws.sessions import Sessions
from prefect_drs.recovery.ports import GateAnswer, GateRequest
from prefect_drs.simulator import DEFAULT_START, StepClock

LONGEST_EXECUTION = timedelta(days=20)  # outages of hours included
MOST_POINTS = 10_000
STRAYING = frozenset(
    {
        "StartRecovery",
        "StartFailbackLaunch",
        "ReverseReplication",
        "StopReplication",
        "DisconnectRecoveryInstance",
        "TerminateRecoveryInstances",
    }
)
"""Calls that may reach AWS after the process that sent them died."""


class StoppedError(BaseException):
    """The process is dead. No `Exception`: nothing on the way may catch it."""


class NeverEndsError(Exception):
    """The engine goes round in circles."""


@dataclass(slots=True)
class Points:
    """Counts the points at which a process can die, and lets it die at those asked for."""

    stop_at: Sequence[int] = ()
    passed: list[str] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    armed: bool = False

    def __call__(self, what: str) -> None:
        """A point is reached.

        Raises:
            StoppedError: it is one to die at.
        """
        if not self.armed:
            return
        self.passed.append(what)
        if len(self.stops) < len(self.stop_at) and len(self.passed) >= self.stop_at[len(self.stops)]:
            self.stops.append(what)
            raise StoppedError(what)
        if len(self.passed) > MOST_POINTS:
            raise NeverEndsError(f"the execution passed {MOST_POINTS} points and has not come to its end")


class Wire:
    """The way into AWS, shared by all worlds, with points before and after each HTTP request that botocore sends.

    Only botocore's own events are used. It is told not to try again, since that would sleep in real time: what fails
    reaches the engine.
    """

    def __init__(self) -> None:
        session = boto3.Session(
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106
            region_name="us-west-2",
        )
        session.events.register_first("before-send", self._before)  # before moto, which answers in this event
        session.events.register_last("response-received", self._after)
        self._session = session
        self.sessions = Sessions(session=session, attempts=1)
        self.points = Points()
        self.stray: list[Any] = []  # requests that were on their way when their process died
        self.may_stray: Callable[[], bool] = lambda: False

    def enter_anew(self) -> None:
        """Forget the sessions of roles: another world knows nothing of them."""
        self.sessions = Sessions(session=self._session, attempts=1)

    def _before(self, request: Any, event_name: str, **_: Any) -> None:
        operation = event_name.rsplit(".", 1)[-1]
        try:
            self.points(f"{operation} before")
        except StoppedError:
            if operation in STRAYING and self.may_stray():
                self.stray.append(request)
                self.points.stops[-1] = f"{operation} under way"
            raise

    def _after(self, event_name: str, **_: Any) -> None:
        self.points(f"{event_name.rsplit('.', 1)[-1]} after")


class ArrivalClock(StepClock):
    """A stepped clock under which stray requests reach AWS at their time."""

    def __init__(self) -> None:
        super().__init__()
        self._due: list[tuple[datetime, Any]] = []

    def send_later(self, request: Any, seconds: float) -> None:
        """Let the request reach AWS in so many seconds."""
        self._due.append((self.now() + timedelta(seconds=seconds), request))
        self._due.sort(key=lambda due: due[0])

    def advance(self, seconds: float) -> None:
        """Step ahead; what is under way arrives on the way.

        Raises:
            NeverEndsError: an execution of hours has taken weeks.
        """
        until = self.now() + timedelta(seconds=seconds)
        if until - DEFAULT_START > LONGEST_EXECUTION:
            raise NeverEndsError(f"the execution does not come to its end within {LONGEST_EXECUTION.days} days")
        while self._due and self._due[0][0] <= until:
            at, request = self._due.pop(0)
            super().advance(max(0.0, (at - self.now()).total_seconds()))
            with suppress(HTTPClientError):  # a lost answer to nobody
                botocore_stubber.process_request(request)
        super().advance((until - self.now()).total_seconds())


@dataclass(frozen=True, slots=True)
class SkewedClock:
    """The clock of one process's machine, so many seconds ahead of AWS's."""

    true: StepClock
    ahead: float

    def now(self) -> datetime:
        """What that machine's clock shows."""
        return self.true.now() + timedelta(seconds=self.ahead)

    def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Step ahead by `seconds`."""
        self.true.wait(seconds, wake)


class DyingStorage:
    """A journal's storage in memory, with points before and after each entry."""

    atomic = True

    def __init__(self, points: Points) -> None:
        self._objects: dict[str, bytes] = {}
        self._points = points

    def read(self, name: str) -> bytes | None:
        """The object's content; None where there is none."""
        return self._objects.get(name)

    def listing(self, folder: str) -> list[str]:
        """The names of the objects in a folder."""
        return [name.rpartition("/")[2] for name in self._objects if name.startswith(f"{folder}/")]

    def create(self, name: str, content: bytes) -> bool:
        """Create the object; False where the name is taken."""
        self._points("journal before")
        taken = name in self._objects
        self._objects.setdefault(name, content)
        self._points("journal after")
        return not taken


class DyingGate:
    """A gate with points before it is asked and after it was answered."""

    def __init__(self, gate: Gatekeeper, points: Points) -> None:
        self._gate = gate
        self._points = points

    def ask(self, request: GateRequest) -> GateAnswer:
        """The world's answer."""
        self._points("gate before")
        answer = self._gate.ask(request)
        self._points("gate after")
        return answer
