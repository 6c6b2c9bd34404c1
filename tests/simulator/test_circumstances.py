"""What no manifest says of an account, seeded and looked at with boto3: roles, regions, staging accounts; fleets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from prefect_drs.aws.regions import drs_regions
from prefect_drs.plan.model import Manifest, ProtectionGroup
from prefect_drs.simulator import Sandbox, mock_drs
from prefect_drs.simulator.estate import CALLER_ACCOUNT, account_number, estate_for
from prefect_drs.simulator.estate_model import Circumstances, SandboxEstate
from prefect_drs.simulator.fleet import fleet
from prefect_drs.simulator.seeding import seed_estate

TARGET, STAGING = "222222222222", "333333333333"
REGION = "us-east-1"
ROLE = "arn:aws:iam::{}:role/DRSOrchestrationRole"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with mock_drs(default_images=False) as handle:
        yield handle


def estate(account: str = TARGET, **told: Any) -> SandboxEstate:
    group = {"groupName": "G", "region": REGION, "accountId": account, "sourceServerIds": ["db1", "db2"]}
    manifest = Manifest(
        schema_version="1.1", protection_groups=(ProtectionGroup.model_validate(group),), recovery_plans=()
    )
    return estate_for(manifest, external_id="common", accounts={account: Circumstances(**told)})


def entered(account: str = TARGET, region: str = REGION, **more: Any) -> boto3.Session:
    sts = boto3.client("sts", region_name=region)
    got = sts.assume_role(RoleArn=ROLE.format(account), RoleSessionName="test", **{"ExternalId": "common", **more})
    keys = got["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=region)


def test_an_account_may_ask_for_an_external_id_of_its_own(sandbox: Sandbox) -> None:
    seed_estate(estate(external_id="own"))
    with pytest.raises(ClientError, match="AccessDenied"):
        entered()
    assert entered(ExternalId="own").client("sts").get_caller_identity()["Account"] == TARGET


def test_an_account_may_have_no_role_at_all_or_no_more(sandbox: Sandbox) -> None:
    assert seed_estate(estate(has_role=False)).roles == ()
    with pytest.raises(ClientError, match="AccessDenied"):
        entered()
    seed_estate(estate())
    assert entered()
    seed_estate(estate(has_role=False))
    with pytest.raises(ClientError, match="AccessDenied"):
        entered()


def test_a_role_may_lack_actions_and_is_whole_again_when_it_is_seeded_without_that(sandbox: Sandbox) -> None:
    seed_estate(estate(missing_actions=["drs:StartRecovery"]))
    drs = entered().client("drs")
    (server, _) = [item["sourceServerID"] for item in drs.describe_source_servers()["items"]]
    with pytest.raises(ClientError, match="AccessDeniedException"):
        drs.start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)
    seed_estate(estate())
    assert drs.start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)["job"]["jobID"]


def test_a_region_may_not_be_initialised(sandbox: Sandbox) -> None:
    seed_estate(estate(uninitialized_regions=[REGION]))
    with pytest.raises(ClientError, match="UninitializedAccountException"):
        entered().client("drs").describe_source_servers()


def test_a_region_may_not_be_enabled_and_is_planted_once(sandbox: Sandbox) -> None:
    for _ in range(2):
        seed_estate(estate(disabled_regions=["ap-east-1"]))
    (planted,) = sandbox.faults
    with pytest.raises(ClientError, match="RegionDisabledException"):
        entered(region="ap-east-1")
    assert sandbox.faults.remove(planted.id)
    assert entered(region="ap-east-1")


def test_servers_may_be_replicated_by_a_staging_account(sandbox: Sandbox) -> None:
    seeded = seed_estate(estate(staging_account=STAGING))
    drs = entered().client("drs")
    servers = drs.describe_source_servers()["items"]
    assert {server["sourceServerID"] for server in servers} == set(seeded.bindings.source_servers.values())
    assert {server["stagingArea"]["status"] for server in servers} == {"EXTENDED"}
    assert [one["accountID"] for one in drs.list_staging_accounts()["accounts"]] == [STAGING]
    assert drs.list_extensible_source_servers(stagingAccountID=STAGING)["items"] == []
    originals = entered(STAGING).client("drs").describe_source_servers()["items"]
    assert {one["arn"] for one in originals} == {one["stagingArea"]["stagingSourceServerArn"] for one in servers}
    assert seed_estate(estate(staging_account=STAGING)).regions[0].new == 0


def test_circumstances_are_told_by_the_name_that_the_manifest_has_for_an_account(sandbox: Sandbox) -> None:
    seed_estate(estate("production", external_id="own"))
    assert entered(account_number("production"), ExternalId="own")


def test_a_fleet_of_4000_tagged_servers_in_5_accounts_and_30_regions_is_there_within_15_seconds(
    sandbox: Sandbox,
) -> None:
    accounts = (CALLER_ACCOUNT, *(str(digit) * 12 for digit in range(1, 5)))
    regions = drs_regions()[:30]
    began = time.process_time()
    seeded = seed_estate(fleet(4000, accounts=accounts, regions=regions))
    assert time.process_time() - began < 15
    assert sum(one.new for one in seeded.regions) == 4000
    assert len(seeded.regions) == 150


def test_each_server_of_a_fleet_names_the_instance_account_and_region_that_it_comes_from(sandbox: Sandbox) -> None:
    seed_estate(fleet(6, accounts=[TARGET], regions=["eu-west-1", "eu-west-2"], tags=lambda n: {"Number": str(n)}))
    sources = {}
    for region in ("eu-west-1", "eu-west-2"):
        for server in entered(region=region).client("drs").describe_source_servers()["items"]:
            cloud = server["sourceCloudProperties"]
            assert cloud["originAccountID"] == TARGET
            assert cloud["originRegion"] != region
            assert set(server["tags"]) == {"Name"}
            sources[server["sourceProperties"]["identificationHints"]["awsInstanceID"]] = cloud["originRegion"]
    told = {}
    for instance_id, region in sources.items():
        found = entered(region=region).client("ec2").describe_instances(InstanceIds=[instance_id])
        ((instance,),) = (reservation["Instances"] for reservation in found["Reservations"])
        tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
        told[tags["Name"]] = tags["Number"]
    assert told == {f"srv-{n:05}": str(n) for n in range(6)}
