"""DRS for the engine: source servers, jobs and recovery instances as frozen values.

In: `Sessions` and a `Location`. Out: plain dataclasses with only the members this project reads, or an `AwsError`.
DRS's model marks hardly any member as required. A missing member, or an unknown state, is read as the safe value: not
ended, not launched, not ready; an answer without the ids is refused as unreadable. Reads go through botocore's
paginators and are retried by botocore. The two calls that write, `start_recovery` and `terminate_recovery_instances`,
are sent exactly once: a blind retry could launch twice, so the caller decides what to do after a lost answer
(`recovery.launch.jobs`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.sessions import Sessions

if TYPE_CHECKING:
    from mypy_boto3_drs.type_defs import StartRecoveryRequestSourceServerTypeDef

    from prefect_drs.aws.location import Location

_logger = logging.getLogger(__name__)

SERVERS_A_PAGE = 200  # DescribeSourceServers names no largest page; as many as its filter takes ids
IDS_A_FILTER = 200  # DescribeSourceServersRequestFiltersIDs, DescribeRecoveryInstancesRequestFilters: max 200
JOB_IDS_A_FILTER = 1000  # DescribeJobsRequestFiltersJobIDs: max 1000
JOB_LIFETIME = timedelta(hours=24)  # DRS gives a job up after that
READY_STATES = frozenset({"CONTINUOUS"})  # DataReplicationState in which a server has a current state to launch
JOB_STATUSES = frozenset({"PENDING", "STARTED", "COMPLETED"})  # JobStatus
JOB_TYPES = frozenset({"LAUNCH", "TERMINATE", "CREATE_CONVERTED_SNAPSHOT"})  # JobType
LAUNCH_STATUSES = frozenset({"PENDING", "IN_PROGRESS", "LAUNCHED", "FAILED", "TERMINATED"})  # LaunchStatus
FINAL_LAUNCH_STATUSES = frozenset({"LAUNCHED", "FAILED", "TERMINATED"})


@dataclass(frozen=True, slots=True)
class SourceServer:
    """A server that replicates. `lag` is the RPO at this moment (ISO 8601 duration), None where DRS does not say.

    `last_launch_status` is the `LaunchStatus` of its last launch, empty where DRS does not say.
    `origin_account_id` and `origin_region` are where the EC2 instance that it replicates from runs; None elsewhere.
    `last_launch_type`: `DRILL` or `RECOVERY`. `architecture`, `supports_nitro` and `recommended_instance_type`: of its
    `SourceProperties`; empty or None where DRS does not say.
    `direction`: `FAILOVER`, or `FAILBACK` where a recovery instance replicates back (`replicationDirection`).
    """

    source_server_id: str
    arn: str
    name: str
    hostname: str
    instance_id: str | None
    tags: Mapping[str, str]
    replication_state: str
    lag: str | None
    recovery_instance_id: str | None
    last_launch_job_id: str | None
    last_launch_at: datetime | None
    last_launch_status: str
    staging_account_id: str | None
    os: str
    disk_bytes: int
    origin_account_id: str | None = None
    origin_region: str | None = None
    last_launch_type: str = ""
    architecture: str = ""
    supports_nitro: bool | None = None
    recommended_instance_type: str = ""
    direction: str = ""

    @property
    def references(self) -> tuple[str, ...]:
        """The names that a plan may give settings to it by: its id, its instance's, its Name tag."""
        return tuple(filter(None, (self.source_server_id, self.instance_id, self.tags.get("Name"))))


@dataclass(frozen=True, slots=True)
class ParticipatingServer:
    """One server of a job; `launch_status` alone says whether it came up."""

    source_server_id: str
    launch_status: str
    recovery_instance_id: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """A DRS job. `status` COMPLETED says only that it is over."""

    job_id: str
    type: str
    status: str
    initiated_by: str
    started_at: datetime
    ended_at: datetime | None
    servers: tuple[ParticipatingServer, ...]
    tags: Mapping[str, str]

    @property
    def active(self) -> bool:
        """Whether it still counts against the quotas. Of a status that is not known here, its end decides."""
        if self.status in JOB_STATUSES:
            return self.status != "COMPLETED"
        return self.ended_at is None


@dataclass(frozen=True, slots=True)
class JobLogItem:
    """One step in a job's log. `event` is empty where DRS gives none."""

    at: datetime | None
    event: str
    source_server_id: str | None
    raw_error: str | None


@dataclass(frozen=True, slots=True)
class RecoveryInstance:
    """An instance that a launch made, drill or recovery. `point_in_time`: of the data it was launched from.

    `failback_state`: DRS's `FailbackState`; empty where DRS gives none. `replication_state` and `lag` (ISO 8601
    duration): of its replication back, `NOT_STARTED` while it does not replicate. `outside_aws`: the machine that it
    came from runs outside AWS (`originEnvironment`).
    """

    recovery_instance_id: str
    source_server_id: str
    job_id: str | None
    state: str
    is_drill: bool
    point_in_time: datetime | None = None
    failback_state: str = ""
    ec2_instance_id: str = ""
    replication_state: str = ""
    lag: str | None = None
    outside_aws: bool = False


def instant(text: str) -> datetime:
    """DRS's ISO 8601 text as a time with zone UTC."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def drs_text(at: datetime) -> str:
    """A time in the form DRS's `ISO8601DatetimeString` accepts."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """`items` in lists of at most `size`, in order."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def describe_source_servers(
    sessions: Sessions, location: Location, source_server_ids: Sequence[str] | None = None
) -> tuple[SourceServer, ...]:
    """The source servers of those ids, or all; ids that do not exist are simply not in the answer.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    if source_server_ids is None:
        filters: list[dict[str, Any]] = [{}]
    else:
        filters = [{"filters": {"sourceServerIDs": batch}} for batch in batches(source_server_ids, IDS_A_FILTER)]
    servers: list[SourceServer] = []
    with aws_call("DescribeSourceServers", location.account_id, location.region):
        paginator = sessions.client("drs", **location._asdict()).get_paginator("describe_source_servers")
        for arguments in filters:
            for page in paginator.paginate(**arguments, PaginationConfig={"PageSize": SERVERS_A_PAGE}):
                servers.extend(_source_server(item) for item in page["items"])
    return tuple(servers)


def _source_server(item: Mapping[str, Any]) -> SourceServer:
    properties = item.get("sourceProperties", {})
    hints = properties.get("identificationHints", {})
    replication = item.get("dataReplicationInfo", {})
    tags = dict(item.get("tags", {}))
    launch = item.get("lifeCycle", {}).get("lastLaunch", {})
    last_launch = launch.get("initiated", {})
    origin = item.get("sourceCloudProperties", {})
    hostname = hints.get("hostname") or hints.get("fqdn") or ""
    return SourceServer(
        source_server_id=item["sourceServerID"],
        arn=item.get("arn", ""),
        name=tags.get("Name") or hostname or item["sourceServerID"],
        hostname=hostname,
        instance_id=hints.get("awsInstanceID"),
        tags=tags,
        replication_state=replication.get("dataReplicationState", "UNKNOWN"),
        lag=replication.get("lagDuration"),
        recovery_instance_id=item.get("recoveryInstanceId"),
        last_launch_job_id=last_launch.get("jobID"),
        last_launch_at=instant(last_launch["apiCallDateTime"]) if "apiCallDateTime" in last_launch else None,
        last_launch_status=launch.get("status", ""),
        staging_account_id=item.get("stagingArea", {}).get("stagingAccountID"),
        os=properties.get("os", {}).get("fullString", ""),
        disk_bytes=sum(disk.get("bytes", 0) for disk in properties.get("disks", [])),
        origin_account_id=origin.get("originAccountID"),
        origin_region=origin.get("originRegion"),
        last_launch_type=last_launch.get("type", ""),
        architecture=properties.get("architecture", ""),
        supports_nitro=properties.get("supportsNitroInstances"),
        recommended_instance_type=properties.get("recommendedInstanceType", ""),
        direction=item.get("replicationDirection", ""),
    )


def describe_jobs(sessions: Sessions, location: Location, *, since: datetime) -> tuple[Job, ...]:
    """All jobs created at or after `since`, whoever started them, in one paginated reading.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    with aws_call("DescribeJobs", location.account_id, location.region):
        paginator = sessions.client("drs", **location._asdict()).get_paginator("describe_jobs")
        pages = paginator.paginate(filters={"fromDate": drs_text(since)})
        return tuple(read_job(item, since) for page in pages for item in page["items"])


def read_job(item: Mapping[str, Any], since: datetime) -> Job:
    """A job; one without a creation time counts as created at `since`, the earliest possible."""
    _notice_unknown("job status", item.get("status", "none"), JOB_STATUSES, "the job counts as running until it ends")
    _notice_unknown("job type", item.get("type", "none"), JOB_TYPES, "the job is not taken for a launch")
    for server in item.get("participatingServers", []):
        known = LAUNCH_STATUSES if item.get("type") == "LAUNCH" else LAUNCH_STATUSES | {"none"}
        _notice_unknown("launch status", server.get("launchStatus", "none"), known, "the server is not launched")
    return Job(
        job_id=item["jobID"],
        type=item.get("type", ""),
        status=item.get("status", ""),
        initiated_by=item.get("initiatedBy", ""),
        started_at=instant(item["creationDateTime"]) if item.get("creationDateTime") else since,
        ended_at=instant(item["endDateTime"]) if item.get("endDateTime") else None,
        servers=tuple(
            ParticipatingServer(
                source_server_id=server.get("sourceServerID", ""),
                launch_status=server.get("launchStatus", "PENDING"),
                recovery_instance_id=server.get("recoveryInstanceID"),
            )
            for server in item.get("participatingServers", [])
        ),
        tags=dict(item.get("tags", {})),
    )


def _notice_unknown(kind: str, value: str, known: Collection[str], meaning: str) -> None:
    if value not in known:
        _warn_once(kind, value, meaning)


@cache
def _warn_once(kind: str, value: str, meaning: str) -> None:
    _logger.warning("DRS reports a %s that this release does not know, %s: %s", kind, value, meaning)


def describe_job_log(sessions: Sessions, location: Location, job_id: str) -> tuple[JobLogItem, ...]:
    """The steps of a job, in order.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    with aws_call("DescribeJobLogItems", location.account_id, location.region, job_id=job_id):
        paginator = sessions.client("drs", **location._asdict()).get_paginator("describe_job_log_items")
        return tuple(
            JobLogItem(
                at=instant(item["logDateTime"]) if item.get("logDateTime") else None,
                event=item.get("event", ""),
                source_server_id=item.get("eventData", {}).get("sourceServerID"),
                raw_error=item.get("eventData", {}).get("rawError"),
            )
            for page in paginator.paginate(jobID=job_id)
            for item in page["items"]
        )


def describe_recovery_instances(
    sessions: Sessions, location: Location, source_server_ids: Sequence[str] | None = None
) -> tuple[RecoveryInstance, ...]:
    """The recovery instances that exist now of those source servers, or of all.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    filters: list[dict[str, Any]] = [{}]
    if source_server_ids is not None:
        filters = [{"filters": {"sourceServerIDs": batch}} for batch in batches(source_server_ids, IDS_A_FILTER)]
    instances: list[RecoveryInstance] = []
    with aws_call("DescribeRecoveryInstances", location.account_id, location.region):
        paginator = sessions.client("drs", **location._asdict()).get_paginator("describe_recovery_instances")
        for arguments in filters:
            for page in paginator.paginate(**arguments):
                instances.extend(
                    RecoveryInstance(
                        recovery_instance_id=item["recoveryInstanceID"],
                        source_server_id=item.get("sourceServerID", ""),
                        job_id=item.get("jobID"),
                        state=item.get("ec2InstanceState", "PENDING"),
                        is_drill=bool(item.get("isDrill")),
                        point_in_time=instant(item["pointInTimeSnapshotDateTime"])
                        if item.get("pointInTimeSnapshotDateTime")
                        else None,
                        failback_state=item.get("failback", {}).get("state", ""),
                        ec2_instance_id=item.get("ec2InstanceID") or item["recoveryInstanceID"],
                        replication_state=item.get("dataReplicationInfo", {}).get("dataReplicationState", ""),
                        lag=item.get("dataReplicationInfo", {}).get("lagDuration"),
                        outside_aws=item.get("originEnvironment") == "ON_PREMISES",
                    )
                    for item in page["items"]
                )
    return tuple(instances)


def start_recovery(
    sessions: Sessions,
    location: Location,
    source_servers: Mapping[str, str | None],
    *,
    is_drill: bool,
    tags: Mapping[str, str],
) -> Job:
    """Start one launch job: one request, never sent again by botocore (`StartRecovery` has no idempotency token).

    Args:
        source_servers: source server id → snapshot id, None for the latest point in time.

    Raises:
        AwsError: refused, or no answer came; `aws.errors.is_ambiguous` says whether the job may exist.
    """
    with aws_call("StartRecovery", location.account_id, location.region):
        client = sessions.client("drs", **location._asdict(), retrying=False)
        servers: list[StartRecoveryRequestSourceServerTypeDef] = []
        for server, snapshot in source_servers.items():
            servers.append({"sourceServerID": server})
            if snapshot is not None:
                servers[-1]["recoverySnapshotID"] = snapshot
        answer = client.start_recovery(sourceServers=servers, isDrill=is_drill, tags=dict(tags))
        job = read_job(answer["job"], answered_at(answer))
    answered = {server.source_server_id: server for server in job.servers}
    servers_in_job = tuple(
        answered.get(server) or ParticipatingServer(server, "PENDING", None) for server in source_servers
    )
    return replace(job, tags={**job.tags, **tags}, servers=servers_in_job)  # the job has the servers of the request


def answered_at(answer: Mapping[str, Any]) -> datetime:
    """AWS's own time of an answer (its `Date` header); this machine's where there is none."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)


def terminate_recovery_instances(sessions: Sessions, location: Location, recovery_instance_ids: Sequence[str]) -> Job:
    """Start one job that terminates those recovery instances; one request, never sent again by botocore.

    Raises:
        AwsError: refused, or no answer came.
    """
    with aws_call("TerminateRecoveryInstances", location.account_id, location.region):
        client = sessions.client("drs", **location._asdict(), retrying=False)
        answer = client.terminate_recovery_instances(recoveryInstanceIDs=list(recovery_instance_ids))
        return read_job(answer["job"], answered_at(answer))
