"""Targets of an execution (RTO, RPO) as rows for the HTML report: what the report's model holds of them.

In: a `RecoveryReport`. Out: rows; none where neither the report nor a wave has a target.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import BaseModel

from prefect_drs.report.model import RecoveryReport

TARGET = re.compile(r"(rto|rpo)_?target", re.IGNORECASE)


class TargetRow(NamedTuple):
    """A target: whose it is, its name, and its value."""

    of: str
    name: str
    value: str


def target_rows(report: RecoveryReport) -> list[TargetRow]:
    """The fields whose names contain `rtoTarget` or `rpoTarget`, of the report and of its waves."""
    rows = list(_rows("plan", report))
    for wave in report.waves:
        rows += _rows(f"wave {wave.wave_number} {wave.wave_name}", wave)
    return rows


def _rows(of: str, model: BaseModel) -> Iterator[TargetRow]:
    fields = {name for name in type(model).model_fields if TARGET.search(name)}
    for name, value in model.model_dump(mode="json", by_alias=True, include=fields).items():
        if value is not None:
            yield TargetRow(of, name, _text(value))


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items() if each is not None)
    return str(value)
