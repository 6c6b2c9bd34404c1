"""Every operation over HTTP by boto3, each answer and each error as the wire has it, against the botocore model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from prefect_drs.simulator import Runtime, Sandbox, StepClock, install
from prefect_drs.simulator.drs.validation import service_model
from prefect_drs.simulator.runtime import use

from .rig import NO_RETRIES, REGION
from .scenario import play
from .shapes import error_shape, misfits, sample

OPERATIONS = sorted(service_model().operation_names)
NAMED = {
    "DescribeLaunchConfigurationTemplates": {"launchConfigurationTemplateIDs": ["lct-" + "a" * 17]},
    "DescribeReplicationConfigurationTemplates": {"replicationConfigurationTemplateIDs": ["rct-" + "a" * 17]},
}
"""Members that the model does not require, but without which nothing is asked for by name."""
KEYS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "secret"}


@dataclass
class Wire:
    """What came over the wire: (status, body) of each operation."""

    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)

    def note(self, response_dict: dict[str, Any], operation_model: Any, **_: Any) -> None:
        body = json.loads(response_dict["body"]) if response_dict["body"] else {}
        self.answers.setdefault(operation_model.name, []).append((response_dict["status_code"], body))


@dataclass
class Served:
    sandbox: Sandbox
    endpoint: str
    wire: Wire

    def client(self, service: str, region: str = REGION) -> Any:
        made: Any = boto3.client(service, region_name=region, endpoint_url=self.endpoint, config=NO_RETRIES, **KEYS)
        if service == "drs":
            made.meta.events.register("before-parse.drs", self.wire.note)
        return made


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    install()
    runtime = Runtime(clock=StepClock(), seed=1)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with use(runtime):
        server.start()
        host, port = server.get_host_and_port()
        boto3.client("sts", region_name=REGION, endpoint_url=f"http://{host}:{port}", **KEYS).get_caller_identity()
        reset(f"http://{host}:{port}")
        yield Served(Sandbox(runtime), f"http://{host}:{port}", Wire())
        reset(f"http://{host}:{port}")
        server.stop()


def reset(endpoint: str) -> None:
    import requests

    requests.post(f"{endpoint}/moto-api/reset", timeout=30).raise_for_status()


@pytest.fixture(scope="module")
def played(served: Served) -> dict[str, list[tuple[int, Any]]]:
    play(served.client("drs"), served.client("ec2"), served.sandbox)
    return dict(served.wire.answers)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_answers_as_the_model_says(operation: str, played: dict[str, list[tuple[int, Any]]]) -> None:
    model = service_model().operation_model(operation)
    good = [(status, body) for status, body in played.get(operation, []) if status < 300]
    assert good, f"{operation} was not answered"
    for status, body in good:
        assert status == model.http["responseCode"]
        if model.output_shape is None:
            assert body == {}
        else:
            assert misfits(model.output_shape, body) == []


def test_there_are_70_operations_and_the_story_calls_them_all(played: dict[str, list[tuple[int, Any]]]) -> None:
    assert len(OPERATIONS) == 70
    assert sorted(played) == OPERATIONS


def call(served: Served, operation: str, region: str = "eu-west-3") -> ClientError:
    """Call with the required members only, where DRS is not initialised; gives the error."""
    drs = served.client("drs", region)
    shape = service_model().operation_model(operation).input_shape
    method = getattr(drs, "_make_api_call")  # noqa: B009 # the one entry that takes the model's own names
    with pytest.raises(ClientError) as refusal:
        method(operation, sample(shape) | NAMED.get(operation, {}))
    return refusal.value


def assert_error_fits(served: Served, operation: str, code: str) -> None:
    status, body = served.wire.answers[operation][-1]
    shape = error_shape(operation, code)
    assert shape is not None, f"{operation} may not answer {code}"
    assert status == shape.metadata["error"]["httpStatusCode"]
    assert misfits(shape, body) == []


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if error_shape(o, "UninitializedAccountException")])
def test_an_account_that_is_not_initialised_is_told_so(operation: str, served: Served) -> None:
    assert call(served, operation).response["Error"]["Code"] == "UninitializedAccountException"
    assert_error_fits(served, operation, "UninitializedAccountException")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_throttled_call_is_told_so(operation: str, served: Served) -> None:
    fault = served.sandbox.faults.add({"kind": "operation", "operation": operation, "effect": "throttle"})
    try:
        assert call(served, operation).response["Error"]["Code"] == "ThrottlingException"
    finally:
        served.sandbox.faults.remove(fault)
    assert_error_fits(served, operation, "ThrottlingException")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_failure_of_the_service_is_told_so(operation: str, served: Served) -> None:
    fault = served.sandbox.faults.add({"kind": "operation", "operation": operation, "effect": "error"})
    try:
        assert call(served, operation).response["Error"]["Code"] == "InternalServerException"
    finally:
        served.sandbox.faults.remove(fault)
    assert_error_fits(served, operation, "InternalServerException")


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if error_shape(o, "ResourceNotFoundException")])
def test_what_is_not_there_is_told_so(operation: str, served: Served) -> None:
    served.sandbox.backend("123456789012", "eu-north-1").initialize_service()
    served.sandbox.backend("222222222222", "eu-north-1").initialize_service()
    refusal = call(served, operation, "eu-north-1")
    code = refusal.response["Error"]["Code"]
    if operation == "CreateExtendedSourceServer":
        assert code == "ValidationException"  # its sample names another region
    else:
        assert code == "ResourceNotFoundException"
    assert_error_fits(served, operation, code)
