"""Systems Manager automations, which moto lacks: start, get, list and stop.

In: StartAutomationExecution, GetAutomationExecution, DescribeAutomationExecutions, StopAutomationExecution. Out: AWS's
responses. An automation has the steps of its document, `STEP_TAKES` simulated seconds each; no step is executed.
A step with `onFailure: Abort` and the action `aws:assertAwsResourceProperty` whose `DesiredValues` are empty fails, so
that a failing automation can be rehearsed. Documents of AWS (`AWS-…`) exist, with one step.

Sources: Systems Manager API reference, StartAutomationExecution (idempotency by ClientToken: 36 characters) and
AutomationExecution; user guide, "aws:assertAwsResourceProperty".
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.ssm.exceptions import SSMException
from moto.ssm.responses import SimpleSystemManagerResponse
from ruamel.yaml import YAML

from ..drs.identifiers import uuid_of
from ..runtime import current

STEP_TAKES = timedelta(seconds=15)
_MEMBERS = (
    "AutomationExecutionId", "AutomationExecutionStatus", "DocumentName", "DocumentVersion", "ExecutedBy",
    "ExecutionEndTime", "ExecutionStartTime", "Mode",
)  # fmt: skip
"""Of the metadata that DescribeAutomationExecutions lists."""


class AutomationResponse(SimpleSystemManagerResponse):
    """Systems Manager with automations."""

    @property
    def _executions(self) -> dict[str, dict[str, Any]]:
        """By id; stored in moto's backend, so that they are saved, loaded and reset with it."""
        kept: dict[str, dict[str, Any]] = vars(self.ssm_backend).setdefault("automation_executions", {})
        return kept

    def start_automation_execution(self) -> ActionResult:
        """StartAutomationExecution: with the token of an earlier call, that call's automation."""
        asked: dict[str, Any] = {
            "DocumentName": str(self._get_param("DocumentName")),
            "DocumentVersion": str(self._get_param("DocumentVersion") or "1"),
            "Parameters": self._get_param("Parameters") or {},
        }
        token = self._get_param("ClientToken")
        for execution in self._executions.values():
            if token and execution["token"] == token:
                if execution["asked"] != asked:
                    raise SSMException(
                        "IdempotentParameterMismatch", f"The client token {token} was used with other parameters."
                    )
                return ActionResult({"AutomationExecutionId": execution["id"]})
        steps = self._steps_of(asked["DocumentName"], self._get_param("DocumentVersion"))
        number = len(self._executions) + 1
        made = uuid_of(current().seed, self.current_account, self.region, "automation", number)
        self._executions[made] = {
            "id": made, "token": token, "asked": asked, "steps": steps, "at": current().now(), "stopped": None,
            "by": f"arn:{self.partition}:iam::{self.current_account}:root",
        }  # fmt: skip
        return ActionResult({"AutomationExecutionId": made})

    def get_automation_execution(self) -> ActionResult:
        """GetAutomationExecution."""
        return ActionResult({"AutomationExecution": self._wire(self._one())})

    def describe_automation_executions(self) -> ActionResult:
        """DescribeAutomationExecutions, newest first; all on one page, without filters."""
        if self._get_param("Filters"):
            raise SSMException("InvalidFilterKey", "The sandbox has no filters of automations.")
        wires = [self._wire(execution) for execution in reversed(self._executions.values())]
        listed = [{name: wire[name] for name in _MEMBERS if name in wire} for wire in wires]
        return ActionResult({"AutomationExecutionMetadataList": listed})

    def stop_automation_execution(self) -> ActionResult:
        """StopAutomationExecution: one that is at work is Cancelled."""
        execution = self._one()
        if self._wire(execution)["AutomationExecutionStatus"] == "InProgress":
            execution["stopped"] = current().now()
        return ActionResult({})

    def _one(self) -> dict[str, Any]:
        wanted = str(self._get_param("AutomationExecutionId"))
        if wanted not in self._executions:
            raise SSMException(
                "AutomationExecutionNotFoundException", f"Couldn't find the automation execution {wanted}."
            )
        return self._executions[wanted]

    def _steps_of(self, name: str, version: Any) -> list[tuple[str, str, bool]]:
        """Name, action and success of each step of a document."""
        if name.startswith(("AWS-", "AWSDocs-", "AWSSupport-")):
            return [("run", "aws:executeAwsApi", True)]
        try:
            unnamed: Any = None
            document = self.ssm_backend.get_document(name, version, unnamed, "JSON")
        except Exception:
            raise SSMException(
                "AutomationDefinitionNotFoundException", f"No automation definition found for document {name}."
            ) from None
        content = document["Content"]
        body = YAML(typ="safe").load(content) if isinstance(content, str) else content
        if document["DocumentType"] != "Automation":
            raise SSMException("InvalidAutomationExecutionParametersException", f"{name} is no Automation document.")
        return [(str(s["name"]), str(s["action"]), not _fails(s)) for s in body.get("mainSteps") or ()]

    def _wire(self, execution: dict[str, Any]) -> dict[str, Any]:
        now: datetime = execution["stopped"] or current().now()
        steps, at, status, ended = [], execution["at"], "Success", execution["at"]
        for number, (name, action, succeeds) in enumerate(execution["steps"], 1):
            step = {"StepName": name, "Action": action, "StepStatus": "Pending"}
            ends = at + STEP_TAKES * number
            if status == "Success" and now >= ends:
                step["StepStatus"] = status = "Success" if succeeds else "Failed"
                step |= {"ExecutionStartTime": ends - STEP_TAKES, "ExecutionEndTime": ends}
                ended = ends
            elif status == "Success":
                status = "Cancelled" if execution["stopped"] else "InProgress"
                step |= {"StepStatus": status, "ExecutionStartTime": ends - STEP_TAKES}
                ended = now
            steps.append(step)
        wire = {
            "AutomationExecutionId": execution["id"],
            **execution["asked"],
            "ExecutionStartTime": at,
            "AutomationExecutionStatus": status,
            "StepExecutions": steps,
            "StepExecutionsTruncated": False,
            "Mode": "Auto",
            "ExecutedBy": execution["by"],
        }
        return wire if status == "InProgress" else {**wire, "ExecutionEndTime": ended}


def _fails(step: dict[str, Any]) -> bool:
    inputs = step.get("inputs") or {}
    return step.get("action") == "aws:assertAwsResourceProperty" and json.dumps(inputs.get("DesiredValues")) == "[]"
