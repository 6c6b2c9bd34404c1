"""The time axis of a chart: from moments to pixels, and where its ticks are.

In: two moments and a width. Out: positions in pixels. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

STEPS = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)
"""Seconds between two ticks: what people read from a clock."""


class TimeScale:
    """Maps a span of time to pixels.

    Args:
        start: the left edge.
        end: the right edge; a span without length gets a second.
        left: pixels of the left edge.
        width: pixels of the whole span.
        ticks: at most this many ticks.
    """

    def __init__(self, start: datetime, end: datetime, *, left: float, width: float, ticks: int = 10) -> None:
        self.start = start
        self.seconds = max(1.0, (end - start).total_seconds())
        self.left, self.width = left, width
        self._step = next((step for step in STEPS if self.seconds / step <= ticks), STEPS[-1] * 4)

    def x(self, at: datetime) -> float:
        """The position of a moment, within the chart."""
        share = (at - self.start).total_seconds() / self.seconds
        return round(self.left + self.width * min(1.0, max(0.0, share)), 1)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Positions and labels: the time of day, with the date where the day changes."""
        first = self.start.astimezone(UTC)
        midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
        passed = int((first - midnight).total_seconds() // self._step) + 1
        at, end = midnight + timedelta(seconds=passed * self._step), first + timedelta(seconds=self.seconds)
        day = first.date()
        while at <= end:
            clock = f"{at:%H:%M:%S}" if self._step < 60 else f"{at:%H:%M}"
            yield self.x(at), clock if at.date() == day else f"{at:%b %d} {clock}"
            day = at.date()
            at += timedelta(seconds=self._step)
