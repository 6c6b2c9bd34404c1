"""The state machine, executed by moto's interpreter of the Amazon States Language, against the handler on the sandbox.

Moto's Lambda runs no containers here: it hands the payload of each invocation to the handler in this process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws
from moto.awslambda_simple.models import LambdaSimpleBackend

from prefect_drs.lambda_handler import handler
from tests.examples.places import EXAMPLES
from tests.examples.sandbox.worker import carry_the_next
from tests.operations.estate import Stored
from tests.operations.shop import PLAN, until
from tests.rig import ACCOUNT, REGION

DEFINITION = EXAMPLES / "step-functions/disaster.asl.json"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:prefect-drs"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/state-machine"


class StateMachine:
    """The example as a state machine of the simulated AWS, with the queue of its approvals."""

    def __init__(self) -> None:
        self.sqs, self.states = boto3.client("sqs"), boto3.client("stepfunctions")
        self.queue = self.sqs.create_queue(QueueName="approvals")["QueueUrl"]
        text = DEFINITION.read_text(encoding="utf-8")
        definition = text.replace("${FunctionArn}", FUNCTION).replace("${ApprovalQueueUrl}", self.queue)
        made = self.states.create_state_machine(name="disaster", definition=definition, roleArn=ROLE)
        self.arn = made["stateMachineArn"]

    def start(self, deployment: str, plan: str = PLAN) -> str:
        given = {"planId": plan, "executionType": "DRILL", "deployment": deployment, "pollSeconds": 1}
        name = f"night-{uuid4().hex[:8]}"  # AWS invents one where none is given, moto does not
        started = self.states.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(given))
        return str(started["executionArn"])

    def answer(self, decision: str) -> dict[str, Any]:
        """Answer the question in the queue as a person does; the gate that it is about."""
        asked = until(lambda: self.sqs.receive_message(QueueUrl=self.queue).get("Messages"), "a person is asked")
        question: dict[str, Any] = json.loads(asked[0]["Body"])
        answer = {"decision": decision, "by": "ada", "comment": "by the queue"}
        self.states.send_task_success(taskToken=question["taskToken"], output=json.dumps(answer))
        self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=asked[0]["ReceiptHandle"])  # else it comes again
        gate: dict[str, Any] = question["gate"]
        return gate

    def end(self, execution: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            seen: dict[str, Any] = self.states.describe_execution(executionArn=execution)
            return None if seen["status"] == "RUNNING" else seen

        ended: dict[str, Any] = until(look, "the state machine ends")
        return ended

    def visited(self, execution: str) -> set[str]:
        """The states that were entered."""
        events = self.states.get_execution_history(executionArn=execution, maxResults=1000)["events"]
        return {event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event}


@pytest.fixture
def machine(shop: Stored, monkeypatch: pytest.MonkeyPatch) -> Iterator[StateMachine]:
    def run(backend: Any, function_name: str, qualifier: Any, body: str, *headers: Any) -> bytes:
        assert function_name in FUNCTION
        return json.dumps(handler(json.loads(body))).encode()

    monkeypatch.setattr(LambdaSimpleBackend, "invoke", run)
    settings: Any = {"lambda": {"use_docker": False}, "stepfunctions": {"execute_state_machine": True}}
    with mock_aws(config=settings):
        yield StateMachine()


def test_a_drill_is_started_approved_by_task_token_reported_and_terminated(
    machine: StateMachine, shop: Stored, deployment: str, beside: Callable[..., Future[Any]]
) -> None:
    execution = machine.start(deployment)
    beside(carry_the_next, shop)
    assert machine.answer("approve")["waveName"] == "Web"
    ended = machine.end(execution)
    assert ended["status"] == "SUCCEEDED", ended
    output = json.loads(ended["output"])
    execution_id = output["started"]["answer"]["executionId"]
    report = shop.op("get_execution", {"executionId": execution_id})
    assert (report["status"], report["waves"][1]["approval"]["by"]) == ("COMPLETED", "ada")
    assert PLAN in output["report"]["answer"]["document"]
    assert shop.op("get_termination_status", {"executionId": execution_id})["status"] == "TERMINATED"
    assert {"Wait", "Ask a person", "Approve", "Report", "Terminate", "Completed"} <= machine.visited(execution)


def test_a_rejected_gate_fails_the_state_machine(
    machine: StateMachine, shop: Stored, deployment: str, beside: Callable[..., Future[Any]]
) -> None:
    execution = machine.start(deployment)
    beside(carry_the_next, shop)
    machine.answer("reject")
    ended = machine.end(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "PARTIAL")  # its first wave had completed
    assert {"Reject", "Report", "Terminate", "Not completed"} <= machine.visited(execution)


def test_a_start_that_is_refused_fails_with_the_operation_s_code(machine: StateMachine, deployment: str) -> None:
    execution = machine.start(deployment, plan="Shpo")
    ended = machine.end(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "NOT_FOUND")
    assert "Shpo" in ended["cause"]


def test_every_call_of_the_state_machine_is_an_operation() -> None:
    from prefect_drs.operations import OPERATIONS

    states = json.loads(DEFINITION.read_text(encoding="utf-8"))["States"].values()
    calls = {
        state["Parameters"]["Payload"]["operation"] for state in states if "Payload" in state.get("Parameters", {})
    }
    assert calls <= {operation.name for operation in OPERATIONS}
    assert len(calls) == 7
