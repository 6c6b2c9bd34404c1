"""Stored groups and plans: the rules of a manifest over all that is stored, versions, and who is using what."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import WallClock
from prefect_drs.core.errors import AwsError, PrefectDrsError
from prefect_drs.estate.source import open_manifest
from prefect_drs.orchestration.approvals.gate import answer_gate, pending_gates
from prefect_drs.orchestration.flow.compile import compile_plan
from prefect_drs.recovery.ports import Decision
from prefect_drs.runbook import resolve
from prefect_drs.simulator.roles import plant_role
from tests.conftest import Programs
from tests.e2e.rehearsal import until
from tests.operations.estate import Stored
from tests.rig import ACCOUNT, REGION


def refusal(stored: Stored, name: str, body: dict[str, Any]) -> PrefectDrsError:
    with pytest.raises(PrefectDrsError) as refused:
        stored.op(name, body)
    return refused.value


def test_a_group_is_stored_with_its_id_version_and_servers(stored: Stored) -> None:
    ids = stored.servers("db1", "db2")
    made = stored.op(
        "create_protection_group",
        {
            "name": "Database",
            "region": REGION,
            "serverSelectionMode": "explicit",
            "sourceServerIds": ids,
            "launchConfiguration": {"instanceType": "r7a.large"},
            "servers": [{"sourceServerId": ids[0], "launchTemplate": {"instanceType": "r7a.xlarge"}}],
        },
    )
    assert (made["version"], made["sourceServerIds"], made["serverCount"], made["updatedBy"]) == (1, ids, 2, "ada")
    assert stored.op("get_protection_group", {"groupId": made["groupId"]}) == made
    assert stored.op("get_protection_group", {"groupId": "DATABASE"}) == made
    assert stored.op("list_protection_groups") == {"protectionGroups": [made]}


def test_fifty_parallel_updates_from_one_version_and_one_wins(stored: Stored) -> None:
    group = stored.group("Database")

    def update(number: int) -> Any:
        body = {"groupId": group["groupId"], "version": 1, "description": f"by {number}"}
        try:
            return stored.op("update_protection_group", body, by=f"writer {number}")["updatedBy"]
        except PrefectDrsError as error:
            return error.code, error.details["givenVersion"], error.details["currentVersion"]

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(update, range(50)))
    (winner,) = [answer for answer in answers if answer != ("VERSION_MISMATCH", 1, 2)]
    after = stored.op("get_protection_group", {"groupId": group["groupId"]})
    assert (after["version"], after["updatedBy"]) == (2, winner)
    assert after["description"] == winner.replace("writer", "by")


def test_writers_of_other_processes_are_kept_out_too(stored: Stored, forked_programs: Programs) -> None:
    group = stored.group("Database")
    program = (
        "import sys\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from prefect_drs.core.errors import PrefectDrsError\n"
        "from prefect_drs.operations import Context, invoke\n"
        "def update(number):\n"
        "    try:\n"
        "        return invoke('update_protection_group', {'groupId': 'Database', 'version': 1, 'description': 'x'},\n"
        "                      context=Context(caller=str(number)))['version']\n"
        "    except PrefectDrsError as error:\n"
        "        return error.code\n"
        "print(*ThreadPoolExecutor(5).map(update, range(5)))\n"
    )
    command = [forked_programs.folder / "python", "-c", program]
    environment = {**os.environ, **forked_programs.environment}
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(3)]
    answers = " ".join(process.communicate(timeout=240)[0] for process in started).split()
    assert sorted(answers) == ["2", *["VERSION_MISMATCH"] * 14]
    assert stored.op("get_protection_group", {"groupId": group["groupId"]})["version"] == 2


def test_a_name_is_stored_once_whatever_its_case(stored: Stored) -> None:
    stored.group("Database")
    error = refusal(
        stored,
        "create_protection_group",
        {"name": "DATABASE", "region": REGION, "sourceServerIds": stored.servers("other")},
    )
    assert error.code == "ALREADY_EXISTS"
    stored.plan("Shop", "Database")
    waves = [{"name": "one", "waveNumber": 1, "protectionGroupName": "Database"}]
    assert refusal(stored, "create_recovery_plan", {"name": "sHOP", "waves": waves}).code == "ALREADY_EXISTS"


@pytest.mark.parametrize(
    ("fields", "code", "place"),
    [
        ({"name": ""}, "EMPTY_VALUE", "groups[0].groupName"),
        ({"name": "x" * 65}, "NAME_TOO_LONG", f"groups.{'x' * 65}.groupName"),
        ({"region": "mars"}, "INVALID_REGION", "groups.New.region"),
        ({"accountId": "12"}, "INVALID_ACCOUNT_ID", "groups.New.accountId"),
        ({"launchConfiguration": {"keyName": "k"}}, "DRS_MANAGED_FIELD", "groups.New.launchConfig.keyName"),
        ({"launchConfiguration": {"subnet": "k"}}, "UNKNOWN_FIELD", "groups.New.launchConfig.subnet"),
        ({"servers": [{"name": "a", "launchTemplate": 3}]}, "WRONG_TYPE", "groups.New.servers[0].launchTemplate"),
        ({"sourceServerIds": []}, "EMPTY_GROUP", "groups.New"),
        ({"sourceServerIds": ["db1"]}, "INVALID_SOURCE_SERVER_ID", "groups.New.sourceServerIds[0]"),
    ],
)
def test_a_group_keeps_the_rules_of_a_manifest(stored: Stored, fields: dict[str, Any], code: str, place: str) -> None:
    body = {"name": "New", "region": REGION, "sourceServerIds": ["s-00000000000000001"]} | fields
    error = refusal(stored, "create_protection_group", body)
    assert error.code == "VALIDATION_ERROR"
    assert (code, place) in [(fault["code"], fault["place"]) for fault in error.details["faults"]]
    assert stored.op("list_protection_groups") == {"protectionGroups": []}


def test_all_faults_are_told_at_once(stored: Stored) -> None:
    body = {"name": "New", "region": "mars", "accountId": "12", "sourceServerIds": ["x"]}
    codes = {fault["code"] for fault in refusal(stored, "create_protection_group", body).details["faults"]}
    assert codes == {"INVALID_REGION", "INVALID_ACCOUNT_ID", "INVALID_SOURCE_SERVER_ID"}


def test_a_server_is_in_one_group(stored: Stored) -> None:
    shared, own = stored.servers("shared", "own")
    stored.group("Database", [shared])
    error = refusal(
        stored, "create_protection_group", {"name": "Web", "region": REGION, "sourceServerIds": [own, shared]}
    )
    assert error.code == "SERVER_CONFLICT"
    assert "Database" in error.message
    assert "Web" in error.message
    web = stored.group("Web", [own])
    body = {"groupId": web["groupId"], "version": 1, "sourceServerIds": [shared]}
    assert refusal(stored, "update_protection_group", body).code == "SERVER_CONFLICT"


def test_selections_that_hold_the_same_server_today_are_refused_with_both_names(stored: Stored) -> None:
    (both,) = stored.servers("both", tags={"tier": "web", "stage": "prod"})
    stored.servers("db", tags={"tier": "db"})
    stored.group("Web", serverSelectionTags={"tier": "web"})
    error = refusal(
        stored,
        "create_protection_group",
        {"name": "Production", "region": REGION, "serverSelectionTags": {"stage": "prod"}},
    )
    assert error.code == "SERVER_CONFLICT"
    assert both in error.message
    assert "'Web'" in error.message
    assert "'Production'" in error.message
    stored.group("Data", serverSelectionTags={"tier": "db"})


def test_a_server_named_by_id_is_not_selected_by_tags_as_well(stored: Stored) -> None:
    (web,) = stored.servers("web", tags={"tier": "web"})
    stored.group("Named", [web])
    body = {"name": "Web", "region": REGION, "accountId": "123456789012", "serverSelectionTags": {"tier": "web"}}
    error = refusal(stored, "create_protection_group", body)  # the caller's own account, by its id
    assert error.code == "SERVER_CONFLICT"
    assert web in error.message


def test_the_same_tags_in_another_region_are_another_selection(stored: Stored) -> None:
    for region in (REGION, "eu-west-1"):
        stored.servers("web", region=region, tags={"tier": "web"})
        made = stored.group(f"Web {region}", serverSelectionTags={"tier": "web"}, region=region)
        assert made["serverCount"] == 1


def test_a_selection_whose_servers_cannot_be_read_is_not_stored(stored: Stored) -> None:
    stored.servers("web", tags={"tier": "web"})
    stored.group("Web", serverSelectionTags={"tier": "web"})
    stored.rig.sandbox.faults.add(
        {"kind": "operation", "operation": "DescribeSourceServers", "effect": "error", "code": "AccessDeniedException"}
    )
    body = {"name": "All", "region": REGION, "serverSelectionTags": {"stage": "prod"}}
    assert isinstance(refusal(stored, "create_protection_group", body), AwsError)
    unread = stored.op("get_protection_group", {"groupId": "Web"})
    assert (unread["sourceServerIds"], unread["serverCount"]) == (None, None)
    assert unread["resolutionError"]


def test_who_carries_the_tags_now_belongs_to_the_group_now(stored: Stored) -> None:
    (first,) = stored.servers("one", tags={"tier": "web"})
    made = stored.group("Web", serverSelectionTags={"tier": "web"})
    assert made["sourceServerIds"] == [first]
    (second,) = stored.servers("two", tags={"tier": "web"})
    assert stored.op("get_protection_group", {"groupId": "Web"})["sourceServerIds"] == sorted([first, second])
    held = stored.op("resolve_protection_group_tags", {"region": REGION, "serverSelectionTags": {"tier": "web"}})
    assert held["serverCount"] == 2
    assert {server["sourceServerId"]: server["protectionGroups"] for server in held["servers"]} == {
        first: ["Web"],
        second: ["Web"],
    }


def test_an_update_replaces_what_is_given_and_a_null_takes_away(stored: Stored) -> None:
    group = stored.group("Web", description="before", launchConfiguration={"instanceType": "m5.large"})
    stored.servers("tagged", tags={"tier": "web"})
    body = {"groupId": group["groupId"], "version": 1, "description": None, "serverSelectionTags": {"tier": "web"}}
    after = stored.op("update_protection_group", body, by="grace")
    assert (after["version"], after["updatedBy"], after["description"]) == (2, "grace", None)
    assert after["serverSelectionMode"] == "tags"
    assert after["launchConfiguration"] == {"instanceType": "m5.large"}
    assert after["createdAt"] == group["createdAt"]


def test_a_group_that_plans_name_is_not_deleted(stored: Stored) -> None:
    stored.group("Database")
    plan = stored.plan("Shop", "Database")
    error = refusal(stored, "delete_protection_group", {"groupId": "Database"})
    assert error.code == "IN_USE"
    assert '"Shop"' in error.message
    stored.op("delete_recovery_plan", {"planId": plan["planId"], "version": 1})
    assert stored.op("delete_protection_group", {"groupId": "Database"})["deleted"] is True
    assert refusal(stored, "get_protection_group", {"groupId": "Database"}).code == "NOT_FOUND"


def test_a_new_name_is_carried_into_the_plans(stored: Stored) -> None:
    group = stored.group("Database")
    stored.plan("Shop", "Database")
    stored.op("update_protection_group", {"groupId": "Database", "version": 1, "name": "Data stores"})
    plan = stored.op("get_recovery_plan", {"planId": "Shop"})
    assert plan["waves"][0]["protectionGroupNames"] == ["Data stores"]
    assert plan["waves"][0]["protectionGroupIds"] == [group["groupId"]]
    assert plan["version"] == 2
    assert [group["name"] for group in stored.op("list_protection_groups")["protectionGroups"]] == ["Data stores"]


def test_a_plan_is_stored_and_can_be_sent_back_as_it_was_answered(stored: Stored) -> None:
    group = stored.group("Database")
    waves = [
        {
            "name": "Database",
            "waveNumber": 1,
            "protectionGroupId": group["groupId"],
            "healthChecks": [{"type": "tcp", "port": 5432}],
        }
    ]
    made = stored.op("create_recovery_plan", {"name": "Shop", "waves": waves, "maxLag": "PT15M"})
    assert made["waves"][0]["protectionGroupNames"] == ["Database"]
    assert made["definition"]["maxLag"] == "PT15M"
    changed = [{**made["waves"][0], "pauseBeforeWave": True}]
    after = stored.op("update_recovery_plan", {"planId": made["planId"], "version": 1, "waves": changed})
    assert after["waves"] == changed
    assert stored.op("list_recovery_plans") == {"recoveryPlans": [after]}
    stale = {"planId": made["planId"], "version": 1, "description": "late"}
    assert refusal(stored, "update_recovery_plan", stale).code == "VERSION_MISMATCH"


@pytest.mark.parametrize(
    ("waves", "code"),
    [
        ([], "EMPTY_PLAN"),
        ([{"name": "a", "waveNumber": 1, "protectionGroupName": "Datbase"}], "UNKNOWN_GROUP"),
        (
            [
                {"name": "a", "waveNumber": 1, "protectionGroupName": "Database"},
                {"name": "b", "waveNumber": 1, "protectionGroupName": "Database"},
            ],
            "DUPLICATE_WAVE_NUMBER",
        ),
        ([{"name": "a", "waveNumber": 1, "protectionGroupName": "Database", "dependsOnWaves": [2]}], "UNKNOWN_WAVE"),
        ([{"name": "a", "waveNumber": 1, "protectionGroupName": "Database", "dependsOnWaves": [1]}], "CYCLE"),
        ([{"name": "a", "waveNumber": 1, "protectionGroupName": "Database", "gate": True}], "UNKNOWN_FIELD"),
    ],
)
def test_a_plan_keeps_the_rules_of_a_manifest(stored: Stored, waves: list[Any], code: str) -> None:
    stored.group("Database")
    error = refusal(stored, "create_recovery_plan", {"name": "Shop", "waves": waves})
    assert error.code == "VALIDATION_ERROR"
    assert code in {fault["code"] for fault in error.details["faults"]}


def test_a_wave_of_several_groups_accounts_and_regions_stays_one_wave(stored: Stored) -> None:
    places = [(ACCOUNT, REGION), (ACCOUNT, "eu-west-1"), ("222222222222", REGION), ("222222222222", "eu-west-1")]
    wanted = {}
    plant_role("222222222222")
    for account, region in places:
        (wanted[account, region],) = stored.servers("web", account=account, region=region, tags={"tier": "web"})
        name = f"{account} {region}"
        stored.group(name, region=region, accountId=account, serverSelectionTags={"tier": "web"})
    waves = [
        {"name": "Web", "waveNumber": 1, "protectionGroupNames": [f"{account} {region}" for account, region in places]}
    ]
    stored.op("create_recovery_plan", {"name": "Everywhere", "waves": waves})
    manifest = open_manifest("estate:", plan="Everywhere")
    runbook = resolve(manifest, manifest.plan(), mode="drill", sessions=Sessions(), clock=WallClock())
    (wave,) = runbook.waves
    assert {(server.account_id, server.region): server.source_server_id for server in wave.servers} == wanted


def test_what_an_execution_uses_does_not_change_until_it_has_ended(
    stored: Stored, beside: Callable[..., Future[Any]]
) -> None:
    stored.group("Database")
    stored.group("Web")
    stored.group("Other")
    stored.plan("Shop", "Database")
    stored.op(
        "update_recovery_plan",
        {
            "planId": "Shop",
            "version": 1,
            "waves": [{"name": "a", "waveNumber": 1, "protectionGroupName": "Database", "pauseBeforeWave": True}],
        },
    )
    flow = compile_plan(open_manifest("estate:", plan="shop"), "Shop", accounts=())
    others = {gate.execution_id for gate in pending_gates()}  # that other tests left
    drill = beside(flow)
    gate = until(lambda: next((g for g in pending_gates() if g.execution_id not in others), None), "the gate opens")
    try:
        for name, body in (
            ("update_recovery_plan", {"planId": "Shop", "version": 2, "description": "x"}),
            ("delete_recovery_plan", {"planId": "Shop"}),
            ("update_protection_group", {"groupId": "Database", "version": 1, "description": "x"}),
        ):
            error = refusal(stored, name, body)
            assert error.code == "ACTIVE_EXECUTION"
            assert gate.execution_id in error.message
        stored.op("update_protection_group", {"groupId": "Other", "version": 1, "description": "x"})
    finally:
        answer_gate(gate.execution_id, 1, Decision.REJECTED, by="the test")
    with pytest.raises(PrefectDrsError):
        drill.result(60)
    stored.op("update_protection_group", {"groupId": "Database", "version": 1, "description": "x"})
