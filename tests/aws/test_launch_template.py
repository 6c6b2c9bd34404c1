"""Template data in a plan's words, and how a plan changes it: pure, on templates as DRS and people make them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.aws.launch_template import (
    TAGGED_RESOURCES,
    request_form,
    template_differences,
    with_settings,
)
from prefect_drs.core.errors import UsageError
from prefect_drs.plan.model import LaunchSettings

DRS_OWNED = ("ImageId", "UserData", "BlockDeviceMappings", "Placement", "KeyName")
"""What DRS writes into a launch template."""


def as_drs_makes_it(**more: Any) -> dict[str, Any]:
    return {
        "InstanceType": "m5.large",
        "EbsOptimized": True,
        "NetworkInterfaces": [
            {"DeviceIndex": 0, "SubnetId": "subnet-old", "Groups": ["sg-old"], "DeleteOnTermination": True}
        ],
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": [{"Key": "AWSElasticDisasterRecoveryManaged", "Value": "drs"}]}
            for kind in ("instance", "volume")
        ],
        "ImageId": "ami-0",
        "UserData": "IyEvYmluL3No",
        "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 8}}],
        "Placement": {"AvailabilityZone": "eu-west-1a"},
        "KeyName": "key",
        **more,
    }


def fields(data: dict[str, Any], **settings: Any) -> dict[str, tuple[Any, Any]]:
    return {word: (before, after) for word, before, after in template_differences(data, LaunchSettings(**settings))}


# ---- what differs ------------------------------------------------------------------------------------------------


def test_nothing_differs_where_the_template_holds_what_the_plan_wants() -> None:
    data = as_drs_makes_it()
    wanted = {"instance_type": "m5.large", "subnet_id": "subnet-old", "security_group_ids": ("sg-old",)}
    assert fields(data, **wanted, ebs_optimized=True, tags={"AWSElasticDisasterRecoveryManaged": "drs"}) == {}
    assert fields(data) == {}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"instance_type": "r6i.large"}, {"instanceType": ("m5.large", "r6i.large")}),
        ({"subnet_id": "subnet-new"}, {"subnetId": ("subnet-old", "subnet-new")}),
        ({"security_group_ids": ("sg-b", "sg-a")}, {"securityGroupIds": (["sg-old"], ["sg-b", "sg-a"])}),
        ({"static_private_ip": "10.0.0.9"}, {"staticPrivateIp": (None, "10.0.0.9")}),
        ({"instance_profile_name": "web"}, {"instanceProfileName": (None, "web")}),
        ({"associate_public_ip": False}, {"associatePublicIp": (None, False)}),
        ({"monitoring": True}, {"monitoring": (None, True)}),
        ({"ebs_optimized": False}, {"ebsOptimized": (True, False)}),
        ({"disable_api_termination": True}, {"disableApiTermination": (None, True)}),
        ({"credit_specification": "unlimited"}, {"creditSpecification": (None, "unlimited")}),
        ({"tags": {"team": "dr"}}, {"tags": ({"team": None}, {"team": "dr"})}),
    ],
)
def test_each_setting_is_told_in_the_manifests_word_with_before_and_after(
    settings: dict[str, Any], expected: dict[str, Any]
) -> None:
    data = as_drs_makes_it()
    assert fields(data, **settings) == expected
    written = with_settings(data, LaunchSettings(**settings))
    assert fields(written, **settings) == {}


def test_the_order_of_security_groups_is_no_difference() -> None:
    data = as_drs_makes_it()
    data["NetworkInterfaces"][0]["Groups"] = ["sg-a", "sg-b"]
    assert fields(data, security_group_ids=("sg-b", "sg-a")) == {}


def test_an_instance_profile_by_arn_is_the_profile_of_that_name() -> None:
    data = as_drs_makes_it(IamInstanceProfile={"Arn": "arn:aws:iam::1:instance-profile/path/web"})
    assert fields(data, instance_profile_name="web") == {}
    written = with_settings(data, LaunchSettings(instance_profile_name="web", monitoring=True))
    assert written["IamInstanceProfile"] == data["IamInstanceProfile"]
    assert with_settings(data, LaunchSettings(instance_profile_name="db"))["IamInstanceProfile"] == {"Name": "db"}


def test_a_tag_missing_on_the_volumes_alone_is_a_difference() -> None:
    data = as_drs_makes_it()
    data["TagSpecifications"][0]["Tags"].append({"Key": "team", "Value": "dr"})
    assert fields(data, tags={"team": "dr"}) == {"tags": ({"team": None}, {"team": "dr"})}
    assert fields(with_settings(data, LaunchSettings(tags={"team": "dr"})), tags={"team": "dr"}) == {}


# ---- the network -------------------------------------------------------------------------------------------------


def test_a_template_without_an_interface_keeps_its_groups_at_the_top_while_only_groups_are_asked_for() -> None:
    data = {"InstanceType": "m5.large", "SecurityGroupIds": ["sg-old"]}
    assert fields(data, security_group_ids=("sg-new",)) == {"securityGroupIds": (["sg-old"], ["sg-new"])}
    written = with_settings(data, LaunchSettings(security_group_ids=("sg-new",)))
    assert written == {"InstanceType": "m5.large", "SecurityGroupIds": ["sg-new"]}


def test_groups_move_into_the_interface_that_a_subnet_asks_for_since_ec2_refuses_both() -> None:
    written = with_settings({"SecurityGroupIds": ["sg-old"]}, LaunchSettings(subnet_id="subnet-new"))
    assert written == {
        "NetworkInterfaces": [
            {"DeviceIndex": 0, "DeleteOnTermination": True, "Groups": ["sg-old"], "SubnetId": "subnet-new"}
        ]
    }


def test_groups_by_name_cannot_move_so_the_plan_must_give_ids() -> None:
    data = {"SecurityGroups": ["default"]}
    with pytest.raises(UsageError, match="securityGroupIds"):
        with_settings(data, LaunchSettings(subnet_id="subnet-new"))
    given = LaunchSettings(subnet_id="subnet-new", security_group_ids=("sg-1",))
    assert "SecurityGroups" not in with_settings(data, given)


def test_an_attached_network_interface_is_not_overruled() -> None:
    data = {"NetworkInterfaces": [{"DeviceIndex": 0, "NetworkInterfaceId": "eni-1"}]}
    with pytest.raises(UsageError, match="eni-1"):
        with_settings(data, LaunchSettings(subnet_id="subnet-new"))
    assert with_settings(data, LaunchSettings(monitoring=True))["NetworkInterfaces"] == data["NetworkInterfaces"]


def test_a_second_interface_stays_as_it_is() -> None:
    second = {"DeviceIndex": 1, "SubnetId": "subnet-backup", "Groups": ["sg-backup"]}
    data = as_drs_makes_it()
    data["NetworkInterfaces"].insert(0, second)
    written = with_settings(data, LaunchSettings(subnet_id="subnet-new", static_private_ip="10.0.0.9"))
    assert written["NetworkInterfaces"][0] == second
    assert written["NetworkInterfaces"][1]["SubnetId"] == "subnet-new"
    assert written["NetworkInterfaces"][1]["PrivateIpAddress"] == "10.0.0.9"


def test_a_new_subnet_takes_the_addresses_of_the_old_one_away_and_says_so() -> None:
    data = as_drs_makes_it()
    data["NetworkInterfaces"][0] |= {"PrivateIpAddress": "10.0.0.9", "SecondaryPrivateIpAddressCount": 2}
    assert fields(data, subnet_id="subnet-new") == {
        "subnetId": ("subnet-old", "subnet-new"),
        "staticPrivateIp": ("10.0.0.9", None),
    }
    written = with_settings(data, LaunchSettings(subnet_id="subnet-new"))["NetworkInterfaces"][0]
    assert written.keys() == {"DeviceIndex", "SubnetId", "Groups", "DeleteOnTermination"}
    assert fields(data, subnet_id="subnet-old") == {}


def test_a_static_address_replaces_the_primary_of_several_and_keeps_the_others() -> None:
    data = as_drs_makes_it()
    data["NetworkInterfaces"][0]["PrivateIpAddresses"] = [
        {"Primary": True, "PrivateIpAddress": "10.0.0.8"},
        {"Primary": False, "PrivateIpAddress": "10.0.0.20"},
    ]
    assert fields(data, static_private_ip="10.0.0.9") == {"staticPrivateIp": ("10.0.0.8", "10.0.0.9")}
    written = with_settings(data, LaunchSettings(static_private_ip="10.0.0.9"))["NetworkInterfaces"][0]
    assert written["PrivateIpAddresses"] == [
        {"Primary": True, "PrivateIpAddress": "10.0.0.9"},
        {"Primary": False, "PrivateIpAddress": "10.0.0.20"},
    ]
    assert "PrivateIpAddress" not in written


def test_an_instance_type_replaces_requirements_which_ec2_refuses_beside_it() -> None:
    data = {"InstanceRequirements": {"VCpuCount": {"Min": 2}}}
    assert with_settings(data, LaunchSettings(instance_type="m5.large")) == {"InstanceType": "m5.large"}


# ---- always ------------------------------------------------------------------------------------------------------

GROUPS = st.lists(st.sampled_from(["sg-a", "sg-b", "sg-c"]), min_size=1, unique=True).map(tuple)
TAGS = st.dictionaries(st.sampled_from(["team", "tier", "Name"]), st.text(max_size=3), max_size=3)
SETTINGS = st.builds(
    LaunchSettings,
    subnet_id=st.none() | st.sampled_from(["subnet-a", "subnet-b"]),
    security_group_ids=st.none() | GROUPS,
    static_private_ip=st.none() | st.sampled_from(["10.0.0.9", "10.0.1.9"]),
    instance_type=st.none() | st.sampled_from(["m5.large", "t3.small"]),
    instance_profile_name=st.none() | st.sampled_from(["web", "db"]),
    associate_public_ip=st.none() | st.booleans(),
    monitoring=st.none() | st.booleans(),
    ebs_optimized=st.none() | st.booleans(),
    disable_api_termination=st.none() | st.booleans(),
    tags=st.none() | TAGS,
    credit_specification=st.none() | st.sampled_from(["standard", "unlimited"]),
)
INTERFACE = st.fixed_dictionaries(
    {"DeviceIndex": st.just(0)},
    optional={
        "SubnetId": st.sampled_from(["subnet-a", "subnet-b"]),
        "Groups": GROUPS.map(list),
        "PrivateIpAddress": st.sampled_from(["10.0.0.9", "10.0.1.9"]),
        "AssociatePublicIpAddress": st.booleans(),
        "Description": st.just("primary"),
    },
)
TEMPLATE = st.fixed_dictionaries(
    {},
    optional={
        "InstanceType": st.sampled_from(["m5.large", "t3.small"]),
        "SecurityGroupIds": GROUPS.map(list),
        "NetworkInterfaces": st.lists(INTERFACE, max_size=1),
        "IamInstanceProfile": st.sampled_from([{"Name": "web"}, {"Arn": "arn:aws:iam::1:instance-profile/db"}]),
        "Monitoring": st.builds(dict, Enabled=st.booleans()),
        "ImageId": st.just("ami-0"),
        "UserData": st.just("IyEvYmluL3No"),
        "KeyName": st.just("key"),
        "Placement": st.just({"AvailabilityZone": "eu-west-1a"}),
        "BlockDeviceMappings": st.just([{"DeviceName": "/dev/sda1"}]),
        "TagSpecifications": st.just([{"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "x"}]}]),
        "MetadataOptions": st.just({"HttpTokens": "required"}),
    },
)


@given(data=TEMPLATE, settings=SETTINGS)
def test_what_was_written_differs_no_more_and_writing_again_changes_nothing(
    data: dict[str, Any], settings: LaunchSettings
) -> None:
    before = deepcopy(data)
    written = with_settings(data, settings)
    assert data == before
    assert template_differences(written, settings) == ()
    assert with_settings(written, settings) == written


@given(data=TEMPLATE, settings=SETTINGS)
def test_what_drs_owns_and_what_the_plan_does_not_name_is_never_changed(
    data: dict[str, Any], settings: LaunchSettings
) -> None:
    written = with_settings(data, settings)
    for key in (*DRS_OWNED, "MetadataOptions"):
        assert written.get(key) == data.get(key)
    if settings.tags is None:
        assert written.get("TagSpecifications") == data.get("TagSpecifications")
    else:
        kept = {item["ResourceType"] for item in data.get("TagSpecifications", [])}
        assert kept <= {item["ResourceType"] for item in written.get("TagSpecifications", [])}
        assert not settings.tags or set(TAGGED_RESOURCES) <= {
            item["ResourceType"] for item in written["TagSpecifications"]
        }


@given(data=TEMPLATE, settings=SETTINGS)
def test_security_groups_are_never_both_at_the_top_and_in_an_interface_once_written(
    data: dict[str, Any], settings: LaunchSettings
) -> None:
    written = with_settings(data, settings)
    network = (
        settings.subnet_id,
        settings.security_group_ids,
        settings.static_private_ip,
        settings.associate_public_ip,
    )
    if any(value is not None for value in network) and written.get("NetworkInterfaces"):
        assert "SecurityGroupIds" not in written


def test_a_request_has_only_what_requests_take() -> None:
    shape = boto3.client("ec2", region_name="eu-west-1").meta.service_model.shape_for("RequestLaunchTemplateData")
    answered = as_drs_makes_it(
        MetadataOptions={"State": "applied", "HttpTokens": "required"},
        Operator={"Managed": False},
        Monitoring={},
        CpuOptions=None,
    )
    sent = request_form(answered, shape)
    assert sent["MetadataOptions"] == {"HttpTokens": "required"}
    assert "Operator" not in sent
    assert sent["Monitoring"] == {}
    assert "CpuOptions" not in sent
    assert sent["NetworkInterfaces"] == answered["NetworkInterfaces"]
    assert sent["BlockDeviceMappings"] == answered["BlockDeviceMappings"]
