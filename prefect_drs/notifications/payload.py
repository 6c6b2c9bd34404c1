"""What a milestone's event says to programs: the payload of Prefect events, the detail of EventBridge events.

The documented schema: docs/events.md has these models as tables, and a test compares the two. Names are camelCase in
JSON, times ISO 8601 in UTC. Fields are only ever added; what would break a reader is a new `schemaVersion`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from prefect_drs.core.models import FrozenModel
from prefect_drs.plan.model import RecoveryMode
from prefect_drs.plan.notify import Milestone
from prefect_drs.report.model import ExecutionStatus, WaveStatus

FAILED_SERVERS_AT_MOST = 100  # ids in one event: Prefect and EventBridge bound its size


class ExecutionPayload(FrozenModel):
    """What every milestone says."""

    schema_version: Literal["1"] = Field(default="1", description="of this payload")
    milestone: Milestone = Field(description="the event's name without `prefect-drs.`")
    at: datetime = Field(description="when it happened")
    execution_id: str = Field(description="the execution, as `prefect-drs status` lists it")
    plan_name: str = Field(description="its plan")
    mode: RecoveryMode = Field(description="`drill` or `recovery`")
    status: ExecutionStatus = Field(description="how the execution stands")
    started_at: datetime = Field(description="when it began")
    servers: int = Field(description="servers of the plan")
    launched: int = Field(description="of which LAUNCHED so far")
    link: str | None = Field(description="its page in the Prefect UI, where one is known")


class PausedPayload(ExecutionPayload):
    """Somebody paused the execution."""

    by: str = Field(description="who")


class EndedPayload(ExecutionPayload):
    """The execution has ended."""

    ended_at: datetime = Field(description="when")
    achieved_rto_seconds: float | None = Field(description="from the start to the last server LAUNCHED")
    achieved_rpo_seconds: float | None = Field(description="age of the oldest data that was launched, where known")
    failed_waves: tuple[int, ...] = Field(description="numbers of the waves that are not COMPLETED")


class WavePayload(ExecutionPayload):
    """Something of one wave."""

    wave_number: int = Field(description="its number")
    wave_name: str = Field(description="its name")
    wave_status: WaveStatus = Field(description="how it stands")
    wave_servers: int = Field(description="its servers")
    wave_launched: int = Field(description="of which LAUNCHED")
    reason: str = Field(description="why it ended so, where there is more to say")
    failed_servers: tuple[str, ...] = Field(
        description=f"ids of its servers that did not come up, at most {FAILED_SERVERS_AT_MOST}"
    )


class WavePausedPayload(WavePayload):
    """A wave waits for an approval."""

    gate_flow_run_id: str = Field(description="the Paused flow run whose Resume answers it")
    gate_link: str | None = Field(description="its page in the Prefect UI, where one is known")
    until: datetime | None = Field(description="when the wave is cancelled for want of an answer")


PAYLOADS: dict[Milestone, type[ExecutionPayload]] = {
    Milestone.STARTED: ExecutionPayload,
    Milestone.WAVE_COMPLETED: WavePayload,
    Milestone.WAVE_FAILED: WavePayload,
    Milestone.WAVE_PAUSED: WavePausedPayload,
    Milestone.PAUSED: PausedPayload,
    Milestone.COMPLETED: EndedPayload,
    Milestone.PARTIAL: EndedPayload,
    Milestone.FAILED: EndedPayload,
    Milestone.CANCELLED: EndedPayload,
}
"""The model of each milestone's payload."""
