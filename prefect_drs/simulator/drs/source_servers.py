"""Source servers: what is replicated, its properties, its life cycle, and the operations on them.

In: the operations on source servers. Out: `SourceServer` as the model has it, and its points in time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .core import Params, Wire
from .durations import initial_sync, replication_step
from .event_bus import STALLED_CHANGE
from .exceptions import ConflictException, ValidationException
from .identifiers import generator
from .launch_configurations import LaunchConfiguration, LaunchConfigurationsBackend
from .paging import page
from .replication import INITIATION_STEPS, Replication, ReplicationState, ebs_snapshots
from .sizing import recommended_instance_type
from .times import dropping_none, parse_time, wire_duration, wire_time

QUOTA_SOURCE_SERVERS = 4000
"""Source servers an account and region (AWS DRS quotas, adjustable)."""
QUOTA_REPLICATING = 300
"""Replicating source servers an account and region (AWS DRS quotas, fixed)."""
AGENT_VERSION = "6.1.0"


@dataclass(slots=True)
class LastLaunch:
    """`lifeCycle.lastLaunch`."""

    at: datetime
    job_id: str
    drill: bool
    status: str = "PENDING"

    def wire(self) -> Wire:
        """`LifeCycleLastLaunch`."""
        return {
            "initiated": {
                "apiCallDateTime": wire_time(self.at),
                "jobID": self.job_id,
                "type": "DRILL" if self.drill else "RECOVERY",
            },
            "status": self.status,
        }


@dataclass(slots=True)
class SourceServer:
    """One source server."""

    server_id: str
    arn: str
    hostname: str
    operating_system: str
    disks: list[dict[str, Any]]
    ram_bytes: int
    cpus: int
    replication: Replication
    launch: LaunchConfiguration
    added_at: datetime
    tags: dict[str, str] = field(default_factory=dict)
    ec2_instance_id: str | None = None
    source_region: str | None = None
    source_account: str | None = None
    source_zone: str | None = None
    private_ips: list[str] = field(default_factory=list)
    staging_zone: str = ""
    staging_area: Wire = field(default_factory=dict)
    replication_settings: Wire = field(default_factory=dict)
    recovery_instance_id: str | None = None
    last_launch: LastLaunch | None = None
    last_launch_result: str = "NOT_STARTED"
    direction: str = "FAILOVER"
    reversed_arn: str | None = None
    network_id: str | None = None
    launches: int = 0
    source_instance_type: str | None = None
    launch_seconds: float | None = None
    architecture: str = "x86_64"
    boot_mode: str | None = None
    supports_nitro: bool = True
    _properties: Wire | None = None

    @property
    def windows(self) -> bool:
        """Whether it runs Windows."""
        return "windows" in self.operating_system.lower()

    @property
    def extended(self) -> bool:
        """Whether a staging account replicates it."""
        return self.staging_area.get("status") == "EXTENDED"

    @property
    def disk_bytes(self) -> int:
        """Bytes of all disks."""
        return sum(disk["bytes"] for disk in self.disks)

    @property
    def names(self) -> tuple[str, ...]:
        """What a fault may call it by."""
        return (self.server_id, self.hostname, self.tags.get("Name", self.hostname))

    def replication_configuration(self) -> Wire:
        """`ReplicationConfiguration`."""
        disks = [
            {"deviceName": disk["deviceName"], "isBootDisk": number == 0, "stagingDiskType": "AUTO", "iops": 0}
            for number, disk in enumerate(self.disks)
        ]
        return {
            "sourceServerID": self.server_id,
            "name": self.launch.name,
            "replicatedDisks": disks,
            **self.replication_settings,
        }

    def _source_properties(self) -> Wire:
        if self._properties is None:
            self._properties = {
                "lastUpdatedDateTime": wire_time(self.added_at),
                "recommendedInstanceType": recommended_instance_type(self.cpus, self.ram_bytes),
                "identificationHints": dropping_none(
                    {
                        "fqdn": self.hostname,
                        "hostname": self.hostname.split(".")[0],
                        "awsInstanceID": self.ec2_instance_id,
                    }
                ),
                "networkInterfaces": [
                    {"macAddress": _mac_address(self.server_id), "ips": list(self.private_ips), "isPrimary": True}
                ],
                "disks": [dict(disk) for disk in self.disks],
                "cpus": [{"cores": self.cpus, "modelName": "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz"}],
                "ramBytes": self.ram_bytes,
                "os": {"fullString": self.operating_system},
                "supportsNitroInstances": self.supports_nitro,
                "architecture": self.architecture,
            }
        return self._properties

    def wire(self, now: datetime) -> Wire:
        """`SourceServer`."""
        cloud = None
        if self.source_account:
            cloud = dropping_none(
                {
                    "originAccountID": self.source_account,
                    "originRegion": self.source_region,
                    "originAvailabilityZone": self.source_zone,
                }
            )
        first_byte = self.replication.spans[0][0] if self.replication.spans else None
        seen = self.replication.since if self.replication.state is ReplicationState.DISCONNECTED else now
        return dropping_none(
            {
                "sourceServerID": self.server_id,
                "arn": self.arn,
                "tags": self.tags,
                "recoveryInstanceId": self.recovery_instance_id,
                "lastLaunchResult": self.last_launch_result,
                "dataReplicationInfo": self.replication.wire(self.disks, self.staging_zone, now),
                "lifeCycle": dropping_none(
                    {
                        "addedToServiceDateTime": wire_time(self.added_at),
                        "firstByteDateTime": wire_time(first_byte) if first_byte else None,
                        "elapsedReplicationDuration": wire_duration(now - first_byte) if first_byte else None,
                        "lastSeenByServiceDateTime": wire_time(seen),
                        "lastLaunch": self.last_launch.wire() if self.last_launch else None,
                    }
                ),
                "sourceProperties": self._source_properties(),
                "stagingArea": self.staging_area,
                "sourceCloudProperties": cloud,
                "replicationDirection": self.direction,
                "reversedDirectionSourceServerArn": self.reversed_arn,
                "sourceNetworkID": self.network_id,
                "agentVersion": AGENT_VERSION,
            }
        )


def _mac_address(server_id: str) -> str:
    rng = generator("mac", server_id)
    return ":".join(["02", *(f"{rng.randrange(256):02x}" for _ in range(5))])


class SourceServersBackend(LaunchConfigurationsBackend):
    """The operations on source servers and their replication."""

    def describe_source_servers(self, params: Params) -> Wire:
        """DescribeSourceServers: by id, by hardware id, by staging account; a page at a time."""
        filters = params.get("filters") or {}
        wanted = filters.get("sourceServerIDs")
        if wanted:
            found = [self.servers[i] for i in dict.fromkeys(wanted) if i in self.servers]
        else:
            found = list(self.servers.values())
        if hardware := filters.get("hardwareId"):
            found = [s for s in found if hardware in (s.ec2_instance_id, s.hostname)]
        if accounts := filters.get("stagingAccountIDs"):
            found = [s for s in found if s.staging_area["stagingAccountID"] in accounts]
        now = self.now()
        items, more = page("DescribeSourceServers", params, found)
        return {"items": [item.wire(now) for item in items], **more}

    def delete_source_server(self, params: Params) -> Wire:
        """DeleteSourceServer: only one that has been disconnected."""
        server = self.server(params["sourceServerID"])
        self._refuse_busy(server)
        if server.replication.state is not ReplicationState.DISCONNECTED:
            raise ConflictException(
                f"Source server {server.server_id} is replicating: disconnect it before it is deleted.",
                resource_id=server.server_id,
                kind="SourceServer",
            )
        del self.servers[server.server_id]
        return {}

    def disconnect_source_server(self, params: Params) -> Wire:
        """DisconnectSourceServer: ends replication for good; its points in time go.

        The model: a source server that has a recovery instance cannot be disconnected.
        """
        server = self.server(params["sourceServerID"])
        self._refuse_busy(server)
        if server.recovery_instance_id:
            raise ConflictException(
                f"Source server {server.server_id} has the recovery instance {server.recovery_instance_id}.",
                resource_id=server.server_id,
                kind="SourceServer",
            )
        server.replication.move(ReplicationState.DISCONNECTED, self.now())
        server.replication.generation += 1
        server.replication.spans = []
        return server.wire(self.now())

    def start_replication(self, params: Params) -> Wire:
        """StartReplication of a server that was stopped."""
        server = self.server(params["sourceServerID"])
        self._refuse_busy(server)
        if server.replication.state not in {ReplicationState.STOPPED, ReplicationState.DISCONNECTED}:
            raise ConflictException(
                f"Source server {server.server_id} is replicating already ({server.replication.state}).",
                resource_id=server.server_id,
                kind="SourceServer",
            )
        self.initiate_replication(server)
        return {"sourceServer": server.wire(self.now())}

    def stop_replication(self, params: Params) -> Wire:
        """StopReplication: the points in time go with the staging disks."""
        server = self.server(params["sourceServerID"])
        self._refuse_busy(server)
        if server.replication.state in {ReplicationState.STOPPED, ReplicationState.DISCONNECTED}:
            raise ConflictException(
                f"Source server {server.server_id} is not replicating ({server.replication.state}).",
                resource_id=server.server_id,
                kind="SourceServer",
            )
        server.replication.move(ReplicationState.STOPPED, self.now())
        server.replication.generation += 1
        server.replication.spans = []
        return {"sourceServer": server.wire(self.now())}

    def retry_data_replication(self, params: Params) -> Wire:
        """RetryDataReplication: only of a server that is stalled, disconnected or stopped."""
        server = self.server(params["sourceServerID"])
        state = server.replication.state
        if state is ReplicationState.STALLED:
            self.resume_replication(server)
        elif state in {ReplicationState.DISCONNECTED, ReplicationState.STOPPED}:
            self.initiate_replication(server)
        else:
            raise ValidationException(f"Source server {server.server_id} is {state}: there is nothing to retry.")
        return server.wire(self.now())

    def describe_recovery_snapshots(self, params: Params) -> Wire:
        """DescribeRecoverySnapshots of one server: between two times, oldest or newest first."""
        server = self.servers.get(params["sourceServerID"])
        filters = params.get("filters") or {}
        points = self.points_in_time(server) if server else []
        if since := filters.get("fromDateTime"):
            points = [point for point in points if point.at >= parse_time(since)]
        if until := filters.get("toDateTime"):
            points = [point for point in points if point.at <= parse_time(until)]
        if params.get("order") == "DESC":
            points.reverse()
        items, more = page("DescribeRecoverySnapshots", params, points)
        return {
            "items": [
                {
                    "snapshotID": point.snapshot_id,
                    "sourceServerID": params["sourceServerID"],
                    "expectedTimestamp": wire_time(point.at),
                    "timestamp": wire_time(point.at),
                    "ebsSnapshots": ebs_snapshots(
                        params["sourceServerID"], self.runtime.seed, point.at, len(server.disks) if server else 0
                    ),
                }
                for point in items
            ],
            **more,
        }

    def points_in_time(self, server: SourceServer) -> list[Any]:
        """The points in time of a server now, oldest first."""
        policy = tuple(server.replication_settings.get("pitPolicy") or ())
        return server.replication.points_in_time(server.server_id, self.runtime.seed, self.now(), policy)

    def _refuse_busy(self, server: SourceServer) -> None:
        job_id = self.busy_servers.get(server.server_id)
        if job_id:
            raise ConflictException(
                f"Source server {server.server_id} takes part in the active job {job_id}.",
                resource_id=server.server_id,
                kind="SourceServer",
            )

    # The state machine of replication

    def initiate_replication(self, server: SourceServer) -> None:
        """Begin with INITIATING; the steps follow in their time."""
        now = self.now()
        server.replication.generation += 1
        server.replication.move(ReplicationState.INITIATING, now)
        server.replication.started_at = now
        server.replication.step = 0
        self._next_step(now, server)

    def stall_replication(self, server: SourceServer, error: str = "AGENT_NOT_SEEN") -> None:
        """Let replication stall from now on: the lag grows."""
        self.advance()
        server.replication.generation += 1
        server.replication.move(ReplicationState.STALLED, self.now(), error=error)
        self.tell(STALLED_CHANGE, server.arn, state="STALLED")

    def resume_replication(self, server: SourceServer) -> None:
        """Let a stalled server rescan and catch up."""
        self.advance()
        now = self.now()
        server.replication.generation += 1
        server.replication.move(ReplicationState.RESCAN, now)
        self.tell(STALLED_CHANGE, server.arn, state="NOT_STALLED")
        rng = generator(self.runtime.seed, "rescan", server.server_id, server.replication.generation)
        seconds = initial_sync(rng, server.disk_bytes) / 10
        self.schedule(
            now + timedelta(seconds=seconds), "replication_continuous", server.server_id, server.replication.generation
        )

    def _next_step(self, at: datetime, server: SourceServer) -> None:
        rng = generator(
            self.runtime.seed, "step", server.server_id, server.replication.generation, server.replication.step
        )
        self.schedule(
            at + timedelta(seconds=replication_step(rng)),
            "replication_step",
            server.server_id,
            server.replication.generation,
        )

    def _living(self, server_id: str, generation: int) -> SourceServer | None:
        server = self.servers.get(server_id)
        return server if server and server.replication.generation == generation else None

    def on_replication_step(self, at: datetime, server_id: str, generation: int) -> None:
        """One initiation step is done; after the last, the first copy begins."""
        server = self._living(server_id, generation)
        if server is None:
            return
        server.replication.step += 1
        if server.replication.step < len(INITIATION_STEPS):
            self._next_step(at, server)
            return
        rng = generator(self.runtime.seed, "sync", server_id, generation)
        server.replication.move(ReplicationState.INITIAL_SYNC, at)
        server.replication.synced_at = at + timedelta(seconds=initial_sync(rng, server.disk_bytes))
        self.schedule(server.replication.synced_at, "replication_synced", server_id, generation)

    def on_replication_synced(self, at: datetime, server_id: str, generation: int) -> None:
        """The first copy is done; its snapshot is taken."""
        server = self._living(server_id, generation)
        if server:
            server.replication.move(ReplicationState.CREATING_SNAPSHOT, at)
            self.schedule(at + timedelta(seconds=60), "replication_continuous", server_id, generation)

    def on_replication_continuous(self, at: datetime, server_id: str, generation: int) -> None:
        """Replication is continuous: the server is ready for recovery."""
        server = self._living(server_id, generation)
        if server:
            server.replication.move(ReplicationState.CONTINUOUS, at)
