"""Staging accounts of a target account, saved with it and entered from it on a simulated AWS."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prefect.client.orchestration import get_client

from prefect_drs.orchestration.blocks import saved_target_accounts
from prefect_drs.simulator.roles import plant_role
from tests.operations.accounts import EU, PAIR, SECRET, STAGING, TARGET, US, World


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
