"""Small pieces of text that every rendering is made of: durations, counts, times and Markdown tables.

In: plain values. Out: text. Knows nothing of reports, so that what only writes words loads nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from prefect_drs.core.escaping import markdown_text


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; nothing where there are no rows."""
    lines = [f"| {' | '.join(markdown_text(cell) for cell in row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(header)} |", f"|{'---|' * len(header)}", *lines])


def counted(number: int, noun: str) -> str:
    """`1 server`, `2 servers`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float | None) -> str:
    """Seconds as `1 h 02 min` or `3 min 04 s`."""
    if seconds is None:
        return "—"
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s"


def clock_time(at: datetime | None, begun: datetime | None = None) -> str:
    """Hours, minutes and seconds, UTC; with the date on another day than the execution began."""
    if at is None:
        return "—"
    return f"{at:%H:%M:%S}" if begun is None or at.date() == begun.date() else f"{at:%m-%d %H:%M:%S}"


def full_time(at: datetime, *, simulated: bool = False) -> str:
    """`2030-01-01 12:13:00 UTC`. `simulated`: whether it is a time of the sandbox's clock."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" + (" (simulated)" if simulated else "")
