"""What all events have in common.

An event is a fact, written after (or, for `JobRequested` and `TerminationAsked`, before) the thing that it reports. It
is a plain frozen value that serialises to JSON; the order in which events were appended is part of their meaning. Its
class says all there is to say of one kind: its fields, its text for people, and how it changes the state.
"""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime

from prefect_drs.core.models import FrozenModel
from prefect_drs.execution.state import ExecutionState


class Event(FrozenModel):
    """The base of all events.

    Args:
        at: when it was recorded (UTC).
        kind: names the class in stored journals; never renamed.
    """

    at: datetime
    kind: str

    @property
    @abstractmethod
    def text(self) -> str | None:
        """One line for people, as a log shows it; None for an event that only the journal needs."""

    def apply_to(self, state: ExecutionState) -> None:
        """Change the state; called by `ExecutionState.apply` only. Most kinds override this; the others change nothing.

        Raises:
            KeyError, ValueError: it does not fit the events before it.
        """
        del state
