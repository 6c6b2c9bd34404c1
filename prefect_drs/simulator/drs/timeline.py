"""The events of one account and region, in order of time.

State is advanced lazily: `advance` handles the events that are due by now. Events are plain data (time, number, name,
arguments), so that they can be stored; resources register a handler for each name.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime
from typing import Any

from . import environment

Event = tuple[datetime, int, str, tuple[Any, ...]]
Handler = Callable[..., None]
"""Takes the event's time and its arguments."""


class Timeline:
    """A queue of events and the time at which it stands."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.issued = 0
        self._handlers: dict[str, Handler] = {}
        self._event_at: datetime | None = None

    def now(self) -> datetime:
        """The time; while an event is handled, the event's own time, however late that happens."""
        return self._event_at or environment.current().now()

    def handle(self, **handlers: Handler) -> None:
        """Register the handlers of events by name."""
        self._handlers.update(handlers)

    def schedule(self, at: datetime, event: str, *args: Any) -> None:
        """Let the handler of `event` be called with `at` and `args` at that time. Arguments must be plain data."""
        self.issued += 1
        heapq.heappush(self.events, (at, self.issued, event, args))

    def advance(self) -> None:
        """Handle all events that are due."""
        if self._event_at is not None:
            return  # an event that looks at a sibling, which looks back here
        now = self.now()
        try:
            while self.events and self.events[0][0] <= now:
                at, _, event, args = heapq.heappop(self.events)
                self._event_at = at
                self._handlers[event](at, *args)
        finally:
            self._event_at = None

    def next_event_at(self) -> datetime | None:
        """Time of the next event; None if nothing is under way."""
        return self.events[0][0] if self.events else None
