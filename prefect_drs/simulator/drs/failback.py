"""The way back: reverse replication, failback launches, and their end.

    FAILBACK_NOT_STARTED -> FAILBACK_IN_PROGRESS        (ReverseReplication, or a failback client on premises)
                         -> FAILBACK_READY_FOR_LAUNCH   (the way back replicates continuously)
                         -> FAILBACK_COMPLETED          (StartFailbackLaunch), or FAILBACK_ERROR

ReverseReplication makes a source server in the region the machine came from, with replicationDirection FAILBACK; the
failback launch makes an EC2 instance there. A machine from outside AWS fails back through AWS's failback client,
which `pair_failback_client` stands in for.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .core import Params, Wire
from .durations import stages
from .exceptions import ConflictException, ResourceNotFoundException
from .identifiers import generator
from .job_operations import JobOperationsBackend
from .jobs import Job, LaunchStatus, Participant
from .launching import LaunchError, launch, plan_launch
from .recovery_instances import Failback, RecoveryInstance
from .times import dropping_none

FAILBACK_FIELDS = ("name", "bandwidthThrottling", "usePrivateIP", "internetProtocol")


class FailbackBackend(JobOperationsBackend):
    """The operations of failback."""

    def reverse_replication(self, params: Params) -> Wire:
        """ReverseReplication: only of an instance whose origin is EC2 (the model)."""
        instance = self.recovery_instance(params["recoveryInstanceID"])
        server = self.server(instance.server_id)
        self._refuse_failback(instance)
        if server.source_account is None or server.source_region is None:
            raise ConflictException(
                f"Recovery instance {instance.instance_id} does not originate in EC2: fail back with the client.",
                resource_id=instance.instance_id,
                kind="RecoveryInstance",
            )
        origin = self.sibling(server.source_account, server.source_region)
        if not origin.initialized:
            raise ConflictException(
                f"DRS is not initialised in {server.source_account} {server.source_region}.",
                resource_id=instance.instance_id,
                kind="RecoveryInstance",
            )
        back = origin.seed_source_server(
            hostname=server.hostname,
            source_server_id=self.identifier("s-", "failback", instance.instance_id),
            tags=server.tags,
            os=server.operating_system,
            ram_bytes=server.ram_bytes,
            cpus=server.cpus,
            disks=server.disks,
            ec2_instance_id=instance.instance_id,
            source_region=self.region_name,
            source_account=self.account_id,
            replication_state="INITIATING",
        )
        back.direction = "FAILBACK"
        back.reversed_arn = server.arn
        server.reversed_arn = back.arn
        self._begin_failback(instance, (server.source_account, server.source_region, back.server_id))
        return {"reversedDirectionSourceServerArn": back.arn}

    def pair_failback_client(self, instance_id: str) -> None:
        """Do what AWS's failback client does on a machine outside AWS: replicate back until ready.

        Raises:
            ResourceNotFoundException, ConflictException: as ReverseReplication does.
        """
        instance = self.recovery_instance(instance_id)
        self._refuse_failback(instance)
        self._begin_failback(instance, None)
        instance.failback.state = "FAILBACK_READY_FOR_LAUNCH"

    def _refuse_failback(self, instance: RecoveryInstance) -> None:
        self.refuse_busy_instance(instance)
        self.server_of_the_way_back(instance)
        state = instance.failback.state
        if instance.disconnected or state not in {"FAILBACK_NOT_STARTED", "FAILBACK_ERROR"}:
            raise ConflictException(
                f"Recovery instance {instance.instance_id} cannot start to fail back: it is "
                f"{'disconnected' if instance.disconnected else state}.",
                resource_id=instance.instance_id,
                kind="RecoveryInstance",
            )

    def _begin_failback(self, instance: RecoveryInstance, reversed_server: tuple[str, str, str] | None) -> None:
        instance.failback = Failback(
            state="FAILBACK_IN_PROGRESS", initiated_at=self.now(), reversed_server=reversed_server
        )

    def stop_failback(self, params: Params) -> Wire:
        """StopFailback: back to FAILBACK_NOT_STARTED; the source server of the way back is taken away."""
        instance = self.recovery_instance(params["recoveryInstanceID"])
        self._drop_way_back(instance)
        instance.failback = Failback()
        return {}

    def _drop_way_back(self, instance: RecoveryInstance) -> None:
        where = instance.failback.reversed_server
        if where is not None:
            account_id, region, server_id = where
            self.sibling(account_id, region).servers.pop(server_id, None)
        server = self.servers.get(instance.server_id)
        if server is not None:
            server.reversed_arn = None

    def disconnect_recovery_instance(self, params: Params) -> Wire:
        """DisconnectRecoveryInstance: its way back ends with it."""
        super().disconnect_recovery_instance(params)
        instance = self.recovery_instance(params["recoveryInstanceID"])
        self._drop_way_back(instance)
        instance.failback = Failback()
        return {}

    def start_failback_launch(self, params: Params) -> Wire:
        """StartFailbackLaunch: a job that launches the machines of the way back."""
        ids = list(dict.fromkeys(params["recoveryInstanceIDs"]))
        self.check_job_quotas(ids)
        participants = {}
        instances = [self._ready_to_fail_back(instance_id) for instance_id in ids]
        for instance in instances:
            participant = self._failback_participant(instance)
            participants[participant.server_id] = participant
        job = self.make_job("LAUNCH", "FAILBACK", participants, dict(params.get("tags") or {}))
        for instance in instances:
            instance.failback.job_id = job.job_id
            instance.failback.state = "FAILBACK_IN_PROGRESS"
        self.begin_job(job)
        return {"job": job.wire()}

    def _ready_to_fail_back(self, instance_id: str) -> RecoveryInstance:
        instance = self.recovery_instances.get(instance_id)
        if instance is not None:
            self.refuse_busy_instance(instance)
            self.server_of_the_way_back(instance)
        if instance is None or instance.failback.state != "FAILBACK_READY_FOR_LAUNCH":
            state = instance.failback.state if instance else "not there"
            raise ConflictException(
                f"Recovery instance {instance_id} is not ready for a failback launch: it is {state}.",
                resource_id=instance_id,
                kind="RecoveryInstance",
            )
        return instance

    def _failback_participant(self, instance: RecoveryInstance) -> Participant:
        server = self.servers.get(instance.server_id)
        if server is None:
            raise ResourceNotFoundException("SourceServer", instance.server_id)
        back = self.server_of_the_way_back(instance)
        plan = None
        if back is not None and instance.failback.reversed_server is not None:
            account_id, region, _ = instance.failback.reversed_server
            plan = plan_launch(back, account_id, region)
        return Participant(
            server_id=instance.server_id,
            instance_id=instance.instance_id,
            plan=plan,
            seconds=stages(
                generator(self.runtime.seed, "failback", instance.instance_id),
                disk_bytes=server.disk_bytes,
                windows=server.windows,
                replaces=False,
                from_snapshot=False,
                fast=False,
            ),
            point_in_time=self.now(),
            attempt=server.launches + 1,
        )

    def carry_out_launch(self, at: datetime, job: Job, participant: Participant) -> None:
        """A failback launch makes its instance where the machine came from; any other, here."""
        if job.initiated_by != "FAILBACK":
            super().carry_out_launch(at, job, participant)
            return
        where: Any = None
        instance = self.recovery_instances.get(participant.instance_id or "")
        if instance is not None:
            where = instance.failback.reversed_server
        try:
            if participant.plan is not None and where is not None:
                launch(participant.plan, where[0], where[1], self.runtime.seed, where, participant.instance_id)
        except LaunchError as refusal:
            job.note(at, "LAUNCH_FAILED", sourceServerID=participant.server_id, rawError=str(refusal))
            self.settle(at, job, participant, LaunchStatus.FAILED)
        else:
            self.settle(at, job, participant, LaunchStatus.LAUNCHED)

    def settle(self, at: datetime, job: Job, participant: Participant, status: LaunchStatus) -> None:
        """A failback job's end is told in the recovery instance's failback state."""
        super().settle(at, job, participant, status)
        instance = self.recovery_instances.get(participant.instance_id or "")
        if job.initiated_by == "FAILBACK" and instance is not None:
            instance.failback.state = "FAILBACK_COMPLETED" if status is LaunchStatus.LAUNCHED else "FAILBACK_ERROR"

    def get_failback_replication_configuration(self, params: Params) -> Wire:
        """GetFailbackReplicationConfiguration."""
        instance = self.recovery_instance(params["recoveryInstanceID"])
        return dropping_none({"recoveryInstanceID": instance.instance_id, **instance.failback_settings})

    def update_failback_replication_configuration(self, params: Params) -> Wire:
        """UpdateFailbackReplicationConfiguration: what is not given stays."""
        instance = self.recovery_instance(params["recoveryInstanceID"])
        instance.failback_settings.update({key: params[key] for key in FAILBACK_FIELDS if key in params})
        return {}
