"""A journal played back: its events one after another, with the pauses between them, at a chosen speed.

In: events, a clock, a speed. Out: calls of an observer. Knows no terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from prefect_drs.core.clock import Clock
from prefect_drs.execution.event import Event

LONGEST_PAUSE = 10.0
"""Seconds of the clock that a pause between two events takes at most: nobody watches a gate that waited for a night."""
STEP = 1.0  # seconds of the clock between two calls of `tick`


def play(
    events: Sequence[Event],
    observe: Callable[[Event], None],
    clock: Clock,
    *,
    speed: float,
    tick: Callable[[datetime], None] = lambda moment: None,
) -> None:
    """Hand over all events in order.

    Args:
        events: of one execution.
        observe: called with each event.
        clock: waited on between events.
        speed: seconds of the execution in a second of the clock; 0 waits for nothing.
        tick: called about every second of a pause, with the moment of the execution that is shown then.
    """
    moment = events[0].at if events else None
    for event in events:
        if moment is not None and speed > 0:
            _pass(moment, event.at, clock, speed, tick)
        moment = event.at if moment is None else max(moment, event.at)
        observe(event)


def _pass(start: datetime, end: datetime, clock: Clock, speed: float, tick: Callable[[datetime], None]) -> None:
    seconds = (end - start).total_seconds()
    left = whole = min(LONGEST_PAUSE, seconds / speed)
    while left > 0:
        step = min(STEP, left)
        clock.wait(step)
        left -= step
        if left > 0:
            tick(start + timedelta(seconds=seconds * (1 - left / whole)))
