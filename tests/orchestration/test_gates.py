"""Gates against a real Prefect server: who is asked, what releases a wave, and what outlives a process."""

from __future__ import annotations

import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest

from prefect_drs.core.errors import UsageError
from prefect_drs.recovery.ports import Decision, Gate, GateAnswer, GateRequest
from tests.conftest import Programs

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

    from prefect_drs.orchestration.approvals.gate import PendingGate

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]

PATIENCE_SECONDS = 60
Beside = Callable[..., Future[Any]]


def request(execution_id: str, wave: int = 1, name: str = "Database", seconds: float = 120) -> GateRequest:
    return GateRequest(
        execution_id=execution_id,
        plan_name="Three tiers",
        mode="drill",
        wave_number=wave,
        wave_name=name,
        summary=f"| server | change |\n|---|---|\n| db-{wave} | copyPrivateIp |\n",
        timeout=timedelta(seconds=seconds),
    )


@pytest.fixture
def execution() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    from prefect import get_client

    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def opened() -> Queue[PendingGate]:
    """The gates whose form is open, as the gate tells of them."""
    return Queue()


@pytest.fixture
def gate(opened: Queue[PendingGate]) -> Gate:
    from prefect_drs.orchestration.approvals.gate import PrefectGate

    return PrefectGate(on_waiting=opened.put)


def next_of(opened: Queue[PendingGate]) -> PendingGate:
    return opened.get(timeout=PATIENCE_SECONDS)


def result_of(run: Future[Any]) -> Any:
    return run.result(timeout=PATIENCE_SECONDS)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the Prefect server was not that far in time"
        threading.Event().wait(0.1)


def ask_in_tasks(gate: Gate, *requests: GateRequest) -> dict[int, GateAnswer]:
    """A parent flow whose tasks each ask a gate at the same time, as the waves of a plan do."""
    from prefect import flow, task
    from prefect.task_runners import ThreadPoolTaskRunner

    answers: dict[int, GateAnswer] = {}

    @task(task_run_name="{name}")
    def wave(name: str, number: int) -> None:
        answers[number] = gate.ask(next(r for r in requests if r.wave_number == number))

    @flow(name="recovery-of-three-tiers", task_runner=ThreadPoolTaskRunner(max_workers=4))
    def parent() -> None:
        for future in [wave.submit(r.wave_name, r.wave_number) for r in requests]:
            future.result()

    parent()
    return answers


def gate_runs(client: SyncPrefectClient, execution_id: str) -> list[FlowRun]:
    """All gates' flow runs of an execution, the oldest first."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
    from prefect.client.schemas.sorting import FlowRunSort

    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[f"prefect-drs:execution:{execution_id}"])),
        sort=FlowRunSort.START_TIME_ASC,
        limit=50,
    )


def endings(client: SyncPrefectClient, execution_id: str) -> list[tuple[str, str, str]]:
    return [
        (run.name, f"{run.state.type.value}/{run.state.name}", run.state.message or "")
        for run in gate_runs(client, execution_id)
        if run.state
    ]


def test_two_gates_at_once_are_answered_in_reverse_and_each_releases_its_own_wave(
    execution: str, client: SyncPrefectClient, gate: Gate, opened: Queue[PendingGate], beside: Beside
) -> None:
    from prefect_drs.orchestration.approvals.gate import answer_gate, pending_gates

    run = beside(ask_in_tasks, gate, request(execution, 1, "Database"), request(execution, 2, "Web {blue}"))
    first, second = sorted((next_of(opened), next_of(opened)), key=lambda g: g.wave_number)
    assert pending_gates(execution) == (first, second)

    answer_gate(execution, 2, Decision.APPROVED, by="ada", comment="web first")
    wait_for(
        lambda: ("approve Web {blue}", "COMPLETED/Approved", "Approved by ada: web first") in endings(client, execution)
    )
    assert client.read_flow_run(first.flow_run_id).state_name == "Paused"
    answer_gate(execution, 1, Decision.REJECTED, by="grace")
    answers = result_of(run)

    assert (answers[2].decision, answers[2].by, answers[2].comment) == (Decision.APPROVED, "ada", "web first")
    assert (answers[1].decision, answers[1].by, answers[1].comment) == (Decision.REJECTED, "grace", "")
    assert answers[2].at < answers[1].at <= datetime.now(UTC)
    assert ("approve Database", "CANCELLED/Rejected", "Rejected by grace") in endings(client, execution)
    assert pending_gates(execution) == ()


def test_a_pending_gate_says_what_it_is_about_and_where_its_form_is(
    execution: str, gate: Gate, opened: Queue[PendingGate], beside: Beside, prefect_server: Any
) -> None:
    beside(gate.ask, request(execution, 3, "Web"))
    pending = next_of(opened)
    assert (pending.execution_id, pending.plan_name, pending.mode) == (execution, "Three tiers", "drill")
    assert (pending.wave_number, pending.wave_name) == (3, "Web")
    assert pending.link == f"{prefect_server.url}/v2/runs/flow-run/{pending.flow_run_id}"
    assert pending.until is not None
    assert timedelta(seconds=60) < pending.until - datetime.now(UTC) <= timedelta(seconds=120)


@pytest.mark.parametrize("decision", [Decision.APPROVED, Decision.REJECTED])
def test_an_answer_stays_when_the_execution_asks_again(
    decision: Decision,
    execution: str,
    client: SyncPrefectClient,
    gate: Gate,
    opened: Queue[PendingGate],
    beside: Beside,
) -> None:
    from prefect_drs.orchestration.approvals.gate import AutomaticGate, answer_gate

    run = beside(gate.ask, request(execution))
    next_of(opened)
    answer_gate(execution, 1, decision, by="ada", comment="once")
    answer = result_of(run)

    assert result_of(beside(ask_in_tasks, gate, request(execution)))[1] == answer
    assert AutomaticGate(by="somebody else").ask(request(execution)) == answer
    assert (answer.decision, answer.by, answer.comment) == (decision, "ada", "once")
    assert len(gate_runs(client, execution)) == 1


def test_a_gate_that_nobody_answers_times_out_leaves_no_open_form_and_is_asked_anew(
    execution: str, client: SyncPrefectClient, gate: Gate, opened: Queue[PendingGate], beside: Beside
) -> None:
    from prefect_drs.orchestration.approvals.gate import answer_gate, pending_gates

    answer = result_of(beside(ask_in_tasks, gate, request(execution, seconds=1)))[1]
    next_of(opened)
    assert (answer.decision, answer.by) == (Decision.TIMED_OUT, "")
    assert pending_gates(execution) == ()
    timed_out = ("approve Database", "CANCELLED/TimedOut", "Timed out: nobody answered in time")
    assert endings(client, execution) == [timed_out]

    again = beside(gate.ask, request(execution))
    next_of(opened)
    answer_gate(execution, 1, Decision.APPROVED, by="ada")
    assert result_of(again).decision is Decision.APPROVED
    assert endings(client, execution) == [timed_out, ("approve Database", "COMPLETED/Approved", "Approved by ada")]


def test_a_gate_whose_time_was_over_while_nobody_waited_is_not_opened_again(
    execution: str, client: SyncPrefectClient, gate: Gate, beside: Beside
) -> None:
    answer = result_of(beside(ask_in_tasks, gate, request(execution, seconds=0)))[1]
    assert answer.decision is Decision.TIMED_OUT
    assert gate_runs(client, execution) == []


DYING_PROCESS = """
import sys
from datetime import timedelta
from prefect_drs.orchestration.approvals.gate import PrefectGate
from prefect_drs.recovery.ports import GateRequest
print("ready")
gate = PrefectGate(on_waiting=lambda gate: print(gate.flow_run_id, flush=True))
gate.ask(GateRequest(sys.argv[1], "Three tiers", "drill", 1, "Database", "words", timedelta(seconds=120)))
"""


@pytest.fixture
def left_open(execution: str, prefect_server: Any, forked_programs: Programs) -> str:
    """The flow run of a gate whose process was killed while it waited."""
    with subprocess.Popen(
        [forked_programs.folder / "python", "-c", DYING_PROCESS, execution],
        env={**os.environ, **forked_programs.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(2)]
        process.kill()
    return lines[1]


def test_a_form_left_open_by_a_killed_process_is_waited_for_and_no_second_one_opened(
    left_open: str, execution: str, client: SyncPrefectClient, gate: Gate, opened: Queue[PendingGate], beside: Beside
) -> None:
    from prefect_drs.orchestration.approvals.gate import answer_gate

    run = beside(ask_in_tasks, gate, request(execution))
    assert str(next_of(opened).flow_run_id) == left_open
    answer_gate(execution, 1, Decision.APPROVED, by="ada")
    assert result_of(run)[1].by == "ada"
    assert endings(client, execution) == [("approve Database", "COMPLETED/Approved", "Approved by ada")]


def test_an_answer_given_while_no_process_lived_counts(
    left_open: str, execution: str, client: SyncPrefectClient, gate: Gate, beside: Beside
) -> None:
    from prefect_drs.orchestration.approvals.gate import answer_gate

    answer_gate(execution, 1, Decision.REJECTED, by="grace", comment="not today")
    answer = result_of(beside(ask_in_tasks, gate, request(execution)))[1]
    assert (answer.decision, answer.by, answer.comment) == (Decision.REJECTED, "grace", "not today")
    assert endings(client, execution) == [("approve Database", "CANCELLED/Rejected", "Rejected by grace: not today")]


def test_cancelling_the_approval_run_in_prefect_is_no_approval_and_the_wave_is_asked_about_anew(
    execution: str, client: SyncPrefectClient, gate: Gate, opened: Queue[PendingGate], beside: Beside
) -> None:
    from prefect.states import Cancelling

    run = beside(ask_in_tasks, gate, request(execution))
    client.set_flow_run_state(next_of(opened).flow_run_id, Cancelling())
    answer = result_of(run)[1]
    assert (answer.decision, answer.by) == (Decision.REJECTED, "")
    assert "was cancelled in Prefect" in answer.comment
    assert [state for _, state, _ in endings(client, execution)] == ["CANCELLED/Cancelled"]

    beside(gate.ask, request(execution))
    assert next_of(opened).wave_number == 1


def test_cancelling_the_execution_ends_its_waiting_gates(
    execution: str, client: SyncPrefectClient, gate: Gate, opened: Queue[PendingGate], beside: Beside
) -> None:
    from prefect.client.schemas.filters import (
        FlowFilter,
        FlowFilterName,
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.states import Cancelling

    run = beside(ask_in_tasks, gate, request(execution))
    next_of(opened)
    (parent,) = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["recovery-of-three-tiers"])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING]))),
        sort=FlowRunSort.START_TIME_DESC,
        limit=5,
    )
    client.set_flow_run_state(parent.id, Cancelling())
    wait_for(lambda: [state for _, state, _ in endings(client, execution)] == ["CANCELLED/Cancelled"])
    assert endings(client, execution)[0][2] == "Not approved: the execution was cancelled"
    wait_for(run.done)


def test_an_approval_in_advance_leaves_the_same_history_as_a_person(
    execution: str, client: SyncPrefectClient, beside: Beside
) -> None:
    from prefect_drs.orchestration.approvals.gate import AutomaticGate

    answers = result_of(beside(ask_in_tasks, AutomaticGate(by="ada", comment="--yes"), request(execution)))
    assert (answers[1].decision, answers[1].by, answers[1].comment) == (Decision.APPROVED, "ada", "--yes")
    assert endings(client, execution) == [("approve Database", "COMPLETED/Approved", "Approved by ada: --yes")]


def test_an_approval_in_advance_answers_the_form_that_is_still_open(
    left_open: str, execution: str, client: SyncPrefectClient
) -> None:
    from prefect_drs.orchestration.approvals.gate import AutomaticGate

    assert AutomaticGate(by="ada").ask(request(execution)).decision is Decision.APPROVED
    assert endings(client, execution) == [
        ("approve Database", "COMPLETED/Approved", "Approved by ada: approved in advance")
    ]


def test_answering_a_gate_that_does_not_wait_says_what_does(
    execution: str, gate: Gate, opened: Queue[PendingGate], beside: Beside
) -> None:
    from prefect_drs.orchestration.approvals.gate import answer_gate

    with pytest.raises(UsageError, match=f"no gate of execution {execution} waits"):
        answer_gate(execution, 1, Decision.APPROVED, by="ada")
    run = beside(gate.ask, request(execution, 2, "Web"))
    next_of(opened)
    with pytest.raises(UsageError, match=r"wave 7 .* does not wait for an answer; pending there: wave 2 'Web'"):
        answer_gate(execution, 7, Decision.APPROVED, by="ada")
    with pytest.raises(UsageError, match=f"no gate of execution nonsense waits.*wave 2 'Web' of execution {execution}"):
        answer_gate("nonsense", 2, Decision.APPROVED, by="ada")
    assert not run.done()


def test_nobody_answers_namelessly_or_with_a_time_out(
    execution: str, client: SyncPrefectClient, gate: Gate, opened: Queue[PendingGate], beside: Beside
) -> None:
    from prefect.client.schemas.responses import SetStateStatus

    from prefect_drs.orchestration.approvals.gate import AutomaticGate, answer_gate

    run = beside(gate.ask, request(execution))
    run_id = next_of(opened).flow_run_id
    for nonsense in ({}, {"decision": "approve"}, {"decision": "approve", "by": " "}, {"decision": "yes", "by": "ada"}):
        assert client.resume_flow_run(run_id, run_input=nonsense).status is SetStateStatus.REJECT
    with pytest.raises(UsageError, match="an answer needs a name"):
        answer_gate(execution, 1, Decision.APPROVED, by=" ")
    with pytest.raises(UsageError, match="an answer needs a name"):
        AutomaticGate(by="")
    with pytest.raises(UsageError, match="APPROVED or REJECTED"):
        answer_gate(execution, 1, Decision.TIMED_OUT, by="ada")
    assert not run.done()


def test_a_gate_is_refused_in_the_body_of_a_flow_where_prefect_could_mix_up_retried_gates(
    execution: str, client: SyncPrefectClient, gate: Gate
) -> None:
    from prefect import flow

    @flow(name="gate-in-the-body")
    def parent() -> None:
        gate.ask(request(execution))

    with pytest.raises(UsageError, match="inside a Prefect task"):
        parent()
    assert gate_runs(client, execution) == []


def test_the_command_line_answers_as_the_user_of_the_machine(
    execution: str, gate: Gate, opened: Queue[PendingGate], beside: Beside, capsys: pytest.CaptureFixture[str]
) -> None:
    import getpass

    from prefect_drs.cli import main

    first, second = beside(gate.ask, request(execution, 1)), beside(gate.ask, request(execution, 2, "Web"))
    next_of(opened), next_of(opened)
    assert main(["approve", execution, "--wave", "1", "--comment", "-- looks right"]) == 0
    assert main(["reject", execution, "--wave", "2", "--by", "grace"]) == 0
    answers = [result_of(first), result_of(second)]
    assert [(a.decision, a.by, a.comment) for a in answers] == [
        (Decision.APPROVED, getpass.getuser(), "-- looks right"),
        (Decision.REJECTED, "grace", ""),
    ]
    assert capsys.readouterr().out.splitlines() == [
        f"approved by {getpass.getuser()}: wave 1 'Database' of execution {execution}",
        f"rejected by grace: wave 2 'Web' of execution {execution}",
    ]
