"""Executions of deployments where answers are lost, and where another deployment takes an execution up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_drs.flows import resume
from prefect_drs.operations import invoke
from prefect_drs.operations.context import Context
from tests.conftest import PrefectServer
from tests.http_proxy import Proxy, http_proxy
from tests.operations.estate import Stored
from tests.operations.shop import PLAN, code_of, failed_by_a_worker, launches


@pytest.fixture
def resuming(prefect_server: PrefectServer) -> Iterator[str]:
    """A deployment of the flow `resume-execution`, whose runs wait: no worker is there."""
    name = f"again-{uuid4().hex[:8]}"
    deployment_id = resume.to_deployment(name=name, parameters={"approved_by": "ada"}).apply()
    yield f"{resume.name}/{name}"
    with get_client(sync_client=True) as client:
        client.delete_deployment(UUID(str(deployment_id)))


@pytest.fixture(scope="session")
def lasting_proxy(prefect_server: PrefectServer) -> Iterator[Proxy]:
    """A proxy that lasts as long as this process, as Prefect's services do: each concurrency limit is asked for by one
    service of the process, at the address that the API had when it was asked for first."""
    with http_proxy(prefect_server.url) as proxy:
        yield proxy


@pytest.fixture
def proxy(lasting_proxy: Proxy) -> Proxy:
    """It, without the requests of former tests."""
    lasting_proxy.requests.clear()
    return lasting_proxy


def runs_of(deployment: str) -> list[Any]:
    with get_client(sync_client=True) as client:
        deployment_id = client.read_deployment_by_name(deployment).id
        found = client.request(
            "POST", "/flow_runs/filter", json={"deployments": {"id": {"any_": [str(deployment_id)]}}}
        )
        return list(found.json())


@pytest.mark.parametrize("key", [None, "drill-of-the-week"])
def test_a_start_whose_answer_was_lost_created_one_run(
    shop: Stored, deployment: str, proxy: Proxy, key: str | None
) -> None:
    body: dict[str, Any] = {"planId": PLAN, "executionType": "DRILL", "deployment": deployment}
    if key is not None:
        body["idempotencyKey"] = key + uuid4().hex
    with temporary_settings({PREFECT_API_URL: f"{proxy.url}/api"}):
        fault = proxy.plant("POST", "lose", path="create_flow_run")
        execution_id = invoke("start_execution", body, context=Context(caller="ada"))["executionId"]
        sent = [status for method, path, status in proxy.requests if method == "POST" and "create_flow_run" in path]
    assert (fault.hits, len(sent)) == (1, 2), "Prefect's client sent it again"
    assert [run["id"] for run in runs_of(deployment)] == [execution_id]


def test_an_execution_is_taken_up_by_a_deployment_of_resume_execution(
    shop: Stored, deployment: str, resuming: str
) -> None:
    execution_id = failed_by_a_worker(shop, deployment)
    before = launches(shop)
    assert code_of("resume_execution", {"executionId": execution_id, "deployment": deployment}) == "INVALID_PARAMETER"
    answer = shop.op("resume_execution", {"executionId": execution_id, "deployment": resuming})
    assert answer["outcome"] == "RESUMED"
    (run,) = runs_of(resuming)
    assert run["id"] in answer["message"]
    assert run["parameters"]["execution_id"] == execution_id
    assert code_of("delete_executions", {"executionIds": [execution_id]}) == "ACTIVE_EXECUTION"
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(UUID(run["id"]))
    state = run_flow(resume, flow_run=flow_run, parameters=flow_run.parameters, return_type="state")
    assert state.is_completed()
    shown = shop.op("get_execution", {"executionId": execution_id})
    assert (shown["status"], shown["executionId"]) == ("COMPLETED", execution_id)
    assert launches(shop) > before
    assert code_of("delete_executions", {"executionIds": [execution_id]}) == "EXECUTION_ERROR"  # instances stand
    shop.op("terminate_instances", {"executionId": execution_id})
    assert shop.op("delete_executions", {"executionIds": [execution_id]})["deleted"][0]["flowRuns"] >= 2


def test_a_resumption_whose_answer_was_lost_created_one_run(
    shop: Stored, deployment: str, resuming: str, proxy: Proxy
) -> None:
    execution_id = failed_by_a_worker(shop, deployment)
    with temporary_settings({PREFECT_API_URL: f"{proxy.url}/api"}):
        fault = proxy.plant("POST", "lose", path="create_flow_run")
        shop.op("resume_execution", {"executionId": execution_id, "deployment": resuming})
    assert (fault.hits, len(runs_of(resuming))) == (1, 1)
    cancelled = shop.op("cancel_execution", {"executionId": execution_id})
    assert cancelled["outcome"] == "STORED"
