"""Brings cancelled executions that no process runs to their end.

In: an execution's id. Out: its report, ended CANCELLED or PARTIAL. A cancel is a stored request, or the state that the
Prefect UI's Cancel leaves: of a Suspended run it is Cancelled at once (`BypassCancellingFlowRunsWithNoInfra` in
Prefect's core_policy), and no worker or hook is notified. So the next caller finalizes the execution:
`prefect-drs cancel`, `status` or `terminate`, an answer to one of its gates, or at the latest the run that is scheduled
for its first deadline.

Must never: launch anything; finalize an execution that a process runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.logging import get_logger

from prefect_drs.aws.sessions import Sessions
from prefect_drs.coordination.process import ExecutionBusyError, require_free
from prefect_drs.core.clock import WallClock, configured_clock
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.execution.events import Event
from prefect_drs.execution.replay import state_of
from prefect_drs.orchestration.accounts import open_sessions
from prefect_drs.orchestration.approvals.suspended_gate import delete_deadline_runs, placeholder_run
from prefect_drs.orchestration.executions.claims import release_servers
from prefect_drs.orchestration.executions.control_requests import close_gates, requests_of
from prefect_drs.orchestration.executions.lease import execution_lease, forget_lease
from prefect_drs.orchestration.executions.reports import settle_former_runs
from prefect_drs.orchestration.storage.artifacts import ReportPublisher
from prefect_drs.orchestration.storage.journal_storage import holder, journal_storage, open_journal
from prefect_drs.recovery.control_requests import ControlRequests, RequestsUnreachableError, pending_cancel
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.options import EnginePorts
from prefect_drs.recovery.resume import Start
from prefect_drs.report.model import RecoveryReport

CHECK_WORKERS = 4

_logger = get_logger("prefect_drs.orchestration.flow.finalize")


def run_as_placeholder() -> State[Any] | None:
    """Handle a flow run that only represents a gate or a deadline of an execution; return its final state.

    Call it first in every flow that can be deployed. None where the run is an execution's own.

    Raises:
        Pause: Prefect's signal that the run has its state already; do not catch it.
    """
    found = placeholder_run()
    if found is None:
        return None
    if not found.resumed:
        finalize_cancelled(found.execution_id)
    if not found.over:
        raise Pause(state=found.state)
    return found.state


def finalize_cancelled(
    execution_id: str,
    sessions: Sessions | None = None,
    *,
    follow_jobs: bool = False,
    observers: Sequence[Callable[[Event], None]] = (),
) -> RecoveryReport | None:
    """Finalize a cancelled execution that no process runs.

    Args:
        execution_id: the execution.
        sessions: access to the accounts; by default through saved blocks.
        follow_jobs: follow its running DRS jobs to their end first, which may take as long as a launch does; otherwise
            an execution with running jobs is left alone.
        observers: called with every event.

    Returns:
        Its report; None where there is nothing to finalize, or it is impossible here: its journal is elsewhere, a
        process holds its lease, or DRS jobs still run.
    """
    requests = requests_of(execution_id)
    try:
        if pending_cancel(requests, ()) is None:  # never cancelled: leave its lease and journal alone
            return None
        patience = timedelta(seconds=1)
        with execution_lease(execution_id, patience=patience):
            require_free(journal_storage(), execution_id, clock=WallClock(), patience=patience, with_prefect=False)
            report = _finalize(execution_id, requests, sessions, observers, follow_jobs=follow_jobs)
    except ExecutionBusyError:
        return None
    except PrefectDrsError as error:
        _logger.warning("execution %s was cancelled and cannot be finalized here: %s", execution_id, error)
        return None
    if report is not None:
        release_servers(execution_id)
        forget_lease(execution_id)
    return report


def _finalize(
    execution_id: str,
    requests: ControlRequests,
    sessions: Sessions | None,
    observers: Sequence[Callable[[Event], None]],
    *,
    follow_jobs: bool,
) -> RecoveryReport | None:
    journal = open_journal(execution_id)
    state = state_of(journal.read())
    if state is None or state.ended or (state.at_work and not follow_jobs):
        return None
    if state.cancellation is None and pending_cancel(requests, state.handled) is None:
        return None
    clock = configured_clock()
    with ReportPublisher(clock) as publisher, ThreadPoolExecutor(CHECK_WORKERS) as executor:
        ports = EnginePorts(
            sessions or open_sessions(session_name=f"prefect-drs-{execution_id}"),
            clock,
            journal,
            executor,
            requests=requests,
            observers=(publisher.observe, *observers),
        )
        engine = Engine(execution_id, None, ports, start=Start(holder=holder()))
        if not engine.cancelled:  # somebody overrode the cancel meanwhile
            raise RequestsUnreachableError(f"execution {execution_id} is not cancelled any more")
        _follow(engine)
        report = engine.finish()
    by = engine.control.cancelled_by
    close_gates(execution_id, by)
    settle_former_runs(execution_id, outcome=f"the execution was cancelled by {by} and ended {report.status}")
    delete_deadline_runs(execution_id)
    return report


def _follow(engine: Engine) -> None:
    """Follow the DRS jobs of a cancelled execution until all have ended."""
    clock = configured_clock()
    while not engine.idle:
        clock.wait(engine.tick(), engine.woken)
