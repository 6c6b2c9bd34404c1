"""How a server would be launched, in an account, and how a plan changes it: only what differs, checked as it goes.

In: source server ids and a plan's `LaunchSettings`. Out: `LaunchState`s as the account holds them, the
`SettingChange`s a plan makes, and the state after they were written. DRS keeps one half (`GetLaunchConfiguration`),
an EC2 launch template the other; DRS launches from the template's default version.

A server is written with at most three calls: `UpdateLaunchConfiguration`, `CreateLaunchTemplateVersion`,
`ModifyLaunchTemplate`; one more deletes old versions once there are more than `KEPT_VERSIONS`. Where nothing differs,
none is made. EC2 has no compare-and-set for templates: before writing, the template is read again, and a version that
appeared in between starts the work over from what is there then, so that nobody's change is lost silently.

An instance type lasts only where DRS does not size the instance itself, so it brings right-sizing NONE with it, over
whatever method the settings name (the plan's rules tell a person of the contradiction). A static address likewise
brings copyPrivateIp false.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import JsonValue

from prefect_drs.aws.errors import NotFoundError, aws_call
from prefect_drs.aws.launch_template import request_form, template_differences, template_values, with_settings
from prefect_drs.aws.parallel import each
from prefect_drs.aws.sessions import DEFAULT_WORKERS, Sessions
from prefect_drs.core.errors import AwsError
from prefect_drs.plan.model import LaunchSettings

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client

KEPT_VERSIONS = 20  # of a launch template, the default besides; EC2's quota is 10,000
DELETED_A_CALL = 200  # DeleteLaunchTemplateVersions: "up to 200 launch template versions in a single request"
VERSIONS_A_PAGE = 200  # DescribeLaunchTemplateVersions, MaxResults: 1 to 200
BY_ID_UP_TO = 24  # templates read one by one; above, the region's are read in pages
WRITE_ATTEMPTS = 3  # of a template that others write at the same moment
VERSION_DESCRIPTION = "Launch settings of a recovery plan, written by prefect-drs"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LaunchConfiguration:
    """DRS's half of how a server is launched (`GetLaunchConfiguration`); None where DRS does not say."""

    name: str | None = None
    launch_disposition: str | None = None
    target_instance_type_right_sizing_method: str | None = None
    copy_private_ip: bool | None = None
    copy_tags: bool | None = None
    os_byol: bool | None = None
    post_launch_enabled: bool | None = None
    recovery_mode: str | None = None
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
        version_by: who made it, as EC2 tells it (an ARN).
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


# ---- comparing ---------------------------------------------------------------------------------------------------


def changes(state: LaunchState, settings: LaunchSettings) -> tuple[SettingChange, ...]:
    """What `settings` would change in `state`; empty where nothing differs. Makes no call."""
    now = state.configuration
    wanted = _drs_settings(settings)
    drs = (
        SettingChange("drs", word, getattr(now, name), wanted[name])
        for name, word in _DRS_WORDS.items()
        if name in wanted and getattr(now, name) != wanted[name]
    )
    ec2 = (
        SettingChange("ec2", word, before, after)
        for word, before, after in template_differences(state.template_data, settings)
    )
    return (*drs, *ec2)


_DRS_WORDS = {
    "launch_disposition": "launchDisposition",
    "target_instance_type_right_sizing_method": "targetInstanceTypeRightSizingMethod",
    "copy_private_ip": "copyPrivateIp",
    "copy_tags": "copyTags",
    "os_byol": "licensing.osByol",
}


def _drs_settings(settings: LaunchSettings) -> dict[str, str | bool]:
    """The DRS half of the settings, with what the EC2 half brings along."""
    asked: dict[str, str | bool | None] = {
        "launch_disposition": settings.launch_disposition,
        "target_instance_type_right_sizing_method": settings.target_instance_type_right_sizing_method,
        "copy_private_ip": settings.copy_private_ip,
        "copy_tags": settings.copy_tags,
        "os_byol": settings.licensing.os_byol if settings.licensing else None,
    }
    if settings.instance_type is not None:
        asked["target_instance_type_right_sizing_method"] = "NONE"
    if settings.static_private_ip is not None:
        asked["copy_private_ip"] = False
    return {name: value for name, value in asked.items() if value is not None}


# ---- reading -----------------------------------------------------------------------------------------------------


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
    answers = dict(zip(server_ids, each(configuration, server_ids, workers), strict=True))
    found = {server_id: answer for server_id, answer in answers.items() if answer is not None}
    templates = _default_versions(
        sessions.client("ec2", account_id=account_id, region=region),
        {template_id for answer in found.values() if (template_id := answer.get("ec2LaunchTemplateID"))},
        account_id,
        region,
        workers,
    )
    return {server_id: _state(server_id, answer, templates) for server_id, answer in found.items()}


def _default_versions(
    ec2: EC2Client, template_ids: set[str], account_id: str, region: str, workers: int
) -> dict[str, Mapping[str, Any]]:
    """The default version of each of those templates; one that does not exist is left out."""
    found: dict[str, Mapping[str, Any]] = {}
    if len(template_ids) > BY_ID_UP_TO:
        with aws_call("DescribeLaunchTemplateVersions", account_id, region):
            paginator = ec2.get_paginator("describe_launch_template_versions")
            pages = paginator.paginate(Versions=["$Default"], PaginationConfig={"PageSize": VERSIONS_A_PAGE})
            for page in pages:
                found |= {
                    item["LaunchTemplateId"]: _whole(item)
                    for item in page["LaunchTemplateVersions"]
                    if item["LaunchTemplateId"] in template_ids
                }
                if len(found) == len(template_ids):
                    break

    def by_id(template_id: str) -> Mapping[str, Any] | None:
        try:
            return _versions(ec2, template_id, ["$Default"], account_id, region)[0]
        except NotFoundError:
            return None

    missing = sorted(template_ids - found.keys())
    for template_id, version in zip(missing, each(by_id, missing, workers), strict=True):
        if version is not None:
            found[template_id] = version
    return found


def _versions(
    ec2: EC2Client, template_id: str, versions: list[str], account_id: str, region: str
) -> list[Mapping[str, Any]]:
    with aws_call("DescribeLaunchTemplateVersions", account_id, region, launch_template_id=template_id):
        answer = ec2.describe_launch_template_versions(LaunchTemplateId=template_id, Versions=versions)
        found: list[Mapping[str, Any]] = [_whole(item) for item in answer["LaunchTemplateVersions"]]
        if not found:
            raise ValueError(f"no version of {template_id}")
        return found


def _whole(version: Mapping[str, Any]) -> Mapping[str, Any]:
    """A version that can be understood: what is written anew from a part of it would lose the rest.

    Raises:
        KeyError: its number, its data or a part of that is missing.
    """
    data = version["LaunchTemplateData"]
    needed = [version["VersionNumber"], template_values(data)]
    needed += [tag["Key"] for tags in data.get("TagSpecifications") or [] for tag in tags.get("Tags") or []]
    for interface in data.get("NetworkInterfaces") or []:
        needed += [address["PrivateIpAddress"] for address in interface.get("PrivateIpAddresses") or []]
    return version


def _state(server_id: str, answer: Mapping[str, Any], templates: Mapping[str, Mapping[str, Any]]) -> LaunchState:
    template_id = answer.get("ec2LaunchTemplateID") or ""
    version = templates.get(template_id, {})
    state = LaunchState(server_id, _configuration(answer), template_id, default_version=0, template_data={})
    return _at_version(state, version) if version else state


def _at_version(state: LaunchState, version: Mapping[str, Any]) -> LaunchState:
    """The state with that version of its template as the default."""
    return replace(
        state,
        default_version=version["VersionNumber"],
        template_data=version["LaunchTemplateData"],
        version_at=version.get("CreateTime"),
        version_by=version.get("CreatedBy"),
    )


def _configuration(answer: Mapping[str, Any]) -> LaunchConfiguration:
    return LaunchConfiguration(
        name=answer.get("name"),
        launch_disposition=answer.get("launchDisposition"),
        target_instance_type_right_sizing_method=answer.get("targetInstanceTypeRightSizingMethod"),
        copy_private_ip=answer.get("copyPrivateIp"),
        copy_tags=answer.get("copyTags"),
        os_byol=(answer.get("licensing") or {}).get("osByol"),
        post_launch_enabled=answer.get("postLaunchEnabled"),
        recovery_mode=answer.get("recoveryMode"),
        launch_into_instance_id=(answer.get("launchIntoInstanceProperties") or {}).get("launchIntoEC2InstanceID"),
    )


# ---- writing -----------------------------------------------------------------------------------------------------


def apply_changes(
    sessions: Sessions,
    account_id: str,
    region: str,
    state: LaunchState,
    settings: LaunchSettings,
    *,
    kept_versions: int = KEPT_VERSIONS,
) -> LaunchState:
    """Write what differs between `settings` and `state`, and nothing else.

    Args:
        sessions: the way into the account.
        account_id: the account.
        region: the region.
        state: as read before; where the template has moved on since, it is read again and worked from there.
        settings: the effective settings of the server.
        kept_versions: how many versions of the template may stay, the default besides.

    Returns:
        The state after; `changes` of it and the settings is empty.

    Raises:
        AwsError: a call failed, or EC2 warned of the new version, which is then not made the default; or others keep
            changing the template.
        UsageError: the template attaches an existing network interface and the settings ask for another.
    """
    differing = changes(state, settings)
    if any(change.part == "drs" for change in differing):
        state = replace(state, configuration=_update_configuration(sessions, account_id, region, state, settings))
    if not any(change.part == "ec2" for change in differing):
        return state
    if not state.template_exists:
        raise NotFoundError(
            f"source server {state.source_server_id} in {account_id}/{region} has no launch template "
            f"{state.template_id}".rstrip()
            + "; have DRS make one (DRS console: the server's launch settings)",
            account_id=account_id,
            region=region,
            source_server_id=state.source_server_id,
        )
    writing = _TemplateWriting(sessions.client("ec2", account_id=account_id, region=region), account_id, region)
    return writing.apply(state, settings, kept_versions)


def _update_configuration(
    sessions: Sessions, account_id: str, region: str, state: LaunchState, settings: LaunchSettings
) -> LaunchConfiguration:
    """`UpdateLaunchConfiguration` with the members that differ; what is not given stays as it is."""
    now = state.configuration
    arguments: dict[str, Any] = {
        _DRS_WORDS[name]: value for name, value in _drs_settings(settings).items() if getattr(now, name) != value
    }
    if (byol := arguments.pop("licensing.osByol", None)) is not None:
        arguments["licensing"] = {"osByol": byol}
    drs = sessions.client("drs", account_id=account_id, region=region)
    with aws_call("UpdateLaunchConfiguration", account_id, region, source_server_id=state.source_server_id):
        return _configuration(drs.update_launch_configuration(sourceServerID=state.source_server_id, **arguments))


@dataclass(frozen=True, slots=True)
class _TemplateWriting:
    """Makes new default versions of launch templates in one account and region."""

    ec2: EC2Client
    account_id: str
    region: str

    def apply(self, state: LaunchState, settings: LaunchSettings, kept_versions: int) -> LaunchState:
        for _ in range(WRITE_ATTEMPTS):
            state, latest = self._current(state)
            if not template_differences(state.template_data, settings):
                return state
            created = self._create(state, settings)
            number = created["VersionNumber"]
            if number == latest + 1 or self._current(state)[0].default_version == state.default_version:
                self._make_default(state, number)
                self._prune(state, number, kept_versions)
                return _at_version(state, created)
            _logger.warning(
                "Launch template %s in %s/%s changed while version %s was written; starting over from its new default",
                *(state.template_id, self.account_id, self.region, number),
            )
        raise AwsError(
            f"launch template {state.template_id} in {self.account_id}/{self.region} was changed by others "
            f"{WRITE_ATTEMPTS} times while it was written; CloudTrail names who called CreateLaunchTemplateVersion: "
            "stop them and try again",
            account_id=self.account_id,
            region=self.region,
            source_server_id=state.source_server_id,
        )

    def _current(self, state: LaunchState) -> tuple[LaunchState, int]:
        """The state with the template as it is at this moment, and the number of its latest version."""
        found = _versions(self.ec2, state.template_id, ["$Default", "$Latest"], self.account_id, self.region)
        with aws_call("DescribeLaunchTemplateVersions", self.account_id, self.region):
            default = next(item for item in found if item["DefaultVersion"])
        if state.default_version not in {0, default["VersionNumber"]}:
            _logger.info(
                "Launch template %s in %s/%s moved from version %s to %s since it was read; working from the latter",
                *(state.template_id, self.account_id, self.region, state.default_version, default["VersionNumber"]),
            )
        return _at_version(state, default), max(item["VersionNumber"] for item in found)

    def _create(self, state: LaunchState, settings: LaunchSettings) -> Mapping[str, Any]:
        shape = self.ec2.meta.service_model.shape_for("RequestLaunchTemplateData")
        data: Any = request_form(with_settings(state.template_data, settings), shape)
        with aws_call("CreateLaunchTemplateVersion", self.account_id, self.region, **self._details(state)):
            answer = self.ec2.create_launch_template_version(
                LaunchTemplateId=state.template_id,
                VersionDescription=VERSION_DESCRIPTION,
                LaunchTemplateData=data,
            )
        if faults := (answer.get("Warning") or {}).get("Errors"):
            told = "; ".join(f"{fault.get('Code', '')}: {fault.get('Message', '')}" for fault in faults)
            raise AwsError(
                f"EC2 finds version {answer['LaunchTemplateVersion']['VersionNumber']} of launch template "
                f"{state.template_id} in {self.account_id}/{self.region} not valid, so it was not made the "
                f"default: {told}; correct the launch settings",
                aws_code=faults[0].get("Code", ""),
                account_id=self.account_id,
                region=self.region,
                **self._details(state),
            )
        with aws_call("CreateLaunchTemplateVersion", self.account_id, self.region, **self._details(state)):
            return _whole(answer["LaunchTemplateVersion"])

    def _make_default(self, state: LaunchState, number: int) -> None:
        with aws_call("ModifyLaunchTemplate", self.account_id, self.region, **self._details(state)):
            self.ec2.modify_launch_template(LaunchTemplateId=state.template_id, DefaultVersion=str(number))

    def _prune(self, state: LaunchState, number: int, kept: int) -> None:
        """Delete old versions of ours and others beyond `kept`; a failure is told and changes nothing else."""
        if number <= kept + 1:
            return
        try:
            self._delete(state, number, self._old_versions(state, number, kept))
        except AwsError as error:
            _logger.warning("Old versions of launch template %s stay: %s", state.template_id, error.message)

    def _old_versions(self, state: LaunchState, number: int, kept: int) -> list[int]:
        with aws_call("DescribeLaunchTemplateVersions", self.account_id, self.region, **self._details(state)):
            paginator = self.ec2.get_paginator("describe_launch_template_versions")
            pages = paginator.paginate(
                LaunchTemplateId=state.template_id, PaginationConfig={"PageSize": VERSIONS_A_PAGE}
            )
            there = [item["VersionNumber"] for page in pages for item in page["LaunchTemplateVersions"]]
        return versions_to_prune(there, default=number, kept=kept)[:DELETED_A_CALL]

    def _delete(self, state: LaunchState, number: int, old: Sequence[int]) -> None:
        if not old:
            return
        with aws_call("DeleteLaunchTemplateVersions", self.account_id, self.region, **self._details(state)):
            self.ec2.delete_launch_template_versions(
                LaunchTemplateId=state.template_id, Versions=[str(version) for version in old]
            )

    def _details(self, state: LaunchState) -> dict[str, str]:
        return {"launch_template_id": state.template_id, "source_server_id": state.source_server_id}


def versions_to_prune(versions: Iterable[int], *, default: int, kept: int) -> list[int]:
    """The oldest versions beyond the `kept` newest, in order; never the default, which is not counted."""
    others = sorted(version for version in versions if version != default)
    return others[: max(0, len(others) - kept)]
