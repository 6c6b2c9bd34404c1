"""`replay`: an execution shown again from its journal: a live table on a terminal, otherwise one line per event."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from prefect_drs.cli.console import console
from prefect_drs.cli.control import Execution

if TYPE_CHECKING:
    from rich.console import Console

    from prefect_drs.execution.events import Event


class ReplayScreen:
    """Shows the events of a journal on stdout.

    Args:
        screen: the terminal or file.
        speed: the speed of the replay, shown above the table.
        live: draw a live table instead of lines.
    """

    def __init__(self, screen: Console, *, speed: float, live: bool) -> None:
        from prefect_drs.execution.lines import EventLines
        from prefect_drs.execution.view import ReportFold

        self._screen, self._speed = screen, speed
        self._fold, self._log = ReportFold(), EventLines()
        self._live = Live(console=screen, auto_refresh=False) if live else None
        self._moment: datetime | None = None

    def shown(self) -> AbstractContextManager[object]:
        """Draw the live table within the block."""
        return self._live or nullcontext()

    def observe(self, event: Event) -> None:
        """Show an event."""
        self._fold.apply(event)
        self._moment = event.at if self._moment is None else max(event.at, self._moment)
        if self._live:
            self._live.update(self._view(), refresh=True)
            return
        for line in self._log.lines(event):
            self._screen.print(line, soft_wrap=True)

    def tick(self, moment: datetime) -> None:
        """Show that time passes."""
        self._moment = moment
        if self._live:
            self._live.update(self._view(), refresh=True)

    def end(self) -> None:
        """Show the report below the lines; the live table ends as the report."""
        from prefect_drs.report.terminal import report_view

        report = report_view(self._fold.report())
        if self._live:
            self._live.update(report, refresh=True)
        else:
            self._screen.print("", report)

    def _view(self) -> RenderableType:
        from prefect_drs.report.terminal import live_view

        moment = f"{self._moment:%Y-%m-%d %H:%M:%S} UTC" if self._moment else ""
        return Group(
            Text(f"replay, {self._speed:g} times as fast: {moment}", "reverse"), live_view(self._fold.report())
        )


def replay(
    execution: Execution,
    /,
    *,
    speed: Annotated[
        float, Parameter(metavar="X", help="Seconds of the execution in one second; 0 shows all at once.")
    ] = 60.0,
) -> None:
    """Show an execution again, from its journal: a live table on a terminal, otherwise all lines of its log at once.

    A pause between two events takes ten seconds at most. Nothing is changed, and AWS is not asked.
    """
    from prefect_drs.cli.prefect_api import require_permission, require_prefect_to_find
    from prefect_drs.core.clock import WallClock
    from prefect_drs.core.errors import UsageError
    from prefect_drs.execution.playback import play
    from prefect_drs.operations.execution_report import execution_events

    if speed < 0:
        raise UsageError(f"Invalid --speed {speed:g}: use 0 or more")
    require_prefect_to_find(execution)
    require_permission("explain_execution", execution_id=execution)
    events, terminal = execution_events(execution), console()
    live = terminal.is_terminal and speed > 0
    screen = ReplayScreen(terminal, speed=speed, live=live)
    with screen.shown():
        play(events, screen.observe, WallClock(), speed=speed if live else 0, tick=screen.tick)
        screen.end()
