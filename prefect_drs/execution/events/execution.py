"""Events of the execution as a whole: its beginning, its end, who carries it, and which notifications were sent."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from prefect_drs.execution.event import Event
from prefect_drs.execution.state import ExecutionState, WaveRun
from prefect_drs.report.model import ExecutionStatus, UnsentNotification
from prefect_drs.runbook import Runbook


class ExecutionStarted(Event):
    """An execution began, with the runbook it carries out to its end, however often it is resumed.

    `asked`: the id of the run request that began it. `simulated_time`: its times are those of a sandbox's clock.
    `started_by`: who started it, where that is known; `starter_proven`: as a proven identity.
    """

    kind: Literal["ExecutionStarted"] = "ExecutionStarted"
    execution_id: str
    runbook: Runbook
    asked: str = ""
    simulated_time: bool = False
    started_by: str = ""
    starter_proven: bool = False

    @property
    def text(self) -> str:
        """The plan and its size."""
        return (
            f"{self.runbook.mode} of {self.runbook.plan_name}: {len(self.runbook.waves)} waves, "
            f"{self.runbook.server_count} servers, "
            f"execution {self.execution_id}"
        )

    @property
    def initial_state(self) -> ExecutionState:
        """The state of an execution that nothing else has happened to. A second beginning changes no state."""
        waves = {wave.wave_number: WaveRun.of(wave) for wave in self.runbook.waves}
        # The flow run whose id the execution bears is a run request too; journals of 0.1.0 do not record it.
        requests = {self.execution_id, self.asked}
        return ExecutionState(
            self.execution_id,
            self.runbook,
            self.at,
            waves,
            run_requests=requests,
            simulated_time=self.simulated_time,
            started_by=self.started_by,
            starter_proven=self.starter_proven,
        )


class ExecutionResumed(Event):
    """Another process took the execution over. `again`: it had ended, and what failed is tried again.

    `asked`: the id of the run request; each reopens an execution that had ended once at most.
    """

    kind: Literal["ExecutionResumed"] = "ExecutionResumed"
    by: str
    again: bool = False
    asked: str = ""

    @property
    def text(self) -> str:
        """Who resumed it."""
        return f"execution resumed by {self.by}" + (", trying again what failed" if self.again else "")

    def apply_to(self, state: ExecutionState) -> None:
        """It has not ended any more; where it had, what failed is tried again."""
        state.run_requests.add(self.asked)
        state.final_status = state.ended_at = None
        if self.again:
            state.try_again()


class PointsReached(Event):
    """The points in time whose data the launched servers hold, by source server id, as DRS reports or as chosen."""

    kind: Literal["PointsReached"] = "PointsReached"
    points: dict[str, datetime]

    @property
    def text(self) -> None:
        """Shown in the report only."""
        return

    def apply_to(self, state: ExecutionState) -> None:
        """The points are known."""
        state.points |= self.points


class ExecutionEnded(Event):
    """Nothing of the execution runs any more."""

    kind: Literal["ExecutionEnded"] = "ExecutionEnded"
    status: str

    @property
    def text(self) -> str:
        """How it ended."""
        return f"execution {self.status}"

    def apply_to(self, state: ExecutionState) -> None:
        """It has ended."""
        state.final_status, state.ended_at = ExecutionStatus(self.status), self.at


class Notified(Event):
    """A notification of a milestone was sent through a channel, or, where there is an `error`, was not.

    `occasion` distinguishes milestones of one kind and wave: the time of what happened, or the gate's flow run.
    """

    kind: Literal["Notified"] = "Notified"
    milestone: str
    occasion: str
    wave_number: int | None = None
    channel: str
    error: str | None = None

    @property
    def text(self) -> str | None:
        """Only what was not sent."""
        return f"Notification {self.milestone} to {self.channel} failed: {self.error}" if self.error else None

    def apply_to(self, state: ExecutionState) -> None:
        """Count it, or keep why it was not sent."""
        if self.error is None:
            state.notified += 1
            return
        state.unsent.append(
            UnsentNotification(
                milestone=self.milestone,
                wave_number=self.wave_number,
                channel=self.channel,
                error=self.error,
                at=self.at,
            )
        )
