"""What Systems Manager answers to the checks, hooks and automations of prefect-drs."""

from __future__ import annotations

import json
from typing import Any

from .documented import documented
from .rig import Rig, refused

SSM = "https://docs.aws.amazon.com/systems-manager/latest/APIReference/"
ASSERTS = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-assertAwsResourceProperty.html"
)
LOOK = {"name": "look", "action": "aws:executeAwsApi", "inputs": {"Service": "ec2"}}
FAIL = {"name": "assert", "action": "aws:assertAwsResourceProperty", "inputs": {"DesiredValues": []}}


def started(rig: Rig, *steps: dict[str, Any], **more: Any) -> str:
    ssm = rig.client("ssm")
    body = json.dumps({"schemaVersion": "0.3", "mainSteps": steps})
    ssm.create_document(Name="Shop", DocumentType="Automation", Content=body)
    return str(ssm.start_automation_execution(DocumentName="Shop", **more)["AutomationExecutionId"])


def told(rig: Rig, automation: str) -> tuple[str, list[str]]:
    """Status of an automation and of its steps."""
    found = rig.client("ssm").get_automation_execution(AutomationExecutionId=automation)["AutomationExecution"]
    return found["AutomationExecutionStatus"], [step["StepStatus"] for step in found["StepExecutions"]]


@documented(SSM + "API_GetAutomationExecution.html")
def test_an_automation_runs_its_steps_one_after_another(rig: Rig) -> None:
    automation = started(rig, LOOK, {**LOOK, "name": "again"})
    assert told(rig, automation) == ("InProgress", ["InProgress", "Pending"])
    rig.advance(20)
    assert told(rig, automation) == ("InProgress", ["Success", "InProgress"])
    rig.advance(20)
    assert told(rig, automation) == ("Success", ["Success", "Success"])


@documented(ASSERTS)
def test_an_automation_fails_at_the_step_that_fails(rig: Rig) -> None:
    automation = started(rig, LOOK, FAIL, {**LOOK, "name": "never"})
    rig.advance(60)
    assert told(rig, automation) == ("Failed", ["Success", "Failed", "Pending"])


@documented(SSM + "API_StopAutomationExecution.html")
def test_a_stopped_automation_is_cancelled(rig: Rig) -> None:
    automation = started(rig, LOOK)
    rig.client("ssm").stop_automation_execution(AutomationExecutionId=automation)
    rig.advance(60)
    assert told(rig, automation)[0] == "Cancelled"


@documented(SSM + "API_StartAutomationExecution.html")
def test_a_client_token_makes_the_start_of_an_automation_idempotent(rig: Rig) -> None:
    token = "0" * 36
    automation = started(rig, LOOK, ClientToken=token)
    start = rig.client("ssm").start_automation_execution
    assert start(DocumentName="Shop", ClientToken=token)["AutomationExecutionId"] == automation
    with refused("IdempotentParameterMismatch"):
        start(DocumentName="Shop", ClientToken=token, Parameters={"Instance": ["i-1"]})


@documented(SSM + "API_StartAutomationExecution.html")
def test_an_automation_of_a_missing_document_is_refused(rig: Rig) -> None:
    with refused("AutomationDefinitionNotFoundException"):
        rig.client("ssm").start_automation_execution(DocumentName="Nothing")


@documented(SSM + "API_CreateOpsItem.html")
def test_an_ops_item_is_open_from_its_creation_on(rig: Rig) -> None:
    ssm = rig.client("ssm")
    made = ssm.create_ops_item(Title="stalled", Description="db01", Source="prefect-drs")["OpsItemId"]
    item = ssm.get_ops_item(OpsItemId=made)["OpsItem"]
    assert (item["Status"], item["Title"], item["CreatedTime"]) == ("Open", "stalled", rig.sandbox.clock.now())
