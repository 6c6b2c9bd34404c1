"""The status of executions, for any process that reaches the Prefect API.

In: an execution's id, or nothing. Out: its situation, or the latest executions. An execution that was cancelled while
no process carried it is finalized here, since no other process may look at it again. Prints nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from datetime import datetime

from prefect.client.schemas.objects import FlowRun
from prefect.logging import get_logger

from prefect_drs.coordination.process import last_mark
from prefect_drs.coordination.situation import stored_situation
from prefect_drs.core.clock import configured_clock, is_simulated, wall_time_of
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.orchestration.approvals.answers import pending_gates
from prefect_drs.orchestration.approvals.suspended_gate import is_suspended
from prefect_drs.orchestration.client import prefect_client, shared_client
from prefect_drs.orchestration.executions.lease import held_executions, is_held
from prefect_drs.orchestration.executions.reports import (
    all_flow_runs_of,
    find_published,
    find_report,
    list_reports,
    list_summaries,
    published_among,
    summary_pages,
    unknown_execution,
)
from prefect_drs.orchestration.flow.deployed import StartedRun, started_pages
from prefect_drs.orchestration.flow.finalize import finalize_cancelled
from prefect_drs.orchestration.storage.journal_storage import journal_storage
from prefect_drs.orchestration.ui_links import ui_link
from prefect_drs.report.model import ExecutionStatus, RecoveryReport
from prefect_drs.report.situation import ProcessReport, Situation, situation
from prefect_drs.report.summary import ExecutionSummary

_logger = get_logger("prefect_drs.operations.status")

LATEST = 50
"""Executions in a list."""
STORED = 10
"""Journals that a list reads at most, of executions that this Prefect API does not know."""


def execution_situation(execution_id: str) -> Situation:
    """The current report of an execution, the process that carries it, and what it waits for.

    Raises:
        UsageError: this Prefect API knows no such execution, or it has not started.
    """
    found = find_situation(execution_id)
    if found is None:
        raise unknown_execution(execution_id)
    return found


def find_situation(execution_id: str) -> Situation | None:
    """The current situation of an execution (see `execution_situation`); None where it has published no report."""
    with shared_client():
        report, seen_at = find_published(execution_id)
        if report is None:
            return carried_without_prefect(execution_id, begun=True)
        if report.ended_at is None and not (alive := is_held(execution_id)):
            if (beside := carried_without_prefect(execution_id)) is not None:
                return beside
            report = finalize_cancelled(execution_id) or report
        if report.ended_at is not None:
            return Situation(report, ProcessReport(alive=False, last_seen_at=seen_at), (), ui_link(execution_id))
        gates = [gate.as_open_gate() for gate in pending_gates(execution_id)]
        suspended = not alive and waits_for_worker(execution_id)
    clock, simulated = configured_clock(), report.simulated_time

    def wall(at: datetime) -> datetime:
        return wall_time_of(clock, at) if simulated else at

    return situation(
        report,
        ProcessReport(alive=alive, last_seen_at=seen_at),
        gates,
        suspended=suspended,
        wall=wall,
        link=ui_link(execution_id),
        now=clock.now() if simulated == is_simulated(clock) else None,
    )


def carried_without_prefect(execution_id: str, *, begun: bool = False) -> Situation | None:
    """The situation of an execution by its journal, where a process without Prefect carried it last.

    Args:
        execution_id: the execution.
        begun: this Prefect API knows no report of it: whoever carried it.

    Returns:
        None where its journal is not here or cannot be read, or Prefect knows better.
    """
    try:
        storage = journal_storage()
        mark = last_mark(storage, execution_id)
        if mark is None or (mark.with_prefect and not begun):
            return None
        return stored_situation(storage, execution_id)
    except PrefectDrsError as error:  # what Prefect knows is shown all the same
        _logger.warning("whether execution %s was carried without Prefect is not known: %s", execution_id, error)
        return None


def all_executions() -> Iterator[ExecutionSummary]:
    """The current summaries of all executions, the newest first; a page is read when it is needed.

    Executions that a deployment started and that have published no report are PENDING, or FAILED or CANCELLED where
    they ended before they launched anything.
    """
    return heapq.merge(_unpublished(), _published(), key=lambda summary: summary.started_at, reverse=True)


def _unpublished() -> Iterator[ExecutionSummary]:
    """The executions of deployments that have published no report."""
    seen: set[str] = set()  # a run that is created meanwhile shifts the others
    started = started_pages()
    while True:
        with shared_client():
            if (page := next(started, None)) is None:
                return
            reported = published_among([run.execution_id for run in page])
        yield from (summary_of_started(run) for run in page if run.execution_id not in reported | seen)
        seen |= {run.execution_id for run in page}


def _published() -> Iterator[ExecutionSummary]:
    seen: set[str] = set()
    for page in summary_pages():
        new = {summary.execution_id: summary for summary in reversed(page) if summary.execution_id not in seen}
        seen |= new.keys()
        with shared_client():
            lost = _without_process([summary.execution_id for summary in new.values() if summary.ended_at is None])
        for summary in reversed(new.values()):
            yield _current(summary) if summary.execution_id in lost else summary


def summary_of_started(run: StartedRun) -> ExecutionSummary:
    """An execution without a report in a list: `started_at` is when it was requested."""
    return ExecutionSummary(
        execution_id=run.execution_id,
        plan_name=run.plan_name,
        mode=run.mode,
        status=status_of_started(run),
        started_at=run.created_at,
        ended_at=run.ended_at,
        servers=0,
        launched=0,
    )


def status_of_started(run: StartedRun) -> ExecutionStatus:
    """The status of an execution that has published no report."""
    if run.ended_at is None:
        return ExecutionStatus.PENDING
    return ExecutionStatus.CANCELLED if run.state_type == "CANCELLED" else ExecutionStatus.FAILED


def waits_for_worker(execution_id: str) -> bool:
    """Whether a flow run of the execution is Suspended, or scheduled to resume."""
    runs = _flow_runs_of(execution_id)
    return any(is_suspended(run) or (run.state is not None and run.state.is_scheduled()) for run in runs)


def is_about_to_run(execution_id: str) -> bool:
    """Whether a flow run of the execution is scheduled, or its process is starting."""
    runs = _flow_runs_of(execution_id)
    return any(run.state is None or run.state.is_scheduled() or run.state.is_pending() for run in runs)


def _flow_runs_of(execution_id: str) -> list[FlowRun]:
    with prefect_client() as client:
        return all_flow_runs_of(client, execution_id)


def latest_reports() -> list[RecoveryReport]:
    """The current reports of the latest executions, the newest first."""
    with shared_client():
        reports = list_reports(LATEST)
        lost = _without_process([report.execution_id for report in reports if report.ended_at is None])
    known = [_current_report(report) if report.execution_id in lost else report for report in reports]
    beside = _stored_beside({report.execution_id for report in reports})
    return sorted((*known, *beside), key=lambda each: each.started_at, reverse=True)[:LATEST] if beside else known


def _current_report(report: RecoveryReport) -> RecoveryReport:
    """The report of an execution that no Prefect process carries."""
    if (beside := carried_without_prefect(report.execution_id)) is not None:
        return beside.report
    return finalize_cancelled(report.execution_id) or report


def latest_executions() -> list[ExecutionSummary]:
    """The current summaries of the latest executions, the newest first. Reads no report of one that has ended."""
    with shared_client():
        summaries = list_summaries(LATEST)
        lost = _without_process([summary.execution_id for summary in summaries if summary.ended_at is None])
    known = [_current(summary) if summary.execution_id in lost else summary for summary in summaries]
    beside = _stored_beside({summary.execution_id for summary in summaries})
    merged = sorted((*known, *map(ExecutionSummary.of, beside)), key=lambda each: each.started_at, reverse=True)
    return merged[:LATEST] if beside else known


def _stored_beside(known: Collection[str]) -> list[RecoveryReport]:
    """The reports of executions that this Prefect API does not know, since they were begun without it."""
    try:
        newest = journal_storage().newest(LATEST)
    except PrefectDrsError as error:
        _logger.warning("executions that were begun without Prefect are not shown: %s", error)
        return []
    others = [execution_id for execution_id in newest if execution_id not in known][:STORED]
    found = (carried_without_prefect(execution_id) for execution_id in others)
    return [each.report for each in found if each is not None]


def _without_process(execution_ids: list[str]) -> set[str]:
    """Those that no process carries; one that does handles its cancel itself."""
    return set(execution_ids) - held_executions(execution_ids)


def _current(summary: ExecutionSummary) -> ExecutionSummary:
    """The summary from the report: a process that died may have published the report and not the summary."""
    if (beside := carried_without_prefect(summary.execution_id)) is not None:
        return ExecutionSummary.of(beside.report)
    report = finalize_cancelled(summary.execution_id) or find_report(summary.execution_id)
    return summary if report is None else ExecutionSummary.of(report)
