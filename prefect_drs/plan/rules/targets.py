"""Rules for the objectives of plans and waves: `rtoTarget` and `rpoTarget`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from prefect_drs.plan.duration import parse_duration
from prefect_drs.plan.read.draft import Draft
from prefect_drs.plan.read.finding import PlanFinding, quote, warning
from prefect_drs.plan.read.shape import ShapeEntry
from prefect_drs.plan.targets import TARGET_FIELDS


def targets_are_durations(draft: Draft) -> Iterator[PlanFinding]:
    """A target is an ISO 8601 duration of fixed length; `rtoTarget` is above zero, since a launch takes time."""
    for plan in draft.plans:
        for entry in (plan.entry, *(wave.entry for wave in plan.waves)):
            for field in TARGET_FIELDS:
                text = entry.text(field)
                if text is None:
                    continue
                target = parse_duration(text)
                if target is None:
                    fault = f"{field} {quote(text)} is no ISO 8601 duration; write it like PT4H or PT15M"
                elif field == "rtoTarget" and not target:
                    fault = f"{field} {quote(text)} allows no time for any launch; write it like PT4H, or remove it"
                else:
                    continue
                yield PlanFinding(entry.place(field), "INVALID_DURATION", fault)


def targets_of_waves_are_within_the_plans(draft: Draft) -> Iterator[PlanFinding]:
    """No wave has a longer target than its plan: the plan's is about the servers of the wave, too. A warning."""
    for plan in draft.plans:
        for field in TARGET_FIELDS:
            whole = _target(plan.entry, field)
            for wave in plan.waves:
                target = _target(wave.entry, field)
                if whole is not None and target is not None and target > whole:
                    yield warning(
                        wave.entry.place(field),
                        "TARGET_ABOVE_PLAN",
                        f"{field} {quote(wave.entry.text(field) or '')} of {wave.label} is longer than the plan's "
                        f"{quote(plan.entry.text(field) or '')}, which covers its servers too; shorten it, or raise "
                        "the plan's",
                    )


def _target(entry: ShapeEntry, field: str) -> timedelta | None:
    return parse_duration(entry.text(field) or "")
