"""YAML text to plain values, with a line for every place.

In: text. Out: dicts, lists and scalars of YAML 1.2's core schema, and a fault for what a plan may not use. Built from
the parser's events without recursion. An alias is the value it names, not a copy: a file of aliases to aliases takes no
more memory than its text, and is refused where it expands to more than a plan can be. Times stay text.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from prefect_drs.plan.read.finding import Place, quote
from prefect_drs.plan.read.json_text import DIGITS_AT_MOST, FAULTS_AT_MOST, TextFault, duplicate_key

DEPTH_AT_MOST = 100
EXPANDED_AT_MOST = 2_000_000
"""Values that a file may expand to once its aliases are followed; the largest account's plan has some 100,000."""

_WHOLE = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_STRING_TAGS = frozenset({"!", "!!str", "tag:yaml.org,2002:str"})
_PLAIN_TAGS = frozenset(
    {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "int", "float", "bool", "null")} | {None, "!"}
)


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that is being read, and the size it has expanded to so far."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    lines: dict[str, int] | list[int]
    key: str | None = None
    key_line: int = 0
    merges: bool = False
    size: int = 1
    depth: int = 1
    merged: list[Any] = field(default_factory=list)


class YamlDocument:
    """The content of one YAML text.

    Attributes:
        value: its value, None where there is none.
        faults: what the text may not do.
    """

    def __init__(self, text: str) -> None:
        self.value: Any = None
        self.faults: list[TextFault] = []
        self._lines: dict[
            int, dict[str, int] | list[int]
        ] = {}  # by id() of the container, which self.value keeps alive
        self._weights: dict[int, tuple[int, int]] = {}
        self._anchors: dict[str, Any] = {}
        self._stack: list[_Open] = []
        self._documents = 0
        try:
            for event in YAML(typ="safe").parse(text):
                if not self._take(event) or len(self.faults) > FAULTS_AT_MOST:
                    break
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            self._refuse(line, "INVALID_YAML", f"this is not YAML: {error.problem or error.context}")
        except (YAMLError, ValueError, RecursionError) as error:
            self._refuse(1, "INVALID_YAML", f"this is not YAML: {quote(str(error))}")

    def lines(self, wanted: Collection[Place]) -> dict[Place, int]:
        """The line, from 1, of each wanted place that the text has: of its key in a mapping, of itself in a list."""
        found: dict[Place, int] = {}
        for place in wanted:
            value, line = self.value, None
            for step in place:
                try:
                    line = self._lines[id(value)][step]  # type: ignore[index]  # a key for dicts, an index for lists
                    value = value[step]
                except (KeyError, IndexError, TypeError):
                    line = None
                    break
            if line is not None:
                found[place] = line
        return found

    def _refuse(self, line: int, code: str, message: str) -> None:
        self.faults.append(TextFault(line, code, message))
        self.value = None

    def _take(self, event: Event) -> bool:
        """Take one event in; False ends the reading."""
        line = event.start_mark.line + 1
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self.faults.append(
                    TextFault(line, "SEVERAL_DOCUMENTS", "a second YAML document begins here; use one file for each")
                )
                return False
        elif isinstance(event, ScalarEvent):
            top = self._stack[-1] if self._stack else None
            if top is not None and isinstance(top.value, dict) and top.key is None:
                top.merges = event.value == "<<" and event.implicit[0]  # in quotes it is a key like any other
                top.key, top.key_line = event.value, line  # as written: an account id keeps its leading zero
                return True
            return self._place(self._scalar(event, line), line, event.anchor, (1, 0))
        elif isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                self._refuse(line, "INVALID_YAML", f"*{event.anchor} names nothing that is complete before it")
                return False
            value = self._anchors[event.anchor]
            return self._place(value, line, None, self._weights.get(id(value), (1, 0)))
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            return self._open(event, line)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            done = self._stack.pop()
            self._merge(done)
            self._lines[id(done.value)] = done.lines
            self._weights[id(done.value)] = (done.size, done.depth)
            return self._place(done.value, line, done.anchor, (done.size, done.depth))
        return True

    def _open(self, event: MappingStartEvent | SequenceStartEvent, line: int) -> bool:
        if event.tag not in _PLAIN_TAGS:
            self._tag(event.tag, line)
        if len(self._stack) >= DEPTH_AT_MOST:
            self._refuse(
                line, "NESTED_TOO_DEEPLY", f"nested more than {DEPTH_AT_MOST} deep; a manifest is nested 8 deep"
            )
            return False
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.value, list):
            top.lines.append(line)  # type: ignore[union-attr]  # a list's lines are a list
        elif top is not None and top.key is None:
            self._refuse(line, "WRONG_TYPE", "a list or mapping cannot be a key; is there a `?`, or `{{`, too many?")
            return False
        is_map = isinstance(event, MappingStartEvent)
        self._stack.append(_Open({} if is_map else [], event.anchor, {} if is_map else []))
        return True

    def _place(self, value: Any, line: int, anchor: str | None, weight: tuple[int, int]) -> bool:
        """Put a finished value where it belongs: a key, a member, an item, or the whole."""
        size, depth = weight
        if anchor is not None:
            self._anchors[anchor] = value
        if not self._stack:
            self.value = value
            return True
        top = self._stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
            if len(top.lines) < len(top.value):  # a list or mapping has left its line when it was opened
                top.lines.append(line)  # type: ignore[union-attr]  # a list's lines are a list
        elif top.key is None:
            self._refuse(line, "WRONG_TYPE", "an alias cannot be a key; write the key out")
            return False
        else:
            self._member(top, value)
        top.size += size
        top.depth = max(top.depth, depth + 1)
        if top.size > EXPANDED_AT_MOST or top.depth > DEPTH_AT_MOST:
            self._refuse(
                line, "TOO_LARGE", "the aliases of this file expand to more than a plan can hold; write it out"
            )
            return False
        return True

    def _member(self, top: _Open, value: Any) -> None:
        assert isinstance(top.value, dict)  # noqa: S101 - _place handles lists
        assert isinstance(top.lines, dict)  # noqa: S101
        key, top.key = top.key or "", None
        if top.merges and isinstance(value, dict | list):
            top.merged += value if isinstance(value, list) else [value]
            return
        if key in top.value:
            self.faults.append(duplicate_key(key, top.key_line, top.lines[key]))
        top.value[key] = value
        top.lines.setdefault(key, top.key_line)

    def _merge(self, done: _Open) -> None:
        """Fill in what `<<` names; the mapping's own keys win, then the earlier of the merged."""
        if not isinstance(done.value, dict) or not isinstance(done.lines, dict):
            return
        for other in done.merged:
            if isinstance(other, dict):
                lines = self._lines.get(id(other), {})
                for key, value in other.items():
                    if key not in done.value:
                        done.value[key] = value
                        done.lines[key] = lines[key] if isinstance(lines, dict) else 1

    def _scalar(self, event: ScalarEvent, line: int) -> Any:
        text: str = event.value
        if event.tag in _STRING_TAGS or (event.tag is None and not event.implicit[0]):
            return text
        if event.tag not in _PLAIN_TAGS:
            self._tag(event.tag, line)
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _WHOLE.fullmatch(text):
            if len(text) > DIGITS_AT_MOST:
                return float("inf")
            return int(text, 0) if text[:2] in {"0x", "0o"} else int(text)
        if _REAL.fullmatch(text):
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return text

    def _tag(self, tag: object, line: int) -> None:
        self.faults.append(
            TextFault(line, "UNSUPPORTED_TAG", f"the YAML tag {quote(str(tag))} has no meaning in a plan; remove it")
        )
