"""`diff`: what a change of a plan file does, for its reviewer. Offline, except for a side that is `estate:`.

In: two manifests. Out: text, Markdown or JSON on stdout; warnings on stderr. A difference is not an error: the exit
code is 0 either way.
"""

from __future__ import annotations

import json as jsonlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from prefect_drs.cli.manifests import Bindings, read_manifest
from prefect_drs.cli.output import print_json, print_stdout

if TYPE_CHECKING:
    from prefect_drs.plan import Manifest


def diff(
    old: str | Path,
    new: str | Path,
    /,
    *,
    bindings: Bindings = None,
    old_bindings: Annotated[str | Path | None, Parameter(metavar="FILE")] = None,
    format: Annotated[Literal["text", "markdown", "json"], Parameter(name=["--format", "-f"])] = "text",
) -> int:
    """Print what a change does to the waves, the servers, their launch settings and the forecast.

    The forecast uses default durations, so that the same two files always give the same output. Names that no binding
    resolves are compared as they are written.

    Parameters
    ----------
    old
        The old manifest: a file, `estate:` for the stored estate, or /dev/null for an empty one.
    new
        The new manifest, likewise.
    old_bindings
        Another bindings file, for the old side alone.
    format
        Text for a terminal, Markdown for a pull request, or JSON.
    """
    from prefect_drs.diff import compare, difference_json, markdown, text

    difference = compare(_side(old, old_bindings or bindings), _side(new, bindings))
    if format == "json":
        print_json(jsonlib.dumps(difference_json(difference), indent=2, ensure_ascii=False))
    elif format == "markdown":
        print_stdout(markdown(difference), end="")
    else:
        _print_text(text(difference))
    return 0


def _print_text(text: str) -> None:
    """The words; on a terminal headings are bold, what is added is green and what is removed is red."""
    if not sys.stdout.isatty():
        print_stdout(text)
        return
    from rich.text import Text

    from prefect_drs.cli.console import console

    shown = Text(text)
    for pattern, style in (
        (r"^\S.*$", "bold"),
        (r"(?<=: )(added|joins?|now [a-z]+)\b", "green"),
        (r"(?<=: )(removed|leaves?|no longer [a-z]+)\b", "red"),
    ):
        shown.highlight_regex(re.compile(pattern, re.MULTILINE), style)
    console().print(shown, soft_wrap=True)


def _side(source: str | Path, bindings: str | Path | None) -> Manifest:
    from prefect_drs.plan import Manifest

    if str(source) == os.devnull:
        return Manifest.empty()
    return read_manifest(source, bindings, rehearsal=True)
