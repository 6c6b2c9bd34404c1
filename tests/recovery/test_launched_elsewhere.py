"""Launches that this execution did not make, and jobs that somebody deleted: nothing is launched twice for them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import FolderStorage, StoredJournal
from prefect_drs.report.model import ExecutionStatus, RecoveryReport
from tests.recovery.test_engine import statuses
from tests.rig import REGION, Rig, WaveSpec

RETRY = {"retry": {"attempts": 2}}


def journal(folder: Path) -> StoredJournal:
    return StoredJournal(FolderStorage(folder), "exec-1")


def launched_in_the_console(rig: Rig, *server_ids: str) -> str:
    """A drill that somebody starts by hand; followed to its end."""
    drs = rig.sessions.client("drs", region=REGION)
    job = drs.start_recovery(sourceServers=[{"sourceServerID": each} for each in server_ids], isDrill=True)["job"]
    rig.clock.wait(timedelta(hours=1).total_seconds())
    assert rig.jobs()[-1]["status"] == "COMPLETED"
    return str(job["jobID"])


def errors(report: RecoveryReport) -> dict[str, str | None]:
    return {server.name: server.error for wave in report.waves for server in wave.servers}


def tick(rig: Rig, engine: Engine, times: int) -> None:
    for _ in range(times):
        rig.clock.wait(engine.tick())


def test_a_server_that_somebody_launched_after_the_preflight_is_not_launched_again(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(2), 2: WaveSpec(1, (1,))})
    victim, other = (server.source_server_id for server in runbook.wave(1).servers)
    job_id = launched_in_the_console(rig, victim)
    report = rig.run(rig.engine(runbook))
    assert statuses(report) == {1: "FAILED", 2: "SKIPPED"}
    launched = [s["sourceServerID"] for job in rig.jobs() if job["tags"] for s in job["participatingServers"]]
    assert launched == [other]
    failed = next(s for s in report.waves[0].servers if s.source_server_id == victim)
    assert failed.error is not None
    assert job_id in failed.error
    assert "somebody else has launched it since the preflight" in failed.error


def test_it_is_not_launched_again_where_the_wave_would_try_again_either(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(1, policy=RETRY)})
    launched_in_the_console(rig, runbook.wave(1).servers[0].source_server_id)
    report = rig.run(rig.engine(runbook))
    assert report.status is ExecutionStatus.FAILED
    assert len(rig.jobs()) == 1


def test_a_launch_of_somebody_else_that_came_to_nothing_is_no_obstacle(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(1)})
    victim = runbook.wave(1).servers[0].source_server_id
    fault = rig.sandbox.faults.fail_server(victim, "conversion")
    launched_in_the_console(rig, victim)
    rig.sandbox.faults.remove(fault)
    assert rig.run(rig.engine(runbook)).status is ExecutionStatus.COMPLETED


def test_a_launch_from_before_the_preflight_is_no_obstacle(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(1)})
    launched_in_the_console(rig, manifest.protection_groups[0].source_server_ids[0])
    from prefect_drs.runbook import resolve

    runbook = resolve(manifest, manifest.plan(None), mode="drill", sessions=rig.sessions, clock=rig.clock)
    assert rig.run(rig.engine(runbook)).status is ExecutionStatus.COMPLETED


def test_a_server_launched_elsewhere_while_no_process_ran_is_not_launched_again(rig: Rig, tmp_path: Path) -> None:
    former = rig.engine(rig.runbook({1: WaveSpec(1), 2: WaveSpec(1, (1,))}), journal=journal(tmp_path))
    former.submit(1)
    tick(rig, former, 2)
    launched_in_the_console(rig, former.runbook.wave(2).servers[0].source_server_id)
    report = rig.run(rig.engine(None, journal=journal(tmp_path)))
    assert statuses(report) == {1: "COMPLETED", 2: "FAILED"}
    assert len(rig.jobs()) == 2


def delete_jobs(rig: Rig) -> None:
    drs = rig.sessions.client("drs", region=REGION)
    for job in rig.jobs():
        drs.delete_job(jobID=job["jobID"])


def test_a_job_deleted_while_no_process_ran_is_settled_by_its_recovery_instances(rig: Rig, tmp_path: Path) -> None:
    former = rig.engine(rig.runbook({1: WaveSpec(2), 2: WaveSpec(1, (1,))}), journal=journal(tmp_path))
    former.submit(1)
    tick(rig, former, 2)
    assert len(rig.jobs()) == 1
    rig.clock.wait(timedelta(hours=1).total_seconds())
    delete_jobs(rig)
    began = rig.clock.now()
    report = rig.run(rig.engine(None, journal=journal(tmp_path)))
    assert report.status is ExecutionStatus.COMPLETED
    assert all(server.recovery_instance_id for server in report.waves[0].servers)
    assert rig.clock.now() - began < timedelta(hours=1)


def test_a_server_of_a_deleted_job_that_did_not_come_up_fails_by_name(rig: Rig, tmp_path: Path) -> None:
    runbook = rig.runbook({1: WaveSpec(2, policy=RETRY)})
    victim = runbook.wave(1).servers[0]
    rig.sandbox.faults.fail_server(victim.source_server_id)
    former = rig.engine(runbook, journal=journal(tmp_path))
    former.submit(1)
    tick(rig, former, 2)
    rig.clock.wait(timedelta(hours=1).total_seconds())
    delete_jobs(rig)
    report = rig.run(rig.engine(None, journal=journal(tmp_path)))
    assert report.status is ExecutionStatus.FAILED
    assert [name for name, error in errors(report).items() if error] == [victim.name]
    assert "is not in DRS any more" in str(errors(report)[victim.name])
    assert rig.jobs() == []  # and it is not launched again


def test_a_launch_whose_answer_was_lost_and_whose_job_was_deleted_does_not_hold_the_execution_up(
    rig: Rig, tmp_path: Path
) -> None:
    runbook = rig.runbook({1: WaveSpec(1)})
    rig.sandbox.faults.add({"kind": "operation", "operation": "StartRecovery", "effect": "lose-answer", "times": 1})
    former = rig.engine(runbook, journal=journal(tmp_path))
    former.submit(1)
    former.tick()
    assert len(rig.jobs()) == 1
    rig.clock.wait(timedelta(hours=1).total_seconds())
    delete_jobs(rig)
    report = rig.run(rig.engine(None, journal=journal(tmp_path)))
    assert report.status is ExecutionStatus.FAILED
    assert "somebody else has launched it" in str(report.waves[0].servers[0].error)


def test_a_job_whose_tags_were_removed_is_followed_all_the_same(rig: Rig) -> None:
    engine = rig.engine(rig.runbook({1: WaveSpec(1)}))
    engine.submit(1)
    tick(rig, engine, 2)
    job = rig.jobs()[0]
    rig.sessions.client("drs", region=REGION).untag_resource(resourceArn=job["arn"], tagKeys=list(job["tags"]))
    assert rig.jobs()[0]["tags"] == {}
    assert rig.run(engine).status is ExecutionStatus.COMPLETED
    assert len(rig.jobs()) == 1
