"""The one way the command line prints tables: as wide as the terminal, and wide where there is none.

In a pipe or a log nobody can drag a window wider, and rich would take 80 columns: cells would fold in the middle of a
word. So what is no terminal gets room for every cell on one line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from prefect_drs.report.events import Event

WIDTH_WITHOUT_TERMINAL = 200


def console(*, stderr: bool = False) -> Console:
    """A console for stdout or stderr."""
    made = Console(stderr=stderr)
    return made if made.is_terminal else Console(stderr=stderr, width=WIDTH_WITHOUT_TERMINAL)


def event_printer() -> Callable[[Event], None]:
    """Prints each event of an execution as a line on stderr."""
    from prefect_drs.report.lines import event_line

    screen = console(stderr=True)

    def observe(event: Event) -> None:
        if line := event_line(event):
            screen.print(f"{event.at:%H:%M:%S} {line}", soft_wrap=True, markup=False, highlight=False)

    return observe
