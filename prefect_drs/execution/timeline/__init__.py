"""The timeline of an execution, from its journal alone: what each wave and server waited for, gates, incidents.

In: the events of one execution. Out: a `report.timeline.Timeline`. Pure: no clock, no AWS, no Prefect.

Stages: `marks` (one pass over the events: when each server, gate and wave changed) → `waits` (each moment gets one
cause) and `incidents` (faults, each with what was done) → `timeline_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prefect_drs.execution.event import Event
from prefect_drs.execution.timeline.incidents import incidents_of
from prefect_drs.execution.timeline.marks import marks_of
from prefect_drs.execution.timeline.waits import interruptions_of, wave_timelines
from prefect_drs.execution.view import report
from prefect_drs.report.timeline import Cause, Timeline, WaveTimeline

__all__ = ["timeline_of"]

WAITS_FOR_OTHERS = frozenset({Cause.DEPENDENCIES, Cause.CANCEL, Cause.ENGINE})


def timeline_of(events: Sequence[Event], now: datetime | None = None) -> Timeline:
    """The timeline of a journal.

    Args:
        events: all events so far, in order.
        now: the time of an execution that has not ended; the time of its last event if None or earlier than that.

    Raises:
        PrefectDrsError: the journal does not begin with ExecutionStarted, or an event does not fit those before it.
        ValueError: it is empty.
    """
    marks = marks_of(events, now)
    shown = report(marks.state)
    waves = wave_timelines(marks)
    return Timeline(
        execution_id=shown.execution_id,
        plan_name=shown.plan_name,
        mode=shown.mode,
        status=shown.status,
        started_at=shown.started_at,
        until=marks.until,
        over=marks.state.ended,
        waves=waves,
        deciding=_deciding(waves),
        simulated_time=shown.simulated_time,
        interruptions=interruptions_of(marks),
        incidents=incidents_of(events, marks),
    )


def _deciding(waves: Sequence[WaveTimeline]) -> tuple[int, ...]:
    """Back from the wave that ended last, each time to the dependency that ended last. A wave that only waited for
    others decides nothing.
    """
    known = {wave.wave_number: wave for wave in waves}
    active = [wave for wave in waves if any(wait.cause not in WAITS_FOR_OTHERS for wait in wave.waits)]
    last = max(active or waves, key=_order, default=None)
    path: list[int] = []
    while last is not None:
        path.append(last.wave_number)
        last = max((known[number] for number in last.depends_on_waves), key=_order, default=None)
    return tuple(reversed(path))


def _order(wave: WaveTimeline) -> tuple[float, int]:
    """The later end first; of equal ones the lower number."""
    return (wave.waits[-1].end.timestamp() if wave.waits else 0.0, -wave.wave_number)
