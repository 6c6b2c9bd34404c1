"""Failbacks on the simulator, in virtual time: the way home and back into protection."""

from __future__ import annotations

from datetime import timedelta

from prefect_drs.execution.events import ExecutionStarted, StepAsked, WritesStopped
from prefect_drs.recovery.ports import Decision
from prefect_drs.report.lag import lag_line
from prefect_drs.report.markdown import report_summary
from prefect_drs.report.model import WaveStatus
from prefect_drs.report.picture import wave_graph_svg
from prefect_drs.report.run_page import plan_line
from prefect_drs.report.summary import ExecutionSummary
from tests.recovery.failback.scene import ORIGIN, Scene, recovered_of
from tests.rig import Answers, Rig, WaveSpec

TIERS = {1: WaveSpec(2), 2: WaveSpec(3, (1,))}


def calls(scene: Scene, operation: str) -> int:
    """Calls but those that DRS refused because a job had not ended."""
    return sum(call.operation == operation and call.code != "ConflictException" for call in scene.rig.sandbox.calls)


def test_servers_fail_back_in_the_reversed_order_and_are_protected_again(rig: Rig) -> None:
    scene = Scene(rig, TIERS, maxLag="PT5M", failback={"cleanUp": "terminate"})
    scene.recover()
    report = scene.fail_back()
    assert report.status == "COMPLETED"
    assert [wave.wave_name for wave in report.waves] == [
        "Protect in the other direction",
        "Stop writes",
        "Fail back: wave 2",
        "Fail back: wave 1",
        "Hand over and protect forward",
        "Clean up",
    ]
    jobs = sorted(scene.jobs(scene.origin), key=lambda job: job["creationDateTime"])
    assert [len(job["participatingServers"]) for job in jobs] == [3, 2]
    assert {job["tags"]["prefect-drs:execution"] for job in jobs} == {"failback-1"}
    assert calls(scene, "ReverseReplication") == 10  # each server once in each direction
    # The plan's own source servers replicate the failed-back instances; the recovery instances are gone.
    failed_back = {s.recovery_instance_id for w in report.waves[2:4] for s in w.servers}
    servers = scene.servers(scene.drs).values()
    assert {each["sourceProperties"]["identificationHints"]["awsInstanceID"] for each in servers} == failed_back
    assert {each["dataReplicationInfo"]["dataReplicationState"] for each in servers} == {"CONTINUOUS"}
    assert scene.instances(scene.drs) == {}


def test_a_second_cycle_recovers_and_fails_back_again(rig: Rig) -> None:
    scene = Scene(rig, TIERS, failback={"cleanUp": "terminate"})
    for cycle in (1, 2):
        scene.recover(execution_id=f"recovery-{cycle}")
        report = scene.fail_back(f"failback-{cycle}")
        assert report.status == "COMPLETED", report
        assert all(server.launched for wave in report.waves[2:4] for server in wave.servers)
        rig.clock.wait(timedelta(minutes=10).total_seconds())  # until the job of the clean-up has ended
    assert len(scene.jobs(scene.origin)) == 4
    assert len(scene.instances(scene.drs)) == 0


def test_the_report_says_the_lag_at_the_moment_writes_stopped(rig: Rig) -> None:
    scene = Scene(rig, TIERS)
    scene.recover()
    report = scene.fail_back()
    assert {server.lag_at_stop for server in report.waves[1].servers} == {"PT0S"}
    line = "the replication lag when writes stopped was zero; all 5 servers have caught up since"
    assert lag_line(report) == line
    assert line in report_summary(report)
    stopped = next(event for event in scene.journal.read() if isinstance(event, WritesStopped))
    assert set(stopped.lags) == {server_id for ids in scene.ids.values() for server_id in ids}
    launches = [job.started_at for wave in report.waves for job in wave.jobs]
    assert min(launches) - stopped.at >= timedelta(minutes=1)  # a reading that is younger than the stop has told so


def test_each_server_is_counted_once_though_every_step_names_it(rig: Rig) -> None:
    scene = Scene(rig, TIERS, failback={"cleanUp": "terminate"})
    scene.recover()
    report = scene.fail_back()
    runbook = next(event.runbook for event in scene.journal.read() if isinstance(event, ExecutionStarted))
    assert plan_line(runbook) == "Failback of plan: 5 servers in 2 waves, 4 other steps, 3 gates"
    summary = ExecutionSummary.of(report)
    assert (summary.servers, summary.launched) == (5, 5)
    assert [wave.done_word for wave in report.waves] == ["done", "done", "LAUNCHED", "LAUNCHED", "done", "done"]
    graph = wave_graph_svg(report, runbook)
    assert (graph.count("5/5 done"), graph.count("3/3 launched"), graph.count("2/2 launched")) == (4, 1, 1)


def test_the_gate_before_writes_stop_says_what_would_happen_and_a_rejection_launches_nothing(rig: Rig) -> None:
    scene = Scene(rig, TIERS)
    scene.recover()
    rig.answers = Answers({2: Decision.REJECTED}, rig.clock)
    report = scene.fail_back()
    assert report.status == "PARTIAL"
    assert [wave.status for wave in report.waves] == ["COMPLETED", *["CANCELLED"] * 4]
    assert scene.jobs(scene.origin) == []
    assert [request.wave_number for request in rig.answers.asked] == [2]


def test_own_failback_waves_keep_their_order_and_gates(rig: Rig) -> None:
    waves = [
        {"waveNumber": 1, "waveName": "all at once", "groups": ["g1", "g2"], "pauseBeforeWave": True},
    ]
    scene = Scene(rig, TIERS, failbackWaves=waves, failback={"protectForward": False})
    scene.recover()
    report = scene.fail_back()
    assert [wave.wave_name for wave in report.waves][2:] == ["all at once"]
    assert [request.wave_number for request in rig.answers.asked] == [2, 3]
    assert len(scene.jobs(scene.origin)) == 1


def test_a_drill_fails_back_as_a_rehearsal_and_nothing_is_protected_forward(rig: Rig) -> None:
    scene = Scene(rig, TIERS)
    drill = scene.recover("drill")
    runbook = scene.runbook(recovered=recovered_of(drill))
    assert {finding.code for finding in runbook.findings} == {"FAILBACK_IS_REHEARSAL"}
    report = scene.fail_back(runbook=runbook)
    assert report.status == "COMPLETED"
    assert [wave.wave_name for wave in report.waves][-1] == "Fail back: wave 1"
    assert {job["initiatedBy"] for job in scene.jobs(scene.origin)} == {"START_DRILL"}


def test_machines_outside_aws_wait_for_their_failback_client(rig: Rig) -> None:
    scene = Scene(rig, {1: WaveSpec(2)}, outside_aws=(1,))
    scene.recover()
    instances = [each["recoveryInstanceID"] for each in scene.instances(scene.drs).values()]
    engine_runbook = scene.runbook()
    assert [finding.code for finding in engine_runbook.findings] == ["FAILBACK_CLIENT_NEEDED"] * 2

    def boot_clients(event: object) -> None:
        if isinstance(event, type(event)) and getattr(event, "kind", "") == "WaveDelayed" and instances:
            rig.sandbox.backend("123456789012", "us-west-2").pair_failback_client(instances.pop())

    report = scene.fail_back(runbook=engine_runbook, observers=(boot_clients,))
    assert report.status == "COMPLETED", report
    assert calls(scene, "ReverseReplication") == 0
    assert calls(scene, "StartFailbackLaunch") == 1
    assert calls(scene, "StartRecovery") == 1  # the recovery's own


def test_one_job_holds_servers_of_one_kind(rig: Rig) -> None:
    """Where servers outside AWS are launched beside others in one region, each call launches its own kind."""
    scene = Scene(rig, TIERS, outside_aws=(1,))
    scene.recover()
    for server_id, instance in scene.instances(scene.drs).items():
        if server_id in scene.ids[1]:
            rig.sandbox.backend("123456789012", "us-west-2").pair_failback_client(instance["recoveryInstanceID"])
    report = scene.fail_back()
    assert report.status == "COMPLETED", report
    assert calls(scene, "StartFailbackLaunch") == 1
    assert len(scene.jobs(scene.origin)) == 1


def test_some_servers_alone_fail_back_and_the_others_are_named(rig: Rig) -> None:
    scene = Scene(rig, {1: WaveSpec(2, policy={"onServerFailure": "continue"})})
    scene.recover()
    left_out = scene.ids[1][0]
    report = scene.fail_back(runbook=scene.runbook(exclude={left_out: "stays in the recovery region"}))
    assert report.status == "COMPLETED"
    assert [each.source_server_id for each in report.waves[2].excluded] == [left_out]
    assert len(report.waves[0].servers) == 1
    assert scene.instances(scene.drs)[left_out]["failback"]["state"] == "FAILBACK_NOT_STARTED"


def test_a_cancel_calls_nothing_more(rig: Rig) -> None:
    scene = Scene(rig, TIERS)
    scene.recover()
    engine = rig.engine(scene.runbook().require_accepted(), "failback-1", scene.journal)
    engine.submit(1)
    engine.tick()
    assert calls(scene, "ReverseReplication") == 5
    engine.control.cancel("tester", "not today")
    report = rig.run(engine)
    assert report.status == "CANCELLED"
    assert {wave.status for wave in report.waves} == {WaveStatus.CANCELLED}
    assert scene.jobs(scene.origin) == []
    assert calls(scene, "ReverseReplication") == 5


def test_a_pause_holds_calls_back_until_it_ends(rig: Rig) -> None:
    scene = Scene(rig, TIERS)
    scene.recover()
    engine = rig.engine(scene.runbook().require_accepted(), "failback-1", scene.journal)
    engine.control.pause("tester")
    engine.submit(1)
    engine.tick()
    assert calls(scene, "ReverseReplication") == 0
    engine.control.resume("tester")
    assert rig.run(engine).status == "COMPLETED"
    asked = [event for event in scene.journal.read() if isinstance(event, StepAsked)]
    assert sum(len(event.source_server_ids) for event in asked if event.wave_number == 1) == 5


def test_the_origin_is_where_the_machines_came_from(rig: Rig) -> None:
    scene = Scene(rig, TIERS)
    scene.recover()
    assert {server.region for wave in scene.runbook().waves for server in wave.servers} == {ORIGIN}
