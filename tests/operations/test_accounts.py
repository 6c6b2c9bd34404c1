"""Accounts and their staging accounts, saved on a real Prefect server and entered on a simulated AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect_aws import AwsCredentials

from prefect_drs import TargetAccount
from prefect_drs.cli import main
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.operations import Context, invoke
from prefect_drs.orchestration.accounts import load_target_accounts
from prefect_drs.orchestration.blocks import saved_target_accounts
from prefect_drs.simulator.roles import plant_role
from tests.conftest import PrefectServer
from tests.operations.estate import forget_estate
from tests.rig import GIB, Rig, simulated_aws

HUB, TARGET, STAGING = "123456789012", "222222222222", "333333333333"
EU, US = "eu-west-1", "us-east-1"
SECRET = "correct-horse-battery"
TWO_REGIONS = {"accountId": TARGET, "regions": [EU, US], "externalId": SECRET}


@dataclass
class World:
    """A hub, a target account with a role, and no account saved."""

    rig: Rig

    def op(self, name: str, /, **body: Any) -> Any:
        return invoke(name, body, context=Context(caller="ada"))

    def refusal(self, name: str, /, **body: Any) -> PrefectDrsError:
        with pytest.raises(PrefectDrsError) as refused:
            self.op(name, **body)
        assert SECRET not in f"{refused.value.message} {refused.value.details}"
        return refused.value

    def initialise(self, account: str, *regions: str) -> None:
        for region in regions:
            self.rig.sandbox.backend(account, region).initialize_service()

    def seed(self, account: str, region: str, count: int) -> list[str]:
        backend = self.rig.sandbox.backend(account, region)
        return [
            backend.seed_source_server(
                hostname=f"{account}-{number}", ram_bytes=GIB, cpus=1, disks=[{"deviceName": "/dev/sda1", "bytes": GIB}]
            ).server_id
            for number in range(count)
        ]

    def statuses(self, answer: dict[str, Any]) -> dict[str, str]:
        return {region["region"]: region["status"] for region in answer["regions"]}


def forget_accounts() -> None:
    with get_client(sync_client=True) as client:
        try:
            client.delete_block_type(client.read_block_type_by_slug("drs-target-account").id)
        except ObjectNotFound:
            return


@pytest.fixture
def world(prefect_server: PrefectServer) -> Iterator[World]:
    forget_accounts()
    with simulated_aws() as rig:
        plant_role(TARGET, external_id=SECRET)
        plant_role(STAGING, external_id=SECRET)
        yield World(rig)
    forget_accounts()


# ---- target accounts ---------------------------------------------------------------------------------------------


def test_an_account_is_saved_with_how_each_of_its_regions_answered(world: World) -> None:
    world.initialise(TARGET, EU)
    answer = world.op("add_target_account", **TWO_REGIONS, accountName="Production")
    assert world.statuses(answer) == {EU: "OK", US: "DRS_NOT_INITIALIZED"}
    assert answer["usableRegions"] == [EU]
    assert "initialise DRS" in answer["regions"][1]["remedy"]
    assert answer["account"]["hasExternalId"] is True
    assert SECRET not in json.dumps(answer)
    (access,) = load_target_accounts()
    assert (access.account_id, access.name, access.regions) == (TARGET, "Production", (EU, US))
    assert access.external_id is not None
    assert access.external_id.get_secret_value() == SECRET
    assert world.op("get_target_accounts")["accounts"] == [answer["account"]]


def test_a_wrong_external_id_saves_nothing_and_names_every_region(world: World) -> None:
    world.initialise(TARGET, EU, US)
    error = world.refusal("add_target_account", **{**TWO_REGIONS, "externalId": "wrong-horse"})
    assert error.code == "ROLE_ASSUMPTION_FAILED"
    assert "trust policy names this caller and the same ExternalId" in error.message
    assert "wrong-horse" not in f"{error.message}{error.details}"
    assert [region["status"] for region in error.details["regions"]] == ["ROLE_ASSUMPTION_FAILED"] * 2
    assert saved_target_accounts() == {}


def test_an_account_without_the_role_is_refused_unless_it_is_forced(world: World) -> None:
    missing = {"accountId": "444444444444", "regions": [EU]}
    assert "DRSOrchestrationRole" in world.refusal("add_target_account", **missing).message
    assert world.statuses(world.op("add_target_account", **missing, force=True)) == {EU: "ROLE_ASSUMPTION_FAILED"}
    assert [account.account_id for account in saved_target_accounts().values()] == ["444444444444"]


def test_an_account_where_drs_is_initialised_nowhere_is_refused(world: World) -> None:
    error = world.refusal("add_target_account", **TWO_REGIONS)
    assert error.code == "DRS_NOT_INITIALIZED"
    assert "none of its 2 regions (DRS_NOT_INITIALIZED in 2)" in error.message


def test_a_region_that_is_not_enabled_is_told_apart_from_bad_credentials(world: World) -> None:
    world.initialise(TARGET, EU, US)
    world.rig.sandbox.faults.add({"kind": "opt-in", "account": TARGET, "region": US})
    answer = world.op("add_target_account", **TWO_REGIONS)
    assert world.statuses(answer) == {EU: "OK", US: "REGION_NOT_ENABLED"}
    assert "enable" in answer["regions"][1]["remedy"]


def test_a_permission_that_the_role_lacks_is_told_by_its_action(world: World) -> None:
    world.initialise(TARGET, EU)
    plant_role(TARGET, external_id=SECRET, missing_actions=("drs:DescribeSourceServers",))
    error = world.refusal("add_target_account", **{**TWO_REGIONS, "regions": [EU]})
    assert error.code == "AUTHORIZATION_ERROR"
    assert "drs:DescribeSourceServers" in error.message


def test_an_account_without_regions_is_asked_in_every_region_that_botocore_lists(world: World) -> None:
    from prefect_drs.aws.regions import drs_regions

    world.initialise(TARGET, EU)
    answer = world.op("add_target_account", accountId=TARGET, externalId=SECRET)
    assert set(world.statuses(answer)) == set(drs_regions())
    assert answer["usableRegions"] == [EU]


def test_the_hub_s_own_account_needs_no_role(world: World) -> None:
    world.initialise(HUB, EU)
    assert world.op("add_target_account", accountId=HUB, regions=[EU])["usableRegions"] == [EU]
    assert world.op("get_current_account_id") == {"accountId": HUB}


def test_an_account_is_saved_once_and_changed_by_update(world: World) -> None:
    world.initialise(TARGET, EU, US)
    world.op("add_target_account", **TWO_REGIONS, accountName="Production")
    assert world.refusal("add_target_account", **TWO_REGIONS).code == "ALREADY_EXISTS"
    changed = world.op("update_target_account", accountId=TARGET, regions=[US], accountName=None)["account"]
    assert (changed["regions"], changed["accountName"], changed["hasExternalId"]) == ([US], None, True)
    assert world.refusal("update_target_account", accountId=TARGET, externalId="wrong-horse").code == (
        "ROLE_ASSUMPTION_FAILED"
    )
    assert world.op("validate_target_account", accountId=TARGET)["usableRegions"] == [US]


def test_an_update_keeps_the_nested_credentials_of_the_block(world: World) -> None:
    world.initialise(TARGET, EU)
    AwsCredentials(aws_access_key_id="testing", aws_secret_access_key="testing").save("hub", overwrite=True)
    TargetAccount(account_id=TARGET, external_id=SECRET, aws_credentials=AwsCredentials.load("hub")).save("my-name")
    answer = world.op("update_target_account", accountId=TARGET, regions=[EU])
    assert answer["account"]["block"] == "my-name"
    (access,) = load_target_accounts()
    assert access.source is not None
    assert access.source.access_key_id == "testing"


def test_all_faults_of_an_account_are_told_at_once_by_the_names_of_the_request(world: World) -> None:
    error = world.refusal("add_target_account", accountId=TARGET, regions=["mars-1"], roleName="a b", endpointUrl="x")
    assert error.code == "VALIDATION_ERROR"
    assert [fault["field"] for fault in error.details["faults"]] == ["regions", "roleName", "endpointUrl"]
    assert world.refusal("add_target_account", accountId="12").details["faults"][0]["field"] == "accountId"


def test_a_deleted_account_is_gone_and_one_that_is_not_saved_lists_those_that_are(world: World) -> None:
    world.initialise(TARGET, EU)
    world.op("add_target_account", **TWO_REGIONS)
    error = world.refusal("delete_target_account", accountId=STAGING)
    assert error.code == "NOT_FOUND"
    assert TARGET in error.message
    assert world.op("delete_target_account", accountId=TARGET)["accountId"] == TARGET
    assert world.op("get_target_accounts") == {"accounts": []}


def test_an_account_that_a_stored_group_names_is_not_deleted(world: World) -> None:
    forget_estate()
    world.initialise(TARGET, EU)
    world.op("add_target_account", **TWO_REGIONS)
    (server,) = world.seed(TARGET, EU, 1)
    group = {"name": "db", "region": EU, "accountId": TARGET, "sourceServerIds": [server]}
    world.op("create_protection_group", **group)
    error = world.refusal("delete_target_account", accountId=TARGET)
    assert (error.code, error.details["groups"]) == ("IN_USE", ["db"])
    world.op("delete_protection_group", groupId="db")
    assert world.op("delete_target_account", accountId=TARGET)["accountId"] == TARGET
    forget_estate()


def test_the_command_line_prints_each_region_and_ends_with_the_refusal_s_code(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.dumps({**TWO_REGIONS, "externalId": "wrong-horse"})
    assert main(["op", "add_target_account", "--body", body]) == 3
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"] == "ROLE_ASSUMPTION_FAILED"
    assert "wrong-horse" not in printed.out + printed.err


# ---- staging accounts --------------------------------------------------------------------------------------------


@pytest.fixture
def target(world: World) -> World:
    """The target account is saved; DRS is initialised in two of its regions and in one of its staging account's."""
    world.initialise(TARGET, EU, US)
    world.initialise(STAGING, EU)
    world.op("add_target_account", **TWO_REGIONS)
    return world


PAIR = {"targetAccountId": TARGET, "stagingAccountId": STAGING}


def test_a_staging_account_is_validated_region_by_region_and_saved(target: World) -> None:
    target.seed(STAGING, EU, 3)
    answer = target.op("add_staging_account", **PAIR, accountName="Staging one")
    eu, us = answer["regions"]
    assert (answer["valid"], answer["usableRegions"]) == (True, [EU])
    assert (eu["usable"], eu["extensibleServers"], eu["staging"]["replicatingServers"]["used"]) == (True, 3, 3)
    assert (us["usable"], us["staging"]["status"]) == (False, "DRS_NOT_INITIALIZED")
    (saved,) = target.op("get_staging_accounts", targetAccountId=TARGET)["stagingAccounts"]
    assert (saved["accountId"], saved["accountName"], saved["ownExternalId"]) == (STAGING, "Staging one", False)
    assert target.refusal("add_staging_account", **PAIR).code == "ALREADY_EXISTS"


def test_a_staging_account_with_an_external_id_of_its_own_is_entered_by_it_and_no_list_shows_it(target: World) -> None:
    plant_role(STAGING, external_id="another-horse")
    assert target.refusal("add_staging_account", **PAIR).code == "INVALID_PARAMETER"
    answer = target.op("add_staging_account", **PAIR, externalId="another-horse")
    assert answer["valid"]
    assert target.op("get_staging_accounts", targetAccountId=TARGET)["stagingAccounts"][0]["ownExternalId"] is True
    assert target.op("validate_staging_account", **PAIR, region=EU)["valid"]
    with get_client(sync_client=True) as client:
        documents = client.read_block_documents_by_type("drs-target-account", offset=0, limit=9, include_secrets=False)
    shown = json.dumps([document.model_dump(mode="json") for document in documents])
    assert "another-horse" not in shown
    assert SECRET not in shown


def test_a_staging_account_that_does_not_trust_the_target_is_not_saved(target: World) -> None:
    target.rig.sandbox.backend(STAGING, EU).trusted_accounts = ()
    error = target.refusal("add_staging_account", **PAIR)
    assert "trusted accounts" in error.message
    assert target.op("get_staging_accounts", targetAccountId=TARGET)["stagingAccounts"] == []
    assert not target.op("add_staging_account", **PAIR, force=True)["valid"]
    assert len(target.op("get_staging_accounts", targetAccountId=TARGET)["stagingAccounts"]) == 1


def test_staging_accounts_that_are_added_at_the_same_moment_are_all_saved(target: World) -> None:
    others = [f"{number}" * 12 for number in (5, 6, 7)]

    def add(account: str) -> Any:
        return target.op("add_staging_account", targetAccountId=TARGET, stagingAccountId=account, force=True)

    with ThreadPoolExecutor(len(others)) as pool:
        list(pool.map(add, others))
    saved = target.op("get_staging_accounts", targetAccountId=TARGET)["stagingAccounts"]
    assert sorted(one["accountId"] for one in saved) == others


def test_a_removed_staging_account_takes_its_external_id_with_it(target: World) -> None:
    plant_role(STAGING, external_id="another-horse")
    target.op("add_staging_account", **PAIR, externalId="another-horse")
    assert target.op("remove_staging_account", **PAIR)["stagingAccounts"] == []
    assert target.refusal("remove_staging_account", **PAIR).code == "NOT_FOUND"
    (account,) = saved_target_accounts().values()
    assert account.staging_external_ids is None


def test_staging_accounts_that_drs_knows_are_discovered_and_added_once(target: World) -> None:
    (server,) = target.seed(STAGING, EU, 1)
    arn = target.rig.sandbox.backend(STAGING, EU).servers[server].arn
    target.rig.sandbox.backend(TARGET, EU).call("CreateExtendedSourceServer", {"sourceServerArn": arn})
    (found,) = target.op("discover_staging_accounts")["accounts"]
    assert found["stagingAccounts"] == [{"accountId": STAGING, "regions": [EU], "saved": False}]
    assert [account["added"] for account in target.op("sync_staging_accounts")["accounts"]] == [[STAGING]]
    assert [account["added"] for account in target.op("sync_staging_accounts")["accounts"]] == [[]]
    assert target.op("discover_staging_accounts", targetAccountId=TARGET)["accounts"][0]["stagingAccounts"][0]["saved"]


def test_a_saved_staging_account_that_nothing_is_extended_from_is_told_and_kept(target: World) -> None:
    target.op("add_staging_account", **PAIR)
    (answer,) = target.op("sync_staging_accounts", targetAccountId=TARGET)["accounts"]
    assert answer["withoutExtendedServers"] == [STAGING]
    assert len(target.op("get_staging_accounts", targetAccountId=TARGET)["stagingAccounts"]) == 1


def test_servers_are_extended_after_a_dry_run_told_so_and_never_twice(target: World) -> None:
    target.seed(STAGING, EU, 3)
    target.op("add_staging_account", **PAIR)
    extend = {"targetAccountId": TARGET, "region": EU}
    assert target.op("sync_extended_source_servers", **extend, dryRun=True)["counts"]["PLANNED"] == 3
    first = target.op("sync_extended_source_servers", **extend)
    assert first["counts"]["EXTENDED"] == 3
    assert all(server["sourceServerId"].startswith("s-") for server in first["servers"])
    assert target.op("sync_extended_source_servers", **extend)["servers"] == []
    assert len(target.rig.sandbox.backend(TARGET, EU).servers) == 3


def test_a_region_whose_staging_account_does_not_answer_is_unchecked_and_not_empty(target: World) -> None:
    target.op("add_staging_account", **PAIR)
    answer = target.op("sync_extended_source_servers", targetAccountId=TARGET)
    assert [(place["region"], place["status"]) for place in answer["unchecked"]] == [(US, "AUTHORIZATION_ERROR")]


def test_a_staging_account_that_is_not_saved_is_extended_from_by_nobody(target: World) -> None:
    error = target.refusal("sync_extended_source_servers", **PAIR)
    assert error.code == "NOT_FOUND"


# ---- capacity ----------------------------------------------------------------------------------------------------


def test_the_capacity_of_a_region_counts_against_both_quotas(target: World) -> None:
    target.seed(TARGET, EU, 3)
    answer = target.op("get_drs_account_capacity", accountId=TARGET, region=EU)
    assert answer["replicatingServers"] == {
        "used": 3,
        "limit": 300,
        "available": 297,
        "percentUsed": 1.0,
        "level": "OK",
    }
    assert (answer["sourceServers"]["limit"], answer["status"], answer["level"]) == (4000, "OK", "OK")


def test_where_drs_is_not_initialised_the_capacity_is_empty_and_says_so(target: World) -> None:
    answer = target.op("get_drs_account_capacity", accountId=TARGET, region="ap-south-1")
    assert (answer["status"], answer["sourceServers"]["used"]) == ("DRS_NOT_INITIALIZED", 0)


def test_a_region_that_does_not_answer_is_a_failure_for_one_and_incomplete_for_all(target: World) -> None:
    target.seed(TARGET, EU, 2)
    target.rig.sandbox.faults.add(
        {"kind": "operation", "operation": "*", "effect": "error", "region": US, "code": "AccessDeniedException"}
    )
    error = target.refusal("get_drs_account_capacity", accountId=TARGET, region=US)
    assert error.code == "AUTHORIZATION_ERROR"
    answer = target.op("get_drs_account_capacity_all_regions", accountId=TARGET)
    assert (answer["complete"], answer["replicatingServers"]) == (False, 2)
    assert {region["region"]: region["status"] for region in answer["regions"]} == {EU: "OK", US: "AUTHORIZATION_ERROR"}
    (unchecked,) = target.op("get_drs_capacity_conflicts", accountId=TARGET)["unchecked"]
    assert unchecked["region"] == US


def test_a_region_is_counted_over_all_accounts_that_are_known(target: World) -> None:
    target.op("add_staging_account", **PAIR)
    target.initialise(HUB, EU)
    target.seed(HUB, EU, 1)
    target.seed(TARGET, EU, 2)
    target.seed(STAGING, EU, 4)
    answer = target.op("get_drs_regional_capacity", region=EU)
    assert (answer["complete"], answer["replicatingServers"]) == (True, 7)
    assert [region["accountId"] for region in answer["regions"]] == [HUB, TARGET, STAGING]


def test_a_region_that_drs_is_not_in_is_refused(target: World) -> None:
    assert target.refusal("get_drs_regional_capacity", region="cn-north-1").code == "INVALID_PARAMETER"


def test_combined_capacity_adds_the_staging_account_s_300_and_not_the_extended_servers_twice(target: World) -> None:
    target.seed(STAGING, EU, 4)
    target.seed(TARGET, EU, 2)
    target.op("add_staging_account", **PAIR)
    target.op("sync_extended_source_servers", targetAccountId=TARGET, region=EU)
    (account,) = target.op("get_combined_capacity", accountId=TARGET)["accounts"]
    (region,) = account["regions"]
    assert (account["stagingAccountIds"], account["complete"]) == ([STAGING], True)
    assert (region["replicatingServers"]["used"], region["replicatingServers"]["limit"]) == (6, 600)
    assert region["sourceServers"]["used"] == 6


def test_a_staging_account_that_cannot_be_read_counts_what_the_target_sees_of_it(target: World) -> None:
    target.seed(STAGING, EU, 4)
    target.op("add_staging_account", **PAIR)
    target.op("sync_extended_source_servers", targetAccountId=TARGET, region=EU)
    plant_role(STAGING, external_id="changed-meanwhile")
    (account,) = target.op("get_combined_capacity", accountId=TARGET)["accounts"]
    region = next(one for one in account["regions"] if one["region"] == EU)
    assert account["complete"] is False
    assert region["replicatingServers"]["used"] == 4
    assert region["replicatingServers"]["available"] == 300


def test_a_full_account_is_a_conflict_with_what_can_be_done(target: World) -> None:
    server = target.seed(TARGET, EU, 1)[0]
    backend = target.rig.sandbox.backend(TARGET, EU)
    for number in range(244):
        backend.servers[f"filler-{number}"] = backend.servers[server]
    (conflict,) = target.op("get_drs_capacity_conflicts", accountId=TARGET)["conflicts"]
    assert (conflict["severity"], conflict["used"], conflict["limit"]) == ("INFO", 245, 300)
    assert "staging account" in conflict["message"]
    assert target.op("get_drs_account_capacity", accountId=TARGET, region=EU)["level"] == "INFO"


# ---- the pages ---------------------------------------------------------------------------------------------------


def test_the_page_on_accounts_has_the_quotas_and_operations_of_the_code() -> None:
    from prefect_drs.aws.capacity import REPLICATING_SERVERS, SOURCE_SERVERS
    from prefect_drs.operations import OPERATIONS
    from tests.test_docs import ROOT, first_column, section

    capacity = section("docs/accounts.md", "## Capacity")
    for quota in (REPLICATING_SERVERS, SOURCE_SERVERS):
        row = f"| {quota.name} | {quota.limit} | {quota.info} | {quota.warning} | {quota.critical} |"
        assert row in capacity
    text = (ROOT / "docs/accounts.md").read_text(encoding="utf-8")
    ours = {
        each.name
        for each in OPERATIONS
        if each.module.endswith((".accounts", ".staging", ".extended_servers", ".capacity"))
    }
    assert [name for name in ours - {"get_target_accounts", "get_current_account_id"} if f"`{name}`" not in text] == []
    assert first_column(capacity) <= ours


def test_the_page_on_accounts_has_every_status_that_a_region_may_have() -> None:
    from prefect_drs.aws import errors
    from prefect_drs.core.errors import AwsError
    from tests.test_docs import first_column, section

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AwsError)]
    never_of_a_reading = {"QUOTA_EXCEEDED", "CONFLICT_ERROR", "NOT_FOUND"}
    codes = {kind.code for kind in kinds} - never_of_a_reading
    told = first_column(section("docs/accounts.md", "## Adding an account")) - {"status"}
    assert told == {"OK", *codes}
