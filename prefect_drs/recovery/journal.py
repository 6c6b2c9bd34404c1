"""The journal: every decision and outcome of an execution, appended in order and never changed.

In: events. Out: the same events, to whoever asks, after a restart too. The engine writes an intent before it acts and
an outcome after, so a process that dies between the two leaves a question the next one can look into, never a secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from prefect_drs.report.events import Event


class Journal(Protocol):
    """Where events are kept."""

    def read(self) -> tuple[Event, ...]:
        """All events so far, in order."""
        ...

    def append(self, events: Iterable[Event]) -> None:
        """Keep these, in order; they are safe when this returns."""
        ...


class MemoryJournal:
    """A journal that lives as long as its process."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def read(self) -> tuple[Event, ...]:
        """All events so far, in order."""
        return tuple(self._events)

    def append(self, events: Iterable[Event]) -> None:
        """Keep these, in order."""
        self._events.extend(events)
