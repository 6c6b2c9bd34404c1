"""The report as Prefect artifacts: pages for people (the waves, the servers, what to do now) and JSON for programs.

In: events of the running execution. Out: artifacts of its flow runs and task runs. While the execution runs, a thread
of its own keeps them up to date: the JSON (which `status` on another machine reads), the summary (which a list of
executions reads) and each wave's progress every 2 s at most, the pages every 15 s at most but for a gate that opens. An
artifact that Prefect does not accept is logged; neither the engine nor a wave waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from uuid import UUID

import prefect.runtime.flow_run
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger

from prefect_drs.core.clock import Clock, wall_time_of
from prefect_drs.core.errors import PreflightRefusedError
from prefect_drs.core.escaping import artifact_key, markdown_text, prefect_key
from prefect_drs.execution.events import Event
from prefect_drs.execution.view import ReportFold
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.storage.pages import DATA_TYPE, RunPages
from prefect_drs.report.model import RecoveryReport
from prefect_drs.report.run_page import RunPage, refusal_page, run_pages
from prefect_drs.report.situation import OpenGate, ProcessReport, Situation, situation
from prefect_drs.report.summary import ExecutionSummary
from prefect_drs.runbook import Runbook, done_word

REPORT_KEY = "recovery-report-"
SUMMARY_KEY = "recovery-summary-"
PUBLISH_EVERY = 2.0  # seconds between two versions of the JSON artifact
SEEN_EVERY = 15.0  # seconds; how often the summary says that the process is there, where nothing changes


def report_key(execution_id: str) -> str:
    """The key of the artifact that holds an execution's report as JSON."""
    return REPORT_KEY + prefect_key(execution_id)


def summary_key(execution_id: str) -> str:
    """The key of the artifact that holds an execution's summary as JSON."""
    return SUMMARY_KEY + prefect_key(execution_id)


def republish(situation: Situation, runbook: Runbook) -> None:
    """Publish the report of an execution that no process carries, after a command has changed it.

    Raises:
        PrefectUnreachableError: the Prefect API cannot be reached.
    """
    report = situation.report
    summary = ExecutionSummary.of(report).model_dump_json(by_alias=True)
    run_id = UUID(report.execution_id)
    with prefect_client() as client:
        for key, description, data in (
            (summary_key(report.execution_id), f"{_about(report)}, in short", summary),
            (report_key(report.execution_id), _about(report), report.to_json()),
        ):
            client.create_artifact(
                ArtifactCreate(type=DATA_TYPE, key=key, description=description, data=data, flow_run_id=run_id)
            )
        RunPages([run_id]).publish(client, _keyed_pages(situation, runbook), time.monotonic())


def publish_refusal(plan_name: str, refused: PreflightRefusedError) -> None:
    """Publish why the preflight refused the execution of the running flow; a failure is logged."""
    page = refusal_page(plan_name, refused.details.get("findings", ()))
    with _log_failure("the findings"), prefect_client() as client:
        RunPages(_flow_runs()).publish(client, {artifact_key(plan_name, "refused"): page}, time.monotonic())


def _about(report: RecoveryReport) -> str:
    return f"For programs: {report.mode} of {markdown_text(report.plan_name)} as JSON"


def _keyed_pages(situation: Situation, runbook: Runbook) -> dict[str, RunPage]:
    return {artifact_key(runbook.plan_name, name): page for name, page in run_pages(situation, runbook).items()}


def _flow_runs(*former: str) -> list[UUID]:
    """The flow runs whose pages show the execution: those named, the outermost one of this process, and this one."""
    ids = (*former, prefect.runtime.flow_run.get_root_flow_run_id(), prefect.runtime.flow_run.get_id())
    return [UUID(id) for id in dict.fromkeys(ids) if id]


class ReportPublisher:
    """Keeps an execution's artifacts up to date from a thread of its own, so that no wave waits for Prefect.

    A context manager. The artifacts are the report, its summary, the pages of its flow runs, and the progress of each
    wave that `track_waves` names.

    Args:
        clock: the execution's; turns its times into real time.
        seconds: a clock in seconds that never goes back; spaces the versions of the pages.
    """

    def __init__(self, clock: Clock, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = seconds
        self._lock = threading.Lock()
        self._fold = ReportFold()
        self._changed = threading.Event()
        self._done = threading.Event()
        self._report: _Artifact | None = None  # made once the first event names the execution
        self._summary: _Artifact | None = None
        self._waves: dict[int, _Artifact] = {}
        self._pages: RunPages | None = None
        self._pages_differ = False  # from what was published last
        self._urgent = False  # somebody has to do something: that is not held back
        self._gates: dict[int, OpenGate] = {}
        self._alive, self._suspended = True, False
        self._flow_run_id = prefect.runtime.flow_run.get_id()
        context = copy_context()  # logs go to the flow run
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="drs-report", daemon=True)

    def observe(self, event: Event) -> None:
        """Apply an event; the thread publishes it shortly afterwards."""
        with self._lock:
            self._fold.apply(event)
        self._change()

    def gate_opened(self, gate: OpenGate) -> None:
        """Tell where the open gate of a wave is answered."""
        with self._lock:
            self._gates[gate.wave_number] = gate
        self._change(urgent=True)

    def suspend(self) -> None:
        """Tell that this process ends while the execution waits, and that a worker carries it on."""
        self._suspended = True
        self._change(urgent=True)

    def track_waves(self, runbook: Runbook, task_runs: Mapping[int, UUID]) -> None:
        """Publish the progress of waves, in per cent of their servers that are finished, as artifacts of their tasks.

        Args:
            runbook: what the execution is to do.
            task_runs: the task run of each wave, by the wave's number.
        """
        artifacts = {
            number: _Artifact(
                "progress",
                artifact_key(runbook.plan_name, f"wave-{number}"),
                f"{markdown_text(wave.wave_name)}: servers {done_word(wave.action)}",
                self._flow_run_id,
                str(task_run_id),
            )
            for number, task_run_id in task_runs.items()
            for wave in [runbook.wave(number)]
        }
        with self._lock:
            self._waves = artifacts
        self._change()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._alive = False
        if error is not None:  # its open gates end with this process
            self._suspended = False
            self._gates.clear()
        self._done.set()
        self._change()
        self._thread.join()

    def _change(self, *, urgent: bool = False) -> None:
        with self._lock:
            self._pages_differ = True
            self._urgent |= urgent
        self._changed.set()

    def _run(self) -> None:
        while not self._done.is_set():
            self._changed.wait(self._patience())
            self._changed.clear()
            self._publish(last=False)
            self._done.wait(PUBLISH_EVERY)
        self._publish(last=True)

    def _patience(self) -> float:
        """Seconds until there is something to do although nothing happens."""
        if self._pages is None or not self._pages_differ:
            return SEEN_EVERY
        if self._urgent:
            return 0.0
        return min(SEEN_EVERY, self._pages.seconds_left(self._seconds()))

    def _publish(self, *, last: bool) -> None:
        with self._lock:
            if not self._fold.started:
                return
            report, runbook, waves, gates = (
                self._fold.report(),
                self._fold.runbook,
                dict(self._waves),
                dict(self._gates),
            )
            differ, urgent = self._pages_differ, self._urgent
            self._pages_differ = self._urgent = False  # what changes from here on is for the next version
        written = False
        if self._report is None or self._summary is None:
            execution_id, run_id = report.execution_id, self._flow_run_id or report.execution_id
            self._report = _Artifact(DATA_TYPE, report_key(execution_id), _about(report), run_id)
            self._summary = _Artifact(DATA_TYPE, summary_key(execution_id), f"{_about(report)}, in short", run_id)
        with _log_failure("the report"), prefect_client() as client:
            # The summary first: while one report has none, every list reads whole reports.
            summary = ExecutionSummary.of(report, seen_at=datetime.now(UTC))
            self._summary.publish(client, summary.model_dump_json(by_alias=True))
            self._report.publish(client, report.to_json())
            for wave in report.waves:
                if (artifact := waves.get(wave.wave_number)) is not None:
                    artifact.publish(client, 100.0 * wave.launched / max(1, len(wave.servers)))
            if self._pages is None:  # after the JSON, from which others see that this execution is active
                self._pages = RunPages(_flow_runs(report.execution_id))
            if last or (differ and (urgent or not self._pages.seconds_left(self._seconds()))):
                pages = _keyed_pages(self._situation(report, gates), runbook)
                self._pages.publish(client, pages, self._seconds())
                written = True
        if not written:  # not due yet, or Prefect did not store it
            with self._lock:
                self._pages_differ |= differ
                self._urgent |= urgent

    def _situation(self, report: RecoveryReport, gates: Mapping[int, OpenGate]) -> Situation:
        waiting = {wave.wave_number for wave in report.waves if wave.gate_opened_at is not None}
        return situation(
            report,
            ProcessReport(alive=self._alive, last_seen_at=None),
            [gate for number, gate in sorted(gates.items()) if number in waiting],
            suspended=self._suspended,
            wall=lambda at: wall_time_of(self._clock, at) if report.simulated_time else at,
        )


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
        _log().warning("Prefect did not store %s: %s", what, error)


def _log() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    """The logger of the running flow; outside of any, a plain one."""
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("prefect_drs.orchestration.storage.artifacts")
