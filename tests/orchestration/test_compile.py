"""A plan compiled and run on a real Prefect server, with DRS simulated in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from queue import Queue
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilterKey, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import TaskRun
from prefect.client.schemas.sorting import TaskRunSort
from prefect.flow_engine import run_flow
from prefect.states import Scheduled

from prefect_drs.core.errors import PreflightRefusedError, RecoveryNotCompletedError, UsageError
from prefect_drs.flows import recover
from prefect_drs.orchestration.approvals.answers import answer_gate
from prefect_drs.orchestration.approvals.gate import PendingGate
from prefect_drs.orchestration.executions.claims import others_than
from prefect_drs.orchestration.executions.reports import list_reports, read_artifacts, read_report
from prefect_drs.orchestration.flow.compile import compile_plan
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.recovery.journal import Journal
from prefect_drs.recovery.ports import Decision
from prefect_drs.report.model import ExecutionStatus, RecoveryReport
from tests.conftest import PrefectServer
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec, simulated_aws

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture
def rig(prefect_server: PrefectServer) -> Iterator[Rig]:
    with simulated_aws(speed=600) as rig:
        yield rig


def task_runs(execution_id: str) -> dict[str, TaskRun]:
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[UUID(execution_id)])),
            sort=TaskRunSort.END_TIME_DESC,
            limit=100,
        )
    return {run.name: run for run in runs}


def artifact_types(key_part: str) -> dict[str | None, str | None]:
    return {artifact.key: artifact.type for artifact in read_artifacts(ArtifactFilterKey(like_=f"%{key_part}%"))}


def test_a_drill_runs_as_one_flow_with_a_task_a_wave_and_leaves_report_and_artifacts(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(2), 2: WaveSpec(1, after=(1,), gate=True)})
    report = compile_plan(manifest, "plan")(mode="drill", approved_by="somebody")
    assert report.status is ExecutionStatus.COMPLETED
    approval = report.waves[1].approval
    assert approval is not None
    assert approval.by == "somebody"
    runs = task_runs(report.execution_id)
    assert {"wave 1", "wave 2"} <= set(runs)
    assert runs["wave 2"].task_inputs  # an edge of the graph, seen in the UI
    assert read_report(report.execution_id) == report
    assert report.execution_id in {other.execution_id for other in list_reports()}
    artifacts = artifact_types("plan-")
    assert artifacts["plan-waves"] == artifacts["plan-servers"] == artifacts["plan-report"] == "markdown"
    assert artifacts["plan-wave-1"] == "progress"


def test_an_execution_that_waits_at_a_gate_holds_its_servers_until_it_ends(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(1, gate=True)})
    opened: Queue[PendingGate] = Queue()
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(compile_plan(manifest, on_waiting=opened.put), mode="drill")
        execution_id = opened.get(timeout=60).execution_id
        deadline = time.monotonic() + 60
        while not any(other.execution_id == execution_id for other in others_than(None)):
            assert time.monotonic() < deadline, "its report was not published in time"
        assert execution_id not in {other.execution_id for other in others_than(execution_id)}
        (other,) = (other for other in others_than(None) if other.execution_id == execution_id)
        assert {launch.source_server_id for launch in other.pending} == other.source_server_ids
        with pytest.raises(PreflightRefusedError, match="SERVER_IN_OTHER_EXECUTION") as refused:
            compile_plan(manifest)(mode="drill", approved_by="somebody")
        assert execution_id in refused.value.message
        answer_gate(execution_id, 1, Decision.APPROVED, "somebody")
        assert first.result().status is ExecutionStatus.COMPLETED
    assert execution_id not in {other.execution_id for other in others_than(None)}


def test_a_failed_wave_fails_the_flow_and_its_dependents_never_start(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(1), 2: WaveSpec(2, after=(1,)), 3: WaveSpec(1, after=(2,))})
    rig.sandbox.faults.fail_server(manifest.group("g2-us-west-2").source_server_ids[0])
    with pytest.raises(RecoveryNotCompletedError, match="wave 2: FAILED") as ended:
        compile_plan(manifest)(mode="drill")
    report = ended.value.report
    assert [wave.status.value for wave in report.waves] == ["COMPLETED", "FAILED", "SKIPPED"]
    states = {name: run.state_name for name, run in task_runs(report.execution_id).items()}
    assert states["wave 2"] == "Failed"
    assert states["wave 3"] == "NotReady"
    assert {job["tags"]["prefect-drs:wave"] for job in rig.jobs()} == {"1", "2"}


def failing_drill(rig: Rig, **options: Any) -> tuple[Flow[..., RecoveryReport], str, Journal]:
    """A plan whose only server fails, carried out once: its flow, its execution and the journal."""
    manifest = rig.manifest({1: WaveSpec(1)})
    rig.sandbox.faults.fail_server(manifest.protection_groups[0].source_server_ids[0])
    compiled = compile_plan(manifest).with_options(**options)
    with pytest.raises(RecoveryNotCompletedError, match="wave 1: FAILED") as ended:
        compiled(mode="drill")
    return compiled, ended.value.report.execution_id, open_journal(ended.value.report.execution_id)


def test_a_retry_by_prefect_itself_ends_as_the_execution_did_and_launches_nothing(rig: Rig) -> None:
    _, execution_id, journal = failing_drill(rig, retries=1)
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(UUID(execution_id)).run_count == 2
    assert len(rig.jobs()) == 1
    assert [event.kind for event in journal.read()].count("ExecutionEnded") == 1
    assert read_report(execution_id).status is ExecutionStatus.FAILED


def test_a_retry_by_a_person_tries_again_what_failed_once(rig: Rig) -> None:
    compiled, execution_id, journal = failing_drill(rig)
    parameters = {"mode": "drill"}
    for _ in range(2):  # what a container does that is started again: the same ask, and no second heeding
        with get_client(sync_client=True) as client:
            run = client.read_flow_run(UUID(execution_id))
            if run.run_count == 1:  # what `prefect flow-run retry` does for a run without a deployment
                client.set_flow_run_state(run.id, Scheduled(message="Retried via CLI"), force=True)
            run = client.read_flow_run(run.id)
        with pytest.raises(RecoveryNotCompletedError):
            run_flow(compiled, flow_run=run, parameters=parameters)
        assert len(rig.jobs()) == 2
    assert [event.kind for event in journal.read()].count("ExecutionEnded") == 2


def test_of_four_that_start_at_the_same_moment_in_one_worker_one_launches(rig: Rig) -> None:
    manifest, together = rig.manifest({1: WaveSpec(2, gate=True), 2: WaveSpec(1, after=(1,))}), Barrier(4)
    opened: Queue[PendingGate] = Queue()

    def start(_: int) -> str:
        compiled = compile_plan(manifest, on_waiting=opened.put)
        together.wait()
        try:
            return str(compiled(mode="recovery").status)
        except PreflightRefusedError:
            return "refused"

    with ThreadPoolExecutor(4) as pool:
        started = [pool.submit(start, number) for number in range(4)]
        gate = opened.get(timeout=120)  # the winner holds the servers until the others were refused
        assert [done.result() for done in islice(as_completed(started), 3)] == ["refused"] * 3
        answer_gate(gate.execution_id, 1, Decision.APPROVED, "somebody")
        assert sorted(done.result() for done in started) == ["COMPLETED", "refused", "refused", "refused"]
    assert len(rig.jobs()) == 2


def test_a_retry_goes_on_by_the_journal_whatever_became_of_the_plan_file(rig: Rig, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    manifest = rig.manifest({1: WaveSpec(1)})
    victim = manifest.protection_groups[0].source_server_ids[0]
    group = {"groupName": "g", "region": REGION, "sourceServerIds": [victim]}
    wave = {"waveName": "w", "waveNumber": 1, "protectionGroupName": "g"}
    plans = [{"planName": "plan", "waves": [wave]}]
    file.write_text(json.dumps({"schemaVersion": "1.1", "protectionGroups": [group], "recoveryPlans": plans}))
    fault = rig.sandbox.faults.fail_server(victim)
    with pytest.raises(RecoveryNotCompletedError) as ended:
        recover(file)
    execution_id = ended.value.report.execution_id
    rig.sandbox.faults.remove(fault)
    file.write_text("no plan any more")
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(execution_id), Scheduled(message="Retried via CLI"), force=True)
        run = client.read_flow_run(UUID(execution_id))
    assert run.name == "recover plan.json drill"
    report = run_flow(recover, flow_run=run, parameters={"manifest": file})
    assert isinstance(report, RecoveryReport)
    assert (report.execution_id, report.status) == (execution_id, ExecutionStatus.COMPLETED)


def test_a_refused_preflight_fails_the_flow_before_any_job(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(1)})
    server = manifest.protection_groups[0].source_server_ids[0]
    backend = rig.sandbox.backend(ACCOUNT, REGION)
    backend.stall_replication(backend.servers[server])
    with pytest.raises(PreflightRefusedError, match="NOT_REPLICATING"):
        compile_plan(manifest)(mode="drill")
    assert rig.jobs() == []


def test_a_plan_that_is_not_there_is_named_with_those_that_are(rig: Rig) -> None:
    with pytest.raises(UsageError, match="plan"):
        compile_plan(rig.manifest({1: WaveSpec(1)}), "another")
