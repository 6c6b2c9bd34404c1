"""Pieces of waits: made, merged, and laid over by what held them up.

In: waits in order, and the pauses, cancels and process gaps of `Marks`. Out: waits that cover the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from prefect_drs.execution.timeline.marks import Marks, Span
from prefect_drs.report.timeline import Cause, Wait

Overlay = tuple[datetime, datetime, str]

NEEDS_A_PROCESS = frozenset(
    {
        Cause.ENGINE,
        Cause.QUOTA,
        Cause.FOREIGN_JOB,
        Cause.REFUSED,
        Cause.SETTINGS,
        Cause.HOOKS,
        Cause.CHECKS,
        Cause.RETRY,
    }
)
"""What does not go on without a process. Jobs in DRS and people at gates do."""
HELD_BY_A_PAUSE = frozenset({Cause.ENGINE, Cause.QUOTA, Cause.FOREIGN_JOB, Cause.REFUSED})
"""What would lead to a launch."""
HELD_BY_A_CANCEL = frozenset({Cause.ENGINE, Cause.DEPENDENCIES, Cause.GATE, Cause.PAUSE, Cause.NO_PROCESS})
"""What ends with nothing launched once a cancel is in force, of a wave that has not begun."""


def piece(cause: Cause, start: datetime, end: datetime, text: str) -> list[Wait]:
    """The wait, as a list; an empty list if it has no length."""
    return [Wait(cause=cause, start=start, end=end, text=text)] if end > start else []


def merged(waits: Iterable[Wait]) -> list[Wait]:
    """The waits; those that follow each other with the same cause and text become one."""
    found: list[Wait] = []
    for wait in waits:
        last = found[-1] if found else None
        if last is not None and (last.cause, last.text, last.end) == (wait.cause, wait.text, wait.start):
            found[-1] = last.model_copy(update={"end": wait.end})
        else:
            found.append(wait)
    return found


def overlaid(marks: Marks, waits: Sequence[Wait], *, before_launch: bool = False) -> list[Wait]:
    """The waits with the times in which no process, a pause or a cancel held them up.

    Args:
        marks: the execution.
        waits: of a server or wave, in order.
        before_launch: whether they are those of a wave that had not begun.
    """
    found = _laid_over(waits, gap_overlays(marks), Cause.NO_PROCESS, NEEDS_A_PROCESS)
    if before_launch or any(wait.cause in HELD_BY_A_PAUSE for wait in found):
        found = _laid_over(found, pause_overlays(marks), Cause.PAUSE, HELD_BY_A_PAUSE)
    if before_launch:
        found = _laid_over(found, _cancel_overlays(marks), Cause.CANCEL, HELD_BY_A_CANCEL)
    return found


def gap_overlays(marks: Marks) -> list[Overlay]:
    """The times without a process."""
    return [
        (gap.start, marks.end_of(gap), f"no process carried the execution; {gap.by or 'another process'} resumed it")
        for gap in marks.gaps
    ]


def pause_overlays(marks: Marks) -> list[Overlay]:
    """The times in which launching was paused."""
    return [(pause.start, marks.end_of(pause), _pause_text(pause)) for pause in marks.pauses]


def _pause_text(pause: Span) -> str:
    if pause.end is None:
        return f"{pause.by} paused launching"
    return f"{pause.by} paused launching" + (f"; {pause.ended_by} ended the pause" if pause.ended_by else "")


def _cancel_overlays(marks: Marks) -> list[Overlay]:
    return [
        (
            cancel.start,
            marks.end_of(cancel),
            f"{cancel.by} cancelled the execution" + (f": {cancel.reason}" if cancel.reason else ""),
        )
        for cancel in marks.cancels
    ]


def _laid_over(waits: Sequence[Wait], overlays: Iterable[Overlay], cause: Cause, over: frozenset[Cause]) -> list[Wait]:
    found = list(waits)
    for start, end, text in overlays:
        result: list[Wait] = []
        for wait in found:
            low, high = max(wait.start, start), min(wait.end, end)
            if wait.cause not in over or low >= high:
                result.append(wait)
                continue
            result += piece(wait.cause, wait.start, low, wait.text)
            result += piece(cause, low, high, text)
            result += piece(wait.cause, high, wait.end, wait.text)
        found = result
    return found
