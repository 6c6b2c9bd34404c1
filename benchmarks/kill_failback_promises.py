"""The promises of a failback in the kill-point benchmark, each checked after a run against the simulator's own state.

In: a world, the report of a run and the simulator. Out: broken promises, one sentence each; none where all are kept.

- no server is launched back twice, unless the plan's retries allow it and the former job had ended with its failure;
- no recovery instance and no failed-back instance is reversed twice; DRS never had to refuse a launch, a reversal, an
  end of replication, a disconnection or a termination because it was done already;
- no launch before each server was reversed, and before every server of the waves that it waits for was LAUNCHED; no
  forward protection before the launches were over; no clean-up before that;
- a recovery instance is disconnected or terminated only where its server was launched back;
- every launch job in DRS is in the report, with its servers, and no other; likewise launch statuses and instances;
- what the report says of the last steps holds: a server that is PROTECTED replicates its failed-back instance, the
  recovery instance of one that is CLEANED_UP is gone or disconnected;
- the quotas given to the engine were kept.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.kill_failbacks import ORIGINS, RECOVERED_AT, REGIONS, FailbackWorld
from benchmarks.kill_promises import EXECUTION, over_quotas
from prefect_drs.recovery.launch.job_tracker import EXECUTION_TAG
from prefect_drs.report.model import RecoveryReport
from prefect_drs.simulator import Sandbox

REFUSED = frozenset({"ConflictException", "ResourceNotFoundException", "ValidationException"})
CARRIED_OUT = frozenset({"", "lose-answer"})  # codes of calls that had their effect; the second is a fault's
_ONCE = ("ReverseReplication", "StopReplication", "DisconnectRecoveryInstance", "TerminateRecoveryInstances")
_LAUNCH = ("StartRecovery", "StartFailbackLaunch")


@dataclass(frozen=True, slots=True)
class Launch:
    """One server in one launch job of the failback, by the id that the plan has for it."""

    server_id: str
    job: Any
    status: str
    ended_at: datetime | None
    instance_id: str | None


class Aws:
    """What the simulator has after a run."""

    def __init__(self, world: FailbackWorld, sandbox: Sandbox) -> None:
        self.backends = {region: sandbox.backend(world.account, region) for region in (*REGIONS, *ORIGINS)}
        self.instances: dict[str, str] = {}  # recovery instance by source server id of the plan
        self.plan_ids: dict[
            str, str
        ] = {}  # source server id of the plan, by that of the server that replicates it back
        for backend in self.backends.values():
            backend.advance()
        for region in world.regions():
            scope = self.backends[region].scope
            for job in self.backends[region].jobs.values():
                if job.created_at < RECOVERED_AT:
                    for server_id, participant in job.participants.items():
                        instance_id = str(participant.instance_id)
                        self.instances[server_id] = instance_id
                        self.plan_ids[scope.identifier("s-", "failback", instance_id, job.job_id)] = server_id
        self.jobs = [
            (region, job)
            for region, backend in self.backends.items()
            for job in backend.jobs.values()
            if job.created_at >= RECOVERED_AT and job.kind == "LAUNCH"
        ]
        self.launches = [
            Launch(self.plan_ids.get(each, each), job, part.status.value, part.ended_at, part.instance_id)
            for _, job in sorted(self.jobs, key=lambda found: found[1].created_at)
            for each, part in job.participants.items()
        ]
        self.last = {launch.server_id: launch for launch in self.launches}
        self.launched = {launch.server_id: launch for launch in self.launches if launch.status == "LAUNCHED"}
        self.calls = [call for call in sandbox.calls if call.at >= RECOVERED_AT]

    def done(self, operation: str) -> list[Any]:
        """The calls of that operation that DRS carried out."""
        return [call for call in self.calls if call.operation == operation and call.code in CARRIED_OUT]


def broken_in_failback(world: FailbackWorld, report: RecoveryReport, sandbox: Sandbox) -> Iterator[str]:
    """Promises that the simulator's state shows as broken, and differences between it and the report."""
    aws = Aws(world, sandbox)
    for call in aws.calls:
        if call.operation in {*_ONCE, *_LAUNCH} and call.code in REFUSED:
            yield f"DRS had to refuse {call.operation} ({call.code}) at {call.at:%H:%M:%S}: {call.params}"
    yield from _launched_twice(world, aws)
    yield from _reversed_twice(aws)
    yield from _early(world, aws)
    yield from _steps_early(world, aws)
    yield from _other_than_reported(report, aws)
    yield from _last_steps(world, report, aws)
    yield from over_quotas(world.limits, aws.jobs)


def _launched_twice(world: FailbackWorld, aws: Aws) -> Iterator[str]:
    for wave in world.waves:
        for server_id in wave.server_ids():
            of_it = [launch for launch in aws.launches if launch.server_id == server_id]
            if len(of_it) > 1 + wave.policy.get("retry", {}).get("attempts", 0):
                yield f"server {server_id} is in {len(of_it)} launch jobs"
            for former, later in itertools.pairwise(of_it):
                ended = former.job.ended_at
                if former.status != "FAILED" or ended is None or ended > later.job.created_at:
                    yield f"server {server_id} is {former.status} in job {former.job.job_id}, and launched again"


def _reversed_twice(aws: Aws) -> Iterator[str]:
    times = Counter(call.params["recoveryInstanceID"] for call in aws.done("ReverseReplication"))
    for instance_id, count in times.items():
        if count > 1:
            yield f"instance {instance_id} was reversed {count} times"


def _early(world: FailbackWorld, aws: Aws) -> Iterator[str]:
    wave_of = {server_id: wave for wave in world.waves for server_id in wave.server_ids()}
    reversed_at = {call.params["recoveryInstanceID"]: call.at for call in aws.done("ReverseReplication")}
    in_aws = [server_id for server_id, origin in world.origins().items() if origin is not None]
    for launch in aws.launches:
        began = launch.job.created_at
        for server_id in in_aws:
            if (at := reversed_at.get(aws.instances[server_id])) is None or at > began:
                yield f"{launch.server_id} was launched before the replication of {server_id} was reversed"
        for number in world.before(wave_of[launch.server_id].number):
            before = next(wave for wave in world.waves if wave.number == number)
            goes_on = before.policy.get("onServerFailure") == "continue"
            for server_id in before.server_ids():
                up = aws.launched.get(server_id) or (aws.last.get(server_id) if goes_on else None)
                if up is None or up.ended_at is None or up.ended_at > began:
                    yield f"{launch.server_id} was launched before {server_id} of wave {number} was LAUNCHED"
            if aws.launched.keys().isdisjoint(before.server_ids()):
                yield f"{launch.server_id} was launched though nothing of wave {number} is up"


def _steps_early(world: FailbackWorld, aws: Aws) -> Iterator[str]:
    """Forward protection only after all launches; clean-up only after that, and only of servers that are back."""
    failed_back = {launch.instance_id for launch in aws.launched.values()}
    launches_over = max((launch.ended_at for launch in aws.launches if launch.ended_at is not None), default=None)
    forward = [call for call in aws.done("ReverseReplication") if call.params["recoveryInstanceID"] in failed_back]
    for call in forward:
        if launches_over is None or call.at < launches_over:
            yield f"{call.params['recoveryInstanceID']} was protected forward before the launches were over"
    by_instance = {instance_id: server_id for server_id, instance_id in aws.instances.items()}
    ended = [
        (call, instance_id)
        for operation in ("DisconnectRecoveryInstance", "TerminateRecoveryInstances")
        for call in aws.done(operation)
        for instance_id in call.params.get("recoveryInstanceIDs") or [call.params["recoveryInstanceID"]]
    ]
    for call, instance_id in ended:
        server_id = by_instance.get(instance_id)
        if server_id not in aws.launched:
            yield f"{call.operation} of {instance_id}, whose server {server_id} was not launched back"
        if world.protect_forward and not world.drill and (not forward or call.at < max(each.at for each in forward)):
            yield f"{call.operation} of {instance_id} before the servers were protected forward"
        if world.clean_up == "keep":
            yield f"{call.operation} of {instance_id}, though the plan keeps it"


def _other_than_reported(report: RecoveryReport, aws: Aws) -> Iterator[str]:
    """Jobs and servers that the report and DRS do not have alike."""
    reported = {job.job_id: job for wave in report.waves for job in wave.jobs}
    for job_id in {job.job_id for _, job in aws.jobs} ^ set(reported):
        yield f"job {job_id} is in {'the report' if job_id in reported else 'DRS'} only"
    for _, job in aws.jobs:
        if job.tags.get(EXECUTION_TAG) != EXECUTION:
            yield f"job {job.job_id} does not carry its execution"
        servers = {aws.plan_ids.get(each, each) for each in job.participants}
        if job.job_id in reported and set(reported[job.job_id].server_ids) != servers:
            yield f"job {job.job_id} has other servers in the report than in DRS"
    for server in (server for wave in report.waves if wave.action == "launch" for server in wave.servers):
        last = aws.last.get(server.source_server_id)
        if last is None:
            if server.attempts or server.launch_status == "LAUNCHED":
                yield f"server {server.source_server_id} is reported as launched and is in no job"
        elif (last.status, last.instance_id) != (server.launch_status, server.recovery_instance_id):
            yield (
                f"server {server.source_server_id} is {server.launch_status} {server.recovery_instance_id} in the "
                f"report, {last.status} {last.instance_id} in DRS"
            )


def _last_steps(world: FailbackWorld, report: RecoveryReport, aws: Aws) -> Iterator[str]:
    """What the report says of forward protection and clean-up, and DRS has otherwise."""
    for wave in report.waves:
        for server in wave.servers:
            server_id = server.source_server_id
            backend, instance_id = aws.backends[world.recovered_in()[server_id]], aws.instances[server_id]
            if wave.action == "reprotect" and server.launch_status == "PROTECTED":
                replicated = backend.servers[server_id].ec2_instance_id
                if replicated != aws.launched[server_id].instance_id:
                    yield f"{server_id} is PROTECTED in the report and replicates {replicated}"
            elif wave.action == "clean-up" and server.launch_status == "CLEANED_UP":
                left = backend.recovery_instances.get(instance_id)
                if left is not None and not (world.clean_up == "disconnect" and left.disconnected):
                    yield f"{instance_id} of {server_id} is CLEANED_UP in the report and still there"
