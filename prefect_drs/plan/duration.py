"""ISO 8601 durations: a plan's `maxLag` and targets, and a server's lag in DRS."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(
    r"P(?=.)(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,9})?)S)?)?"
)


def parse_duration(text: str) -> timedelta | None:
    """A duration such as `PT15M` or `P1DT2H`; None where `text` is none. Years and months have no fixed length."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    return timedelta(**{unit: float(number) for unit, number in found.groupdict().items() if number is not None})
