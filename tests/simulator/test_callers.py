"""Who may call the sandbox: boto3 and this tool, under the names that they use; no web page, and no state elsewhere."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from prefect_drs.simulator import StepClock
from prefect_drs.simulator.server import SandboxServer
from prefect_drs.simulator.state import MAGIC

KEYS = {"aws_access_key_id": "AKIASANDBOX000000000", "aws_secret_access_key": "sandbox"}
JSON = {"Content-Type": "application/json"}
FAULT = json.dumps({"kind": "job", "slow": 2})


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxServer]:
    with SandboxServer(clock=StepClock(), state_folder=tmp_path / "states") as server:
        yield server


def sent(sandbox: SandboxServer, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str]:
    """One request with exactly these headers (underscores for hyphens); the status and what was answered."""
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body or None, named)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def save(sandbox: SandboxServer, path: str) -> tuple[int, Any]:
    status, answer = sent(
        sandbox, "POST", "/_sandbox/state", json.dumps({"path": path}), Content_Type=JSON["Content-Type"]
    )
    return status, json.loads(answer)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST"])
def test_the_control_endpoint_answers_by_its_own_names(sandbox: SandboxServer, name: str) -> None:
    own = f"http://{name.lower()}:{sandbox.port}"
    assert sent(sandbox, "GET", "/_sandbox/", Host=f"{name}:{sandbox.port}")[0] == 200
    assert sent(sandbox, "GET", "/_sandbox/", Host=f"{name}:{sandbox.port}", Origin=own)[0] == 200


@pytest.mark.parametrize("path", ["/_sandbox/", "/_sandbox/requests", "/moto-api/data.json"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "127.0.0.1:1", "s3.amazonaws.com", ""],
)
def test_a_foreign_host_is_refused(sandbox: SandboxServer, path: str, host: str) -> None:
    status, answer = sent(sandbox, "GET", path, Host=host.format(port=sandbox.port))
    assert (status, f"use http://127.0.0.1:{sandbox.port}" in answer) == (403, True)


def test_a_request_without_a_host_is_refused(sandbox: SandboxServer) -> None:
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as connection:
        connection.sendall(b"GET /_sandbox/ HTTP/1.0\r\n\r\n")
        assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", ""])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_sandbox/faults"),
        ("POST", "/_sandbox/stop"),
        ("DELETE", "/_sandbox/requests"),
        ("OPTIONS", "/_sandbox/faults"),
        ("GET", "/_sandbox/requests"),
        ("POST", "/moto-api/reset"),
        ("POST", "/StartRecovery"),
        ("POST", "/?Action=TerminateInstances"),
    ],
)
def test_no_web_page_changes_or_reads_anything(sandbox: SandboxServer, method: str, path: str, origin: str) -> None:
    body = FAULT if path == "/_sandbox/faults" else ""
    status, answer = sent(sandbox, method, path, body, Origin=origin, Content_Type="application/json")
    assert (status, "web pages" in answer) == (403, True)
    assert not list(sandbox.runtime.faults)
    assert not sandbox.stop_requested.is_set()
    assert sandbox.log.find() == []


@pytest.mark.parametrize("path", ["/_sandbox/", "/?Action=TerminateInstances&InstanceId.1=i-1", "/moto-api/reset"])
def test_a_picture_on_a_web_page_calls_nothing(sandbox: SandboxServer, path: str) -> None:
    status, _ = sent(sandbox, "GET", path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")
    assert status == 403
    assert sent(sandbox, "GET", "/_sandbox/", Sec_Fetch_Site="none")[0] == 200  # a person typed it


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_a_body_that_is_not_declared_as_json_is_refused(sandbox: SandboxServer, kind: str) -> None:
    headers = {"Content_Type": kind} if kind else {}
    status, answer = sent(sandbox, "POST", "/_sandbox/faults", FAULT, **headers)
    assert (status, "Content-Type: application/json" in answer) == (415, True)
    assert not list(sandbox.runtime.faults)
    assert sent(sandbox, "POST", "/_sandbox/faults", FAULT, Content_Type="application/json; charset=utf-8")[0] == 200


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_boto3_reaches_every_service_by_both_names(sandbox: SandboxServer, name: str) -> None:
    url = f"http://{name}:{sandbox.port}"

    def client(service: str, **config: Any) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service, region_name="us-east-1", endpoint_url=url, config=Config(**config), **KEYS
        )

    client("drs").initialize_service()
    assert client("drs").describe_source_servers()["items"] == []
    assert client("sts").get_caller_identity()["Account"] == "123456789012"
    for style in ("path", "auto"):
        s3 = client("s3", s3={"addressing_style": style})
        s3.create_bucket(Bucket=f"bucket-{style}")
        s3.put_object(Bucket=f"bucket-{style}", Key="a/b", Body=b"c")
        assert s3.get_object(Bucket=f"bucket-{style}", Key="a/b")["Body"].read() == b"c"


def test_the_names_that_sdks_give_a_bucket_are_let_in(sandbox: SandboxServer) -> None:
    s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=sandbox.endpoint_url, **KEYS)
    s3.create_bucket(Bucket="drs-journal")
    s3.put_object(Bucket="drs-journal", Key="a", Body=b"b", ACL="public-read")
    for host in (f"drs-journal.localhost:{sandbox.port}", "drs-journal.s3.us-east-1.amazonaws.com"):
        assert sent(sandbox, "GET", "/a", Host=host)[0] != 403
    assert sent(sandbox, "GET", "/a", Host="drs-journal.evil.example")[0] == 403


def test_a_state_goes_into_the_sandboxs_own_folder(sandbox: SandboxServer, tmp_path: Path) -> None:
    inside = (tmp_path / "states" / "later" / "two.state").resolve()
    assert save(sandbox, "later/two.state") == (200, {"stateFile": str(inside)})
    assert save(sandbox, str(inside))[0] == 200  # a state may be written anew
    assert inside.read_bytes().startswith(MAGIC)
    assert (inside.stat().st_mode & 0o777, inside.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("path", ["../outside", "{tmp}/outside", "link/outside", ".", "/etc/cron.d/x"])
def test_a_state_goes_nowhere_else(sandbox: SandboxServer, tmp_path: Path, path: str) -> None:
    (tmp_path / "states").mkdir()
    (tmp_path / "states" / "link").symlink_to(tmp_path)
    status, answer = save(sandbox, path.format(tmp=tmp_path))
    assert (status, answer["error"], "written nowhere else" in answer["message"]) == (403, "FORBIDDEN_PATH", True)
    assert not (tmp_path / "outside").exists()


def test_a_state_is_not_written_over_another_file(sandbox: SandboxServer, tmp_path: Path) -> None:
    (tmp_path / "states").mkdir()
    (tmp_path / "states" / "plan.yaml").write_text("plan")
    status, answer = save(sandbox, "plan.yaml")
    assert (status, "not a state file of a sandbox" in answer["message"]) == (403, True)
    assert (tmp_path / "states" / "plan.yaml").read_text() == "plan"


def test_a_sandbox_with_a_state_file_writes_states_beside_it(tmp_path: Path) -> None:
    with SandboxServer(
        clock=StepClock(), state_file=tmp_path / "a.state", state_folder=tmp_path / "elsewhere"
    ) as sandbox:
        assert save(sandbox, "b.state")[1] == {"stateFile": str((tmp_path / "b.state").resolve())}
        assert save(sandbox, str(tmp_path / "elsewhere" / "c"))[0] == 200  # under it
        assert save(sandbox, str(tmp_path.parent / "d"))[0] == 403


def test_a_sandbox_without_a_folder_writes_no_state(tmp_path: Path) -> None:
    with SandboxServer(clock=StepClock()) as sandbox:
        status, answer = save(sandbox, str(tmp_path / "x"))
        assert (status, "--state FILE" in answer["message"]) == (403, True)
