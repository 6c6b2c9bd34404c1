"""Other activity in the accounts: jobs, executions, former recovery instances, and the quotas of DRS."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.aws.capacity import CapacityLevel, count_capacity
from prefect_drs.aws.location import Location
from prefect_drs.aws.quotas import CONCURRENT_JOBS, SERVERS_IN_JOBS
from prefect_drs.runbook.model import FindingSeverity
from prefect_drs.runbook.preflight_input import PreflightInput, named
from prefect_drs.runbook.rules.rule import Observation, rule


@rule(
    "SERVER_IN_ACTIVE_JOB",
    what="the server is in another DRS job, whoever started it",
    remedy="wait until that job has ended",
)
def servers_are_in_no_active_job(preflight: PreflightInput) -> Iterator[Observation]:
    """DRS takes a server in one active job at a time (ConflictException otherwise), whoever started it."""
    busy = {
        server.source_server_id: job
        for jobs in preflight.jobs.values()
        for job in jobs
        if job.active
        for server in job.servers
    }
    for _, server in preflight.launched():
        if job := busy.get(server.source_server_id):
            yield Observation(
                f"{named(server)} is in job {job.job_id} ({job.type}, {job.status}), which is not over; "
                "wait for it to end",
                server.location,
                server.source_server_id,
            )


@rule(
    "SERVER_IN_OTHER_EXECUTION",
    what="another execution that has not ended, such as one that waits at a gate, has the server",
    remedy="let it end, or cancel it: `prefect-drs cancel EXECUTION`",
    waivable=True,
)
def servers_are_in_no_other_execution(preflight: PreflightInput) -> Iterator[Observation]:
    """A server is in one execution at a time: what another one has launched must not be replaced."""
    holders = {server: other for other in preflight.others for server in other.source_server_ids}
    for _, server in preflight.launched():
        if other := holders.get(server.source_server_id):
            yield Observation(
                f"{named(server)} is in execution {other.execution_id} of {other.plan_name}, which has not ended; "
                f"let it end, resume it, or cancel it: prefect-drs cancel {other.execution_id}",
                server.location,
                server.source_server_id,
                other.execution_id,
            )


@rule(
    "RECOVERY_INSTANCE_EXISTS",
    what="the server has a recovery instance from before, which this launch replaces",
    remedy="nothing, or keep what is on it first",
    severity=FindingSeverity.INFO,
)
def recovery_instances_are_reported(preflight: PreflightInput) -> Iterator[Observation]:
    """Reports the recovery instances that the launch replaces."""
    for _, server in preflight.launched():
        if server.recovery_instance_id:
            yield Observation(
                f"{named(server)} has recovery instance {server.recovery_instance_id}; this launch replaces it",
                server.location,
                server.source_server_id,
            )


@rule(
    "JOBS_MUST_WAIT",
    what=f"beside the jobs that run already, a wave exceeds DRS's {CONCURRENT_JOBS} jobs and "
    f"{SERVERS_IN_JOBS} servers at once",
    remedy="nothing: the rest starts as soon as the quota allows; it only takes longer",
    severity=FindingSeverity.INFO,
)
def waves_fit_beside_what_runs(preflight: PreflightInput) -> Iterator[Observation]:
    """Reports the waves that must wait. A job has at most 100 servers, so every wave can run at some time."""
    for wave in preflight.waves:
        wanted: dict[Location, list[int]] = {}
        for location, size in wave.jobs:
            wanted.setdefault(location, []).append(size)
        for location, sizes in sorted(wanted.items()):
            running = [job for job in preflight.jobs.get(location, ()) if job.active]
            in_jobs = sum(len(job.servers) for job in running)
            if len(running) + len(sizes) > CONCURRENT_JOBS or in_jobs + sum(sizes) > SERVERS_IN_JOBS:
                yield Observation(
                    f"{location}: wave {wave.wave_number} launches {sum(sizes)} servers in {len(sizes)} job(s), and "
                    f"{len(running)} other job(s) with {in_jobs} servers run there; DRS takes {CONCURRENT_JOBS} jobs "
                    f"and {SERVERS_IN_JOBS} servers at once, so part of the wave waits for room",
                    location,
                )


@rule(
    "CAPACITY",
    what="an account and region is near a quota of DRS: 300 replicating servers (INFO from 240, WARNING from 250, "
    "CRITICAL from 280; a staging account's count there) or 4,000 source servers (from 80, 90 and 100 %)",
    remedy="replicate further servers in a staging account; request a higher quota than 4,000",
    severity=FindingSeverity.INFO,
)
def accounts_have_room(preflight: PreflightInput) -> Iterator[Observation]:
    """Reports how near the quotas on servers are, in every account and region of the plan."""
    extended: dict[Location, int] = {}
    for location, servers in sorted(preflight.servers.items()):
        capacity = count_capacity(location, servers)
        for usage in capacity.usages:
            if usage.level is not CapacityLevel.OK:
                yield Observation(
                    f"{usage.level}: {location} has {usage.used} of {usage.quota.limit} {usage.quota.name}", location
                )
        for staging, count in capacity.extended.items():
            there = Location(staging, location.region)
            if there not in preflight.servers:  # else it was counted itself
                extended[there] = extended.get(there, 0) + count
    for location, count in sorted(extended.items()):
        quota = count_capacity(location, ()).usages[0].quota
        level = quota.level(count)
        if level is not CapacityLevel.OK:
            yield Observation(
                f"{level}: staging account {location} replicates {count} of {quota.limit} {quota.name} for the "
                "accounts of this plan alone",
                location,
            )
