"""Every call to AWS that prefect-drs makes is one that the sandbox answers, none that moto lacks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from prefect_drs.simulator import StepClock
from prefect_drs.simulator.not_simulated import FAILURE, NOT_SIMULATED
from prefect_drs.simulator.server import SandboxServer
from tests.aws.test_permissions import calls

REGION = "us-west-2"
DEPTH = 4
"""Members of members that are filled: no operation requires deeper ones."""
TOPIC = {"TopicArn": "arn:aws:sns:us-west-2:123456789012:none"}
MORE = {("sns", operation): TOPIC for operation in ("ListSubscriptionsByTopic", "Publish", "Subscribe")}
"""Where moto fails at what is no ARN."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(clock=StepClock()) as server:
        yield server


def least(shape: Any, depth: int = 0) -> Any:
    """The least value of a shape: its required members, texts of its least length."""
    if shape.type_name == "structure":
        wanted = shape.required_members if depth < DEPTH else ()
        return {member: least(shape.members[member], depth + 1) for member in wanted}
    if shape.type_name == "list":
        return [least(shape.member, depth + 1)] * max(1, shape.metadata.get("min", 1))
    if shape.type_name == "map":
        return {}
    if shape.type_name in {"integer", "long", "float", "double"}:
        return shape.metadata.get("min", 1)
    if shape.type_name == "boolean":
        return False
    if shape.type_name == "timestamp":
        return 0
    if shape.type_name == "blob":
        return b"x"
    return shape.enum[0] if shape.enum else "x" * max(1, shape.metadata.get("min", 1))


def code_of(sandbox: SandboxServer, service: str, operation: str) -> str:
    """The code of the error that an operation's least input is answered by; empty where it succeeds."""
    client = client_of(sandbox.endpoint_url, service)
    shape = client.meta.service_model.operation_model(operation).input_shape
    given = {**(least(shape) if shape else {}), **MORE.get((service, operation), {})}
    try:
        getattr(client, xform_name(operation))(**given)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


@cache
def client_of(endpoint: str, service: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="AKIASANDBOX000000000",
        aws_secret_access_key="sandbox",
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_every_call_of_the_package_is_simulated(sandbox: SandboxServer) -> None:
    made = sorted({(call.service, call.operation) for call in calls()})
    assert len(made) > 50
    codes = {f"{service}:{operation}": code_of(sandbox, service, operation) for service, operation in made}
    assert {name: code for name, code in codes.items() if code in {NOT_SIMULATED, FAILURE}} == {}


def test_a_call_that_moto_lacks_would_be_seen(sandbox: SandboxServer) -> None:
    assert code_of(sandbox, "ssm", "DescribeAutomationStepExecutions") == NOT_SIMULATED
