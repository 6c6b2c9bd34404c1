"""Source servers: their properties, their life cycle, and the operations on them.

In: DescribeSourceServers and DeleteSourceServer. Out: `SourceServer` as the model has it. The operations on its
replication are in `data_replication`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .exceptions import ConflictException
from .identifiers import generator
from .launch_configurations import LaunchConfiguration
from .paging import answer_page
from .replication import PointInTime, Replication, ReplicationState
from .scope import Scope
from .sizing import recommended_instance_type
from .store import BusyServers, Store
from .wire import Params, Wire, dropping_none, wire_duration, wire_time

QUOTA_SOURCE_SERVERS = 4000
"""Source servers an account and region (AWS DRS quotas, adjustable)."""
QUOTA_REPLICATING = 300
"""Replicating source servers an account and region (AWS DRS quotas, fixed)."""
AGENT_VERSION = "6.1.0"
CPU_MODEL = "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz"


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
        """The names by which a fault can select it."""
        return (self.server_id, self.hostname, self.tags.get("Name", self.hostname))

    def points_in_time(self, seed: int, now: datetime) -> list[PointInTime]:
        """Its points in time at `now`, oldest first."""
        policy = tuple(self.replication_settings.get("pitPolicy") or ())
        return self.replication.points_in_time(self.server_id, seed, now, policy)

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

    def machine_is(self, ec2_instance_id: str) -> None:
        """From now on it replicates another EC2 instance."""
        self.ec2_instance_id = ec2_instance_id
        self._properties = None

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
                "cpus": [{"cores": self.cpus, "modelName": CPU_MODEL}],
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


@dataclass(slots=True)
class SourceServers:
    """The operations on source servers themselves."""

    _scope: Scope
    _servers: Store[SourceServer]
    _busy: BusyServers

    def describe_source_servers(self, params: Params) -> Wire:
        """DescribeSourceServers: by id, by hardware id, by staging account; one page."""
        filters = params.get("filters") or {}
        wanted = filters.get("sourceServerIDs")
        if wanted:
            found = [self._servers[i] for i in dict.fromkeys(wanted) if i in self._servers]
        else:
            found = list(self._servers.values())
        if hardware := filters.get("hardwareId"):
            found = [s for s in found if hardware in (s.ec2_instance_id, s.hostname)]
        if accounts := filters.get("stagingAccountIDs"):
            found = [s for s in found if s.staging_area["stagingAccountID"] in accounts]
        now = self._scope.now()
        return answer_page("DescribeSourceServers", params, found, lambda server: server.wire(now))

    def delete_source_server(self, params: Params) -> Wire:
        """DeleteSourceServer: only one that has been disconnected."""
        server = self._servers.one(params["sourceServerID"])
        self._busy.refuse(server.server_id)
        if server.replication.state is not ReplicationState.DISCONNECTED:
            raise ConflictException(
                f"Source server {server.server_id} is replicating: disconnect it before it is deleted.",
                "SourceServer",
                server.server_id,
            )
        del self._servers[server.server_id]
        return {}
