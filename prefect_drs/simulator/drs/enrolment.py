"""Seeding source servers: at once, what an agent's installation and a first sync do on AWS in hours.

In: a machine's properties. Out: a `SourceServer` with its launch configuration, its EC2 launch template in moto's EC2
of the same account and region, and its points in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import timedelta
from typing import Any

from moto.ec2.models import ec2_backends

from .exceptions import ServiceQuotaExceededException, ValidationException
from .launch_configurations import DEFAULT_LAUNCH, DEFAULT_REPLICATION, LAUNCH_FIELDS, LaunchConfiguration
from .launching import seeded_ec2
from .replication import INITIATION_STEPS, REPLICATING, Replication, ReplicationState
from .sizing import recommended_instance_type
from .source_servers import QUOTA_REPLICATING, QUOTA_SOURCE_SERVERS, SourceServer, SourceServersBackend
from .times import parse_duration
from .validation import service_model

OPERATING_SYSTEMS = {
    "Linux": "Linux version 5.14.0-362.8.1.el9_3.x86_64 (Red Hat Enterprise Linux 9.3)",
    "Windows": "Microsoft Windows Server 2022 Datacenter 10.0.20348",
}
MANAGED_TAGS = {"AWSElasticDisasterRecoveryManaged": "drs.amazonaws.com"}


class EnrolmentBackend(SourceServersBackend):
    """Adds source servers without an agent."""

    def seed_source_server(
        self,
        *,
        hostname: str,
        ram_bytes: int,
        cpus: int,
        disks: Iterable[Mapping[str, Any]],
        source_server_id: str | None = None,
        name_tag: str | None = None,
        tags: Mapping[str, str] | None = None,
        os: str = "Linux",
        ec2_instance_id: str | None = None,
        source_region: str | None = None,
        source_account: str | None = None,
        source_zone: str | None = None,
        source_instance_type: str | None = None,
        private_ips: Iterable[str] = (),
        replication_state: str = "CONTINUOUS",
        lag: str = "PT0S",
        protected_for: timedelta = timedelta(days=8),
        has_snapshots: bool | None = None,
        subnet: str | None = None,
        security_groups: Iterable[str] = (),
        launch_settings: Mapping[str, Any] | None = None,
        launch_seconds: float | None = None,
        architecture: str = "x86_64",
        boot_mode: str | None = None,
        supports_nitro: bool = True,
        enforce_quotas: bool = False,
    ) -> SourceServer:
        """Add a source server in the state asked for.

        Args:
            hostname: its full name.
            ram_bytes: its memory.
            cpus: its cores.
            disks: `{"deviceName": …, "bytes": …}` each, the boot disk first.
            source_server_id: `s-` and 17 characters; settled by the hostname where left out.
            name_tag: its `Name` tag.
            tags: more tags.
            os: `Linux`, `Windows`, or the full name the agent would tell.
            ec2_instance_id: where it is an EC2 instance.
            source_region, source_account, source_zone: where it lives in AWS; left out for on-premises.
            source_instance_type: its own EC2 type, for right-sizing IN_AWS.
            private_ips: its addresses, the primary first.
            replication_state: a `DataReplicationState`; INITIATING runs on from there by the clock.
            lag: ISO 8601 duration.
            protected_for: how long ago replication became continuous.
            has_snapshots: whether there are points in time from before; by default where the state has been or is
                continuous (not STOPPED, INITIATING, INITIAL_SYNC).
            subnet, security_groups: written into the launch template; the default VPC's where left out.
            launch_settings: members of `LaunchConfiguration` that differ from the account's template.
            launch_seconds: from StartRecovery to LAUNCHED, each time; drawn by `durations` where left out.
            architecture: x86_64 or arm64.
            boot_mode: legacy-bios or uefi, which EC2 tells of its recovery instances; it tells none where left out.
            supports_nitro: whether it has the drivers for the Nitro System.
            enforce_quotas: refuse more than 4,000 servers or 300 replicating.

        Raises:
            ValidationException: an id, state or launch setting outside the model.
            ServiceQuotaExceededException: with `enforce_quotas`.
        """
        now = self.now()
        server_id = source_server_id or self.identifier("s-", "server", hostname, self.count("server"))
        self._check_seed(server_id, replication_state, launch_settings or {})
        if enforce_quotas:
            self._check_quotas()
        all_tags = {**(tags or {}), **({"Name": name_tag} if name_tag is not None else {})}
        disk_list = [{"deviceName": str(d["deviceName"]), "bytes": int(d["bytes"])} for d in disks]
        settings = dict(DEFAULT_LAUNCH)
        for template in self.launch_templates.values():
            settings.update({k: v for k, v in template.settings.items() if k in LAUNCH_FIELDS})
        settings.update(launch_settings or {})
        replication_settings: dict[str, Any] = deepcopy(DEFAULT_REPLICATION)
        for replication_template in self.replication_templates.values():
            replication_settings.update(deepcopy(replication_template.settings))
        template_id = self._make_launch_template(
            server_id, all_tags, recommended_instance_type(cpus, ram_bytes), subnet, list(security_groups)
        )
        server = SourceServer(
            server_id=server_id,
            arn=self.arn("source-server", server_id),
            hostname=hostname,
            operating_system=OPERATING_SYSTEMS.get(os, os),
            disks=disk_list,
            ram_bytes=ram_bytes,
            cpus=cpus,
            replication=self._replication(replication_state, lag, protected_for, has_snapshots),
            launch=LaunchConfiguration(server_id, name_tag or hostname, template_id, settings),
            added_at=now - protected_for,
            tags=all_tags,
            ec2_instance_id=ec2_instance_id,
            source_region=source_region,
            source_account=source_account,
            source_zone=source_zone or (f"{source_region}a" if source_region else None),
            private_ips=list(private_ips),
            staging_zone=f"{self.region_name}a",
            staging_area={"status": "NOT_EXTENDED", "stagingAccountID": self.account_id},
            replication_settings=replication_settings,
            source_instance_type=source_instance_type,
            launch_seconds=launch_seconds,
            architecture=architecture,
            boot_mode=boot_mode,
            supports_nitro=supports_nitro,
        )
        self.servers[server_id] = server
        if replication_state == ReplicationState.INITIATING:
            self.initiate_replication(server)
        return server

    def _check_seed(self, server_id: str, state: str, launch_settings: Mapping[str, Any]) -> None:
        shape = service_model().shape_for("SourceServerID")
        prefix, _, rest = server_id.partition("-")
        if prefix != "s" or len(rest) != 17 or not rest.isalnum() or not rest.isascii():
            raise ValidationException(f"{server_id!r} is no source server id: {shape.metadata['pattern']}.")
        if server_id in self.servers:
            raise ValidationException(f"Source server {server_id} is there already.")
        if state not in ReplicationState.__members__:
            raise ValidationException(f"{state!r} is no replication state: {', '.join(ReplicationState)}.")
        if unknown := set(launch_settings) - set(LAUNCH_FIELDS):
            raise ValidationException(f"LaunchConfiguration has no {', '.join(sorted(unknown))}.")

    def _check_quotas(self) -> None:
        if len(self.servers) >= QUOTA_SOURCE_SERVERS:
            raise ServiceQuotaExceededException(
                f"This account has {QUOTA_SOURCE_SERVERS} source servers in {self.region_name}.",
                quota_code="L-E28BE5E0",
                kind="SourceServer",
            )
        if self.replicating_servers() >= QUOTA_REPLICATING:
            raise ServiceQuotaExceededException(
                f"This account replicates {QUOTA_REPLICATING} source servers in {self.region_name}.",
                quota_code="L-C1D14A2B",
                kind="SourceServer",
            )

    def replicating_servers(self) -> int:
        """How many servers count against the 300: those extended from a staging account count there."""
        return sum(s.replication.state in REPLICATING and not s.extended for s in self.servers.values())

    def _replication(self, state: str, lag: str, protected_for: timedelta, has_snapshots: bool | None) -> Replication:
        now = self.now()
        kind = ReplicationState(state)
        lag_span = parse_duration(lag)
        fresh = {ReplicationState.STOPPED, ReplicationState.INITIATING, ReplicationState.INITIAL_SYNC}
        spans: list[tuple[Any, Any]] = []
        if has_snapshots if has_snapshots is not None else kind not in fresh:
            spans = [(now - protected_for, None if kind is ReplicationState.CONTINUOUS else now - lag_span)]
        return Replication(
            state=kind,
            since=now,
            base_lag=lag_span,
            spans=spans,
            step=0 if kind is ReplicationState.INITIATING else len(INITIATION_STEPS),
            started_at=now - protected_for,
            synced_at=now + timedelta(hours=1) if kind is ReplicationState.INITIAL_SYNC else None,
            error="AGENT_NOT_SEEN" if kind in {ReplicationState.STALLED, ReplicationState.DISCONNECTED} else None,
        )

    def _make_launch_template(
        self, server_id: str, tags: Mapping[str, str], instance_type: str, subnet: str | None, groups: list[str]
    ) -> str:
        interface: dict[str, Any] = {"DeviceIndex": 0, "AssociatePublicIpAddress": False, "DeleteOnTermination": True}
        if subnet:
            interface["SubnetId"] = subnet
        if groups:
            interface["Groups"] = groups
        instance_tags = {**MANAGED_TAGS, "AWSElasticDisasterRecoverySourceServerID": server_id, **tags}
        data = {
            "InstanceType": instance_type,
            "EbsOptimized": True,
            "NetworkInterfaces": [interface],
            "TagSpecifications": [
                {"ResourceType": kind, "Tags": [{"Key": k, "Value": v} for k, v in instance_tags.items()]}
                for kind in ("instance", "volume")
            ],
        }
        with seeded_ec2(self.runtime.seed, self.account_id, self.region_name, "template", server_id):
            template = ec2_backends[self.account_id][self.region_name].create_launch_template(
                f"created-and-used-by-drs-{server_id}",
                "Created by AWS Elastic Disaster Recovery",
                data,
                {},
            )
        # Told by DescribeLaunchTemplates. Tagged through EC2, each template would walk through all tags there are.
        template.tags = [{"key": key, "value": value} for key, value in MANAGED_TAGS.items()]
        return str(template.id)
