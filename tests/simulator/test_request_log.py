"""The request log: who called what, with which result."""

from datetime import UTC, datetime
from typing import Any

from prefect_drs.simulator import Runtime, StepClock
from prefect_drs.simulator.request_log import RequestLog
from prefect_drs.simulator.runtime import Call
from prefect_drs.simulator.sessions import Session

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def call(operation: str, *, code: str = "", key: str = "AKIA", service: str = "drs", **params: Any) -> Call:
    return Call(NOON, "123456789012", "us-east-1", service, operation, key, params, code)


def log(*calls: Call, capacity: int = 100) -> RequestLog:
    kept = RequestLog(capacity)
    for one in calls:
        kept.observe(one)
    return kept


def test_writes_keep_their_parameters_and_reads_do_not() -> None:
    kept = log(call("DescribeJobs", filters={}), call("StartRecovery", isDrill=True))
    assert [(entry.is_write, entry.params) for entry in kept] == [(False, None), (True, {"isDrill": True})]


def test_it_can_be_asked_by_operation_result_and_kind() -> None:
    kept = log(call("StartRecovery", code="ConflictException"), call("StartRecovery"), call("DescribeJobs"))
    assert [entry.number for entry in kept.find(operation="StartRecovery", code="")] == [2]
    assert [entry.number for entry in kept.find(code="ConflictException")] == [1]
    assert [entry.number for entry in kept.find(writes=False)] == [3]
    assert [entry.number for entry in kept.find(after=1, limit=1)] == [2]
    assert kept.counts() == {"drs:StartRecovery": 2, "drs:DescribeJobs": 1}


def test_it_is_bounded_and_says_what_it_dropped() -> None:
    kept = log(*(call("DescribeJobs") for _ in range(10)), capacity=4)
    assert [entry.number for entry in kept] == [7, 8, 9, 10]
    assert kept.dropped == 6
    kept.clear()
    assert (len(kept), kept.dropped) == (0, 0)


def test_secrets_are_never_kept() -> None:
    kept = log(
        call("CreateThing", nested={"externalId": "s3cret", "Password": "s3cret"}, listed=[{"SessionToken": "s3cret"}]),
        call("PutParameter", service="ssm", Type="SecureString", Value="s3cret", Name="/x"),
        call("PutSecretValue", service="secretsmanager", SecretString="s3cret"),
    )
    assert "s3cret" not in repr(list(kept))
    assert kept.find(operation="PutParameter")[0].params == {"Type": "SecureString", "Value": "(hidden)", "Name": "/x"}


def test_long_parameters_are_cut() -> None:
    (entry,) = log(call("CreateThing", text="x" * 10_000, numbers=list(range(10_000))))
    assert entry.params is not None
    assert len(entry.params["text"]) < 3_000
    assert len(entry.params["numbers"]) == 500


def test_a_session_is_told_with_its_role() -> None:
    runtime = Runtime(clock=StepClock(NOON))
    role = "arn:aws:iam::222222222222:role/DRSOrchestrationRole"
    runtime.sessions.add(Session("ASIA", "222222222222", role, NOON))
    kept = RequestLog().watch(runtime)
    runtime.observe(call("StartRecovery", key="ASIA"))
    runtime.observe(call("StartRecovery", key="AKIA"))
    assert [entry.role for entry in kept] == [role, ""]


def test_an_entry_as_json_has_times_and_camel_case() -> None:
    (entry,) = log(call("StartRecovery"))
    told = entry.as_json()
    assert told["at"] == "2030-01-01T12:00:00+00:00"
    assert told["accountId"] == "123456789012"
