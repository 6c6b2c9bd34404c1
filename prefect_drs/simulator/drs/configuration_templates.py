"""Templates of launch and replication configurations: the initial settings of new servers. One per account and region.

In: the operations on both kinds of template. Out: `ConfigurationTemplate`, in the wire form of its kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .exceptions import ConflictException, ServiceQuotaExceededException
from .launch_configurations import DEFAULT_LAUNCH, LAUNCH_FIELDS
from .paging import answer_page
from .replication_configurations import DEFAULT_REPLICATION, REPLICATION_FIELDS, check_pit_policy
from .scope import Scope
from .source_servers import SourceServer
from .store import Store
from .wire import Params, Wire, given

TEMPLATE_FIELDS = (*LAUNCH_FIELDS, "exportBucketArn", "launchIntoSourceInstance")
_ID_MEMBERS = {"lct": "launchConfigurationTemplateID", "rct": "replicationConfigurationTemplateID"}


@dataclass(slots=True)
class ConfigurationTemplate:
    """A template of either kind; the prefix of its id names the kind (`lct-…`, `rct-…`)."""

    template_id: str
    arn: str
    settings: Wire
    tags: dict[str, str] = field(default_factory=dict)

    def wire(self) -> Wire:
        """`LaunchConfigurationTemplate` or `ReplicationConfigurationTemplate`."""
        member = _ID_MEMBERS[self.template_id.partition("-")[0]]
        return {member: self.template_id, "arn": self.arn, "tags": dict(self.tags), **self.settings}


def _refuse_second(templates: Store[ConfigurationTemplate], kind: str) -> None:
    if templates:
        raise ServiceQuotaExceededException(
            f"An account has one {kind} configuration template in a region; update it instead.",
            f"L-{kind.upper()}-CONFIGURATION-TEMPLATES",
        )


def _create(
    scope: Scope, templates: Store[ConfigurationTemplate], kind: str, prefix: str, settings: Wire, params: Params
) -> ConfigurationTemplate:
    template_id = scope.identifier(f"{prefix}-", scope.count(prefix))
    arn = scope.arn(f"{kind}-configuration-template", template_id)
    template = ConfigurationTemplate(template_id, arn, settings, dict(params.get("tags") or {}))
    templates[template_id] = template
    return template


def _chosen(templates: Store[ConfigurationTemplate], wanted: list[str] | None) -> list[ConfigurationTemplate]:
    return [templates.one(name) for name in wanted] if wanted else list(templates.values())


@dataclass(slots=True)
class LaunchConfigurationTemplates:
    """The operations on the launch configuration template."""

    _scope: Scope
    _templates: Store[ConfigurationTemplate]

    def create_launch_configuration_template(self, params: Params) -> Wire:
        """CreateLaunchConfigurationTemplate: one per account and region."""
        _refuse_second(self._templates, "launch")
        settings = {**DEFAULT_LAUNCH, **given(params, TEMPLATE_FIELDS)}
        template = _create(self._scope, self._templates, "launch", "lct", settings, params)
        return {"launchConfigurationTemplate": template.wire()}

    def describe_launch_configuration_templates(self, params: Params) -> Wire:
        """DescribeLaunchConfigurationTemplates."""
        found = _chosen(self._templates, params.get("launchConfigurationTemplateIDs"))
        return answer_page("DescribeLaunchConfigurationTemplates", params, found)

    def update_launch_configuration_template(self, params: Params) -> Wire:
        """UpdateLaunchConfigurationTemplate: affects new servers only."""
        template = self._templates.one(params["launchConfigurationTemplateID"])
        template.settings.update(given(params, TEMPLATE_FIELDS))
        return {"launchConfigurationTemplate": template.wire()}

    def delete_launch_configuration_template(self, params: Params) -> Wire:
        """DeleteLaunchConfigurationTemplate."""
        del self._templates[self._templates.one(params["launchConfigurationTemplateID"]).template_id]
        return {}


@dataclass(slots=True)
class ReplicationConfigurationTemplates:
    """The operations on the replication configuration template."""

    _scope: Scope
    _templates: Store[ConfigurationTemplate]
    _servers: Store[SourceServer]

    def create_replication_configuration_template(self, params: Params) -> Wire:
        """CreateReplicationConfigurationTemplate: one per account and region."""
        _refuse_second(self._templates, "replication")
        check_pit_policy(params.get("pitPolicy"))
        settings = {**DEFAULT_REPLICATION, **given(params, REPLICATION_FIELDS)}
        return _create(self._scope, self._templates, "replication", "rct", settings, params).wire()

    def describe_replication_configuration_templates(self, params: Params) -> Wire:
        """DescribeReplicationConfigurationTemplates."""
        found = _chosen(self._templates, params.get("replicationConfigurationTemplateIDs"))
        return answer_page("DescribeReplicationConfigurationTemplates", params, found)

    def update_replication_configuration_template(self, params: Params) -> Wire:
        """UpdateReplicationConfigurationTemplate."""
        template = self._templates.one(params["replicationConfigurationTemplateID"])
        check_pit_policy(params.get("pitPolicy"))
        template.settings.update(given(params, REPLICATION_FIELDS))
        return template.wire()

    def delete_replication_configuration_template(self, params: Params) -> Wire:
        """DeleteReplicationConfigurationTemplate: refused while source servers use it."""
        template_id = self._templates.one(params["replicationConfigurationTemplateID"]).template_id
        if self._servers:
            raise ConflictException(
                "The replication configuration template is in use: source servers replicate by it.",
                "ReplicationConfigurationTemplate",
                template_id,
            )
        del self._templates[template_id]
        return {}
