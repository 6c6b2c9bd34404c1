"""EC2 launch templates as AWS has them, by boto3 and by what prefect-drs itself calls."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from prefect_drs.aws.assume_role import caller_session
from prefect_drs.aws.launch_configuration import read_launch_states
from prefect_drs.aws.launch_writing import KEPT_VERSIONS, apply_changes
from prefect_drs.aws.sessions import Sessions
from prefect_drs.plan.model import LaunchSettings

from .documented import documented
from .rig import ACCOUNT, REGION, Rig

EC2 = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/"


def template_of(rig: Rig, server_id: str) -> str:
    found: str = rig.drs.get_launch_configuration(sourceServerID=server_id)["ec2LaunchTemplateID"]
    return found


def versions_of(rig: Rig, template_id: str) -> list[int]:
    told = rig.ec2.describe_launch_template_versions(LaunchTemplateId=template_id)["LaunchTemplateVersions"]
    return [version["VersionNumber"] for version in told]


def with_versions(rig: Rig, count: int) -> str:
    template_id = template_of(rig, rig.seed()[0])
    for _ in range(count - 1):
        rig.ec2.create_launch_template_version(LaunchTemplateId=template_id, LaunchTemplateData={})
    return template_id


def delete(rig: Rig, template_id: str, *numbers: int) -> dict[str, Any]:
    answer: dict[str, Any] = rig.ec2.delete_launch_template_versions(
        LaunchTemplateId=template_id, Versions=[str(number) for number in numbers]
    )
    return answer


@documented(EC2 + "API_DescribeLaunchTemplateVersions.html")
def test_the_default_versions_of_all_templates_come_in_pages_of_200_at_most(rig: Rig) -> None:
    templates = {template_of(rig, server_id) for server_id in rig.seed(450)}
    pages = []
    more: dict[str, Any] = {}
    while not pages or more:
        page = rig.ec2.describe_launch_template_versions(Versions=["$Default"], MaxResults=200, **more)
        pages.append([item["LaunchTemplateId"] for item in page["LaunchTemplateVersions"]])
        more = {"NextToken": page["NextToken"]} if page.get("NextToken") else {}
    assert [len(page) for page in pages] == [200, 200, 50]
    assert {template for page in pages for template in page} == templates


def test_450_launch_states_cost_three_calls_besides_one_a_server(rig: Rig) -> None:
    servers = rig.seed(450)
    sent: list[str] = []
    session = caller_session(region_name=REGION)
    session.events.register("before-call", lambda model, **_: sent.append(model.name))
    states = read_launch_states(Sessions(session=session), ACCOUNT, REGION, servers, workers=1)
    assert len(states) == 450
    assert all(state.template_exists for state in states.values())
    assert sorted(set(sent)) == ["DescribeLaunchTemplateVersions", "GetCallerIdentity", "GetLaunchConfiguration"]
    assert sent.count("DescribeLaunchTemplateVersions") == 3


@documented(EC2 + "API_DescribeLaunchTemplateVersions.html")
def test_a_page_of_launch_template_versions_holds_1_to_200(rig: Rig) -> None:
    for size in (0, 201):
        with pytest.raises(ClientError, match="InvalidParameterValue"):
            rig.ec2.describe_launch_template_versions(Versions=["$Default"], MaxResults=size)


def test_a_token_that_ec2_did_not_give_out_for_this_query_is_refused(rig: Rig) -> None:
    rig.seed(3)
    token = rig.ec2.describe_launch_template_versions(Versions=["$Default"], MaxResults=1)["NextToken"]
    with pytest.raises(ClientError, match="InvalidNextToken"):
        rig.ec2.describe_launch_template_versions(Versions=["$Latest"], MaxResults=1, NextToken=token)


@documented(EC2 + "API_DescribeLaunchTemplates.html")
def test_launch_templates_come_in_pages_too(rig: Rig) -> None:
    rig.seed(20)
    assert len(rig.ec2.describe_launch_templates()["LaunchTemplates"]) == 20
    pages = rig.ec2.get_paginator("describe_launch_templates").paginate(PaginationConfig={"PageSize": 8})
    assert [len(page["LaunchTemplates"]) for page in pages] == [8, 8, 4]


@documented(EC2 + "API_CreateLaunchTemplateVersion.html")
def test_a_new_version_inherits_omitted_settings_from_its_source_version(rig: Rig) -> None:
    template_id = template_of(rig, rig.seed()[0])
    rig.ec2.create_launch_template_version(
        LaunchTemplateId=template_id, SourceVersion="1", LaunchTemplateData={"InstanceType": "m5.large"}
    )
    first, second = rig.ec2.describe_launch_template_versions(LaunchTemplateId=template_id)["LaunchTemplateVersions"]
    assert second["LaunchTemplateData"] == {**first["LaunchTemplateData"], "InstanceType": "m5.large"}


@documented(EC2 + "API_DeleteLaunchTemplateVersions.html")
def test_deleted_versions_are_gone_and_their_numbers_are_never_reused(rig: Rig) -> None:
    template_id = with_versions(rig, 5)
    answer = delete(rig, template_id, 2, 5)
    assert [item["VersionNumber"] for item in answer["SuccessfullyDeletedLaunchTemplateVersions"]] == [2, 5]
    assert answer["UnsuccessfullyDeletedLaunchTemplateVersions"] == []
    assert versions_of(rig, template_id) == [1, 3, 4]
    made = rig.ec2.create_launch_template_version(LaunchTemplateId=template_id, LaunchTemplateData={})
    assert made["LaunchTemplateVersion"]["VersionNumber"] == 6
    with pytest.raises(ClientError, match="VersionNotFound"):
        rig.ec2.describe_launch_template_versions(LaunchTemplateId=template_id, Versions=["2"])


@documented(EC2 + "API_DeleteLaunchTemplateVersions.html")
def test_the_default_version_of_a_template_cannot_be_deleted(rig: Rig) -> None:
    template_id = with_versions(rig, 3)
    answer = delete(rig, template_id, 1, 3)
    assert [item["VersionNumber"] for item in answer["SuccessfullyDeletedLaunchTemplateVersions"]] == [3]
    (kept,) = answer["UnsuccessfullyDeletedLaunchTemplateVersions"]
    assert (kept["VersionNumber"], kept["ResponseError"]["Code"]) == (1, "unexpectedError")
    assert versions_of(rig, template_id) == [1, 2]


@documented(EC2 + "API_ResponseError.html")
def test_a_missing_version_is_reported_besides_those_that_were_deleted(rig: Rig) -> None:
    template_id = with_versions(rig, 2)
    answer = delete(rig, template_id, 2, 9)
    (missing,) = answer["UnsuccessfullyDeletedLaunchTemplateVersions"]
    assert missing["ResponseError"]["Code"] == "launchTemplateVersionDoesNotExist"


@documented(EC2 + "API_DeleteLaunchTemplateVersions.html")
def test_more_than_200_versions_in_one_deletion_are_refused(rig: Rig) -> None:
    template_id = template_of(rig, rig.seed()[0])
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        delete(rig, template_id, *range(2, 203))


def test_a_launch_takes_the_default_version_of_a_template_with_gaps(rig: Rig) -> None:
    (server_id,) = rig.seed()
    for instance_type in ("m5.large", "m5.xlarge"):
        rig.change_template(server_id, InstanceType=instance_type)
    rig.drs.update_launch_configuration(sourceServerID=server_id, targetInstanceTypeRightSizingMethod="NONE")
    delete(rig, template_of(rig, server_id), 1, 2)
    (launched,) = rig.launch([server_id])["participatingServers"]
    assert rig.instance(launched["recoveryInstanceID"])["InstanceType"] == "m5.xlarge"


def test_prefect_drs_prunes_old_versions_and_keeps_the_default(rig: Rig) -> None:
    (server_id,) = rig.seed()
    sessions = Sessions(session=caller_session(region_name=REGION))
    for number in range(KEPT_VERSIONS + 5):
        state = read_launch_states(sessions, ACCOUNT, REGION, [server_id])[server_id]
        settings = LaunchSettings(instance_type="m5.large" if number % 2 else "m5.xlarge")
        after = apply_changes(sessions, ACCOUNT, REGION, state, settings)
    versions = versions_of(rig, template_of(rig, server_id))
    assert len(versions) == KEPT_VERSIONS + 1
    assert versions[-1] == after.default_version == KEPT_VERSIONS + 6
