"""`ssmAutomation`: an SSM automation succeeds, one for each server or one for the wave.

`StartAutomationExecution` takes a client token: each attempt has its own, the same in every process, so that starting
it again answers with the automation that already runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect_drs.aws.errors import aws_call, is_ambiguous
from prefect_drs.core.errors import AwsError
from prefect_drs.core.escaping import ssm_value
from prefect_drs.plan.checks import SsmAutomationCheck
from prefect_drs.recovery.checks.base import PASSING_REFUSALS, BaseProbe, Surroundings, refused
from prefect_drs.recovery.checks.probe import CheckTarget, ProbeOutcome, Subject
from prefect_drs.report.checks import CheckPhase

SUCCEEDED = frozenset({"Success", "CompletedWithSuccess"})
FAILED = frozenset({"Failed", "TimedOut", "Cancelled", "Rejected", "CompletedWithFailure", "Exited"})
NOT_THERE = "AutomationExecutionNotFoundException"
FULL = "AutomationExecutionLimitExceededException"
OTHER_PARAMETERS = "IdempotentParameterMismatch"


class SsmAutomationProbe(BaseProbe[SsmAutomationCheck]):
    """Starts one automation an attempt and follows it."""

    def __init__(
        self,
        check: SsmAutomationCheck,
        phase: CheckPhase,
        name: str,
        targets: Sequence[CheckTarget],
        around: Surroundings,
    ) -> None:
        super().__init__(check, phase, name, targets, around)
        self._started: dict[tuple[Subject, int], str] = {}  # automation execution ids

    def look_at(self, subject: Subject, attempt: int) -> ProbeOutcome:
        """Start the attempt's automation, or follow it."""
        key = (subject, attempt)
        if key not in self._started:
            try:
                self._started[key] = self._start(subject, attempt)
            except AwsError as error:
                if error.aws_code == FULL:
                    return ProbeOutcome.pending(error.message)
                if error.aws_code == OTHER_PARAMETERS:
                    return ProbeOutcome.failed(
                        f"this attempt was started before, with other parameters: {error.message}", at_work=True
                    )
                return ProbeOutcome.pending(error.message, at_work=True) if is_ambiguous(error) else refused(error)
        try:
            return self._follow(subject, self._started[key])
        except AwsError as error:
            summary = f"automation {self._started[key]} was started; {error.message}"
            if error.aws_code == NOT_THERE or isinstance(error, PASSING_REFUSALS) or is_ambiguous(error):
                return ProbeOutcome.pending(summary, at_work=True)
            return ProbeOutcome.failed(summary, at_work=True)

    def _start(self, subject: Subject, attempt: int) -> str:
        place = self.place(subject)
        request: dict[str, Any] = {
            "DocumentName": self.spec.document_name,
            "Parameters": self.filled_values(self.spec.parameters, subject, attempt, ssm_value),
            "ClientToken": self.attempt_id(subject, attempt),
        }
        if self.spec.document_version is not None:
            request["DocumentVersion"] = self.spec.document_version
        with aws_call("StartAutomationExecution", place.account_id, place.region):
            client = self.around.sessions.client("ssm", **place._asdict())
            return str(client.start_automation_execution(**request)["AutomationExecutionId"])

    def _follow(self, subject: Subject, execution_id: str) -> ProbeOutcome:
        place = self.place(subject)
        with aws_call("GetAutomationExecution", place.account_id, place.region):
            client = self.around.sessions.client("ssm", **place._asdict())
            answer = client.get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]
        status = answer["AutomationExecutionStatus"]
        summary = f"automation {execution_id}: {status}"
        if status in SUCCEEDED:
            return ProbeOutcome.passed(summary)
        if status in FAILED:
            step = next((s["StepName"] for s in answer.get("StepExecutions", []) if s.get("StepStatus") in FAILED), "")
            return ProbeOutcome.failed(f"{summary} at step {step}" if step else summary)
        return ProbeOutcome.pending(summary, at_work=True)
