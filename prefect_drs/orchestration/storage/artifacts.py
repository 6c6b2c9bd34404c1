"""The report as Prefect artifacts: the wave graph with states, the server table, each wave's progress, and the JSON.

In: events and reports of the running execution. Out: artifacts of its flow and task runs. The JSON artifact is brought
up to date while the execution runs, which is how `status` on another machine knows; a list of executions reads the
small summary that is published beside it. An artifact that Prefect does not
take is logged and never holds a recovery up: of all this, the engine's own thread calls only `observe`, which sets a
flag.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from types import TracebackType
from typing import Self, cast
from uuid import UUID

import prefect.runtime.flow_run
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.logging import get_run_logger

from prefect_drs.core.escaping import markdown_text, prefect_key
from prefect_drs.execution.events import Event
from prefect_drs.execution.view import ReportFold
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.recovery.engine import Engine
from prefect_drs.report.markdown import report_summary, server_table, wave_table
from prefect_drs.report.model import RecoveryReport
from prefect_drs.report.picture import data_url, wave_graph_svg
from prefect_drs.report.summary import ExecutionSummary
from prefect_drs.runbook import Runbook, RunbookWave

REPORT_KEY = "recovery-report-"
SUMMARY_KEY = "recovery-summary-"
REPORT_TYPE = "json"
PUBLISH_EVERY = 2.0  # seconds between two versions of the JSON artifact


def report_key(execution_id: str) -> str:
    """The key of the artifact that holds an execution's report as JSON."""
    return REPORT_KEY + prefect_key(execution_id)


def summary_key(execution_id: str) -> str:
    """The key of the artifact that holds an execution's summary as JSON."""
    return SUMMARY_KEY + prefect_key(execution_id)


def publish_report(report: RecoveryReport, runbook: Runbook) -> None:
    """Publish the wave graph with its states, the server table and the whole report, as they ended."""
    picture = f"![wave graph]({data_url(wave_graph_svg(report, runbook))})"
    pages = {
        "waves": f"{picture}\n\n{wave_table(report.waves)}",
        "servers": server_table(report),
        "report": report_summary(report),
    }
    for name, markdown in pages.items():
        with _never_in_the_way(f"the {name} of {report.plan_name}"):
            create_markdown_artifact(
                markdown=markdown,
                key=f"{prefect_key(report.plan_name)}-{name}",
                description=f"{report.mode} {report.execution_id}: {name}",
            )


class ReportPublisher:
    """Keeps the JSON artifact of an execution up to date from a thread of its own. Use as a context manager."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fold = ReportFold()
        self._news = threading.Event()
        self._done = threading.Event()
        self._report = _JsonArtifact()
        self._summary = _JsonArtifact()
        context = copy_context()  # the flow run that the artifact belongs to
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="drs-report", daemon=True)

    def observe(self, event: Event) -> None:
        """Take an event in; it is published a moment later."""
        with self._lock:
            self._fold.apply(event)
        self._news.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._news.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.is_set():
            self._news.wait()
            self._news.clear()
            self._publish()
            self._done.wait(PUBLISH_EVERY)
        self._publish()

    def _publish(self) -> None:
        with self._lock:
            if not self._fold.started:
                return
            report = self._fold.report()
        description = f"{report.mode} of {markdown_text(report.plan_name)}"
        with _never_in_the_way("the report"), prefect_client() as client:
            self._report.publish(client, report_key(report.execution_id), report.to_json(), description)
            summary = ExecutionSummary.of(report).model_dump_json(by_alias=True)
            self._summary.publish(client, summary_key(report.execution_id), summary, f"{description}, in short")


class _JsonArtifact:
    """A JSON artifact of this process's flow run: created at its first version, updated when its content changes."""

    def __init__(self) -> None:
        self._id: UUID | None = None
        self._published = ""

    def publish(self, client: SyncPrefectClient, key: str, content: str, description: str) -> None:
        """Publish a version of the content."""
        if content == self._published:
            return
        if self._id is None:
            flow_run_id = prefect.runtime.flow_run.get_id()
            created = ArtifactCreate(
                type=REPORT_TYPE,
                key=key,
                description=description,
                data=content,
                flow_run_id=UUID(flow_run_id) if flow_run_id else None,
            )
            self._id = client.create_artifact(created).id
        else:
            client.update_artifact(self._id, ArtifactUpdate(data=content))
        self._published = content


@contextmanager
def wave_progress(engine: Engine, wave: RunbookWave) -> Iterator[Callable[[], None]]:
    """A progress artifact of the wave's task: per cent of its servers LAUNCHED. Yields what brings it up to date."""
    artifact = None
    shown = 0.0
    with _never_in_the_way(f"the progress of {wave.wave_name}"):
        made = create_progress_artifact(
            progress=0.0,
            key=f"{prefect_key(engine.runbook.plan_name)}-wave-{wave.wave_number}",
            description=f"{markdown_text(wave.wave_name)}: servers LAUNCHED",
        )
        artifact = cast("UUID", made)  # a coroutine only where it is called from one

    def show() -> None:
        nonlocal shown
        done = 100.0 * engine.launched(wave.wave_number) / max(1, len(wave.servers))
        if artifact is not None and done != shown:
            with _never_in_the_way(f"the progress of {wave.wave_name}"):
                update_progress_artifact(artifact, done)
            shown = done

    yield show
    show()


@contextmanager
def _never_in_the_way(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever keeps an artifact from being shown, the recovery goes on
        get_run_logger().warning("Prefect did not take %s: %s", what, error)
