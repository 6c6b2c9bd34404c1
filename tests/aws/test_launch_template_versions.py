"""Versions of launch templates that EC2 warns of, and old ones that are deleted: answers that moto's EC2 has not."""

from __future__ import annotations

import logging

import pytest

from prefect_drs.aws.launch_configuration import (
    LaunchConfiguration,
    LaunchState,
)
from prefect_drs.aws.launch_writing import apply_changes, versions_to_prune
from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.core.errors import AwsError
from prefect_drs.plan.model import LaunchSettings
from tests.aws.conftest import Endpoint

REGION = "eu-west-1"
SUBNET = "subnet-0123456789abcdef0"

_VERSION = (
    "<item><launchTemplateId>lt-1</launchTemplateId><versionNumber>{0}</versionNumber>"
    "<defaultVersion>{1}</defaultVersion><launchTemplateData/></item>"
)
_IDENTITY = (
    "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>222222222222</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
_STATE = LaunchState("s-00000000000000000", LaunchConfiguration(), "lt-1", default_version=30, template_data={})


def _ec2_answers(endpoint: Endpoint, *, warning: str = "", versions: tuple[int, ...] = (30,)) -> Sessions:
    created = _VERSION.format(31, "false").replace("item>", "launchTemplateVersion>")
    listed = "".join(_VERSION.format(number, str(number == 30).lower()) for number in versions)
    endpoint.answers |= {
        "GetCallerIdentity": (200, _IDENTITY),
        "DescribeLaunchTemplateVersions": (
            200,
            f"<R><launchTemplateVersionSet>{listed}</launchTemplateVersionSet></R>",
        ),
        "CreateLaunchTemplateVersion": (200, f"<R>{created}{warning}</R>"),
        "ModifyLaunchTemplate": (200, "<R/>"),
        "DeleteLaunchTemplateVersions": (200, "<R/>"),
    }
    return Sessions([AccountAccess("222222222222", endpoint_url=endpoint.url)])


def test_a_version_that_ec2_warns_of_is_not_made_the_default(endpoint: Endpoint) -> None:
    fault = "<code>InvalidSubnetID.NotFound</code><message>The subnet ID does not exist</message>"
    sessions = _ec2_answers(endpoint, warning=f"<warning><errorSet><item>{fault}</item></errorSet></warning>")
    with pytest.raises(AwsError, match=r"not valid.*InvalidSubnetID.NotFound: The subnet ID does not exist") as caught:
        apply_changes(sessions, "222222222222", REGION, _STATE, LaunchSettings(subnet_id=SUBNET))
    assert caught.value.aws_code == "InvalidSubnetID.NotFound"
    assert "ModifyLaunchTemplate" not in endpoint.actions


def test_old_versions_beyond_the_limit_are_deleted_once_the_new_one_is_the_default(endpoint: Endpoint) -> None:
    sessions = _ec2_answers(endpoint, versions=(2, 3, 25, 28, 29, 30))
    apply_changes(sessions, "222222222222", REGION, _STATE, LaunchSettings(monitoring=True), kept_versions=3)
    assert endpoint.actions[-4:] == [
        "CreateLaunchTemplateVersion",
        "ModifyLaunchTemplate",
        "DescribeLaunchTemplateVersions",
        "DeleteLaunchTemplateVersions",
    ]
    asked = endpoint.requests[-1]
    assert [value for key, value in asked.items() if key.startswith("LaunchTemplateVersion.")] == ["2", "3", "25"]


def test_old_versions_that_cannot_be_deleted_are_told_and_the_settings_stand(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    sessions = _ec2_answers(endpoint, versions=(1, 2, 30))
    denied = (
        "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>"
    )
    endpoint.answers["DeleteLaunchTemplateVersions"] = (403, denied)
    with caplog.at_level(logging.WARNING, "prefect_drs"):
        after = apply_changes(
            sessions, "222222222222", REGION, _STATE, LaunchSettings(monitoring=True), kept_versions=1
        )
    assert after.default_version == 31
    assert "Old versions of launch template lt-1 stay" in caplog.text
    assert "UnauthorizedOperation" in caplog.text


def test_the_default_and_the_newest_versions_are_never_pruned() -> None:
    assert versions_to_prune([1, 2, 3, 4, 5], default=1, kept=2) == [2, 3]
    assert versions_to_prune([5, 4, 3], default=5, kept=2) == []
    assert versions_to_prune([], default=5, kept=0) == []
