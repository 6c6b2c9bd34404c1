"""The EventBridge rules, deployed into the simulated AWS: what they send is put through the handler on the sandbox.

Moto delivers events to queues but to no function: a queue takes the target's place, with the target's own transformer.
Moto's CloudFormation knows neither event invoke configurations nor queue policies; its transformer writes no JSON
values. The refusals' rule therefore gets the event that Lambda would send, and `_transformed` does what
EventBridge documents.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import boto3
import pytest
from jsonpath_ng import parse
from ruamel.yaml import YAML

from prefect_drs.lambda_handler import handler
from tests.examples.places import EXAMPLES
from tests.operations.estate import Stored
from tests.operations.shop import PLAN
from tests.rig import ACCOUNT, REGION

TEMPLATE = EXAMPLES / "eventbridge/template.yaml"
STALLED_SERVER = f"arn:aws:drs:{REGION}:{ACCOUNT}:source-server/s-12345678901234567"


class Rules:
    """The template as a stack."""

    def __init__(self, deployment: str) -> None:
        self.events, self.sqs = boto3.client("events"), boto3.client("sqs")
        topic = boto3.client("sns").create_topic(Name="refusals")["TopicArn"]
        stack = boto3.client("cloudformation")
        values = {"FunctionArn": _function(), "PlanId": PLAN, "Deployment": deployment, "RefusalsTopicArn": topic}
        stack.create_stack(
            StackName="rules",
            TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
        )
        resources = stack.list_stack_resources(StackName="rules")["StackResourceSummaries"]
        self.made = {each["LogicalResourceId"] for each in resources} - {""}
        rules = [each for each in resources if each["ResourceType"] == "AWS::Events::Rule"]
        self.names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in rules}
        self.targets = {rule: self._without_targets(name) for rule, name in self.names.items()}
        self.queue = self.sqs.create_queue(QueueName="instead")["QueueUrl"]

    def _without_targets(self, name: str) -> dict[str, Any]:
        (target,) = self.events.list_targets_by_rule(Rule=name)["Targets"]
        self.events.remove_targets(Rule=name, Ids=[target["Id"]])
        return dict(target)

    def sent(self, rule: str, source: str, detail_type: str, detail: Any, *resources: str) -> list[Any]:
        """What the target of a rule gets for an event."""
        instead = {"Id": "instead", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:instead"}
        transformer = self.targets[rule]["InputTransformer"]
        bare = '": <' in transformer["InputTemplate"]
        given = {} if bare else {"InputTransformer": transformer}
        self.events.put_targets(Rule=self.names[rule], Targets=[{**instead, **given}])
        event = {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}
        self.events.put_events(Entries=[{**event, "Resources": list(resources)}])
        self.events.remove_targets(Rule=self.names[rule], Ids=["instead"])
        messages = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        bodies = [json.loads(message["Body"]) for message in messages]
        return [_transformed(body, transformer) if bare else body for body in bodies]


def _transformed(event: Any, transformer: dict[str, Any]) -> Any:
    """What EventBridge makes of an event by a template with variables outside quotes: each becomes a JSON value.

    Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_InputTransformer.html
    """
    text = transformer["InputTemplate"]
    for name, path in transformer["InputPathsMap"].items():
        (found,) = parse(path).find(event)
        text = text.replace(f"<{name}>", json.dumps(found.value))
    return json.loads(text)


def _function() -> str:
    """A function of the simulated AWS; its code is not run."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("code.py", "")
    trust = {"Version": "2012-10-17", "Statement": []}
    role = boto3.client("iam").create_role(RoleName="function", AssumeRolePolicyDocument=json.dumps(trust))
    made = boto3.client("lambda").create_function(
        FunctionName="prefect-drs",
        Role=role["Role"]["Arn"],
        Runtime="python3.12",
        Handler="prefect_drs.lambda_handler.handler",
        Code={"ZipFile": code.getvalue()},
    )
    return str(made["FunctionArn"])


@pytest.fixture(scope="module")
def rules(shop: Stored, deployment: str) -> Rules:
    return Rules(deployment)


def test_the_template_is_deployed_except_for_what_moto_does_not_know(rules: Rules) -> None:
    asked = YAML(typ="rt").load(TEMPLATE)["Resources"]
    missing = {asked[name]["Type"] for name in asked.keys() - rules.made}
    assert missing == {"AWS::Lambda::EventInvokeConfig", "AWS::SQS::QueuePolicy"}


def test_the_nightly_rule_starts_one_drill_however_often_it_is_delivered(rules: Rules, shop: Stored) -> None:
    (event,) = rules.sent("NightlyDrillRule", "aws.events", "Scheduled Event", {})
    assert event["operation"] == "start_execution"
    started, again = handler(event), handler(event)
    assert (started["status"], started["executionType"]) == ("PENDING", "DRILL")
    assert started["initiatedBy"].startswith("EventBridge, ")
    assert again["executionId"] == started["executionId"]
    shop.op("cancel_execution", {"executionId": started["executionId"]})


def test_a_stalled_server_starts_an_inventory(rules: Rules, shop: Stored) -> None:
    detail_type = "DRS Source Server Data Replication Stalled Change"
    assert rules.sent("StalledServerRule", "aws.drs", detail_type, {"state": "NOT_STALLED"}, STALLED_SERVER) == []
    (event,) = rules.sent("StalledServerRule", "aws.drs", detail_type, {"state": "STALLED"}, STALLED_SERVER)
    assert event["caller"] == f"EventBridge: {STALLED_SERVER} has stalled"
    taken = handler(event)
    assert len(taken["servers"]) == 3


def test_a_refused_operation_is_told_to_people(rules: Rules) -> None:
    (request,) = rules.sent("NightlyDrillRule", "aws.events", "Scheduled Event", {})
    request["parameters"]["planId"] = "Shpo"
    refused = {"requestPayload": request, "responsePayload": handler(request)}
    result = "Lambda Function Invocation Result - Success"
    (told,) = rules.sent("RefusedOperationRule", "lambda", result, refused)
    assert (told["refused"], told["error"]) == ("start_execution", "NOT_FOUND")
    assert told["caller"].startswith("EventBridge, ")
    assert 'did you mean "Shop"?' in told["message"]
    accepted = {"requestPayload": request, "responsePayload": {"executionId": "e"}}
    assert rules.sent("RefusedOperationRule", "lambda", result, accepted) == []
