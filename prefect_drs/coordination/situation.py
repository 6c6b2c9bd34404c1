"""An execution as its journal tells it, the process that carries it, and what it waits for.

In: a storage, an execution. Out: a `Situation`. Changes nothing.
"""

from __future__ import annotations

from datetime import datetime

from prefect_drs.coordination.gate import waiting_gates
from prefect_drs.coordination.process import last_mark
from prefect_drs.core.clock import WallClock, configured_clock, is_simulated, wall_time_of
from prefect_drs.execution.replay import state_of
from prefect_drs.execution.view import report as report_view
from prefect_drs.recovery.journal import Archive, StoredJournal
from prefect_drs.report.situation import ProcessReport, Situation, situation


def stored_situation(storage: Archive, execution_id: str) -> Situation | None:
    """The situation of an execution by its journal; None where there is no journal.

    Raises:
        JournalDamagedError, JournalUnavailableError: the journal cannot be read.
    """
    state = state_of(StoredJournal(storage, execution_id).read())
    if state is None:
        return None
    mark, report, clock = last_mark(storage, execution_id), report_view(state), configured_clock()
    alive = mark is not None and mark.alive(WallClock().now()) and report.ended_at is None
    simulated = state.simulated_time

    def wall(at: datetime) -> datetime:
        return wall_time_of(clock, at) if simulated else at

    return situation(
        report,
        ProcessReport(alive=alive, last_seen_at=mark.seen_at if mark is not None else None),
        [gate.as_open_gate(wall) for gate in waiting_gates(state)],
        suspended=False,
        wall=wall,
        now=clock.now() if simulated == is_simulated(clock) else None,
        without_prefect=True,
    )
