"""Recovery objectives of a plan and of its waves: `rtoTarget` and `rpoTarget`.

In: a plan or a runbook. Out: its `Target`s in seconds. What the two objectives mean is defined here and nowhere else:

- **RTO** (recovery time objective): seconds from the start of the execution to the last server LAUNCHED: of the whole
  plan, or of one wave. It is wall time by the execution's clock: the time at gates, of pauses and without a process
  counts, and so does the time of the waves before. Health checks and hooks after the last launch do not count. So the
  target of a plan is compared with `achievedRtoSeconds` of the report.
- **RPO** (recovery point objective): the age of the oldest data that was launched, as `achievedRpoSeconds` of the
  report.

A wave does not inherit the plan's targets: each target is judged by itself, the plan's over all servers.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from prefect_drs.plan.duration import parse_duration

TARGET_FIELDS = ("rtoTarget", "rpoTarget")


class TargetKind(enum.StrEnum):
    """The objective."""

    RTO = "RTO"
    RPO = "RPO"


@dataclass(frozen=True, slots=True)
class Target:
    """A target.

    Args:
        kind: the objective.
        wave_number: its wave; None for the plan's.
        seconds: the most that is allowed.
        written: as in the plan, such as `PT4H`.
    """

    kind: TargetKind
    wave_number: int | None
    seconds: float
    written: str


class HasTargets(Protocol):
    """A plan, a wave, or their counterparts in a runbook."""

    @property
    def rto_target(self) -> str | None:
        """ISO 8601 duration."""
        ...

    @property
    def rpo_target(self) -> str | None:
        """ISO 8601 duration."""
        ...


class _WaveWithTargets(HasTargets, Protocol):
    @property
    def wave_number(self) -> int: ...


class PlanWithTargets(HasTargets, Protocol):
    """A `RecoveryPlan` or a `Runbook`."""

    @property
    def waves(self) -> Sequence[_WaveWithTargets]:
        """Its waves."""
        ...


def targets_of(plan: PlanWithTargets, kind: TargetKind | None = None) -> tuple[Target, ...]:
    """The targets of a plan, then those of its waves. `kind`: only those; None gives both."""
    found = [*targets_of_one(plan)]
    for wave in plan.waves:
        found += targets_of_one(wave, wave.wave_number)
    return tuple(target for target in found if kind in {None, target.kind})


def targets_of_one(having: HasTargets, wave_number: int | None = None) -> list[Target]:
    """The targets of a plan alone, or of one wave."""
    given = ((TargetKind.RTO, having.rto_target), (TargetKind.RPO, having.rpo_target))
    return [
        Target(kind, wave_number, duration.total_seconds(), text)
        for kind, text in given
        if text is not None and (duration := parse_duration(text)) is not None
    ]
