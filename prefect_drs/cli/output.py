"""Lines and JSON on stdout and stderr, whatever characters the names in them hold.

In: text. Out: the same text without codes that a terminal would interpret (`prefect_drs.core.escaping`). Tables are
printed by `prefect_drs.cli.console`. `--help` imports this module, but not what it escapes with.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect_drs.core.errors import Fault


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


def print_faults(faults: Iterable[Fault], *, stderr: bool = False) -> None:
    """Print each fault as one line: first those that refuse the file, then the warnings.

    On a terminal the codes are red and yellow (unless NO_COLOR is set), and a blank line stands between the two.
    """
    from prefect_drs.core.errors import Severity

    every = list(faults)
    parts = [[fault for fault in every if fault.severity is severity] for severity in Severity]
    if not (sys.stderr if stderr else sys.stdout).isatty():
        for fault in (fault for part in parts for fault in part):
            (print_stderr if stderr else print_stdout)(fault)
        return
    from rich.text import Text

    from prefect_drs.cli.console import console

    screen = console(stderr=stderr)
    for number, (part, style) in enumerate(zip(parts, ("bold red", "yellow"), strict=True)):
        if number and part and parts[0]:
            screen.print()
        for fault in part:
            where, code, message = str(fault).partition(f" {fault.code}: ")
            screen.print(Text.assemble((where, "bold"), (code, style), message), soft_wrap=True)


def count(number: int, noun: str) -> str:
    """`1 fault`, `2 faults`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
