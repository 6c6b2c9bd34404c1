"""TCP and HTTP against real local servers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from prefect_drs.recovery.checks import ProbeVerdict
from tests.conftest import free_port
from tests.recovery.checks.conftest import Launched


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = int(self.path.rpartition("/")[2].partition("?")[0] or 200)
        body = b"x" * 70_000 + b"late" if self.path.startswith("/long") else b'{"status": "UP"}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield int(server.server_address[1])
    server.shutdown()
    thread.join()
    server.server_close()


def http(port: int, path: str = "/200", **fields: Any) -> dict[str, Any]:
    return {"type": "http", "url": f"http://127.0.0.1:{port}{path}", "timeoutSeconds": 30, **fields}


def test_an_open_port_passes_and_a_closed_one_is_looked_at_again(launched: Launched, port: int) -> None:
    check = {"type": "tcp", "address": "127.0.0.1", "port": port}
    assert {outcome.verdict for outcome in launched.look(check)} == {ProbeVerdict.PASSED}
    closed = free_port()
    outcomes = launched.look({**check, "port": closed})
    assert {outcome.verdict for outcome in outcomes} == {ProbeVerdict.PENDING}
    assert f"127.0.0.1:{closed}" in outcomes[0].detail


def test_a_name_in_a_url_is_one_part_of_it(launched: Launched, port: int) -> None:
    named = launched.targets[0].server.model_copy(update={"name": "x/503?y=#z 🚀"})
    launched.targets = [replace(launched.targets[0], server=named)]
    (outcome,) = launched.look(http(port, "/{name}/200"))
    assert outcome.verdict is ProbeVerdict.PASSED
    assert "/x%2F503%3Fy%3D%23z%20%F0%9F%9A%80/200" in outcome.detail


def test_a_port_that_opens_in_time_passes_in_the_same_attempt(launched: Launched) -> None:
    from prefect_drs.recovery.checks.runner import CheckRunner
    from prefect_drs.recovery.drivers import InlineExecutor

    port = free_port()
    check = {"type": "tcp", "address": "127.0.0.1", "port": port, "timeoutSeconds": 60, "intervalSeconds": 15}
    checking = CheckRunner(launched.probes(check), launched.rig.clock, InlineExecutor())
    assert checking.step() == 15
    with socket.create_server(("127.0.0.1", port)):
        launched.rig.clock.advance(15)
        assert checking.step() is None
    assert checking.passed
    assert {result.attempts for result in checking.results} == {1}


def test_a_check_of_the_private_address_asks_ec2_once_for_all_servers(launched: Launched) -> None:
    addresses = {
        instance["InstanceId"]: instance["PrivateIpAddress"]
        for reservation in launched.ec2.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
    }
    commands = launched.probes(
        {"type": "ssmCommand", "documentName": "AWS-RunShellScript", "parameters": {"commands": ["ping {privateIp}"]}}
    )
    for probe in commands:
        probe.look(dict.fromkeys(probe.subjects, 1))
    sent = {command["Parameters"]["commands"][0] for command in launched.ssm.list_commands()["Commands"]}
    assert sent == {f"ping {addresses[target.recovery_instance_id]}" for target in launched.targets}


def test_a_server_without_a_public_address_is_not_passed(launched: Launched) -> None:
    outcomes = launched.look({"type": "tcp", "address": "public", "port": 22})
    assert {outcome.verdict for outcome in outcomes} == {ProbeVerdict.PENDING}
    assert "no public IPv4 address" in outcomes[0].detail


@pytest.mark.parametrize(
    ("path", "fields", "verdict"),
    [
        ("/200", {}, ProbeVerdict.PASSED),
        ("/503", {}, ProbeVerdict.PENDING),
        ("/401", {"expectedStatus": [200, 401]}, ProbeVerdict.PASSED),
        ("/302", {}, ProbeVerdict.PENDING),
        ("/200", {"bodyPattern": '"status":\\s*"UP"'}, ProbeVerdict.PASSED),
        ("/200", {"bodyPattern": "DOWN"}, ProbeVerdict.PENDING),
        ("/long/200", {"bodyPattern": "x{60000}"}, ProbeVerdict.PASSED),
        ("/long/200", {"bodyPattern": "late"}, ProbeVerdict.PENDING),
    ],
)
def test_status_and_body_decide(
    launched: Launched, port: int, path: str, fields: dict[str, Any], verdict: ProbeVerdict
) -> None:
    assert {outcome.verdict for outcome in launched.look(http(port, path, **fields))} == {verdict}


def test_a_query_is_not_told(launched: Launched, port: int) -> None:
    outcomes = launched.look(http(port, "/200?token=hunter2"))
    assert outcomes[0].verdict is ProbeVerdict.PASSED
    assert "hunter2" not in outcomes[0].detail


def test_nobody_at_home_is_looked_at_until_time_is_over(launched: Launched) -> None:
    checking = launched.checking(http(free_port(), retries=1, intervalSeconds=10))
    assert not checking.passed
    assert {result.attempts for result in checking.results} == {2}
    assert "not within 30 s: no answer from http://127.0.0.1" in checking.reason
    assert checking.unhealthy == {target.server.source_server_id for target in launched.targets}
