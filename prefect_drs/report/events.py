"""What happens in an execution, one event each: the journal holds them, the report is a fold over them.

Events are facts, written after (or, for `JobRequested`, before) the thing they tell. They are plain frozen values that
serialise to JSON; the order in which they were appended is part of their meaning.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from prefect_drs.plan.model import LaunchSettings
from prefect_drs.report.checks import CheckResult
from prefect_drs.runbook import PlannedChange, Runbook

TOLD_AT_MOST = 5


class EventModel(BaseModel):
    """The base of all events. `at`: when it was noted, UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    at: datetime


class ExecutionStarted(EventModel):
    """An execution began, with the runbook it carries out to its end, however often it is resumed.

    `asked`: what the call that began it is known by.
    """

    kind: Literal["ExecutionStarted"] = "ExecutionStarted"
    execution_id: str
    runbook: Runbook
    asked: str = ""


class ExecutionResumed(EventModel):
    """Another process took the execution over. `again`: it had ended, and what failed is tried again.

    `asked`: what the call to carry it on is known by; each opens an execution that had ended once at most.
    """

    kind: Literal["ExecutionResumed"] = "ExecutionResumed"
    by: str
    again: bool = False
    asked: str = ""


class CancelAsked(EventModel):
    """Somebody asked that nothing more be launched. `request`: the id of the stored request, if there was one."""

    kind: Literal["CancelAsked"] = "CancelAsked"
    by: str
    reason: str = ""
    request: str = ""

    @property
    def told(self) -> str:
        """The reason that waves which never began are reported with."""
        return f"cancelled by {self.by}" + (f": {self.reason}" if self.reason else "")


class CancelOverridden(EventModel):
    """Somebody resumed the execution despite a cancel. `requests`: ids of cancel requests that nobody had handled."""

    kind: Literal["CancelOverridden"] = "CancelOverridden"
    by: str
    requests: tuple[str, ...] = ()


class PauseAsked(EventModel):
    """Somebody asked that nothing more be launched for now. `request`: the id of the stored request."""

    kind: Literal["PauseAsked"] = "PauseAsked"
    by: str
    request: str = ""


class PauseEnded(EventModel):
    """Launching goes on. `request`: the id of the stored request."""

    kind: Literal["PauseEnded"] = "PauseEnded"
    by: str
    request: str = ""


class ControlRequestHandled(EventModel):
    """A control request changed nothing: a pause while paused, say, or one that could not be read."""

    kind: Literal["ControlRequestHandled"] = "ControlRequestHandled"
    request: str
    outcome: str


class GateAsked(EventModel):
    """A wave waits for a person. `until`: when it no longer does, however often the execution is resumed meanwhile."""

    kind: Literal["GateAsked"] = "GateAsked"
    wave_number: int
    until: datetime | None = None


class GateAnswered(EventModel):
    """A person, or the time-out, decided about a wave."""

    kind: Literal["GateAnswered"] = "GateAnswered"
    wave_number: int
    decision: str
    by: str
    answered_at: datetime
    comment: str = ""


class WaveStarted(EventModel):
    """A wave was handed to the engine: its dependencies succeeded and its gate, if any, is open."""

    kind: Literal["WaveStarted"] = "WaveStarted"
    wave_number: int


class SettingsApplied(EventModel):
    """Launch settings of a server were written to its account. `fields`: the manifest's words.

    `changes`: from what to what; empty in journals of former versions.
    """

    kind: Literal["SettingsApplied"] = "SettingsApplied"
    wave_number: int
    source_server_id: str
    fields: tuple[str, ...]
    changes: tuple[PlannedChange, ...] = ()


class JobRequested(EventModel):
    """A launch is about to be asked for. Written before the call, so that a lost answer is looked for."""

    kind: Literal["JobRequested"] = "JobRequested"
    wave_number: int
    batch: str
    account_id: str
    region: str
    server_ids: tuple[str, ...]


class JobRefused(EventModel):
    """DRS did not start the requested job: refused, or looked for and certainly not there."""

    kind: Literal["JobRefused"] = "JobRefused"
    wave_number: int
    batch: str
    reason: str


class WaveDelayed(EventModel):
    """A wave, or some servers of it, does not come forward for now; told once, and what it waits for goes on."""

    kind: Literal["WaveDelayed"] = "WaveDelayed"
    wave_number: int
    source_server_ids: tuple[str, ...] = ()
    reason: str

    @property
    def told(self) -> str:
        """Who waits and why, one line."""
        servers = ", ".join(self.source_server_ids[:TOLD_AT_MOST])
        more = len(self.source_server_ids) - TOLD_AT_MOST
        return (f"{servers}{f' and {more} more' if more > 0 else ''}: " if servers else "") + self.reason


class JobStarted(EventModel):
    """A launch job of this execution exists in DRS."""

    kind: Literal["JobStarted"] = "JobStarted"
    wave_number: int
    batch: str
    job_id: str
    account_id: str
    region: str
    server_ids: tuple[str, ...]
    started_at: datetime


class ServerStatus(EventModel):
    """A server's `launchStatus` in its job changed."""

    kind: Literal["ServerStatus"] = "ServerStatus"
    wave_number: int
    source_server_id: str
    launch_status: str
    job_id: str | None = None
    recovery_instance_id: str | None = None
    error: str | None = None


class ServerRetried(EventModel):
    """A server that did not come up will be launched once more.

    `how`: what is done otherwise this time; `settings` and `snapshot_id`: what it is launched with and from.
    """

    kind: Literal["ServerRetried"] = "ServerRetried"
    wave_number: int
    source_server_id: str
    how: str = ""
    settings: LaunchSettings
    snapshot_id: str | None = None


class CheckDone(EventModel):
    """A health check or hook has its result."""

    kind: Literal["CheckDone"] = "CheckDone"
    wave_number: int
    result: CheckResult


class JobEnded(EventModel):
    """A job is COMPLETED, which says nothing of its servers."""

    kind: Literal["JobEnded"] = "JobEnded"
    job_id: str
    ended_at: datetime


class WaveEnded(EventModel):
    """A wave is over: COMPLETED, FAILED, SKIPPED or CANCELLED, and why."""

    kind: Literal["WaveEnded"] = "WaveEnded"
    wave_number: int
    status: str
    reason: str = ""


class PointsReached(EventModel):
    """The points in time whose data the launched servers hold, by source server id, as DRS tells or as chosen."""

    kind: Literal["PointsReached"] = "PointsReached"
    points: dict[str, datetime]


class ExecutionEnded(EventModel):
    """Nothing of the execution runs any more."""

    kind: Literal["ExecutionEnded"] = "ExecutionEnded"
    status: str


class Notified(EventModel):
    """A milestone was told through a channel, or, where there is an `error`, could not be.

    `occasion` tells milestones of one kind and wave apart: the time of what happened, or the gate's flow run.
    """

    kind: Literal["Notified"] = "Notified"
    milestone: str
    occasion: str
    wave_number: int | None = None
    channel: str
    error: str | None = None


class TerminationAsked(EventModel):
    """Recovery instances are about to be terminated. Written before the call; from then on nothing is resumed."""

    kind: Literal["TerminationAsked"] = "TerminationAsked"
    by: str
    account_id: str
    region: str
    recovery_instance_ids: tuple[str, ...]


class TerminationStarted(EventModel):
    """A TERMINATE job for instances of this execution exists in DRS, whoever started it."""

    kind: Literal["TerminationStarted"] = "TerminationStarted"
    job_id: str
    account_id: str
    region: str
    recovery_instance_ids: tuple[str, ...]


class InstancesTerminated(EventModel):
    """DRS no longer has these instances."""

    kind: Literal["InstancesTerminated"] = "InstancesTerminated"
    account_id: str
    region: str
    recovery_instance_ids: tuple[str, ...]


Event = Annotated[
    ExecutionStarted
    | ExecutionResumed
    | CancelAsked
    | CancelOverridden
    | PauseAsked
    | PauseEnded
    | ControlRequestHandled
    | GateAsked
    | GateAnswered
    | WaveStarted
    | SettingsApplied
    | JobRequested
    | JobRefused
    | WaveDelayed
    | JobStarted
    | ServerStatus
    | ServerRetried
    | CheckDone
    | JobEnded
    | WaveEnded
    | PointsReached
    | ExecutionEnded
    | Notified
    | TerminationAsked
    | TerminationStarted
    | InstancesTerminated,
    Field(discriminator="kind"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
