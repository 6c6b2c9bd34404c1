"""Accounts, saved on a real Prefect server and entered on a simulated AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prefect_aws import AwsCredentials

from prefect_drs import TargetAccount
from prefect_drs.cli import main
from prefect_drs.orchestration.accounts import load_target_accounts
from prefect_drs.orchestration.blocks import saved_target_accounts
from prefect_drs.orchestration.storage.audit_log import AuditLog
from prefect_drs.recovery.journal import FolderStorage
from prefect_drs.simulator.roles import plant_role
from tests.operations.accounts import EU, HUB, PAIR, SECRET, STAGING, TARGET, TWO_REGIONS, US, World
from tests.operations.estate import forget_estate


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


def test_the_audit_log_has_an_account_before_and_after_each_change_without_its_secrets(
    world: World, tmp_path: Path
) -> None:
    audit = AuditLog(lambda: FolderStorage(tmp_path))
    world.initialise(TARGET, EU)
    added: Any = world.changed(audit, "add_target_account", **TWO_REGIONS)
    assert (added.what, added.before) == (f"account {TARGET}", None)
    assert (added.after["regions"], added.after["hasExternalId"]) == ([EU, US], True)
    renamed: Any = world.changed(audit, "update_target_account", accountId=TARGET, accountName="Workloads")
    assert (renamed.before["accountName"], renamed.after["accountName"]) == (None, "Workloads")
    assert renamed.after["externalIdsChanged"] is False
    other = {"externalId": "wrong-horse", "force": True}
    replaced: Any = world.changed(audit, "update_target_account", accountId=TARGET, **other)
    assert replaced.after["externalIdsChanged"] is True
    assert "wrong-horse" not in replaced.model_dump_json()
    staging: Any = world.changed(audit, "add_staging_account", **PAIR, force=True)
    assert [len(side["stagingAccounts"]) for side in (staging.before, staging.after)] == [0, 1]
    removed: Any = world.changed(audit, "remove_staging_account", **PAIR)
    assert [len(side["stagingAccounts"]) for side in (removed.before, removed.after)] == [1, 0]
    deleted: Any = world.changed(audit, "delete_target_account", accountId=TARGET)
    assert (deleted.before["accountName"], deleted.after) == ("Workloads", None)


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
