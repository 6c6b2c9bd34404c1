"""A process that dies, is cancelled or paused: what the next one finds, on a real Prefect server and over HTTP."""

from __future__ import annotations

import json
import signal
from collections import Counter
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from prefect_drs.orchestration.executions.lease import is_held
from tests.e2e.rehearsal import Rehearsal, plan, until


def launches_a_server(jobs: list[dict[str, Any]]) -> set[int]:
    return set(Counter(server["sourceServerID"] for job in jobs for server in job["participatingServers"]).values())


def reported_jobs(report: dict[str, Any]) -> set[str]:
    return {job["jobId"] for wave in report["waves"] for job in wave["jobs"]}


def state_name(run_id: str) -> str | None:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run_id).state_name  # type: ignore[arg-type]


def test_a_killed_drill_is_taken_over_and_nothing_is_launched_twice(rehearsal: Rehearsal) -> None:
    region = "ap-northeast-1"
    manifest = plan(region, {"Database": ["k-db1", "k-db2"], "Application": ["k-app1"], "Web": ["k-web1"]})
    drill = rehearsal.drill(*rehearsal.seeded(manifest), own_process=True)
    execution_id = drill.execution_id()
    drill.says(r"job drsjob-\w+ in")
    drill.process.kill()
    drill.process.wait()
    assert state_name(execution_id) == "Running"

    resumed = rehearsal.cli("resume", execution_id, "--take-over", "--json")

    assert resumed.returncode == 0, resumed.stderr
    report = json.loads(resumed.stdout)
    assert report["executionId"] == execution_id
    assert report["status"] == "COMPLETED"
    jobs = rehearsal.jobs(region)
    assert launches_a_server(jobs) == {1}
    assert reported_jobs(report) == {job["jobID"] for job in jobs}
    assert state_name(execution_id) == "Crashed"


def test_a_second_process_leaves_an_execution_alone_that_another_carries_out_or_takes_it_over(
    rehearsal: Rehearsal,
) -> None:
    region = "ap-northeast-2"
    drill = rehearsal.drill(*rehearsal.seeded(plan(region, {"One": ["l-1"], "Two": ["l-2"]}, gates=["Two"])))
    execution_id = drill.execution_id()
    drill.says(f"prefect-drs approve {execution_id} --wave 2")

    resumed = rehearsal.cli("resume", execution_id, "--take-over", "--yes", "--json")

    assert resumed.returncode == 0, resumed.stderr
    report = json.loads(resumed.stdout)
    assert report["status"] == "COMPLETED"
    assert launches_a_server(rehearsal.jobs(region)) == {1}
    assert drill.ended() != 0  # fenced by the journal, it could do nothing more
    assert "Traceback" not in drill.stderr


def test_a_cancelled_drill_launches_nothing_more_and_every_job_is_in_the_report(rehearsal: Rehearsal) -> None:
    region = "ap-southeast-1"
    manifest = plan(
        region, {"Database": ["c-db1"], "Application": ["c-app1"], "Web": ["c-web1"]}, gates=["Application"]
    )
    drill = rehearsal.drill(*rehearsal.seeded(manifest))
    execution_id = drill.execution_id()
    drill.says(f"prefect-drs approve {execution_id} --wave 2")

    cancelled = rehearsal.cli("cancel", execution_id, "--by", "Eva", "--reason", "wrong region")

    assert cancelled.returncode == 0, cancelled.stderr
    assert drill.ended() == 4
    report = drill.report()
    assert report["status"] == "PARTIAL"
    assert [wave["status"] for wave in report["waves"]] == ["COMPLETED", "CANCELLED", "CANCELLED"]
    assert reported_jobs(report) == {job["jobID"] for job in rehearsal.jobs(region)}
    assert "Traceback" not in drill.stderr


def test_a_paused_drill_waits_until_it_is_resumed(rehearsal: Rehearsal) -> None:
    region = "ap-southeast-2"
    manifest = plan(region, {"Database": ["p-db1"], "Application": ["p-app1"]}, gates=["Application"])
    drill = rehearsal.drill(*rehearsal.seeded(manifest))
    execution_id = drill.execution_id()
    drill.says(f"prefect-drs approve {execution_id} --wave 2")
    assert rehearsal.cli("pause", execution_id).returncode == 0
    drill.says("pause requested by")
    assert rehearsal.cli("approve", execution_id, "--wave", "2").returncode == 0
    drill.says("wave 2 APPROVED by")
    assert len(rehearsal.jobs(region)) == 1

    assert rehearsal.cli("resume", execution_id).returncode == 0

    assert drill.ended() == 0
    assert len(rehearsal.jobs(region)) == 2


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_drill_that_is_told_to_stop_at_a_gate_stops_and_can_be_resumed(
    rehearsal: Rehearsal, sent: signal.Signals, code: int
) -> None:
    region = {signal.SIGINT: "eu-central-2", signal.SIGTERM: "eu-south-2"}[sent]
    manifest = plan(region, {"Database": ["s-db1"], "Application": ["s-app1"]}, gates=["Application"])
    drill = rehearsal.drill(*rehearsal.seeded(manifest), own_process=True)
    execution_id = drill.execution_id()
    drill.says(f"prefect-drs approve {execution_id} --wave 2")

    drill.process.send_signal(sent)

    assert drill.process.wait(30) == code
    assert "Traceback" not in drill.stderr
    assert drill.stderr.splitlines()[-2:] == [
        f"resume with: prefect-drs resume {execution_id}",
        f"prefect-drs: {'interrupted' if sent is signal.SIGINT else 'terminated'}",
    ]
    assert state_name(execution_id) == "Crashed"  # not Running without a process
    resumed = rehearsal.cli("resume", execution_id, "--yes", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["status"] == "COMPLETED"
    assert launches_a_server(rehearsal.jobs(region)) == {1}


def test_a_drill_that_is_terminated_while_a_job_runs_says_what_goes_on_and_frees_its_lease(
    rehearsal: Rehearsal,
) -> None:
    region = "ca-west-1"
    drill = rehearsal.drill(
        *rehearsal.seeded(plan(region, {"Database": ["t-db1"], "Application": ["t-app1"]})), own_process=True
    )
    execution_id = drill.execution_id()
    job = drill.says(r"job (drsjob-\w+) in")[1]

    drill.process.send_signal(signal.SIGTERM)

    assert drill.process.wait(30) == 143
    assert drill.stderr.splitlines()[-3:] == [
        f"this process stopped; DRS continues {job}",
        f"resume with: prefect-drs resume {execution_id}",
        "prefect-drs: terminated",
    ]
    assert drill.stdout == ""
    assert state_name(execution_id) == "Crashed"
    assert not is_held(execution_id)  # whoever resumes it need not wait for the lease to expire
    resumed = rehearsal.cli("resume", execution_id, "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert launches_a_server(rehearsal.jobs(region)) == {1}


def test_a_drill_that_is_terminated_before_it_has_begun_launches_nothing(rehearsal: Rehearsal) -> None:
    region = "ap-south-2"
    file, bindings = rehearsal.seeded(plan(region, {"Database": ["u-db1"]}))
    rehearsal.control(
        "POST", "/faults", {"kind": "operation", "operation": "DescribeJobs", "region": region, "effect": "time-out"}
    )
    drill = rehearsal.drill(file, bindings, "--yes", own_process=True)
    until(lambda: rehearsal.control("GET", f"/requests?region={region}&limit=1")["requests"] or None, "a call to AWS")
    drill.process.send_signal(signal.SIGTERM)
    assert drill.process.wait(30) == 143
    assert "Traceback" not in drill.stderr
    assert drill.stderr.splitlines()[-1] == "prefect-drs: terminated"
    rehearsal.control("DELETE", "/faults")
    assert rehearsal.jobs(region) == []
