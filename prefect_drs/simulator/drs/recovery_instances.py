"""Recovery instances: the EC2 instances that DRS launched."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.ec2.models import ec2_backends

from .event_bus import FAILBACK_CHANGE
from .exceptions import ConflictException
from .paging import answer_page
from .replication import ReplicationState
from .scope import Scope
from .siblings import Siblings
from .source_servers import AGENT_VERSION, CPU_MODEL, SourceServer
from .store import BusyServers, Store
from .wire import Params, Wire, dropping_none, wire_time

EC2_STATES = frozenset({"pending", "running", "stopping", "stopped", "shutting-down", "terminated"})


@dataclass(slots=True)
class Failback:
    """The failback state (`RecoveryInstanceFailback`)."""

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
        """`RecoveryInstance`; `back` is the reverse source server."""
        ec2_state = ec2_instance.state if ec2_instance is not None else ""
        state = ec2_state.upper() if ec2_state in EC2_STATES else "NOT_FOUND"
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
        nic = ec2_instance.nics[0] if ec2_instance is not None and ec2_instance.nics else None
        attached = list(ec2_instance.block_device_mapping.values()) if ec2_instance is not None else []
        volumes = [mapping.volume_id for mapping in attached[: len(server.disks)]]
        volumes += [None] * (len(server.disks) - len(volumes))
        return {
            "lastUpdatedDateTime": wire_time(self.launched_at),
            "identificationHints": {"hostname": server.hostname, "awsInstanceID": self.instance_id},
            "networkInterfaces": (
                [{"macAddress": nic.mac_address, "ips": [nic.private_ip_address], "isPrimary": True}] if nic else []
            ),
            "disks": [
                dropping_none({"internalDeviceName": disk["deviceName"], "bytes": disk["bytes"], "ebsVolumeID": volume})
                for disk, volume in zip(server.disks, volumes, strict=True)
            ],
            "cpus": [{"cores": server.cpus, "modelName": CPU_MODEL}],
            "ramBytes": server.ram_bytes,
            "os": {"fullString": server.operating_system},
        }


@dataclass(slots=True)
class RecoveryInstances:
    """The operations on recovery instances; those of failback are in `failback`."""

    _scope: Scope
    _instances: Store[RecoveryInstance]
    _servers: Store[SourceServer]
    _busy: BusyServers
    _siblings: Siblings
    _ec2_instances: dict[str, Any] = field(default_factory=dict, init=False)

    def _ec2_instance(self, instance_id: str) -> Any | None:
        """The EC2 instance of an id, or None where it is gone; kept, since moto's own look-up walks through all."""
        known = self._ec2_instances
        if instance_id not in known:
            for reservation in ec2_backends[self._scope.account_id][self._scope.region].reservations.values():
                for instance in reservation.instances:
                    known.setdefault(instance.id, instance)
        return known.get(instance_id)

    def add(self, instance: RecoveryInstance, ec2_instance: Any) -> None:
        """Store a new recovery instance as the latest of its source server."""
        self._ec2_instances[instance.instance_id] = ec2_instance
        self._instances[instance.instance_id] = instance
        server = self._servers.get(instance.server_id)
        if server is not None:
            server.recovery_instance_id = instance.instance_id

    def former(self, server: SourceServer) -> RecoveryInstance | None:
        """The recovery instance that a recovery of the server replaces; never a drill instance."""
        former = self._instances.get(server.recovery_instance_id or "")
        return former if former is not None and not former.is_drill else None

    def describe_recovery_instances(self, params: Params) -> Wire:
        """DescribeRecoveryInstances: by id, by source server; one page."""
        filters = params.get("filters") or {}
        wanted = filters.get("recoveryInstanceIDs")
        if wanted:
            found = [self._instances[i] for i in dict.fromkeys(wanted) if i in self._instances]
        else:
            found = list(self._instances.values())
        if servers := filters.get("sourceServerIDs"):
            ids = set(servers)
            found = [instance for instance in found if instance.server_id in ids]
        return answer_page("DescribeRecoveryInstances", params, found, self._wire)

    def _wire(self, instance: RecoveryInstance) -> Wire:
        back = self.way_back(instance)
        server = self._servers.get(instance.server_id)
        return instance.wire(self._ec2_instance(instance.instance_id), server, back, self._scope.now())

    def way_back(self, instance: RecoveryInstance) -> SourceServer | None:
        """The reverse source server of a recovery instance; failback is ready once it is continuous."""
        where = instance.failback.reversed_server
        if where is None:
            return None
        account_id, region, server_id = where
        back = self._siblings(account_id, region).servers.get(server_id)
        if (
            back is not None
            and instance.failback.state == "FAILBACK_IN_PROGRESS"
            and back.replication.state is ReplicationState.CONTINUOUS
        ):
            self.fail_back(instance, "FAILBACK_READY_FOR_LAUNCH")
        return back

    def fail_back(self, instance: RecoveryInstance, state: str) -> None:
        """Set the failback state of a recovery instance; EventBridge is told of a change."""
        if instance.failback.state != state:
            instance.failback.state = state
            self._scope.emit(FAILBACK_CHANGE, instance.arn, state=state)

    def delete_recovery_instance(self, params: Params) -> Wire:
        """DeleteRecoveryInstance: removes it from DRS, not from EC2. It must be disconnected (botocore model)."""
        instance_id = params["recoveryInstanceID"]
        instance = self._instances.get(instance_id)
        if instance is None or not instance.disconnected:
            raise ConflictException(
                f"Recovery instance {instance_id} does not exist or is not disconnected: disconnect it first.",
                "RecoveryInstance",
                instance_id,
            )
        self._busy.refuse(instance.server_id, instance_id)
        self.forget(instance_id, terminate=False)
        return {}

    def protected(self, instance_id: str) -> bool:
        """Whether EC2's termination protection (`DisableApiTermination`) keeps the instance from being terminated."""
        ec2_instance = self._ec2_instance(instance_id)
        return ec2_instance is not None and bool(ec2_instance.disable_api_termination)

    def forget(self, instance_id: str, *, terminate: bool) -> None:
        """Remove a recovery instance from DRS; with `terminate`, also terminate its EC2 instance."""
        instance = self._instances.pop(instance_id, None)
        if terminate:
            ec2_instance = self._ec2_instance(instance_id)
            if ec2_instance is not None and ec2_instance.state != "terminated":
                ec2_instance.terminate()
        if instance is None:
            return
        server = self._servers.get(instance.server_id)
        if server is not None and server.recovery_instance_id == instance_id:
            left = [i.instance_id for i in self._instances.values() if i.server_id == server.server_id]
            server.recovery_instance_id = left[-1] if left else None
