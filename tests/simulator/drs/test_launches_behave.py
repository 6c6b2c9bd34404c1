"""What a launch makes in EC2."""

from __future__ import annotations

from .documented import API, GUIDE, MODEL, documented
from .rig import GIB, Rig, refused

TEMPLATES = GUIDE + "ec2-launch.html"
SETTINGS = GUIDE + "launch-general-settings.html"


def launched(rig: Rig, server: str, *, drill: bool = True) -> dict:
    participant = rig.launch([server], drill=drill)["participatingServers"][0]
    assert participant["launchStatus"] == "LAUNCHED", rig.drs.describe_jobs()["items"][0]
    return rig.instance(participant["recoveryInstanceID"])


def why_it_failed(rig: Rig, server: str) -> str:
    job = rig.launch([server])
    assert job["participatingServers"][0]["launchStatus"] == "FAILED"
    items = rig.drs.describe_job_log_items(jobID=job["jobID"])["items"]
    return next(item["eventData"]["rawError"] for item in items if item["event"] == "LAUNCH_FAILED")


def running_copies(rig: Rig, server: str) -> list[dict]:
    """The running instances that carry the server's tag."""
    filters = [
        {"Name": "instance-state-name", "Values": ["running"]},
        {"Name": "tag:AWSElasticDisasterRecoverySourceServerID", "Values": [server]},
    ]
    return rig.ec2.describe_instances(Filters=filters)["Reservations"]


def keep_type(rig: Rig, server: str) -> None:
    rig.drs.update_launch_configuration(sourceServerID=server, targetInstanceTypeRightSizingMethod="NONE")


@documented(TEMPLATES)
def test_an_instance_takes_subnet_address_and_groups_of_the_launch_template(rig: Rig) -> None:
    (server,) = rig.seed()
    vpc, subnet, group = rig.network()
    interface = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [group], "PrivateIpAddress": "10.1.1.77"}
    rig.change_template(server, NetworkInterfaces=[interface])
    instance = launched(rig, server)
    assert (instance["VpcId"], instance["SubnetId"]) == (vpc, subnet)
    assert instance["PrivateIpAddress"] == "10.1.1.77"
    assert [g["GroupId"] for g in instance["SecurityGroups"]] == [group]
    assert instance["Placement"]["AvailabilityZone"] == "us-east-1b"


@documented(TEMPLATES)
def test_the_default_version_of_the_template_is_used_not_the_latest(rig: Rig) -> None:
    (server,) = rig.seed()
    keep_type(rig, server)
    rig.change_template(server, InstanceType="m5.xlarge")
    rig.change_template(server, default=False, InstanceType="m5.24xlarge")
    assert launched(rig, server)["InstanceType"] == "m5.xlarge"


@documented(TEMPLATES)
def test_the_template_is_read_when_the_job_starts(rig: Rig) -> None:
    (server,) = rig.seed()
    keep_type(rig, server)
    rig.change_template(server, InstanceType="m5.xlarge")
    job = rig.start([server])
    rig.change_template(server, InstanceType="m5.24xlarge")
    rig.advance(3600)
    instance = rig.job(job["jobID"])["participatingServers"][0]["recoveryInstanceID"]
    assert rig.instance(instance)["InstanceType"] == "m5.xlarge"


@documented(SETTINGS)
def test_basic_right_sizing_overwrites_the_instance_type_of_the_template(rig: Rig) -> None:
    (server,) = rig.seed(cpus=4, ram_bytes=16 * GIB)
    rig.change_template(server, InstanceType="m5.24xlarge")
    assert launched(rig, server)["InstanceType"] == "m5.xlarge"


@documented(SETTINGS)
def test_right_sizing_none_keeps_the_instance_type_of_the_template(rig: Rig) -> None:
    (server,) = rig.seed()
    keep_type(rig, server)
    rig.change_template(server, InstanceType="r5.4xlarge")
    assert launched(rig, server)["InstanceType"] == "r5.4xlarge"


@documented(SETTINGS)
def test_right_sizing_in_aws_takes_the_type_of_the_source_instance(rig: Rig) -> None:
    (server,) = rig.seed(source_account="123456789012", source_region="us-west-2", source_instance_type="c5.2xlarge")
    rig.drs.update_launch_configuration(sourceServerID=server, targetInstanceTypeRightSizingMethod="IN_AWS")
    assert launched(rig, server)["InstanceType"] == "c5.2xlarge"


@documented(SETTINGS)
def test_launch_disposition_stopped_leaves_the_instance_stopped(rig: Rig) -> None:
    started, stopped = rig.seed(2)
    rig.drs.update_launch_configuration(sourceServerID=stopped, launchDisposition="STOPPED")
    assert launched(rig, started)["State"]["Name"] == "running"
    assert launched(rig, stopped)["State"]["Name"] == "stopped"
    states = {i["sourceServerID"]: i["ec2InstanceState"] for i in rig.drs.describe_recovery_instances()["items"]}
    assert states == {started: "RUNNING", stopped: "STOPPED"}


@documented(SETTINGS)
def test_copy_private_ip_gives_the_address_of_the_source(rig: Rig) -> None:
    (server,) = rig.seed(private_ips=["10.1.1.30"])
    _, subnet, _ = rig.network()
    rig.change_template(server, NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet}])
    rig.drs.update_launch_configuration(sourceServerID=server, copyPrivateIp=True)
    assert launched(rig, server)["PrivateIpAddress"] == "10.1.1.30"


@documented(SETTINGS)
def test_copy_private_ip_outside_the_subnet_fails_the_launch(rig: Rig) -> None:
    (server,) = rig.seed(private_ips=["192.168.0.30"])
    rig.drs.update_launch_configuration(sourceServerID=server, copyPrivateIp=True)
    assert "does not fall within the subnet" in why_it_failed(rig, server)


@documented(SETTINGS)
def test_copy_tags_gives_the_tags_of_the_source_server_to_the_instance(rig: Rig) -> None:
    plain, copied = rig.seed(2, tags={"tier": "db"}, launch_settings={"copyTags": False})
    rig.drs.tag_resource(resourceArn=rig.server(copied)["arn"], tags={"owner": "ops"})
    rig.drs.update_launch_configuration(sourceServerID=copied, copyTags=True)
    assert {"Key": "owner", "Value": "ops"} in launched(rig, copied)["Tags"]
    assert "owner" not in {tag["Key"] for tag in launched(rig, plain)["Tags"]}


@documented(TEMPLATES)
def test_the_tags_of_the_template_and_the_source_server_id_are_on_the_instance(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.change_template(
        server,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "wave", "Value": "1"}]}],
    )
    tags = {tag["Key"]: tag["Value"] for tag in launched(rig, server)["Tags"]}
    assert tags["wave"] == "1"
    assert tags["AWSElasticDisasterRecoverySourceServerID"] == server
    assert tags["Name"] == "server001"


@documented(TEMPLATES)
def test_the_instance_profile_of_the_template_is_on_the_instance(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.client("iam").create_instance_profile(InstanceProfileName="app")
    rig.change_template(server, IamInstanceProfile={"Name": "app"})
    assert launched(rig, server)["IamInstanceProfile"]["Arn"].endswith("instance-profile/app")


@documented(TEMPLATES)
def test_a_missing_instance_profile_fails_the_launch(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.change_template(server, IamInstanceProfile={"Name": "missing"})
    assert "missing" in why_it_failed(rig, server)
    assert running_copies(rig, server) == []


@documented(TEMPLATES)
def test_an_address_in_use_fails_the_launch(rig: Rig) -> None:
    ids = rig.seed(2)
    _, subnet, _ = rig.network()
    for server in ids:
        interface = {"DeviceIndex": 0, "SubnetId": subnet, "PrivateIpAddress": "10.1.1.50"}
        rig.change_template(server, NetworkInterfaces=[interface])
    launched(rig, ids[0])
    assert "InvalidIPAddress.InUse" in why_it_failed(rig, ids[1])


@documented("https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html")
def test_a_reserved_address_fails_the_launch(rig: Rig) -> None:
    (server,) = rig.seed()
    _, subnet, _ = rig.network()
    interface = {"DeviceIndex": 0, "SubnetId": subnet, "PrivateIpAddress": "10.1.1.3"}
    rig.change_template(server, NetworkInterfaces=[interface])
    assert "does not fall within" in why_it_failed(rig, server)


@documented(TEMPLATES)
def test_a_missing_subnet_fails_the_launch(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.change_template(server, NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": "subnet-0123456789abcdef0"}])
    assert "InvalidSubnetID.NotFound" in why_it_failed(rig, server)


@documented(TEMPLATES)
def test_a_deleted_launch_template_fails_the_launch(rig: Rig) -> None:
    (server,) = rig.seed()
    template = rig.drs.get_launch_configuration(sourceServerID=server)["ec2LaunchTemplateID"]
    rig.ec2.delete_launch_template(LaunchTemplateId=template)
    assert "does not exist" in why_it_failed(rig, server)


@documented("https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html")
def test_no_capacity_for_a_type_in_a_zone_fails_the_launch(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.sandbox.faults.add({"kind": "capacity", "instanceType": "m5.*", "zone": "us-east-1a", "times": 1})
    assert "InsufficientInstanceCapacity" in why_it_failed(rig, server)
    launched(rig, server)


@documented(GUIDE + "failback-preparing-failover.html")
def test_drills_leave_the_instances_of_former_drills(rig: Rig) -> None:
    (server,) = rig.seed()
    launched(rig, server)
    launched(rig, server)
    instances = rig.drs.describe_recovery_instances(filters={"sourceServerIDs": [server]})["items"]
    assert [i["ec2InstanceState"] for i in instances] == ["RUNNING", "RUNNING"]


@documented(GUIDE + "failback-preparing-failover.html")
def test_a_recovery_replaces_the_former_recovery_instance(rig: Rig) -> None:
    (server,) = rig.seed()
    first = launched(rig, server, drill=False)["InstanceId"]
    second = launched(rig, server, drill=False)["InstanceId"]
    assert first != second
    assert rig.instance(first)["State"]["Name"] == "terminated"
    assert [i["recoveryInstanceID"] for i in rig.drs.describe_recovery_instances()["items"]] == [second]
    assert rig.server(server)["recoveryInstanceId"] == second


@documented(API + "API_RecoveryInstance.html")
def test_a_recovery_instance_shows_whether_it_is_a_drill(rig: Rig) -> None:
    one, two = rig.seed(2)
    launched(rig, one)
    launched(rig, two, drill=False)
    told = {i["sourceServerID"]: i["isDrill"] for i in rig.drs.describe_recovery_instances()["items"]}
    assert told == {one: True, two: False}


@documented(API + "API_TerminateRecoveryInstances.html")
def test_a_terminate_job_ends_the_instances_and_takes_them_out_of_drs(rig: Rig) -> None:
    (server,) = rig.seed()
    ids = [launched(rig, server)["InstanceId"] for _ in range(2)]
    job = rig.drs.terminate_recovery_instances(recoveryInstanceIDs=ids)["job"]
    assert (job["type"], job["initiatedBy"]) == ("TERMINATE", "TERMINATE_RECOVERY_INSTANCES")
    rig.advance(600)
    told = rig.job(job["jobID"])
    assert told["status"] == "COMPLETED"
    assert [p["launchStatus"] for p in told["participatingServers"]] == ["TERMINATED", "TERMINATED"]
    assert rig.drs.describe_recovery_instances()["items"] == []
    assert {rig.instance(i)["State"]["Name"] for i in ids} == {"terminated"}
    assert "recoveryInstanceId" not in rig.server(server)


@documented("https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html")
def test_a_terminate_job_leaves_an_instance_that_ec2_protects(rig: Rig) -> None:
    (server,) = rig.seed()
    kept, ended = [launched(rig, server)["InstanceId"] for _ in range(2)]
    rig.ec2.modify_instance_attribute(InstanceId=kept, DisableApiTermination={"Value": True})
    job = rig.drs.terminate_recovery_instances(recoveryInstanceIDs=[kept, ended])["job"]["jobID"]
    rig.advance(600)
    told = {part["recoveryInstanceID"]: part["launchStatus"] for part in rig.job(job)["participatingServers"]}
    assert told == {kept: "FAILED", ended: "TERMINATED"}
    assert [i["recoveryInstanceID"] for i in rig.drs.describe_recovery_instances()["items"]] == [kept]
    assert rig.instance(kept)["State"]["Name"] == "running"


@documented(MODEL + "EC2InstanceState")
def test_an_instance_terminated_outside_drs_is_shown_as_terminated(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = launched(rig, server)["InstanceId"]
    rig.ec2.terminate_instances(InstanceIds=[instance])
    assert rig.drs.describe_recovery_instances()["items"][0]["ec2InstanceState"] == "TERMINATED"


@documented(API + "API_DeleteRecoveryInstance.html")
def test_a_recovery_instance_is_deleted_only_when_disconnected_and_ec2_keeps_it(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = launched(rig, server)["InstanceId"]
    with refused("ConflictException"):
        rig.drs.delete_recovery_instance(recoveryInstanceID=instance)
    rig.drs.disconnect_recovery_instance(recoveryInstanceID=instance)
    rig.drs.delete_recovery_instance(recoveryInstanceID=instance)
    assert rig.drs.describe_recovery_instances()["items"] == []
    assert rig.instance(instance)["State"]["Name"] == "running"


@documented(API + "API_GetLaunchConfiguration.html")
def test_a_launch_configuration_names_an_existing_ec2_launch_template(rig: Rig) -> None:
    (server,) = rig.seed()
    template = rig.drs.get_launch_configuration(sourceServerID=server)["ec2LaunchTemplateID"]
    versions = rig.ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Default"])
    assert versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]["InstanceType"] == "m5.large"


@documented(API + "API_UpdateLaunchConfiguration.html")
def test_an_update_of_a_launch_configuration_keeps_omitted_settings(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.drs.update_launch_configuration(sourceServerID=server, copyTags=True)
    told = rig.drs.update_launch_configuration(sourceServerID=server, licensing={"osByol": True})
    assert told["copyTags"] is True
    assert told["licensing"] == {"osByol": True}


def test_a_server_seeded_with_its_launch_time_is_launched_just_then(rig: Rig) -> None:
    quick, slow = rig.seed(launch_seconds=600.0)[0], rig.seed(launch_seconds=1200.0)[0]
    job = rig.start([quick, slow])["jobID"]

    def launched() -> list[str]:
        servers = rig.job(job)["participatingServers"]
        return [s["sourceServerID"] for s in servers if s["launchStatus"] == "LAUNCHED"]

    for seconds, expected in ((599.9, []), (0.2, [quick]), (599.8, [quick]), (0.2, [quick, slow])):
        rig.advance(seconds)
        assert launched() == expected
