"""The report as Prefect artifacts: the wave graph with states, the server table, each wave's progress, and the JSON.

In: events and reports of the running execution. Out: artifacts of its flow and task runs. While the execution runs, a
thread of its own keeps the JSON artifact (which `status` on another machine reads), the summary (which a list of
executions reads) and each wave's progress up to date. An artifact that Prefect does not accept is logged; neither the
engine nor a wave waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from uuid import UUID

import prefect.runtime.flow_run
import prefect.runtime.task_run
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.logging import get_run_logger

from prefect_drs.core.escaping import markdown_text, prefect_key
from prefect_drs.execution.events import Event
from prefect_drs.execution.view import ReportFold
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.report.markdown import report_summary, server_table, wave_table
from prefect_drs.report.model import RecoveryReport
from prefect_drs.report.picture import data_url, wave_graph_svg
from prefect_drs.report.summary import ExecutionSummary
from prefect_drs.runbook import Runbook, RunbookWave

REPORT_KEY = "recovery-report-"
SUMMARY_KEY = "recovery-summary-"
JSON_TYPE = "json"
PUBLISH_EVERY = 2.0  # seconds between two versions of the JSON artifact
SEEN_EVERY = 15.0  # seconds; how often the summary says that the process is there, where nothing changes


def report_key(execution_id: str) -> str:
    """The key of the artifact that holds an execution's report as JSON."""
    return REPORT_KEY + prefect_key(execution_id)


def summary_key(execution_id: str) -> str:
    """The key of the artifact that holds an execution's summary as JSON."""
    return SUMMARY_KEY + prefect_key(execution_id)


def publish_report(report: RecoveryReport, runbook: Runbook) -> None:
    """Publish the final wave graph, server table and report."""
    picture = f"![wave graph]({data_url(wave_graph_svg(report, runbook))})"
    pages = {
        "waves": f"{picture}\n\n{wave_table(report.waves)}",
        "servers": server_table(report),
        "report": report_summary(report),
    }
    for name, markdown in pages.items():
        with _log_failure(f"the {name} of {report.plan_name}"):
            create_markdown_artifact(
                markdown=markdown,
                key=f"{prefect_key(report.plan_name)}-{name}",
                description=f"{report.mode} {report.execution_id}: {name}",
            )


def republish(report: RecoveryReport) -> None:
    """Publish the report of an execution that no process carries, after a command has changed it.

    Raises:
        PrefectUnreachableError: the Prefect API cannot be reached.
    """
    about = f"{report.mode} of {markdown_text(report.plan_name)}"
    summary = ExecutionSummary.of(report).model_dump_json(by_alias=True)
    run_id = UUID(report.execution_id)
    with prefect_client() as client:
        for key, description, data in (
            (report_key(report.execution_id), about, report.to_json()),
            (summary_key(report.execution_id), f"{about}, in short", summary),
        ):
            client.create_artifact(
                ArtifactCreate(type=JSON_TYPE, key=key, description=description, data=data, flow_run_id=run_id)
            )


class ReportPublisher:
    """Keeps an execution's artifacts up to date from a thread of its own, so that no wave waits for Prefect.

    A context manager. The artifacts are the report, its summary, and the progress of each wave that `track_wave` names.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fold = ReportFold()
        self._changed = threading.Event()
        self._done = threading.Event()
        self._report: _Artifact | None = None  # made once the first event names the execution
        self._summary: _Artifact | None = None
        self._waves: dict[int, _Artifact] = {}
        self._flow_run_id = prefect.runtime.flow_run.get_id()
        context = copy_context()  # logs go to the flow run
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="drs-report", daemon=True)

    def observe(self, event: Event) -> None:
        """Apply an event; the thread publishes it shortly afterwards."""
        with self._lock:
            self._fold.apply(event)
        self._changed.set()

    def track_wave(self, plan_name: str, wave: RunbookWave) -> None:
        """Publish the wave's progress, in per cent of its servers LAUNCHED, as an artifact of the running task."""
        artifact = _Artifact(
            "progress",
            f"{prefect_key(plan_name)}-wave-{wave.wave_number}",
            f"{markdown_text(wave.wave_name)}: servers LAUNCHED",
            self._flow_run_id,
            prefect.runtime.task_run.get_id(),
        )
        with self._lock:
            self._waves[wave.wave_number] = artifact
        self._changed.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._changed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.is_set():
            self._changed.wait(SEEN_EVERY)
            self._changed.clear()
            self._publish()
            self._done.wait(PUBLISH_EVERY)
        self._publish()

    def _publish(self) -> None:
        with self._lock:
            if not self._fold.started:
                return
            report, waves = self._fold.report(), dict(self._waves)
        if self._report is None or self._summary is None:
            about = f"{report.mode} of {markdown_text(report.plan_name)}"
            execution_id, run_id = report.execution_id, self._flow_run_id
            self._report = _Artifact(JSON_TYPE, report_key(execution_id), about, run_id)
            self._summary = _Artifact(JSON_TYPE, summary_key(execution_id), f"{about}, in short", run_id)
        with _log_failure("the report"), prefect_client() as client:
            self._report.publish(client, report.to_json())
            summary = ExecutionSummary.of(report, seen_at=datetime.now(UTC))
            self._summary.publish(client, summary.model_dump_json(by_alias=True))
            for wave in report.waves:
                if (artifact := waves.get(wave.wave_number)) is not None:
                    artifact.publish(client, 100.0 * wave.launched / max(1, len(wave.servers)))


class _Artifact:
    """An artifact of one key: created at its first version, updated when its content changes."""

    def __init__(
        self, kind: str, key: str, description: str, flow_run_id: str | None, task_run_id: str | None = None
    ) -> None:
        self._created = ArtifactCreate(
            type=kind,
            key=key,
            description=description,
            flow_run_id=UUID(flow_run_id) if flow_run_id else None,
            task_run_id=UUID(task_run_id) if task_run_id else None,
        )
        self._id: UUID | None = None
        self._published: str | float | None = None

    def publish(self, client: SyncPrefectClient, content: str | float) -> None:
        """Publish a version of the content."""
        if content == self._published:
            return
        if self._id is None:
            self._id = client.create_artifact(self._created.model_copy(update={"data": content})).id
        else:
            client.update_artifact(self._id, ArtifactUpdate(data=content))
        self._published = content


@contextmanager
def _log_failure(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # no failure of an artifact may stop the recovery
        get_run_logger().warning("Prefect did not store %s: %s", what, error)
