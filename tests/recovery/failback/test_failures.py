"""What goes wrong on the way back: each ends with a clear state, nothing is called twice, and `resume` goes on."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import PreflightRefusedError
from prefect_drs.execution.event import Event
from prefect_drs.report.lag import lag_line
from prefect_drs.report.model import RecoveryReport
from tests.recovery.failback.scene import ORIGIN, Scene, recovered_of
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec

TIERS = {1: WaveSpec(2), 2: WaveSpec(3, (1,))}


def calls(scene: Scene, operation: str) -> int:
    return sum(call.operation == operation and call.code != "ConflictException" for call in scene.rig.sandbox.calls)


def carried_out(scene: Scene, operation: str) -> list[dict[str, Any]]:
    """The parameters of the calls that DRS carried out, also where the answer was lost."""
    calls = scene.rig.sandbox.calls
    return [call.params for call in calls if call.operation == operation and call.code in {"", "lose-answer"}]


def errors(report: RecoveryReport) -> str:
    return " ".join(server.error or "" for wave in report.waves for server in wave.servers)


def once(kind: str, wave: int, do: Callable[[], Any]) -> Callable[[Event], None]:
    """An observer that does something at the first event of that kind and wave."""
    left = [do]

    def observe(event: Event) -> None:
        if event.kind == kind and getattr(event, "wave_number", None) == wave and left:
            left.pop()()

    return observe


def ways_back(scene: Scene) -> list[str]:
    return [
        server_id
        for server_id, each in scene.servers(scene.origin).items()
        if each["replicationDirection"] == "FAILBACK"
    ]


@pytest.mark.parametrize("effect", ["lose-answer", "time-out", "error", "throttle"])
@pytest.mark.parametrize("operation", ["ReverseReplication", "StopReplication", "TerminateRecoveryInstances"])
def test_a_lost_answer_of_a_step_is_read_and_nothing_is_called_twice(rig: Rig, operation: str, effect: str) -> None:
    scene = Scene(rig, TIERS, failback={"cleanUp": "terminate"})
    scene.recover()
    rig.sandbox.faults.add({"kind": "operation", "operation": operation, "effect": effect, "times": 2})
    report = scene.fail_back()
    assert report.status == "COMPLETED", report
    assert len(ways_back(scene)) == 5
    assert len(carried_out(scene, "ReverseReplication")) == 10  # each server once in each direction
    assert len(carried_out(scene, "StopReplication")) == 5
    terminated = [each["recoveryInstanceIDs"] for each in carried_out(scene, "TerminateRecoveryInstances")]
    assert len(set().union(*terminated)) == sum(map(len, terminated)) == 5


@pytest.mark.parametrize("effect", ["lose-answer", "time-out", "error", "throttle"])
def test_a_lost_answer_of_start_failback_launch_launches_nothing_twice(rig: Rig, effect: str) -> None:
    scene = Scene(rig, {1: WaveSpec(3)}, outside_aws=(1,), failback={"protectForward": False})
    scene.recover()
    for instance in scene.instances(scene.drs).values():
        rig.sandbox.backend(ACCOUNT, REGION).pair_failback_client(instance["recoveryInstanceID"])
    rig.sandbox.faults.add({"kind": "operation", "operation": "StartFailbackLaunch", "effect": effect, "times": 1})
    report = scene.fail_back()
    assert report.status == "COMPLETED", report
    jobs = [job for job in scene.jobs(scene.drs) if job["initiatedBy"] == "FAILBACK"]
    assert [len(job["participatingServers"]) for job in jobs] == [3]
    states = {each["failback"]["state"] for each in scene.instances(scene.drs).values()}
    assert states == {"FAILBACK_COMPLETED"}


@pytest.mark.parametrize("effect", ["lose-answer", "time-out", "error"])
def test_a_lost_answer_of_a_failback_launch_in_aws_launches_nothing_twice(rig: Rig, effect: str) -> None:
    scene = Scene(rig, TIERS)
    scene.recover()
    rig.sandbox.faults.add(
        {"kind": "operation", "operation": "StartRecovery", "region": ORIGIN, "effect": effect, "times": 1}
    )
    assert scene.fail_back().status == "COMPLETED"
    launched = [each["sourceServerID"] for job in scene.jobs(scene.origin) for each in job["participatingServers"]]
    assert len(launched) == len(set(launched)) == 5


def test_a_job_that_describe_jobs_does_not_tell_at_first_is_waited_for(rig: Rig) -> None:
    scene = Scene(rig, TIERS)
    scene.recover()
    rig.sandbox.faults.add(
        {"kind": "operation", "operation": "StartRecovery", "region": ORIGIN, "effect": "lose-answer"}
    )
    rig.sandbox.faults.add({"kind": "job", "region": ORIGIN, "invisibleSeconds": 90})
    assert scene.fail_back().status == "COMPLETED"
    assert len(scene.jobs(scene.origin)) == 2


def test_replication_that_stalls_on_the_way_back_fails_by_name_and_resume_goes_on(rig: Rig) -> None:
    scene = Scene(rig, TIERS)
    scene.recover()

    def stall() -> None:
        backend = rig.sandbox.backend(ACCOUNT, ORIGIN)
        for server_id in ways_back(scene)[:1]:
            backend.stall_replication(backend.servers[server_id])

    report = scene.fail_back(observers=(once("WaveStarted", 2, stall),))
    assert report.status == "FAILED"
    assert [wave.status for wave in report.waves] == ["COMPLETED", "FAILED", *["SKIPPED"] * 3]
    assert "is STALLED for 1:00:00; repair its replication, then resume the execution" in errors(report)
    assert scene.jobs(scene.origin) == []
    assert re.fullmatch(
        r"the replication lag when writes stopped was (at most .* \(w\d-\d{3}\)|zero); "
        r"1 of 5 servers have not caught up: w\d-\d{3}",
        lag_line(report) or "",
    )
    backend = rig.sandbox.backend(ACCOUNT, ORIGIN)
    backend.resume_replication(backend.servers[ways_back(scene)[0]])
    report = scene.resume()
    assert report.status == "COMPLETED", report
    assert report.waves[1].servers[0].lag_at_stop is not None
    assert str(lag_line(report)).endswith("all 5 servers have caught up since")


def test_replication_that_stalls_and_catches_up_in_time_is_only_waited_for(rig: Rig) -> None:
    scene = Scene(rig, TIERS, maxLag="PT2M")
    scene.recover()
    backend = rig.sandbox.backend(ACCOUNT, ORIGIN)

    def stall() -> None:
        backend.stall_replication(backend.servers[ways_back(scene)[0]])

    def recover() -> None:
        backend.resume_replication(backend.servers[ways_back(scene)[0]])

    report = scene.fail_back(observers=(once("WaveStarted", 2, stall), once("WaveDelayed", 2, recover)))
    assert report.status == "COMPLETED", report
    assert any("is STALLED" in delay for delay in report.waves[1].delays)


def test_a_stall_right_before_a_launch_holds_that_server_back(rig: Rig) -> None:
    scene = Scene(rig, {1: WaveSpec(2)})
    scene.recover()
    backend = rig.sandbox.backend(ACCOUNT, ORIGIN)
    stalled: list[str] = []

    def stall() -> None:
        stalled.append(ways_back(scene)[0])
        backend.stall_replication(backend.servers[stalled[0]])

    def recover() -> None:
        backend.resume_replication(backend.servers[stalled[0]])

    report = scene.fail_back(observers=(once("WaveStarted", 3, stall), once("WaveDelayed", 3, recover)))
    assert report.status == "COMPLETED", report
    assert any("its replication back is STALLED" in delay for delay in report.waves[2].delays)
    assert len(report.waves[2].jobs) == 2


@pytest.mark.parametrize("wave", [1, 2])
def test_a_recovery_instance_that_is_terminated_under_it_fails_by_name(rig: Rig, wave: int) -> None:
    scene = Scene(rig, {1: WaveSpec(2)})
    scene.recover()
    victim = next(iter(scene.instances(scene.drs).values()))["recoveryInstanceID"]

    def terminate() -> None:
        rig.sessions.client("ec2", region=REGION).terminate_instances(InstanceIds=[victim])

    report = scene.fail_back(observers=(once("WaveStarted", wave, terminate),))
    assert report.status == "FAILED"
    assert f"its recovery instance {victim} is gone" in errors(report)
    assert scene.jobs(scene.origin) == []
    again = scene.resume()
    assert again.status == "FAILED"  # it stays gone; a new failback without the server goes on
    victim_server = next(server.source_server_id for server in report.waves[0].servers if victim in errors(report))
    assert victim_server in scene.ids[1]


def test_a_source_region_that_is_down_is_waited_for(rig: Rig) -> None:
    rig.sessions = Sessions(attempts=1)  # what fails reaches the engine, without botocore's sleeps
    scene = Scene(rig, TIERS)
    scene.recover()

    def break_region() -> None:
        rig.sandbox.faults.add({"kind": "region", "region": ORIGIN, "forSeconds": 7200})

    report = scene.fail_back(observers=(once("WaveStarted", 1, break_region),))
    assert report.status == "COMPLETED", report
    assert any("cannot be read" in delay for delay in report.waves[0].delays)


def test_a_source_region_that_stays_down_fails_the_step_and_resume_goes_on(rig: Rig) -> None:
    rig.sessions = Sessions(attempts=1)  # what fails reaches the engine, without botocore's sleeps
    scene = Scene(rig, TIERS)
    scene.recover()

    def break_region() -> None:
        rig.sandbox.faults.add({"kind": "region", "region": ORIGIN, "forSeconds": 12 * 3600})

    report = scene.fail_back(observers=(once("WaveStarted", 2, break_region),))
    assert report.status == "FAILED"
    assert "DRS could not be read for 6:00:00" in errors(report)
    rig.clock.wait(12 * 3600)
    assert scene.resume().status == "COMPLETED"


def test_a_server_that_is_not_launched_back_keeps_its_recovery_instance(rig: Rig) -> None:
    policy = {"onServerFailure": "continue", "minHealthy": 1}
    scene = Scene(rig, {1: WaveSpec(2, policy=policy)}, failback={"cleanUp": "terminate"})
    scene.recover()
    kept: list[str] = []

    def fail_one() -> None:
        kept.append(ways_back(scene)[0])
        rig.sandbox.faults.add({"kind": "server", "server": kept[0], "stage": "launch"})

    report = scene.fail_back(observers=(once("WaveStarted", 2, fail_one),))
    assert report.status == "PARTIAL"
    left = scene.instances(scene.drs)
    assert len(left) == 1
    assert "so its recovery instance is left as it is" in errors(report)


def test_a_failback_that_failed_in_its_launches_is_carried_on(rig: Rig) -> None:
    scene = Scene(rig, {1: WaveSpec(2)}, failback={"cleanUp": "terminate"})
    scene.recover()

    def fail_one() -> None:
        rig.sandbox.faults.add({"kind": "server", "server": ways_back(scene)[0], "stage": "launch", "times": 1})

    report = scene.fail_back(observers=(once("WaveStarted", 2, fail_one),))
    assert report.status == "FAILED"
    assert len(scene.instances(scene.drs)) == 2  # nothing is cleaned up
    report = scene.resume()
    assert report.status == "COMPLETED", report
    assert sorted(server.attempts for server in report.waves[2].servers) == [1, 2]
    assert scene.instances(scene.drs) == {}


def test_an_instance_that_its_job_cannot_terminate_fails_by_name_and_is_terminated_by_a_resume(rig: Rig) -> None:
    scene = Scene(rig, {1: WaveSpec(2)}, failback={"cleanUp": "terminate"})
    scene.recover()
    ec2 = rig.sessions.client("ec2", region=REGION)
    protected = next(iter(scene.instances(scene.drs).values()))["ec2InstanceID"]
    ec2.modify_instance_attribute(InstanceId=protected, DisableApiTermination={"Value": True})
    report = scene.fail_back()
    assert report.status == "FAILED"
    assert "EC2's termination protection" in errors(report)
    assert calls(scene, "TerminateRecoveryInstances") == 1
    ec2.modify_instance_attribute(InstanceId=protected, DisableApiTermination={"Value": False})
    report = scene.resume()
    assert report.status == "COMPLETED", errors(report)
    assert scene.instances(scene.drs) == {}
    assert calls(scene, "TerminateRecoveryInstances") == 2


def test_instances_that_somebody_else_terminates_are_waited_for(rig: Rig) -> None:
    scene = Scene(rig, {1: WaveSpec(2)}, failback={"cleanUp": "terminate"})
    scene.recover()

    def terminate() -> None:
        ids = [each["recoveryInstanceID"] for each in scene.instances(scene.drs).values()]
        scene.drs.terminate_recovery_instances(recoveryInstanceIDs=ids)

    report = scene.fail_back(observers=(once("WaveStarted", 4, terminate),))
    assert report.status == "COMPLETED", errors(report)
    made = [call for call in rig.sandbox.calls if call.operation == "TerminateRecoveryInstances"]
    assert [call.code for call in made] == [""]


def test_all_faults_are_told_at_once_and_nothing_is_written(rig: Rig) -> None:
    scene = Scene(rig, {1: WaveSpec(4)})
    report = scene.recover()
    instances = scene.instances(scene.drs)
    stopped, gone, disconnected, again = scene.ids[1]
    ec2 = rig.sessions.client("ec2", region=REGION)
    ec2.stop_instances(InstanceIds=[instances[stopped]["recoveryInstanceID"]])
    ec2.terminate_instances(InstanceIds=[instances[gone]["recoveryInstanceID"]])
    scene.drs.disconnect_recovery_instance(recoveryInstanceID=instances[disconnected]["recoveryInstanceID"])
    scene.drs.start_recovery(sourceServers=[{"sourceServerID": again}], isDrill=False)
    rig.clock.wait(7200)
    before = len(rig.sandbox.calls)
    runbook = scene.runbook(recovered=recovered_of(report))
    with pytest.raises(PreflightRefusedError) as refused:
        runbook.require_accepted()
    codes = {finding.source_server_id: finding.code for finding in runbook.refusals}
    assert codes == {
        stopped: "FAILBACK_INSTANCE_NOT_RUNNING",
        gone: "FAILBACK_INSTANCE_GONE",
        disconnected: "FAILBACK_DISCONNECTED",
        again: "FAILBACK_LAUNCHED_AGAIN",
    }
    assert len(str(refused.value).splitlines()) == 5
    made = {call.operation for call in rig.sandbox.calls[before:]}
    assert {name for name in made if not name.startswith(("Describe", "Get", "List"))} == set()


def test_servers_that_were_never_recovered_and_origins_that_cannot_be_read_are_named(rig: Rig) -> None:
    scene = Scene(rig, TIERS)
    assert {finding.code for finding in scene.runbook().refusals} == {"FAILBACK_NO_INSTANCE"}
    scene.recover("drill")
    assert all("only drills have launched it" in finding.message for finding in scene.runbook().refusals)
    scene.recover()
    rig.sandbox.faults.add({"kind": "region", "region": ORIGIN})
    assert "NOT_CHECKED" in {finding.code for finding in scene.runbook().refusals}


def test_a_failback_that_was_done_is_not_begun_again(rig: Rig) -> None:
    scene = Scene(rig, TIERS, failback={"cleanUp": "terminate"})
    scene.recover()
    scene.fail_back()
    rig.clock.wait(timedelta(minutes=10).total_seconds())  # until the job of the clean-up has ended
    assert {finding.code for finding in scene.runbook().refusals} == {"FAILBACK_NO_INSTANCE"}


def test_a_failback_that_another_began_is_taken_up_without_reversing_again(rig: Rig) -> None:
    scene = Scene(rig, TIERS)
    scene.recover()
    for instance in scene.instances(scene.drs).values():
        scene.drs.reverse_replication(recoveryInstanceID=instance["recoveryInstanceID"])
    rig.clock.wait(timedelta(hours=2).total_seconds())
    assert scene.fail_back().status == "COMPLETED"
    assert calls(scene, "ReverseReplication") == 10
