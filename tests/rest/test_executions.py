"""Executions over REST alone: started once for one key, followed by events, approved, reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.orchestration import get_client
from starlette.testclient import TestClient

from prefect_drs.flows import recover
from prefect_drs.rest.app import build_app
from prefect_drs.rest.options import RestOptions
from tests.conftest import PrefectServer
from tests.operations.estate import Stored, forget_estate
from tests.operations.shop import until, work
from tests.rest.conftest import LOCAL
from tests.rest.server import running_server
from tests.rest.test_events import blocks
from tests.rig import simulated_aws

PLAN = "three-tier"


@pytest.fixture
def shop(prefect_server: PrefectServer) -> Iterator[Stored]:
    """A stored plan of two waves with a gate before the second, on a simulated AWS that runs 600 times faster."""
    forget_estate()
    with simulated_aws(speed=600) as rig:
        stored = Stored(rig)
        for name in ("db", "web"):
            stored.group(name)
        waves = [
            {"waveNumber": 1, "name": "db", "protectionGroupNames": ["db"]},
            {
                "waveNumber": 2,
                "name": "web",
                "protectionGroupNames": ["web"],
                "dependsOnWaves": [1],
                "pauseBeforeWave": True,
            },
        ]
        stored.op("create_recovery_plan", {"name": PLAN, "waves": waves})
        yield stored
    forget_estate()


@pytest.fixture
def deployment(shop: Stored) -> Iterator[str]:
    """A deployment of the flow `recover`, whose runs wait: no worker is there."""
    name = f"rest-{uuid4().hex[:8]}"
    deployment_id = recover.to_deployment(name=name, parameters={"manifest": "estate:", "plan": PLAN}).apply()
    yield f"recover/{name}"
    with get_client(sync_client=True) as client:
        client.delete_deployment(UUID(str(deployment_id)))


def start(client: TestClient, deployment: str, key: str, **body: Any) -> Any:
    given = {"executionType": "DRILL", "deployment": deployment, **body}
    return client.post(f"/recovery-plans/{PLAN}/execute", json=given, headers={"Idempotency-Key": key})


def test_one_key_starts_one_execution_on_whatever_server(deployment: str):
    key, started = uuid4().hex, []
    for _ in range(2):  # two servers, of which the second has kept no answer
        with TestClient(build_app(RestOptions(caller="ada")), base_url=LOCAL) as client:
            first, again = start(client, deployment, key), start(client, deployment, key)
            assert first.status_code == again.status_code == 202
            assert again.headers["Idempotency-Replayed"] == "true"
            started += [first.json()["executionId"], again.json()["executionId"]]
            assert first.headers["Location"] == f"/executions/{started[0]}"
            other = start(client, deployment, key, initiatedBy="bob")
            assert (other.status_code, other.json()["error"]) == (409, "CONFLICT_ERROR")
    assert len(set(started)) == 1
    with TestClient(build_app(RestOptions(caller="ada")), base_url=LOCAL) as client:
        other = start(client, deployment, key, initiatedBy="bob")
        assert (other.status_code, other.json()["error"]) == (409, "CONFLICT_ERROR")
        active = start(client, deployment, uuid4().hex)
        assert (active.status_code, active.json()["error"]) == (409, "ACTIVE_EXECUTION")


def test_a_drill_is_started_followed_approved_and_reported(
    deployment: str, beside: Callable[..., Future[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path))
    with (
        running_server(RestOptions(caller="ada", event_poll_seconds=0.05)) as server,
        httpx.Client(base_url=server.url, timeout=120) as client,
    ):
        started = start(client, deployment, uuid4().hex)  # type: ignore[arg-type]
        place = started.headers["Location"]
        assert client.get(place).json()["status"] == "PENDING"
        with httpx.stream("GET", f"{server.url}{place}/events", timeout=300) as answer:
            beside(work, started.json()["executionId"])
            kinds = []
            for event in blocks(answer.iter_lines()):
                kinds.append(event["event"])
                if event["event"] == "GateAsked":
                    (gate,) = until(lambda: client.get(f"{place}/gates").json()["gates"], "the gate opens")
                    approved = client.post(f"{place}/gates/{gate['waveNumber']}/approve", json={"comment": "checked"})
                    assert approved.status_code == 202
        assert kinds[0] == "ExecutionStarted"
        assert "ExecutionEnded" in kinds
        report = client.get(place).json()
        assert report["status"] == "COMPLETED"
        assert report["waves"][1]["approval"]["comment"] == "checked"
        assert client.get(f"{place}/report").status_code == 200
        assert client.get("/executions?status=COMPLETED&limit=1").json()["executions"][0]["planName"] == PLAN


def test_of_fifty_parallel_starts_of_one_plan_exactly_one_runs(deployment: str) -> None:
    with (
        running_server(RestOptions(caller="ada")) as one,
        running_server(RestOptions(caller="ada")) as other,
        ThreadPoolExecutor(50) as pool,
    ):

        def send(number: int) -> httpx.Response:
            url = (one, other)[number % 2].url
            headers = {} if number % 5 == 0 else {"Idempotency-Key": f"{deployment}-{number}"}
            body = {"executionType": "DRILL", "deployment": deployment}
            return httpx.post(f"{url}/recovery-plans/{PLAN}/execute", json=body, headers=headers, timeout=300)

        answers = [follow(each) for each in pool.map(send, range(50))]
    started = [answer for status, answer in answers if status == 202]
    assert len(started) == 1
    refused = [(status, answer["error"]) for status, answer in answers if status != 202]
    assert refused == [(409, "ACTIVE_EXECUTION")] * 49
    with get_client(sync_client=True) as client:
        deployment_id = client.read_deployment_by_name(deployment).id
        runs = client.request(
            "POST", "/flow_runs/filter", json={"deployments": {"id": {"any_": [str(deployment_id)]}}}
        ).json()
    assert [run["id"] for run in runs] == [started[0]["executionId"]]


def ended(look: httpx.Response) -> Any:
    """What became of a request; None while it runs, and where the server asks to come back later."""
    if look.status_code in {429, 503}:
        return None
    assert look.status_code == 200, look.text
    told = look.json()
    return told if told["status"] != "RUNNING" else None


def follow(answer: httpx.Response) -> tuple[int, Any]:
    """The status and body of a request, also where it took longer than a client waits."""
    body = answer.json()
    if body.get("status") != "RUNNING" or "requestId" not in body:
        return answer.status_code, body
    place = f"{answer.url.scheme}://{answer.url.netloc.decode()}{body['location']}"
    told = until(lambda: ended(httpx.get(place, timeout=60)), "the request ends")
    return told["statusCode"], told["answer"] or told["error"]
