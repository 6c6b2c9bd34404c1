"""`ssmCommand`: a command by SSM succeeds on the recovery instance, or, as a hook, on the instances it names.

`SendCommand` has no idempotency token. Each attempt's command carries the attempt's id in its comment; before one is
sent, the commands there are listed and one with that id is taken over, so that a process that died after sending does
not make the next one send again. What cannot be distinguished: a command sent so shortly before that `ListCommands`
does not show it yet. In this process a lost answer is therefore waited out; across processes the take-over of an
execution takes longer than SSM needs. A command that was sent and cannot be followed is never followed by another.
Its output is never shown: it may hold secrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect_drs.aws.errors import aws_call, is_ambiguous
from prefect_drs.aws.location import Location
from prefect_drs.core.errors import AwsError
from prefect_drs.core.escaping import ssm_value
from prefect_drs.plan.checks import SsmCommandCheck
from prefect_drs.recovery.checks.base import PASSING_REFUSALS, BaseProbe, Surroundings, refused
from prefect_drs.recovery.checks.probe import CheckTarget, ProbeOutcome, Subject
from prefect_drs.report.checks import CheckPhase

COMMENT_AT_MOST = 100  # SSM shape Comment
VISIBILITY = timedelta(minutes=2)  # how long a sent command may be missing from ListCommands
SKEW = timedelta(minutes=10)  # how far this machine's clock and AWS's may be apart
DELIVERY_SECONDS_AT_LEAST = 30  # SSM shape TimeoutSeconds
RUNNING = frozenset({"Pending", "InProgress", "Delayed", "Cancelling"})
NOT_THERE = frozenset({"InvocationDoesNotExist", "InvalidCommandId"})
AGENT_MISSING = "InvalidInstanceId"  # SendCommand, for an instance whose SSM agent has not registered


class SsmCommandProbe(BaseProbe[SsmCommandCheck]):
    """Sends one command an attempt and follows it."""

    def __init__(
        self, check: SsmCommandCheck, phase: CheckPhase, name: str, targets: Sequence[CheckTarget], around: Surroundings
    ) -> None:
        super().__init__(check, phase, name, targets, around)
        self._sent: dict[tuple[Subject, int], str] = {}  # command ids
        self._unanswered: dict[tuple[Subject, int], datetime] = {}

    def look_at(self, subject: Subject, attempt: int) -> ProbeOutcome:
        """Find, send or follow the attempt's command."""
        key = (subject, attempt)
        if key not in self._sent:
            try:
                found = self._find(subject, attempt)
            except AwsError as error:
                return replace(refused(error), at_work=key in self._unanswered)
            if found is not None:
                self._sent[key] = found
            elif key in self._unanswered and self.around.clock.now() - self._unanswered[key] < VISIBILITY:
                return ProbeOutcome.pending("the answer to SendCommand was lost; looking for the command", at_work=True)
            else:
                refusal = self._send(subject, attempt)
                if refusal is not None:
                    return refusal
        command_id = self._sent[key]
        try:
            return self._follow(subject, command_id)
        except AwsError as error:
            if error.aws_code in NOT_THERE or isinstance(error, PASSING_REFUSALS) or is_ambiguous(error):
                return ProbeOutcome.pending(f"command {command_id} was sent; {error.message}", at_work=True)
            return ProbeOutcome.failed(
                f"command {command_id} was sent, but how it went cannot be read: {error.message}", at_work=True
            )

    def _mark(self, subject: Subject, attempt: int) -> str:
        return f"prefect-drs {self.attempt_id(subject, attempt)}"

    def _instance(self, subject: Subject) -> str | None:
        """The only instance it runs on; None where there may be several."""
        target = self.target(subject)
        if target is not None:
            return target.recovery_instance_id
        return self.spec.instance_ids[0] if len(self.spec.instance_ids) == 1 else None

    def _find(self, subject: Subject, attempt: int) -> str | None:
        place, mark, instance = self.place(subject), self._mark(subject, attempt), self._instance(subject)
        wanted: dict[str, Any] = {"InstanceId": instance} if instance else {}
        wanted["Filters"] = [
            {"key": "InvokedAfter", "value": _ssm_text(self.around.wave.started_at - SKEW)},
            {"key": "DocumentName", "value": self.spec.document_name},
        ]
        with aws_call("ListCommands", place.account_id, place.region):
            client = self.around.sessions.client("ssm", **place._asdict())
            for page in client.get_paginator("list_commands").paginate(**wanted):
                for command in page["Commands"]:
                    if str(command.get("Comment", "")).startswith(mark):
                        return str(command["CommandId"])
        return None

    def _send(self, subject: Subject, attempt: int) -> ProbeOutcome | None:
        """Send the attempt's command once; an outcome where it was not, or may not have been, sent."""
        place = self.place(subject)
        request = self._request(subject, attempt)
        try:
            with aws_call("SendCommand", place.account_id, place.region):
                client = self.around.sessions.client("ssm", **place._asdict(), retrying=False)
                command = client.send_command(**request)["Command"]
        except AwsError as error:
            if is_ambiguous(error):
                self._unanswered[subject, attempt] = self.around.clock.now()
                return ProbeOutcome.pending(error.message, at_work=True)
            if error.aws_code == AGENT_MISSING and self.target(subject) is not None:
                return ProbeOutcome.pending(f"SSM does not know {self._instance(subject)} yet; is its agent running?")
            return refused(error)
        self._sent[subject, attempt] = str(command["CommandId"])
        return None

    def _request(self, subject: Subject, attempt: int) -> dict[str, Any]:
        spec, target = self.spec, self.target(subject)
        request: dict[str, Any] = {
            "DocumentName": spec.document_name,
            "Comment": f"{self._mark(subject, attempt)} {self.name}"[:COMMENT_AT_MOST],
            "TimeoutSeconds": max(DELIVERY_SECONDS_AT_LEAST, spec.timeout_seconds),
            "Parameters": self.filled_values(spec.parameters, subject, attempt, ssm_value),
        }
        if spec.document_version is not None:
            request["DocumentVersion"] = spec.document_version
        if target is not None:
            request["InstanceIds"] = [target.recovery_instance_id]
        elif spec.instance_ids:
            request["InstanceIds"] = list(spec.instance_ids)
        else:
            request["Targets"] = [{"Key": key, "Values": list(values)} for key, values in spec.targets.items()]
        return request

    def _follow(self, subject: Subject, command_id: str) -> ProbeOutcome:
        place, instance = self.place(subject), self._instance(subject)
        if instance is None:
            return self._follow_all(place, command_id)
        with aws_call("GetCommandInvocation", place.account_id, place.region):
            client = self.around.sessions.client("ssm", **place._asdict())
            invocation = client.get_command_invocation(CommandId=command_id, InstanceId=instance)
        status, code = invocation["Status"], invocation.get("ResponseCode", -1)
        summary = f"command {command_id} on {instance}: {invocation.get('StatusDetails') or status}"
        if status == "Success":
            return ProbeOutcome.passed(summary)
        if status in RUNNING:
            return ProbeOutcome.pending(summary, at_work=True)
        return ProbeOutcome.failed(f"{summary}, exit code {code}" if code >= 0 else summary)

    def _follow_all(self, place: Location, command_id: str) -> ProbeOutcome:
        """A command on several instances: SSM sums them up in the command's own status."""
        with aws_call("ListCommands", place.account_id, place.region):
            client = self.around.sessions.client("ssm", **place._asdict())
            commands = client.list_commands(CommandId=command_id)["Commands"]
        if not commands:
            return ProbeOutcome.pending(f"command {command_id} was sent and is not listed yet", at_work=True)
        status, on = commands[0]["Status"], commands[0].get("TargetCount", 0)
        summary = f"command {command_id} on {on} instance(s): {status}"
        if status in RUNNING:
            return ProbeOutcome.pending(summary, at_work=True)
        if status == "Success" and on:
            return ProbeOutcome.passed(summary)
        return ProbeOutcome.failed(summary if on else f"{summary}; its targets match no instance")


def _ssm_text(at: datetime) -> str:
    """A time as `ListCommands` takes it in `InvokedAfter`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
