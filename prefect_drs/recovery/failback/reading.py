"""What DRS says of the servers of a failback, read for all servers of one way back together.

In: servers of one pair of account-regions (where they are recovered, where they came from). Out: a `Reading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from prefect_drs.aws.drs import (
    JOB_LIFETIME,
    Job,
    RecoveryInstance,
    SourceServer,
    describe_jobs,
    describe_recovery_instances,
    describe_source_servers,
)
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.execution.state import ServerRun
from prefect_drs.runbook.failback.fetch import FAILBACK, by_instance
from prefect_drs.runbook.model import RunbookServer, WayBack

GONE = frozenset({"TERMINATED", "NOT_FOUND"})  # EC2InstanceState of an instance that is gone for good


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading.

    Args:
        instances: the recovery instances that fail back, by their ids.
        ways_back: the source servers that replicate back, by the id of the EC2 instance that they replicate. The
            server's own `reversedDirectionSourceServerArn` is not used: it may name that of a former failback.
        forward: the source servers of the plan, by their ids; read by steps after the launches.
        launched: the instances that the failback launched, by their ids; likewise.
        terminations: the last TERMINATE job of each recovery instance, by its id, or by that of its source server
            where the job names no instance; read by a clean-up that terminates.
    """

    instances: Mapping[str, RecoveryInstance]
    ways_back: Mapping[str, SourceServer]
    forward: Mapping[str, SourceServer] = field(default_factory=dict)
    launched: Mapping[str, RecoveryInstance] = field(default_factory=dict)
    terminations: Mapping[str, Job] = field(default_factory=dict)

    def instance(self, server: RunbookServer) -> RecoveryInstance | None:
        """The recovery instance that fails back; None where DRS has it no more."""
        return self.instances.get(way_back(server).recovery_instance_id)

    def replicating(self, server: RunbookServer) -> SourceServer | None:
        """The source server that replicates it back; None where none does."""
        instance = self.instance(server)
        return self.ways_back.get(instance.ec2_instance_id) if instance is not None else None

    def termination(self, server: RunbookServer) -> Job | None:
        """The last TERMINATE job of its recovery instance; None where there is none."""
        by_instance = self.terminations.get(way_back(server).recovery_instance_id)
        return by_instance or self.terminations.get(server.source_server_id)


def way_back(server: RunbookServer) -> WayBack:
    """A server's way back.

    Raises:
        ValueError: it has none, as only a server of another runbook than a failback's.
    """
    if server.way_back is None:
        raise ValueError(f"{server.source_server_id} has no way back: this is not the runbook of a failback")
    return server.way_back


def read_back(sessions: Sessions, runs: Sequence[ServerRun]) -> Reading:
    """Read the recovery instances of those servers and what replicates them back. All have one pair of locations.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    server = runs[0].server
    ids = [run.server.source_server_id for run in runs]
    instances = describe_recovery_instances(sessions, way_back(server).location, ids)
    back: Sequence[SourceServer] = ()
    if any(not way_back(run.server).outside_aws for run in runs):
        back = [each for each in describe_source_servers(sessions, server.location) if each.direction == FAILBACK]
    return Reading(
        {instance.recovery_instance_id: instance for instance in instances},
        by_instance(back),
    )


def read_forward(sessions: Sessions, runs: Sequence[ServerRun], launched: Sequence[str], back: Reading) -> Reading:
    """The reading with the plan's source servers, and the instances that the failback launched.

    Args:
        sessions: the way in.
        runs: servers of one pair of locations.
        launched: the source servers that the failback launched, by their own ids.
        back: of the same servers.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    server = runs[0].server
    ids = [run.server.source_server_id for run in runs]
    forward = describe_source_servers(sessions, way_back(server).location, ids)
    there = describe_recovery_instances(sessions, server.location, launched) if launched else ()
    return Reading(
        back.instances,
        back.ways_back,
        {each.source_server_id: each for each in forward},
        {instance.recovery_instance_id: instance for instance in there},
    )


def read_terminations(sessions: Sessions, location: Location, now: datetime) -> dict[str, Job]:
    """The last TERMINATE job of each recovery instance, as in `Reading`. While one goes on, the instance still stands.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    jobs = describe_jobs(sessions, location, since=now - JOB_LIFETIME)
    return {
        part.recovery_instance_id or part.source_server_id: job
        for job in sorted(jobs, key=lambda job: job.started_at)
        if job.type == "TERMINATE"
        for part in job.servers
    }


def pair_of(server: RunbookServer) -> tuple[Location, Location]:
    """Where it is recovered, and where it is launched by the failback: what is read together."""
    return way_back(server).location, server.location
