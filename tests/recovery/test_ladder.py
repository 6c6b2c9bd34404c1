"""What becomes of servers that fail: tried again, done without, or their wave's end; and of checks that do not pass."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_drs.recovery.journal import FolderStorage, StoredJournal
from prefect_drs.report.model import ExecutionStatus
from tests.recovery.test_engine import statuses
from tests.rig import REGION, Rig, WaveSpec

CONTINUE = {"onServerFailure": "continue"}


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def open_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield int(listener.getsockname()[1])


def tcp(port: int) -> dict[str, object]:
    return {"type": "tcp", "port": port, "address": "127.0.0.1", "timeoutSeconds": 60, "intervalSeconds": 30}


def test_a_server_that_fails_once_is_launched_again_and_the_report_counts_both(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(3, policy={"retry": {"attempts": 1}}), 2: WaveSpec(1, (1,))})
    victim = runbook.wave(1).servers[0].source_server_id
    rig.sandbox.faults.fail_server(victim, times=1)
    report = rig.run(rig.engine(runbook))
    assert report.status is ExecutionStatus.COMPLETED
    attempts = {server.source_server_id: server.attempts for server in report.waves[0].servers}
    assert attempts.pop(victim) == 2
    assert set(attempts.values()) == {1}
    assert len(report.waves[0].jobs) == 2


def test_retries_come_to_an_end_and_then_the_failure_counts(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(2, policy={"retry": {"attempts": 2}}), 2: WaveSpec(1, (1,))})
    victim = runbook.wave(1).servers[0].source_server_id
    rig.sandbox.faults.fail_server(victim)
    report = rig.run(rig.engine(runbook))
    assert statuses(report) == {1: "FAILED", 2: "SKIPPED"}
    assert max(server.attempts for server in report.waves[0].servers) == 3


def test_a_wave_that_may_go_on_without_some_is_completed_and_the_execution_partial(rig: Rig) -> None:
    waves = {1: WaveSpec(4, policy={**CONTINUE, "minHealthyPercent": 75}), 2: WaveSpec(1, (1,))}
    runbook = rig.runbook(waves)
    victim = runbook.wave(1).servers[0].source_server_id
    rig.sandbox.faults.fail_server(victim)
    report = rig.run(rig.engine(runbook))
    assert statuses(report) == {1: "COMPLETED", 2: "COMPLETED"}
    assert report.status is ExecutionStatus.PARTIAL
    assert report.exit_code == 3
    assert victim in report.waves[0].reason


def test_too_few_healthy_servers_fail_the_wave_all_the_same(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(4, policy={**CONTINUE, "minHealthy": 3})})
    for server in runbook.wave(1).servers[:2]:
        rig.sandbox.faults.fail_server(server.source_server_id)
    report = rig.run(rig.engine(runbook))
    assert statuses(report) == {1: "FAILED"}


def test_missing_capacity_is_answered_with_another_instance_type(rig: Rig) -> None:
    policy = {"retry": {"attempts": 2, "instanceTypes": ["m5.large", "c5.xlarge"]}}
    waves = {1: WaveSpec(1, settings={"instanceType": "r6a.large"}, policy=policy)}
    for instance_type in ("r6a.large", "m5.large"):
        rig.sandbox.faults.add({"kind": "capacity", "instanceType": instance_type})
    report = rig.drill(waves)
    assert report.status is ExecutionStatus.COMPLETED
    server = report.waves[0].servers[0]
    assert server.attempts == 3
    ec2 = rig.sessions.client("ec2", region=REGION)
    found = ec2.describe_instances(InstanceIds=[server.recovery_instance_id or ""])
    assert found["Reservations"][0]["Instances"][0]["InstanceType"] == "c5.xlarge"


def test_a_retry_may_launch_from_an_older_point_in_time(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(1, policy={"retry": {"attempts": 1, "snapshot": "previous"}})})
    victim = runbook.wave(1).servers[0].source_server_id
    rig.sandbox.faults.fail_server(victim, times=1)
    report = rig.run(rig.engine(runbook))
    assert report.status is ExecutionStatus.COMPLETED
    reached = report.waves[0].servers[0].point_in_time
    drs = rig.sessions.client("drs", region=REGION)
    points = [item["timestamp"] for item in drs.describe_recovery_snapshots(sourceServerID=victim)["items"]]
    assert reached is not None
    assert f"{reached:%Y-%m-%dT%H:%M:%S}" in {point[:19] for point in sorted(points)[:-1]}


def test_a_retry_that_a_former_process_decided_on_is_carried_out_by_the_next(rig: Rig, tmp_path: Path) -> None:
    runbook = rig.runbook({1: WaveSpec(1, policy={"retry": {"attempts": 1}})})
    rig.sandbox.faults.fail_server(runbook.wave(1).servers[0].source_server_id, times=1)
    engine = rig.engine(runbook, journal=StoredJournal(FolderStorage(tmp_path), "exec-1"))
    engine.submit(1)
    while engine.report().waves[0].servers[0].attempts < 2:
        rig.clock.wait(engine.tick())
    report = rig.run(rig.engine(None, journal=StoredJournal(FolderStorage(tmp_path), "exec-1")))
    assert report.status is ExecutionStatus.COMPLETED
    assert report.waves[0].servers[0].attempts == 2


def test_a_wave_is_done_when_its_checks_pass_and_the_report_has_their_results(rig: Rig, open_port: int) -> None:
    checks = [{"type": "ec2Status", "timeoutSeconds": 600, "intervalSeconds": 30}, tcp(open_port)]
    report = rig.drill({1: WaveSpec(2, policy={"healthChecks": checks}), 2: WaveSpec(1, (1,))})
    assert report.status is ExecutionStatus.COMPLETED
    results = report.waves[0].checks
    assert [result.passed for result in results] == [True] * 4
    assert {result.type for result in results} == {"ec2Status", "tcp"}
    ended = max(result.ended_at for result in results)
    assert all(job.started_at >= ended for job in report.waves[1].jobs)


def test_a_check_that_does_not_pass_fails_the_wave_although_its_servers_are_up(rig: Rig, closed_port: int) -> None:
    report = rig.drill({1: WaveSpec(1, policy={"healthChecks": [tcp(closed_port)]}), 2: WaveSpec(1, (1,))})
    assert statuses(report) == {1: "FAILED", 2: "SKIPPED"}
    assert report.waves[0].launched == 1
    assert "tcp" in report.waves[0].reason
    assert {job["tags"]["prefect-drs:wave"] for job in rig.jobs()} == {"1"}


def test_a_hook_before_the_wave_that_fails_keeps_everything_from_being_launched(rig: Rig, closed_port: int) -> None:
    hook = {"type": "http", "url": f"http://127.0.0.1:{closed_port}/", "timeoutSeconds": 30, "intervalSeconds": 10}
    report = rig.drill({1: WaveSpec(1, policy={"preWave": [hook]})})
    assert statuses(report) == {1: "FAILED"}
    assert rig.jobs() == []
