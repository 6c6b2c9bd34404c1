"""RTO and RPO targets in words: met or missed, and by how much. The renderings of a report show the same words.

In: `TargetReport`s, or the targets of a plan. Out: text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prefect_drs.plan.targets import HasTargets, targets_of_one
from prefect_drs.report.model import TargetOutcome, TargetReport
from prefect_drs.report.text import clock_time, duration

STYLES = {TargetOutcome.MET: "green", TargetOutcome.MISSED: "red", TargetOutcome.UNKNOWN: "yellow"}


def whose(target: TargetReport) -> str:
    """`plan`, or `wave 2 Web`."""
    return "plan" if target.wave_number is None else f"wave {target.wave_number} {target.wave_name}"


def by_how_much(target: TargetReport) -> str:
    """`12 min 00 s late`, `3 min 20 s to spare`, or what decided the target instead."""
    if target.late_seconds is None:
        return target.reason
    return f"{duration(abs(target.late_seconds))} {'late' if target.late_seconds > 0 else 'to spare'}"


def risk_note(target: TargetReport, begun: datetime) -> str:
    """When the running forecast expected it to be missed; empty if it never did. `begun`: the execution's start."""
    if target.at_risk_since is None:
        return ""
    return f"forecast at {clock_time(target.at_risk_since, begun)}: {duration(target.expected_seconds)}"


def target_line(target: TargetReport, begun: datetime) -> str:
    """`RTO of the plan MISSED: 4 h 12 min of 4 h 00 min, 12 min 00 s late`."""
    achieved = f"{duration(target.achieved_seconds)} of " if target.achieved_seconds is not None else "target "
    notes = [f"{achieved}{duration(target.target_seconds)}", by_how_much(target), risk_note(target, begun)]
    of = "the plan" if target.wave_number is None else whose(target)
    return f"{target.kind} of {of} {target.outcome}: {', '.join(note for note in notes if note)}"


def planned_targets(of: HasTargets) -> str:
    """`RTO 4 h 00 min, RPO 15 min 00 s` of a plan or of a wave; empty where it has none."""
    return ", ".join(f"{target.kind} {duration(target.seconds)}" for target in targets_of_one(of))


def missed(targets: Sequence[TargetReport]) -> list[TargetReport]:
    """The targets that were missed."""
    return [target for target in targets if target.outcome is TargetOutcome.MISSED]
