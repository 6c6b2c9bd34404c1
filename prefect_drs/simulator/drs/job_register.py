"""The jobs of an account and region: new ones, those at work, and the quotas that both are held against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .exceptions import ServiceQuotaExceededException
from .jobs import Job, JobStatus, Participant
from .scope import Scope
from .store import BusyServers, Store

QUOTA_SERVERS_A_JOB = 100
"""Source servers in one job (AWS DRS quotas)."""
QUOTA_JOBS = 20
"""Jobs at work at once in an account and region (AWS DRS quotas)."""
QUOTA_SERVERS_IN_JOBS = 500
"""Source servers in all jobs at work (AWS DRS quotas)."""


@dataclass(slots=True)
class JobRegister:
    """Makes jobs and keeps them, and keeps which servers are busy in them."""

    _scope: Scope
    _jobs: Store[Job]
    _busy: BusyServers

    def check_quotas(self, ids: list[str]) -> None:
        """Hold a new job with these servers against the three quotas.

        Raises:
            ServiceQuotaExceededException: naming the quota that is reached.
        """
        if len(ids) > QUOTA_SERVERS_A_JOB:
            raise ServiceQuotaExceededException(
                f"A job takes at most {QUOTA_SERVERS_A_JOB} source servers; {len(ids)} were given.", "L-B827C881", "Job"
            )
        if sum(job.status is not JobStatus.COMPLETED for job in self._jobs.values()) >= QUOTA_JOBS:
            raise ServiceQuotaExceededException(
                f"{QUOTA_JOBS} jobs are at work in {self._scope.region}; wait for one to end.", "L-D88FAC3A", "Job"
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
        """A job that has not begun; its id follows from what takes part and from the attempt."""
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
        """Keep a job that begins; its servers are busy."""
        self._jobs[job.job_id] = job
        for participant in job.participants.values():
            self._busy[participant.server_id] = job.job_id

    def active(self, job_id: str) -> Job | None:
        """The job of an id, if it is at work."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.status is not JobStatus.COMPLETED else None

    def complete(self, at: datetime, job: Job) -> None:
        """A job has ended: its servers are free."""
        job.status = JobStatus.COMPLETED
        job.ended_at = at
        for participant in job.participants.values():
            if self._busy.get(participant.server_id) == job.job_id:
                del self._busy[participant.server_id]
