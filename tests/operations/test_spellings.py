"""The other spellings of fields that requests may have: each is accepted, the first is documented and answered."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from prefect_drs.operations import find_operation
from prefect_drs.operations.invocation import invoke

ACCOUNT, STAGING = "111122223333", "444455556666"
TIME = "2026-05-01T12:00:00Z"

# operation, the rest of its body, our name of a field, another name, a value
SPELLINGS: list[tuple[str, dict[str, Any], str, str, Any]] = [
    ("start_execution", {"planId": "p"}, "executionType", "mode", "DRILL"),
    ("start_execution", {"executionType": "DRILL"}, "planId", "recoveryPlanId", "p"),
    ("start_execution", {"executionType": "DRILL"}, "planName", "plan", "Shop"),
    ("get_runbook", {"planId": "p"}, "executionType", "mode", "recovery"),
    ("list_executions", {}, "executionType", "mode", "drill"),
    ("list_executions", {}, "status", "statuses", ["FAILED", "PARTIAL"]),
    ("list_executions", {}, "startedAfter", "startDate", TIME),
    ("list_executions", {}, "startedBefore", "endDate", TIME),
    ("approve_gate", {"executionId": "e"}, "wave", "waveNumber", 2),
    ("approve_gate", {"executionId": "e"}, "wave", "waveName", "Web"),
    ("reject_gate", {"executionId": "e", "wave": 1}, "by", "approvedBy", "ada"),
    ("reject_gate", {"executionId": "e", "wave": 1}, "by", "approver", "ada"),
    ("terminate_instances", {"executionId": "e"}, "confirmRecovery", "confirm", True),
    ("delete_executions", {}, "executionIds", "ids", ["a"]),
    ("explain_execution", {"executionId": "e"}, "wave", "waveNumber", 2),
    ("explain_execution", {"executionId": "e"}, "server", "sourceServerId", "s-1"),
    ("get_drs_source_servers", {"region": "us-west-2"}, "accountId", "targetAccountId", ACCOUNT),
    ("get_drs_account_capacity", {"region": "us-west-2"}, "accountId", "targetAccountId", ACCOUNT),
    ("get_drs_account_capacity_all_regions", {}, "accountId", "targetAccountId", ACCOUNT),
    ("get_ec2_subnets", {"region": "us-west-2"}, "accountId", "targetAccountId", ACCOUNT),
    ("add_target_account", {}, "accountId", "targetAccountId", ACCOUNT),
    ("update_target_account", {"accountName": "x"}, "accountId", "targetAccountId", ACCOUNT),
    ("delete_target_account", {}, "accountId", "targetAccountId", ACCOUNT),
    ("get_staging_accounts", {}, "targetAccountId", "accountId", ACCOUNT),
    ("discover_staging_accounts", {}, "targetAccountId", "accountId", ACCOUNT),
    ("add_staging_account", {"targetAccountId": ACCOUNT}, "stagingAccountId", "accountId", STAGING),
    ("validate_staging_account", {"targetAccountId": ACCOUNT}, "stagingAccountId", "accountId", STAGING),
    ("create_protection_group", {"region": "us-west-2"}, "name", "groupName", "db"),
    ("create_protection_group", {"name": "db", "region": "us-west-2"}, "launchConfiguration", "launchConfig", {}),
    ("get_protection_group", {}, "groupId", "protectionGroupId", "g"),
    ("update_protection_group", {"version": 1, "name": "x"}, "groupId", "protectionGroupId", "g"),
    ("delete_protection_group", {}, "groupId", "protectionGroupId", "g"),
    ("apply_launch_configs", {}, "groupId", "protectionGroupId", "g"),
    ("get_server_launch_config", {"groupId": "g"}, "serverId", "sourceServerId", "s-1"),
    ("create_recovery_plan", {"waves": []}, "name", "planName", "Shop"),
    ("get_recovery_plan", {}, "planId", "recoveryPlanId", "p"),
    ("update_recovery_plan", {"version": 1, "name": "x"}, "planId", "recoveryPlanId", "p"),
    ("delete_recovery_plan", {}, "planId", "recoveryPlanId", "p"),
]


@pytest.mark.parametrize(("name", "rest", "ours", "other", "value"), SPELLINGS)
def test_another_spelling_means_the_same(name, rest, ours, other, value):
    model = find_operation(name).request
    expected = model.model_validate({**rest, ours: value})
    assert model.model_validate({**rest, other: value}) == expected
    documented = model.model_json_schema()["properties"]
    assert ours in documented
    assert other not in documented


@pytest.mark.parametrize(
    ("name", "rest", "ours", "other", "value"),
    # a plan may hold what a manifest may; the rules judge it
    [each for each in SPELLINGS if each[0] not in {"create_recovery_plan", "update_recovery_plan"}],
)
def test_two_spellings_of_one_field_are_refused(name, rest, ours, other, value):
    with pytest.raises(ValidationError):
        find_operation(name).request.model_validate({**rest, ours: value, other: value})


def test_a_missing_field_has_its_documented_name():
    with pytest.raises(Exception, match="groupId is missing") as refused:
        invoke("get_protection_group", {})
    assert refused.value.details["faults"] == [{"field": "groupId", "message": "is missing"}]  # type: ignore[attr-defined]


@pytest.mark.parametrize("spelled", ["DRILL", "drill", "Drill"])
def test_the_type_of_an_execution_may_be_in_any_case(spelled):
    request = find_operation("start_execution").request
    assert request.model_validate({"planId": "p", "executionType": spelled}).mode == "drill"  # type: ignore[attr-defined]


def test_the_account_of_an_account_context_has_two_spellings():
    request = find_operation("start_execution").request
    bodies = [
        {"planId": "p", "executionType": "DRILL", "accountContext": context}
        for context in (
            {"accountId": ACCOUNT, "assumeRoleName": "R"},
            {"targetAccountId": ACCOUNT, "roleName": "R"},
        )
    ]
    assert request.model_validate(bodies[0]) == request.model_validate(bodies[1])
