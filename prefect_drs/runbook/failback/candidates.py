"""The recovery instance that each server fails back from, and what refuses its failback.

In: a plan's servers, the reading, and the launches of a former execution where one is named. Out: for each server its
way back, and findings. Every fault is found at once; a server with one has no way back, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prefect_drs.aws.drs import Job, RecoveryInstance, SourceServer
from prefect_drs.aws.location import Location
from prefect_drs.runbook.failback.fetch import FailbackReading, by_instance, origin_of
from prefect_drs.runbook.model import FindingSeverity, RunbookFinding, WayBack

GONE = frozenset({"TERMINATED", "SHUTTING-DOWN", "NOT_FOUND"})  # EC2InstanceState
STARTABLE = frozenset(
    {"", "FAILBACK_NOT_STARTED", "FAILBACK_IN_PROGRESS", "FAILBACK_READY_FOR_LAUNCH", "FAILBACK_NOT_READY_FOR_LAUNCH"}
    | {"FAILBACK_ERROR"}
)
"""FailbackState from which a failback goes on, or starts (again)."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a former execution launched: the jobs of its servers, by source server id. `execution_id`: which."""

    execution_id: str
    jobs: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A server that may fail back.

    Args:
        server: as DRS has it where it is recovered.
        location: there.
        launch: where it is launched by the failback.
        way_back: how.
        reversed_server: the source server that replicates it back already; None where none does.
    """

    server: SourceServer
    location: Location
    launch: Location
    way_back: WayBack
    reversed_server: SourceServer | None


def candidate_of(
    server: SourceServer,
    location: Location,
    reading: FailbackReading,
    jobs: Sequence[Job],
    recovered: Recovered | None,
) -> Candidate | list[RunbookFinding]:
    """A server's way back, or everything that refuses it."""
    instances = [
        each for each in reading.instances.get(location, ()) if each.source_server_id == server.source_server_id
    ]
    instance, faults = _instance(server, location, instances, recovered)
    faults += _busy(server, location, jobs)
    if instance is None:
        return faults
    origin = None if instance.outside_aws else origin_of(server)
    faults += _state(server, location, instance)
    if origin is None and not instance.outside_aws:
        faults.append(
            _fault(
                "FAILBACK_ORIGIN_UNKNOWN",
                server,
                location,
                "DRS does not say from which account and region its machine came; fail it back in the console",
            )
        )
    if faults:
        return faults
    back = by_instance(reading.origins.get(origin, ())).get(instance.ec2_instance_id) if origin else None
    way_back = WayBack(
        recovery_instance_id=instance.recovery_instance_id,
        account_id=location.account_id,
        region=location.region,
        drill=instance.is_drill,
        outside_aws=instance.outside_aws,
        reversed_server_id=back.source_server_id if back else None,
    )
    return Candidate(server, location, origin or location, way_back, back)


def _instance(
    server: SourceServer, location: Location, instances: Sequence[RecoveryInstance], recovered: Recovered | None
) -> tuple[RecoveryInstance | None, list[RunbookFinding]]:
    """The instance that fails back: of the named execution, or else the one recovery that runs."""
    there = [each for each in instances if each.state not in GONE]
    if recovered is not None:
        return _of_execution(server, location, there, recovered)
    recoveries = [each for each in there if not each.is_drill]
    if len(recoveries) == 1:
        return recoveries[0], []
    if recoveries:
        named = ", ".join(each.recovery_instance_id for each in recoveries)
        why = f"it has {len(recoveries)} recovery instances ({named}); name the execution that launched the right one"
        return None, [_fault("FAILBACK_SEVERAL_INSTANCES", server, location, f"{why}: --execution ID")]
    drills = ", ".join(each.recovery_instance_id for each in there)
    why = (
        f"only drills have launched it ({drills}): to rehearse a failback with them, name the drill: --execution ID"
        if drills
        else "it has no recovery instance: recover it first, or leave it out: --exclude SERVER=REASON"
    )
    return None, [_fault("FAILBACK_NO_INSTANCE", server, location, why)]


def _of_execution(
    server: SourceServer, location: Location, there: Sequence[RecoveryInstance], recovered: Recovered
) -> tuple[RecoveryInstance | None, list[RunbookFinding]]:
    jobs = recovered.jobs.get(server.source_server_id)
    if not jobs:
        why = f"execution {recovered.execution_id} did not launch it; leave it out: --exclude SERVER=REASON"
        return None, [_fault("FAILBACK_NOT_RECOVERED", server, location, why)]
    launched = [each for each in there if each.job_id in jobs]
    if len(launched) == 1:
        return launched[0], []
    others = ", ".join(f"{each.recovery_instance_id} of job {each.job_id}" for each in there)
    if others:
        why = f"the instance of execution {recovered.execution_id} is gone, and it was launched again since ({others})"
        return None, [_fault("FAILBACK_LAUNCHED_AGAIN", server, location, f"{why}; name that execution, or none")]
    why = f"the instance that execution {recovered.execution_id} launched is gone: recover it again, or leave it out"
    return None, [_fault("FAILBACK_INSTANCE_GONE", server, location, f"{why}: --exclude SERVER=REASON")]


def _state(server: SourceServer, location: Location, instance: RecoveryInstance) -> Iterator[RunbookFinding]:
    """What of the instance's own state keeps it from failing back."""
    which = f"its recovery instance {instance.recovery_instance_id}"
    if instance.state not in {"RUNNING", "PENDING"}:
        yield _fault(
            "FAILBACK_INSTANCE_NOT_RUNNING",
            server,
            location,
            f"{which} is {instance.state}: start it, its agent replicates",
        )
    if instance.replication_state == "DISCONNECTED":
        why = f"{which} was disconnected from DRS, which cannot be undone: recover it again, or copy its data by hand"
        yield _fault("FAILBACK_DISCONNECTED", server, location, why)
    if instance.failback_state == "FAILBACK_COMPLETED":
        why = f"{which} has failed back already; end that (aws drs stop-failback) to fail it back again"
        yield _fault("FAILBACK_COMPLETED_BEFORE", server, location, why)
    elif instance.failback_state not in STARTABLE:
        why = f"DRS reports {instance.failback_state} of {which}; look at it in the console, then start again"
        yield _fault("FAILBACK_STATE_UNKNOWN", server, location, why)


def _busy(server: SourceServer, location: Location, jobs: Sequence[Job]) -> Iterator[RunbookFinding]:
    for job in jobs:
        if job.active and any(each.source_server_id == server.source_server_id for each in job.servers):
            why = f"job {job.job_id} ({job.initiated_by or job.type}) has not ended; wait for it"
            yield _fault("FAILBACK_SERVER_IN_JOB", server, location, why)


def _fault(code: str, server: SourceServer, location: Location, why: str) -> RunbookFinding:
    return RunbookFinding(
        code=code,
        severity=FindingSeverity.ERROR,
        message=f"{server.name} ({server.source_server_id}) in {location} cannot fail back: {why}",
        account_id=location.account_id,
        region=location.region,
        source_server_id=server.source_server_id,
    )
