"""One clock: what EC2, IAM and EventBridge date carries the simulated time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import boto3
from moto import mock_aws

from prefect_drs.simulator import DEFAULT_START, install

from .documented import MODEL, documented
from .rig import Rig, hearing_drs

EC2_MODEL = "botocore model ec2 2016-11-15, "


@documented(EC2_MODEL + "Instance.LaunchTime")
def test_an_instance_and_its_volumes_are_dated_when_drs_launched_them(rig: Rig) -> None:
    (server,) = rig.seed()
    job = rig.start([server])["jobID"]
    rig.advance(86_000)  # nobody asked for the launch meanwhile
    instance = rig.instance(rig.job(job)["participatingServers"][0]["recoveryInstanceID"])
    told = rig.drs.describe_recovery_instances()["items"][0]["recoveryInstanceProperties"]["lastUpdatedDateTime"]
    launched_at = datetime.fromisoformat(told)
    assert DEFAULT_START < launched_at < DEFAULT_START + timedelta(hours=1)
    dates = [instance["LaunchTime"], *(m["Ebs"]["AttachTime"] for m in instance["BlockDeviceMappings"])]
    dates += [nic["Attachment"]["AttachTime"] for nic in instance["NetworkInterfaces"]]
    volumes = [m["Ebs"]["VolumeId"] for m in instance["BlockDeviceMappings"]]
    dates += [volume["CreateTime"] for volume in rig.ec2.describe_volumes(VolumeIds=volumes)["Volumes"]]
    assert len(dates) == 4
    assert all(abs(date - launched_at) < timedelta(seconds=1) for date in dates), dates


@documented(EC2_MODEL + "LaunchTemplateVersion.CreateTime")
def test_launch_templates_roles_and_instances_have_the_simulated_time(rig: Rig) -> None:
    rig.advance(3600)
    (server,) = rig.seed()
    template = rig.drs.get_launch_configuration(sourceServerID=server)["ec2LaunchTemplateID"]
    (version,) = rig.ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]
    made = rig.ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)["Instances"][0]
    role = rig.client("iam").create_role(RoleName="new", AssumeRolePolicyDocument="{}")["Role"]
    dates = (version["CreateTime"], made["LaunchTime"], role["CreateDate"])
    assert dates == (DEFAULT_START + timedelta(hours=1),) * 3


@documented(MODEL + "LaunchStatus")
def test_an_event_has_the_time_at_which_it_happened(rig: Rig) -> None:
    heard = hearing_drs(rig, "DRS Source Server Launch Result")
    job = rig.start(rig.seed())["jobID"]
    rig.advance(86_000)
    ended = datetime.fromisoformat(rig.job(job)["endDateTime"])
    (event,) = heard()
    assert timedelta(0) <= ended - datetime.fromisoformat(event["time"]) < timedelta(minutes=1)


def test_without_a_sandbox_moto_keeps_the_machines_time() -> None:
    install()
    with mock_aws():
        ec2 = boto3.client("ec2", region_name="us-east-1")
        made = ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)["Instances"][0]
        assert abs(made["LaunchTime"] - datetime.now(UTC)) < timedelta(minutes=5)
