"""Progress on stderr while a plan runs: a live table on a terminal, otherwise one line per event.

In: the events and gates of the running execution, from any of its threads. Out: text on stderr; stdout has the report
only. Prefect's own console lines are suppressed, since they repeat the events and show errors with tracebacks; they
stay in the run's log in the UI, and `PREFECT_LOGGING_LEVEL=DEBUG` shows them.
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
from prefect_drs.execution.lines import EventLines
from prefect_drs.execution.view import ReportFold
from prefect_drs.orchestration.temporary_server import temporary_server_url
from prefect_drs.orchestration.ui_links import ui_link
from prefect_drs.report.terminal import live_view

if TYPE_CHECKING:
    from prefect_drs.coordination.gate import WaitingGate
    from prefect_drs.orchestration.approvals.gate import PendingGate


class Screen:
    """Progress of a run on stderr.

    Args:
        live: draw a live table instead of lines.
        with_prefect: the run is in the Prefect UI, and its commands ask the Prefect API.
    """

    def __init__(self, *, live: bool, with_prefect: bool = True) -> None:
        self._with_prefect = with_prefect
        self._lock = threading.Lock()
        self._fold = ReportFold()
        self._log = EventLines()
        self._console = console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False) if live else None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the progress within the block."""
        quiet_prefect()
        with self._live or nullcontext():
            yield

    def observe(self, event: Event) -> None:
        """Show an event."""
        with self._lock:
            self._fold.apply(event)
            if self._live:
                self._live.update(live_view(self._fold.report()), refresh=True)
            else:
                for line in self._log.lines(event):
                    self._print(line)
            if not self._with_prefect:
                return
            if isinstance(event, ExecutionStarted) and (link := ui_link(event.execution_id)):
                self._print(f"in the Prefect UI: {link}")

    def tell_gate(self, gate: PendingGate) -> None:
        """Print where and how to answer a gate, once its form is open."""
        where = (
            f"  {gate.link}\n" if gate.link else "  (this Prefect API has no UI: `prefect server start` gives one)\n"
        )
        own = None if PREFECT_API_URL.value() else temporary_server_url()
        api = f"PREFECT_API_URL={own} " if own else ""
        text = Text.assemble(
            (f"wave {gate.wave_number} {gate.wave_name} waits for approval", "bold yellow"),
            f", in the Prefect UI:\n{where}"
            f"or by: {api}prefect-drs approve {gate.execution_id} --wave {gate.wave_number}",
        )
        self._console.print(text, soft_wrap=True)

    def tell_stored_gate(self, gate: WaitingGate) -> None:
        """Print how to answer a gate of an execution that is carried without Prefect."""
        answer = f"prefect-drs approve {gate.execution_id} --wave {gate.wave_number} --without-prefect"
        demands = f", which demands {gate.demands}" if gate.demands else ""
        text = Text.assemble(
            (f"wave {gate.wave_number} {gate.wave_name} waits for approval", "bold yellow"),
            f"{demands}, until {gate.until:%Y-%m-%d %H:%M} UTC: {answer}",
        )
        self._console.print(text, soft_wrap=True)

    def say(self, line: str) -> None:
        """Print a line."""
        self._print(line)

    @property
    def _option(self) -> str:
        return "" if self._with_prefect else " --without-prefect"

    def tell_interrupted(self) -> None:
        """Print which DRS jobs continue although this process stops, and how to resume."""
        if not self._fold.started:
            return
        report = self._fold.report()
        running = [job.job_id for wave in report.waves for job in wave.jobs if job.ended_at is None]
        if running:
            self._print(f"this process stopped; DRS continues {', '.join(running)}")
        self._print(f"resume with: prefect-drs resume {report.execution_id}{self._option}")
        if self._with_prefect and not PREFECT_API_URL.value():
            self._print("(first start a server, `prefect server start`, and set PREFECT_API_URL)")

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)


def _is_shown(record: logging.LogRecord) -> bool:
    """Whether a log record is shown: warnings only; events and the command's last line report states and errors."""
    if record.name.startswith("botocore"):  # the command's own error explains a refused role
        return False
    if record.name.endswith("Worker"):  # its threads may still have to send data when this process ends
        return record.levelno > logging.WARNING
    return record.levelno == logging.WARNING or (
        record.levelno > logging.WARNING and not record.name.startswith(("prefect.flow_runs", "prefect.task_runs"))
    )


def quiet_prefect() -> None:
    """Suppress Prefect's console lines until the process ends: its threads log after the run's end too."""
    if logging.getLogger("prefect").isEnabledFor(logging.DEBUG):
        return
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrefectConsoleHandler):
            handler.addFilter(_is_shown)
