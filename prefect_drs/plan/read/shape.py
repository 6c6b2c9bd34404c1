"""The shape of a file: which fields there are, of which kind, and which must be given.

In: plain values. Out: a `ShapeEntry` of what could be understood, whatever else is wrong, and a finding for each
field that is unknown, missing or of the wrong kind, so that the rules that follow see all that can be seen. `null`
means "not given".
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from prefect_drs.plan.read.finding import FINDINGS_AT_MOST, Place, PlanFinding, did_you_mean, quote, warning
from prefect_drs.plan.read.spelling import meant

T = TypeVar("T")

_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Unicode categories that would break a line, or make one name look like another to who approves it."""


class Item(NamedTuple):
    """One text or number of a list, and its place."""

    value: Any
    at: Place


@dataclass(frozen=True, slots=True)
class ShapeEntry:
    """An object of the file: the fields that could be read, and its place."""

    at: Place
    values: Mapping[str, Any]

    def place(self, name: str) -> Place:
        """The place of that field."""
        return (*self.at, name)

    def get(self, name: str, kind: type[T]) -> T | None:
        """The field's value, None where it was not given or not understood."""
        value = self.values.get(name)
        return value if isinstance(value, kind) else None

    def text(self, name: str) -> str | None:
        """A text field's value."""
        return self.get(name, str)

    def items(self, name: str) -> tuple[Item, ...]:
        """A list of texts or numbers."""
        return self.values.get(name) or ()

    def entry(self, name: str) -> ShapeEntry | None:
        """An object field."""
        return self.get(name, ShapeEntry)

    def entries(self, name: str) -> tuple[ShapeEntry, ...]:
        """A list of objects."""
        return self.values.get(name) or ()


class NotUnderstoodError(Exception):
    """A value is not of its field's kind; the finding is already recorded."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field: how its value is read, and whether it must be given."""

    read: Callable[[Any, Place, list[PlanFinding]], Any]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """An object's fields, and those that are refused with the reason.

    Args:
        what: the object's name in messages, such as `a wave`.
        fields: by name.
        refused: fields that AWS has but a plan may not set, each with the reason and remedy.
        synonyms: other words that people write for a field, such as `gate`.
        elsewhere: fields of other objects, each with its object. They have no effect here, so they are faults.
    """

    what: str
    fields: Mapping[str, Field]
    refused: Mapping[str, str] = field(default_factory=dict)
    synonyms: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, value: Any, at: Place, out: list[PlanFinding]) -> ShapeEntry:
        """Read an object; what is wrong with it goes to `out`."""
        if not isinstance(value, dict):
            raise _wrong(value, at, out, f"{self.what} is an object of named fields")
        values: dict[str, Any] = {}
        for name, inner in value.items():
            if len(out) > FINDINGS_AT_MOST:
                break
            place = (*at, name)
            if name in self.refused:
                out.append(PlanFinding(place, "DRS_MANAGED_FIELD", f"{name} cannot be set: {self.refused[name]}"))
            elif name not in self.fields:
                out.append(self._unknown(name, place))
            elif inner is not None:
                try:
                    values[name] = self.fields[name].read(inner, place, out)
                except NotUnderstoodError:
                    values[name] = None
        for name, wanted in self.fields.items():
            if wanted.required and value.get(name) is None:
                place = (*at, name) if name in value else at
                out.append(
                    PlanFinding(
                        place, "MISSING_FIELD", f"{self.what} needs {name}{_mistaken(name, value, self.fields)}"
                    )
                )
        return ShapeEntry(at, values)

    def _unknown(self, name: str, place: Place) -> PlanFinding:
        """A fault where a known field is meant, so that it would be lost; of a foreign name only a warning."""
        known = self.synonyms.get(name) or meant(name, (*self.fields, *self.refused))
        if known is not None:
            remedy = f"write {known}, or remove it" if known in self.fields else self.refused[known]
            return PlanFinding(place, "UNKNOWN_FIELD", f"{quote(name)} is no field of {self.what}: {remedy}")
        if name in self.elsewhere:
            return PlanFinding(
                place,
                "UNKNOWN_FIELD",
                f"{quote(name)} is a field of {self.elsewhere[name]}, not of {self.what}; move it there, or remove it",
            )
        hint = did_you_mean(name, self.fields) or f"; {self.what} has {', '.join(self.fields)}"
        return warning(place, "UNKNOWN_FIELD", f"{quote(name)} is no field of {self.what}, so it is ignored{hint}")


def _mistaken(name: str, value: Mapping[str, Any], fields: Mapping[str, Field]) -> str:
    """A hint where a field that is there, but unknown, may be the missing one."""
    return did_you_mean(name, [key for key in value if key not in fields]).replace("did you mean", "is it")


def _wrong(value: Any, at: Place, out: list[PlanFinding], wanted: str) -> NotUnderstoodError:
    out.append(PlanFinding(at, "WRONG_TYPE", f"{wanted}, not {_kind(value)}"))
    return NotUnderstoodError()


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    kind = "the text" if isinstance(value, str) else "the number" if type(value) in {int, float} else "the value"
    return f"{kind} {quote(value)}"


def _name(at: Place) -> str:
    return next((str(step) for step in reversed(at) if isinstance(step, str)), "the file")


def a_text(value: Any, at: Place, out: list[PlanFinding]) -> str:
    """A text that is not empty, of one line, and can be written as UTF-8."""
    text = any_text(value, at, out)
    if not text.strip():
        out.append(PlanFinding(at, "EMPTY_VALUE", f"{_name(at)} is empty; give it a value or leave it out"))
        raise NotUnderstoodError
    if not text.isprintable() and any(unicodedata.category(c) in _INVISIBLE for c in text):
        out.append(
            PlanFinding(
                at, "INVALID_TEXT", f"{_name(at)} {quote(text)} holds control or invisible characters; remove them"
            )
        )
        raise NotUnderstoodError
    return text


def any_text(value: Any, at: Place, out: list[PlanFinding]) -> str:
    """A text."""
    if not isinstance(value, str):
        remedy = "; put it in quotes" if type(value) in {int, float, bool} else ""
        raise _wrong(value, at, out, f"{_name(at)} is a text{remedy}")
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        out.append(
            PlanFinding(at, "INVALID_TEXT", f"{_name(at)} holds half of a surrogate pair; write the character itself")
        )
        raise NotUnderstoodError
    return value


def lines_of_text(value: Any, at: Place, out: list[PlanFinding]) -> str:
    """A text that may have several lines, and holds no other control or invisible characters."""
    text = any_text(value, at, out)
    if any(unicodedata.category(c) in _INVISIBLE for c in text if c not in "\n\r\t" and not c.isprintable()):
        message = f"{_name(at)} holds control or invisible characters beside line breaks and tabs; remove them"
        out.append(PlanFinding(at, "INVALID_TEXT", message))
        raise NotUnderstoodError
    return text


def a_version(value: Any, at: Place, out: list[PlanFinding]) -> str:
    """A text, or the number that YAML makes of a bare 1.1."""
    return str(value) if type(value) is float and math.isfinite(value) else a_text(value, at, out)


def a_flag(value: Any, at: Place, out: list[PlanFinding]) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise _wrong(value, at, out, f"{_name(at)} is true or false (no quotes)")
    return value


def a_wave_number(value: Any, at: Place, out: list[PlanFinding]) -> int:
    """A whole number from 0 to 9999."""
    if type(value) is not int:
        raise _wrong(value, at, out, f"{_name(at)} takes whole numbers (no quotes)")
    if not 0 <= value <= 9999:
        out.append(PlanFinding(at, "INVALID_WAVE_NUMBER", f"wave number {quote(value)} is out of range; use 0 to 9999"))
        raise NotUnderstoodError
    return value


def one_of(*choices: str) -> Callable[[Any, Place, list[PlanFinding]], str]:
    """One of those texts, exactly."""

    def read(value: Any, at: Place, out: list[PlanFinding]) -> str:
        if not isinstance(value, str) or value not in choices:
            hint = did_you_mean(value, choices) if isinstance(value, str) else ""
            wanted = " or ".join(filter(None, [", ".join(choices[:-1]), choices[-1]]))
            out.append(PlanFinding(at, "INVALID_VALUE", f"{_name(at)} is {wanted}, not {quote(value)}{hint}"))
            raise NotUnderstoodError
        return value

    return read


def whole_number(lowest: int, highest: int) -> Callable[[Any, Place, list[PlanFinding]], int]:
    """A whole number from `lowest` to `highest`."""

    def read(value: Any, at: Place, out: list[PlanFinding]) -> int:
        if type(value) is not int:
            raise _wrong(value, at, out, f"{_name(at)} takes a whole number (no quotes)")
        if not lowest <= value <= highest:
            message = f"{_name(at)} {quote(value)} is out of range; use {lowest} to {highest}"
            out.append(PlanFinding(at, "INVALID_VALUE", message))
            raise NotUnderstoodError
        return value

    return read


def one_or_list(
    read_item: Callable[[Any, Place, list[PlanFinding]], Any],
) -> Callable[[Any, Place, list[PlanFinding]], tuple[Any, ...]]:
    """A list, or its only item."""
    read_list = list_of(read_item)

    def read(value: Any, at: Place, out: list[PlanFinding]) -> tuple[Any, ...]:
        return read_list(value, at, out) if isinstance(value, list) else (Item(read_item(value, at, out), at),)

    return read


def by_type(
    what: str, shapes: Mapping[str, Shape], elsewhere: Mapping[str, str] | None = None
) -> Callable[[Any, Place, list[PlanFinding]], ShapeEntry]:
    """An object whose `type` says which of the shapes it has.

    Args:
        what: the object's name in messages.
        shapes: by type.
        elsewhere: types that exist but not here, each with the reason and remedy.
    """
    read_type = one_of(*shapes)

    def read(value: Any, at: Place, out: list[PlanFinding]) -> ShapeEntry:
        if not isinstance(value, dict):
            raise _wrong(value, at, out, f"{what} is an object of named fields")
        kind = value.get("type")
        if kind is None:
            out.append(PlanFinding(at, "MISSING_FIELD", f"{what} needs type: one of {', '.join(shapes)}"))
            raise NotUnderstoodError
        if isinstance(kind, str) and kind in (elsewhere or {}):
            out.append(
                PlanFinding(
                    (*at, "type"), "INVALID_VALUE", f"{what} cannot be of type {kind}: {(elsewhere or {})[kind]}"
                )
            )
            raise NotUnderstoodError
        return shapes[read_type(kind, (*at, "type"), out)](value, at, out)

    return read


def list_of(
    read_item: Callable[[Any, Place, list[PlanFinding]], Any],
) -> Callable[[Any, Place, list[PlanFinding]], tuple[Any, ...]]:
    """A list; items that are not understood are left out."""

    def read(value: Any, at: Place, out: list[PlanFinding]) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _wrong(value, at, out, f"{_name(at)} is a list")
        items: list[Any] = []
        for index, inner in enumerate(value):
            if len(out) > FINDINGS_AT_MOST:
                break
            place = (*at, index)
            try:
                item = read_item(inner, place, out)
            except NotUnderstoodError:
                continue
            items.append(item if isinstance(item, ShapeEntry) else Item(item, place))
        return tuple(items)

    return read


def text_map(value: Any, at: Place, out: list[PlanFinding]) -> dict[str, str]:
    """An object whose values are all texts."""
    if not isinstance(value, dict):
        raise _wrong(value, at, out, f"{_name(at)} is an object of texts")
    read: dict[str, str] = {}
    for key, inner in value.items():
        if len(out) > FINDINGS_AT_MOST:
            break
        try:
            any_text(key, at, out)
            read[key] = any_text(inner, (*at, key), out)
        except NotUnderstoodError:
            continue
    return read


def text_lists(value: Any, at: Place, out: list[PlanFinding]) -> dict[str, tuple[str, ...]]:
    """An object whose values are texts or lists of texts."""
    if not isinstance(value, dict):
        raise _wrong(value, at, out, f"{_name(at)} is an object of texts or lists of texts")
    read: dict[str, tuple[str, ...]] = {}
    for key, inner in value.items():
        if len(out) > FINDINGS_AT_MOST:
            break
        try:
            any_text(key, at, out)
            read[key] = tuple(item.value for item in one_or_list(any_text)(inner, (*at, key), out))
        except NotUnderstoodError:
            continue
    return read


def json_object(value: Any, at: Place, out: list[PlanFinding]) -> dict[str, Any]:
    """An object of any JSON values; texts must be writable as UTF-8, numbers finite."""
    if not isinstance(value, dict):
        raise _wrong(value, at, out, f"{_name(at)} is an object")
    _check_json(value, at, out)
    return value


def _check_json(value: Any, at: Place, out: list[PlanFinding]) -> None:
    if len(out) > FINDINGS_AT_MOST or value is None or isinstance(value, bool | int):
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            any_text(key, at, out)
            _check_json(inner, (*at, key), out)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_json(inner, (*at, index), out)
    elif isinstance(value, float):
        if not math.isfinite(value):
            out.append(PlanFinding(at, "INVALID_VALUE", f"{_name(at)} is {value}, which JSON cannot hold"))
            raise NotUnderstoodError
    else:
        any_text(value, at, out)
