"""Whole drills of plans, waves, servers and people with hostile names, on a real Prefect server and the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilterKey, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.sorting import TaskRunSort

from prefect_drs.core.errors import RecoveryNotCompletedError
from prefect_drs.core.escaping import artifact_key, aws_tag_value, one_line
from prefect_drs.orchestration.executions.reports import active_reports, read_artifacts, read_report
from prefect_drs.orchestration.flow.compile import compile_plan, compile_resume
from prefect_drs.plan.model import Manifest
from prefect_drs.report.model import ExecutionStatus
from tests.conftest import PrefectServer
from tests.core.test_escaping import shown
from tests.names import PRINTABLE
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec, simulated_aws

pytestmark = pytest.mark.usefixtures("prefect_server")

WAVES_AT_ONCE = 15
PAGES = ("waves", "servers", "report")


@pytest.fixture
def rig(prefect_server: PrefectServer) -> Iterator[Rig]:
    with simulated_aws(speed=600) as rig:
        yield rig


def named(manifest: Manifest, plan_name: str, waves: dict[int, str]) -> Manifest:
    """The manifest with other names for its plan and waves."""
    plan = manifest.plan(None)
    renamed = tuple(wave.model_copy(update={"wave_name": waves[wave.wave_number]}) for wave in plan.waves)
    described = {"plan_name": plan_name, "waves": renamed, "description": f"<b>{plan_name}</b>"}
    return manifest.model_copy(update={"recovery_plans": (plan.model_copy(update=described),)})


def names_in_prefect(execution_id: str) -> tuple[str, set[str]]:
    """What the flow run and its task runs are called."""
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(execution_id))
        tasks = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])),
            sort=TaskRunSort.END_TIME_DESC,
            limit=200,
        )
    return run.name, {task.name for task in tasks}


def markdown_artifacts(plan_name: str) -> dict[str, Any]:
    found = read_artifacts(ArtifactFilterKey(any_=[artifact_key(plan_name, page) for page in PAGES]))
    return {str(artifact.key): artifact.data for artifact in reversed(found)}  # the newest of each key


def test_a_drill_of_waves_with_hostile_names_completes_and_every_name_is_told_as_it_is(rig: Rig) -> None:
    plan_name, by = "Plan {prod} $(touch marker)", "O\"Brien {x} CORP\\tom <img src=x> '"
    waves = dict(enumerate([*PRINTABLE[:WAVES_AT_ONCE], "n" * 300], 1))
    specs = {number: WaveSpec(1, gate=number in {1, 11}) for number in waves}
    manifest = named(rig.manifest(specs), plan_name, waves)
    for server, name in zip(rig.sandbox.backend(ACCOUNT, REGION).servers.values(), waves.values(), strict=False):
        server.tags["Name"] = f"{name}\x1b[31m"

    report = compile_plan(manifest)(mode="drill", approved_by=by)

    assert report.status is ExecutionStatus.COMPLETED
    assert {wave.wave_number: wave.wave_name for wave in report.waves} == waves
    assert {wave.approval.by for wave in report.waves if wave.approval} == {by}
    assert read_report(report.execution_id) == report
    assert report.notifications.failed == ()
    run_name, task_names = names_in_prefect(report.execution_id)
    assert run_name == f"{plan_name} drill"
    assert set(waves.values()) <= task_names
    assert {job["tags"]["prefect-drs:plan"] for job in rig.jobs()} == {"Plan _prod_ __touch marker_"}
    pages = markdown_artifacts(plan_name)
    assert len(pages) == 3
    for text in pages.values():
        page = shown(text)
        assert not {"script", "a", "b", "img"} & set(page.elements)  # markdown-it shows no data: picture
    assert all(
        one_line(name) in " ".join(shown(pages[artifact_key(plan_name, "report")]).text.split())
        for name in waves.values()
    )


@pytest.mark.parametrize(
    "plan_name",
    ["'", '"', "}", "/%&<>", "n" * 260, "🚀" * 300, "{" * 300, "resume", "approve", "recover", "データ {0} 復旧"],
    ids=ascii,
)
def test_a_plan_of_any_name_is_drilled_and_its_jobs_carry_a_tag_that_aws_takes(rig: Rig, plan_name: str) -> None:
    manifest = named(rig.manifest({1: WaveSpec(1)}), plan_name, {1: plan_name})
    flow = compile_plan(manifest, plan_name)
    report = flow(mode="drill")
    assert report.status is ExecutionStatus.COMPLETED
    assert report.plan_name == plan_name
    assert names_in_prefect(report.execution_id)[0] == f"{plan_name} drill"
    (job,) = rig.jobs()
    assert job["tags"]["prefect-drs:plan"] == aws_tag_value(plan_name)
    assert len(markdown_artifacts(plan_name)) == 3
    assert shown(str(flow.description).partition("```mermaid")[0]).text.strip() == f"<b>{plan_name}</b>"


def test_an_execution_of_a_plan_with_hostile_names_is_resumed(rig: Rig) -> None:
    manifest = named(rig.manifest({1: WaveSpec(1), 2: WaveSpec(1, after=(1,))}), "{a} {b}", {1: "{0}", 2: "{x!r:>{y}}"})
    rig.sandbox.faults.fail_server(manifest.protection_groups[1].source_server_ids[0])
    with pytest.raises(RecoveryNotCompletedError, match="wave 2") as ended:
        compile_plan(manifest)(mode="drill")
    rig.sandbox.faults.clear()
    report = compile_resume(ended.value.report.execution_id)()
    assert report.status is ExecutionStatus.COMPLETED
    assert [wave.wave_name for wave in report.waves] == ["{0}", "{x!r:>{y}}"]


def test_an_execution_of_a_plan_whose_name_begins_like_a_resumed_run_is_seen_by_others(rig: Rig) -> None:
    seen: list[set[str]] = []

    def look(event: object) -> None:
        if type(event).__name__ == "JobStarted":
            with get_client(sync_client=True) as client:
                seen.append({report.plan_name for report in active_reports(client)})

    manifest = named(rig.manifest({1: WaveSpec(1), 2: WaveSpec(1, after=(1,))}), "resume blue", {1: "a", 2: "b"})
    compile_plan(manifest, observers=(look,))(mode="drill")
    assert "resume blue" in seen[-1]
