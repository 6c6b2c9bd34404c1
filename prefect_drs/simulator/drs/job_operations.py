"""The operations that start, tell and delete jobs, with the quotas of the service."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from ..faults import JobFault
from .core import Params, Wire
from .durations import stages
from .exceptions import (
    ConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    ValidationException,
)
from .identifiers import generator
from .job_runs import JobRunsBackend
from .jobs import Job, Participant
from .launching import plan_launch
from .paging import page, page_size, place_of, token_for
from .replication import ReplicationState
from .source_servers import LastLaunch, SourceServer
from .times import parse_time

if TYPE_CHECKING:
    from .recovery_instances import RecoveryInstance

QUOTA_SERVERS_A_JOB = 100
"""Source servers in one job (AWS DRS quotas)."""
QUOTA_JOBS = 20
"""Jobs at work at once in an account and region (AWS DRS quotas)."""
QUOTA_SERVERS_IN_JOBS = 500
"""Source servers in all jobs at work (AWS DRS quotas)."""


class JobOperationsBackend(JobRunsBackend):
    """StartRecovery, TerminateRecoveryInstances and the look at jobs."""

    def start_recovery(self, params: Params) -> Wire:
        """StartRecovery."""
        entries = params["sourceServers"]
        servers = self.servers_to_launch([entry["sourceServerID"] for entry in entries])
        snapshots = {entry["sourceServerID"]: entry.get("recoverySnapshotID") for entry in entries}
        drill = bool(params.get("isDrill", False))
        job = self.start_launch_job(
            servers,
            "START_DRILL" if drill else "START_RECOVERY",
            dict(params.get("tags") or {}),
            {key: value for key, value in snapshots.items() if value},
        )
        return {"job": job.wire()}

    def servers_to_launch(self, ids: list[str]) -> list[SourceServer]:
        """The servers of a new launch job, held against quotas and active jobs.

        Raises:
            ServiceQuotaExceededException: a quota is reached.
            ConflictException: a server is unknown, named twice, or in an active job.
        """
        if len(set(ids)) != len(ids):
            twice = sorted({i for i in ids if ids.count(i) > 1})
            raise ConflictException(f"Source server {twice[0]} is named twice in one job.", resource_id=twice[0])
        unknown = [i for i in ids if i not in self.servers]
        self.check_job_quotas(ids)
        if unknown:
            raise ConflictException(
                f"Source server {unknown[0]} does not exist in {self.account_id} {self.region_name}.",
                resource_id=unknown[0],
                kind="SourceServer",
            )
        for server_id in ids:
            if server_id in self.busy_servers:
                raise ConflictException(
                    f"Source server {server_id} takes part in the active job {self.busy_servers[server_id]}.",
                    resource_id=server_id,
                    kind="SourceServer",
                )
        return [self.servers[i] for i in ids]

    def check_job_quotas(self, ids: list[str]) -> None:
        """Hold a new job with these servers against the three quotas.

        Raises:
            ServiceQuotaExceededException: naming the quota that is reached.
        """
        if len(ids) > QUOTA_SERVERS_A_JOB:
            raise ServiceQuotaExceededException(
                f"A job takes at most {QUOTA_SERVERS_A_JOB} source servers; {len(ids)} were given.",
                quota_code="L-B827C881",
                kind="Job",
            )
        if len(self.active_jobs) >= QUOTA_JOBS:
            raise ServiceQuotaExceededException(
                f"{QUOTA_JOBS} jobs are at work in {self.region_name}; wait for one to end.",
                quota_code="L-D88FAC3A",
                kind="Job",
            )
        at_work = len(self.busy_servers)
        if at_work + len(ids) > QUOTA_SERVERS_IN_JOBS:
            raise ServiceQuotaExceededException(
                f"All jobs together take at most {QUOTA_SERVERS_IN_JOBS} source servers; {at_work} are in jobs, "
                f"{len(ids)} more were given.",
                quota_code="L-05AFA8C6",
                kind="Job",
            )

    def start_launch_job(
        self,
        servers: list[SourceServer],
        initiated_by: str,
        tags: dict[str, str],
        snapshots: dict[str, str],
    ) -> Job:
        """Make a LAUNCH job for servers that may be launched.

        Raises:
            ConflictException: a chosen point in time that is not there.
        """
        now = self.now()
        drill = initiated_by == "START_DRILL"
        fault = self.runtime.faults.hit(
            JobFault, self.account_id, self.region_name, mode="drill" if drill else "recovery"
        )
        participants = {}
        for server in servers:
            participant = self._participant(server, snapshots.get(server.server_id), replaces=not drill)
            participants[server.server_id] = participant
        job = self.make_job("LAUNCH", initiated_by, participants, tags)
        pending = self.pending_seconds(job.job_id)
        for server in servers:
            participant = participants[server.server_id]
            if participant.seconds and server.launch_seconds is not None:
                participant.seconds = participant.seconds.lasting(server.launch_seconds - pending)
            if participant.seconds and fault:
                participant.seconds = participant.seconds.scaled(fault.slow)
        if fault:
            job.extra_seconds = fault.extra_seconds
            job.visible_from = now + timedelta(seconds=fault.invisible_seconds)
        for server in servers:
            server.launches += 1
            server.last_launch = LastLaunch(now, job.job_id, drill)
            server.last_launch_result = "PENDING"
        self.begin_job(job)
        return job

    def _participant(self, server: SourceServer, snapshot_id: str | None, *, replaces: bool) -> Participant:
        now = self.now()
        newest = server.replication.newest_point(now)
        at, chosen, skipped = newest, snapshot_id, False
        if snapshot_id:
            points = {point.snapshot_id: point for point in self.points_in_time(server)}
            if snapshot_id not in points:
                raise ConflictException(
                    f"Source server {server.server_id} has no recovery snapshot {snapshot_id}.",
                    resource_id=snapshot_id,
                    kind="RecoverySnapshot",
                )
            at = points[snapshot_id].at
        elif server.replication.state is not ReplicationState.CONTINUOUS:
            points_now = self.points_in_time(server)
            skipped = not points_now
            if points_now:
                at, chosen = points_now[-1].at, points_now[-1].snapshot_id
        attempt = server.launches + 1
        former = self.recovery_instances.get(server.recovery_instance_id or "")
        return Participant(
            server_id=server.server_id,
            plan=plan_launch(server, self.account_id, self.region_name),
            seconds=stages(
                generator(self.runtime.seed, "stages", server.server_id, attempt),
                disk_bytes=server.disk_bytes,
                windows=server.windows,
                replaces=replaces and former is not None and not former.is_drill,
                from_snapshot=chosen is not None,
                fast=server.launch.settings.get("recoveryMode") == "FAST",
            ),
            point_in_time=at,
            chosen_snapshot=chosen,
            attempt=attempt,
            skipped=skipped,
        )

    def make_job(self, kind: str, initiated_by: str, participants: dict[str, Participant], tags: dict[str, str]) -> Job:
        """A job that has not begun; its id follows from what takes part and from the attempt."""
        number = len(self.job_order) + 1
        settled_by = [f"{p.server_id}:{p.attempt}:{p.instance_id}" for p in participants.values()] or [str(number)]
        job_id = self.identifier("drsjob-", kind, initiated_by, *settled_by)
        while job_id in self.jobs:
            job_id = self.identifier("drsjob-", job_id)
        return Job(
            job_id=job_id,
            arn=self.arn("job", job_id),
            number=self.count("job"),
            kind=kind,
            initiated_by=initiated_by,
            created_at=self.now(),
            participants=participants,
            tags=tags,
        )

    def terminate_recovery_instances(self, params: Params) -> Wire:
        """TerminateRecoveryInstances: a job that ends EC2 instances and takes them out of DRS."""
        ids = list(dict.fromkeys(params["recoveryInstanceIDs"]))
        instances: list[RecoveryInstance] = []
        for instance_id in ids:
            found = self.recovery_instances.get(instance_id)
            if found is None:
                raise ConflictException(
                    f"Recovery instance {instance_id} does not exist in {self.account_id} {self.region_name}.",
                    resource_id=instance_id,
                    kind="RecoveryInstance",
                )
            if found.server_id in self.busy_servers:
                raise ConflictException(
                    f"Recovery instance {instance_id} takes part in the active job "
                    f"{self.busy_servers[found.server_id]}.",
                    resource_id=instance_id,
                    kind="RecoveryInstance",
                )
            instances.append(found)
        self.check_job_quotas(ids)
        participants = {
            instance.instance_id: Participant(instance.server_id, instance_id=instance.instance_id)
            for instance in instances
        }
        job = self.make_job("TERMINATE", "TERMINATE_RECOVERY_INSTANCES", participants, {})
        self.begin_job(job)
        return {"job": job.wire()}

    def describe_jobs(self, params: Params) -> Wire:
        """DescribeJobs: by id or by time of creation, the newest first; a page at a time."""
        filters = params.get("filters") or {}
        now = self.now()
        wanted = filters.get("jobIDs")
        place = place_of("DescribeJobs", params)
        chosen: Iterator[Job]
        if wanted:
            chosen = iter(sorted({i: self.jobs[i] for i in wanted if i in self.jobs}.values(), key=_newest_first))
        else:
            chosen = self._jobs_between(filters.get("fromDate"), filters.get("toDate"), place)
        size = page_size(params)
        found: list[Job] = []
        for job in chosen:
            if place is not None and job.number > int(place):
                continue
            if job.visible_from is not None and job.visible_from > now:
                continue
            if len(found) == size:
                return {
                    "items": [item.wire() for item in found],
                    "nextToken": token_for("DescribeJobs", params, str(job.number)),
                }
            found.append(job)
        return {"items": [item.wire() for item in found]}

    def _jobs_between(self, since: str | None, until: str | None, place: str | None) -> Iterator[Job]:
        order = self.job_order
        first, last = 0, len(order)
        if since:
            first = bisect.bisect_left(order, parse_time(since), key=lambda job: job.created_at)
        if until:
            last = bisect.bisect_right(order, parse_time(until), key=lambda job: job.created_at)
        if place is not None:
            last = min(last, bisect.bisect_right(order, int(place), key=lambda job: job.number))
        return (order[index] for index in range(last - 1, first - 1, -1))

    def describe_job_log_items(self, params: Params) -> Wire:
        """DescribeJobLogItems, oldest first."""
        job = self.jobs.get(params["jobID"])
        if job is None:
            raise ValidationException(f"Job {params['jobID']} does not exist.", fields={"jobID": "No such job"})
        items, more = page("DescribeJobLogItems", params, job.log, default=1000)
        return {"items": [item.wire() for item in items], **more}

    def delete_job(self, params: Params) -> Wire:
        """DeleteJob: only one that is COMPLETED."""
        job = self.jobs.get(params["jobID"])
        if job is None:
            raise ResourceNotFoundException("Job", params["jobID"])
        if job.job_id in self.active_jobs:
            raise ConflictException(f"Job {job.job_id} is active.", resource_id=job.job_id, kind="Job")
        del self.jobs[job.job_id]
        self.job_order.remove(job)
        return {}


def _newest_first(job: Job) -> int:
    return -job.number
