"""Faults: the schema, how they are narrowed, and what each does."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from pydantic import ValidationError

from prefect_drs.simulator import Sandbox, load_faults, mock_drs

from .rig import NO_RETRIES, Rig, refused

DOCUMENT = """
faults:
  - kind: server
    server: db-*
    stage: conversion
    times: 1
  - kind: job
    slow: 3.0
    invisibleSeconds: 40
    mode: recovery
  - kind: operation
    operation: StartRecovery
    effect: lose-answer
  - {kind: region, region: eu-west-1, forSeconds: 60}
  - {kind: credentials, account: "222222222222"}
  - {kind: capacity, instanceType: m5.*, zone: us-east-1a}
"""


def test_a_document_holds_every_kind_of_fault() -> None:
    kinds = [fault.kind for fault in load_faults(DOCUMENT)]
    assert kinds == ["server", "job", "operation", "region", "credentials", "capacity"]


@pytest.mark.parametrize(
    "text",
    [
        "faults: [{kind: earthquake}]",
        "faults: [{kind: server, stage: breakfast}]",
        "faults: [{kind: operation, operation: StartRecovery}]",
        "faults: [{kind: job, slow: 0}]",
        "faults: [{kind: server, sever: db}]",
        "defaults: []",
    ],
)
def test_what_does_not_fit_the_schema_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        load_faults(text)


def test_a_server_is_hit_by_id_hostname_or_name_tag(rig: Rig) -> None:
    by_id, by_host, by_name, other = (
        rig.seed()[0], rig.seed(hostname="db-1.corp")[0], rig.seed(name_tag="Ledger")[0], rig.seed()[0]
    )  # fmt: skip
    for name in (by_id, "db-*", "Ledger"):
        rig.sandbox.faults.fail_server(name)
    told = rig.launch([by_id, by_host, by_name, other])["participatingServers"]
    assert [s["launchStatus"] for s in told] == ["FAILED", "FAILED", "FAILED", "LAUNCHED"]


def test_a_fault_is_used_up_after_its_times(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.sandbox.faults.fail_server(server, times=2)
    told = [rig.launch([server])["participatingServers"][0]["launchStatus"] for _ in range(3)]
    assert told == ["FAILED", "FAILED", "LAUNCHED"]


def test_a_fault_begins_and_ends_in_its_time(rig: Rig) -> None:
    rig.sandbox.faults.add(
        {"kind": "operation", "operation": "DescribeJobs", "effect": "throttle", "afterSeconds": 10, "forSeconds": 5}
    )
    rig.drs.describe_jobs()
    rig.advance(11)
    with refused("ThrottlingException"):
        rig.drs.describe_jobs()
    rig.advance(5)
    rig.drs.describe_jobs()


def test_a_fault_hits_in_its_account_and_region_only(rig: Rig) -> None:
    other = Rig(rig.sandbox, region="eu-west-1")
    other.backend.initialize_service()
    rig.sandbox.faults.add(
        {"kind": "operation", "operation": "Describe*", "effect": "error", "region": "eu-*", "account": rig.account}
    )
    rig.drs.describe_jobs()
    with refused("InternalServerException"):
        other.drs.describe_jobs()


def test_a_mode_narrows_a_fault_to_drills_or_recoveries(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.sandbox.faults.fail_server(server, mode="recovery")
    assert rig.launch([server])["participatingServers"][0]["launchStatus"] == "LAUNCHED"
    assert rig.launch([server], drill=False)["participatingServers"][0]["launchStatus"] == "FAILED"


def test_a_fault_that_is_removed_hits_no_more(rig: Rig) -> None:
    fault = rig.sandbox.faults.add({"kind": "operation", "effect": "throttle"})
    with refused("ThrottlingException"):
        rig.drs.describe_jobs()
    assert rig.sandbox.faults.remove(fault)
    assert not rig.sandbox.faults.remove(fault)
    rig.drs.describe_jobs()


def test_a_slow_job_takes_so_many_times_as_long() -> None:
    def seconds(faults: list[dict[str, Any]]) -> float:
        with mock_drs(seed=3, faults=faults) as sandbox:
            rig = Rig(sandbox)
            rig.backend.initialize_service()
            job = rig.launch(rig.seed())
            return (
                rig.backend.jobs[job["jobID"]]
                .participants[job["participatingServers"][0]["sourceServerID"]]
                .seconds.conversion
            )  # type: ignore[union-attr]

    assert seconds([{"kind": "job", "slow": 4}]) == pytest.approx(4 * seconds([]))


def test_a_job_can_be_invisible_at_first(rig: Rig) -> None:
    rig.sandbox.faults.add({"kind": "job", "invisibleSeconds": 40})
    job = rig.start(rig.seed())
    assert rig.drs.describe_jobs()["items"] == []
    assert rig.drs.describe_jobs(filters={"jobIDs": [job["jobID"]]})["items"] == []
    rig.advance(41)
    assert len(rig.drs.describe_jobs()["items"]) == 1


def test_a_lost_answer_leaves_the_work_done(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.sandbox.faults.add({"kind": "operation", "operation": "StartRecovery", "effect": "lose-answer", "times": 1})
    with pytest.raises(ConnectionClosedError):
        rig.start([server])
    assert len(rig.drs.describe_jobs()["items"]) == 1
    with refused("ConflictException"):
        rig.start([server])


def test_botocore_itself_repeats_a_call_whose_answer_was_lost(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.sandbox.faults.add({"kind": "operation", "operation": "StartRecovery", "effect": "lose-answer", "times": 1})
    retrying = boto3.client(
        "drs", region_name=rig.region, config=Config(retries={"mode": "standard", "max_attempts": 2})
    )
    with refused("ConflictException"):
        retrying.start_recovery(sourceServers=[{"sourceServerID": server}])
    assert [call.code for call in rig.sandbox.calls if call.operation == "StartRecovery"] == [
        "lose-answer",
        "ConflictException",
    ]


def test_a_time_out_does_nothing_and_gives_no_answer(rig: Rig) -> None:
    rig.sandbox.faults.add({"kind": "operation", "operation": "StartRecovery", "effect": "time-out", "times": 1})
    (server,) = rig.seed()
    with pytest.raises(ReadTimeoutError):
        rig.start([server])
    assert rig.drs.describe_jobs()["items"] == []


def test_nothing_answers_in_an_unreachable_region_but_its_jobs_go_on(rig: Rig) -> None:
    job = rig.start(rig.seed())
    fault = rig.sandbox.faults.add({"kind": "region", "region": rig.region})
    for service, operation in (("drs", "describe_jobs"), ("ec2", "describe_vpcs"), ("ssm", "describe_parameters")):
        with pytest.raises(EndpointConnectionError):
            getattr(rig.client(service), operation)()
    Rig(rig.sandbox, region="eu-west-1").drs.initialize_service()
    rig.advance(3600)
    rig.sandbox.faults.remove(fault)
    assert rig.job(job["jobID"])["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("ec2", "describe_vpcs", "RequestLimitExceeded"),
        ("sns", "list_topics", "Throttling"),
        ("ssm", "describe_parameters", "ThrottlingException"),
    ],
)
def test_the_services_beside_drs_can_be_throttled_too(rig: Rig, service: str, call: str, code: str) -> None:
    operation = "".join(part.title() for part in call.split("_"))
    rig.sandbox.faults.add({"kind": "operation", "service": service, "operation": operation, "effect": "throttle"})
    with refused(code):
        getattr(rig.client(service), call)()


def test_a_fault_tells_what_it_is_and_how_often_it_hit(rig: Rig) -> None:
    rig.sandbox.faults.add({"kind": "operation", "operation": "DescribeJobs", "effect": "throttle", "times": 3})
    with refused("ThrottlingException"):
        rig.drs.describe_jobs()
    (planted,) = list(rig.sandbox.faults)
    told = planted.describe()
    assert (told["kind"], told["operation"], told["hits"], told["times"]) == ("operation", "DescribeJobs", 1, 3)


def test_faults_given_at_the_start_are_planted() -> None:
    with mock_drs(faults=load_faults(DOCUMENT)) as sandbox:
        assert isinstance(sandbox, Sandbox)
        assert len(sandbox.faults) == 6
        sandbox.faults.clear()
        assert len(sandbox.faults) == 0


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("UnrecognizedClientException", 403),
        ("AccessDeniedException", 403),
        ("ServiceQuotaExceededException", 402),
        ("ConflictException", 409),
        ("SomethingNew", 400),
    ],
)
def test_a_planted_error_has_the_status_of_its_code(rig: Rig, code: str, status: int) -> None:
    rig.sandbox.faults.add({"kind": "operation", "effect": "error", "code": code, "message": "because"})
    with pytest.raises(ClientError, match="because") as refusal:
        rig.drs.describe_jobs()
    assert refusal.value.response["Error"]["Code"] == code
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_region_that_drs_is_not_in_does_not_answer(rig: Rig) -> None:
    drs = boto3.client("drs", region_name="us-east-9", config=NO_RETRIES)
    with pytest.raises(EndpointConnectionError):
        drs.describe_jobs()


def test_a_fault_may_hit_every_third_call_only(rig: Rig) -> None:
    rig.sandbox.faults.add({"kind": "operation", "operation": "DescribeJobs", "effect": "throttle", "every": 3})
    assert [_is_throttled(rig) for _ in range(7)] == [False, False, True, False, False, True, False]


def test_a_fault_may_hit_by_chance_and_the_same_way_each_time(rig: Rig) -> None:
    drawn = []
    for _ in range(2):
        with mock_drs(default_images=False) as sandbox:
            again = Rig(sandbox)
            again.backend.initialize_service()
            sandbox.faults.add({"kind": "operation", "operation": "DescribeJobs", "effect": "throttle", "share": 0.5})
            drawn.append([_is_throttled(again) for _ in range(100)])
    assert drawn[0] == drawn[1]
    assert 35 < sum(drawn[0]) < 65


def _is_throttled(rig: Rig) -> bool:
    try:
        rig.drs.describe_jobs()
    except ClientError as refusal:
        return str(refusal.response["Error"]["Code"]) == "ThrottlingException"
    return False
