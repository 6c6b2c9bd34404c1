"""Which recovery instances are an execution's, and which of them may be terminated.

In: the execution's report and sessions. Out: what DRS holds of it. AWS is the truth: an instance belongs to the
execution where DRS says that one of its jobs launched it; what a later launch made of the same source server is left
alone. An instance that replicates back holds data that is nowhere else: it is never among what may go. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from prefect_drs.aws.drs import RecoveryInstance, describe_jobs, describe_recovery_instances
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import UsageError
from prefect_drs.recovery.launch.job_tracker import EXECUTION_TAG, SKEW
from prefect_drs.report.model import RecoveryReport, WaveStatus

GONE = frozenset({"TERMINATED", "NOT_FOUND"})  # EC2InstanceState of what no longer runs and costs
# FailbackState of an instance that nothing is replicated back from; of any other, and of one that DRS cannot tell,
# its data may be nowhere else.
NO_FAILBACK = frozenset({"", "FAILBACK_NOT_STARTED", "FAILBACK_COMPLETED"})


class TerminationRefusedError(UsageError):
    """The instances of this execution may not be terminated now, or there never were any."""

    code: ClassVar[str] = "INVALID_OPERATION"


@dataclass(frozen=True, slots=True)
class TerminationTarget:
    """A recovery instance of the execution: where it is, and which source server's."""

    recovery_instance_id: str
    source_server_id: str
    name: str
    location: Location


@dataclass(frozen=True, slots=True)
class Found:
    """What DRS holds of an execution.

    Args:
        report: the execution.
        standing: its instances that are there.
        gone: its instances that DRS no longer has.
        left_alone: instances of the same source servers that something else launched.
        failing_back: its instances that replicate back; they stand too, and are not terminated.
    """

    report: RecoveryReport
    standing: tuple[TerminationTarget, ...]
    gone: tuple[TerminationTarget, ...]
    left_alone: tuple[RecoveryInstance, ...]
    failing_back: tuple[TerminationTarget, ...] = ()


def find_instances(report: RecoveryReport, sessions: Sessions, *, skip_failback: bool = False) -> Found:
    """The instances of an execution that may be terminated now. Changes nothing.

    Args:
        report: the execution, as its journal (or the artifact) tells it.
        sessions: the way into the accounts.
        skip_failback: leave instances that replicate back alone, instead of refusing them all.

    Raises:
        TerminationRefusedError: it is not over, a wave or a job of it is active, an instance replicates back, or it
            never launched an instance.
        AwsError: DRS refused or could not be reached.
    """
    _require_over(report)
    names = {server.source_server_id: server.name for wave in report.waves for server in wave.servers}
    jobs: dict[Location, set[str]] = {}
    servers: dict[Location, set[str]] = {}
    for job in (job for wave in report.waves for job in wave.jobs):
        location = Location(job.account_id, job.region)
        jobs.setdefault(location, set()).add(job.job_id)
        servers.setdefault(location, set()).update(job.server_ids)
    standing: list[TerminationTarget] = []
    failing_back: dict[TerminationTarget, str] = {}
    left_alone: list[RecoveryInstance] = []
    for location in sorted(jobs):
        for seen in describe_jobs(sessions, location, since=report.started_at - SKEW):
            if seen.job_id not in jobs[location] and seen.tags.get(EXECUTION_TAG) != report.execution_id:
                continue
            if seen.active:
                raise TerminationRefusedError(
                    f"job {seen.job_id} of execution {report.execution_id} is {seen.status} in {location}; "
                    "wait until it has ended"
                )
            jobs[location].add(seen.job_id)
            servers[location].update(server.source_server_id for server in seen.servers)
        for instance in describe_recovery_instances(sessions, location, sorted(servers[location])):
            if instance.state in GONE:
                continue
            if instance.job_id in jobs[location]:
                name = names.get(instance.source_server_id, instance.source_server_id)
                target = TerminationTarget(instance.recovery_instance_id, instance.source_server_id, name, location)
                if instance.failback_state in NO_FAILBACK:
                    standing.append(target)
                else:
                    failing_back[target] = instance.failback_state
            else:
                left_alone.append(instance)
    if failing_back and not skip_failback:
        raise TerminationRefusedError(_in_failback(report.execution_id, failing_back))
    known = {target.recovery_instance_id for target in (*standing, *failing_back)}
    home = {server: location for location, there in servers.items() for server in there}
    gone = tuple(
        TerminationTarget(
            server.recovery_instance_id, server.source_server_id, server.name, home[server.source_server_id]
        )
        for wave in report.waves
        for server in wave.servers
        if server.recovery_instance_id and server.recovery_instance_id not in known and server.source_server_id in home
    )
    if not standing and not gone and not failing_back:
        raise TerminationRefusedError(f"execution {report.execution_id} launched no recovery instance: nothing to do")
    return Found(report, tuple(standing), gone, tuple(left_alone), tuple(failing_back))


def _in_failback(execution_id: str, failing_back: Mapping[TerminationTarget, str]) -> str:
    named = ", ".join(
        f"{target.name} ({target.recovery_instance_id} in {target.location}: {state})"
        for target, state in failing_back.items()
    )
    return (
        f"{len(failing_back)} recovery instance(s) of execution {execution_id} fail back, and what they hold may be "
        f"nowhere else yet: {named}; wait until the failback has completed, or end it (aws drs stop-failback, "
        "disconnect-recovery-instance); to terminate the others alone: --skip-failback"
    )


def _require_over(report: RecoveryReport) -> None:
    if report.ended_at is None:
        raise TerminationRefusedError(
            f"execution {report.execution_id} is {report.status}; wait for its end, or end it: "
            f"prefect-drs cancel {report.execution_id}"
        )
    active = [wave for wave in report.waves if wave.status in {WaveStatus.INITIATED, WaveStatus.LAUNCHING}]
    if active:
        told = ", ".join(f"{wave.wave_number} ({wave.status})" for wave in active)
        raise TerminationRefusedError(
            f"execution {report.execution_id} has active waves: {told}; carry it to its end first: "
            f"prefect-drs resume {report.execution_id}"
        )
