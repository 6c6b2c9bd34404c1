"""Lines and JSON on stdout and stderr, whatever characters the names in them hold.

In: text. Out: the same text without codes that a terminal would interpret (`prefect_drs.core.escaping`). Tables are
printed by `prefect_drs.cli.console`. `--help` imports this module, but not what it escapes with.
"""

from __future__ import annotations

import sys


def print_stdout(text: object, *, end: str = "\n") -> None:
    """Print on stdout."""
    from prefect_drs.core.escaping import terminal

    print(terminal(text), end=end)


def print_stderr(text: object, *, end: str = "\n") -> None:
    """Print on stderr."""
    from prefect_drs.core.escaping import terminal

    print(terminal(text), end=end, file=sys.stderr)


def print_json(text: str) -> None:
    """Print JSON on stdout and flush; the value is the same, unprintable characters are written as escape sequences."""
    from prefect_drs.core.escaping import printable_json

    print(printable_json(text), flush=True)
