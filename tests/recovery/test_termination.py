"""Terminating one execution's recovery instances: only its own, once it is over, each asked for once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from prefect_drs.execution.events import Event
from prefect_drs.execution.view import report_of
from prefect_drs.recovery.instances import Found, TerminationRefusedError, find_instances
from prefect_drs.recovery.journal import MemoryJournal
from prefect_drs.recovery.launch.lost_answers import VISIBILITY
from prefect_drs.recovery.launch.packing import Limits
from prefect_drs.recovery.termination import TerminationOutcome, TerminationResult, terminate, unanswered_in
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec


def standing(rig: Rig, region: str = REGION) -> dict[str, str]:
    """Recovery instances as plain boto3 reads them: id to the job that launched each."""
    drs = rig.sessions.client("drs", region=region)
    pages = drs.get_paginator("describe_recovery_instances").paginate()
    return {item["recoveryInstanceID"]: item["jobID"] for page in pages for item in page["items"]}


def calls(rig: Rig) -> list[Any]:
    return [call for call in rig.sandbox.calls if call.operation == "TerminateRecoveryInstances"]


def end(rig: Rig, found: Found, events: list[Event] | None = None, **more: Any) -> TerminationResult:
    record = (events if events is not None else []).append
    return terminate(found, rig.sessions, rig.clock, record, by="tester", **more)


def outcomes(result: TerminationResult) -> set[TerminationOutcome]:
    return {instance.outcome for instance in result.instances}


def test_every_instance_of_a_drill_is_terminated_and_told(rig: Rig) -> None:
    report = rig.drill({1: WaveSpec(3, regions=(REGION, "eu-west-1")), 2: WaveSpec(2, (1,))})
    events: list[Event] = []
    result = end(rig, find_instances(report, rig.sessions), events)
    assert standing(rig) == standing(rig, "eu-west-1") == {}
    assert outcomes(result) == {TerminationOutcome.TERMINATED}
    assert len(result.instances) == 8
    assert result.exit_code == 0
    assert all(instance.job_id for instance in result.instances)
    assert len(calls(rig)) == 2
    assert [event.kind for event in events] == [
        "TerminationAsked", "TerminationStarted", "TerminationAsked", "TerminationStarted",
        *["InstancesTerminated"] * (len(events) - 4),
    ]  # fmt: skip


def test_a_second_time_finds_all_gone_and_asks_for_nothing(rig: Rig) -> None:
    report = rig.drill({1: WaveSpec(2)})
    end(rig, find_instances(report, rig.sessions))
    result = end(rig, find_instances(report, rig.sessions))
    assert outcomes(result) == {TerminationOutcome.ALREADY_GONE}
    assert result.exit_code == 0
    assert len(calls(rig)) == 1


def test_what_somebody_else_launched_of_the_same_servers_later_is_left_alone(rig: Rig) -> None:
    report = rig.drill({1: WaveSpec(2)})
    server = report.waves[0].servers[0].source_server_id
    drs = rig.sessions.client("drs", region=REGION)
    foreign = drs.start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)["job"]["jobID"]
    rig.clock.wait(7200)
    found = find_instances(report, rig.sessions)
    result = end(rig, found)
    assert list(standing(rig).values()) == [foreign]
    assert len(result.instances) == 2
    assert [instance.job_id for instance in found.left_alone] == [foreign]
    assert result.to_json()["leftAlone"][0]["launchedByJobId"] == foreign


def test_an_execution_that_is_not_over_is_refused(rig: Rig) -> None:
    engine = rig.engine(rig.runbook({1: WaveSpec(1), 2: WaveSpec(1, (1,))}))
    engine.submit(1)
    for _ in range(4):
        rig.clock.wait(engine.tick())
    with pytest.raises(TerminationRefusedError, match="prefect-drs cancel exec-1"):
        find_instances(engine.report(), rig.sessions)
    assert calls(rig) == []


def test_an_execution_with_an_active_job_that_its_report_does_not_know_is_refused(rig: Rig) -> None:
    report = rig.drill({1: WaveSpec(1)})
    rig.sessions.client("drs", region=REGION).start_recovery(
        sourceServers=[{"sourceServerID": report.waves[0].servers[0].source_server_id}],
        isDrill=True,
        tags={"prefect-drs:execution": "exec-1"},
    )
    with pytest.raises(TerminationRefusedError, match="wait until it has ended"):
        find_instances(report, rig.sessions)


def test_an_execution_that_launched_nothing_is_refused(rig: Rig) -> None:
    rig.sandbox.faults.fail_server("*")
    with pytest.raises(TerminationRefusedError, match="launched no recovery instance"):
        find_instances(rig.drill({1: WaveSpec(1)}), rig.sessions)


@pytest.mark.parametrize("effect", ["lose-answer", "time-out"])
def test_after_a_lost_answer_it_looks_before_it_asks_again(rig: Rig, effect: str) -> None:
    report = rig.drill({1: WaveSpec(2)})
    rig.sandbox.faults.add(
        {"kind": "operation", "operation": "TerminateRecoveryInstances", "effect": effect, "times": 1}
    )
    began = rig.clock.now()
    result = end(rig, find_instances(report, rig.sessions))
    assert outcomes(result) == {TerminationOutcome.TERMINATED}
    asked = calls(rig)
    if effect == "lose-answer":
        assert len(asked) == 1
    else:
        assert rig.clock.now() - began >= VISIBILITY
    assert len([job for job in rig.jobs() if job["type"] == "TERMINATE"]) == 1


def test_what_a_dead_process_asked_for_is_not_asked_again_before_its_job_could_be_seen(rig: Rig) -> None:
    report = rig.drill({1: WaveSpec(2)})
    rig.sandbox.faults.add(
        {"kind": "operation", "operation": "TerminateRecoveryInstances", "effect": "lose-answer", "times": 1}
    )
    rig.sandbox.faults.add({"kind": "job", "invisibleSeconds": 40})
    events: list[Event] = []
    end(rig, find_instances(report, rig.sessions), events, patience=timedelta(0))
    assert set(unanswered_in(events)) == set(standing(rig))
    result = end(rig, find_instances(report, rig.sessions), events, unanswered=unanswered_in(events))
    assert outcomes(result) == {TerminationOutcome.TERMINATED}
    assert len(calls(rig)) == 1
    assert unanswered_in(events) == {}


def test_throttling_and_expired_credentials_are_waited_out(rig: Rig) -> None:
    report = rig.drill({1: WaveSpec(2)})
    found = find_instances(report, rig.sessions)
    rig.sandbox.faults.add(
        {
            "kind": "operation", "operation": "DescribeRecoveryInstances", "effect": "error",
            "code": "ExpiredTokenException", "times": 2,
        }
    )  # fmt: skip
    rig.sandbox.faults.add(
        {"kind": "operation", "operation": "TerminateRecoveryInstances", "effect": "throttle", "times": 3}
    )
    assert outcomes(end(rig, found)) == {TerminationOutcome.TERMINATED}
    assert len([job for job in rig.jobs() if job["type"] == "TERMINATE"]) == 1


def test_batches_stay_under_the_quotas_of_jobs_and_servers(rig: Rig) -> None:
    report = rig.drill({1: WaveSpec(11)})
    result = end(rig, find_instances(report, rig.sessions), limits=Limits(3, 2, 5))
    assert outcomes(result) == {TerminationOutcome.TERMINATED}
    sizes = [len(job["participatingServers"]) for job in rig.jobs() if job["type"] == "TERMINATE"]
    assert sum(sizes) == 11
    assert max(sizes) == 3


def test_what_is_refused_for_good_is_told_with_aws_reason_and_nothing_is_asked_twice(rig: Rig) -> None:
    report = rig.drill({1: WaveSpec(2)})
    rig.sandbox.faults.add(
        {
            "kind": "operation", "operation": "TerminateRecoveryInstances", "effect": "error",
            "code": "AccessDeniedException", "message": "not you",
        }
    )  # fmt: skip
    result = end(rig, find_instances(report, rig.sessions))
    assert outcomes(result) == {TerminationOutcome.FAILED}
    assert result.exit_code == 3
    assert "not you" in result.left[0].error
    assert len(calls(rig)) == 1


def test_the_events_do_not_change_what_the_execution_reached(rig: Rig) -> None:
    journal = MemoryJournal()
    report = rig.run(rig.engine(rig.runbook({1: WaveSpec(2)}), journal=journal))
    events: list[Event] = []
    end(rig, find_instances(report, rig.sessions), events)
    after = report_of([*journal.read(), *events])
    reached = ("status", "ended_at", "achieved_rto_seconds", "achieved_rpo_seconds")
    assert [getattr(after, name) for name in reached] == [getattr(report, name) for name in reached]
    assert [wave.launched for wave in after.waves] == [2]
    assert {server.launch_status for server in after.waves[0].servers} == {"TERMINATED"}
    assert after.terminated is not None


def test_an_instance_that_fails_back_refuses_by_name_and_the_others_go_only_when_asked(rig: Rig) -> None:
    report = rig.drill({1: WaveSpec(3)})
    backend = rig.sandbox.backend(ACCOUNT, REGION)
    kept = report.waves[0].servers[1]
    assert kept.recovery_instance_id is not None
    backend.pair_failback_client(kept.recovery_instance_id)
    with pytest.raises(TerminationRefusedError, match="aws drs stop-failback") as refused:
        find_instances(report, rig.sessions)
    assert kept.recovery_instance_id in refused.value.message
    assert "FAILBACK_READY_FOR_LAUNCH" in refused.value.message
    assert len(standing(rig)) == 3

    result = end(rig, find_instances(report, rig.sessions, skip_failback=True))
    assert set(standing(rig)) == {kept.recovery_instance_id}
    assert outcomes(result) == {TerminationOutcome.TERMINATED}
    assert [entry["recoveryInstanceId"] for entry in result.to_json()["failingBack"]] == [kept.recovery_instance_id]

    rig.sessions.client("drs", region=REGION).stop_failback(recoveryInstanceID=kept.recovery_instance_id)
    end(rig, find_instances(report, rig.sessions))
    assert standing(rig) == {}
