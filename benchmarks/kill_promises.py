"""The promises of the kill-point benchmark: each checked after a run, against the simulator's own state.

In: a world, the report of a run, its events and the simulator. Out: broken promises, one sentence each; none where all
are kept. `benchmarks/kill_points.py` lists the promises.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.kill_worlds import World
from prefect_drs.execution.events import Event, GateAnswered, GateAsked, RtoTargetAtRisk
from prefect_drs.execution.view import report_of
from prefect_drs.recovery.launch.job_tracker import EXECUTION_TAG, WAVE_TAG
from prefect_drs.recovery.launch.packing import Limits
from prefect_drs.report.model import RecoveryReport
from prefect_drs.simulator import DRSBackend, Sandbox

EXECUTION = "kill-points"
_JOB_ID = re.compile(r"drsjob-\w+")


def essence_of(report: RecoveryReport, *, with_jobs: bool) -> dict[str, Any]:
    """The report without times and ids, so that two runs can be compared."""
    return {
        "status": report.status.value,
        "exit code": report.exit_code,
        "mode": report.mode,
        **{
            f"wave {wave.wave_number}": {
                "status": wave.status.value,
                "reason": _JOB_ID.sub("a job", wave.reason),
                "began": wave.started_at is not None,
                "approval": wave.approval and (wave.approval.decision, wave.approval.by, wave.approval.comment),
                "jobs": sorted((job.account_id, job.region, sorted(job.server_ids)) for job in wave.jobs)
                if with_jobs
                else None,
                "checks": sorted(
                    (check.phase, check.name, check.source_server_id or "", check.passed) for check in wave.checks
                ),
                "jobs ended": all(job.ended_at is not None for job in wave.jobs),
                "servers": {
                    server.source_server_id: (
                        server.launch_status,
                        # Of a step, intents: those that the process did not live to call are written again.
                        server.attempts if wave.action == "launch" else None,
                        server.recovery_instance_id is not None,
                        _JOB_ID.sub("a job", server.error or ""),
                    )
                    for server in wave.servers
                },
            }
            for wave in report.waves
        },
    }


def differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """Where two essences differ, in words."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in expected:
            yield from differences(expected[key], found.get(key), f"{path}{key}: ")
    elif expected != found:
        yield f"the report differs from the undisturbed run's: {path}{expected!r} became {found!r}"


def broken_in_report(report: RecoveryReport, events: Sequence[Event]) -> Iterator[str]:
    """Promises that the report and the journal show as broken."""
    if report_of(events) != report:
        yield "the journal folds to another report than was returned"
    answered: set[int] = set()
    announced = Counter(event.wave_number for event in events if isinstance(event, RtoTargetAtRisk))
    for wave_number, times in announced.items():
        if times > 1:
            of = "the plan" if wave_number is None else f"wave {wave_number}"
            yield f"the RTO target of {of} was announced {times} times to be at risk"
    for event in events:
        if isinstance(event, GateAnswered):
            answered.add(event.wave_number)
        elif isinstance(event, GateAsked) and event.wave_number in answered:
            yield f"the gate of wave {event.wave_number} was asked again after it had been answered"


def broken_in_aws(world: World, report: RecoveryReport, sandbox: Sandbox) -> Iterator[str]:
    """Promises that the simulator's state shows as broken, and differences between it and the report."""
    backends: dict[str, DRSBackend] = {
        region: sandbox.backend(world.account, region) for wave in world.waves for region in wave.servers
    }
    for backend in backends.values():
        backend.advance()
    located = [(region, job) for region, backend in backends.items() for job in backend.jobs.values()]
    jobs = [job for _, job in located]
    for call in sandbox.calls:
        if call.operation == "StartRecovery" and call.code == "ConflictException":
            yield f"DRS had to refuse a launch of servers that are in an active job, at {call.at:%H:%M:%S}"
    yield from _other_jobs(report, jobs)
    yield from _launched_twice(world, jobs)
    yield from _launched_early(world, jobs)
    yield from _other_servers(report, jobs)
    yield from over_quotas(world.limits, located)


def _other_jobs(report: RecoveryReport, jobs: Sequence[Any]) -> Iterator[str]:
    """Jobs that the report and DRS do not have alike."""
    reported = {job.job_id: job for wave in report.waves for job in wave.jobs}
    for job_id in {job.job_id for job in jobs} ^ set(reported):
        yield f"job {job_id} is in {'the report' if job_id in reported else 'DRS'} only"
    for job in jobs:
        if job.tags.get(EXECUTION_TAG) != EXECUTION:
            yield f"job {job.job_id} does not carry its execution"
        if job.job_id in reported and set(reported[job.job_id].server_ids) != set(job.participants):
            yield f"job {job.job_id} has other servers in the report than in DRS"


def _other_servers(report: RecoveryReport, jobs: Sequence[Any]) -> Iterator[str]:
    """Servers that the report and DRS do not have alike."""
    for server in (server for wave in report.waves for server in wave.servers):
        server_id = server.source_server_id
        last = next((job.participants[server_id] for job in reversed(jobs) if server_id in job.participants), None)
        if last is None:
            if server.attempts or server.launch_status == "LAUNCHED":
                yield f"server {server_id} is reported as launched and is in no job"
        elif (last.status.value, last.instance_id) != (server.launch_status, server.recovery_instance_id):
            yield f"server {server_id} is {server.launch_status} in the report, {last.status.value} in DRS"


def _launched_early(world: World, jobs: Sequence[Any]) -> Iterator[str]:
    """Waves that launched before what they depend on was LAUNCHED."""
    in_order = [server for job in sorted(jobs, key=lambda job: job.created_at) for server in job.participants.values()]
    last = {server.server_id: server for server in in_order}
    launched = {server.server_id: server for job in jobs for server in job.participants.values()
                if server.status == "LAUNCHED"}  # fmt: skip
    waves = {wave.number: wave for wave in world.waves}
    for job in jobs:
        number = job.tags[WAVE_TAG]
        for before in waves[int(number)].after:
            goes_on = waves[before].policy.get("onServerFailure") == "continue"
            ids = [server_id for region in waves[before].servers for server_id in waves[before].server_ids(region)]
            for server_id in ids:
                up = launched.get(server_id) or (last.get(server_id) if goes_on else None)
                if up is None or up.ended_at is None or up.ended_at > job.created_at:
                    yield f"wave {number} began before {server_id} of wave {before} was LAUNCHED"
            if launched.keys().isdisjoint(ids):
                yield f"wave {number} began though nothing of wave {before} is up"


def _launched_twice(world: World, jobs: Sequence[Any]) -> Iterator[str]:
    allowed = {
        server_id: 1 + wave.policy.get("retry", {}).get("attempts", 0)
        for wave in world.waves
        for region in wave.servers
        for server_id in wave.server_ids(region)
    }
    launches: dict[str, list[Any]] = {}
    for job in sorted(jobs, key=lambda job: job.created_at):
        for server_id in job.participants:
            launches.setdefault(server_id, []).append(job)
    for server_id, of_it in launches.items():
        if len(of_it) > allowed[server_id]:
            yield f"server {server_id} is in {len(of_it)} launch jobs"
        for former, later in itertools.pairwise(of_it):
            before = former.participants[server_id]
            if before.status != "FAILED" or former.ended_at is None or former.ended_at > later.created_at:
                yield f"server {server_id} is {before.status} in job {former.job_id} and in job {later.job_id} as well"


def over_quotas(limits: Limits, jobs: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """Quotas that were not kept: `jobs` of all regions, each with its region."""
    for region, job in jobs:
        if len(job.participants) > limits.servers_per_job:
            yield f"job {job.job_id} has {len(job.participants)} servers, the quota is {limits.servers_per_job}"
        beside = [
            other
            for place, other in jobs
            if place == region
            and other.number <= job.number
            and (other.ended_at is None or other.ended_at > job.created_at)
        ]
        if len(beside) > limits.concurrent_jobs:
            yield f"{len(beside)} jobs ran in {region}, the quota is {limits.concurrent_jobs}"
        servers = sum(len(other.participants) for other in beside)
        if servers > limits.servers_in_jobs:
            yield f"{servers} servers were in jobs in {region}, the quota is {limits.servers_in_jobs}"
