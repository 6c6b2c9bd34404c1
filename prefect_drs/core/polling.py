"""Polling: look until there is an answer, or the time is over.

In: a function that looks. Out: its first answer. Time is the clock's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from prefect_drs.core.clock import Clock, WallClock

T = TypeVar("T")
EVERY_SECONDS = 0.5


def polled(
    look: Callable[[], T | None], *, seconds: float, clock: Clock | None = None, every: float = EVERY_SECONDS
) -> T | None:
    """The first answer of `look` that is not None; None where none came in time.

    Args:
        look: called at least once; what it raises ends the polling.
        seconds: how long to look.
        clock: the clock; by default the machine's.
        every: seconds between two looks.
    """
    clock = clock or WallClock()
    until = clock.now() + timedelta(seconds=seconds)
    while (found := look()) is None and clock.now() < until:
        clock.wait(every)
    return found
