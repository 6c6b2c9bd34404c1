"""Events of an execution's objectives: the forecast that an RTO target will be missed."""

from __future__ import annotations

from typing import Literal

from prefect_drs.execution.event import Event
from prefect_drs.execution.records import RtoRisk
from prefect_drs.execution.state import ExecutionState
from prefect_drs.report.text import duration


class RtoTargetAtRisk(Event):
    """The forecast of the running execution says that an RTO target will be missed. Recorded once per target.

    `wave_number`: whose target; None for the plan's. All seconds count from the start of the execution:
    `target_seconds` the target, `elapsed_seconds` the time of the event, `expected_seconds` the median of the forecast.
    `probability`: the share of the simulated rests of the execution that miss it.
    """

    kind: Literal["RtoTargetAtRisk"] = "RtoTargetAtRisk"
    wave_number: int | None = None
    target_seconds: float
    elapsed_seconds: float
    expected_seconds: float
    probability: float

    @property
    def text(self) -> str:
        """Which target, by how much it is expected to be missed, and how much time is left."""
        of = "the plan" if self.wave_number is None else f"wave {self.wave_number}"
        left = self.target_seconds - self.elapsed_seconds
        if left <= 0:
            return f"RTO target of {of} is missed: {duration(self.target_seconds)} have passed"
        return (
            f"RTO target of {of} will probably be missed: {duration(self.expected_seconds)} expected, "
            f"{duration(self.target_seconds)} allowed, {duration(left)} left"
        )

    def apply_to(self, state: ExecutionState) -> None:
        """The first forecast counts."""
        state.rto_risks.setdefault(self.wave_number, RtoRisk(self.at, self.expected_seconds))
