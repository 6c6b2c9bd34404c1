"""Targets of an execution (RTO, RPO) as rows for the HTML report.

In: a `RecoveryReport`. Out: rows; none where neither the plan nor a wave has a target.
"""

from __future__ import annotations

from typing import NamedTuple

from prefect_drs.report.model import RecoveryReport, TargetOutcome
from prefect_drs.report.targets import by_how_much, risk_note, whose
from prefect_drs.report.text import duration

BADGES = {
    TargetOutcome.MET: "completed",
    TargetOutcome.MISSED: "failed",
    TargetOutcome.UNKNOWN: "cancelled",
    TargetOutcome.OPEN: "pending",
}


class TargetRow(NamedTuple):
    """A target: whose it is, what was allowed and achieved, its outcome with the style of its badge, and remarks."""

    of: str
    kind: str
    allowed: str
    achieved: str
    outcome: str
    badge: str
    by: str
    risk: str


def target_rows(report: RecoveryReport) -> list[TargetRow]:
    """The targets of the plan, then those of its waves."""
    return [
        TargetRow(
            of=whose(target),
            kind=target.kind,
            allowed=duration(target.target_seconds),
            achieved=duration(target.achieved_seconds),
            outcome=target.outcome,
            badge=BADGES[target.outcome],
            by=by_how_much(target),
            risk=risk_note(target, report.started_at),
        )
        for target in report.targets
    ]
