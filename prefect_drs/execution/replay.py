"""A whole journal replayed: the state that a new process starts from.

In: events. Out: an `ExecutionState`. The journal may lag behind AWS by what a process that died could not write any
more; the engine's first reading of DRS's jobs closes that gap before anything is launched.
"""

from __future__ import annotations

from collections.abc import Iterable

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.execution.event import Event
from prefect_drs.execution.events import ExecutionStarted
from prefect_drs.execution.state import ExecutionState


def state_of(events: Iterable[Event]) -> ExecutionState | None:
    """The state of a journal's execution; None where the journal is empty.

    Raises:
        PrefectDrsError: the journal does not begin with ExecutionStarted, or an event does not fit those before it.
    """
    remaining = iter(events)
    first = next(remaining, None)
    if first is None:
        return None
    if not isinstance(first, ExecutionStarted):
        raise PrefectDrsError(f"the journal begins with {first.kind}, not with ExecutionStarted; it is not whole")
    state = first.initial_state
    for number, event in enumerate(remaining, 2):
        apply_next(state, event, number)
    return state


def apply_next(state: ExecutionState, event: Event, number: int) -> None:
    """Apply the next event of a journal. `number`: its position, from 1 on.

    Raises:
        PrefectDrsError: it does not fit the events before it.
    """
    try:
        state.apply(event)
    except (KeyError, ValueError) as fault:
        raise PrefectDrsError(
            f"event {number} of the journal, {event.kind}, does not fit those before it ({fault}): the journal is "
            "not whole; restore it from a backup, or start a new execution after looking at DRS's jobs"
        ) from None
