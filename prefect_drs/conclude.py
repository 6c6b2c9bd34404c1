"""Executions that were cancelled in Prefect while no process carried them out, brought to their end.

In: an execution's id. Out: its report, ended CANCELLED or PARTIAL. The UI's Cancel of a Suspended run sets it to
Cancelled at once (`BypassCancellingFlowRunsWithNoInfra` in Prefect's core_policy): no worker and no hook hears of it.
So whoever looks next concludes the execution: `prefect-drs status`, `resume` and `terminate`, an answer to one of its
gates, or at the latest the run that was scheduled for its first deadline.

Must never: launch anything; end an execution that a process carries out, or for which DRS still works.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect.client.schemas.objects import State
from prefect.logging import get_logger

from prefect_drs.artifacts import ReportPublisher, publish_report
from prefect_drs.aws.sessions import Sessions
from prefect_drs.blocks import open_sessions
from prefect_drs.clock import configured_clock
from prefect_drs.control import close_gates
from prefect_drs.errors import PrefectDrsError
from prefect_drs.executions import CANCELLED_BY, was_cancelled
from prefect_drs.journals import holder, open_journal
from prefect_drs.lease import ExecutionBusyError, execution_lease, forget_lease
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.restore import Standing, standing_of
from prefect_drs.recovery.runner import InlineExecutor
from prefect_drs.report.model import RecoveryReport
from prefect_drs.suspension import dismiss_alarms, stand_in_for

_logger = get_logger("prefect_drs.conclude")


def stand_in() -> State[Any] | None:
    """Where this flow run only stands for a gate or a deadline of an execution: how to end it.

    Call it first in every flow that can be deployed. None where the run is an execution's own.
    """
    found = stand_in_for()
    if found is None:
        return None
    if not found.woken:
        conclude_cancelled(found.execution_id)
    return found.state


def conclude_cancelled(execution_id: str, sessions: Sessions | None = None) -> RecoveryReport | None:
    """End an execution that was cancelled in Prefect and that nobody carries out any more.

    Args:
        execution_id: the execution.
        sessions: the way into the accounts, for the points in time of what is launched; by default by saved blocks.

    Returns:
        Its report; None where there is nothing to conclude, or it cannot be done here: its journal is elsewhere, or
        DRS still works for it, and `prefect-drs resume` watches that to its end.
    """
    if not was_cancelled(execution_id):
        return None
    try:
        with execution_lease(execution_id, patience=timedelta(seconds=1)):
            report = _conclude(execution_id, sessions)
    except ExecutionBusyError:
        return None
    except PrefectDrsError as error:
        _logger.warning("execution %s was cancelled in Prefect and cannot be ended here: %s", execution_id, error)
        return None
    if report is not None:
        forget_lease(execution_id)
    return report


def _conclude(execution_id: str, sessions: Sessions | None) -> RecoveryReport | None:
    journal = open_journal(execution_id)
    standing = standing_of(journal.read())
    if standing is None or standing.ended or _is_at_work(standing):
        return None
    with ReportPublisher() as publisher:
        engine = Engine(
            execution_id,
            None,
            sessions or open_sessions(session_name=f"prefect-drs-{execution_id}"),
            clock=configured_clock(),
            journal=journal,
            executor=InlineExecutor(),
            holder=holder(),
            observers=(publisher.observe,),
        )
        engine.cancel(CANCELLED_BY)
        report = engine.finish()
    publish_report(report, engine.runbook)
    close_gates(execution_id, CANCELLED_BY)
    dismiss_alarms(execution_id)
    return report


def _is_at_work(standing: Standing) -> bool:
    """Whether a wave is under way, or DRS may have a job of the execution that is not known to be over."""
    begun = any(wave.begun and not wave.status.over for wave in standing.waves.values())
    return begun or bool(standing.requests) or not standing.jobs.keys() <= standing.over
