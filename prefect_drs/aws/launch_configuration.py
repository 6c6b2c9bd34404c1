"""How a server would be launched now, and what a plan's settings would change in that.

In: source server ids and a plan's `LaunchSettings`. Out: `LaunchState`s as the account has them, and the
`SettingChange`s of a plan. DRS has one half of a launch state (`GetLaunchConfiguration`), an EC2 launch template the
other; DRS launches from the template's default version. Nothing is written here (see `launch_writing`).

An instance type has no effect while DRS sizes the instance itself, so it sets right-sizing to NONE, whatever method the
settings name (the plan's rules report the contradiction). A static address likewise sets copyPrivateIp to false. A
prepared instance keeps its type, address and tags: it sets right-sizing to NONE, copyPrivateIp and copyTags to false.
One that is not found yet (a tag, a table: see `runbook.prepared`) is no difference: nothing is written for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from pydantic import JsonValue

from prefect_drs.aws.errors import NotFoundError, aws_call
from prefect_drs.aws.launch_template import template_differences
from prefect_drs.aws.launch_template_versions import default_versions
from prefect_drs.aws.parallel import map_by_key
from prefect_drs.aws.sessions import DEFAULT_WORKERS, Sessions
from prefect_drs.plan.model import LaunchSettings


@dataclass(frozen=True, slots=True)
class LaunchConfiguration:
    """DRS's half of how a server is launched (`GetLaunchConfiguration`); None where DRS does not say."""

    name: str | None = None
    launch_disposition: str | None = None
    target_instance_type_right_sizing_method: str | None = None
    copy_private_ip: bool | None = None
    copy_tags: bool | None = None
    os_byol: bool | None = None
    launch_into_instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class LaunchState:
    """How one server would be launched now.

    Args:
        source_server_id: the server.
        configuration: DRS's half.
        template_id: its launch template; empty where DRS names none.
        default_version: the version that DRS launches from; 0 where the template does not exist.
        template_data: that version's data, as answered. Not to be changed.
        version_at: when that version was made.
        version_by: the ARN of its creator.
    """

    source_server_id: str
    configuration: LaunchConfiguration
    template_id: str
    default_version: int
    template_data: Mapping[str, Any]
    version_at: datetime | None = None
    version_by: str | None = None

    @property
    def template_exists(self) -> bool:
        """Whether there is a template to launch from."""
        return self.default_version > 0


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One setting that a plan changes. `field` is the manifest's word; values are JSON's."""

    part: Literal["drs", "ec2"]
    field: str
    before: JsonValue
    after: JsonValue


def changes(state: LaunchState, settings: LaunchSettings) -> tuple[SettingChange, ...]:
    """What `settings` would change in `state`; empty where nothing differs. Makes no call."""
    now = state.configuration
    wanted = drs_settings(settings)
    drs = (
        SettingChange("drs", word, getattr(now, name), wanted[name])
        for name, word in DRS_WORDS.items()
        if name in wanted and getattr(now, name) != wanted[name]
    )
    ec2 = (
        SettingChange("ec2", word, before, after)
        for word, before, after in template_differences(state.template_data, settings)
    )
    return (*drs, *ec2)


DRS_WORDS = {
    "launch_disposition": "launchDisposition",
    "target_instance_type_right_sizing_method": "targetInstanceTypeRightSizingMethod",
    "copy_private_ip": "copyPrivateIp",
    "copy_tags": "copyTags",
    "os_byol": "licensing.osByol",
    "launch_into_instance_id": "launchIntoInstance",
}


def drs_settings(settings: LaunchSettings) -> dict[str, str | bool]:
    """The DRS half of the settings, with the DRS settings that follow from the EC2 half."""
    given: dict[str, str | bool | None] = {
        "launch_disposition": settings.launch_disposition,
        "target_instance_type_right_sizing_method": settings.target_instance_type_right_sizing_method,
        "copy_private_ip": settings.copy_private_ip,
        "copy_tags": settings.copy_tags,
        "os_byol": settings.licensing.os_byol if settings.licensing else None,
    }
    if settings.instance_type is not None:
        given["target_instance_type_right_sizing_method"] = "NONE"
    if settings.static_private_ip is not None:
        given["copy_private_ip"] = False
    if settings.launch_into_instance is not None:
        given |= {
            "launch_into_instance_id": settings.launch_into_instance.instance_id,
            "target_instance_type_right_sizing_method": "NONE",
            "copy_private_ip": False,
            "copy_tags": False,
        }
    return {name: value for name, value in given.items() if value is not None}


def read_launch_states(
    sessions: Sessions,
    account_id: str,
    region: str,
    server_ids: Sequence[str],
    *,
    workers: int = DEFAULT_WORKERS,
) -> dict[str, LaunchState]:
    """How each of those servers would be launched now.

    One `GetLaunchConfiguration` a server, which has no batch form; of the templates, up to 24 are read by id, more in
    pages of the region's default versions.

    Args:
        sessions: the way into the account.
        account_id: the account.
        region: the region.
        server_ids: source servers, in any order.
        workers: calls at a time; 1 makes them one after another in this thread.

    Returns:
        The states by source server id; a server that DRS does not know is left out.

    Raises:
        AwsError: a reading failed for another reason.
    """

    def configuration(server_id: str) -> Mapping[str, Any] | None:
        try:
            with aws_call("GetLaunchConfiguration", account_id, region, source_server_id=server_id):
                return drs.get_launch_configuration(sourceServerID=server_id)
        except NotFoundError:
            return None

    drs = sessions.client("drs", account_id=account_id, region=region)
    answers = map_by_key(configuration, server_ids, workers)
    found = {server_id: answer for server_id, answer in answers.items() if answer is not None}
    templates = default_versions(
        sessions.client("ec2", account_id=account_id, region=region),
        {template_id for answer in found.values() if (template_id := answer.get("ec2LaunchTemplateID"))},
        account_id,
        region,
        workers,
    )
    return {server_id: _state(server_id, answer, templates) for server_id, answer in found.items()}


def _state(server_id: str, answer: Mapping[str, Any], templates: Mapping[str, Mapping[str, Any]]) -> LaunchState:
    template_id = answer.get("ec2LaunchTemplateID") or ""
    version = templates.get(template_id, {})
    state = LaunchState(server_id, configuration_of(answer), template_id, default_version=0, template_data={})
    return at_version(state, version) if version else state


def at_version(state: LaunchState, version: Mapping[str, Any]) -> LaunchState:
    """The state with that version of its template as the default."""
    return replace(
        state,
        default_version=version["VersionNumber"],
        template_data=version["LaunchTemplateData"],
        version_at=version.get("CreateTime"),
        version_by=version.get("CreatedBy"),
    )


def configuration_of(answer: Mapping[str, Any]) -> LaunchConfiguration:
    """DRS's half, from an answer of `GetLaunchConfiguration` or `UpdateLaunchConfiguration`."""
    return LaunchConfiguration(
        name=answer.get("name"),
        launch_disposition=answer.get("launchDisposition"),
        target_instance_type_right_sizing_method=answer.get("targetInstanceTypeRightSizingMethod"),
        copy_private_ip=answer.get("copyPrivateIp"),
        copy_tags=answer.get("copyTags"),
        os_byol=(answer.get("licensing") or {}).get("osByol"),
        launch_into_instance_id=(answer.get("launchIntoInstanceProperties") or {}).get("launchIntoEC2InstanceID"),
    )
