"""Launches into prepared instances, as AWS documents them."""

from __future__ import annotations

from typing import Any

import pytest
from moto.ec2.models import ec2_backends

from tests.simulator.drs.documented import API, GUIDE, documented
from tests.simulator.drs.rig import ACCOUNT, REGION, Rig, refused
from tests.simulator.drs.test_launches_behave import launched, why_it_failed

INTO = API + "API_LaunchIntoInstanceProperties.html"
SOURCE = GUIDE + "default-drs-launch-into-source-instance.html"
ERRORS = GUIDE + "launch-configuration-errors.html"
AMS = "https://docs.aws.amazon.com/managedservices/latest/userguide/ams-disaster-recovery.html"
ALLOWED = {"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}


def prepared(rig: Rig, instance_type: str = "m5.large") -> str:
    """A stopped instance with the tag."""
    _, subnet, _ = rig.network()
    made = rig.ec2.run_instances(MinCount=1, MaxCount=1, InstanceType=instance_type, ImageId="ami-1", SubnetId=subnet)
    instance: str = made["Instances"][0]["InstanceId"]
    rig.ec2.create_tags(Resources=[instance], Tags=[ALLOWED])
    rig.ec2.stop_instances(InstanceIds=[instance])
    return instance


def aim(rig: Rig, server: str, instance: str, **more: Any) -> None:
    into = {"launchIntoEC2InstanceID": instance}
    rig.drs.update_launch_configuration(sourceServerID=server, launchIntoInstanceProperties=into, **more)


def identity(rig: Rig, instance: str) -> tuple[str, str, str, str]:
    found = rig.instance(instance)
    (interface,) = found["NetworkInterfaces"]
    return found["InstanceId"], found["PrivateIpAddress"], interface["NetworkInterfaceId"], found["InstanceType"]


@documented(INTO)
def test_a_server_can_be_launched_into_a_prepared_stopped_instance_which_keeps_its_identity(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = prepared(rig)
    before = identity(rig, instance)
    aim(rig, server, instance)
    assert launched(rig, server)["InstanceId"] == instance
    assert identity(rig, instance) == before
    assert rig.instance(instance)["State"]["Name"] == "running"


@documented(SOURCE)
def test_an_instance_without_the_tag_is_not_launched_into(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = prepared(rig)
    rig.ec2.delete_tags(Resources=[instance], Tags=[ALLOWED])
    aim(rig, server, instance)
    assert "AWSDRS" in why_it_failed(rig, server)


@documented(ERRORS)
def test_an_instance_that_is_not_stopped_is_not_launched_into(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = prepared(rig)
    rig.ec2.start_instances(InstanceIds=[instance])
    aim(rig, server, instance)
    assert "it must be stopped" in why_it_failed(rig, server)


@documented(ERRORS)
def test_an_instance_of_another_architecture_cannot_be_defined_as_the_one_to_launch_into(rig: Rig) -> None:
    (server,) = rig.seed()
    with refused("ValidationException") as error:
        aim(rig, server, prepared(rig, "m6g.large"))
    assert "configuration mismatch: Architecture" in str(error.value)
    assert "launchIntoInstanceProperties" not in rig.drs.get_launch_configuration(sourceServerID=server)


@documented(SOURCE)
@pytest.mark.parametrize(
    ("attribute", "value", "field"),
    [
        ("platform", "windows", "Platform"),
        ("current_instance_boot_mode", "uefi", "BootMode"),
        ("virtualization_type", "paravirtual", "VirtualizationType"),
        ("root_device_type", "instance-store", "RootDeviceType"),
    ],
)
def test_platform_boot_mode_virtualization_and_root_device_of_a_prepared_instance_must_match(
    rig: Rig, attribute: str, value: str, field: str
) -> None:
    (server,) = rig.seed()
    instance = prepared(rig)
    setattr(ec2_backends[ACCOUNT][REGION].get_instance(instance), attribute, value)
    with refused("ValidationException") as error:
        aim(rig, server, instance)
    assert f"configuration mismatch: {field}" in str(error.value)


@documented(SOURCE)
@pytest.mark.parametrize("member", ["copyPrivateIp", "copyTags"])
def test_private_ip_and_tags_are_not_copied_to_a_prepared_instance(rig: Rig, member: str) -> None:
    (server,) = rig.seed()
    with refused("ValidationException"):
        aim(rig, server, prepared(rig), **{member: True})


@documented(AMS)
def test_a_launch_into_an_instance_swaps_its_volumes_and_deletes_its_root_volume(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = prepared(rig)
    extra = rig.ec2.create_volume(AvailabilityZone=f"{REGION}b", Size=5)["VolumeId"]
    rig.ec2.attach_volume(VolumeId=extra, InstanceId=instance, Device="/dev/sdf")
    former = {each["DeviceName"]: each["Ebs"]["VolumeId"] for each in rig.instance(instance)["BlockDeviceMappings"]}
    aim(rig, server, instance)
    launched(rig, server)
    now = {each["DeviceName"]: each["Ebs"]["VolumeId"] for each in rig.instance(instance)["BlockDeviceMappings"]}
    there = {volume["VolumeId"]: volume["State"] for volume in rig.ec2.describe_volumes()["Volumes"]}
    assert set(now) == {"/dev/sda1"}
    assert now["/dev/sda1"] not in former.values()
    assert former["/dev/sda1"] not in there
    assert there[extra] == "available"


@documented(INTO)
def test_a_recovery_into_the_former_recovery_instance_does_not_terminate_it(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = prepared(rig)
    aim(rig, server, instance)
    launched(rig, server, drill=False)
    before = identity(rig, instance)
    rig.ec2.stop_instances(InstanceIds=[instance])
    launched(rig, server, drill=False)
    assert identity(rig, instance) == before
    assert [each["recoveryInstanceID"] for each in rig.drs.describe_recovery_instances()["items"]] == [instance]


@documented(API + "API_TerminateRecoveryInstances.html")
def test_terminating_a_recovery_instance_terminates_a_prepared_instance_too(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = prepared(rig)
    aim(rig, server, instance)
    launched(rig, server)
    rig.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])
    rig.advance(600)
    assert rig.instance(instance)["State"]["Name"] == "terminated"


@documented("https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-type-boot-mode.html")
def test_an_instance_has_the_boot_mode_and_the_virtualization_of_its_type(rig: Rig) -> None:
    said = [
        (found["Architecture"], found["CurrentInstanceBootMode"], found["VirtualizationType"])
        for found in (rig.instance(prepared(rig, each)) for each in ("m5.large", "m6g.large"))
    ]
    assert said == [("x86_64", "legacy-bios", "hvm"), ("arm64", "uefi", "hvm")]
