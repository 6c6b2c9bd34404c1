"""Input against the botocore model: types, required members, enums, and the patterns and lengths that botocore's own
client does not check.

In: an operation's name and the parsed input. Out: nothing, or a ValidationException that names every invalid member in
AWS's wording. The checks of each shape are compiled once.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from moto.core.utils import get_service_model

from .exceptions import ValidationException

Faults = dict[str, str]
Check = Callable[[Any, str, Faults], None]
_CORRECTED: dict[str, dict[str, Any]] = {
    "ISO8601DatetimeString": {
        "pattern": r"[1-9][0-9]*-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([0-1][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
        r"(\.[0-9]+)?(Z|\+00:00)"
    },
    "EbsVolumeID": {"max": 21},
}
"""Where the model is narrower than AWS: DRS itself sends times with `+00:00`; a volume id has 12 or 21 characters, as
the pattern of the shape says, but not its maximum."""


@functools.cache
def service_model() -> Any:
    """The DRS model that botocore ships."""
    return get_service_model("drs")


def check_input(operation: str, params: dict[str, Any]) -> None:
    """Validate `params` against the input shape of `operation`.

    Raises:
        ValidationException: with one `fieldList` entry per invalid member.
    """
    faults: Faults = {}
    _check_of(operation)(params, "", faults)
    if faults:
        many = "1 validation error" if len(faults) == 1 else f"{len(faults)} validation errors"
        details = "; ".join(f"Value at '{name}' failed to satisfy constraint: {text}" for name, text in faults.items())
        raise ValidationException(f"{many} detected: {details}", fields=faults)


@functools.cache
def _check_of(operation: str) -> Check:
    return compile_check(service_model().operation_model(operation).input_shape, {})


def compile_check(shape: Any, known: dict[str, Check]) -> Check:
    """A function that yields the faults of a value of `shape`; `known` ends recursion in the model."""
    if shape.name in known:
        return known[shape.name]
    if shape.type_name == "structure":
        return _structure(shape, known)
    if shape.type_name == "list":
        return _list(shape, known)
    if shape.type_name == "map":
        return _map(shape, known)
    if shape.type_name == "string":
        return _string(shape)
    if shape.type_name in {"integer", "long"}:
        return _integer(shape)
    if shape.type_name == "boolean":
        return _boolean
    return _anything


def _structure(shape: Any, known: dict[str, Check]) -> Check:
    checks: dict[str, Check] = {}
    required = tuple(shape.required_members)

    def check(value: Any, path: str, faults: Faults) -> None:
        if not isinstance(value, dict):
            faults[path or "body"] = "Member must be a structure"
            return
        prefix = f"{path}." if path else ""
        for name in required:
            if value.get(name) is None:
                faults[prefix + name] = "Member must not be null"
        for name, member in value.items():
            if member is not None and name in checks:
                checks[name](member, prefix + name, faults)

    known[shape.name] = check
    for name, member in shape.members.items():
        checks[name] = compile_check(member, known)
    return check


def _bounds(value: Any, lowest: int | None, highest: int | None, path: str, what: str, faults: Faults) -> bool:
    if lowest is not None and value < lowest:
        faults[path] = f"Member must have {what} greater than or equal to {lowest}"
        return False
    if highest is not None and value > highest:
        faults[path] = f"Member must have {what} less than or equal to {highest}"
        return False
    return True


def _list(shape: Any, known: dict[str, Check]) -> Check:
    member = compile_check(shape.member, known)
    lowest, highest = shape.metadata.get("min"), shape.metadata.get("max")

    def check(value: Any, path: str, faults: Faults) -> None:
        if not isinstance(value, list):
            faults[path] = "Member must be a list"
        elif _bounds(len(value), lowest, highest, path, "length", faults):
            for number, item in enumerate(value, 1):
                member(item, f"{path}.{number}.member", faults)

    return check


def _map(shape: Any, known: dict[str, Check]) -> Check:
    keys, values = compile_check(shape.key, known), compile_check(shape.value, known)
    lowest, highest = shape.metadata.get("min"), shape.metadata.get("max")

    def check(value: Any, path: str, faults: Faults) -> None:
        if not isinstance(value, dict):
            faults[path] = "Member must be a map"
        elif _bounds(len(value), lowest, highest, path, "length", faults):
            for key, item in value.items():
                keys(key, f"{path}.key", faults)
                values(item, f"{path}.{key}", faults)

    return check


def _string(shape: Any) -> Check:
    metadata = {**shape.metadata, **_CORRECTED.get(shape.name, {})}
    lowest, highest = metadata.get("min"), metadata.get("max")
    pattern = re.compile(metadata["pattern"]) if "pattern" in metadata else None
    enum = frozenset(shape.metadata.get("enum", ()))

    def check(value: Any, path: str, faults: Faults) -> None:
        if not isinstance(value, str):
            faults[path] = "Member must be a string"
        elif enum and value not in enum:
            faults[path] = f"Member must satisfy enum value set: [{', '.join(sorted(enum))}]"
        elif _bounds(len(value), lowest, highest, path, "length", faults) and pattern and not pattern.fullmatch(value):
            faults[path] = f"Member must satisfy regular expression pattern: {pattern.pattern}"

    return check


def _integer(shape: Any) -> Check:
    lowest, highest = shape.metadata.get("min"), shape.metadata.get("max")

    def check(value: Any, path: str, faults: Faults) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            faults[path] = "Member must be a number"
        else:
            _bounds(value, lowest, highest, path, "value", faults)

    return check


def _boolean(value: Any, path: str, faults: Faults) -> None:
    if not isinstance(value, bool):
        faults[path] = "Member must be a boolean"


def _anything(value: Any, path: str, faults: Faults) -> None:
    """Blobs and timestamps: no operation of DRS takes one as input."""
