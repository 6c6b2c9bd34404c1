"""What the engine promises, on the simulator in virtual time: order, one launch a server, honest outcomes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import PreflightRefusedError, UsageError
from prefect_drs.recovery.ports import Decision
from prefect_drs.report.model import ExecutionStatus, RecoveryReport, WaveStatus
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec

DIAMOND = {1: WaveSpec(3), 2: WaveSpec(2, after=(1,)), 3: WaveSpec(2, after=(1,)), 4: WaveSpec(1, after=(2, 3))}


def statuses(report: RecoveryReport) -> dict[int, str]:
    return {wave.wave_number: wave.status.value for wave in report.waves}


def test_a_diamond_is_launched_in_order_and_its_branches_side_by_side(rig: Rig) -> None:
    report = rig.drill(DIAMOND)
    assert report.status is ExecutionStatus.COMPLETED
    assert all(server.launch_status == "LAUNCHED" for wave in report.waves for server in wave.servers)
    start = {wave.wave_number: min(job.started_at for job in wave.jobs) for wave in report.waves}
    end = {wave.wave_number: wave.ended_at for wave in report.waves}
    for wave in report.waves:
        for before in wave.depends_on_waves:
            launched = end[before]
            assert launched is not None
            assert launched <= start[wave.wave_number]
    assert start[2] < end[3]  # type: ignore[operator]
    assert start[3] < end[2]  # type: ignore[operator]


def test_every_job_in_drs_is_in_the_report_and_carries_the_tags(rig: Rig) -> None:
    report = rig.drill(DIAMOND)
    jobs = rig.jobs()
    assert {job["jobID"] for job in jobs} == {job.job_id for wave in report.waves for job in wave.jobs}
    for job in jobs:
        assert job["tags"]["prefect-drs:execution"] == "exec-1"
        assert job["tags"]["prefect-drs:plan"] == "plan"
        assert job["tags"]["prefect-drs:batch"].startswith(job["tags"]["prefect-drs:wave"])


def test_a_wave_of_230_servers_runs_as_three_jobs(rig: Rig) -> None:
    report = rig.drill({1: WaveSpec(230)})
    assert report.status is ExecutionStatus.COMPLETED
    sizes = [len(job.server_ids) for job in report.waves[0].jobs]
    assert len(sizes) == 3
    assert sum(sizes) == 230
    assert max(sizes) <= 100


def test_a_failed_server_fails_its_wave_and_its_dependents_are_skipped(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(2), 2: WaveSpec(2, after=(1,)), 3: WaveSpec(2, after=(2,)), 4: WaveSpec(1)})
    victim = runbook.wave(2).servers[0].source_server_id
    rig.sandbox.faults.fail_server(victim, "conversion")
    report = rig.run(rig.engine(runbook))
    assert statuses(report) == {1: "COMPLETED", 2: "FAILED", 3: "SKIPPED", 4: "COMPLETED"}
    assert report.status is ExecutionStatus.FAILED
    assert report.exit_code == 3
    failed = report.waves[1] if report.waves[1].wave_number == 2 else report.waves[2]
    assert victim in failed.reason
    assert "CONVERSION_FAIL" in failed.reason
    assert {job["tags"]["prefect-drs:wave"] for job in rig.jobs()} == {"1", "2", "4"}


def test_a_rejected_wave_and_its_dependents_are_cancelled_and_the_rest_goes_on(rig: Rig) -> None:
    rig.answers.answers = {2: Decision.REJECTED}
    report = rig.drill({1: WaveSpec(1), 2: WaveSpec(1, (1,), gate=True), 3: WaveSpec(1, (2,)), 4: WaveSpec(1, (1,))})
    assert statuses(report) == {1: "COMPLETED", 2: "CANCELLED", 3: "CANCELLED", 4: "COMPLETED"}
    assert report.status is ExecutionStatus.PARTIAL
    assert report.exit_code == 4
    approvals = {wave.wave_number: wave.approval for wave in report.waves}
    assert approvals[2] is not None
    assert (approvals[2].decision, approvals[2].by) == ("REJECTED", "tester")


def test_rejecting_the_first_wave_leaves_nothing_launched_and_the_status_cancelled(rig: Rig) -> None:
    rig.answers.answers = {1: Decision.TIMED_OUT}
    report = rig.drill({1: WaveSpec(1, gate=True), 2: WaveSpec(1, (1,))})
    assert report.status is ExecutionStatus.CANCELLED
    assert report.exit_code == 4
    assert rig.jobs() == []


def test_the_gate_form_names_the_servers_their_changes_and_what_has_run(rig: Rig) -> None:
    rig.drill({1: WaveSpec(1), 2: WaveSpec(1, (1,), gate=True, settings={"instanceType": "r6a.large"})})
    summary = rig.answers.asked[0].summary
    assert "w2-000" in summary
    assert "r6a.large" in summary
    assert "COMPLETED" in summary


def test_the_engine_refuses_a_wave_whose_dependencies_did_not_succeed(rig: Rig) -> None:
    engine = rig.engine(rig.runbook({1: WaveSpec(1), 2: WaveSpec(1, (1,))}))
    with pytest.raises(UsageError, match="depends on waves \\[1\\]"):
        engine.submit(2)


def test_launch_settings_are_the_default_version_when_the_job_starts(rig: Rig) -> None:
    settings = {"instanceType": "r6a.large", "launchDisposition": "STOPPED", "copyTags": True}
    report = rig.drill({1: WaveSpec(2, settings=settings)})
    assert report.status is ExecutionStatus.COMPLETED
    instances = [server.recovery_instance_id for server in report.waves[0].servers]
    reservations = Sessions().client("ec2", region=REGION).describe_instances(InstanceIds=instances)["Reservations"]  # type: ignore[arg-type]
    types = [i["InstanceType"] for r in reservations for i in r["Instances"]]
    assert types == ["r6a.large", "r6a.large"]


def test_two_regions_are_watched_and_launched_side_by_side(rig: Rig) -> None:
    report = rig.drill({1: WaveSpec(2, regions=(REGION, "eu-west-1"))})
    assert report.status is ExecutionStatus.COMPLETED
    assert {job.region for job in report.waves[0].jobs} == {REGION, "eu-west-1"}


def test_a_server_that_does_not_replicate_refuses_the_execution(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(1)})
    server = rig.sandbox.backend(ACCOUNT, REGION).seed_source_server(
        hostname="stalled",
        ram_bytes=2**30,
        cpus=1,
        disks=[{"deviceName": "/dev/sda1", "bytes": 2**30}],
        replication_state="STALLED",
    )
    data = manifest.model_dump(by_alias=True)
    data["protectionGroups"][0]["sourceServerIds"] = [server.server_id, "s-" + "0" * 17]
    from prefect_drs.plan.model import Manifest
    from prefect_drs.runbook import resolve

    broken = Manifest.model_validate(data)
    runbook = resolve(broken, broken.plan(None), mode="drill", sessions=rig.sessions, clock=rig.clock)
    assert {finding.code for finding in runbook.refusals} == {"NOT_REPLICATING", "SERVER_NOT_FOUND"}
    with pytest.raises(PreflightRefusedError):
        rig.engine(runbook)
    assert rig.jobs() == []


def test_a_lost_answer_is_looked_for_and_nothing_is_launched_twice(rig: Rig) -> None:
    rig.sandbox.faults.add({"kind": "operation", "operation": "StartRecovery", "effect": "lose-answer", "times": 1})
    report = rig.drill({1: WaveSpec(3), 2: WaveSpec(1, (1,))})
    assert report.status is ExecutionStatus.COMPLETED
    assert launches_a_server(rig.jobs()) == {1}


def launches_a_server(jobs: list[dict[str, Any]]) -> set[int]:
    counts: dict[str, int] = {}
    for job in jobs:
        for server in job["participatingServers"]:
            counts[server["sourceServerID"]] = counts.get(server["sourceServerID"], 0) + 1
    return set(counts.values())


def test_times_in_the_report_are_in_order(rig: Rig) -> None:
    report = rig.drill({1: WaveSpec(1)})
    wave = report.waves[0]
    moments: list[datetime | None] = [
        report.started_at,
        wave.started_at,
        wave.jobs[0].started_at,
        wave.ended_at,
        report.ended_at,
    ]
    assert None not in moments
    assert moments == sorted(moments)  # type: ignore[type-var]
    assert wave.status is WaveStatus.COMPLETED
