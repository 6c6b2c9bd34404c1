"""Launch configurations of servers, and the two kinds of templates.

A launch configuration is the DRS half of how a server is launched; the other half is an EC2 launch template, which DRS
makes with the source server (`GetLaunchConfiguration` names it) and which its owner versions. The templates hold what
servers added later begin with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .core import BackendCore, Params, Wire
from .exceptions import ConflictException, ResourceNotFoundException, ServiceQuotaExceededException, ValidationException
from .paging import page
from .replication import DEFAULT_PIT_POLICY
from .times import dropping_none

LAUNCH_FIELDS = (
    "launchDisposition",
    "targetInstanceTypeRightSizingMethod",
    "copyPrivateIp",
    "copyTags",
    "licensing",
    "postLaunchEnabled",
    "recoveryMode",
)
TEMPLATE_FIELDS = (*LAUNCH_FIELDS, "exportBucketArn", "launchIntoSourceInstance")
DEFAULT_LAUNCH: Wire = {
    "launchDisposition": "STARTED",
    "targetInstanceTypeRightSizingMethod": "BASIC",
    "copyPrivateIp": False,
    "copyTags": False,
    "licensing": {"osByol": False},
    "postLaunchEnabled": False,
}
REPLICATION_FIELDS = (
    "stagingAreaSubnetId",
    "associateDefaultSecurityGroup",
    "replicationServersSecurityGroupsIDs",
    "replicationServerInstanceType",
    "useDedicatedReplicationServer",
    "defaultLargeStagingDiskType",
    "ebsEncryption",
    "ebsEncryptionKeyArn",
    "bandwidthThrottling",
    "dataPlaneRouting",
    "createPublicIP",
    "stagingAreaTags",
    "pitPolicy",
    "autoReplicateNewDisks",
    "internetProtocol",
)
DEFAULT_REPLICATION: Wire = {
    "associateDefaultSecurityGroup": True,
    "replicationServersSecurityGroupsIDs": [],
    "replicationServerInstanceType": "t3.small",
    "useDedicatedReplicationServer": False,
    "defaultLargeStagingDiskType": "AUTO",
    "ebsEncryption": "DEFAULT",
    "bandwidthThrottling": 0,
    "dataPlaneRouting": "PRIVATE_IP",
    "createPublicIP": False,
    "stagingAreaTags": {},
    "pitPolicy": [dict(rule) for rule in DEFAULT_PIT_POLICY],
    "autoReplicateNewDisks": True,
    "internetProtocol": "IPV4",
}


@dataclass(slots=True)
class LaunchConfiguration:
    """The DRS half of how one server is launched."""

    server_id: str
    name: str
    ec2_launch_template_id: str
    settings: Wire
    into_instance: str | None = None

    def wire(self) -> Wire:
        """`LaunchConfiguration`."""
        return dropping_none(
            {
                "sourceServerID": self.server_id,
                "name": self.name,
                "ec2LaunchTemplateID": self.ec2_launch_template_id,
                **self.settings,
                "launchIntoInstanceProperties": (
                    {"launchIntoEC2InstanceID": self.into_instance} if self.into_instance else None
                ),
            }
        )


@dataclass(slots=True)
class LaunchConfigurationTemplate:
    """What the launch configurations of new servers begin with."""

    template_id: str
    arn: str
    settings: Wire
    tags: dict[str, str] = field(default_factory=dict)

    def wire(self) -> Wire:
        """`LaunchConfigurationTemplate`."""
        return {
            "launchConfigurationTemplateID": self.template_id,
            "arn": self.arn,
            "tags": dict(self.tags),
            **self.settings,
        }


@dataclass(slots=True)
class ReplicationConfigurationTemplate:
    """What the replication configurations of new servers begin with."""

    template_id: str
    arn: str
    settings: Wire
    tags: dict[str, str] = field(default_factory=dict)

    def wire(self) -> Wire:
        """`ReplicationConfigurationTemplate`."""
        return {
            "replicationConfigurationTemplateID": self.template_id,
            "arn": self.arn,
            "tags": dict(self.tags),
            **self.settings,
        }


def _given(params: Params, names: tuple[str, ...]) -> Wire:
    return {name: params[name] for name in names if params.get(name) is not None}


def check_pit_policy(policy: list[dict[str, Any]] | None) -> None:
    """Refuse a policy whose minute rule is not AWS's only one (every 10 minutes, an hour).

    Raises:
        ValidationException: a rule that DRS does not take.
    """
    for rule in policy or ():
        if rule["units"] == "MINUTE" and (rule["interval"], rule["retentionDuration"]) != (10, 60):
            raise ValidationException(
                "The MINUTE rule of a point in time policy is every 10 minutes, kept for 60.",
                fields={"pitPolicy": "interval must be 10 and retentionDuration 60 for units MINUTE"},
            )


class LaunchConfigurationsBackend(BackendCore):
    """Launch and replication configurations."""

    def get_launch_configuration(self, params: Params) -> Wire:
        """GetLaunchConfiguration."""
        return self.server(params["sourceServerID"]).launch.wire()

    def update_launch_configuration(self, params: Params) -> Wire:
        """UpdateLaunchConfiguration: what is not given stays."""
        server = self.server(params["sourceServerID"])
        into = params.get("launchIntoInstanceProperties")
        if into is not None:
            instance_id = into.get("launchIntoEC2InstanceID") or None
            if instance_id and params.get("copyPrivateIp", False):
                raise ValidationException("copyPrivateIp cannot be set where a server launches into an instance.")
            server.launch.into_instance = instance_id
        server.launch.settings.update(_given(params, LAUNCH_FIELDS))
        if params.get("name") is not None:
            server.launch.name = params["name"]
        return server.launch.wire()

    def create_launch_configuration_template(self, params: Params) -> Wire:
        """CreateLaunchConfigurationTemplate: one an account and region."""
        if self.launch_templates:
            raise ServiceQuotaExceededException(
                "An account has one launch configuration template in a region; update it instead.",
                quota_code="L-LAUNCH-CONFIGURATION-TEMPLATES",
            )
        template_id = self.identifier("lct-", self.count("lct"))
        template = LaunchConfigurationTemplate(
            template_id,
            self.arn("launch-configuration-template", template_id),
            {**DEFAULT_LAUNCH, **_given(params, TEMPLATE_FIELDS)},
            dict(params.get("tags") or {}),
        )
        self.launch_templates[template_id] = template
        return {"launchConfigurationTemplate": template.wire()}

    def _launch_template(self, template_id: str) -> LaunchConfigurationTemplate:
        if template_id not in self.launch_templates:
            raise ResourceNotFoundException("LaunchConfigurationTemplate", template_id)
        return self.launch_templates[template_id]

    def describe_launch_configuration_templates(self, params: Params) -> Wire:
        """DescribeLaunchConfigurationTemplates."""
        wanted = params.get("launchConfigurationTemplateIDs")
        found = [self._launch_template(i) for i in wanted] if wanted else list(self.launch_templates.values())
        items, more = page("DescribeLaunchConfigurationTemplates", params, found)
        return {"items": [item.wire() for item in items], **more}

    def update_launch_configuration_template(self, params: Params) -> Wire:
        """UpdateLaunchConfigurationTemplate: changes what later servers begin with, none that is there."""
        template = self._launch_template(params["launchConfigurationTemplateID"])
        template.settings.update(_given(params, TEMPLATE_FIELDS))
        return {"launchConfigurationTemplate": template.wire()}

    def delete_launch_configuration_template(self, params: Params) -> Wire:
        """DeleteLaunchConfigurationTemplate."""
        del self.launch_templates[self._launch_template(params["launchConfigurationTemplateID"]).template_id]
        return {}

    def create_replication_configuration_template(self, params: Params) -> Wire:
        """CreateReplicationConfigurationTemplate: one an account and region."""
        if self.replication_templates:
            raise ServiceQuotaExceededException(
                "An account has one replication configuration template in a region; update it instead.",
                quota_code="L-REPLICATION-CONFIGURATION-TEMPLATES",
            )
        check_pit_policy(params.get("pitPolicy"))
        template_id = self.identifier("rct-", self.count("rct"))
        template = ReplicationConfigurationTemplate(
            template_id,
            self.arn("replication-configuration-template", template_id),
            {**DEFAULT_REPLICATION, **_given(params, REPLICATION_FIELDS)},
            dict(params.get("tags") or {}),
        )
        self.replication_templates[template_id] = template
        return template.wire()

    def _replication_template(self, template_id: str) -> ReplicationConfigurationTemplate:
        if template_id not in self.replication_templates:
            raise ResourceNotFoundException("ReplicationConfigurationTemplate", template_id)
        return self.replication_templates[template_id]

    def describe_replication_configuration_templates(self, params: Params) -> Wire:
        """DescribeReplicationConfigurationTemplates."""
        wanted = params.get("replicationConfigurationTemplateIDs")
        found = [self._replication_template(i) for i in wanted] if wanted else list(self.replication_templates.values())
        items, more = page("DescribeReplicationConfigurationTemplates", params, found)
        return {"items": [item.wire() for item in items], **more}

    def update_replication_configuration_template(self, params: Params) -> Wire:
        """UpdateReplicationConfigurationTemplate."""
        template = self._replication_template(params["replicationConfigurationTemplateID"])
        check_pit_policy(params.get("pitPolicy"))
        template.settings.update(_given(params, REPLICATION_FIELDS))
        return template.wire()

    def delete_replication_configuration_template(self, params: Params) -> Wire:
        """DeleteReplicationConfigurationTemplate."""
        template_id = self._replication_template(params["replicationConfigurationTemplateID"]).template_id
        if self.servers:
            raise ConflictException(
                "The replication configuration template is in use: source servers replicate by it.",
                resource_id=template_id,
                kind="ReplicationConfigurationTemplate",
            )
        del self.replication_templates[template_id]
        return {}

    def get_replication_configuration(self, params: Params) -> Wire:
        """GetReplicationConfiguration."""
        return self.server(params["sourceServerID"]).replication_configuration()

    def update_replication_configuration(self, params: Params) -> Wire:
        """UpdateReplicationConfiguration: what is not given stays."""
        server = self.server(params["sourceServerID"])
        check_pit_policy(params.get("pitPolicy"))
        server.replication_settings.update(_given(params, (*REPLICATION_FIELDS, "name", "replicatedDisks")))
        return server.replication_configuration()
