"""Failback: reverse replication and failback launches.

    FAILBACK_NOT_STARTED -> FAILBACK_IN_PROGRESS        (ReverseReplication, or a failback client on premises)
                         -> FAILBACK_READY_FOR_LAUNCH   (reverse replication is continuous)
                         -> FAILBACK_COMPLETED          (StartFailbackLaunch, outside AWS), or FAILBACK_ERROR

ReverseReplication creates a source server in the machine's original region, with replicationDirection FAILBACK;
StartRecovery of that server creates an EC2 instance there. ReverseReplication of the instance that StartRecovery made
protects it in the forward direction: the source server that the machine had before replicates it (user guide,
failback-failover-region-region, "Protect your new failed back instances").

A machine from outside AWS fails back with AWS's failback client, which `pair_failback_client` simulates;
StartFailbackLaunch has it converted and rebooted (API_StartFailbackLaunch: "This will run conversion on the failback
client and will reboot your machine"), and is refused for an instance that originates in EC2, which has no such client.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from moto.core.exceptions import ServiceException
from moto.ec2.models import ec2_backends

from .durations import stages
from .enrolment import NewSourceServer
from .exceptions import ConflictException, ValidationException
from .identifiers import generator
from .job_runs import JobRuns
from .jobs import Job, JobRegister, LaunchStatus, Participant
from .launch_into import ec2_error, is_allowed
from .launching import conflicts
from .recovery_instances import Failback, RecoveryInstance, RecoveryInstances
from .scope import Scope
from .siblings import Sibling, Siblings
from .source_servers import SourceServer
from .store import BusyServers, Store
from .wire import Params, Wire, dropping_none

FAILBACK_FIELDS = ("name", "bandwidthThrottling", "usePrivateIP", "internetProtocol")


@dataclass(slots=True)
class FailbackOperations:
    """The failback operations and failback launches."""

    _scope: Scope
    _servers: Store[SourceServer]
    _instances: Store[RecoveryInstance]
    _recovery_instances: RecoveryInstances
    _busy: BusyServers
    _register: JobRegister
    _runs: JobRuns
    _siblings: Siblings

    def __post_init__(self) -> None:
        self._runs.launchers["FAILBACK"] = self._launch
        self._runs.on_settled.append(self._end)

    def reverse_replication(self, params: Params) -> Wire:
        """ReverseReplication: only for an instance that originates in EC2 (botocore model)."""
        instance = self._instances.one(params["recoveryInstanceID"])
        server = self._servers.one(instance.server_id)
        self._refuse_failback(instance)
        if server.source_account is None or server.source_region is None:
            raise _conflict(
                instance,
                f"Recovery instance {instance.instance_id} does not originate in EC2: fail back with the client.",
            )
        origin = self._siblings(server.source_account, server.source_region)
        if not origin.initialized:
            raise _conflict(instance, f"DRS is not initialised in {server.source_account} {server.source_region}.")
        if server.direction == "FAILBACK" and (forward := _by_arn(origin.servers, server.reversed_arn)) is not None:
            origin.enrolment.repoint(forward, instance.instance_id, None)
            self._begin(instance, (server.source_account, server.source_region, forward.server_id))
            return {"reversedDirectionSourceServerArn": forward.arn}
        into = self._source_instance(instance, server, origin)
        back = origin.enrolment.enrol(
            NewSourceServer.like(
                server,
                source_server_id=self._scope.identifier("s-", "failback", instance.instance_id, instance.job_id),
                ec2_instance_id=instance.instance_id,
                source_region=self._scope.region,
                source_account=self._scope.account_id,
                replication_state="INITIATING",
            )
        )
        back.direction = "FAILBACK"
        back.launch.into_instance = into
        back.reversed_arn = server.arn
        server.reversed_arn = back.arn
        self._begin(instance, (server.source_account, server.source_region, back.server_id))
        return {"reversedDirectionSourceServerArn": back.arn}

    def _source_instance(self, instance: RecoveryInstance, server: SourceServer, origin: Sibling) -> str | None:
        """The instance that the new source server launches into by the default launch settings of the origin.

        Raises:
            ConflictException: they say so, and it may not be launched into (user guide, "Launch into source instance").
        """
        if not any(template.settings.get("launchIntoSourceInstance") for template in origin.launch_templates.values()):
            return None
        source = server.ec2_instance_id or ""
        ec2 = ec2_backends[str(server.source_account)][str(server.source_region)]
        try:
            differing = conflicts(ec2, source, server)
            allowed = is_allowed(ec2.get_instance(source))
        except ServiceException as refusal:
            raise _conflict(instance, f"It cannot launch into its source instance: {ec2_error(refusal)}") from refusal
        if differing or not allowed:
            why = ", ".join(differing) or "the tag AWSDRS=AllowLaunchingIntoThisInstance is missing"
            raise _conflict(instance, f"Its source instance {source} cannot be launched into: {why}.")
        return source

    def pair_client(self, instance_id: str) -> None:
        """Do what AWS's failback client does on a machine outside AWS: replicate back until ready.

        Raises:
            ResourceNotFoundException, ConflictException: like ReverseReplication.
        """
        instance = self._instances.one(instance_id)
        self._refuse_failback(instance)
        self._begin(instance, None)
        self._recovery_instances.fail_back(instance, "FAILBACK_READY_FOR_LAUNCH")

    def _refuse_failback(self, instance: RecoveryInstance) -> None:
        self._busy.refuse(instance.server_id, instance.instance_id)
        self._recovery_instances.way_back(instance)
        state = "disconnected" if instance.disconnected else instance.failback.state
        if state not in {"FAILBACK_NOT_STARTED", "FAILBACK_ERROR"}:
            raise _conflict(
                instance, f"Recovery instance {instance.instance_id} cannot start to fail back: it is {state}."
            )

    def _begin(self, instance: RecoveryInstance, reversed_server: tuple[str, str, str] | None) -> None:
        instance.failback = Failback(
            state=instance.failback.state, initiated_at=self._scope.now(), reversed_server=reversed_server
        )
        self._recovery_instances.fail_back(instance, "FAILBACK_IN_PROGRESS")

    def stop_failback(self, params: Params) -> Wire:
        """StopFailback: back to FAILBACK_NOT_STARTED; deletes the reverse source server."""
        self._drop_way_back(self._instances.one(params["recoveryInstanceID"]))
        return {}

    def _drop_way_back(self, instance: RecoveryInstance) -> None:
        where = instance.failback.reversed_server
        if where is not None:
            account_id, region, server_id = where
            sibling = self._siblings(account_id, region).servers
            back = sibling.get(server_id)
            if back is not None and back.direction == "FAILBACK":  # never the source server of the forward direction
                sibling.pop(server_id)
        server = self._servers.get(instance.server_id)
        if server is not None:
            server.reversed_arn = None
        instance.failback = Failback(state=instance.failback.state)
        self._recovery_instances.fail_back(instance, "FAILBACK_NOT_STARTED")

    def disconnect_recovery_instance(self, params: Params) -> Wire:
        """DisconnectRecoveryInstance: permanently ends its replication and its failback."""
        instance = self._instances.one(params["recoveryInstanceID"])
        self._busy.refuse(instance.server_id, instance.instance_id)
        if instance.disconnected:
            raise _conflict(instance, f"Recovery instance {instance.instance_id} is disconnected already.")
        instance.disconnected = True
        self._drop_way_back(instance)
        return {}

    def start_failback_launch(self, params: Params) -> Wire:
        """StartFailbackLaunch: a job that launches the machines of failback clients; of none that originates in EC2."""
        ids = list(dict.fromkeys(params["recoveryInstanceIDs"]))
        in_aws = [each for each in ids if (found := self._instances.get(each)) is not None and found.origin_aws]
        if in_aws:
            raise ValidationException(
                f"{', '.join(in_aws)} originate in EC2 and have no failback client: launch the source servers of the "
                "reversed replication in the Region of origin (StartRecovery)."
            )
        self._register.check_quotas(ids)
        instances = [self._ready(instance_id) for instance_id in ids]
        participants = {instance.server_id: self._participant(instance) for instance in instances}
        job = self._register.make("LAUNCH", "FAILBACK", participants, dict(params.get("tags") or {}))
        for instance in instances:
            instance.failback.job_id = job.job_id
            self._recovery_instances.fail_back(instance, "FAILBACK_IN_PROGRESS")
        self._runs.begin(job)
        return {"job": job.wire()}

    def _ready(self, instance_id: str) -> RecoveryInstance:
        instance = self._instances.get(instance_id)
        if instance is not None:
            self._busy.refuse(instance.server_id, instance_id)
            self._recovery_instances.way_back(instance)
        if instance is None or instance.failback.state != "FAILBACK_READY_FOR_LAUNCH":
            state = instance.failback.state if instance else "not there"
            raise ConflictException(
                f"Recovery instance {instance_id} is not ready for a failback launch: it is {state}.",
                "RecoveryInstance",
                instance_id,
            )
        return instance

    def _participant(self, instance: RecoveryInstance) -> Participant:
        server = self._servers.one(instance.server_id)
        return Participant(
            server_id=instance.server_id,
            instance_id=instance.instance_id,
            seconds=stages(
                generator(self._scope.seed, "failback", instance.instance_id),
                disk_bytes=server.disk_bytes,
                windows=server.windows,
                replaces=False,
                from_snapshot=False,
                fast=False,
            ),
            point_in_time=self._scope.now(),
            attempt=server.launches + 1,
        )

    def _launch(self, at: datetime, job: Job, participant: Participant) -> None:
        """Nothing here: the failback client reboots its machine, outside AWS."""

    def _end(self, at: datetime, job: Job, participant: Participant) -> None:
        """Set the recovery instance's failback state at the end of a failback job."""
        instance = self._instances.get(participant.instance_id or "")
        if job.initiated_by == "FAILBACK" and instance is not None:
            launched = participant.status is LaunchStatus.LAUNCHED
            self._recovery_instances.fail_back(instance, "FAILBACK_COMPLETED" if launched else "FAILBACK_ERROR")

    def get_failback_replication_configuration(self, params: Params) -> Wire:
        """GetFailbackReplicationConfiguration."""
        instance = self._instances.one(params["recoveryInstanceID"])
        return dropping_none({"recoveryInstanceID": instance.instance_id, **instance.failback_settings})

    def update_failback_replication_configuration(self, params: Params) -> Wire:
        """UpdateFailbackReplicationConfiguration: omitted members keep their values."""
        instance = self._instances.one(params["recoveryInstanceID"])
        instance.failback_settings.update({key: params[key] for key in FAILBACK_FIELDS if key in params})
        return {}


def _by_arn(servers: Store[SourceServer], arn: str | None) -> SourceServer | None:
    return next((server for server in servers.values() if arn is not None and server.arn == arn), None)


def _conflict(instance: RecoveryInstance, message: str) -> ConflictException:
    return ConflictException(message, "RecoveryInstance", instance.instance_id)
