"""`lambda`: a function is invoked and answers without an error, or says that all is healthy.

`Invoke` has no idempotency token: a process that dies between the call and its result invokes the function again when
it is resumed. The attempt's id goes with each call, as `{attemptId}` in the payload and as `prefect-drs:attempt` in the
client context, so that the function itself can detect that. A lost answer is not followed by another attempt. The
function must answer within botocore's read time-out (60 seconds). Of its answer only the error's type is shown.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from prefect_drs.aws.errors import aws_call, is_ambiguous
from prefect_drs.core.errors import AwsError
from prefect_drs.plan.checks import LambdaCheck
from prefect_drs.recovery.checks.base import BaseProbe, refused
from prefect_drs.recovery.checks.probe import ProbeOutcome, Subject


class LambdaProbe(BaseProbe[LambdaCheck]):
    """One invocation a look."""

    def look_at(self, subject: Subject, attempt: int) -> ProbeOutcome:
        """Invoke the function once."""
        place, name = self.place(subject), self.spec.function_name
        payload = self.filled_values(self.spec.payload, subject, attempt)
        context = {"custom": {"prefect-drs:attempt": self.attempt_id(subject, attempt)}}
        request: dict[str, Any] = {
            "FunctionName": name,
            "InvocationType": "RequestResponse",
            "Payload": json.dumps(payload).encode(),
            "ClientContext": base64.b64encode(json.dumps(context).encode()).decode(),
        }
        if self.spec.qualifier is not None:
            request["Qualifier"] = self.spec.qualifier
        try:
            with aws_call("Invoke", place.account_id, place.region):
                client = self.around.sessions.client("lambda", **place._asdict(), retrying=False)
                answer = client.invoke(**request)
                body = answer["Payload"].read()
        except AwsError as error:
            if is_ambiguous(error):
                return ProbeOutcome.failed(f"no answer from {name}: {error.message}", at_work=True)
            return refused(error)
        if answer.get("FunctionError"):
            return ProbeOutcome.failed(f"{name} ended in an error ({answer['FunctionError']}{_error_type(body)})")
        if not self.spec.expect_healthy:
            return ProbeOutcome.passed(f"{name} answered")
        healthy = _member(body, "healthy")
        if healthy is True:
            return ProbeOutcome.passed(f"{name} says healthy")
        if healthy is False:
            return ProbeOutcome.pending(f"{name} says not healthy")
        return ProbeOutcome.failed(f'{name} answered without {{"healthy": true}} or {{"healthy": false}}')


def _member(body: bytes, name: str) -> Any:
    """A member of a JSON object; None where the body is none or lacks it."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value.get(name) if isinstance(value, dict) else None


def _error_type(body: bytes) -> str:
    kind = _member(body, "errorType")
    return f", {kind}" if isinstance(kind, str) else ""
