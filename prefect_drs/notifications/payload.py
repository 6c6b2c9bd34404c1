"""The data of a milestone: the payload of Prefect events, the detail of EventBridge events.

docs/events.md documents these models as tables, and a test compares the two. Names are camelCase in JSON, times ISO
8601 in UTC. Fields are only added; an incompatible change gets a new `schemaVersion`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from prefect_drs.core.models import FrozenModel
from prefect_drs.plan.model import ExecutionMode
from prefect_drs.plan.notify import Milestone
from prefect_drs.report.model import ExecutionStatus, WaveStatus

FAILED_SERVERS_AT_MOST = 100  # ids in one event: Prefect and EventBridge bound its size


class ExecutionPayload(FrozenModel):
    """The fields of every milestone."""

    schema_version: Literal["1"] = Field(default="1", description="of this payload")
    milestone: Milestone = Field(description="the event's name without `prefect-drs.`")
    at: datetime = Field(description="when it happened")
    execution_id: str = Field(description="the execution, as `prefect-drs status` lists it")
    plan_name: str = Field(description="its plan")
    mode: ExecutionMode = Field(description="`drill`, `recovery` or `failback`")
    status: ExecutionStatus = Field(description="the execution's status")
    started_at: datetime = Field(description="when it began")
    servers: int = Field(description="number of servers of the plan")
    launched: int = Field(description="number of those LAUNCHED so far")
    link: str | None = Field(description="its page in the Prefect UI, if one is known")


class PausedPayload(ExecutionPayload):
    """Somebody paused the execution."""

    by: str = Field(description="who paused it")


class EndedPayload(ExecutionPayload):
    """The execution has ended."""

    ended_at: datetime = Field(description="when it ended")
    achieved_rto_seconds: float | None = Field(description="from the start to the last server LAUNCHED")
    achieved_rpo_seconds: float | None = Field(description="age of the oldest data that was launched, if known")
    failed_waves: tuple[int, ...] = Field(description="numbers of the waves that are not COMPLETED")


class WavePayload(ExecutionPayload):
    """A milestone of one wave."""

    wave_number: int = Field(description="the wave's number")
    wave_name: str = Field(description="the wave's name")
    wave_status: WaveStatus = Field(description="the wave's status")
    wave_servers: int = Field(description="number of the wave's servers")
    wave_launched: int = Field(description="number of those LAUNCHED")
    reason: str = Field(description="why the wave has this status; may be empty")
    failed_servers: tuple[str, ...] = Field(
        description=f"ids of the wave's servers that failed to launch, at most {FAILED_SERVERS_AT_MOST}"
    )


class WavePausedPayload(WavePayload):
    """A wave waits for approval."""

    gate_flow_run_id: str = Field(description="the Paused flow run whose Resume answers it")
    gate_link: str | None = Field(description="its page in the Prefect UI, if one is known")
    until: datetime | None = Field(description="deadline: without an answer the wave is cancelled then")


class BreakGlassPayload(WavePayload):
    """Somebody passed a wave's gate without what it demands."""

    by: str = Field(description="who passed it")
    proven: bool = Field(description="whether `by` is a proven identity, or a name as claimed")
    break_glass: str = Field(description="why, as they said")


class TargetAtRiskPayload(ExecutionPayload):
    """The RTO target of the plan will probably be missed. Seconds count from the start of the execution."""

    target_seconds: float = Field(description="the RTO target, in seconds")
    expected_seconds: float = Field(description="the expected RTO (median of the forecast), in seconds")
    elapsed_seconds: float = Field(description="seconds since the start of the execution")
    probability: float = Field(description="share of the simulated executions that miss the target, 0 to 1")


class WaveTargetAtRiskPayload(WavePayload, TargetAtRiskPayload):
    """The RTO target of a wave will probably be missed."""


PAYLOADS: dict[Milestone, type[ExecutionPayload]] = {
    Milestone.STARTED: ExecutionPayload,
    Milestone.WAVE_COMPLETED: WavePayload,
    Milestone.WAVE_FAILED: WavePayload,
    Milestone.WAVE_PAUSED: WavePausedPayload,
    Milestone.BREAK_GLASS: BreakGlassPayload,
    Milestone.PAUSED: PausedPayload,
    Milestone.TARGET_AT_RISK: TargetAtRiskPayload,
    Milestone.WAVE_TARGET_AT_RISK: WaveTargetAtRiskPayload,
    Milestone.COMPLETED: EndedPayload,
    Milestone.PARTIAL: EndedPayload,
    Milestone.FAILED: EndedPayload,
    Milestone.CANCELLED: EndedPayload,
}
"""The model of each milestone's payload."""
