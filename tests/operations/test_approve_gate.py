"""`approve_gate` at a gate that demands proofs: by a caller of another machine, and by one of this one."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import Future
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest

from prefect_drs.core.errors import UsageError
from prefect_drs.operations import Context, invoke
from prefect_drs.orchestration.storage.access_policy import PolicyReader
from tests.orchestration.test_gates import next_of, result_of
from tests.orchestration.test_signed_gates import passing
from tests.recovery.signed_gates import Gates, People

if TYPE_CHECKING:
    from prefect_drs.simulator.server import SandboxServer

pytestmark = pytest.mark.usefixtures("prefect_server")
NO_POLICY = PolicyReader(lambda: None)


@pytest.fixture(scope="module")
def people(sandbox: SandboxServer) -> People:
    return People()


def test_a_caller_of_another_machine_sends_a_proof_and_is_told_what_becomes_of_it(
    people: People, beside: Callable[..., Future[Any]]
) -> None:
    gates, opened = Gates({"quorum": 2}, execution_id=str(uuid.uuid4())), Queue()
    run = beside(passing, gates, opened)
    next_of(opened)
    there = Context(caller="rest", files=False, policies=NO_POLICY)
    body = {"executionId": gates.execution_id, "waveNumber": 1}

    with pytest.raises(UsageError, match=r"demands 2 signed approvals.*token --approve"):
        invoke("approve_gate", body, context=there)
    forged = invoke("approve_gate", {**body, "token": people.token("ada", gates.bound(2))}, context=there)
    assert forged["counted"] is False
    assert "something else" in forged["ruling"]
    first = invoke("approve_gate", {**body, "token": people.token("ada", gates.bound())}, context=there)
    assert (first["counted"], first["ruling"]) == (True, "it counts; the gate still lacks one signed approval")
    (listed,) = invoke("list_gates", {"executionId": gates.execution_id}, context=there)["gates"]
    assert [each["by"] for each in listed["standing"]["approvals"]] == [people.arn("ada")]
    here = Context(policies=NO_POLICY)  # makes the proof with the credentials of this process
    second = invoke("approve_gate", body, context=here)
    assert second["counted"] is True
    assert result_of(run) is True


def test_break_glass_is_a_field_of_the_operation(people: People, beside: Callable[..., Future[Any]]) -> None:
    gates, opened = Gates("signed", execution_id=str(uuid.uuid4())), Queue()
    run = beside(passing, gates, opened)
    next_of(opened)
    there = Context(caller="rest", files=False, policies=NO_POLICY)
    body = {"executionId": gates.execution_id, "wave": "wave 1", "breakGlass": "STS is gone"}
    assert invoke("approve_gate", body, context=there)["decision"] == "APPROVED"
    assert result_of(run) is True
    assert gates.engine.wave_run(1).broken_glass is not None
