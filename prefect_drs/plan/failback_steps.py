"""The steps of a failback, in the order in which they depend on each other: what the runbook and the forecast share.

In: a plan. Out: `FailbackStep`s, plain data: protect, stop writes, launch wave by wave, protect forward, clean up. The
launches are in the plan's `failbackWaves`, or in its waves with every dependency turned around: what was recovered last
fails back first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prefect_drs.plan.graph import WaveGraph
from prefect_drs.plan.model import RecoveryPlan, Wave

WaveAction = Literal["launch", "protect", "catch-up", "reprotect", "clean-up"]
"""What a wave does with its servers. Only a failback has others than `launch`:

- `protect`: replicate each recovery instance back, until its replication is continuous.
- `catch-up`: after the wave's hooks have stopped writes, wait until what was written before has arrived.
- `reprotect`: replicate the failed-back instances in the forward direction again.
- `clean-up`: end what the failback leaves in the recovery region, as the plan says.
"""
PROTECT, CATCH_UP, FIRST_LAUNCH = 1, 2, 3
"""The numbers of the first two steps, and of the first that launches."""


@dataclass(frozen=True, slots=True)
class FailbackStep:
    """One step. `wave`: the wave of the plan whose servers a step launches; None of a step for all servers."""

    number: int
    name: str
    action: WaveAction
    after: tuple[int, ...]
    gate: bool
    wave: Wave | None = None


def failback_steps(plan: RecoveryPlan, *, drill: bool = False) -> tuple[FailbackStep, ...]:
    """The steps of a failback of the plan.

    Args:
        plan: the plan.
        drill: a rehearsal with a drill's instances: nothing is protected forward, since production still runs in the
            origin (AWS, "Performing a drill" of failback-failover-region-region).
    """
    launches = _launches(plan)
    last = tuple(n.number for n in launches if not any(n.number in each.after for each in launches))
    steps = [
        FailbackStep(PROTECT, "Protect in the other direction", "protect", (), gate=False),
        FailbackStep(CATCH_UP, "Stop writes", "catch-up", (PROTECT,), gate=True),
        *launches,
    ]
    closing: list[tuple[str, WaveAction]] = []
    if plan.failback.protect_forward and not drill:
        closing.append(("Hand over and protect forward", "reprotect"))
    if plan.failback.clean_up != "keep":
        closing.append(("Clean up", "clean-up"))
    number = steps[-1].number
    for name, action in closing:
        number += 1
        steps.append(FailbackStep(number, name, action, last, gate=True))
        last = (number,)
    return tuple(steps)


def _launches(plan: RecoveryPlan) -> list[FailbackStep]:
    own = bool(plan.failback_waves)
    graph = WaveGraph.of(plan.model_copy(update={"waves": plan.failback_waves}) if own else plan)
    order = graph.order if own else tuple(reversed(graph.order))
    numbers = {number: FIRST_LAUNCH + position for position, number in enumerate(order)}
    steps = []
    for number in order:
        wave = graph.wave(number)
        before = graph.dependencies(number) if own else graph.dependents(number)
        after = tuple(sorted(numbers[each] for each in before)) or (CATCH_UP,)
        name = wave.wave_name if own else f"Fail back: {wave.wave_name}"
        steps.append(FailbackStep(numbers[number], name, "launch", after, own and wave.pause_before_wave, wave))
    return steps
