"""The one way the command line prints tables: as wide as the terminal, or 200 columns where there is none.

In a pipe or a log rich would take 80 columns and fold cells in the middle of a word.

Names are printed literally: rich markup, emoji codes and terminal control sequences in them are shown as written, with
U+FFFD for what cannot be shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from prefect_drs.core.escaping import terminal

if TYPE_CHECKING:
    from prefect_drs.execution.events import Event

WIDTH_WITHOUT_TERMINAL = 200


class PlainConsole(Console):
    """A console that interprets nothing of the text it prints; styles come from `rich.text.Text` and tables."""

    def __init__(self, *, stderr: bool, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich does, without control codes in the text; those that rich makes itself stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=terminal(segment.text))


def console(*, stderr: bool = False) -> Console:
    """A console for stdout or stderr."""
    made = PlainConsole(stderr=stderr)
    return made if made.is_terminal else PlainConsole(stderr=stderr, width=WIDTH_WITHOUT_TERMINAL)


def event_printer() -> Callable[[Event], None]:
    """Prints each event of an execution as a line on stderr."""
    from prefect_drs.execution.lines import EventLines

    screen, log = console(stderr=True), EventLines()

    def observe(event: Event) -> None:
        for line in log.lines(event):
            screen.print(line, soft_wrap=True)

    return observe
