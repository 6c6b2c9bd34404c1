"""Recovery instances: what DRS knows of the EC2 instances it launched."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moto.ec2.models import ec2_backends

from .core import Params, Wire
from .enrolment import EnrolmentBackend
from .exceptions import ConflictException
from .paging import page
from .replication import ReplicationState
from .times import dropping_none, wire_time

if TYPE_CHECKING:
    from .source_servers import SourceServer

EC2_STATES = {
    "pending": "PENDING",
    "running": "RUNNING",
    "stopping": "STOPPING",
    "stopped": "STOPPED",
    "shutting-down": "SHUTTING-DOWN",
    "terminated": "TERMINATED",
}
AGENT_VERSION = "6.1.0"


@dataclass(slots=True)
class Failback:
    """How far the way back has come (`RecoveryInstanceFailback`)."""

    state: str = "FAILBACK_NOT_STARTED"
    job_id: str | None = None
    initiated_at: datetime | None = None
    to_original: bool = True
    reversed_server: tuple[str, str, str] | None = None
    """Account, region and id of the source server of the way back."""


@dataclass(slots=True)
class RecoveryInstance:
    """One recovery instance."""

    instance_id: str
    arn: str
    job_id: str
    server_id: str
    is_drill: bool
    point_in_time: datetime
    launched_at: datetime
    origin_zone: str | None = None
    origin_aws: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    failback: Failback = field(default_factory=Failback)
    failback_settings: Wire = field(
        default_factory=lambda: {"bandwidthThrottling": 0, "usePrivateIP": False, "internetProtocol": "IPV4"}
    )
    disconnected: bool = False

    def wire(self, ec2_instance: Any, server: SourceServer | None, back: SourceServer | None, now: datetime) -> Wire:
        """`RecoveryInstance`; `back` is the source server of the way back."""
        state = EC2_STATES.get(ec2_instance.state, "NOT_FOUND") if ec2_instance is not None else "NOT_FOUND"
        return dropping_none(
            {
                "recoveryInstanceID": self.instance_id,
                "ec2InstanceID": self.instance_id,
                "ec2InstanceState": state,
                "arn": self.arn,
                "jobID": self.job_id,
                "sourceServerID": self.server_id,
                "isDrill": self.is_drill,
                "tags": self.tags,
                "pointInTimeSnapshotDateTime": wire_time(self.point_in_time),
                "originEnvironment": "AWS" if self.origin_aws else "ON_PREMISES",
                "originAvailabilityZone": self.origin_zone,
                "agentVersion": AGENT_VERSION,
                "failback": self._failback_wire(now),
                "dataReplicationInfo": self._replication_wire(server, back),
                "recoveryInstanceProperties": self._properties_wire(ec2_instance, server),
            }
        )

    def _failback_wire(self, now: datetime) -> Wire:
        return dropping_none(
            {
                "state": self.failback.state,
                "failbackJobID": self.failback.job_id,
                "failbackInitiationTime": (
                    wire_time(self.failback.initiated_at) if self.failback.initiated_at else None
                ),
                "agentLastSeenByServiceDateTime": None if self.disconnected else wire_time(now),
                "failbackToOriginalServer": self.failback.to_original,
                "failbackLaunchType": "DRILL" if self.is_drill else "RECOVERY",
            }
        )

    def _replication_wire(self, server: SourceServer | None, back: SourceServer | None) -> Wire:
        if self.disconnected:
            disks = server.disks if server else []
            return {
                "dataReplicationState": "DISCONNECTED",
                "replicatedDisks": [{"deviceName": disk["deviceName"], "totalStorageBytes": 0} for disk in disks],
            }
        if self.failback.reversed_server is None:
            return {"dataReplicationState": "NOT_STARTED"}
        state = back.replication.state.value if back is not None else "REPLICATION_STATE_NOT_AVAILABLE"
        return {"dataReplicationState": state}

    def _properties_wire(self, ec2_instance: Any, server: SourceServer | None) -> Wire:
        if server is None:
            return {"lastUpdatedDateTime": wire_time(self.launched_at)}
        address = ec2_instance.private_ip if ec2_instance is not None and ec2_instance.nics else None
        return {
            "lastUpdatedDateTime": wire_time(self.launched_at),
            "identificationHints": {"hostname": server.hostname, "awsInstanceID": self.instance_id},
            "networkInterfaces": [{"ips": [address], "isPrimary": True}] if address else [],
            "disks": [{"internalDeviceName": disk["deviceName"], "bytes": disk["bytes"]} for disk in server.disks],
            "cpus": [{"cores": server.cpus}],
            "ramBytes": server.ram_bytes,
            "os": {"fullString": server.operating_system},
        }


class RecoveryInstancesBackend(EnrolmentBackend):
    """The operations on recovery instances but failback."""

    def ec2_instance(self, instance_id: str) -> Any | None:
        """The EC2 instance of an id, or None where it is gone."""
        cache: dict[str, Any] = self.__dict__.setdefault("_ec2_instances", {})
        if instance_id not in cache:
            for reservation in ec2_backends[self.account_id][self.region_name].reservations.values():
                for instance in reservation.instances:
                    cache.setdefault(instance.id, instance)
        return cache.get(instance_id)

    def remember_ec2_instance(self, instance: Any) -> None:
        """Keep an EC2 instance at hand: moto's own look-up walks through all."""
        self.__dict__.setdefault("_ec2_instances", {})[instance.id] = instance

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_ec2_instances"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def describe_recovery_instances(self, params: Params) -> Wire:
        """DescribeRecoveryInstances: by id, by source server; a page at a time."""
        filters = params.get("filters") or {}
        wanted = filters.get("recoveryInstanceIDs")
        if wanted:
            known = self.recovery_instances
            found = [known[i] for i in dict.fromkeys(wanted) if i in known]
        else:
            found = list(self.recovery_instances.values())
        if servers := filters.get("sourceServerIDs"):
            ids = set(servers)
            found = [instance for instance in found if instance.server_id in ids]
        items, more = page("DescribeRecoveryInstances", params, found)
        return {"items": [self.wire_instance(item) for item in items], **more}

    def wire_instance(self, instance: RecoveryInstance) -> Wire:
        """`RecoveryInstance`, with what EC2 knows now."""
        back = self.server_of_the_way_back(instance)
        server = self.servers.get(instance.server_id)
        return instance.wire(self.ec2_instance(instance.instance_id), server, back, self.now())

    def server_of_the_way_back(self, instance: RecoveryInstance) -> SourceServer | None:
        """The source server that replicates a recovery instance back; failback that is continuous is ready."""
        where = instance.failback.reversed_server
        if where is None:
            return None
        account_id, region, server_id = where
        back: SourceServer | None = self.sibling(account_id, region).servers.get(server_id)
        if (
            back is not None
            and instance.failback.state == "FAILBACK_IN_PROGRESS"
            and back.replication.state is ReplicationState.CONTINUOUS
        ):
            instance.failback.state = "FAILBACK_READY_FOR_LAUNCH"
        return back

    def delete_recovery_instance(self, params: Params) -> Wire:
        """DeleteRecoveryInstance: DRS forgets it, EC2 keeps it. The model: it must be disconnected first."""
        instance = self.recovery_instances.get(params["recoveryInstanceID"])
        if instance is None or not instance.disconnected:
            raise ConflictException(
                f"Recovery instance {params['recoveryInstanceID']} must be there, and be disconnected first.",
                resource_id=params["recoveryInstanceID"],
                kind="RecoveryInstance",
            )
        self.refuse_busy_instance(instance)
        self.forget_instance(instance.instance_id, terminate=False)
        return {}

    def disconnect_recovery_instance(self, params: Params) -> Wire:
        """DisconnectRecoveryInstance: ends its replication for good."""
        instance = self.recovery_instance(params["recoveryInstanceID"])
        self.refuse_busy_instance(instance)
        if instance.disconnected:
            raise ConflictException(
                f"Recovery instance {instance.instance_id} is disconnected already.",
                resource_id=instance.instance_id,
                kind="RecoveryInstance",
            )
        instance.disconnected = True
        return {}

    def refuse_busy_instance(self, instance: RecoveryInstance) -> None:
        """Refuse what an active job works on.

        Raises:
            ConflictException: its source server takes part in an active job.
        """
        job_id = self.busy_servers.get(instance.server_id)
        if job_id is not None:
            raise ConflictException(
                f"Recovery instance {instance.instance_id} takes part in the active job {job_id}.",
                resource_id=instance.instance_id,
                kind="RecoveryInstance",
            )

    def forget_instance(self, instance_id: str, *, terminate: bool) -> None:
        """Take a recovery instance out of DRS, and with `terminate` its EC2 instance with it."""
        instance = self.recovery_instances.pop(instance_id, None)
        if terminate:
            ec2_instance = self.ec2_instance(instance_id)
            if ec2_instance is not None and ec2_instance.state != "terminated":
                ec2_instance.terminate()
        if instance is None:
            return
        server = self.servers.get(instance.server_id)
        if server is not None and server.recovery_instance_id == instance_id:
            left = [i.instance_id for i in self.recovery_instances.values() if i.server_id == server.server_id]
            server.recovery_instance_id = left[-1] if left else None
