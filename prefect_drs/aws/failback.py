"""The calls of a failback: replication in the other direction, failback launches, and what ends them.

In: sessions, an account-region, ids. Out: plain values, or an `AwsError`. Each call is sent once, never again by
botocore: none takes an idempotency token, so the caller reads what became of a call whose answer was lost.

Where a recovery instance originates in EC2, `ReverseReplication` makes a source server in its origin (direction
`FAILBACK`), and that server is launched by `StartRecovery` there ("Launch for failback" of
https://docs.aws.amazon.com/drs/latest/userguide/failback-failover-region-region.html). A machine outside AWS is
launched by `StartFailbackLaunch`, once its Failback Client has replicated
(https://docs.aws.amazon.com/drs/latest/userguide/failback-performing-on-prem.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from prefect_drs.aws.drs import Job, ParticipatingServer, answered_at, read_job
from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions


def reverse_replication(sessions: Sessions, location: Location, recovery_instance_id: str) -> str:
    """Replicate a recovery instance to where its machine came from; the id of the source server that replicates it.

    Raises:
        AwsError: refused (it replicates already, say), or no answer came.
    """
    with aws_call("ReverseReplication", location.account_id, location.region):
        client = sessions.client("drs", **location._asdict(), retrying=False)
        arn = client.reverse_replication(recoveryInstanceID=recovery_instance_id)["reversedDirectionSourceServerArn"]
    return str(arn).rpartition("/")[2]


def start_failback_launch(
    sessions: Sessions, location: Location, recovery_instances: Mapping[str, str], *, tags: Mapping[str, str]
) -> Job:
    """Start one failback job of machines outside AWS.

    Args:
        recovery_instances: recovery instance id by source server id.

    Raises:
        AwsError: refused, or no answer came; `aws.errors.is_ambiguous` says whether the job may exist.
    """
    with aws_call("StartFailbackLaunch", location.account_id, location.region):
        client = sessions.client("drs", **location._asdict(), retrying=False)
        answer = client.start_failback_launch(recoveryInstanceIDs=list(recovery_instances.values()), tags=dict(tags))
        job = read_job(answer["job"], answered_at(answer))
    answered = {server.source_server_id: server for server in job.servers}
    servers = tuple(
        answered.get(server_id) or ParticipatingServer(server_id, "PENDING", instance_id)
        for server_id, instance_id in recovery_instances.items()
    )
    return replace(job, tags={**job.tags, **tags}, servers=servers)


def stop_replication(sessions: Sessions, location: Location, source_server_id: str) -> None:
    """Stop the replication of a source server; DRS deletes its points in time.

    Raises:
        AwsError: refused, or no answer came.
    """
    with aws_call("StopReplication", location.account_id, location.region):
        sessions.client("drs", **location._asdict(), retrying=False).stop_replication(sourceServerID=source_server_id)


def disconnect_recovery_instance(sessions: Sessions, location: Location, recovery_instance_id: str) -> None:
    """Disconnect a recovery instance from DRS for good; its EC2 instance goes on running.

    Raises:
        AwsError: refused, or no answer came.
    """
    with aws_call("DisconnectRecoveryInstance", location.account_id, location.region):
        sessions.client("drs", **location._asdict(), retrying=False).disconnect_recovery_instance(
            recoveryInstanceID=recovery_instance_id
        )
