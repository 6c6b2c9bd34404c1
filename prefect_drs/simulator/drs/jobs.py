"""Jobs as data: what takes part, how far it has come, and the log.

The life of a job is in `job_runs`, its register and the quotas in `job_register`, the operations in `job_operations`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .durations import StageSeconds
from .launching import LaunchPlan
from .wire import Wire, dropping_none, wire_time


class JobStatus(enum.StrEnum):
    """`JobStatus` of the model. COMPLETED says nothing of how the servers fared."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"


class LaunchStatus(enum.StrEnum):
    """`LaunchStatus` of the model, of one server in a job."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    LAUNCHED = "LAUNCHED"
    FAILED = "FAILED"
    TERMINATED = "TERMINATED"


ENDED = frozenset({LaunchStatus.LAUNCHED, LaunchStatus.FAILED, LaunchStatus.TERMINATED})


@dataclass(slots=True)
class Participant:
    """One server (or its recovery instance) in a job.

    Args:
        server_id: the source server.
        status: where it stands.
        instance_id: its recovery instance, once there is one; from the beginning in a TERMINATE job.
        plan: how it is to be launched.
        seconds: how long each stage takes.
        point_in_time: the data that is launched.
        chosen_snapshot: the point in time that the caller chose, or that had to be taken for lack of a newer one.
        attempt: how many launches of this server there have been, this one included.
        skipped: there is nothing to launch from.
        action_runs: the runs of post-launch actions.
    """

    server_id: str
    status: LaunchStatus = LaunchStatus.PENDING
    instance_id: str | None = None
    plan: LaunchPlan | None = None
    seconds: StageSeconds | None = None
    point_in_time: datetime | None = None
    chosen_snapshot: str | None = None
    attempt: int = 0
    skipped: bool = False
    started_at: datetime | None = None
    ended_at: datetime | None = None
    action_runs: list[Wire] = field(default_factory=list)
    agent_found_at: datetime | None = None

    def wire(self) -> Wire:
        """`ParticipatingServer`."""
        told: Wire = {"sourceServerID": self.server_id, "launchStatus": self.status.value}
        if self.instance_id:
            told["recoveryInstanceID"] = self.instance_id
        if self.agent_found_at:
            told["launchActionsStatus"] = {
                "ssmAgentDiscoveryDatetime": wire_time(self.agent_found_at),
                "runs": self.action_runs,
            }
        return told


@dataclass(frozen=True, slots=True)
class LogItem:
    """One line of a job's log."""

    at: datetime
    event: str
    data: Wire

    def wire(self) -> Wire:
        """`JobLog`."""
        return {"logDateTime": wire_time(self.at), "event": self.event, "eventData": self.data}


@dataclass(slots=True)
class Job:
    """One job."""

    job_id: str
    arn: str
    number: int
    kind: str
    initiated_by: str
    created_at: datetime
    participants: dict[str, Participant]
    """By source server; by recovery instance in a TERMINATE job, where one server may have several."""
    tags: dict[str, str] = field(default_factory=dict)
    status: JobStatus = JobStatus.PENDING
    ended_at: datetime | None = None
    visible_from: datetime | None = None
    log: list[LogItem] = field(default_factory=list)
    resources: list[Wire] = field(default_factory=list)
    extra_seconds: float = 0.0

    @property
    def drill(self) -> bool:
        """Whether it was started as a drill."""
        return self.initiated_by == "START_DRILL"

    @property
    def mode(self) -> str:
        """`drill` or `recovery`, as faults name it."""
        return "drill" if self.drill else "recovery"

    def note(self, at: datetime, event: str, **data: Any) -> None:
        """Write one line of the log."""
        self.log.append(LogItem(at, event, dropping_none(data)))

    def is_over(self) -> bool:
        """Whether all its servers have come to an end."""
        return all(p.status in ENDED for p in self.participants.values())

    def wire(self) -> Wire:
        """`Job`."""
        told: Wire = {
            "jobID": self.job_id,
            "arn": self.arn,
            "type": self.kind,
            "initiatedBy": self.initiated_by,
            "creationDateTime": wire_time(self.created_at),
            "status": self.status.value,
            "participatingServers": [p.wire() for p in self.participants.values()],
            "tags": self.tags,
        }
        if self.ended_at:
            told["endDateTime"] = wire_time(self.ended_at)
        if self.resources:
            told["participatingResources"] = self.resources
        return told
