"""What DRS itself keeps in EC2: replication servers, conversion servers, and the EBS snapshots of points in time.

In: the source servers and the jobs of an account and region. Out: the instances and snapshots in moto's EC2 that DRS
tells of at this moment. They are made when EC2 is asked, not when they begin to exist, so that an estate of thousands
of servers costs nothing until somebody looks. Those that DRS no longer tells of are terminated or deleted.

One replication server serves 15 disks (DRS user guide, "Replication server settings"). A server has one from the end
of LAUNCH_REPLICATION_SERVER on, while it replicates. A conversion server is there from CONVERSION_START to
CONVERSION_END or CONVERSION_FAIL (job log). The volume of a snapshot is `vol-ffffffff`, EC2's name of a volume that is
not the account's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_block_store import Snapshot, Volume

from .instances import GIB, run_instance, seeded_ec2, stamp
from .jobs import Job, JobStatus
from .replication import INITIATION_STEPS, REPLICATING, ReplicationState, ebs_snapshots
from .scope import Scope
from .source_servers import SourceServer
from .store import BusyServers, Store

DISKS_A_REPLICATION_SERVER = 15
REPLICATION_SERVER = "AWS Elastic Disaster Recovery Replication Server"
CONVERSION_SERVER = "AWS Elastic Disaster Recovery Conversion Server"
CONVERSION_TYPE = "m5.large"
MANAGED = {"AWSElasticDisasterRecoveryManaged": "drs.amazonaws.com"}
_LAUNCHED_AFTER = INITIATION_STEPS.index("LAUNCH_REPLICATION_SERVER")
_OVER = frozenset({"CONVERSION_END", "CONVERSION_FAIL"})


@dataclass(slots=True)
class ServiceResources:
    """The resources of DRS in EC2.

    Attributes:
        shown: the instances that exist in EC2, by id.
        ended: the ids of those that were terminated.
        snapshots: the ids of the snapshots that exist in EC2.
    """

    _scope: Scope
    _servers: Store[SourceServer]
    _jobs: Store[Job]
    _busy: BusyServers
    shown: dict[str, Any] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    snapshots: set[str] = field(default_factory=set)

    def show_instances(self) -> None:
        """Bring the replication and conversion servers in EC2 up to the present."""
        if not self._servers and not self.shown:
            return
        wanted = {**dict(self._replication_servers()), **dict(self._conversion_servers())}
        for instance_id in [known for known in self.shown if known not in wanted]:
            instance = self.shown.pop(instance_id)
            if instance.state != "terminated":
                instance.terminate()
            self.ended.add(instance_id)
        ec2 = ec2_backends[self._scope.account_id][self._scope.region]
        for instance_id, (name, instance_type, subnet_id) in wanted.items():
            if instance_id not in self.shown:
                self._run(ec2, instance_id, name, instance_type, subnet_id)

    def _run(self, ec2: Any, instance_id: str, name: str, instance_type: str, subnet_id: str | None) -> None:
        """Run one; a staging subnet that is gone or full has none, as on AWS."""
        where: dict[str, Any] = {"subnet_id": subnet_id} if subnet_id else {}
        try:
            with seeded_ec2(self._scope.seed, "service-instance", instance_id):
                instance = run_instance(
                    ec2, groups=[], disks=[], tags={}, instance_type=instance_type, region_name=self._scope.region,
                    **where,
                )  # fmt: skip
        except (ServiceException, StopIteration):
            return
        if instance_id in self.ended:  # EC2 forgets a terminated instance after a while
            for key, reservation in list(ec2.reservations.items()):
                if any(former.id == instance_id for former in reservation.instances):
                    del ec2.reservations[key]
        instance.id = instance_id
        stamp(ec2, instance, self._scope.now())
        instance.add_tags({**MANAGED, "Name": name})
        self.shown[instance_id] = instance

    def _replication_servers(self) -> Iterator[tuple[str, tuple[str, str, str | None]]]:
        """Ids with name, type and subnet; the servers of one subnet and type share them."""
        disks: dict[tuple[str, str | None], int] = {}
        for server in self._servers.values():
            replication = server.replication
            launching = replication.state is ReplicationState.INITIATING and replication.step <= _LAUNCHED_AFTER
            if server.extended or replication.state not in REPLICATING or launching:
                continue
            settings = server.replication_settings
            home = (str(settings.get("replicationServerInstanceType")), settings.get("stagingAreaSubnetId"))
            disks[home] = disks.get(home, 0) + len(server.disks)
        for (instance_type, subnet_id), count in disks.items():
            for number in range(-(-count // DISKS_A_REPLICATION_SERVER)):
                made_for = ("replication-server", instance_type, subnet_id, number)
                yield self._scope.identifier("i-", *made_for), (REPLICATION_SERVER, instance_type, subnet_id)

    def _conversion_servers(self) -> Iterator[tuple[str, tuple[str, str, str | None]]]:
        for job_id in set(self._busy.values()):
            job = self._jobs.get(job_id)
            if job is None or job.status is not JobStatus.STARTED:
                continue
            converting: dict[str, str] = {}
            for item in job.log:
                if item.event == "CONVERSION_START":
                    converting[item.data["sourceServerID"]] = item.data["conversionServerID"]
                elif item.event in _OVER:
                    converting.pop(item.data["sourceServerID"], None)
            for server_id, instance_id in converting.items():
                server = self._servers.get(server_id)
                if server is not None:
                    subnet = server.replication_settings.get("stagingAreaSubnetId")
                    yield instance_id, (CONVERSION_SERVER, CONVERSION_TYPE, subnet)

    def show_snapshots(self) -> None:
        """Bring the EBS snapshots of the points in time up to the present."""
        ec2 = ec2_backends[self._scope.account_id][self._scope.region]
        now, seed = self._scope.now(), self._scope.seed
        wanted: dict[str, tuple[SourceServer, int, Any]] = {}
        for server in self._servers.values():
            for point in server.points_in_time(seed, now):
                for number, name in enumerate(ebs_snapshots(server.server_id, seed, point.at, len(server.disks))):
                    wanted[name] = (server, number, point.at)
        for gone in self.snapshots - set(wanted):
            ec2.snapshots.pop(gone, None)
        for name, (server, number, at) in wanted.items():
            if name not in self.snapshots:
                ec2.snapshots[name] = self._snapshot(ec2, name, server, number, at)
        self.snapshots = set(wanted)

    def _snapshot(self, ec2: Any, name: str, server: SourceServer, number: int, at: Any) -> Any:
        make_volume: Any = Volume  # abstract to a type checker only
        make_snapshot: Any = Snapshot
        size = max(1, -(-server.disks[number]["bytes"] // GIB))
        zone = ec2.get_zone_by_name(server.staging_zone)
        volume = make_volume(ec2, volume_id="vol-ffffffff", size=size, zone=zone)
        made = make_snapshot(ec2, name, volume, f"Created by AWS Elastic Disaster Recovery for {server.server_id}")
        made.start_time = at
        made.add_tags({**MANAGED, "AWSElasticDisasterRecoverySourceServerID": server.server_id})
        return made
