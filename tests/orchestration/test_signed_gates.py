"""Gates that demand proofs, against a real Prefect server and the sandbox's STS: whatever is answered, they wait."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from queue import Queue
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from prefect_drs.core.errors import UsageError
from prefect_drs.recovery.drivers import pass_gate
from prefect_drs.recovery.ports import Decision, GateRequest
from prefect_drs.simulator.server import SandboxServer
from tests.orchestration.test_gates import next_of, result_of, wait_for
from tests.recovery.signed_gates import Gates, People, policy

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

    from prefect_drs.orchestration.approvals.gate import PendingGate
    from tests.conftest import PrefectServer

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server", "sandbox")]
Beside = Callable[..., Future[Any]]


@pytest.fixture(scope="module")
def people(sandbox: SandboxServer) -> People:
    return People()


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    from prefect import get_client

    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def opened() -> Queue[PendingGate]:
    return Queue()


def gates_of(approval: Any = "signed", **options: Any) -> Gates:
    return Gates(approval, execution_id=options.pop("execution_id", str(uuid.uuid4())), **options)


def passing(
    gates: Gates, opened: Queue[PendingGate], clock: Any = None, timeout: timedelta = timedelta(minutes=5)
) -> bool:
    """Pass wave 1's gate as the task of a wave does."""
    from prefect import flow, task

    from prefect_drs.core.clock import WallClock
    from prefect_drs.orchestration.approvals.gate import PrefectGate
    from prefect_drs.recovery.approvals import GateApprovals

    clock = clock or WallClock()
    gate = PrefectGate(clock=clock, on_waiting=opened.put)
    passed: list[bool] = []

    @task
    def wave() -> None:
        approvals = GateApprovals(gates.verifier)
        passed.append(pass_gate(gates.engine, gate, 1, timeout, clock=clock, approvals=approvals))

    @flow(name="recovery-of-the-shop")
    def parent() -> None:
        wave()

    parent()
    return passed[0]


def sent(gates: Gates, **answer: Any) -> None:
    from prefect_drs.orchestration.approvals.gate import answer_gate

    answer_gate(gates.execution_id, 1, Decision.APPROVED, **{"by": "somebody", **answer})


def waits_after(gates: Gates, attempts: int) -> PendingGate:
    """The gate, once it waits again after so many answers that do not count."""
    from prefect_drs.orchestration.approvals.gate import pending_gates

    def is_open() -> bool:
        found = pending_gates(gates.execution_id)
        return bool(found) and found[0].standing is not None and found[0].standing.attempts == attempts

    wait_for(is_open)
    return pending_gates(gates.execution_id)[0]


def inputs(client: SyncPrefectClient, run_id: Any) -> dict[str, str]:
    found = client.filter_flow_run_input(run_id, key_prefix="", limit=200, exclude_keys=set())
    return {stored.key: stored.value for stored in found}


def test_whatever_is_answered_without_a_proof_the_gate_waits_on_the_same_page_until_one_comes(
    people: People,
    client: SyncPrefectClient,
    opened: Queue[PendingGate],
    beside: Beside,
    prefect_server: PrefectServer,
) -> None:
    from prefect.states import Completed, Running

    gates = gates_of()
    run = beside(passing, gates, opened)
    gate = next_of(opened)
    sent(gates)
    waits_after(gates, 1)
    answer = httpx.post(  # the curl of a mail, or the Prefect UI
        f"{prefect_server.api_url}/flow_runs/{gate.flow_run_id}/resume",
        json={"run_input": {"decision": "approve", "by": "mallory", "token": "made up"}},
    )
    assert answer.json()["status"] == "ACCEPT"
    waits_after(gates, 2)
    for attempts, state in enumerate((Running(), Completed(name="Approved")), start=3):  # around the form
        client.set_flow_run_state(gate.flow_run_id, state, force=True)
        waits_after(gates, attempts)
    client.create_flow_run_input(
        gate.flow_run_id, "paused-approval-response", '{"decision": "approve", "by": "root", "comment": ""}'
    )
    client.set_flow_run_state(gate.flow_run_id, Running(), force=True)
    last = waits_after(gates, 5)
    assert not run.done()
    assert last.flow_run_id == gate.flow_run_id
    assert last.until == gate.until
    assert gates.attempts == ["NO_PROOF", "malformed", "NO_PROOF", "NO_PROOF", "NO_PROOF"]

    token = people.token("ada", gates.bound())
    sent(gates, token=token, comment="checked")
    assert result_of(run) is True
    state = client.read_flow_run(gate.flow_run_id).state
    assert state is not None
    assert (state.name, state.message) == ("Approved", f"Approved by {People.arn('ada')}: checked")
    assert not any(token in value for value in inputs(client, gate.flow_run_id).values())


def test_a_quorum_says_who_has_approved_and_what_lacks_and_its_page_too(
    people: People, client: SyncPrefectClient, opened: Queue[PendingGate], beside: Beside
) -> None:
    from prefect_drs.orchestration.approvals.gate import pending_gates

    gates = gates_of({"quorum": 2, "roles": ["DRSOperator"], "notStarter": True}, document=policy())
    run = beside(passing, gates, opened)
    gate = next_of(opened)
    sent(gates, token=people.token("ada", gates.bound()))
    wait_for(lambda: any(each.standing and each.standing.approvals for each in pending_gates(gates.execution_id)))
    (waiting,) = pending_gates(gates.execution_id)
    assert waiting.standing is not None
    assert [each.by for each in waiting.standing.approvals] == [People.arn("ada")]
    assert waiting.standing.lacks == "one signed approval"
    assert waiting.standing.digest == gates.check().digest
    assert People.arn("ada").split("/")[-1] in inputs(client, gate.flow_run_id)["paused-approval-description"]
    sent(gates, token=people.token("starter", gates.bound()))
    waits_after(gates, 1)
    sent(gates, token=people.token("bob", gates.bound()))
    assert result_of(run) is True
    assert gates.attempts == ["STARTER"]


def test_anybody_rejects_a_gate_that_demands_proofs(opened: Queue[PendingGate], beside: Beside) -> None:
    from prefect_drs.orchestration.approvals.gate import answer_gate

    gates = gates_of({"quorum": 2})
    run = beside(passing, gates, opened)
    next_of(opened)
    answer_gate(gates.execution_id, 1, Decision.REJECTED, by="grace")
    assert result_of(run) is False
    assert gates.attempts == []


def test_approvals_survive_the_process_that_counted_them(
    people: People, opened: Queue[PendingGate], beside: Beside
) -> None:
    from prefect_drs.core.errors import PrefectDrsError
    from prefect_drs.orchestration.flow.execute import StoppableClock

    first = gates_of({"quorum": 2})
    clock = StoppableClock(first.execution_id)
    run = beside(passing, first, opened, clock)
    next_of(opened)
    sent(first, token=people.token("ada", first.bound()))
    waits_after_counted(first)
    clock.stop()
    with pytest.raises(PrefectDrsError):
        result_of(run)

    second = gates_of(journal=first.journal, execution_id=first.execution_id)
    run = beside(passing, second, opened)
    next_of(opened)
    waits_after_counted(second)
    sent(second, token=people.token("bob", second.bound()))
    assert result_of(run) is True


def test_an_answer_that_came_while_no_process_lived_is_judged_and_the_same_page_waits(
    people: People, client: SyncPrefectClient, opened: Queue[PendingGate], beside: Beside
) -> None:
    from prefect import flow
    from prefect.states import Paused, Running

    from prefect_drs.orchestration.approvals.answers import GRACE
    from prefect_drs.orchestration.approvals.form import PAUSE_KEY
    from prefect_drs.orchestration.approvals.gate import gate_tags, open_form
    from prefect_drs.orchestration.approvals.standings import publish_standing

    gates = gates_of()
    asked = request_of(gates)
    names = ("execution_id", "plan_name", "mode", "wave_number", "wave_name")
    dead = client.create_flow_run(
        flow(name="approve")(lambda: None),
        parameters={name: getattr(asked, name) for name in names},
        tags=gate_tags(asked),
        state=Running(),
    )
    until = gates.clock.now() + timedelta(minutes=5)
    open_form(client, dead.id, asked, Paused(pause_expiration_time=until + GRACE, pause_key=PAUSE_KEY))
    publish_standing(client, dead.id, asked)
    sent(gates)  # a plain Resume

    run = beside(passing, gates, opened)
    assert next_of(opened).flow_run_id == dead.id
    waits_after(gates, 1)
    assert gates.attempts == ["NO_PROOF"]
    sent(gates, token=people.token("ada", gates.bound()))
    assert result_of(run) is True
    state = client.read_flow_run(dead.id).state
    assert state is not None
    assert state.name == "Approved"


def request_of(gates: Gates) -> GateRequest:
    return GateRequest(
        gates.execution_id, "Shop", "drill", 1, "wave 1", "words", timedelta(minutes=5), check=gates.check()
    )


def waits_after_counted(gates: Gates) -> None:
    from prefect_drs.orchestration.approvals.gate import pending_gates

    wait_for(lambda: any(each.standing and each.standing.approvals for each in pending_gates(gates.execution_id)))


def test_break_glass_passes_the_gate_by_its_form(opened: Queue[PendingGate], beside: Beside) -> None:
    gates = gates_of({"quorum": 3})
    run = beside(passing, gates, opened)
    next_of(opened)
    sent(gates, by="ada", break_glass="STS is gone")
    assert result_of(run) is True
    assert gates.engine.wave_run(1).broken_glass is not None


def test_a_gate_that_demands_proofs_is_not_approved_in_advance(opened: Queue[PendingGate]) -> None:
    from prefect_drs.orchestration.approvals.gate import AutomaticGate

    gates = gates_of()
    with pytest.raises(UsageError, match="demands one signed approval"):
        pass_gate(gates.engine, AutomaticGate(by="ada"), 1, clock=gates.clock)
