"""A small AWS on 127.0.0.1 for what moto has not: SSM automations, commands that take their time, Lambda errors.

It speaks the services' own wire to real boto3 clients: JSON 1.1 for SSM, REST for Lambda's `Invoke`. An operation in
`lose` is carried out once without an answer: the line is cut.
"""

from __future__ import annotations

import base64
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class AwsEndpoint:
    url: str = ""
    calls: Counter[str] = field(default_factory=Counter)
    lose: set[str] = field(default_factory=set)
    refuse: dict[str, str] = field(default_factory=dict)
    hidden: bool = False  # ListCommands does not show what was sent
    commands: dict[str, dict[str, Any]] = field(default_factory=dict)
    automations: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: str = "InProgress"
    invocations: list[dict[str, Any]] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    function_error: str = ""

    def ssm(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        match operation:
            case "SendCommand":
                command_id = f"00000000-0000-0000-0000-{len(self.commands):012d}"
                self.commands[command_id] = given
                return {"Command": {"CommandId": command_id, "Status": "Pending"}}
            case "ListCommands":
                return {
                    "Commands": [
                        {"CommandId": key, "Comment": c["Comment"], "Status": self.status, "TargetCount": 0}
                        for key, c in self.commands.items()
                        if not self.hidden and given.get("CommandId") in {None, key}
                    ]
                }
            case "GetCommandInvocation":
                return {"Status": self.status, "StatusDetails": self.status, "ResponseCode": 3}
            case "StartAutomationExecution":
                return {"AutomationExecutionId": self._automation(given)}
            case "GetAutomationExecution":
                steps = [{"StepName": "checkRows", "StepStatus": self.status}]
                return {"AutomationExecution": {"AutomationExecutionStatus": self.status, "StepExecutions": steps}}
        raise AssertionError(operation)

    def _automation(self, given: dict[str, Any]) -> str:
        self.automations.setdefault(given["ClientToken"], given)
        return f"11111111-0000-0000-0000-{list(self.automations).index(given['ClientToken']):012d}"


@contextmanager
def aws_endpoint() -> Iterator[AwsEndpoint]:
    """Run it, with boto3's SSM and Lambda clients led to it."""
    aws = AwsEndpoint()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"aws": aws}))
    aws.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL_SSM", aws.url)
            patch.setenv("AWS_ENDPOINT_URL_LAMBDA", aws.url)
            patch.setenv("NO_PROXY", "127.0.0.1")
            yield aws
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    aws: AwsEndpoint
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = self.headers.get("X-Amz-Target", "")
        operation = target.partition(".")[2] or "Invoke"
        self.aws.calls[operation] += 1
        if operation in self.aws.refuse:
            self._answer(400, {"__type": self.aws.refuse[operation], "message": "as told"})
            return
        headers = {}
        if target:
            answer: Any = self.aws.ssm(operation, json.loads(body))
        else:
            context = json.loads(base64.b64decode(self.headers["X-Amz-Client-Context"]))
            self.aws.invocations.append({"path": self.path, "payload": json.loads(body), "context": context})
            answer = self.aws.answers.pop(0) if self.aws.answers else None
            if self.aws.function_error:
                headers["X-Amz-Function-Error"] = self.aws.function_error
        if operation in self.aws.lose:
            self.aws.lose.discard(operation)
            self.close_connection = True
            return
        self._answer(200, answer, headers)

    def _answer(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass
