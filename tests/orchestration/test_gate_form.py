"""The form of a gate as the Prefect server keeps it: stored after the pause, found by its exact key, never lost."""

from __future__ import annotations

import logging
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from prefect_drs.core.errors import UsageError
from prefect_drs.recovery.ports import Decision, GateAnswer, GateRequest
from prefect_drs.simulator import StepClock
from tests.e2e.rehearsal import until

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]

PATIENCE_SECONDS = 60
Beside = Callable[..., Future[Any]]
UNREADABLE = ("{", "[]", "7", "null", '{"decision": "perhaps", "by": "ada"}', '{"decision": "approve"}')


@pytest.fixture
def execution() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    from prefect import get_client

    with get_client(sync_client=True) as client:
        yield client


def request(execution_id: str, wave: int = 1) -> GateRequest:
    return GateRequest(execution_id, "Three tiers", "drill", wave, "Database", "| a | table |", timedelta(seconds=120))


def paused_gate(client: SyncPrefectClient, execution_id: str, wave: int = 1) -> uuid.UUID:
    """A gate whose process ended right after it opened the form."""
    from prefect import flow
    from prefect.states import Paused, Running

    from prefect_drs.orchestration.approvals.answers import GATE_TAG, execution_tags
    from prefect_drs.orchestration.approvals.form import PAUSE_KEY
    from prefect_drs.orchestration.approvals.gate import open_form

    asked = request(execution_id, wave)
    run = client.create_flow_run(
        flow(name="approve")(lambda: None),
        parameters={
            name: getattr(asked, name) for name in ("execution_id", "plan_name", "mode", "wave_number", "wave_name")
        },
        tags=[GATE_TAG, *execution_tags(execution_id, wave)],
        state=Running(),
    )
    pause = Paused(pause_expiration_time=datetime.now(UTC) + timedelta(hours=1), pause_key=PAUSE_KEY)
    open_form(client, run.id, asked, pause)
    return run.id


def stored_answer(client: SyncPrefectClient, run_id: uuid.UUID) -> tuple[Decision, str] | None:
    from prefect_drs.orchestration.approvals.answers import recorded_answer

    answer = recorded_answer(client, run_id)
    return None if answer is None else (answer.decision, answer.by)


@pytest.mark.parametrize("lost", [("schema",), ("description", "schema")])
@pytest.mark.parametrize("in_advance", [False, True])
def test_a_gate_whose_process_died_between_the_pause_and_the_form_gets_its_form_from_the_next_attempt(
    lost: tuple[str, ...], in_advance: bool, execution: str, client: SyncPrefectClient, beside: Beside
) -> None:
    from prefect_drs.orchestration.approvals.form import KEYSET
    from prefect_drs.orchestration.approvals.gate import AutomaticGate, PrefectGate, answer_gate

    run_id = paused_gate(client, execution)
    for role in lost:
        client.delete_flow_run_input(run_id, KEYSET[role])
    with pytest.raises(UsageError, match=rf"has no form yet.*`prefect-drs resume {execution}` opens it again"):
        answer_gate(execution, 1, Decision.APPROVED, by="ada", clock=StepClock())

    if in_advance:
        answer: GateAnswer = AutomaticGate(by="ada").ask(request(execution))
    else:
        opened = threading.Event()
        waiting = beside(PrefectGate(on_waiting=lambda _: opened.set()).ask, request(execution))
        assert opened.wait(PATIENCE_SECONDS)
        answer_gate(execution, 1, Decision.APPROVED, by="ada")
        answer = waiting.result(timeout=PATIENCE_SECONDS)
    assert (answer.decision, answer.by) == (Decision.APPROVED, "ada")
    assert stored_answer(client, run_id) == (Decision.APPROVED, "ada")


def test_an_answer_given_between_the_pause_and_the_form_waits_for_the_form(
    execution: str, client: SyncPrefectClient
) -> None:
    from prefect_drs.orchestration.approvals.form import KEYSET, store_form
    from prefect_drs.orchestration.approvals.gate import answer_gate

    run_id = paused_gate(client, execution)
    client.delete_flow_run_input(run_id, KEYSET["schema"])

    class StoresTheForm(StepClock):
        def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
            store_form(client, run_id, "words")
            super().wait(seconds, wake)

    answer_gate(execution, 1, Decision.APPROVED, by="ada", clock=StoresTheForm())
    assert stored_answer(client, run_id) == (Decision.APPROVED, "ada")


@pytest.mark.parametrize("key", ["paused-approval-response", "paused-approval-response-copy"])
def test_an_unreadable_input_neither_counts_nor_hides_the_answer(
    key: str, execution: str, client: SyncPrefectClient
) -> None:
    from prefect_drs.orchestration.approvals.gate import answer_gate

    for wave, value in enumerate(UNREADABLE, start=1):
        run_id = paused_gate(client, execution, wave)
        client.create_flow_run_input(run_id, key, value)
        assert stored_answer(client, run_id) is None, value
        answer_gate(execution, wave, Decision.APPROVED, by="ada")
        assert stored_answer(client, run_id) == (Decision.APPROVED, "ada"), value


def test_a_readable_input_under_a_longer_key_is_no_answer(execution: str, client: SyncPrefectClient) -> None:
    from prefect_drs.orchestration.approvals.gate import answer_gate

    run_id = paused_gate(client, execution)
    client.create_flow_run_input(run_id, "paused-approval-response-old", '{"decision": "approve", "by": "mallory"}')
    assert stored_answer(client, run_id) is None
    answer_gate(execution, 1, Decision.REJECTED, by="grace")
    assert stored_answer(client, run_id) == (Decision.REJECTED, "grace")


def test_the_answer_is_found_among_more_inputs_than_the_api_gives_at_once(
    execution: str, client: SyncPrefectClient
) -> None:
    from prefect_drs.orchestration.approvals.gate import answer_gate

    run_id = paused_gate(client, execution)
    for number in range(201):
        client.create_flow_run_input(run_id, f"paused-approval-response-{number}", "{")
    answer_gate(execution, 1, Decision.REJECTED, by="grace")
    assert stored_answer(client, run_id) == (Decision.REJECTED, "grace")


def paused_by_the_function(execution_id: str) -> Any:
    """`pause_flow_run` as a flow would call it, with the gate's form."""
    from prefect import flow, pause_flow_run, tags

    from prefect_drs.orchestration.approvals.form import PAUSE_KEY, Approval

    @flow(name="paused-by-the-function", log_prints=False)
    def asks() -> Any:
        return pause_flow_run(
            wait_for_input=Approval.with_initial_data(description=request(execution_id).summary),
            timeout=int(request(execution_id).timeout.total_seconds()),
            poll_interval=1,
            key=PAUSE_KEY,
        )

    with tags(execution_id):
        return asks()


def paused_by_the_gate(execution_id: str) -> Any:
    from prefect import tags

    from prefect_drs.orchestration.approvals.gate import PrefectGate

    with tags(execution_id):
        return PrefectGate().ask(request(execution_id))


@dataclass(frozen=True)
class Pause:
    """What is stored of a pause: the state but for its times and ids, the inputs by their keys, the calls in order."""

    state: dict[str, Any]
    seconds: float
    inputs: dict[str, tuple[Any, str | None]]
    calls: list[str]
    answer: dict[str, tuple[Any, str | None]]


def observed(
    pause: Callable[[str], Any], client: SyncPrefectClient, beside: Beside, caplog: pytest.LogCaptureFixture
) -> Pause:
    """Pause, look at what is stored, answer, look at the answer."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags

    mark = str(uuid.uuid4())
    caplog.clear()
    waiting = beside(pause, mark)
    only_ours = FlowRunFilter(tags=FlowRunFilterTags(all_=[mark]))

    def inputs(run_id: uuid.UUID) -> dict[str, tuple[Any, str | None]]:
        stored = client.filter_flow_run_input(run_id, key_prefix="", limit=200, exclude_keys=set())
        return {one.key: (one.decoded_value, one.sender) for one in stored}

    def paused_run() -> Any:
        found = client.read_flow_runs(flow_run_filter=only_ours)
        return found[0] if found and found[0].state_name == "Paused" and len(inputs(found[0].id)) == 2 else None

    run = until(paused_run, "the run is paused with its form")
    stored, told = inputs(run.id), run.state.state_details
    client.resume_flow_run(run.id, run_input={"decision": "approve", "by": "ada", "comment": ""})
    waiting.result(timeout=PATIENCE_SECONDS)
    said = [record.getMessage() for record in caplog.records if record.name == "httpx"]
    posts = [re.search(rf"POST \S+/flow_runs/{run.id}/(set_state|input) ", line) for line in said]
    after = inputs(run.id)
    return Pause(
        state={
            "type": run.state.type,
            "name": run.state.name,
            **told.model_dump(exclude={"flow_run_id", "task_run_id", "pause_timeout", "transition_id"}),
        },
        seconds=(told.pause_timeout - run.state.timestamp).total_seconds(),
        inputs=stored,
        # Running, Paused, the form, and later the end
        calls=[post[1] for post in posts if post][1:4],
        answer={key: after[key] for key in after.keys() - stored.keys()},
    )


def test_a_gate_stores_what_pause_flow_run_stores_on_this_release_of_prefect(
    client: SyncPrefectClient, beside: Beside, caplog: pytest.LogCaptureFixture
) -> None:
    """The gate stores through the client what `pause_flow_run` stores, which a release may change."""
    from prefect_drs.orchestration.approvals.answers import GRACE

    caplog.set_level(logging.INFO, logger="httpx")
    function = observed(paused_by_the_function, client, beside, caplog)
    gate = observed(paused_by_the_gate, client, beside, caplog)
    assert gate.state == function.state
    assert gate.inputs == function.inputs
    assert gate.answer == function.answer
    assert function.answer.keys() == {"paused-approval-response"}
    assert gate.calls == function.calls == ["set_state", "input", "input"]
    assert abs(gate.seconds - function.seconds - GRACE.total_seconds()) < 2
