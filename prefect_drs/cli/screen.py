"""What a person sees on stderr while a plan runs: a live table on a terminal, a line an event elsewhere.

In: the events and gates of the running execution, from any of its threads. Out: text on stderr; stdout is the report's
alone. Prefect's own console lines are held back, for they tell the same a second time and errors with their tracebacks;
they stay in the run's log in the UI, and `PREFECT_LOGGING_LEVEL=DEBUG` brings them back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from prefect.logging.handlers import PrefectConsoleHandler
from prefect.settings import PREFECT_API_URL
from rich.live import Live
from rich.text import Text

from prefect_drs.cli.console import console
from prefect_drs.execution.events import Event, ExecutionStarted
from prefect_drs.execution.view import ReportFold
from prefect_drs.orchestration.ui_links import ui_link
from prefect_drs.report.terminal import live_view

if TYPE_CHECKING:
    from prefect_drs.orchestration.approvals.gate import PendingGate


class Screen:
    """Stderr, for the time of a run.

    Args:
        live: draw a table that changes, instead of lines.
    """

    def __init__(self, *, live: bool) -> None:
        self._lock = threading.Lock()
        self._fold = ReportFold()
        self._console = console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False) if live else None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it for the time of a run."""
        quiet_prefect()
        with self._live or nullcontext():
            yield

    def observe(self, event: Event) -> None:
        """Take an event in and show it."""
        with self._lock:
            self._fold.apply(event)
            if self._live:
                self._live.update(live_view(self._fold.report()), refresh=True)
            elif line := event.text:
                self._say(f"{event.at:%H:%M:%S} {line}")
            if isinstance(event, ExecutionStarted) and (link := ui_link(event.execution_id)):
                self._say(f"in the Prefect UI: {link}")

    def tell_gate(self, gate: PendingGate) -> None:
        """Say where and how a gate is answered, once its form is open."""
        where = (
            f"  {gate.link}\n" if gate.link else "  (this Prefect API has no UI: `prefect server start` gives one)\n"
        )
        api = "" if PREFECT_API_URL.value() else "with PREFECT_API_URL as this process has it, "
        told = Text.assemble(
            (f"wave {gate.wave_number} {gate.wave_name} waits for approval", "bold yellow"),
            f", in the Prefect UI:\n{where}"
            f"or {api}by: prefect-drs approve {gate.execution_id} --wave {gate.wave_number}",
        )
        self._console.print(told, soft_wrap=True)

    def tell_interrupted(self) -> None:
        """What goes on in AWS although this process stops."""
        if not self._fold.started:
            return
        report = self._fold.report()
        running = [job.job_id for wave in report.waves for job in wave.jobs if job.ended_at is None]
        if running:
            self._say(f"stopped here; DRS goes on with {', '.join(running)}")
        self._say(f"go on with: prefect-drs resume {report.execution_id}")

    def _say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)


def _is_for_a_person(record: logging.LogRecord) -> bool:
    """Warnings of Prefect are; what it says of states and errors, the events and the command's last line say better."""
    if record.name.startswith("botocore"):  # what it says of a role that is refused, the error says better
        return False
    if record.name.endswith("Worker"):  # what its threads still have to send when this process ends
        return record.levelno > logging.WARNING
    return record.levelno == logging.WARNING or (
        record.levelno > logging.WARNING and not record.name.startswith(("prefect.flow_runs", "prefect.task_runs"))
    )


def quiet_prefect() -> None:
    """Hold its console lines back from now on, past the run's end: its threads speak until the process ends."""
    if logging.getLogger("prefect").isEnabledFor(logging.DEBUG):
        return
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrefectConsoleHandler):
            handler.addFilter(_is_for_a_person)
