"""The report as Prefect artifacts: the wave graph with states, the server table, the progress of each wave.

In: a report. Out: artifacts of the current flow or task run. An artifact that Prefect does not take is logged and
never holds a recovery up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.logging import get_run_logger

from prefect_drs.recovery.engine import Engine
from prefect_drs.report.markdown import report_summary, server_table, wave_table
from prefect_drs.report.model import RecoveryReport
from prefect_drs.report.picture import data_url, wave_graph_svg
from prefect_drs.runbook import Runbook, RunbookWave

REPORT_DESCRIPTION = "RecoveryReport"


def artifact_key(*words: str) -> str:
    """A key of the form Prefect demands: lower case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


def publish_report(report: RecoveryReport, runbook: Runbook) -> None:
    """Publish the wave graph with its states, the server table and the whole report."""
    picture = f"![wave graph]({data_url(wave_graph_svg(report, runbook))})"
    pages = {
        "waves": f"{picture}\n\n{wave_table(report.waves)}",
        "servers": server_table(report),
        "report": f"{report_summary(report)}\n\n## JSON\n\n```json\n{report.to_json()}\n```",
    }
    for name, markdown in pages.items():
        with _never_in_the_way(f"the {name} of {report.plan_name}"):
            create_markdown_artifact(
                markdown=markdown,
                key=artifact_key(report.plan_name, name),
                description=f"{report.mode} {report.execution_id}: {name}",
            )


@contextmanager
def wave_progress(engine: Engine, wave: RunbookWave) -> Iterator[Callable[[], None]]:
    """A progress artifact of the wave's task: per cent of its servers LAUNCHED. Yields what brings it up to date."""
    artifact = None
    shown = 0.0
    with _never_in_the_way(f"the progress of {wave.wave_name}"):
        artifact = create_progress_artifact(
            progress=0.0,
            key=artifact_key(engine.runbook.plan_name, "wave", str(wave.wave_number)),
            description=f"{wave.wave_name}: servers LAUNCHED",
        )

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
    except Exception as error:
        get_run_logger().warning("Prefect did not take %s: %s", what, error)
