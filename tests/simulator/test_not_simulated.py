"""What moto lacks is refused at once by an error that names it; what prefect-drs calls is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from prefect_drs.simulator import StepClock
from prefect_drs.simulator.not_simulated import FAILURE, NOT_SIMULATED, is_unknown, refusal
from prefect_drs.simulator.server import SandboxServer
from tests.simulator.drs.documented import documented

LACKING: list[tuple[str, str, dict[str, Any]]] = [
    ("ssm", "describe_automation_step_executions", {"AutomationExecutionId": "0" * 36}),
    ("ec2", "describe_locked_snapshots", {}),
    ("iam", "generate_organizations_access_report", {"EntityPath": "o-a1b2c3d4e5/r-f6g7h8i9j0example"}),
    ("mgn", "describe_source_servers", {}),
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(clock=StepClock()) as server:
        yield server


def client(sandbox: SandboxServer, service: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        region_name="us-west-2",
        endpoint_url=sandbox.endpoint_url,
        aws_access_key_id="AKIASANDBOX000000000",
        aws_secret_access_key="sandbox",
        config=Config(retries={"max_attempts": 3, "mode": "standard"}, read_timeout=10),
    )


@documented("choice of the sandbox: [sandbox.md](sandbox.md#what-is-not-simulated)")
@pytest.mark.parametrize(("service", "method", "arguments"), LACKING, ids=lambda each: str(each)[:40])
def test_an_operation_that_moto_lacks_is_refused_at_once_by_an_error_that_names_it(
    sandbox: SandboxServer, service: str, method: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(client(sandbox, service), method)(**arguments)
    answer = refused.value.response
    assert answer["Error"]["Code"] == NOT_SIMULATED
    assert f"{service}:" in answer["Error"]["Message"]
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["ResponseMetadata"]["RetryAttempts"]) == (501, 0)
    assert sandbox.log.find(service=service)[-1].code == NOT_SIMULATED


def environ(**given: str) -> dict[str, Any]:
    return {"REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/x-www-form-urlencoded", **given}


def test_another_error_of_moto_is_an_internal_failure_that_names_it() -> None:
    status, headers, body = refusal(environ(), "ec2", "RunInstances", KeyError("no such"))
    assert status.startswith("500")
    assert ("x-amzn-errortype", FAILURE) in headers
    assert b"ec2:RunInstances: KeyError" in body


def test_a_missing_object_of_s3_is_none_of_these() -> None:
    assert is_unknown(environ(), "mgn", "404 NOT FOUND", [b""])
    assert not is_unknown(environ(), "s3", "404 NOT FOUND", [b""])
    assert not is_unknown(environ(REQUEST_METHOD="HEAD"), "lambda", "404 NOT FOUND", [b""])
    assert not is_unknown(environ(), "lambda", "404 NOT FOUND", [b'{"Type": "User"}'])
    assert not is_unknown(environ(), "mgn", "200 OK", [b""])
