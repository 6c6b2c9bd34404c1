"""What an execution's journal tells: its events, its timeline, and its report as a document.

In: an execution. Out: events, a `Timeline`, or the text of a report as HTML, Markdown or JSON. The journal is enough
for all of them: no Prefect API is needed if the execution is named by its whole id and its journal is in a folder. If
the journal is on another machine, Markdown and JSON come from the published report. Reads only, prints nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Literal

from prefect.settings import get_current_settings

from prefect_drs.core.clock import configured_clock, is_simulated
from prefect_drs.core.errors import UsageError
from prefect_drs.execution.events import Event, ExecutionStarted
from prefect_drs.execution.timeline import timeline_of
from prefect_drs.execution.view import report_of
from prefect_drs.forecast import forecast, waves_of
from prefect_drs.orchestration.executions.names import named_execution
from prefect_drs.orchestration.executions.reports import read_report
from prefect_drs.orchestration.storage.duration_history import recorded_here
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.report.expectation import Expectation, ExpectedWave
from prefect_drs.report.html import html_report
from prefect_drs.report.markdown import report_summary
from prefect_drs.report.model import RecoveryReport
from prefect_drs.report.timeline import Timeline
from prefect_drs.runbook import Runbook

ReportFormat = Literal["html", "markdown", "json"]
FORECAST_SAMPLES = 40  # simulated runs; the median is good to about 2 %


def execution_events(name: str) -> tuple[Event, ...]:
    """The events of an execution so far.

    Args:
        name: its id, a unique beginning of it, or `latest`.

    Raises:
        UsageError: no such execution is known, or its journal is not here.
        JournalDamagedError, JournalUnavailableError: the journal cannot be read.
        PrefectUnreachableError: the name is no whole id, and the Prefect API cannot be reached.
    """
    execution_id = named_execution(name)
    if events := open_journal(execution_id).read():
        return events
    if get_current_settings().api.url:
        read_report(execution_id)  # refuses an execution that is unknown or has not started
    raise no_journal(execution_id)


def no_journal(execution_id: str) -> UsageError:
    """The error where an execution's journal is not in the storage of this machine."""
    return UsageError(
        f"the journal of execution {execution_id} is not here: ask on the machine that carried it out, or set "
        "PREFECT_DRS_JOURNAL (or PREFECT_DRS_HOME) as it was set there"
    )


def execution_timeline(name: str) -> Timeline:
    """The timeline of an execution up to now.

    Raises:
        UsageError, JournalDamagedError, JournalUnavailableError, PrefectUnreachableError: see `execution_events`.
    """
    return _timeline(execution_events(name))


def execution_runbook(name: str) -> Runbook:
    """The runbook of an execution, as it was resolved when the execution started.

    Raises:
        UsageError, JournalDamagedError, JournalUnavailableError, PrefectUnreachableError: see `execution_events`.
    """
    return _runbook(execution_events(name))


def execution_document(name: str, form: ReportFormat) -> str:
    """The report of an execution as a document.

    Args:
        name: its id, a unique beginning of it, or `latest`.
        form: HTML needs the journal; the others take the published report where the journal is not here.

    Raises:
        UsageError, JournalDamagedError, JournalUnavailableError, PrefectUnreachableError: see `execution_events`.
    """
    if form != "html":
        report = _report(name)
        return report.to_json() + "\n" if form == "json" else report_summary(report) + "\n"
    return html_document(execution_events(name), datetime.now(UTC))


def html_document(events: tuple[Event, ...], made_at: datetime, *, blocks: bool = True) -> str:
    """The HTML report of a journal's events.

    Args:
        events: of the journal, not none.
        made_at: the time that the report says it was made at.
        blocks: whether the storage of former journals may be a block of the Prefect server.
    """
    timeline, runbook = _timeline(events), _runbook(events)
    return html_report(
        report_of(events),
        runbook,
        timeline,
        expected=expectation(runbook, timeline.started_at, blocks=blocks),
        made_at=made_at,
        version=version("prefect-drs"),
    )


def expectation(runbook: Runbook, before: datetime, *, blocks: bool = True) -> Expectation | None:
    """A forecast of the runbook from the launches that were recorded before it began; None if it has no servers.

    Args:
        runbook: what the execution was to do.
        before: when it began; its own launches, and later ones, do not count.
        blocks: whether the storage of former journals may be a block of the Prefect server.
    """
    waves = waves_of(runbook)
    if not any(wave.servers for wave in waves):
        return None
    result = forecast(waves, recorded=recorded_here(before=before, blocks=blocks), samples=FORECAST_SAMPLES)
    return Expectation(
        rto_p50=result.rto_p50,
        rto_p90=result.rto_p90,
        waves={
            wave.wave_number: ExpectedWave(start_p50=wave.start_p50, end_p50=wave.end_p50, end_p90=wave.end_p90)
            for wave in result.waves
        },
        servers=result.servers,
        recorded_servers=result.recorded_servers,
    )


def _report(name: str) -> RecoveryReport:
    execution_id = named_execution(name)
    if events := open_journal(execution_id).read():
        return report_of(events)
    if not get_current_settings().api.url:
        raise no_journal(execution_id)
    return read_report(execution_id)


def _timeline(events: tuple[Event, ...]) -> Timeline:
    started, clock = events[0], configured_clock()
    simulated = isinstance(started, ExecutionStarted) and started.simulated_time
    return timeline_of(events, clock.now() if simulated == is_simulated(clock) else None)


def _runbook(events: tuple[Event, ...]) -> Runbook:
    return next(event.runbook for event in events if isinstance(event, ExecutionStarted))
