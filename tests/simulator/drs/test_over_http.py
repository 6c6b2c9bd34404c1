"""What differs over HTTP: connections that break, threads, sessions."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ConnectionClosedError
from moto.server import ThreadedMotoServer

from prefect_drs.simulator import Runtime, Sandbox, StepClock, install, plant_role
from prefect_drs.simulator.runtime import use

from .rig import ACCOUNT, GIB, NO_RETRIES, REGION, refused

KEYS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "secret"}


@pytest.fixture
def http() -> Iterator[tuple[Sandbox, str]]:
    install()
    runtime = Runtime(clock=StepClock(), seed=1)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with use(runtime):
        server.start()
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        requests.post(f"{endpoint}/moto-api/reset", timeout=30).raise_for_status()
        sandbox = Sandbox(runtime)
        sandbox.backend(ACCOUNT, REGION).initialize_service()
        yield sandbox, endpoint
        requests.post(f"{endpoint}/moto-api/reset", timeout=30).raise_for_status()
        server.stop()


def client(endpoint: str, service: str = "drs", **keys: Any) -> Any:
    return boto3.client(service, region_name=REGION, endpoint_url=endpoint, config=NO_RETRIES, **(keys or KEYS))


def seed(sandbox: Sandbox, count: int = 1) -> list[str]:
    backend = sandbox.backend(ACCOUNT, REGION)
    return [
        backend.seed_source_server(
            hostname=f"s{n}", ram_bytes=GIB, cpus=1, disks=[{"deviceName": "/dev/sda1", "bytes": GIB}]
        ).server_id
        for n in range(count)
    ]


@pytest.mark.parametrize(("effect", "jobs"), [("lose-answer", 1), ("time-out", 0)])
def test_a_lost_answer_breaks_the_connection_after_the_work_and_a_time_out_before_it(
    http: tuple[Sandbox, str], effect: str, jobs: int
) -> None:
    sandbox, endpoint = http
    (server,) = seed(sandbox)
    sandbox.faults.add({"kind": "operation", "operation": "StartRecovery", "effect": effect, "times": 1})
    with pytest.raises(ConnectionClosedError):
        client(endpoint).start_recovery(sourceServers=[{"sourceServerID": server}])
    assert len(client(endpoint).describe_jobs()["items"]) == jobs


def test_an_unreachable_region_breaks_every_connection(http: tuple[Sandbox, str]) -> None:
    sandbox, endpoint = http
    sandbox.faults.add({"kind": "region", "region": REGION})
    for service, operation in (("drs", "describe_jobs"), ("ec2", "describe_vpcs")):
        with pytest.raises(ConnectionClosedError):
            getattr(client(endpoint, service), operation)()


def test_a_session_is_checked_and_ends_over_http_too(http: tuple[Sandbox, str]) -> None:
    sandbox, endpoint = http
    arn = "arn:aws:iam::222222222222:role/DRSOrchestrationRole"
    sts = client(endpoint, "sts")
    with refused("AccessDenied"):
        sts.assume_role(RoleArn=arn, RoleSessionName="test")
    plant_role("222222222222", external_id="right")
    with refused("AccessDenied"):
        sts.assume_role(RoleArn=arn, RoleSessionName="test", ExternalId="wrong")
    got = sts.assume_role(RoleArn=arn, RoleSessionName="test", ExternalId="right")["Credentials"]
    keys = {
        "aws_access_key_id": got["AccessKeyId"],
        "aws_secret_access_key": got["SecretAccessKey"],
        "aws_session_token": got["SessionToken"],
    }
    drs = client(endpoint, **keys)
    drs.initialize_service()
    assert sandbox.backend("222222222222", REGION).initialized
    sandbox.clock.advance(3601)
    with refused("ExpiredTokenException"):
        drs.describe_jobs()


def test_twenty_threads_start_twenty_jobs_and_the_next_is_refused(http: tuple[Sandbox, str]) -> None:
    sandbox, endpoint = http
    ids = seed(sandbox, 21)
    drs = client(endpoint)

    def start(server: str) -> str:
        return str(drs.start_recovery(sourceServers=[{"sourceServerID": server}])["job"]["jobID"])

    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(start, ids[:20]))
    assert len(set(jobs)) == 20
    with refused("ServiceQuotaExceededException"):
        start(ids[20])
