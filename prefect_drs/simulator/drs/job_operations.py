"""The operations that start, describe and delete jobs of source servers and recovery instances."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from . import environment
from .durations import stages
from .exceptions import ConflictException, ValidationException
from .identifiers import generator
from .job_runs import JobRuns
from .jobs import Job, JobRegister, Participant
from .launching import plan_launch
from .paging import answer_page, page_size, place_of, token_for
from .recovery_instances import RecoveryInstance, RecoveryInstances
from .replication import ReplicationState
from .scope import Scope
from .source_servers import LastLaunch, SourceServer
from .store import BusyServers, Store
from .wire import Params, Wire, parse_time


@dataclass(slots=True)
class JobOperations:
    """StartRecovery, TerminateRecoveryInstances and the operations on jobs."""

    _scope: Scope
    _jobs: Store[Job]
    _servers: Store[SourceServer]
    _instances: Store[RecoveryInstance]
    _recovery_instances: RecoveryInstances
    _busy: BusyServers
    _register: JobRegister
    _runs: JobRuns

    def start_recovery(self, params: Params) -> Wire:
        """StartRecovery."""
        entries = params["sourceServers"]
        servers = self.servers_to_launch([entry["sourceServerID"] for entry in entries])
        snapshots = {entry["sourceServerID"]: entry.get("recoverySnapshotID") for entry in entries}
        job = self.start_launch_job(
            servers,
            "START_DRILL" if params.get("isDrill") else "START_RECOVERY",
            dict(params.get("tags") or {}),
            {key: value for key, value in snapshots.items() if value},
        )
        return {"job": job.wire()}

    def servers_to_launch(self, ids: list[str]) -> list[SourceServer]:
        """The servers of a new launch job, checked against quotas and active jobs.

        Raises:
            ServiceQuotaExceededException: a quota is reached.
            ConflictException: a server is unknown, named twice, or in an active job.
        """
        if len(set(ids)) != len(ids):
            twice = sorted({i for i in ids if ids.count(i) > 1})
            raise ConflictException(f"Source server {twice[0]} is named twice in one job.", resource_id=twice[0])
        self._register.check_quotas(ids)
        if unknown := [i for i in ids if i not in self._servers]:
            raise ConflictException(
                f"Source server {unknown[0]} does not exist in {' '.join(self._scope.place)}.",
                "SourceServer",
                unknown[0],
            )
        for server_id in ids:
            self._busy.refuse(server_id)
        return [self._servers[i] for i in ids]

    def start_launch_job(
        self, servers: list[SourceServer], initiated_by: str, tags: dict[str, str], snapshots: dict[str, str]
    ) -> Job:
        """Create a LAUNCH job for servers that may be launched.

        Args:
            servers: from `servers_to_launch`.
            initiated_by: START_DRILL or START_RECOVERY.
            tags: the job's tags.
            snapshots: the chosen points in time, by server.

        Raises:
            ConflictException: a chosen point in time does not exist.
        """
        now = self._scope.now()
        drill = initiated_by == "START_DRILL"
        delay = environment.current().job_delay(*self._scope.place, mode="drill" if drill else "recovery")
        participants = {
            server.server_id: self._participant(server, snapshots.get(server.server_id), replaces=not drill)
            for server in servers
        }
        job = self._register.make("LAUNCH", initiated_by, participants, tags)
        pending = self._runs.pending_seconds(job.job_id)
        for server in servers:
            participant = participants[server.server_id]
            if participant.seconds and server.launch_seconds is not None:
                participant.seconds = participant.seconds.lasting(server.launch_seconds - pending)
            if participant.seconds and delay:
                participant.seconds = participant.seconds.scaled(delay.slow)
            server.launches += 1
            server.last_launch = LastLaunch(now, job.job_id, drill)
            server.last_launch_result = "PENDING"
        if delay:
            job.extra_seconds = delay.extra_seconds
            job.visible_from = now + timedelta(seconds=delay.invisible_seconds)
        self._runs.begin(job)
        return job

    def _participant(self, server: SourceServer, snapshot_id: str | None, *, replaces: bool) -> Participant:
        now, seed = self._scope.now(), self._scope.seed
        at, chosen, skipped = server.replication.newest_point(now), snapshot_id, False
        if snapshot_id:
            points = {point.snapshot_id: point for point in server.points_in_time(seed, now)}
            if snapshot_id not in points:
                raise ConflictException(
                    f"Source server {server.server_id} has no recovery snapshot {snapshot_id}.",
                    "RecoverySnapshot",
                    snapshot_id,
                )
            at = points[snapshot_id].at
        elif server.replication.state is not ReplicationState.CONTINUOUS:
            points_now = server.points_in_time(seed, now)
            skipped = not points_now
            if points_now:
                at, chosen = points_now[-1].at, points_now[-1].snapshot_id
        attempt = server.launches + 1
        return Participant(
            server_id=server.server_id,
            plan=plan_launch(server, *self._scope.place),
            seconds=stages(
                generator(seed, "stages", server.server_id, attempt),
                disk_bytes=server.disk_bytes,
                windows=server.windows,
                replaces=replaces and self._recovery_instances.former(server) is not None,
                from_snapshot=chosen is not None,
                fast=server.launch.settings.get("recoveryMode") == "FAST",
            ),
            point_in_time=at,
            chosen_snapshot=chosen,
            attempt=attempt,
            skipped=skipped,
        )

    def terminate_recovery_instances(self, params: Params) -> Wire:
        """TerminateRecoveryInstances: a job that terminates EC2 instances and removes them from DRS."""
        ids = list(dict.fromkeys(params["recoveryInstanceIDs"]))
        participants = {}
        for instance_id in ids:
            instance = self._instances.get(instance_id)
            if instance is None:
                raise ConflictException(
                    f"Recovery instance {instance_id} does not exist in {' '.join(self._scope.place)}.",
                    "RecoveryInstance",
                    instance_id,
                )
            self._busy.refuse(instance.server_id, instance_id)
            participants[instance_id] = Participant(instance.server_id, instance_id=instance_id)
        self._register.check_quotas(ids)
        job = self._register.make("TERMINATE", "TERMINATE_RECOVERY_INSTANCES", participants, {})
        self._runs.begin(job)
        return {"job": job.wire()}

    def describe_jobs(self, params: Params) -> Wire:
        """DescribeJobs: by id or by creation time, newest first; one page."""
        filters = params.get("filters") or {}
        now = self._scope.now()
        wanted = filters.get("jobIDs")
        place = place_of("DescribeJobs", params)
        chosen: Iterator[Job]
        if wanted:
            named = {i: self._jobs[i] for i in wanted if i in self._jobs}
            chosen = iter(sorted(named.values(), key=lambda job: -job.number))
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
                token = token_for("DescribeJobs", params, str(job.number))
                return {"items": [item.wire() for item in found], "nextToken": token}
            found.append(job)
        return {"items": [item.wire() for item in found]}

    def _jobs_between(self, since: str | None, until: str | None, place: str | None) -> Iterator[Job]:
        order = list(self._jobs.values())
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
        job = self._jobs.get(params["jobID"])
        if job is None:
            raise ValidationException(f"Job {params['jobID']} does not exist.", fields={"jobID": "No such job"})
        return answer_page("DescribeJobLogItems", params, job.log, default=1000)

    def delete_job(self, params: Params) -> Wire:
        """DeleteJob: only one that is COMPLETED."""
        job = self._jobs.one(params["jobID"])
        if self._register.active(job.job_id):
            raise ConflictException(f"Job {job.job_id} is active.", "Job", job.job_id)
        del self._jobs[job.job_id]
        return {}
