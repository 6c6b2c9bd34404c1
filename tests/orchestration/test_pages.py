"""The pages of an execution and its gates on a real Prefect server: from the start, updated, seldom, one of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import Queue
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilterKey, LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_drs.cli import main
from prefect_drs.core.clock import WallClock
from prefect_drs.core.errors import PreflightRefusedError
from prefect_drs.core.escaping import artifact_key
from prefect_drs.execution.events import GateAsked
from prefect_drs.orchestration.approvals.answers import answer_gate
from prefect_drs.orchestration.approvals.gate import PendingGate
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.executions.reports import read_artifacts
from prefect_drs.orchestration.flow.compile import compile_plan
from prefect_drs.orchestration.storage.artifacts import ReportPublisher, report_key
from prefect_drs.orchestration.storage.pages import PAGES_EVERY, RunPages
from prefect_drs.recovery.ports import Decision
from prefect_drs.report.model import ExecutionStatus
from prefect_drs.report.run_page import RunPage
from prefect_drs.report.situation import OpenGate
from tests.conftest import PrefectServer
from tests.e2e.rehearsal import until
from tests.http_proxy import Proxy, http_proxy
from tests.report.story import at, first_wave, runbook, started
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec, simulated_aws

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]

KNOWN_TYPES = {"markdown", "progress", "table", "image"}
"""The types that the run pages of both UIs render; they leave out `result` and show all others as UNKNOWN."""


@pytest.fixture
def rig(prefect_server: PrefectServer) -> Iterator[Rig]:
    with simulated_aws(speed=600) as rig:
        yield rig


@pytest.fixture
def proxy(prefect_server: PrefectServer) -> Iterator[Proxy]:
    with http_proxy(prefect_server.url) as proxy, temporary_settings({PREFECT_API_URL: f"{proxy.url}/api"}):
        yield proxy


def shown_at(flow_run_id: str | UUID) -> dict[str, Artifact]:
    """The artifacts that the UI lists on the page of a flow run, by key; each key once."""
    asked = {"flow_run_id": {"any_": [str(flow_run_id)]}, "type": {"not_any_": ["result"]}}
    with prefect_client() as client:
        answer = client.request("POST", "/artifacts/filter", json={"artifacts": asked, "sort": "ID_DESC"})
    found = Artifact.model_validate_list(answer.json())
    assert len({artifact.key for artifact in found}) == len(found)
    return {str(artifact.key): artifact for artifact in found}


def writes(proxy: Proxy) -> list[str]:
    return [
        method for method, path, _ in proxy.requests if method in {"POST", "PATCH"} and "/filter" not in path
    ]  # fmt: skip


def flow_run(id: str | UUID) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(UUID(str(id)))


def test_a_page_is_made_once_changed_in_place_and_left_alone_while_it_stays_the_same(proxy: Proxy) -> None:
    run, pages = uuid4(), {"a-report": RunPage("card", "text"), "a-waves": RunPage("card", "other")}
    ours = RunPages([run])
    with prefect_client() as client:
        ours.publish(client, pages, now=0.0)
        assert writes(proxy) == ["POST", "POST"]
        ours.publish(client, pages, now=20.0)
        assert writes(proxy) == ["POST", "POST"]
        RunPages([run]).publish(client, pages, now=0.0)  # of another process
        assert writes(proxy) == ["POST", "POST"]
        pages["a-report"] = RunPage("another card", "another text")
        RunPages([run]).publish(client, pages, now=0.0)
        assert writes(proxy) == ["POST", "POST", "PATCH"]
    found = shown_at(run)
    assert {key: (a.description, a.data) for key, a in found.items()} == {
        "a-report": ("another card", "another text"),
        "a-waves": ("card", "other"),
    }


def test_a_page_that_somebody_deleted_is_made_again() -> None:
    run = uuid4()
    ours = RunPages([run])
    with prefect_client() as client:
        ours.publish(client, {"a-report": RunPage("card", "text")}, now=0.0)
        client.delete_artifact(shown_at(run)["a-report"].id)
        ours.publish(client, {"a-report": RunPage("card", "new")}, now=20.0)
    assert shown_at(run)["a-report"].data == "new"


def test_the_next_version_waits_a_quarter_of_a_minute() -> None:
    pages = RunPages([])
    assert pages.seconds_left(now=100.0) == 0.0
    with prefect_client() as client:
        pages.publish(client, {}, now=100.0)
    assert pages.seconds_left(now=104.0) == PAGES_EVERY - 4.0
    assert pages.seconds_left(now=100.0 + PAGES_EVERY) == 0.0


def test_pages_wait_while_the_json_is_up_to_date_and_the_last_version_never_waits() -> None:
    execution_id, seconds = str(uuid4()), [0.0]
    key = artifact_key("Plan", "report")
    begin = started(runbook()).model_copy(update={"execution_id": execution_id})

    def card() -> str:
        found = shown_at(execution_id)
        return (found[key].description or "").splitlines()[0] if key in found else ""

    def gate_in_json() -> bool | None:
        data = read_artifacts(ArtifactFilterKey(any_=[report_key(execution_id)]), limit=1)[0].data
        return bool(json.loads(str(data))["waves"][1]["gateOpenedAt"]) or None

    with ReportPublisher(WallClock(), seconds=lambda: seconds[0]) as publisher:
        publisher.observe(begin)
        publisher.track_waves(runbook(), {})
        until(lambda: card() or None, "the first page")
        assert card() == "**Running**: nobody has to do anything"
        for event in (*first_wave()[1:], GateAsked(at=at(13), wave_number=2)):
            publisher.observe(event)
        until(gate_in_json, "the gate in the JSON")
        assert card() == "**Running**: nobody has to do anything"
        publisher.gate_opened(OpenGate(2, "Wave 2", at(13), at(73), None))  # its form is open: this does not wait
        until(lambda: card().startswith("**At a gate**") or None, "the gate on the page")
        publisher.suspend()
    assert card().startswith("**At a gate**: press Resume there")
    assert "It is suspended: no process is held" in str(shown_at(execution_id)[key].data)


def test_a_process_that_is_stopped_says_last_that_the_execution_has_none() -> None:
    execution_id = str(uuid4())

    def stopped() -> None:
        with ReportPublisher(WallClock()) as publisher:
            publisher.observe(started(runbook()).model_copy(update={"execution_id": execution_id}))
            publisher.gate_opened(OpenGate(2, "Wave 2", at(13), at(73), None))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    card = shown_at(execution_id)[artifact_key("Plan", "report")].description
    assert str(card).startswith(f"**No process carries it**: run `prefect-drs resume {execution_id}`\n")


def test_the_pages_are_there_at_a_gate_and_the_gate_says_what_it_launches(
    rig: Rig, beside: Callable[..., Future[Any]]
) -> None:
    manifest = rig.manifest({1: WaveSpec(2, gate=True)})
    opened: Queue[PendingGate] = Queue()
    drill = beside(compile_plan(manifest, on_waiting=opened.put), "drill")
    gate = opened.get(timeout=60)
    execution_id = gate.execution_id
    all_of_it = {"plan-report", "plan-waves", "plan-servers", "plan-wave-1"}
    pages = until(lambda: found if all_of_it <= (found := shown_at(execution_id)).keys() else None, "the pages")
    assert {str(artifact.type) for artifact in pages.values()} <= KNOWN_TYPES
    assert set(pages) == all_of_it
    assert "data:image/svg+xml;base64," in str(pages["plan-waves"].data)
    until(lambda: "**At a gate**" in str(shown_at(execution_id)["plan-report"].description) or None, "the gate")

    launches = f"2 drill instances in 1 job, {ACCOUNT}/{REGION}: w1-000, w1-001"
    prompt = (
        f"Waits for approval of wave 1 wave 1: {launches}. To answer: Resume on this page, or prefect-drs approve "
        f"{execution_id} --wave 1"
    )
    state = flow_run(gate.flow_run_id).state
    assert state is not None
    assert state.message == prompt
    page = until(lambda: shown_at(gate.flow_run_id).get("plan-gate-1"), "the gate's page")
    assert str(page.description).startswith("**Press Resume** to answer")
    assert f"Approving launches {launches}." in str(page.data)
    with get_client(sync_client=True) as client:
        logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[gate.flow_run_id])))
    assert prompt in {log.message for log in logs}

    answer_gate(execution_id, 1, Decision.APPROVED, "Ada")
    assert drill.result(timeout=60).status is ExecutionStatus.COMPLETED
    assert shown_at(gate.flow_run_id)["plan-gate-1"].description == "**Approved by Ada**"
    ended = shown_at(execution_id)
    assert set(ended) == set(pages)
    assert {key: ended[key].id for key in pages} == {key: pages[key].id for key in pages}, "changed in place"
    told = f"**COMPLETED** · to end the drill's instances: `prefect-drs terminate {execution_id}`"
    assert str(ended["plan-report"].description).splitlines()[0] == told
    assert str(ended["plan-servers"].data).count("LAUNCHED") == 2


def test_a_refused_preflight_says_so_on_the_page_and_in_status(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = rig.manifest({1: WaveSpec(1)})
    backend = rig.sandbox.backend(ACCOUNT, REGION)
    backend.stall_replication(backend.servers[manifest.protection_groups[0].source_server_ids[0]])
    compiled = compile_plan(manifest)
    state = compiled(mode="drill", return_state=True)
    with pytest.raises(PreflightRefusedError):
        state.result()
    run_id = state.state_details.flow_run_id
    page = shown_at(str(run_id))["plan-refused"]
    assert page.description == "**Preflight refused it**: 1 finding, nothing was launched"
    assert "- **NOT_REPLICATING**" in str(page.data)
    assert main(["status", str(run_id)]) == 2
    told = capsys.readouterr().err
    assert "has not started: its flow run is Failed" in told
    assert "NOT_REPLICATING" in told


def test_an_execution_completes_although_prefect_stores_no_artifact(rig: Rig, proxy: Proxy) -> None:
    refused = proxy.plant("POST", "refuse", path="/api/artifacts/", whole=True, times=10**6)
    report = compile_plan(rig.manifest({1: WaveSpec(1, gate=True)}))(mode="drill", approved_by="Ada")
    assert report.status is ExecutionStatus.COMPLETED
    assert refused.hits > 2
