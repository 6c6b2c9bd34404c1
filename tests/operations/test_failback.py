"""A stored plan recovers and fails back by operations: here, and by a deployment that a worker carries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow

from prefect_drs.flows import failback
from tests.conftest import PrefectServer
from tests.operations.estate import Stored, forget_estate
from tests.operations.shop import code_of
from tests.rig import ACCOUNT, GIB, REGION, simulated_aws

ORIGIN = "us-east-1"
PLAN = "Site"


@pytest.fixture
def site(prefect_server: PrefectServer) -> Iterator[Stored]:
    """A stored plan of one server that came from another region, and its recovery."""
    forget_estate()
    with simulated_aws(speed=1200) as rig:
        for region in (REGION, ORIGIN):
            rig.sandbox.backend(ACCOUNT, region).initialize_service()
        server = rig.sandbox.backend(ACCOUNT, REGION).seed_source_server(
            hostname="web1",
            ram_bytes=4 * GIB,
            cpus=2,
            disks=[{"deviceName": "/dev/sda1", "bytes": 4 * GIB}],
            source_account=ACCOUNT,
            source_region=ORIGIN,
        )
        stored = Stored(rig)
        stored.group("web", [server.server_id])
        stored.plan(PLAN, "web")
        yield stored
    forget_estate()


@pytest.fixture
def deployment(prefect_server: PrefectServer) -> Iterator[str]:
    """A deployment of the flow `failback`, whose runs wait: no worker is there."""
    name = f"ops-{uuid4().hex[:8]}"
    deployment_id = failback.to_deployment(name=name, parameters={"manifest": "estate:", "plan": PLAN}).apply()
    yield f"failback/{name}"
    with get_client(sync_client=True) as client:
        client.delete_deployment(UUID(str(deployment_id)))


def recovered(site: Stored) -> str:
    """The id of a recovery of the plan that is completed."""
    body = {"planId": PLAN, "executionType": "RECOVERY", "foreground": True}
    answer = site.op("start_execution", body)
    assert answer["status"] == "COMPLETED", answer
    execution_id: str = answer["executionId"]
    return execution_id


def jobs(site: Stored, region: str) -> list[dict[str, Any]]:
    return list(site.rig.sessions.client("drs", region=region).describe_jobs()["items"])


def test_a_failback_by_a_deployment_is_carried_by_its_worker(site: Stored, deployment: str) -> None:
    recovery = recovered(site)
    body = {"planId": PLAN, "executionId": recovery, "deployment": deployment}
    assert code_of("start_failback", {**body, "approveGates": True}) == "VALIDATION_ERROR"  # not confirmed
    whole = {**body, "approveGates": True, "confirmFailback": True, "strict": True, "idempotencyKey": "once"}
    answer = site.op("start_failback", whole)
    assert (answer["status"], answer["executionType"], answer["planName"]) == ("PENDING", "FAILBACK", PLAN)
    assert site.op("start_failback", whole) == answer
    assert code_of("start_failback", {**whole, "strict": False}) == "CONFLICT_ERROR"
    assert code_of("start_failback", body) == "ACTIVE_EXECUTION"
    assert jobs(site, ORIGIN) == []
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(answer["executionId"]))
    assert run.parameters["strict"] is True
    state = run_flow(failback, flow_run=run, parameters=run.parameters, return_type="state")
    assert state.is_completed(), state.message
    shown = site.op("get_execution", {"executionId": answer["executionId"]})
    assert (shown["status"], shown["mode"]) == ("COMPLETED", "failback")
    assert site.op("start_failback", whole)["executionId"] == answer["executionId"]
    launched = [server["sourceServerID"] for job in jobs(site, ORIGIN) for server in job["participatingServers"]]
    assert len(launched) == 1


def test_a_failback_of_a_plan_that_runs_nowhere_is_refused(site: Stored, deployment: str) -> None:
    body = {"planId": PLAN, "foreground": True, "approveGates": True, "confirmFailback": True}
    assert code_of("start_failback", body) == "PREFLIGHT_REFUSED"
    assert code_of("start_failback", {"planId": PLAN}) == "MISSING_PARAMETER"
    assert code_of("start_failback", {"planId": PLAN, "deployment": "failback/nowhere?"}) == "INVALID_PARAMETER"
    assert jobs(site, ORIGIN) == jobs(site, REGION) == []
