"""The stored plan `Shop` on a simulated AWS, its deployment, and the worker that carries its runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.flows import recover
from prefect_drs.operations import Context, invoke
from tests.operations.estate import Stored, forget_estate
from tests.operations.events import MANIFEST
from tests.rig import simulated_aws

PLAN = "Shop"


@contextmanager
def stored_shop() -> Iterator[Stored]:
    """The stored plan `Shop`, its servers on a simulated AWS in which an hour passes in six seconds."""
    forget_estate()
    with simulated_aws(speed=600) as rig:
        stored = Stored(rig)
        stored.group("db", stored.servers("db1"))
        stored.group("web", stored.servers("web1", "web2"))
        waves = deepcopy(MANIFEST["recoveryPlans"][0]["waves"])
        stored.op("create_recovery_plan", {"name": PLAN, "waves": waves})
        yield stored
    forget_estate()


@contextmanager
def waiting_deployment() -> Iterator[str]:
    """A deployment of the flow `recover`, whose runs wait: no worker is there."""
    name = f"ops-{uuid4().hex[:8]}"
    deployment_id = recover.to_deployment(name=name, parameters={"manifest": "estate:", "plan": PLAN}).apply()
    yield f"recover/{name}"
    with get_client(sync_client=True) as client:
        client.delete_deployment(UUID(str(deployment_id)))


def work(execution_id: str) -> Any:
    """Carry a flow run as a worker does."""
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(execution_id))
    return run_flow(recover, flow_run=run, parameters=run.parameters, return_type="state")


def code_of(name: str, body: dict[str, Any], context: Context | None = None) -> str:
    with pytest.raises(PrefectDrsError) as refused:
        invoke(name, body, context=context)
    return refused.value.code


def until(done: Callable[[], Any], what: str) -> Any:
    """Ask until there is an answer."""
    deadline = time.monotonic() + 120
    while not (found := done()):
        assert time.monotonic() < deadline, f"{what}: not in two minutes"
        time.sleep(0.2)
    return found


def failed_by_a_worker(shop: Stored, deployment: str) -> str:
    """An execution whose first wave failed, and which would go on if it was tried again."""
    server = shop.op("get_protection_group", {"groupId": "db"})["sourceServerIds"][0]
    shop.rig.sandbox.faults.fail_server(server)
    body = {"planId": PLAN, "executionType": "DRILL", "deployment": deployment, "approveGates": True}
    execution_id: str = shop.op("start_execution", body)["executionId"]
    assert work(execution_id).is_failed()
    shop.rig.sandbox.faults.clear()
    return execution_id


def launches(shop: Stored) -> int:
    return len(shop.rig.sessions.client("drs", region="us-west-2").describe_jobs()["items"])
