"""The report as Prefect artifacts: the wave graph with states, the server table, each wave's progress, and the JSON.

In: events and reports of the running execution. Out: artifacts of its flow and task runs. The JSON artifact is updated
while the execution runs; `status` on another machine reads it. A failure to store an artifact is logged and never
delays a recovery: the engine's thread calls only `observe`, which sets a flag.
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
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.logging import get_run_logger

from prefect_drs.core.escaping import markdown_text, prefect_key
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.recovery.engine import Engine
from prefect_drs.report.events import Event
from prefect_drs.report.fold import ReportFold
from prefect_drs.report.markdown import report_summary, server_table, wave_table
from prefect_drs.report.model import RecoveryReport
from prefect_drs.report.picture import data_url, wave_graph_svg
from prefect_drs.runbook import Runbook, RunbookWave

REPORT_KEY = "recovery-report-"
REPORT_TYPE = "json"
PUBLISH_EVERY = 2.0  # seconds between two versions of the JSON artifact


def report_key(execution_id: str) -> str:
    """The key of the artifact that holds an execution's report as JSON."""
    return REPORT_KEY + prefect_key(execution_id)


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


class ReportPublisher:
    """Updates the JSON artifact of an execution from its own thread. A context manager."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fold = ReportFold()
        self._changed = threading.Event()
        self._done = threading.Event()
        self._artifact: UUID | None = None
        context = copy_context()  # the flow run that the artifact belongs to
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="drs-report", daemon=True)

    def observe(self, event: Event) -> None:
        """Apply an event; the thread publishes it shortly afterwards."""
        with self._lock:
            self._fold.apply(event)
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
            self._changed.wait()
            self._changed.clear()
            self._publish()
            self._done.wait(PUBLISH_EVERY)
        self._publish()

    def _publish(self) -> None:
        with self._lock:
            if not self._fold.started:
                return
            report = self._fold.report()
        with _log_failure("the report"), prefect_client() as client:
            if self._artifact is None:
                flow_run_id = prefect.runtime.flow_run.get_id()
                made = ArtifactCreate(
                    type=REPORT_TYPE,
                    key=report_key(report.execution_id),
                    description=f"{report.mode} of {markdown_text(report.plan_name)}",
                    data=report.to_json(),
                    flow_run_id=UUID(flow_run_id) if flow_run_id else None,
                )
                self._artifact = client.create_artifact(made).id
            else:
                client.update_artifact(self._artifact, ArtifactUpdate(data=report.to_json()))


@contextmanager
def wave_progress(engine: Engine, wave: RunbookWave) -> Iterator[Callable[[], None]]:
    """A progress artifact of the wave's task: per cent of its servers LAUNCHED. Yields a function that updates it."""
    artifact = None
    shown = 0.0
    with _log_failure(f"the progress of {wave.wave_name}"):
        made = create_progress_artifact(
            progress=0.0,
            key=f"{prefect_key(engine.runbook.plan_name)}-wave-{wave.wave_number}",
            description=f"{markdown_text(wave.wave_name)}: servers LAUNCHED",
        )
        artifact = cast("UUID", made)  # a coroutine only if called from one

    def show() -> None:
        nonlocal shown
        done = 100.0 * engine.launched(wave.wave_number) / max(1, len(wave.servers))
        if artifact is not None and done != shown:
            with _log_failure(f"the progress of {wave.wave_name}"):
                update_progress_artifact(artifact, done)
            shown = done

    yield show
    show()


@contextmanager
def _log_failure(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # no failure of an artifact may stop the recovery
        get_run_logger().warning("Prefect did not store %s: %s", what, error)
