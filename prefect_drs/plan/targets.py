"""Recovery objectives of a plan and of its waves: `rtoTarget` and `rpoTarget`.

In: a plan or a runbook. Out: its `Target`s in seconds. What the two objectives mean is defined here and nowhere else:

- **RTO** (recovery time objective): seconds from the start of the execution to the last server LAUNCHED: of the whole
  plan, or of one wave. It is wall time by the execution's clock: the time at gates, of pauses and without a process
  counts, and so does the time of the waves before. Health checks and hooks after the last launch do not count. So the
  target of a plan is compared with `achievedRtoSeconds` of the report.
- **RPO** (recovery point objective): the age of the oldest data that was launched, as `achievedRpoSeconds` of the report.

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


class _HasTargets(Protocol):
    """The fields of a plan, a wave or their counterparts in a runbook."""

    @property
    def rto_target(self) -> str | None: ...
    @property
    def rpo_target(self) -> str | None: ...


class _WaveWithTargets(_HasTargets, Protocol):
    @property
    def wave_number(self) -> int: ...


class PlanWithTargets(_HasTargets, Protocol):
    """A `RecoveryPlan` or a `Runbook`."""

    @property
    def waves(self) -> Sequence[_WaveWithTargets]:
        """Its waves."""
        ...


def targets_of(plan: PlanWithTargets, kind: TargetKind | None = None) -> tuple[Target, ...]:
    """The targets of a plan, then those of its waves. `kind`: only those; None gives both."""
    found = [*_targets(plan, None)]
    for wave in plan.waves:
        found += _targets(wave, wave.wave_number)
    return tuple(target for target in found if kind in {None, target.kind})


def _targets(having: _HasTargets, wave_number: int | None) -> list[Target]:
    given = ((TargetKind.RTO, having.rto_target), (TargetKind.RPO, having.rpo_target))
    return [
        Target(kind, wave_number, duration.total_seconds(), text)
        for kind, text in given
        if text is not None and (duration := parse_duration(text)) is not None
    ]
