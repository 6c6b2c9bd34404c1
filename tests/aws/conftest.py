"""What the tests of the AWS room share: keys that lead nowhere, a log of the calls, and an address that misbehaves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest

from prefect_drs.aws.assume_role import caller_session

READING = ("Describe", "Get", "List")


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@dataclass
class CallLog:
    """The operations that a boto3 session's clients sent, in order, by botocore's own events."""

    session: boto3.Session
    operations: list[str] = field(default_factory=list)
    hooks: dict[str, Callable[[], object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.session.events.register("before-call", self._note)

    def _note(self, model: Any, **_: Any) -> None:
        self.operations.append(model.name)
        if hook := self.hooks.pop(model.name, None):
            hook()

    def before(self, operation: str, hook: Callable[[], object]) -> None:
        """Run `hook` once, just before the next call of that operation."""
        self.hooks[operation] = hook

    @property
    def writes(self) -> list[str]:
        return [name for name in self.operations if not name.startswith(READING)]


@pytest.fixture
def calls() -> CallLog:
    return CallLog(caller_session(region_name="eu-west-1"))


@dataclass
class Endpoint:
    """An HTTP address that answers as told and keeps what it was asked."""

    url: str
    requests: list[dict[str, str]] = field(default_factory=list)
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    silent: bool = False

    @property
    def actions(self) -> list[str]:
        return [request["action"] for request in self.requests]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """An address whose answers are set by `Action` (query APIs) or path (REST); `silent` closes every connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            form = {key: values[0] for key, values in parse_qs(body).items()}
            action = form.get("Action") or self.path.strip("/")
            told.requests.append({"action": action, "agent": self.headers["User-Agent"], "body": body, **form})
            if told.silent:
                self.close_connection = True
                return
            status, text = told.answers.get(action, (404, "<Response/>"))
            payload = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if text.startswith("{") else "text/xml")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = Endpoint(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()
