"""Findings without line numbers, and the wording that their messages share.

In: places in a document as paths of keys and indexes. Out: `PlanFinding`, which `prefect_drs.plan.read.load` turns
into a `Fault` with file and line. Content of a file is quoted in messages: a fault is always one printable line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from prefect_drs.core.errors import Severity

Place = tuple[str | int, ...]
"""A position in a document: keys and indexes from the top."""

QUOTED_AT_MOST = 80
FINDINGS_AT_MOST = 10_000
"""A check of a file's shape stops after this many: a file with more is no manifest."""
LISTED_AT_MOST = 12


@dataclass(frozen=True, slots=True)
class PlanFinding:
    """One thing wrong, at a place.

    Args:
        at: where.
        code: stable, upper snake case.
        message: what is wrong and the remedy, one line.
        severity: ERROR refuses the file.
        first: the place of the other value involved; its line is added to the message.
        in_bindings: both places are in the bindings file, not in the manifest.
        unbound: the kind of bindings and the name, where the fault is that no binding resolves it.
    """

    at: Place
    code: str
    message: str
    severity: Severity = Severity.ERROR
    first: Place | None = None
    in_bindings: bool = False
    unbound: tuple[str, str] | None = None


def warning(at: Place, code: str, message: str, first: Place | None = None) -> PlanFinding:
    """A finding that does not refuse the file."""
    return PlanFinding(at, code, message, Severity.WARNING, first)


def quote(value: object) -> str:
    """`value` as a person would recognise it from the file: quoted, printable, cut at 80 characters."""
    if isinstance(value, str):
        text = json.dumps(value[: QUOTED_AT_MOST + 1], ensure_ascii=False)
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    elif isinstance(value, bool) or value is None:
        text = {True: "true", False: "false", None: "null"}[value]
    elif isinstance(value, dict):
        text = "an object"
    elif isinstance(value, list | tuple):
        text = "a list"
    else:
        text = str(value)
    return text if len(text) <= QUOTED_AT_MOST else text[: QUOTED_AT_MOST - 1] + "…"


def listed(names: Iterable[str]) -> str:
    """The names, quoted and comma-separated, at most a dozen; `none` where there are none."""
    every = list(names)
    shown = ", ".join(quote(name) for name in every[:LISTED_AT_MOST])
    more = len(every) - LISTED_AT_MOST
    return (f"{shown} and {more} more" if more > 0 else shown) or "none"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` with the nearest of the known names, or nothing. Case and underscores do not count."""
    plain = {_plain(candidate): candidate for candidate in known}
    import difflib  # noqa: PLC0415 - only a name that is wrong needs it

    near = difflib.get_close_matches(_plain(name[:QUOTED_AT_MOST]), plain, n=1, cutoff=0.6)
    return f"; did you mean {quote(plain[near[0]])}?" if near else ""


def choices(name: str, known: Iterable[str], there: Iterable[str] | None = None) -> str:
    """`; did you mean "x"? There are: …`, or `; there are: …` where no known name is near."""
    candidates = list(known)
    hint = did_you_mean(name, candidates)
    return f"{hint}{' There' if hint else '; there'} are: {listed(candidates if there is None else there)}"


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")
