"""The log of an execution for people: a line for each event, with the names of servers and the day.

In: events, in order, those of former processes too. Out: lines of text. A date stands where the day changes, and a line
marks where a resumed execution goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from prefect_drs.execution.event import Event
from prefect_drs.execution.events import ExecutionResumed, ExecutionStarted

_SOURCE_SERVER_ID = re.compile(r"\bs-[0-9a-zA-Z]{17}\b")


class EventLines:
    """Turns the events of one execution into lines."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._day: date | None = None
        self._simulated = False

    def learn(self, event: Event) -> None:
        """Take the names of the servers from the first event."""
        if isinstance(event, ExecutionStarted):
            self._names = {s.source_server_id: s.name for wave in event.runbook.waves for s in wave.servers}
            self._simulated = event.simulated_time

    def lines(self, event: Event) -> Iterator[str]:
        """The lines of one more event; none for an event that only the journal needs."""
        self.learn(event)
        text = event.text
        if text is None:
            return
        if event.at.date() != self._day:
            self._day = event.at.date()
            yield f"-- {self._day:%Y-%m-%d}, times are UTC{' of the sandbox (simulated)' if self._simulated else ''} --"
        if isinstance(event, ExecutionResumed):
            yield f"-- until here from the journal; resumed at {event.at:%H:%M:%S} --"
        yield f"{event.at:%H:%M:%S} {self.named(text)}"

    def named(self, text: str) -> str:
        """The text with the name of each server before its id."""
        return _SOURCE_SERVER_ID.sub(lambda found: self._with_name(found[0]), text)

    def _with_name(self, server_id: str) -> str:
        name = self._names.get(server_id)
        return server_id if name is None or name == server_id else f"{name} ({server_id})"
