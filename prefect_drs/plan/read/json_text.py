"""JSON text to plain values, with lines for the places that faults need.

In: text. Out: values, and a fault for what JSON does not allow. The standard library's decoder reads; lines are looked
up afterwards by one pass over the tokens, only where there are faults. Nothing here is recursive, and whatever the
decoder raises on hostile text becomes a fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from prefect_drs.plan.read.finding import Place, quote

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:]|[^\s{}\[\],:"]++', re.DOTALL)
_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]', re.DOTALL)
_STEP = {"{": 1, "[": 1, "}": -1, "]": -1}
_NOT_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity"})
DIGITS_AT_MOST = 18
FAULTS_AT_MOST = 1_000
"""Faults of one text that are listed."""


@dataclass(frozen=True, slots=True)
class TextFault:
    """What the syntax itself refuses, with its line."""

    line: int
    code: str
    message: str


@dataclass(slots=True)
class _Seen:
    """Whether the decoder met what JSON leaves undefined or forbids; its lines are found afterwards."""

    duplicate: bool = False
    not_number: bool = False


def read_json(text: str) -> tuple[Any, list[TextFault]]:
    """The value of a JSON text; None with a fault where it is not JSON.

    Objects with a repeated key keep the last value and are a fault each; so are NaN and Infinity, which JSON lacks. A
    whole number of more than 18 digits becomes a float, which no field takes.
    """
    seen = _Seen()

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(members)
        seen.duplicate |= len(value) != len(members)
        return value

    def constant(name: str) -> float:
        seen.not_number = True
        return float(name)

    def whole(digits: str) -> int | float:
        return int(digits) if len(digits) <= DIGITS_AT_MOST else float(digits)

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant, parse_int=whole)
    except json.JSONDecodeError as error:
        return None, [_syntax(text, error)]
    except RecursionError:
        return None, [TextFault(1, "NESTED_TOO_DEEPLY", "lists and objects are nested far deeper than a manifest is")]
    faults = list(islice(_forbidden(text), FAULTS_AT_MOST)) if seen.duplicate or seen.not_number else []
    return value, faults


def json_lines(text: str, wanted: Collection[Place]) -> dict[Place, int]:
    """The line, from 1, of each wanted place that the text has: of its key in an object, of itself in a list."""
    missing = set(wanted)
    inner = {place[:depth] for place in missing for depth in range(len(place))}
    lines: dict[Place, int] = {}
    for place, line, _ in _members(text, inner):
        if place in missing:
            lines.setdefault(place, line)
            missing.discard(place)
            if not missing:
                break
    return lines


def _syntax(text: str, error: json.JSONDecodeError) -> TextFault:
    rest = text[error.pos : error.pos + 1]
    if not text.strip():
        what = "the file is empty"
    elif not text[error.pos :].strip() or error.msg.startswith("Unterminated string"):
        what = f"the file ends too soon: {error.msg.lower()}; is it cut off?"
    elif rest in {"}", "]"}:
        what = f"{error.msg.lower()} before {quote(rest)}: a comma too many, or a value is missing"
    else:
        what = f"{error.msg.lower()}, found {quote(rest)} in column {error.colno}"
    return TextFault(max(1, error.lineno), "INVALID_JSON", f"this is not JSON: {what}")


def _forbidden(text: str) -> Iterator[TextFault]:
    """Repeated keys and numbers that are none, each with its line."""
    for place, line, first in _members(text):
        if first is not None:
            yield duplicate_key(str(place[-1]), line, first)
    position, line = 0, 1
    for token in _TOKEN.finditer(text):
        if token[0] in _NOT_NUMBERS:
            line += text.count("\n", position, token.start())
            position = token.start()
            yield TextFault(line, "INVALID_JSON", f"this is not JSON: {token[0]} is not a number there")


def duplicate_key(key: str, line: int, first: int) -> TextFault:
    """The fault of a key that an object has twice."""
    return TextFault(
        line, "DUPLICATE_KEY", f"{quote(key)} is given twice in one object (first at line {first}); remove one of them"
    )


@dataclass(slots=True)
class _Open:
    """A list or object that is open at this token; `keys`: an object's keys, with their lines."""

    place: Place
    keys: dict[str, int] | None
    index: int = 0
    key: str | None = None


def _members(text: str, inner: Collection[Place] | None = None) -> Iterator[tuple[Place, int, int | None]]:
    """Every list item and object member of a JSON text in turn: place, line, and the line its key was first at.

    Args:
        text: text that the decoder has accepted.
        inner: the lists and objects to look into; all where None.
    """
    stack: list[_Open] = []
    position, counted, line = 0, 0, 1
    while (token := _TOKEN.search(text, position)) is not None:
        mark, position = token[0], token.end()
        if mark == ":":
            continue
        if mark in {"}", "]"}:
            stack.pop()
            continue
        top = stack[-1] if stack else None
        if mark == ",":
            if top is not None:
                top.index += 1
                top.key = None
            continue
        line += text.count("\n", counted, token.start())
        counted = token.start()
        place: Place = ()
        if top is not None and top.keys is None:
            place = (*top.place, top.index)
            yield place, line, None
        elif top is not None and top.keys is not None and top.key is None:
            key = top.key = json.loads(mark)
            first = top.keys.get(key)
            top.keys.setdefault(key, line)
            yield (*top.place, key), line, first
            continue
        elif top is not None and top.key is not None:
            place = (*top.place, top.key)
        if mark in {"{", "["}:
            if inner is not None and place not in inner:
                position = _end(text, position)
            else:
                stack.append(_Open(place, {} if mark == "{" else None))


def _end(text: str, position: int) -> int:
    """The end of the list or object that `position` is in."""
    depth = 1
    while depth:
        token = _BRACKET.search(text, position)
        if token is None:
            return len(text)
        position = token.end()
        depth += _STEP.get(token[0], 0)
    return position
