"""Storms: while AWS throttles, errs, falls silent or forgets sessions, the drill completes and nothing is done twice.

Each drill is the engine on the simulator in virtual time. Botocore sends each request once, so that all patience is the
engine's own and none of it is spent in real time. What counts is told by the simulator's own state and by its log.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest

from prefect_drs.aws.sessions import Sessions
from prefect_drs.plan.model import Manifest
from prefect_drs.recovery.launch.packing import Limits
from prefect_drs.report.model import ExecutionStatus, RecoveryReport
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.simulator import plant_role
from tests.rig import GIB, REGION, Rig, WaveSpec

PLAN = {
    1: WaveSpec(9),
    2: WaveSpec(7),
    3: WaveSpec(9, after=(1,), settings={"copyTags": True, "instanceType": "m5.xlarge"}),
    4: WaveSpec(20, after=(1, 2)),
    5: WaveSpec(5, after=(3,)),
    6: WaveSpec(4, after=(4, 5), settings={"launchDisposition": "STOPPED"}),
}
LIMITS = Limits(servers_per_job=6, concurrent_jobs=4, servers_in_jobs=16)  # so that quotas bind with few servers
CALM_LIMIT = timedelta(hours=2)  # a drill of PLAN takes less than an hour in calm weather


@pytest.fixture
def storm(rig: Rig) -> Rig:
    rig.sessions = Sessions(attempts=1)
    return rig


def held(rig: Rig, runbook: Runbook, report: RecoveryReport) -> None:
    """The drill is complete, each server was in one job, each job is reported, and no wave began before it might."""
    assert report.status is ExecutionStatus.COMPLETED
    jobs = launch_jobs(rig, runbook)
    times = Counter(server for job in jobs for server in job.participants)
    assert times == {s.source_server_id: 1 for wave in runbook.waves for s in wave.servers}
    assert {job.job_id for job in jobs} == {job.job_id for wave in report.waves for job in wave.jobs}
    launched: dict[int, datetime] = {}
    started: dict[int, datetime] = {}
    for job in jobs:
        number = int(job.tags["prefect-drs:wave"])
        ended = max(server.ended_at for server in job.participants.values())
        launched[number] = max(ended, launched.get(number, ended))
        started[number] = min(job.created_at, started.get(number, job.created_at))
    for wave in runbook.waves:
        early = [before for before in wave.depends_on_waves if started[wave.wave_number] < launched[before]]
        assert early == [], f"wave {wave.wave_number} began before {early}"


def launch_jobs(rig: Rig, runbook: Runbook) -> list[Any]:
    return [job for location in runbook.locations for job in rig.sandbox.backend(*location).jobs.values()]


def weather(rig: Rig, *faults: dict[str, Any]) -> tuple[Runbook, RecoveryReport]:
    """A drill of PLAN; the faults begin with it."""
    runbook = rig.runbook(PLAN)
    rig.sandbox.faults.extend(faults)
    rig.sandbox.calls.clear()
    return runbook, drill(rig, runbook)


def drill(rig: Rig, runbook: Runbook) -> RecoveryReport:
    engine = rig.engine(runbook, limits=LIMITS)
    return rig.run(engine)


def codes(rig: Rig, operation: str) -> Counter[str]:
    return Counter(call.code for call in rig.sandbox.calls if call.operation == operation)


def duration(report: RecoveryReport) -> timedelta:
    assert report.ended_at is not None
    return report.ended_at - report.started_at


def test_half_of_all_calls_throttled_for_ten_minutes(storm: Rig) -> None:
    runbook, report = weather(
        storm, {"kind": "operation", "operation": "*", "effect": "throttle", "share": 0.5, "forSeconds": 600}
    )
    held(storm, runbook, report)
    assert codes(storm, "DescribeJobs")["ThrottlingException"] > 20
    assert codes(storm, "StartRecovery")["ThrottlingException"] > 0
    assert duration(report) < CALM_LIMIT


def test_half_of_all_calls_throttled_to_the_end(storm: Rig) -> None:
    runbook, report = weather(storm, {"kind": "operation", "operation": "*", "effect": "throttle", "share": 0.5})
    held(storm, runbook, report)
    assert codes(storm, "GetLaunchConfiguration")["ThrottlingException"] > 0


@pytest.mark.parametrize("minute", [0, 1, 4, 8, 12])
def test_a_region_gone_for_five_minutes(storm: Rig, minute: int) -> None:
    outage = {"kind": "region", "region": REGION, "afterSeconds": 60 * minute, "forSeconds": 300}
    runbook, report = weather(storm, outage)
    held(storm, runbook, report)
    assert codes(storm, "DescribeJobs")["unreachable"] > 3
    assert duration(report) < CALM_LIMIT


def test_one_region_of_two_gone_holds_up_only_what_is_there(storm: Rig) -> None:
    other = "eu-west-1"
    runbook = storm.runbook({1: WaveSpec(3, regions=(REGION,)), 2: WaveSpec(3, regions=(other,))})
    storm.sandbox.faults.add({"kind": "region", "region": other, "forSeconds": 3 * 3600})
    report = drill(storm, runbook)
    held(storm, runbook, report)
    ended = {wave.wave_number: wave.ended_at for wave in report.waves}
    assert ended[1] is not None
    assert ended[2] is not None
    assert ended[1] < report.started_at + timedelta(minutes=30)
    assert ended[2] > report.started_at + timedelta(hours=3)


@pytest.mark.parametrize("every", [1, 2, 3])
def test_every_first_second_or_third_start_recovery_loses_its_answer(storm: Rig, every: int) -> None:
    runbook, report = weather(
        storm, {"kind": "operation", "operation": "StartRecovery", "effect": "lose-answer", "every": every}
    )
    held(storm, runbook, report)
    answers = codes(storm, "StartRecovery")
    assert answers["lose-answer"] == (answers["lose-answer"] + answers[""]) // every
    assert duration(report) < CALM_LIMIT


def test_lost_answers_and_jobs_that_do_not_show_for_a_hundred_seconds(storm: Rig) -> None:
    runbook, report = weather(
        storm,
        {"kind": "operation", "operation": "StartRecovery", "effect": "lose-answer", "every": 2},
        {"kind": "job", "invisibleSeconds": 100},
    )
    held(storm, runbook, report)
    assert codes(storm, "StartRecovery")["lose-answer"] > 0


def test_a_job_that_shows_only_after_ten_minutes_is_waited_for_and_not_launched_again(storm: Rig) -> None:
    runbook, report = weather(
        storm,
        {"kind": "operation", "operation": "StartRecovery", "effect": "lose-answer", "times": 2},
        {"kind": "job", "invisibleSeconds": 600, "times": 2},
    )
    held(storm, runbook, report)


def test_answers_of_internal_server_error_before_the_work(storm: Rig) -> None:
    runbook, report = weather(
        storm, {"kind": "operation", "operation": "*", "effect": "error", "share": 0.3, "forSeconds": 1200}
    )
    held(storm, runbook, report)
    assert codes(storm, "StartRecovery")["InternalServerException"] > 0


def test_every_kind_of_answer_lost_at_once(storm: Rig) -> None:
    runbook, report = weather(
        storm,
        {"kind": "operation", "operation": "StartRecovery", "effect": "lose-answer", "share": 0.3},
        {"kind": "operation", "operation": "StartRecovery", "effect": "time-out", "share": 0.3},
        {"kind": "operation", "operation": "*", "effect": "throttle", "share": 0.2},
        {"kind": "operation", "operation": "*", "effect": "error", "share": 0.1},
        {"kind": "operation", "operation": "DescribeJobs", "effect": "lose-answer", "share": 0.2},
        {"kind": "job", "invisibleSeconds": 45},
    )
    held(storm, runbook, report)
    assert set(codes(storm, "StartRecovery")) >= {"lose-answer", "time-out"}


TARGET = "222222222222"


def across_accounts(rig: Rig) -> Runbook:
    """Two waves in another account, entered by its role."""
    plant_role(TARGET)
    backend = rig.sandbox.backend(TARGET, REGION)
    backend.initialize_service()
    groups = []
    for number in (1, 2):
        disks = [{"deviceName": "/dev/sda1", "bytes": 40 * GIB}]
        servers = [
            backend.seed_source_server(hostname=f"t{number}{i}", ram_bytes=4 * GIB, cpus=2, disks=disks).server_id
            for i in range(3)
        ]
        groups.append({"groupName": f"g{number}", "accountId": TARGET, "region": REGION, "sourceServerIds": servers})
    waves = [
        {"waveNumber": 1, "waveName": "first", "groups": ["g1"]},
        {"waveNumber": 2, "waveName": "second", "groups": ["g2"], "dependsOnWaves": [1]},
    ]
    manifest = Manifest.model_validate(
        {"schemaVersion": "1.1", "protectionGroups": groups, "recoveryPlans": [{"planName": "plan", "waves": waves}]}
    )
    return resolve(manifest, manifest.plan(None), mode="drill", sessions=rig.sessions, clock=rig.clock)


def test_sessions_that_expire_over_and_over_are_taken_anew(storm: Rig) -> None:
    runbook = across_accounts(storm)
    storm.sandbox.calls.clear()
    storm.sandbox.faults.add({"kind": "credentials", "account": TARGET, "every": 7})
    report = drill(storm, runbook)
    held(storm, runbook, report)
    assert codes(storm, "DescribeJobs")["ExpiredTokenException"] > 3


def test_credentials_refused_for_ten_minutes_are_waited_for(storm: Rig) -> None:
    runbook = across_accounts(storm)
    storm.sandbox.faults.add({"kind": "credentials", "account": TARGET, "afterSeconds": 200, "forSeconds": 600})
    report = drill(storm, runbook)
    held(storm, runbook, report)
    assert duration(report) > timedelta(seconds=800)


def test_a_storm_seen_by_plain_boto3_ends_with_as_many_instances_as_servers(storm: Rig) -> None:
    runbook, report = weather(
        storm, {"kind": "operation", "operation": "StartRecovery", "effect": "lose-answer", "every": 3}
    )
    assert report.status is ExecutionStatus.COMPLETED
    pages = boto3.client("drs", region_name=REGION).get_paginator("describe_recovery_instances").paginate()
    instances = [item["sourceServerID"] for page in pages for item in page["items"]]
    assert sorted(instances) == sorted(s.source_server_id for wave in runbook.waves for s in wave.servers)
