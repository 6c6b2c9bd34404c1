"""The wire form of the DRS model: input and output as dictionaries, times and durations as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

Params = dict[str, Any]
"""The input of an operation, in the model's member names."""
Wire = dict[str, Any]
"""An output, or a structure in one, in the model's member names."""
_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)


def wire_time(at: datetime) -> str:
    """`2030-01-01T00:00:00.000000+00:00`, as recorded; the model's ISO8601DatetimeString ends in `Z`."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def parse_time(text: str) -> datetime:
    """Parse the model's ISO8601DatetimeString."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def parse_duration(text: str) -> timedelta:
    """An ISO 8601 duration (`PT5M`).

    Raises:
        pydantic.ValidationError: not a duration.
    """
    return _DURATION.validate_python(text)


def wire_duration(span: timedelta) -> str:
    """An ISO 8601 duration, in whole seconds: `P1DT2H3M4S`, `PT0S`."""
    seconds = max(0, int(span.total_seconds()))
    days, seconds = divmod(seconds, 86400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    clock = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)
    if days:
        return f"P{days}D" + (f"T{clock}" if clock else "")
    return f"PT{clock}" if clock else "PT0S"


def dropping_none(data: dict[str, Any]) -> dict[str, Any]:
    """The members that have a value: the wire format has no nulls."""
    return {key: value for key, value in data.items() if value is not None}


def given(params: Params, names: tuple[str, ...]) -> Wire:
    """The named members of an input that have a value."""
    return {name: params[name] for name in names if params.get(name) is not None}
