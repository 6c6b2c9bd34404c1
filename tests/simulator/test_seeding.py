"""Estates built in the backends, looked at with boto3."""

from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import boto3
import pytest

from prefect_drs.core.errors import UsageError
from prefect_drs.plan import check_manifest
from prefect_drs.plan.model import Manifest, ProtectionGroup
from prefect_drs.simulator import Sandbox, mock_drs
from prefect_drs.simulator.estate import estate_for
from prefect_drs.simulator.seeding import Seeded, seed_estate

THREE_TIER = Path(__file__).parents[2] / "examples" / "three-tier.json"
KEYS = {"aws_access_key_id": "AKIASANDBOX000000000", "aws_secret_access_key": "sandbox"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with mock_drs() as handle:
        yield handle


def client(service: str, region: str = "us-east-1", **keys: str) -> Any:
    return boto3.client(service, region_name=region, **{**KEYS, **keys})  # type: ignore[call-overload]


def manifest(*groups: dict[str, Any], **more: Any) -> Manifest:
    named = [{"groupName": f"G{n}", "region": "us-east-1", **one} for n, one in enumerate(groups)]
    return Manifest(
        schema_version="1.1",
        protection_groups=tuple(ProtectionGroup.model_validate(one) for one in named),
        recovery_plans=(),
        **more,
    )


def seed(*manifests: Manifest, **more: Any) -> Seeded:
    return seed_estate(estate_for(*manifests, **more))


def test_the_samples_bindings_make_it_valid(sandbox: Sandbox) -> None:
    reading = check_manifest(THREE_TIER, rehearsal=True)
    assert reading.manifest is not None
    seeded = seed(reading.manifest)
    bound = check_manifest(THREE_TIER, seeded.bindings)
    assert bound.errors == ()
    assert bound.manifest is not None
    servers = client("drs", "us-west-2").describe_source_servers()["items"]
    wanted = {server for group in bound.manifest.protection_groups for server in group.source_server_ids}
    assert {server["sourceServerID"] for server in servers} == wanted


def test_every_server_has_a_launch_template_and_replicates(sandbox: Sandbox) -> None:
    seed(manifest({"sourceServerIds": ["db1"]}))
    drs = client("drs")
    (server,) = drs.describe_source_servers()["items"]
    assert server["dataReplicationInfo"]["dataReplicationState"] == "CONTINUOUS"
    configuration = drs.get_launch_configuration(sourceServerID=server["sourceServerID"])
    versions = client("ec2").describe_launch_template_versions(LaunchTemplateId=configuration["ec2LaunchTemplateID"])
    assert len(versions["LaunchTemplateVersions"]) == 1


def test_subnets_and_security_groups_lie_together_under_the_ids_that_are_bound(sandbox: Sandbox) -> None:
    launch = {"subnetId": "net-a", "securityGroupIds": ["sg-a"]}
    static = {"sourceServerId": "a", "launchTemplate": {"staticPrivateIp": "10.7.8.9"}}
    seeded = seed(manifest({"sourceServerIds": ["a"], "launchConfig": launch, "servers": [static]}))
    ec2 = client("ec2")
    (subnet,) = ec2.describe_subnets(SubnetIds=[seeded.bindings.subnets["net-a"]])["Subnets"]
    (group,) = ec2.describe_security_groups(GroupIds=[seeded.bindings.security_groups["sg-a"]])["SecurityGroups"]
    assert IPv4Network(subnet["CidrBlock"]).supernet_of(IPv4Network("10.7.8.9/32"))
    assert subnet["VpcId"] == group["VpcId"]
    (vpc,) = ec2.describe_vpcs(VpcIds=[subnet["VpcId"]])["Vpcs"]
    assert IPv4Network(subnet["CidrBlock"]).subnet_of(IPv4Network(vpc["CidrBlock"]))


def test_a_static_address_is_given_to_the_instance_that_is_launched(sandbox: Sandbox) -> None:
    static = {"sourceServerId": "a", "launchTemplate": {"subnetId": "net", "staticPrivateIp": "10.7.8.9"}}
    seeded = seed(manifest({"sourceServerIds": ["a"], "servers": [static]}))
    drs, ec2 = client("drs"), client("ec2")
    server_id, subnet_id = seeded.bindings.source_servers["a"], seeded.bindings.subnets["net"]
    template = drs.get_launch_configuration(sourceServerID=server_id)["ec2LaunchTemplateID"]
    interface = {"DeviceIndex": 0, "SubnetId": subnet_id, "PrivateIpAddress": "10.7.8.9"}
    made = ec2.create_launch_template_version(
        LaunchTemplateId=template, LaunchTemplateData={"InstanceType": "m5.large", "NetworkInterfaces": [interface]}
    )["LaunchTemplateVersion"]
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=str(made["VersionNumber"]))
    job = drs.start_recovery(sourceServers=[{"sourceServerID": server_id}], isDrill=True)["job"]
    sandbox.clock.advance(24 * 3600)
    (job,) = drs.describe_jobs(filters={"jobIDs": [job["jobID"]]})["items"]
    assert job["participatingServers"][0]["launchStatus"] == "LAUNCHED"
    instance_id = job["participatingServers"][0]["recoveryInstanceID"]
    (reservation,) = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    assert reservation["Instances"][0]["PrivateIpAddress"] == "10.7.8.9"


def test_zones_offer_the_types_that_are_launched_in_them(sandbox: Sandbox) -> None:
    launch = {"subnetId": "net-az1", "instanceType": "r7a.large"}
    seeded = seed(manifest({"region": "us-west-2", "sourceServerIds": ["a"], "launchConfig": launch}))
    ec2 = client("ec2", "us-west-2")
    (subnet,) = ec2.describe_subnets(SubnetIds=[seeded.bindings.subnets["net-az1"]])["Subnets"]
    offered = ec2.describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[
            {"Name": "location", "Values": [subnet["AvailabilityZone"]]},
            {"Name": "instance-type", "Values": ["r7a.large"]},
        ],
    )["InstanceTypeOfferings"]
    assert len(offered) == 1


def test_a_type_that_is_not_offered_is_told(sandbox: Sandbox) -> None:
    seeded = seed(manifest({"sourceServerIds": ["a"], "launchConfig": {"instanceType": "m99.large"}}))
    assert any("m99.large" in remark for remark in seeded.remarks)


def test_seeding_twice_changes_nothing(sandbox: Sandbox) -> None:
    launch = {"subnetId": "net-a", "securityGroupIds": ["sg-a"], "instanceProfileName": "app"}
    wanted = manifest({"accountId": "222222222222", "sourceServerIds": ["a", "b"], "launchConfig": launch})
    first, second = seed(wanted), seed(wanted)
    assert first.bindings == second.bindings
    assert [region.new for region in first.regions] == [4]
    assert [region.new for region in second.regions] == [0]


def test_two_files_share_a_region(sandbox: Sandbox) -> None:
    one = manifest({"sourceServerIds": ["a"], "launchConfig": {"subnetId": "net-a", "securityGroupIds": ["sg"]}})
    other = manifest({"sourceServerIds": ["b"], "launchConfig": {"subnetId": "net-a", "securityGroupIds": ["sg"]}})
    seed(one)
    seeded = seed(other)
    assert [region.new for region in seeded.regions] == [1]
    assert len(client("drs").describe_source_servers()["items"]) == 2


def test_a_file_that_clashes_with_an_earlier_one_makes_nothing_and_says_what_to_do(sandbox: Sandbox) -> None:
    def static(address: str, server: str) -> dict[str, Any]:
        entry = {"sourceServerId": server, "launchTemplate": {"subnetId": "net-a", "staticPrivateIp": address}}
        return {"sourceServerIds": [server], "servers": [entry]}

    seed(manifest(static("10.0.0.10", "a")))
    with pytest.raises(UsageError, match=r"10\.9\.9\.9.*one command"):
        seed(manifest(static("10.9.9.9", "b")))
    assert len(client("drs").describe_source_servers()["items"]) == 1


def test_the_role_of_another_account_asks_for_its_external_id(sandbox: Sandbox) -> None:
    seed(manifest({"accountId": "222222222222", "sourceServerIds": ["a"]}), external_id="right")
    sts = client("sts")
    role = "arn:aws:iam::222222222222:role/DRSOrchestrationRole"
    with pytest.raises(sts.exceptions.ClientError, match="AccessDenied"):
        sts.assume_role(RoleArn=role, RoleSessionName="test", ExternalId="wrong")
    taken = sts.assume_role(RoleArn=role, RoleSessionName="test", ExternalId="right")["Credentials"]
    keys = {
        "aws_access_key_id": taken["AccessKeyId"],
        "aws_secret_access_key": taken["SecretAccessKey"],
        "aws_session_token": taken["SessionToken"],
    }
    assert len(client("drs", **keys).describe_source_servers()["items"]) == 1
    assert len(client("iam", **keys).list_roles()["Roles"]) >= 1


def test_a_server_by_instance_id_has_that_instance_with_its_tags(sandbox: Sandbox) -> None:
    group = {"servers": [{"instanceId": "i-0123456789abcdef0"}]}
    seed(manifest(group, source_region="eu-west-1"))
    (reservation,) = client("ec2", "eu-west-1").describe_instances(InstanceIds=["i-0123456789abcdef0"])["Reservations"]
    assert {"Key": "Name", "Value": "i-0123456789abcdef0"} in reservation["Instances"][0]["Tags"]
    (server,) = client("drs").describe_source_servers()["items"]
    assert server["sourceProperties"]["identificationHints"]["awsInstanceID"] == "i-0123456789abcdef0"


def test_a_tag_selection_is_found_by_its_tags(sandbox: Sandbox) -> None:
    seed(manifest({"serverSelectionTags": {"Tier": "db"}}, {"serverSelectionTags": {"Tier": "web"}}))
    servers = client("drs").describe_source_servers()["items"]
    assert sorted(server["tags"]["Tier"] for server in servers) == ["db", "db", "web", "web"]
