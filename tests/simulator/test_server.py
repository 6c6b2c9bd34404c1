"""The sandbox over HTTP: services beside each other, its control endpoint, faults, and what it binds to."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from prefect_drs.core.errors import UsageError
from prefect_drs.plan import check_manifest
from prefect_drs.simulator import SpeedClock, StepClock
from prefect_drs.simulator.server import SandboxServer

THREE_TIER = Path(__file__).parents[2] / "examples" / "three-tier.json"
JSON = {"Content-Type": "application/json"}
ROLE = "arn:aws:iam::222222222222:role/DRSOrchestrationRole"


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(clock=StepClock()) as server:
        yield server


def client(sandbox: SandboxServer, service: str, region: str = "us-west-2", **keys: str) -> Any:
    known = {"aws_access_key_id": "AKIASANDBOX000000000", "aws_secret_access_key": "sandbox", **keys}
    return boto3.client(  # type: ignore[call-overload]
        service,
        region_name=region,
        endpoint_url=sandbox.endpoint_url,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
        **known,
    )


def ask(sandbox: SandboxServer, method: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{sandbox.endpoint_url}/_sandbox{path}", data, method=method, headers=JSON)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def host_line(sandbox: SandboxServer, head: bytes) -> bytes:
    return head.replace(b"Host: sandbox", f"Host: 127.0.0.1:{sandbox.port}".encode())


def refused(sandbox: SandboxServer, method: str, path: str, body: Any = None) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as error:
        ask(sandbox, method, path, body)
    return error.value.code, json.load(error.value)["message"]


def seeded(sandbox: SandboxServer) -> Any:
    reading = check_manifest(THREE_TIER, rehearsal=True)
    assert reading.manifest is not None
    return ask(sandbox, "POST", "/seed", {"manifests": [reading.manifest.model_dump(mode="json", by_alias=True)]})


def first_server(sandbox: SandboxServer) -> str:
    servers = client(sandbox, "drs").describe_source_servers()["items"]
    return str(servers[0]["sourceServerID"])


def test_drs_and_motos_services_answer_on_one_port(sandbox: SandboxServer) -> None:
    seeded(sandbox)
    assert len(client(sandbox, "drs").describe_source_servers()["items"]) == 6
    assert client(sandbox, "sts").get_caller_identity()["Account"] == "123456789012"
    assert len(client(sandbox, "ec2").describe_launch_templates()["LaunchTemplates"]) == 6
    topic = client(sandbox, "sns").create_topic(Name="dr")["TopicArn"]
    assert topic == "arn:aws:sns:us-west-2:123456789012:dr"


def test_it_listens_on_the_loopback_address_only(sandbox: SandboxServer) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - refused, or timed out
        socket.create_connection(("127.0.0.2", sandbox.port), timeout=5)


def test_a_port_that_is_taken_is_told(sandbox: SandboxServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        sandbox.stop()
        with pytest.raises(OSError, match="in use"):
            SandboxServer(taken.getsockname()[1]).start()
    with SandboxServer() as again:
        assert ask(again, "GET", "/")["requests"] == 0


def test_two_sandboxes_in_one_process_are_refused(sandbox: SandboxServer) -> None:
    with pytest.raises(UsageError, match="already"):
        SandboxServer().start()


def test_a_connection_is_kept_for_the_next_call(sandbox: SandboxServer) -> None:
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as connection:
        stream = connection.makefile("rb")
        for _ in range(3):
            connection.sendall(host_line(sandbox, b"GET /_sandbox/clock HTTP/1.1\r\nHost: sandbox\r\n\r\n"))
            assert stream.readline().startswith(b"HTTP/1.1 200")
            headers = dict(line.split(b": ", 1) for line in iter(stream.readline, b"\r\n"))
            assert json.loads(stream.read(int(headers[b"Content-Length"])))["speed"] == 0.0


def test_a_body_in_chunks_is_read_whole(sandbox: SandboxServer) -> None:
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as connection:
        head = host_line(sandbox, b"POST /_sandbox/clock HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n")
        head += b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        before = sandbox.clock.now()
        connection.sendall(head + b'9\r\n{"advance\r\n' + b'e\r\nSeconds": 60 }\r\n' + b"0\r\n\r\n")
        assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 200")
        assert (sandbox.clock.now() - before).total_seconds() == 60


def test_a_kept_connection_gets_no_answer_after_the_stop(sandbox: SandboxServer) -> None:
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as connection:
        stream = connection.makefile("rb")
        connection.sendall(host_line(sandbox, b"HEAD /_sandbox/clock HTTP/1.1\r\nHost: sandbox\r\n\r\n"))
        assert stream.readline().startswith(b"HTTP/1.1 ")
        assert any(line == b"\r\n" for line in iter(stream.readline, b""))
        sandbox.stop()
        connection.sendall(host_line(sandbox, b"GET /_sandbox/clock HTTP/1.1\r\nHost: sandbox\r\n\r\n"))
        assert stream.readline() == b""


def test_many_threads_may_launch_and_look_at_once(sandbox: SandboxServer) -> None:
    group = {"groupName": "g", "region": "us-west-2", "sourceServerIds": [f"p{n}" for n in range(40)]}
    ask(
        sandbox,
        "POST",
        "/seed",
        {"manifests": [{"schemaVersion": "1.1", "protectionGroups": [group], "recoveryPlans": []}]},
    )
    ids = [server["sourceServerID"] for server in client(sandbox, "drs").describe_source_servers()["items"]]

    def launch(some: list[str]) -> None:
        job = [{"sourceServerID": server} for server in some]
        client(sandbox, "drs").start_recovery(sourceServers=job, isDrill=True)
        ec2 = client(sandbox, "ec2")
        for _ in range(5):
            sandbox.clock.advance(600)
            client(sandbox, "drs").describe_jobs()
            ec2.describe_instances()
            ec2.describe_launch_template_versions(Versions=["$Default"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(launch, [ids[n::8] for n in range(8)])) == [None] * 8
    sandbox.clock.advance(24 * 3600)
    jobs = client(sandbox, "drs").describe_jobs()["items"]
    assert {server["launchStatus"] for job in jobs for server in job["participatingServers"]} == {"LAUNCHED"}
    assert {entry.code for entry in sandbox.log} == {""}


def test_a_stepped_clock_moves_a_job_to_its_end(sandbox: SandboxServer) -> None:
    seeded(sandbox)
    drs = client(sandbox, "drs")
    job = drs.start_recovery(sourceServers=[{"sourceServerID": first_server(sandbox)}], isDrill=True)["job"]
    assert drs.describe_jobs(filters={"jobIDs": [job["jobID"]]})["items"][0]["status"] != "COMPLETED"
    ask(sandbox, "POST", "/clock", {"advanceSeconds": 24 * 3600})
    assert drs.describe_jobs(filters={"jobIDs": [job["jobID"]]})["items"][0]["status"] == "COMPLETED"


def test_a_stepped_clock_has_no_speed(sandbox: SandboxServer) -> None:
    code, message = refused(sandbox, "POST", "/clock", {"speed": 2})
    assert (code, "advanceSeconds" in message) == (400, True)


def test_a_running_clock_changes_its_speed_without_a_jump() -> None:
    with SandboxServer(clock=SpeedClock(0)) as sandbox:
        before = sandbox.clock.now()
        assert ask(sandbox, "POST", "/clock", {"speed": 0, "advanceSeconds": 5})["speed"] == 0
        assert (sandbox.clock.now() - before).total_seconds() == 5


def test_the_log_proves_what_was_called_and_what_was_not(sandbox: SandboxServer) -> None:
    seeded(sandbox)
    server = first_server(sandbox)
    drs = client(sandbox, "drs")
    drs.start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)
    with pytest.raises(drs.exceptions.ConflictException):
        drs.start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)
    client(sandbox, "ec2").create_vpc(CidrBlock="10.0.0.0/16")
    told = ask(sandbox, "GET", "/requests?operation=StartRecovery")["requests"]
    assert [(one["code"], one["params"]["isDrill"]) for one in told] == [("", True), ("ConflictException", True)]
    assert ask(sandbox, "GET", "/requests?operation=TerminateRecoveryInstances")["requests"] == []
    (created,) = ask(sandbox, "GET", "/requests?service=ec2&writes=true")["requests"]
    assert created["params"]["CidrBlock"] == "10.0.0.0/16"
    ask(sandbox, "DELETE", "/requests")
    assert ask(sandbox, "GET", "/requests")["requests"] == []


def test_a_call_in_another_account_is_logged_there_with_its_role(sandbox: SandboxServer) -> None:
    group = {"groupName": "g", "region": "us-west-2", "accountId": "222222222222", "sourceServerIds": ["a"]}
    manifest = {"schemaVersion": "1.1", "protectionGroups": [group], "recoveryPlans": []}
    ask(sandbox, "POST", "/seed", {"manifests": [manifest], "externalId": "x-id"})
    sts = client(sandbox, "sts")
    taken = sts.assume_role(RoleArn=ROLE, RoleSessionName="test", ExternalId="x-id")["Credentials"]
    keys = {
        "aws_access_key_id": taken["AccessKeyId"],
        "aws_secret_access_key": taken["SecretAccessKey"],
        "aws_session_token": taken["SessionToken"],
    }
    client(sandbox, "drs", **keys).describe_source_servers()
    (entry,) = sandbox.log.find(operation="DescribeSourceServers")
    assert (entry.account_id, entry.role) == ("222222222222", ROLE)
    assert "x-id" not in json.dumps(ask(sandbox, "GET", "/requests"))


def test_a_throttled_operation_is_throttled_as_often_as_asked(sandbox: SandboxServer) -> None:
    seeded(sandbox)
    ask(
        sandbox, "POST", "/faults", {"kind": "operation", "operation": "DescribeJobs", "effect": "throttle", "times": 1}
    )
    drs = client(sandbox, "drs")
    with pytest.raises(drs.exceptions.ThrottlingException):
        drs.describe_jobs()
    assert drs.describe_jobs()["items"] == []
    (fault,) = ask(sandbox, "GET", "/faults")["faults"]
    assert fault["hits"] == 1


def test_a_lost_answer_breaks_the_connection_after_the_work(sandbox: SandboxServer) -> None:
    seeded(sandbox)
    server = first_server(sandbox)
    ask(
        sandbox,
        "POST",
        "/faults",
        {"kind": "operation", "operation": "StartRecovery", "effect": "lose-answer", "times": 1},
    )
    drs = client(sandbox, "drs")
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        drs.start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)
    assert len(drs.describe_jobs()["items"]) == 1


def test_faults_can_be_taken_away_one_by_one_or_all(sandbox: SandboxServer) -> None:
    ids = ask(
        sandbox, "POST", "/faults", {"faults": [{"kind": "job", "slow": 2}, {"kind": "server", "server": "db*"}]}
    )["ids"]
    assert ask(sandbox, "DELETE", f"/faults/{ids[0]}") == {"removed": True}
    assert len(ask(sandbox, "GET", "/faults")["faults"]) == 1
    ask(sandbox, "DELETE", "/faults")
    assert ask(sandbox, "GET", "/faults")["faults"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "part"),
    [
        ("POST", "/faults", {"kind": "gremlin"}, 400, "kind"),
        ("POST", "/clock", {"advanceSeconds": -1}, 400, "advanceSeconds"),
        ("POST", "/clock", {"sped": 1}, 400, "sped"),
        ("GET", "/requests?writes=perhaps", None, 400, "writes"),
        ("GET", "/nothing", None, 404, "/_sandbox/nothing"),
        ("DELETE", "/clock", None, 405, "DELETE"),
        ("POST", "/state", {}, 400, "--state"),
        ("POST", "/seed", {"manifests": [{}]}, 400, "manifests.0"),
    ],
)
def test_a_wrong_question_is_answered_with_what_is_wrong(
    sandbox: SandboxServer, method: str, path: str, body: Any, code: int, part: str
) -> None:
    told_code, message = refused(sandbox, method, path, body)
    assert (told_code, part in message) == (code, True)


def test_a_body_that_is_no_json_is_told(sandbox: SandboxServer) -> None:
    request = urllib.request.Request(f"{sandbox.endpoint_url}/_sandbox/faults", b"{nonsense", JSON, method="POST")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=10)
    assert error.value.code == 400


def test_reset_forgets_accounts_faults_and_log(sandbox: SandboxServer) -> None:
    seeded(sandbox)
    ask(sandbox, "POST", "/faults", {"kind": "region", "region": "us-west-2"})
    ask(sandbox, "POST", "/reset")
    with pytest.raises(ClientError, match="UninitializedAccount"):
        client(sandbox, "drs").describe_source_servers()
    assert ask(sandbox, "GET", "/")["seededRegions"] == []


def test_the_next_sandbox_of_a_process_begins_empty() -> None:
    with SandboxServer() as first:
        seeded(first)
    with SandboxServer() as second:
        assert ask(second, "GET", "/")["seededRegions"] == []
        assert second.log.find() == []
