"""The status of executions, for any process that reaches the Prefect API.

In: an execution's id, or nothing. Out: its report, or the latest executions. An execution that was cancelled while no
process carried it is finalized here, since no other process may look at it again. Prints nothing.
"""

from __future__ import annotations

from prefect_drs.orchestration.client import shared_client
from prefect_drs.orchestration.executions.lease import held_executions
from prefect_drs.orchestration.executions.reports import find_report, list_reports, list_summaries, read_report
from prefect_drs.orchestration.flow.finalize import finalize_cancelled
from prefect_drs.report.model import RecoveryReport
from prefect_drs.report.summary import ExecutionSummary

LATEST = 50
"""Executions in a list."""


def execution_report(execution_id: str) -> RecoveryReport:
    """The current report of an execution.

    Raises:
        UsageError: this Prefect API knows no such execution.
    """
    report = read_report(execution_id)
    return report if report.ended_at else finalize_cancelled(execution_id) or report


def latest_reports() -> list[RecoveryReport]:
    """The current reports of the latest executions, the newest first."""
    with shared_client():
        reports = list_reports(LATEST)
        lost = _without_process([report.execution_id for report in reports if report.ended_at is None])
    return [
        (finalize_cancelled(report.execution_id) or report) if report.execution_id in lost else report
        for report in reports
    ]


def latest_executions() -> list[ExecutionSummary]:
    """The current summaries of the latest executions, the newest first. Reads no report of one that has ended."""
    with shared_client():
        summaries = list_summaries(LATEST)
        lost = _without_process([summary.execution_id for summary in summaries if summary.ended_at is None])
    return [_current(summary) if summary.execution_id in lost else summary for summary in summaries]


def _without_process(execution_ids: list[str]) -> set[str]:
    """Those that no process carries; one that does handles its cancel itself."""
    return set(execution_ids) - held_executions(execution_ids)


def _current(summary: ExecutionSummary) -> ExecutionSummary:
    """The summary from the report: a process that died may have published the report and not the summary."""
    report = finalize_cancelled(summary.execution_id) or find_report(summary.execution_id)
    return summary if report is None else ExecutionSummary.of(report)
