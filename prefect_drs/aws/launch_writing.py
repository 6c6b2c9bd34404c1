"""Writing a server's launch settings: only what differs, checked as it is written.

In: a `LaunchState` as read, and a plan's `LaunchSettings`. Out: the state afterwards. At most three calls write:
`UpdateLaunchConfiguration`, `CreateLaunchTemplateVersion`, `ModifyLaunchTemplate`; one more deletes old versions once
there are more than `KEPT_VERSIONS`. Where nothing differs, no call is made.

EC2 has no compare-and-set for templates. So the template is read again before it is written, and a version that
appeared in between makes the work start over from that version: nobody's change is lost silently.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from prefect_drs.aws.errors import NotFoundError, aws_call
from prefect_drs.aws.launch_configuration import (
    DRS_WORDS,
    LaunchConfiguration,
    LaunchState,
    at_version,
    changes,
    configuration_of,
    drs_settings,
)
from prefect_drs.aws.launch_template import request_form, template_differences, with_settings
from prefect_drs.aws.launch_template_versions import VERSIONS_A_PAGE, complete_version, read_versions
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError
from prefect_drs.plan.model import LaunchSettings

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client

KEPT_VERSIONS = 20  # of a launch template, the default besides; EC2's quota is 10,000
DELETED_A_CALL = 200  # DeleteLaunchTemplateVersions: "up to 200 launch template versions in a single request"
WRITE_ATTEMPTS = 3  # of a template that others write at the same moment
VERSION_DESCRIPTION = "Launch settings of a recovery plan, written by prefect-drs"

_logger = logging.getLogger(__name__)


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
        state: as read before; where the template has a newer default, that one is changed.
        settings: the effective settings of the server.
        kept_versions: how many versions of the template may stay, the default besides.

    Returns:
        The state after; `changes` of it and the settings is empty.

    Raises:
        AwsError: a call failed, or EC2 warned of the new version, which is then not made the default; or
            others keep changing the template.
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
        DRS_WORDS[name]: value for name, value in drs_settings(settings).items() if getattr(now, name) != value
    }
    if (byol := arguments.pop("licensing.osByol", None)) is not None:
        arguments["licensing"] = {"osByol": byol}
    if (instance_id := arguments.pop("launchIntoInstance", None)) is not None:
        arguments["launchIntoInstanceProperties"] = {"launchIntoEC2InstanceID": instance_id}
    drs = sessions.client("drs", account_id=account_id, region=region)
    with aws_call("UpdateLaunchConfiguration", account_id, region, source_server_id=state.source_server_id):
        return configuration_of(drs.update_launch_configuration(sourceServerID=state.source_server_id, **arguments))


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
                return at_version(state, created)
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
        found = read_versions(self.ec2, state.template_id, ["$Default", "$Latest"], self.account_id, self.region)
        with aws_call("DescribeLaunchTemplateVersions", self.account_id, self.region):
            default = next(item for item in found if item["DefaultVersion"])
        if state.default_version not in {0, default["VersionNumber"]}:
            _logger.info(
                "Launch template %s in %s/%s moved from version %s to %s since it was read; working from the latter",
                *(state.template_id, self.account_id, self.region, state.default_version, default["VersionNumber"]),
            )
        return at_version(state, default), max(item["VersionNumber"] for item in found)

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
            reasons = "; ".join(f"{fault.get('Code', '')}: {fault.get('Message', '')}" for fault in faults)
            raise AwsError(
                f"EC2 finds version {answer['LaunchTemplateVersion']['VersionNumber']} of launch template "
                f"{state.template_id} in {self.account_id}/{self.region} not valid, so it was not made the "
                f"default: {reasons}; correct the launch settings",
                aws_code=faults[0].get("Code", ""),
                account_id=self.account_id,
                region=self.region,
                **self._details(state),
            )
        with aws_call("CreateLaunchTemplateVersion", self.account_id, self.region, **self._details(state)):
            return complete_version(answer["LaunchTemplateVersion"])

    def _make_default(self, state: LaunchState, number: int) -> None:
        with aws_call("ModifyLaunchTemplate", self.account_id, self.region, **self._details(state)):
            self.ec2.modify_launch_template(LaunchTemplateId=state.template_id, DefaultVersion=str(number))

    def _prune(self, state: LaunchState, number: int, kept: int) -> None:
        """Delete old versions of ours and others beyond `kept`; a failure is logged and changes nothing else."""
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
