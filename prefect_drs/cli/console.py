"""The one way the command line prints tables: as wide as the terminal, and wide where there is none.

In a pipe or a log nobody can drag a window wider, and rich would take 80 columns: cells would fold in the middle of a
word. So what is no terminal gets room for every cell on one line.
"""

from __future__ import annotations

from rich.console import Console

WIDTH_WITHOUT_TERMINAL = 200


def console(*, stderr: bool = False) -> Console:
    """A console for stdout or stderr."""
    made = Console(stderr=stderr)
    return made if made.is_terminal else Console(stderr=stderr, width=WIDTH_WITHOUT_TERMINAL)
