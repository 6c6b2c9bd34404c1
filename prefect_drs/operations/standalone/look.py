"""Executions by the journals' storage alone: names, lists, situations, reports as documents.

In: an execution, or nothing. Out: values for a face to show. Changes nothing; asks no Prefect API.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

from prefect_drs.coordination.names import stored_execution
from prefect_drs.coordination.situation import stored_situation
from prefect_drs.core.errors import UnknownExecutionError
from prefect_drs.execution.view import report as report_view
from prefect_drs.operations.execution_report import ReportFormat, html_document
from prefect_drs.operations.standalone.setting import stored, stored_state
from prefect_drs.orchestration.client import refused_prefect
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.recovery.journal import JournalDamagedError
from prefect_drs.report.markdown import report_summary
from prefect_drs.report.model import RecoveryReport
from prefect_drs.report.situation import Situation
from prefect_drs.report.summary import ExecutionSummary

_logger = logging.getLogger("prefect_drs.operations.standalone.look")

LATEST = 50
"""Executions in a list."""


def named_here(name: str) -> str:
    """The id of the execution that a person means: an id, a unique beginning of it, or `latest`.

    Raises:
        UnknownExecutionError, UsageError: none is called so, or more than one.
        JournalUnavailableError: the storage cannot be read.
    """
    with refused_prefect():
        return stored_execution(stored(), name)


def situation_here(execution_id: str) -> Situation:
    """An execution as its journal tells it, the process that carries it, and what it waits for.

    Raises:
        UnknownExecutionError: there is no journal of it.
        JournalDamagedError, JournalUnavailableError: the journal cannot be read.
    """
    with refused_prefect():
        found = stored_situation(stored(), execution_id)
        if found is None:
            stored_state(execution_id)  # refuses it
            raise UnknownExecutionError(f"execution {execution_id} is not known any more")
        return found


def latest_here() -> tuple[RecoveryReport, ...]:
    """The reports of the latest executions in the storage, the newest first; none where it cannot list.

    Raises:
        JournalUnavailableError: the storage cannot be read. A journal that is damaged is left out, with a warning.
    """
    with refused_prefect():
        return tuple(_reports())


def latest_summaries() -> tuple[ExecutionSummary, ...]:
    """The same, in short."""
    return tuple(ExecutionSummary.of(report) for report in latest_here())


def _reports() -> Iterator[RecoveryReport]:
    for execution_id in stored().newest(LATEST):
        try:
            yield report_view(stored_state(execution_id))
        except UnknownExecutionError:  # a folder with messages to an execution that never began
            continue
        except JournalDamagedError as error:  # it hides no other
            _logger.warning("execution %s is not shown: %s", execution_id, error.message)


def document_here(execution_id: str, form: ReportFormat) -> str:
    """The report of an execution as a document.

    Raises:
        UnknownExecutionError: there is no journal of it.
        JournalDamagedError, JournalUnavailableError: the journal cannot be read.
    """
    with refused_prefect():
        report = report_view(stored_state(execution_id))
        if form == "json":
            return report.to_json() + "\n"
        if form == "markdown":
            return report_summary(report) + "\n"
        return html_document(open_journal(execution_id, blocks=False).read(), datetime.now(UTC), blocks=False)
