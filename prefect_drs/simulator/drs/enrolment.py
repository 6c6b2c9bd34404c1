"""Enrolling source servers immediately, without the hours that an agent's installation and initial sync take on AWS.

In: a `NewSourceServer`. Out: a `SourceServer` with its launch configuration, its EC2 launch template in moto's EC2
of the same account and region, and its points in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from moto.ec2.models import ec2_backends

from .configuration_templates import ConfigurationTemplate
from .data_replication import DataReplication
from .exceptions import ServiceQuotaExceededException, ValidationException
from .instances import seeded_ec2
from .launch_configurations import DEFAULT_LAUNCH, LAUNCH_FIELDS, LaunchConfiguration
from .replication import INITIATION_STEPS, REPLICATING, Replication, ReplicationState
from .replication_configurations import DEFAULT_REPLICATION
from .scope import Scope
from .sizing import recommended_instance_type
from .source_servers import QUOTA_REPLICATING, QUOTA_SOURCE_SERVERS, SourceServer
from .store import Store
from .validation import service_model
from .wire import Wire, parse_duration

OPERATING_SYSTEMS = {
    "Linux": "Linux version 5.14.0-362.8.1.el9_3.x86_64 (Red Hat Enterprise Linux 9.3)",
    "Windows": "Microsoft Windows Server 2022 Datacenter 10.0.20348",
}
MANAGED_TAGS = {"AWSElasticDisasterRecoveryManaged": "drs.amazonaws.com"}
NEVER_SYNCED = frozenset({ReplicationState.STOPPED, ReplicationState.INITIATING, ReplicationState.INITIAL_SYNC})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSourceServer:
    """A source server to add, in the given state.

    Args:
        hostname: its full name.
        ram_bytes: its memory.
        cpus: its cores.
        disks: `{"deviceName": …, "bytes": …}` each, the boot disk first.
        source_server_id: `s-` and 17 characters; default: derived from the hostname.
        name_tag: its `Name` tag.
        tags: more tags.
        os: `Linux`, `Windows`, or the full name that the agent would report.
        ec2_instance_id: its id, if it is an EC2 instance.
        source_region, source_account, source_zone: its location in AWS; omit them for on-premises servers.
        source_instance_type: its own EC2 type, for right-sizing IN_AWS.
        private_ips: its addresses, the primary first.
        replication_state: a `DataReplicationState`; INITIATING advances with the clock.
        lag: ISO 8601 duration.
        protected_for: how long ago replication became continuous.
        has_snapshots: whether earlier points in time exist; default: if the server is or was continuous (not STOPPED,
            INITIATING, INITIAL_SYNC).
        subnet, security_groups: written into the launch template; default: those of the default VPC.
        launch_settings: members of `LaunchConfiguration` that differ from the account's template.
        launch_seconds: from StartRecovery to LAUNCHED, for each launch; default: drawn by `durations`.
        architecture: x86_64 or arm64.
        boot_mode: legacy-bios or uefi, as EC2 reports it for its recovery instances; default: EC2 reports none.
        supports_nitro: whether it has the drivers for the Nitro System.
        enforce_quotas: refuse more than 4,000 servers or 300 replicating.
    """

    hostname: str
    ram_bytes: int
    cpus: int
    disks: Iterable[Mapping[str, Any]]
    source_server_id: str | None = None
    name_tag: str | None = None
    tags: Mapping[str, str] | None = None
    os: str = "Linux"
    ec2_instance_id: str | None = None
    source_region: str | None = None
    source_account: str | None = None
    source_zone: str | None = None
    source_instance_type: str | None = None
    private_ips: Iterable[str] = ()
    replication_state: str = "CONTINUOUS"
    lag: str = "PT0S"
    protected_for: timedelta = timedelta(days=8)
    has_snapshots: bool | None = None
    subnet: str | None = None
    security_groups: Iterable[str] = ()
    launch_settings: Mapping[str, Any] = field(default_factory=dict)
    launch_seconds: float | None = None
    architecture: str = "x86_64"
    boot_mode: str | None = None
    supports_nitro: bool = True
    enforce_quotas: bool = False

    @classmethod
    def like(cls, server: SourceServer, **differing: Any) -> NewSourceServer:
        """A copy of this machine with the given differences."""
        machine = {name: getattr(server, name) for name in ("hostname", "tags", "ram_bytes", "cpus", "disks")}
        return cls(**{**machine, "os": server.operating_system, **differing})

    def all_tags(self) -> dict[str, str]:
        """Its tags, `Name` among them."""
        return {**(self.tags or {}), **({"Name": self.name_tag} if self.name_tag is not None else {})}

    def replication(self, now: datetime) -> Replication:
        """Its replication state at `now`."""
        state = ReplicationState(self.replication_state)
        lag = parse_duration(self.lag)
        began = now - self.protected_for
        has_snapshots = self.has_snapshots if self.has_snapshots is not None else state not in NEVER_SYNCED
        ended = None if state is ReplicationState.CONTINUOUS else now - lag
        is_cut_off = state in {ReplicationState.STALLED, ReplicationState.DISCONNECTED}
        return Replication(
            state=state,
            since=now,
            base_lag=lag,
            spans=[(began, ended)] if has_snapshots else [],
            step=0 if state is ReplicationState.INITIATING else len(INITIATION_STEPS),
            started_at=began,
            synced_at=now + timedelta(hours=1) if state is ReplicationState.INITIAL_SYNC else None,
            error="AGENT_NOT_SEEN" if is_cut_off else None,
        )


@dataclass(slots=True)
class Enrolment:
    """Adds source servers without an agent."""

    _scope: Scope
    _servers: Store[SourceServer]
    _launch_templates: Store[ConfigurationTemplate]
    _replication_templates: Store[ConfigurationTemplate]
    _replication: DataReplication

    def enrol(self, new: NewSourceServer) -> SourceServer:
        """Add a source server; one in INITIATING advances with the clock.

        Raises:
            ValidationException: an id, state or launch setting outside the model.
            ServiceQuotaExceededException: with `enforce_quotas`.
        """
        scope, now = self._scope, self._scope.now()
        server_id = new.source_server_id or scope.identifier("s-", "server", new.hostname, scope.count("server"))
        self._check(server_id, new)
        if new.enforce_quotas:
            self.refuse_above_quota()
            self._refuse_above_replicating()
        server = SourceServer(
            server_id=server_id,
            arn=scope.arn("source-server", server_id),
            hostname=new.hostname,
            operating_system=OPERATING_SYSTEMS.get(new.os, new.os),
            disks=[{"deviceName": str(disk["deviceName"]), "bytes": int(disk["bytes"])} for disk in new.disks],
            ram_bytes=new.ram_bytes,
            cpus=new.cpus,
            replication=new.replication(now),
            launch=self._launch_configuration(server_id, new),
            added_at=now - new.protected_for,
            tags=new.all_tags(),
            ec2_instance_id=new.ec2_instance_id,
            source_region=new.source_region,
            source_account=new.source_account,
            source_zone=new.source_zone or (f"{new.source_region}a" if new.source_region else None),
            private_ips=list(new.private_ips),
            staging_zone=f"{scope.region}a",
            staging_area={"status": "NOT_EXTENDED", "stagingAccountID": scope.account_id},
            replication_settings=self._replication_settings(),
            source_instance_type=new.source_instance_type,
            launch_seconds=new.launch_seconds,
            architecture=new.architecture,
            boot_mode=new.boot_mode,
            supports_nitro=new.supports_nitro,
        )
        self._servers[server_id] = server
        if server.replication.state is ReplicationState.INITIATING:
            self._replication.initiate(server)
        return server

    def repoint(self, server: SourceServer, ec2_instance_id: str, zone: str | None) -> None:
        """Let a source server replicate another instance of the same machine: it rescans, then is continuous again."""
        server.machine_is(ec2_instance_id)
        server.source_zone = zone or server.source_zone
        if server.replication.state in {ReplicationState.STOPPED, ReplicationState.DISCONNECTED}:
            self._replication.initiate(server)
        else:
            self._replication.resume(server)

    def _check(self, server_id: str, new: NewSourceServer) -> None:
        prefix, _, rest = server_id.partition("-")
        if prefix != "s" or len(rest) != 17 or not rest.isalnum() or not rest.isascii():
            pattern = service_model().shape_for("SourceServerID").metadata["pattern"]
            raise ValidationException(f"{server_id!r} is no source server id: {pattern}.")
        if server_id in self._servers:
            raise ValidationException(f"Source server {server_id} is there already.")
        if new.replication_state not in ReplicationState.__members__:
            raise ValidationException(
                f"{new.replication_state!r} is no replication state: {', '.join(ReplicationState)}."
            )
        if unknown := set(new.launch_settings) - set(LAUNCH_FIELDS):
            raise ValidationException(f"LaunchConfiguration has no {', '.join(sorted(unknown))}.")

    def refuse_above_quota(self) -> None:
        """Refuse another source server if there are 4,000.

        Raises:
            ServiceQuotaExceededException: the quota is reached.
        """
        if len(self._servers) >= QUOTA_SOURCE_SERVERS:
            raise ServiceQuotaExceededException(
                f"This account has {QUOTA_SOURCE_SERVERS} source servers in {self._scope.region}.",
                "L-E28BE5E0",
                "SourceServer",
            )

    def _refuse_above_replicating(self) -> None:
        """Apply the quota of 300; servers extended from a staging account count in the staging account."""
        replicating = sum(s.replication.state in REPLICATING and not s.extended for s in self._servers.values())
        if replicating >= QUOTA_REPLICATING:
            raise ServiceQuotaExceededException(
                f"This account replicates {QUOTA_REPLICATING} source servers in {self._scope.region}.",
                "L-C1D14A2B",
                "SourceServer",
            )

    def _launch_configuration(self, server_id: str, new: NewSourceServer) -> LaunchConfiguration:
        settings = dict(DEFAULT_LAUNCH)
        for template in self._launch_templates.values():
            settings.update({k: v for k, v in template.settings.items() if k in LAUNCH_FIELDS})
        settings.update(new.launch_settings)
        template_id = self._make_launch_template(server_id, new)
        return LaunchConfiguration(server_id, new.name_tag or new.hostname, template_id, settings)

    def _replication_settings(self) -> Wire:
        """The account's template, or DRS's defaults; the staging area is the default VPC's first subnet by default."""
        settings: Wire = dict(DEFAULT_REPLICATION)
        for template in self._replication_templates.values():
            settings.update(template.settings)
        if not self._replication_templates:  # moto looks through all subnets for the default ones
            subnets = ec2_backends[self._scope.account_id][self._scope.region].get_default_subnets()
            if subnets:
                settings["stagingAreaSubnetId"] = subnets[min(subnets)].id
        return deepcopy(settings)

    def _make_launch_template(self, server_id: str, new: NewSourceServer) -> str:
        interface: dict[str, Any] = {"DeviceIndex": 0, "AssociatePublicIpAddress": False, "DeleteOnTermination": True}
        if new.subnet:
            interface["SubnetId"] = new.subnet
        if groups := list(new.security_groups):
            interface["Groups"] = groups
        instance_tags = {
            **MANAGED_TAGS, "AWSElasticDisasterRecoverySourceServerID": server_id, **new.all_tags()
        }  # fmt: skip
        data = {
            "InstanceType": recommended_instance_type(new.cpus, new.ram_bytes),
            "EbsOptimized": True,
            "NetworkInterfaces": [interface],
            "TagSpecifications": [
                {"ResourceType": kind, "Tags": [{"Key": k, "Value": v} for k, v in instance_tags.items()]}
                for kind in ("instance", "volume")
            ],
        }
        account_id, region = self._scope.place
        with seeded_ec2(self._scope.seed, account_id, region, "template", server_id):
            template = ec2_backends[account_id][region].create_launch_template(
                f"created-and-used-by-drs-{server_id}", "Created by AWS Elastic Disaster Recovery", data, {}
            )
        # Told by DescribeLaunchTemplates. Tagged through EC2, each template would walk through all tags there are.
        template.tags = [{"key": key, "value": value} for key, value in MANAGED_TAGS.items()]
        return str(template.id)
