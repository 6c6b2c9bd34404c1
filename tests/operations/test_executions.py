"""Executions by operations alone: started, followed, approved, terminated, deleted, on a real Prefect server."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.evidence.archive import read_archive
from prefect_drs.operations import Context, deletion
from prefect_drs.orchestration.storage.journal_storage import open_journal
from tests.conftest import PrefectServer
from tests.operations.estate import Stored
from tests.operations.events import MANIFEST
from tests.operations.shop import PLAN, code_of, failed_by_a_worker, launches, until, work
from tests.rig import ACCOUNT


def start_here(shop: Stored, **body: Any) -> Any:
    return shop.op(
        "start_execution",
        {"planId": PLAN, "executionType": "DRILL", "foreground": True, "approveGates": True, **body},
    )


def test_an_execution_from_its_start_to_its_deletion(shop: Stored) -> None:
    before = shop.op("check_existing_instances", {"planName": PLAN})
    assert (before["hasExistingInstances"], before["servers"], before["complete"]) == (False, 3, True)
    started = start_here(shop, accountContext={"accountId": ACCOUNT})
    execution_id = started["executionId"]
    assert (started["status"], started["executionType"], started["initiatedBy"]) == ("COMPLETED", "DRILL", "ada")

    shown = shop.op("get_execution", {"executionId": execution_id[:8]})
    assert (shown["executionId"], shown["waitingFor"], shown["process"]["alive"]) == (execution_id, [], False)
    assert [wave["status"] for wave in shown["waves"]] == ["COMPLETED", "COMPLETED"]
    assert shown["waves"][1]["approval"]["by"] == "ada"

    instances = shop.op("get_recovery_instances", {"executionId": execution_id})
    assert instances["count"] == 3
    assert {each["state"] for each in instances["recoveryInstances"]} == {"RUNNING"}
    existing = shop.op("check_existing_instances", {"planId": PLAN})
    assert {each["launchedBy"] for each in existing["existingInstances"]} == {execution_id}

    logs = shop.op("get_job_logs", {"executionId": execution_id})
    assert len(logs["jobs"]) == 2
    assert all(log["status"] == "OK" and log["entries"] for log in logs["jobs"])
    job_id = logs["jobs"][0]["jobId"]
    assert [
        log["jobId"] for log in shop.op("get_job_logs", {"executionId": execution_id, "jobId": job_id})["jobs"]
    ] == [job_id]

    assert PLAN in shop.op("get_execution_report", {"executionId": execution_id, "format": "html"})["document"]
    explained = shop.op("explain_execution", {"executionId": execution_id, "wave": 2})
    assert explained["waveTimeline"]["waveName"] == "Web"
    assert explained["explanation"]["summary"]

    evidence = shop.op("get_evidence", {"executionId": execution_id})
    assert (evidence["signed"], evidence["mediaType"]) == (False, "application/zip")
    members = read_archive(base64.b64decode(evidence["document"])).members
    assert json.loads(members["jobs.json"])["jobs"][0]["entries"]
    assert json.loads(members["manifest.json"])["execution"]["planName"] == PLAN
    verified = shop.op("verify_execution", {"executionId": execution_id})
    assert (verified["intact"], verified["anchors"], verified["closed"]) == (True, 0, False)

    assert shop.op("get_termination_status", {"executionId": execution_id})["status"] == "NOT_REQUESTED"
    assert code_of("delete_executions", {"executionIds": [execution_id]}) == "EXECUTION_ERROR"
    gone = shop.op("terminate_instances", {"executionId": execution_id})
    assert (gone["status"], len(gone["instances"])) == ("TERMINATED", 3)
    after = shop.op("get_termination_status", {"executionId": execution_id})
    assert (after["status"], after["requestedBy"], {i["state"] for i in after["instances"]}) == (
        "TERMINATED",
        "ada",
        {"GONE"},
    )

    assert open_journal(execution_id).read()
    deleted = shop.op("delete_executions", {"executionIds": [execution_id]})
    assert deleted["deletedCount"] == 1
    assert deleted["deleted"][0]["flowRuns"] >= 1
    assert deleted["deleted"][0]["artifacts"] >= 2
    assert deleted["deleted"][0]["journalObjects"] >= 1
    assert not open_journal(execution_id).read()
    assert code_of("get_execution", {"executionId": execution_id}) == "NOT_FOUND"


def test_a_deployment_answers_at_once_and_its_worker_carries_the_execution(
    shop: Stored, deployment: str, beside: Callable[..., Future[Any]]
) -> None:
    started = shop.op("start_execution", {"planId": PLAN, "executionType": "DRILL", "deployment": deployment})
    execution_id = started["executionId"]
    assert (started["status"], started["deployment"]) == ("PENDING", deployment)
    waiting = shop.op("get_execution", {"executionId": execution_id})
    assert (waiting["status"], waiting["planName"], waiting["initiatedBy"]) == ("PENDING", PLAN, "ada")
    assert [wait["kind"] for wait in waiting["waitingFor"]] == ["process"]
    assert shop.op("list_executions", {"status": "PENDING"})["executions"][0]["executionId"] == execution_id
    assert code_of("delete_executions", {"executionIds": [execution_id]}) == "ACTIVE_EXECUTION"
    assert (
        code_of("start_execution", {"planName": PLAN, "executionType": "DRILL", "deployment": deployment})
        == "ACTIVE_EXECUTION"
    )

    worker = beside(work, execution_id)
    (gate,) = until(lambda: shop.op("list_gates", {"executionId": execution_id})["gates"], "the gate opens")
    assert (gate["waveNumber"], gate["waveName"]) == (2, "Web")
    assert code_of("approve_gate", {"executionId": execution_id, "wave": 1}) == "EXECUTION_ERROR"
    assert code_of("terminate_instances", {"executionId": execution_id}) == "ACTIVE_EXECUTION"
    assert shop.op("get_termination_status", {"executionId": execution_id})["status"] == "NOT_OVER"
    paused = shop.op("pause_execution", {"executionId": execution_id})
    assert paused["outcome"] == "CONFIRMED"
    shown = shop.op("get_execution", {"executionId": execution_id})
    assert {wait["kind"] for wait in shown["waitingFor"]} >= {"approval"}
    assert shop.op("resume_execution", {"executionId": execution_id})["outcome"] == "CONFIRMED"
    approved = shop.op("approve_gate", {"executionId": execution_id, "wave": "Web", "comment": "checked"})
    assert (approved["decision"], approved["by"], approved["lost"]) == ("APPROVED", "ada", None)
    assert worker.result(timeout=300).is_completed()
    assert shop.op("get_execution", {"executionId": execution_id})["status"] == "COMPLETED"
    assert code_of("approve_gate", {"executionId": execution_id, "wave": 2}) == "EXECUTION_ERROR"


def test_a_cancelled_execution_launches_nothing_more(
    shop: Stored, deployment: str, beside: Callable[..., Future[Any]]
) -> None:
    body = {"planId": PLAN, "executionType": "RECOVERY", "deployment": deployment, "initiatedBy": "cy"}
    execution_id = shop.op("start_execution", body)["executionId"]
    worker = beside(work, execution_id)
    until(lambda: shop.op("list_gates", {"executionId": execution_id})["gates"], "the gate opens")
    cancelled = shop.op("cancel_execution", {"executionId": execution_id, "reason": "the region is back"})
    assert cancelled["outcome"] == "CONFIRMED"
    worker.result(timeout=300)
    shown = shop.op("get_execution", {"executionId": execution_id})
    assert (shown["status"], shown["cancelled"]["reason"]) == ("PARTIAL", "the region is back")
    assert shown["initiatedBy"] == "cy"
    for operation in ("cancel_execution", "pause_execution", "resume_execution"):
        assert code_of(operation, {"executionId": execution_id}) == "EXECUTION_ERROR"
    assert code_of("terminate_instances", {"executionId": execution_id}) == "MISSING_PARAMETER"
    assert len(rig_instances(shop)) == 1, "nothing was terminated without confirmation"
    gone = shop.op("terminate_instances", {"executionId": execution_id, "confirmRecovery": True})
    assert gone["status"] == "TERMINATED"


def rig_instances(shop: Stored) -> list[Any]:
    drs = shop.rig.sessions.client("drs", region="us-west-2")
    return list(drs.describe_recovery_instances()["items"])


def test_of_parallel_starts_of_one_plan_one_runs(shop: Stored, deployment: str) -> None:
    body = {"planId": PLAN, "executionType": "DRILL", "deployment": deployment}

    def start(_: int) -> str:
        try:
            return str(shop.op("start_execution", body)["executionId"])
        except PrefectDrsError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(start, range(8)))
    assert answers.count("ACTIVE_EXECUTION") == 7


def test_a_run_that_was_refused_before_it_launched_says_why(shop: Stored, deployment: str) -> None:
    body = {"planId": PLAN, "executionType": "DRILL", "deployment": deployment, "exclude": {"nobody": "gone"}}
    execution_id = shop.op("start_execution", body)["executionId"]
    assert work(execution_id).is_failed()
    shown = shop.op("get_execution", {"executionId": execution_id})
    assert (shown["status"], shown["waves"]) == ("FAILED", [])
    assert "nobody" in shown["message"]
    assert shop.op("delete_executions", {"executionIds": [execution_id]})["deletedCount"] == 1


def test_an_execution_that_failed_is_tried_again_by_its_deployment(shop: Stored, deployment: str) -> None:
    failed = shop.rig.sandbox.faults
    server = shop.op("get_protection_group", {"groupId": "db"})["sourceServerIds"][0]
    failed.fail_server(server)
    body = {"planId": PLAN, "executionType": "DRILL", "deployment": deployment, "approveGates": True}
    execution_id = shop.op("start_execution", body)["executionId"]
    assert work(execution_id).is_failed()
    failed.clear()
    assert shop.op("resume_execution", {"executionId": execution_id})["outcome"] == "RESUMED"
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(UUID(execution_id)).state_name == "AwaitingRetry"
    assert code_of("resume_execution", {"executionId": execution_id, "takeOver": True}) == "EXECUTION_ERROR"
    assert work(execution_id).is_completed()


def test_a_resume_that_waits_for_a_worker_can_be_cancelled_and_is_not_deleted(shop: Stored, deployment: str) -> None:
    execution_id = failed_by_a_worker(shop, deployment)
    before = launches(shop)
    assert shop.op("resume_execution", {"executionId": execution_id})["outcome"] == "RESUMED"
    assert code_of("delete_executions", {"executionIds": [execution_id]}) == "ACTIVE_EXECUTION"
    assert shop.op("cancel_execution", {"executionId": execution_id})["outcome"] == "STORED"
    assert not work(execution_id).is_completed()
    assert launches(shop) == before


def test_a_worker_without_the_journal_of_an_execution_does_not_begin_it_anew(
    shop: Stored, deployment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution_id = failed_by_a_worker(shop, deployment)
    before = launches(shop)
    assert shop.op("resume_execution", {"executionId": execution_id})["outcome"] == "RESUMED"
    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path))  # as on another machine
    state = work(execution_id)
    assert state.is_failed()
    assert "its journal is not here" in str(state.message)
    assert launches(shop) == before


def test_lists_are_filtered_and_say_whether_there_are_more(shop: Stored) -> None:
    for _ in range(2):
        start_here(shop)
    one = shop.op("list_executions", {"planName": PLAN.lower(), "limit": 1})
    assert (len(one["executions"]), one["more"]) == (1, True)
    next_one = shop.op("list_executions", {"planName": PLAN, "limit": 1, "offset": 1})["executions"]
    assert next_one[0]["executionId"] != one["executions"][0]["executionId"]
    after = shop.op("list_executions", {"planName": PLAN, "limit": 1, "nextToken": one["nextToken"]})["executions"]
    assert after == next_one
    oldest = shop.op("list_executions", {"planName": PLAN, "limit": 200, "sort": "startedAt"})["executions"]
    assert [each["startedAt"] for each in oldest] == sorted(each["startedAt"] for each in oldest)
    stale = {"sort": "planName", "nextToken": one["nextToken"]}
    with pytest.raises(PrefectDrsError, match="nextToken belongs to another order"):
        shop.op("list_executions", stale)
    assert shop.op("list_executions", {"planName": "Other"})["executions"] == []
    chosen = {"executionId": next_one[0]["executionId"]}
    assert shop.op("list_executions", chosen)["executions"] == next_one
    assert shop.op("list_executions", {**chosen, "planName": "Other"})["executions"] == []
    assert shop.op("list_executions", {"executionId": str(uuid4())})["executions"] == []
    drills = shop.op("list_executions", {"planName": PLAN, "executionType": "DRILL", "status": ["COMPLETED"]})
    assert {(each["mode"], each["status"]) for each in drills["executions"]} == {("drill", "COMPLETED")}
    recoveries = shop.op("list_executions", {"planName": PLAN, "executionType": "RECOVERY"})["executions"]
    assert {each["executionType"] for each in recoveries} <= {"RECOVERY"}
    assert shop.op("list_executions", {"planName": PLAN, "startedBefore": "2000-01-01T00:00:00Z"})["executions"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"planId": PLAN}, "MISSING_PARAMETER"),
        ({"planId": PLAN, "executionType": "REHEARSAL"}, "VALIDATION_ERROR"),
        ({"planId": PLAN, "planName": "Other", "executionType": "DRILL", "foreground": True}, "VALIDATION_ERROR"),
        ({"executionType": "DRILL", "foreground": True}, "MISSING_PARAMETER"),
        ({"planId": PLAN, "executionType": "DRILL"}, "MISSING_PARAMETER"),
        ({"planId": "Other", "executionType": "DRILL", "foreground": True}, "NOT_FOUND"),
        ({"planId": PLAN, "executionType": "DRILL", "deployment": "recover/nowhere"}, "INVALID_PARAMETER"),
        ({"planId": PLAN, "executionType": "DRILL", "deployment": "nowhere"}, "VALIDATION_ERROR"),
        ({"planId": PLAN, "executionType": "RECOVERY", "approveGates": True}, "VALIDATION_ERROR"),
        ({"planId": PLAN, "executionType": "DRILL", "foreground": True, "deployment": "recover/x"}, "VALIDATION_ERROR"),
        ({"manifest": MANIFEST, "executionType": "DRILL"}, "VALIDATION_ERROR"),
        (
            {
                "planId": PLAN,
                "executionType": "DRILL",
                "foreground": True,
                "accountContext": {"accountId": "999988887777"},
            },
            "INVALID_PARAMETER",
        ),
        (
            {
                "planId": PLAN,
                "executionType": "DRILL",
                "foreground": True,
                "accountContext": {"accountId": ACCOUNT, "assumeRoleName": "Other"},
            },
            "INVALID_PARAMETER",
        ),
    ],
)
def test_a_start_that_cannot_be_is_refused_with_a_code(shop: Stored, body: dict[str, Any], code: str) -> None:
    assert code_of("start_execution", body) == code
    assert rig_instances(shop) == []


@pytest.mark.parametrize("plan", [{}, {"manifest": "plan-of-the-worker.json"}])
def test_an_account_that_cannot_be_checked_is_refused(shop: Stored, deployment: str, plan: dict[str, str]) -> None:
    body = {"executionType": "DRILL", "deployment": deployment, "accountContext": {"accountId": ACCOUNT}, **plan}
    assert code_of("start_execution", body) == "INVALID_PARAMETER"


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("get_execution", {}),
        ("pause_execution", {}),
        ("resume_execution", {}),
        ("cancel_execution", {}),
        ("terminate_instances", {}),
        ("get_recovery_instances", {}),
        ("get_job_logs", {}),
        ("get_termination_status", {}),
        ("get_execution_report", {}),
        ("explain_execution", {}),
        ("get_evidence", {}),
        ("verify_execution", {}),
    ],
)
@pytest.mark.parametrize("execution", ["00000000-0000-4000-8000-000000000000", "no such"])
def test_an_unknown_execution_is_not_found(
    prefect_server: PrefectServer, name: str, more: dict[str, Any], execution: str
) -> None:
    assert code_of(name, {"executionId": execution, **more}) == "NOT_FOUND"


def test_a_process_that_answers_others_carries_no_execution(shop: Stored) -> None:
    context = Context(caller="ada", files=False, foreground=False)
    body = {"planId": PLAN, "executionType": "DRILL", "foreground": True}
    assert code_of("start_execution", body, context) == "INVALID_PARAMETER"


def test_source_servers_are_listed_with_the_groups_that_hold_them(shop: Stored) -> None:
    shop.servers("alone", tags={"tier": "x"})
    found = shop.op("get_drs_source_servers", {"region": "us-west-2"})
    assert found["totalCount"] == 4
    groups = {server["hostname"]: server["protectionGroups"] for server in found["servers"]}
    assert groups == {"db1": ["db"], "web1": ["web"], "web2": ["web"], "alone": []}
    tagged = shop.op("get_drs_source_servers", {"region": "us-west-2", "tags": {"tier": "x"}})
    assert [server["hostname"] for server in tagged["servers"]] == ["alone"]
    assert code_of("get_drs_source_servers", {"region": "mars-1"}) == "INVALID_PARAMETER"


def test_recovery_instances_are_synchronised_by_an_inventory(shop: Stored) -> None:
    start_here(shop)
    synced = shop.op("sync_recovery_instances")
    assert (synced["count"], synced["drillInstances"]) == (3, 3)
    status = shop.op("get_recovery_instance_sync_status")
    assert status["takenAt"] == synced["takenAt"]


def test_all_that_have_ended_are_deleted_in_batches_past_those_that_are_kept(
    shop: Stored, deployment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"planId": PLAN, "executionType": "DRILL", "deployment": deployment, "exclude": {"nobody": "gone"}}
    refused = []
    for _ in range(3):
        refused.append(shop.op("start_execution", body)["executionId"])
        assert work(refused[-1]).is_failed()  # before it launched anything
    kept = start_here(shop)["executionId"]  # the newest; its instances stand
    monkeypatch.setattr(deletion, "AT_MOST", 1)
    monkeypatch.setattr(deletion, "LOOKED_AT", 2)
    found, request, batches = [], {"allFinished": True}, 0
    more = True
    while more:
        if set(refused) <= set(found):  # the newest; those that other tests left go in large batches
            monkeypatch.setattr(deletion, "AT_MOST", 100)
            monkeypatch.setattr(deletion, "LOOKED_AT", 1000)
        answer = shop.op("delete_executions", request)
        found += [each["executionId"] for each in answer["deleted"]]
        batches += 1
        assert answer["deletedCount"] <= deletion.AT_MOST
        assert (answer["nextToken"] is None) is not answer["more"]
        more = answer["more"]
        request = {"allFinished": True, "nextToken": answer["nextToken"]}
    assert set(refused) <= set(found)
    assert kept not in found
    assert batches >= 3
    left = {each["executionId"] for each in shop.op("list_executions", {"planName": PLAN})["executions"]}
    assert kept in left
    assert not left & set(refused)
    shop.op("delete_executions", {"executionIds": [kept], "leaveInstances": True})


@pytest.mark.parametrize("token", ["x", "2026-11-29T00:00:00/00000000-0000-4000-8000-000000000000", "/"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    assert code_of("delete_executions", {"allFinished": True, "nextToken": token}) == "VALIDATION_ERROR"
    assert code_of("delete_executions", {"executionIds": ["x"], "nextToken": token}) == "VALIDATION_ERROR"
