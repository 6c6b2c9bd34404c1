"""An execution that is taken up in a new process goes on from where the journal and AWS stand."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.kill_stops import SkewedClock
from prefect_drs.core.errors import UsageError
from prefect_drs.recovery.drivers import run_plainly
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import FencedError, FolderStorage, StoredJournal
from prefect_drs.recovery.ports import Decision, GateAnswer, GateRequest
from prefect_drs.report.model import ExecutionStatus
from prefect_drs.runbook import Runbook
from tests.recovery.test_engine import DIAMOND, launches_a_server, statuses
from tests.rig import REGION, Rig, WaveSpec


def journal(folder: Path) -> StoredJournal:
    return StoredJournal(FolderStorage(folder), "exec-1", holder="test")


def test_a_run_that_stopped_half_way_is_carried_to_its_end_and_nothing_is_launched_twice(
    rig: Rig, tmp_path: Path
) -> None:
    engine = rig.engine(rig.runbook(DIAMOND), journal=journal(tmp_path))
    engine.submit(1)
    for _ in range(4):
        rig.clock.wait(engine.tick())
    report = rig.run(rig.engine(None, journal=journal(tmp_path)))
    assert report.status is ExecutionStatus.COMPLETED
    assert launches_a_server(rig.jobs()) == {1}
    assert len(rig.jobs()) == 4


def test_an_approval_given_before_the_stop_is_not_asked_for_again(rig: Rig, tmp_path: Path) -> None:
    waves = {1: WaveSpec(1, gate=True), 2: WaveSpec(1, (1,), gate=True)}
    engine = rig.engine(rig.runbook(waves), journal=journal(tmp_path))
    from prefect_drs.recovery.drivers import pass_gate

    assert pass_gate(engine, rig.answers, 1, clock=rig.clock)
    rig.run(rig.engine(None, journal=journal(tmp_path)))
    assert [request.wave_number for request in rig.answers.asked] == [1, 2]


def test_the_former_process_is_fenced_and_launches_nothing_more(rig: Rig, tmp_path: Path) -> None:
    former = rig.engine(rig.runbook({1: WaveSpec(1), 2: WaveSpec(1)}), journal=journal(tmp_path))
    rig.engine(None, journal=journal(tmp_path))
    former.submit(1)
    with pytest.raises(FencedError):
        former.tick()
    assert rig.jobs() == []


def test_carrying_on_an_ended_execution_tries_again_what_failed_and_only_that(rig: Rig, tmp_path: Path) -> None:
    runbook = rig.runbook({1: WaveSpec(2), 2: WaveSpec(2, (1,)), 3: WaveSpec(1, (2,))})
    victim = runbook.wave(2).servers[0].source_server_id
    fault = rig.sandbox.faults.fail_server(victim)
    failed = rig.run(rig.engine(runbook, journal=journal(tmp_path)))
    assert statuses(failed) == {1: "COMPLETED", 2: "FAILED", 3: "SKIPPED"}
    rig.sandbox.faults.remove(fault)
    report = rig.run(rig.engine(None, journal=journal(tmp_path)))
    assert report.status is ExecutionStatus.COMPLETED
    attempts = {server.source_server_id: server.attempts for wave in report.waves for server in wave.servers}
    assert attempts.pop(victim) == 2
    assert set(attempts.values()) == {1}


def test_a_cancelled_execution_launches_nothing_more_and_watches_what_runs(rig: Rig) -> None:
    engine = rig.engine(rig.runbook({1: WaveSpec(2), 2: WaveSpec(1, (1,)), 3: WaveSpec(1)}))
    engine.submit(1)
    rig.clock.wait(engine.tick())
    rig.clock.wait(engine.tick())
    engine.control.cancel("somebody", "wrong region")
    report = rig.run(engine)
    assert statuses(report) == {1: "COMPLETED", 2: "CANCELLED", 3: "CANCELLED"}
    assert report.status is ExecutionStatus.PARTIAL
    assert report.exit_code == 4
    assert {job["jobID"] for job in rig.jobs()} == {job.job_id for wave in report.waves for job in wave.jobs}
    assert "cancelled by somebody: wrong region" in {wave.reason for wave in report.waves}


def test_a_held_execution_launches_nothing_until_it_is_released(rig: Rig) -> None:
    engine = rig.engine(rig.runbook({1: WaveSpec(1)}))
    engine.control.pause("somebody")
    engine.submit(1)
    for _ in range(5):
        rig.clock.wait(engine.tick())
    assert rig.jobs() == []
    engine.control.resume("somebody")
    assert rig.run(engine).status is ExecutionStatus.COMPLETED


def test_a_rejection_stays_when_the_execution_is_carried_on(rig: Rig, tmp_path: Path) -> None:
    rig.answers.answers = {1: Decision.REJECTED}
    runbook = rig.runbook({1: WaveSpec(1, gate=True)})
    rig.run(rig.engine(runbook, journal=journal(tmp_path)))
    rig.answers.answers = {}  # whoever is asked again would approve
    report = rig.run(rig.engine(None, journal=journal(tmp_path)))
    assert report.status is ExecutionStatus.CANCELLED
    assert len(rig.answers.asked) == 1
    assert rig.jobs() == []


def test_a_gate_that_timed_out_is_asked_again_when_the_execution_is_carried_on(rig: Rig, tmp_path: Path) -> None:
    rig.answers.answers = {1: Decision.TIMED_OUT}
    rig.run(rig.engine(rig.runbook({1: WaveSpec(1, gate=True)}), journal=journal(tmp_path)))
    rig.answers.answers = {}
    report = rig.run(rig.engine(None, journal=journal(tmp_path)))
    assert report.status is ExecutionStatus.COMPLETED
    assert len(rig.answers.asked) == 2


@pytest.mark.parametrize("decision", [Decision.REJECTED, Decision.TIMED_OUT])
def test_a_refusal_noted_just_before_the_stop_is_not_asked_for_again(
    rig: Rig, tmp_path: Path, decision: Decision
) -> None:
    engine = rig.engine(rig.runbook({1: WaveSpec(1, gate=True)}), journal=journal(tmp_path))
    engine.gate_asked(1, rig.clock.now() + timedelta(hours=1))
    engine.gate_answered(1, GateAnswer(decision, "tester", rig.clock.now()))
    report = rig.run(rig.engine(None, journal=journal(tmp_path)))
    assert rig.answers.asked == []
    assert report.status is ExecutionStatus.CANCELLED
    assert rig.jobs() == []


TWO_REGIONS = WaveSpec(2, regions=(REGION, "eu-west-1"))


def half_launched(rig: Rig, engine: Engine, *, ticks: int = 5) -> str:
    """Carry wave 1 so far that its part in one region is under way, while the other refuses; the fault's id."""
    fault = rig.sandbox.faults.add(
        {"kind": "operation", "operation": "StartRecovery", "region": "eu-west-1", "effect": "throttle"}
    )
    engine.submit(1)
    for _ in range(ticks):
        rig.clock.wait(engine.tick())
    assert len(rig.jobs(REGION)) == 1
    assert rig.jobs("eu-west-1") == []
    return fault


def test_a_server_that_failed_before_the_stop_keeps_nobody_else_of_its_wave_from_being_launched(
    rig: Rig, tmp_path: Path
) -> None:
    runbook = rig.runbook({1: TWO_REGIONS, 2: WaveSpec(1, (1,))})
    victim = next(server.source_server_id for server in runbook.wave(1).servers if server.region == REGION)
    rig.sandbox.faults.fail_server(victim, "snapshot")
    former = rig.engine(runbook, journal=journal(tmp_path))
    fault = half_launched(rig, former, ticks=60)
    assert victim in {s.source_server_id for s in former.report().waves[0].servers if s.launch_status == "FAILED"}
    rig.sandbox.faults.remove(fault)
    report = rig.run(rig.engine(None, journal=journal(tmp_path)))
    assert statuses(report) == {1: "FAILED", 2: "SKIPPED"}
    launched = {s.source_server_id for s in report.waves[0].servers if s.launch_status == "LAUNCHED"}
    assert launched == {server.source_server_id for server in runbook.wave(1).servers} - {victim}


def test_a_wave_under_way_when_the_execution_was_cancelled_is_watched_to_its_end_by_the_next_process_too(
    rig: Rig, tmp_path: Path
) -> None:
    former = rig.engine(rig.runbook({1: WaveSpec(2), 2: WaveSpec(1, (1,))}), journal=journal(tmp_path))
    former.submit(1)
    rig.clock.wait(former.tick())
    rig.clock.wait(former.tick())
    former.control.cancel("somebody")
    report = rig.run(rig.engine(None, journal=journal(tmp_path)))
    assert statuses(report) == {1: "COMPLETED", 2: "CANCELLED"}
    assert {job["jobID"] for job in rig.jobs()} == {job.job_id for wave in report.waves for job in wave.jobs}


def test_after_a_cancel_nothing_more_of_a_wave_is_launched_though_part_of_it_runs(rig: Rig) -> None:
    engine = rig.engine(rig.runbook({1: TWO_REGIONS}))
    fault = half_launched(rig, engine)
    engine.control.cancel("somebody")
    rig.sandbox.faults.remove(fault)
    report = rig.run(engine)
    assert rig.jobs("eu-west-1") == []
    assert statuses(report) == {1: "CANCELLED"}
    assert sorted(server.launch_status for server in report.waves[0].servers) == ["LAUNCHED"] * 2 + ["PENDING"] * 2


@pytest.mark.parametrize("over", range(5))
def test_a_cancel_at_any_wave_boundary_leaves_no_job_that_the_report_does_not_name(rig: Rig, over: int) -> None:
    engine = rig.engine(rig.runbook(DIAMOND))
    handed_over: set[int] = set()

    def drive() -> None:
        for wave in engine.runbook.waves:
            ready = all(engine.status(n).value == "COMPLETED" for n in wave.depends_on_waves)
            if ready and wave.wave_number not in handed_over:
                handed_over.add(wave.wave_number)
                engine.submit(wave.wave_number)
        rig.clock.wait(engine.tick())

    while sum(engine.status(n).over for n in DIAMOND) < over:
        drive()
    engine.control.cancel("somebody")
    report = rig.run(engine)
    jobs = rig.jobs()
    assert {job["jobID"] for job in jobs} == {job.job_id for wave in report.waves for job in wave.jobs}
    assert all(job["status"] == "COMPLETED" for job in jobs)
    assert all(wave.status.over for wave in report.waves)
    if over == 0:
        assert jobs == []


@pytest.mark.parametrize("ahead", [300.0, -300.0])
def test_a_launch_without_an_answer_is_waited_for_though_the_next_process_has_another_clock(
    rig: Rig, tmp_path: Path, ahead: float
) -> None:
    fault = rig.sandbox.faults.add({"kind": "operation", "operation": "StartRecovery", "effect": "time-out"})
    former = rig.engine(rig.runbook({1: WaveSpec(2)}), journal=journal(tmp_path))
    former.submit(1)
    rig.clock.wait(former.tick())
    rig.clock.wait(former.tick())
    rig.sandbox.faults.remove(fault)
    asked = [call.at for call in rig.sandbox.calls if call.operation == "StartRecovery"]
    assert len(asked) == 1
    rig.clock = SkewedClock(rig.clock, ahead)
    report = rig.run(rig.engine(None, journal=journal(tmp_path)))
    again = [call.at for call in rig.sandbox.calls if call.operation == "StartRecovery"][1:]
    assert [at - asked[0] >= timedelta(minutes=2) for at in again] == [True]
    assert report.status is ExecutionStatus.COMPLETED


def test_a_job_that_was_found_counts_once_though_its_log_cannot_be_read_at_first(rig: Rig, tmp_path: Path) -> None:
    runbook = rig.runbook({1: WaveSpec(1)})
    rig.sandbox.faults.fail_server(runbook.wave(1).servers[0].source_server_id, "snapshot")
    rig.sandbox.faults.add({"kind": "operation", "operation": "StartRecovery", "effect": "lose-answer", "times": 1})
    former = rig.engine(runbook, journal=journal(tmp_path))
    former.submit(1)
    rig.clock.wait(former.tick())
    assert len(rig.jobs()) == 1
    rig.clock.advance(3600)
    rig.sandbox.faults.add(
        {"kind": "operation", "operation": "DescribeJobLogItems", "effect": "error", "code": "AccessDeniedException",
         "times": 2}
    )  # fmt: skip
    engine = rig.engine(None, journal=journal(tmp_path))
    for _ in range(40):  # a run to the end might never come to it
        rig.clock.wait(engine.tick())
    report = engine.report()
    assert [server.attempts for server in report.waves[0].servers] == [1]
    assert statuses(report) == {1: "FAILED"}


def test_an_execution_that_has_ended_is_reopened_once_for_each_run_request(rig: Rig, tmp_path: Path) -> None:
    runbook = rig.runbook({1: WaveSpec(1)})
    rig.sandbox.faults.fail_server(runbook.wave(1).servers[0].source_server_id)
    rig.run(rig.engine(runbook, journal=journal(tmp_path), run_request="the flow run"))
    for processed in ("the flow run", "exec-1"):  # the id of an execution is that of its own flow run
        with pytest.raises(UsageError, match="prefect-drs resume exec-1"):
            rig.engine(None, journal=journal(tmp_path), run_request=processed)
    assert len(rig.jobs()) == 1
    rig.run(rig.engine(None, journal=journal(tmp_path), run_request="somebody's retry"))
    with pytest.raises(UsageError, match="has ended"):
        rig.engine(None, journal=journal(tmp_path), run_request="somebody's retry")
    assert len(rig.jobs()) == 2


class DiesWaiting:
    """A gate whose process dies while it waits."""

    def ask(self, request: GateRequest) -> GateAnswer:
        raise KeyboardInterrupt


def test_a_gate_keeps_its_deadline_however_often_the_execution_is_resumed(rig: Rig, tmp_path: Path) -> None:
    runbook: Runbook | None = rig.runbook({1: WaveSpec(1, gate=True)})
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_plainly(
                rig.engine(runbook, journal=journal(tmp_path)), DiesWaiting(), rig.clock, timeout=timedelta(hours=1)
            )
        runbook = None
        rig.clock.advance(40 * 60)
    rig.answers.answers = {1: Decision.TIMED_OUT}
    rig.run(rig.engine(None, journal=journal(tmp_path)))
    assert [request.timeout for request in rig.answers.asked] == [timedelta()]
    rig.run(rig.engine(None, journal=journal(tmp_path)))  # it had ended; what timed out is asked anew
    assert rig.answers.asked[1].timeout == timedelta(hours=1)
