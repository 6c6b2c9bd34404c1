"""Events of control requests: pause, resume, cancel. `request`: id of the stored request; empty for a direct call."""

from __future__ import annotations

from typing import Literal

from prefect_drs.execution.event import Event
from prefect_drs.execution.records import Cancellation, Pause
from prefect_drs.execution.state import ExecutionState


class CancelAsked(Event):
    """Somebody cancelled the execution: nothing more is launched."""

    kind: Literal["CancelAsked"] = "CancelAsked"
    by: str
    reason: str = ""
    request: str = ""

    @property
    def text(self) -> str:
        """Who cancelled, and why."""
        return f"cancel requested by {self.by}" + (f": {self.reason}" if self.reason else "")

    def apply_to(self, state: ExecutionState) -> None:
        """The cancel is in force."""
        state.cancellation = Cancellation(self.by, self.at, self.reason)
        state.handled.add(self.request)


class CancelOverridden(Event):
    """Somebody resumed the execution despite a cancel. `requests`: ids of cancel requests that nobody had handled."""

    kind: Literal["CancelOverridden"] = "CancelOverridden"
    by: str
    requests: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Who resumed."""
        return f"{self.by} resumes despite the cancel"

    def apply_to(self, state: ExecutionState) -> None:
        """No cancel is in force any more."""
        state.cancellation = None
        state.handled.update(self.requests)


class PauseAsked(Event):
    """Somebody paused launching."""

    kind: Literal["PauseAsked"] = "PauseAsked"
    by: str
    request: str = ""

    @property
    def text(self) -> str:
        """Who paused."""
        return f"pause requested by {self.by}: nothing new is launched"

    def apply_to(self, state: ExecutionState) -> None:
        """Launching is paused."""
        state.pause = Pause(self.by, self.at)
        state.handled.add(self.request)


class PauseEnded(Event):
    """Launching goes on."""

    kind: Literal["PauseEnded"] = "PauseEnded"
    by: str
    request: str = ""

    @property
    def text(self) -> str:
        """Who ended the pause."""
        return f"pause ended by {self.by}"

    def apply_to(self, state: ExecutionState) -> None:
        """Launching is not paused."""
        state.pause = None
        state.handled.add(self.request)


class ControlRequestHandled(Event):
    """A control request changed nothing: a pause while paused, say, or one that could not be read."""

    kind: Literal["ControlRequestHandled"] = "ControlRequestHandled"
    request: str
    outcome: str

    @property
    def text(self) -> str:
        """What became of the request."""
        return f"control request {self.request}: {self.outcome}"

    def apply_to(self, state: ExecutionState) -> None:
        """It is not handled a second time."""
        state.handled.add(self.request)
