"""One account and region: ids of its resources, its time, and its scheduled events.

State advances lazily: `Scope.advance` handles the events that are due. Events are plain data (time, number, name,
arguments), so that they can be stored; resources register a handler for each name.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime
from typing import Any

from . import environment, event_bus
from .identifiers import identifier, uuid_of

Event = tuple[datetime, int, str, tuple[Any, ...]]


class Scope:
    """The context of every resource. Ids depend on seed, account, region and their subject."""

    def __init__(self, account_id: str, region: str, partition: str) -> None:
        self.account_id = account_id
        self.region = region
        self.partition = partition
        self.events: list[Event] = []
        self.events_issued = 0
        self.counts: dict[str, int] = {}
        self._handlers: dict[str, Callable[..., None]] = {}
        self._event_at: datetime | None = None

    @property
    def seed(self) -> int:
        """The environment's seed."""
        return environment.current().seed

    @property
    def place(self) -> tuple[str, str]:
        """Account and region."""
        return self.account_id, self.region

    def now(self) -> datetime:
        """The time; while an event is handled, the event's scheduled time."""
        return self._event_at or environment.current().now()

    def handle(self, **handlers: Callable[..., None]) -> None:
        """Register the handlers of events by name; each takes the event's time and its arguments."""
        self._handlers.update(handlers)

    def schedule(self, at: datetime, event: str, *args: Any) -> None:
        """Schedule a call of the handler of `event` with `at` and `args` at that time. Arguments must be plain data."""
        self.events_issued += 1
        heapq.heappush(self.events, (at, self.events_issued, event, args))

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

    def count(self, kind: str) -> int:
        """1, 2, 3 … for each kind."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return self.counts[kind]

    def identifier(self, prefix: str, *parts: object) -> str:
        """An id of DRS or EC2."""
        return identifier(prefix, self.seed, *self.place, *parts)

    def uuid(self, *parts: object) -> str:
        """A UUID."""
        return uuid_of(self.seed, *self.place, *parts)

    def arn(self, kind: str, name: str) -> str:
        """`arn:aws:drs:<region>:<account>:<kind>/<name>`."""
        return f"arn:{self.partition}:drs:{self.region}:{self.account_id}:{kind}/{name}"

    def emit(self, kind: str, arn: str, **detail: str) -> None:
        """Send an event about a resource to EventBridge; see `event_bus`."""
        event_bus.put_event(self.account_id, self.region, self.now(), kind, arn, **detail)
