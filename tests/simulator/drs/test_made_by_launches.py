"""What a launch makes beside the instance, what DRS itself runs in EC2, and launches that fail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from moto.ec2.models import ec2_backends

from prefect_drs.simulator import mock_drs

from .documented import API, GUIDE, MODEL, documented
from .rig import ACCOUNT, GIB, REGION, Rig, refused
from .test_launches_behave import launched, running_copies, why_it_failed

FULL = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html"
TEMPLATES = GUIDE + "ec2-launch.html"
RECOVERY_POLICY = "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSElasticDisasterRecoveryRecoveryInstancePolicy.html"
DISKS = [{"deviceName": "c:0", "bytes": 100 * GIB}, {"deviceName": "d:0", "bytes": 20 * GIB}]


def small_subnet(rig: Rig) -> tuple[str, int]:
    """A subnet of the smallest size, and the number of its free addresses."""
    subnet = rig.network(subnet="10.1.1.0/28")[1]
    (told,) = rig.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
    return subnet, told["AvailableIpAddressCount"]


@documented(FULL)
def test_a_full_subnet_fails_the_servers_for_which_it_has_no_address(rig: Rig) -> None:
    subnet, free = small_subnet(rig)
    servers = rig.seed(free + 2, subnet=subnet)
    job = rig.launch(servers)
    assert job["status"] == "COMPLETED"
    assert [p["launchStatus"] for p in job["participatingServers"]].count("LAUNCHED") == free == 11
    items = rig.drs.describe_job_log_items(jobID=job["jobID"])["items"]
    errors = [item["eventData"]["rawError"] for item in items if item["event"] == "LAUNCH_FAILED"]
    assert [error.partition(":")[0] for error in errors] == ["InsufficientFreeAddressesInSubnet"] * 2
    rig.drs.terminate_recovery_instances(
        recoveryInstanceIDs=[p["recoveryInstanceID"] for p in job["participatingServers"] if "recoveryInstanceID" in p]
    )
    rig.advance(600)
    launched(rig, servers[-1])


@documented(FULL)
def test_run_instances_is_refused_by_a_full_subnet(rig: Rig) -> None:
    subnet, free = small_subnet(rig)
    wanted: dict[str, Any] = {"ImageId": "ami-12345678", "InstanceType": "t3.small", "SubnetId": subnet}
    rig.ec2.run_instances(**wanted, MinCount=free, MaxCount=free)
    with refused("InsufficientFreeAddressesInSubnet"):
        rig.ec2.run_instances(**wanted, MinCount=1, MaxCount=1)


@documented(MODEL + "JobLogEvent")
def test_an_unexpected_error_in_a_launch_fails_that_server_alone(rig: Rig) -> None:
    broken, whole = rig.seed(2)
    rig.change_template(broken, NetworkInterfaces=[{"DeviceIndex": 0, "PrivateIpAddress": "no address"}])
    job = rig.launch([broken, whole])
    assert job["status"] == "COMPLETED"
    assert [p["launchStatus"] for p in job["participatingServers"]] == ["FAILED", "LAUNCHED"]
    items = rig.drs.describe_job_log_items(jobID=job["jobID"])["items"]
    (error,) = [item["eventData"]["rawError"] for item in items if item["event"] == "LAUNCH_FAILED"]
    assert error.startswith("InternalError: ValueError:")
    assert running_copies(rig, broken) == []


def test_an_instance_that_ec2_refuses_to_finish_leaves_nothing(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.change_template(
        server,
        TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": f"k{n}", "Value": "v"} for n in range(51)]}],
    )
    assert "TagLimitExceeded" in why_it_failed(rig, server)
    assert running_copies(rig, server) == []
    assert rig.ec2.describe_volumes(Filters=[{"Name": "status", "Values": ["in-use"]}])["Volumes"] == []


def test_a_termination_that_fails_ends_its_job(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = launched(rig, server)
    ec2_backends[ACCOUNT][REGION].enis.clear()  # so that moto cannot delete the instance's interface
    job = rig.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance["InstanceId"]])["job"]["jobID"]
    rig.advance(600)
    told = rig.job(job)
    assert (told["status"], told["participatingServers"][0]["launchStatus"]) == ("COMPLETED", "FAILED")


@documented(TEMPLATES)
def test_volumes_and_interfaces_carry_the_tags_of_the_templates_specifications(rig: Rig) -> None:
    (server,) = rig.seed(tags={"Application": "shop"}, disks=DISKS)
    rig.change_template(
        server,
        TagSpecifications=[
            {"ResourceType": "volume", "Tags": [{"Key": "Backup", "Value": "daily"}]},
            {"ResourceType": "network-interface", "Tags": [{"Key": "Zone", "Value": "inner"}]},
        ],
    )
    instance = launched(rig, server)
    volumes = rig.ec2.describe_volumes(VolumeIds=[m["Ebs"]["VolumeId"] for m in instance["BlockDeviceMappings"]])
    assert [v["Tags"] for v in volumes["Volumes"]] == [[{"Key": "Backup", "Value": "daily"}]] * 2
    nic = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
    (told,) = rig.ec2.describe_network_interfaces(NetworkInterfaceIds=[nic])["NetworkInterfaces"]
    assert told["TagSet"] == [{"Key": "Zone", "Value": "inner"}]


@documented(TEMPLATES)
def test_the_template_that_drs_makes_tags_volumes_with_the_source_server(rig: Rig) -> None:
    (server,) = rig.seed()
    volume = launched(rig, server)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    tags = {t["Key"]: t["Value"] for t in rig.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Tags"]}
    assert tags["AWSElasticDisasterRecoverySourceServerID"] == server


@documented(RECOVERY_POLICY)
def test_a_recovery_instance_without_a_profile_in_its_template_has_that_of_drs(rig: Rig) -> None:
    plain, acting = rig.seed(2)
    rig.drs.update_launch_configuration(sourceServerID=acting, postLaunchEnabled=True)
    names = [launched(rig, server)["IamInstanceProfile"]["Arn"].rsplit("/", 1)[-1] for server in (plain, acting)]
    assert names == [
        "AWSElasticDisasterRecoveryRecoveryInstanceRole",
        "AWSElasticDisasterRecoveryRecoveryInstanceWithLaunchActionsRole",
    ]


@documented(GUIDE + "getting-started-initializing.html")
def test_initialising_creates_the_roles_of_the_service_once(rig: Rig) -> None:
    rig.drs.initialize_service()
    roles = [r["RoleName"] for r in rig.client("iam").list_roles(PathPrefix="/service-role/")["Roles"]]
    assert len(roles) == len(set(roles)) == 6
    assert "AWSElasticDisasterRecoveryConversionServerRole" in roles


@documented(TEMPLATES)
def test_an_instance_without_groups_in_its_template_has_the_default_group_of_its_vpc(rig: Rig) -> None:
    vpc, subnet, _ = rig.network()
    (server,) = rig.seed(subnet=subnet)
    (group,) = launched(rig, server)["SecurityGroups"]
    (told,) = rig.ec2.describe_security_groups(GroupIds=[group["GroupId"]])["SecurityGroups"]
    assert (told["VpcId"], told["GroupName"]) == (vpc, "default")


@documented(MODEL + "RecoveryInstanceDisk")
def test_a_recovery_instance_names_the_volumes_that_ec2_shows(rig: Rig) -> None:
    (server,) = rig.seed(disks=DISKS, os="Windows")
    instance = launched(rig, server)
    assert [m["DeviceName"] for m in instance["BlockDeviceMappings"]] == ["/dev/sda1", "/dev/sdb"]
    assert (instance["RootDeviceName"], instance["Platform"]) == ("/dev/sda1", "windows")
    assert instance["ImageId"].startswith("ami-")
    (told,) = rig.drs.describe_recovery_instances()["items"]
    disks = told["recoveryInstanceProperties"]["disks"]
    assert [d["internalDeviceName"] for d in disks] == ["c:0", "d:0"]
    assert [d["ebsVolumeID"] for d in disks] == [m["Ebs"]["VolumeId"] for m in instance["BlockDeviceMappings"]]


def managed(rig: Rig, name: str) -> list[dict[str, Any]]:
    found = rig.ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": [f"*{name} Server"]}])["Reservations"]
    return [instance for reservation in found for instance in reservation["Instances"]]


@documented(MODEL + "JobLogEventData.conversionServerID")
def test_a_conversion_server_exists_while_the_log_tells_of_it(rig: Rig) -> None:
    (server,) = rig.seed()
    job = rig.start([server])["jobID"]
    assert managed(rig, "Conversion") == []
    while "CONVERSION_START" not in rig.events(job):
        rig.advance(5)
    items = rig.drs.describe_job_log_items(jobID=job)["items"]
    told = next(item["eventData"]["conversionServerID"] for item in items if item["event"] == "CONVERSION_START")
    assert [(i["InstanceId"], i["State"]["Name"]) for i in managed(rig, "Conversion")] == [(told, "running")]
    rig.advance(3600)
    assert rig.instance(told)["State"]["Name"] == "terminated"


@documented(MODEL + "DataReplicationInitiationStepName")
def test_replication_servers_run_while_servers_replicate_one_for_15_disks(rig: Rig) -> None:
    servers = rig.seed(8, disks=DISKS)
    running = managed(rig, "Replication")
    assert [i["InstanceType"] for i in running] == ["t3.small"] * 2
    (subnet,) = {i["SubnetId"] for i in running}
    assert rig.drs.get_replication_configuration(sourceServerID=servers[0])["stagingAreaSubnetId"] == subnet
    for server in servers:
        rig.drs.stop_replication(sourceServerID=server)
    assert {i["State"]["Name"] for i in managed(rig, "Replication")} == {"terminated"}
    rig.drs.start_replication(sourceServerID=servers[0])
    rig.advance(3600)
    again = [i["InstanceId"] for i in managed(rig, "Replication") if i["State"]["Name"] == "running"]
    assert again == [running[0]["InstanceId"]]


@documented(API + "API_GetReplicationConfiguration.html")
def test_a_server_replicates_into_the_staging_subnet_of_the_accounts_template(rig: Rig) -> None:
    _, subnet, _ = rig.network()
    rig.drs.create_replication_configuration_template(
        associateDefaultSecurityGroup=True, bandwidthThrottling=0, createPublicIP=False,
        dataPlaneRouting="PRIVATE_IP", defaultLargeStagingDiskType="GP3", ebsEncryption="DEFAULT",
        pitPolicy=[{"interval": 10, "retentionDuration": 60, "units": "MINUTE", "ruleID": 1},
                   {"interval": 1, "retentionDuration": 24, "units": "HOUR", "ruleID": 2},
                   {"interval": 1, "retentionDuration": 7, "units": "DAY", "ruleID": 3}],
        replicationServerInstanceType="t3.small", replicationServersSecurityGroupsIDs=[], stagingAreaSubnetId=subnet,
        stagingAreaTags={}, useDedicatedReplicationServer=False,
    )  # fmt: skip
    (server,) = rig.seed()
    assert rig.drs.get_replication_configuration(sourceServerID=server)["stagingAreaSubnetId"] == subnet
    assert [i["SubnetId"] for i in managed(rig, "Replication")] == [subnet]


@documented(TEMPLATES)
def test_a_recovery_instance_has_an_image_that_is_not_the_accounts(rig: Rig) -> None:
    (server,) = rig.seed()
    image = launched(rig, server)["ImageId"]
    assert image.startswith("ami-")
    assert image not in {own["ImageId"] for own in rig.ec2.describe_images(Owners=["self"])["Images"]}


@documented(API + "API_RecoverySnapshot.html")
def test_the_ebs_snapshots_of_a_point_in_time_exist_in_ec2_as_long_as_it_does(rig: Rig) -> None:
    (server,) = rig.seed(disks=DISKS)
    points = rig.drs.describe_recovery_snapshots(sourceServerID=server)["items"]
    snapshots = rig.ec2.describe_snapshots(SnapshotIds=points[0]["ebsSnapshots"])["Snapshots"]
    assert {s["VolumeSize"] for s in snapshots} == {100, 20}
    assert {s["StartTime"] for s in snapshots} == {datetime.fromisoformat(points[0]["timestamp"])}
    rig.drs.stop_replication(sourceServerID=server)
    with refused("InvalidSnapshot.NotFound"):
        rig.ec2.describe_snapshots(SnapshotIds=points[0]["ebsSnapshots"])


@pytest.mark.parametrize("count", [1, 26, 60])
def test_every_disk_has_a_device_name_of_its_own(count: int) -> None:
    with mock_drs(seed=7, default_images=False) as sandbox:
        rig = Rig(sandbox)
        rig.backend.initialize_service()
        (server,) = rig.seed(disks=[{"deviceName": f"disk{n}", "bytes": GIB} for n in range(count)])
        assert len({m["DeviceName"] for m in launched(rig, server)["BlockDeviceMappings"]}) == count
