"""Jobs as data: participants, their progress and the log; and the register of jobs, with its quotas.

The life of a job is in `job_runs`, the operations are in `job_operations`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .durations import StageSeconds
from .exceptions import ServiceQuotaExceededException
from .launching import LaunchPlan
from .scope import Scope
from .store import BusyServers, Store
from .wire import Wire, dropping_none, wire_time

QUOTA_SERVERS_A_JOB = 100
"""Source servers in one job (AWS DRS quotas)."""
QUOTA_JOBS = 20
"""Jobs at work at once in an account and region (AWS DRS quotas)."""
QUOTA_SERVERS_IN_JOBS = 500
"""Source servers in all jobs at work (AWS DRS quotas)."""


class JobStatus(enum.StrEnum):
    """`JobStatus` of the model. A COMPLETED job may have failed servers."""

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
        status: its launch status.
        instance_id: its recovery instance, once it exists; from the beginning in a TERMINATE job.
        plan: its launch plan.
        seconds: the duration of each stage.
        point_in_time: the data that is launched.
        chosen_snapshot: the point in time that the caller chose, or the previous one if no new one could be taken.
        attempt: the number of launches of this server, including this one.
        skipped: no snapshot to launch from.
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
        wire: Wire = {"sourceServerID": self.server_id, "launchStatus": self.status.value}
        if self.instance_id:
            wire["recoveryInstanceID"] = self.instance_id
        status: Wire = {"runs": self.action_runs}
        if self.agent_found_at:
            status["ssmAgentDiscoveryDatetime"] = wire_time(self.agent_found_at)
        return {**wire, "launchActionsStatus": status}


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
        """Add one line to the log."""
        self.log.append(LogItem(at, event, dropping_none(data)))

    def is_over(self) -> bool:
        """Whether all its servers have a final status."""
        return all(p.status in ENDED for p in self.participants.values())

    def wire(self) -> Wire:
        """`Job`."""
        wire: Wire = {
            "jobID": self.job_id,
            "arn": self.arn,
            "type": self.kind,
            "initiatedBy": self.initiated_by,
            "creationDateTime": wire_time(self.created_at),
            "status": self.status.value,
            "participatingServers": [p.wire() for p in self.participants.values()],
            "participatingResources": self.resources,
            "tags": self.tags,
        }
        if self.ended_at:
            wire["endDateTime"] = wire_time(self.ended_at)
        return wire


@dataclass(slots=True)
class JobRegister:
    """Creates and stores jobs, and records which servers are in active jobs."""

    _scope: Scope
    _jobs: Store[Job]
    _busy: BusyServers

    def check_quotas(self, ids: list[str]) -> None:
        """Check a new job with these servers against the three quotas.

        Raises:
            ServiceQuotaExceededException: names the exhausted quota.
        """
        if len(ids) > QUOTA_SERVERS_A_JOB:
            raise ServiceQuotaExceededException(
                f"A job takes at most {QUOTA_SERVERS_A_JOB} source servers; {len(ids)} were given.", "L-B827C881", "Job"
            )
        if sum(job.status is not JobStatus.COMPLETED for job in self._jobs.values()) >= QUOTA_JOBS:
            raise ServiceQuotaExceededException(
                f"{QUOTA_JOBS} jobs are active in {self._scope.region}; wait for one to end.", "L-D88FAC3A", "Job"
            )
        at_work = len(self._busy)
        if at_work + len(ids) > QUOTA_SERVERS_IN_JOBS:
            raise ServiceQuotaExceededException(
                f"All jobs together take at most {QUOTA_SERVERS_IN_JOBS} source servers; {at_work} are in jobs, "
                f"{len(ids)} more were given.",
                "L-05AFA8C6",
                "Job",
            )

    def make(self, kind: str, initiated_by: str, participants: dict[str, Participant], tags: dict[str, str]) -> Job:
        """Create a job that has not started; its id depends on its participants and their attempts."""
        number = len(self._jobs) + 1
        settled_by = [f"{p.server_id}:{p.attempt}:{p.instance_id}" for p in participants.values()] or [str(number)]
        job_id = self._scope.identifier("drsjob-", kind, initiated_by, *settled_by)
        while job_id in self._jobs:
            job_id = self._scope.identifier("drsjob-", job_id)
        return Job(
            job_id=job_id,
            arn=self._scope.arn("job", job_id),
            number=self._scope.count("job"),
            kind=kind,
            initiated_by=initiated_by,
            created_at=self._scope.now(),
            participants=participants,
            tags=tags,
        )

    def add(self, job: Job) -> None:
        """Store a job that starts; its servers are busy from now on."""
        self._jobs[job.job_id] = job
        for participant in job.participants.values():
            self._busy[participant.server_id] = job.job_id

    def active(self, job_id: str) -> Job | None:
        """The job with this id, if it is active."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.status is not JobStatus.COMPLETED else None

    def complete(self, at: datetime, job: Job) -> None:
        """Mark a job as ended; its servers are no longer busy."""
        job.status = JobStatus.COMPLETED
        job.ended_at = at
        for participant in job.participants.values():
            if self._busy.get(participant.server_id) == job.job_id:
                del self._busy[participant.server_id]
