"""Which process carries an execution: one with Prefect, by its lease; one without, by its mark beside the journal.

In: an execution. Out: whether a process carries it. Changes nothing.
"""

from __future__ import annotations

from prefect.logging import get_logger

from prefect_drs.coordination.process import last_mark
from prefect_drs.core.clock import WallClock
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.orchestration.executions.lease import is_held
from prefect_drs.orchestration.storage.journal_storage import journal_storage

_logger = get_logger("prefect_drs.orchestration.executions.carriers")


def is_carried(execution_id: str) -> bool:
    """Whether a process carries the execution, with Prefect or without."""
    return is_held(execution_id) or is_carried_without_prefect(execution_id)


def is_carried_without_prefect(execution_id: str) -> bool:
    """Whether a process without Prefect carries the execution.

    Where the journals' storage does not answer it is not known, and a line in the log says so.
    """
    try:
        mark = last_mark(journal_storage(), execution_id)
    except PrefectDrsError as error:
        _logger.warning("whether a process without Prefect carries execution %s is not known: %s", execution_id, error)
        return False
    return mark is not None and not mark.with_prefect and mark.alive(WallClock().now())
