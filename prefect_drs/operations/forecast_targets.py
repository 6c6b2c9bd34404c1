"""The RTO targets of a plan beside its forecast: will they be met, at P50 and at P90?

In: a plan and its `Forecast`. Out: `TargetForecast`s, plain data. RPO targets depend on the replication and are
compared by the preflight (`runbook/rules/targets`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from prefect_drs.forecast import Forecast
from prefect_drs.plan.model import RecoveryPlan
from prefect_drs.plan.targets import Target, TargetKind, targets_of

Outlook = Literal["met", "at risk", "missed"]


@dataclass(frozen=True, slots=True)
class TargetForecast:
    """An RTO target and the RTO that is expected, in seconds from the start.

    Args:
        target: the target.
        p50: half of the simulated executions take less.
        p90: nine of ten take less.
    """

    target: Target
    p50: float
    p90: float

    @property
    def outlook(self) -> Outlook:
        """`met`: the P90 is within the target; `at risk`: only the P50 is; `missed`: not even that."""
        if self.p90 <= self.target.seconds:
            return "met"
        return "at risk" if self.p50 <= self.target.seconds else "missed"

    def to_json(self) -> dict[str, Any]:
        """CamelCase JSON values; `lateSeconds`: expected less target, negative where there is time to spare."""
        return {
            "kind": self.target.kind,
            "waveNumber": self.target.wave_number,
            "targetSeconds": self.target.seconds,
            "p50Seconds": round(self.p50, 1),
            "p90Seconds": round(self.p90, 1),
            "p50LateSeconds": round(self.p50 - self.target.seconds, 1),
            "p90LateSeconds": round(self.p90 - self.target.seconds, 1),
            "outlook": self.outlook,
        }


def target_forecasts(plan: RecoveryPlan, result: Forecast) -> tuple[TargetForecast, ...]:
    """The RTO targets of a plan and of its waves, each with what is expected."""
    waves = {wave.wave_number: wave for wave in result.waves}
    return tuple(
        TargetForecast(target, result.rto_p50, result.rto_p90)
        if target.wave_number is None
        else TargetForecast(target, waves[target.wave_number].end_p50, waves[target.wave_number].end_p90)
        for target in targets_of(plan, TargetKind.RTO)
    )
