"""Rules for what gates demand: `approval` of plans and waves."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.plan.approval import ANY
from prefect_drs.plan.duration import parse_duration
from prefect_drs.plan.read.draft import Draft, approval_values
from prefect_drs.plan.read.finding import PlanFinding, quote
from prefect_drs.plan.read.shape import ShapeEntry


def approvals_expire_after_a_duration(draft: Draft) -> Iterator[PlanFinding]:
    """`expiresAfter` is an ISO 8601 duration of fixed length above zero."""
    for quorum in _quorums(draft):
        text = quorum.text("expiresAfter")
        if text is not None and not parse_duration(text):
            yield PlanFinding(
                quorum.place("expiresAfter"),
                "INVALID_DURATION",
                f"expiresAfter {quote(text)} is no ISO 8601 duration above zero; write it like PT4H or P1D",
            )


def roles_of_approvals_are_named_once(draft: Draft) -> Iterator[PlanFinding]:
    """No role is listed twice."""
    for quorum in _quorums(draft):
        seen: set[str] = set()
        for item in quorum.items("roles"):
            if item.value in seen:
                yield PlanFinding(item.at, "DUPLICATE_ROLE", f"role {item.value} is listed twice; remove one")
            seen.add(item.value)


def approvals_have_a_gate(draft: Draft) -> Iterator[PlanFinding]:
    """What demands a proof has a gate where it is given: otherwise the wave would start without anybody."""
    for plan in draft.plans:
        for wave in plan.waves:
            if _demands(wave.entry) and not wave.entry.get("pauseBeforeWave", bool):
                yield PlanFinding(
                    wave.entry.place("approval"),
                    "APPROVAL_WITHOUT_GATE",
                    f"{wave.label} demands an approval, but has no gate, so that nobody is asked; "
                    "add pauseBeforeWave: true",
                )
        gated = any(wave.entry.get("pauseBeforeWave", bool) for wave in plan.waves)
        if _demands(plan.entry) and plan.waves and not gated:
            yield PlanFinding(
                plan.entry.place("approval"),
                "APPROVAL_WITHOUT_GATE",
                f"plan {quote(plan.name or '')} demands approvals, but none of its waves has a gate, so that nobody is "
                "asked; add pauseBeforeWave: true to a wave",
            )


def _demands(entry: ShapeEntry) -> bool:
    return approval_values(entry) not in {None, ANY} if entry.entry("approval") is None else True


def _quorums(draft: Draft) -> Iterator[ShapeEntry]:
    for plan in draft.plans:
        for entry in (plan.entry, *(wave.entry for wave in plan.waves)):
            if (quorum := entry.entry("approval")) is not None:
                yield quorum
