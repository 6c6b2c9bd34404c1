"""The capacity of accounts and regions against the quotas of DRS, and what is told where it is short."""

from __future__ import annotations

from prefect_drs.simulator.roles import plant_role
from tests.operations.accounts import EU, HUB, PAIR, STAGING, TARGET, US, World


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
