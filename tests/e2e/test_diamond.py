"""The diamond example from manifest to DRS and back, its gates approved in reverse by a person in the Prefect UI."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.rehearsal import ROOT, Rehearsal, Witness, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from prefect_drs.orchestration.approvals.gate import PendingGate

DIAMOND = ROOT / "examples" / "diamond.yaml"
REGION = "eu-west-1"
DEPENDENCIES = {1: [], 2: [1], 3: [1], 4: [2], 5: [3], 6: [4, 5], 7: [6]}


def wave_of(job: dict[str, Any]) -> int:
    return int(job["tags"]["prefect-drs:wave"])


def servers_of(jobs: Iterable[dict[str, Any]], wave: int) -> list[dict[str, Any]]:
    return [server for job in jobs if wave_of(job) == wave for server in job["participatingServers"]]


def both_gates(execution_id: str) -> dict[int, PendingGate] | None:
    from prefect_drs.orchestration.approvals.gate import pending_gates

    gates = {gate.wave_number: gate for gate in pending_gates(execution_id)}
    return gates if set(gates) == {4, 5} else None


@pytest.mark.browser
def test_seven_waves_with_two_gates_answered_in_reverse_in_the_ui(rehearsal: Rehearsal, browser_page: Page) -> None:
    from tests.e2e.prefect_ui import flow_run_page

    drill = rehearsal.drill(*rehearsal.seeded(DIAMOND))
    with Witness(rehearsal, REGION) as witness:
        execution_id = drill.execution_id()
        gates = until(lambda: both_gates(execution_id), "both gates wait side by side")
        for number in (5, 4):
            drill.says(re.escape(str(gates[number].link)))  # a moment after the gate is there
            flow_run_page(browser_page, str(gates[number].link)).open().resume().answer(
                "approve", by=f"Ada of {number}"
            )
        assert drill.ended() == 0, drill.stderr
        jobs = rehearsal.jobs(REGION)

    report = drill.report()
    assert drill.stdout == json.dumps(report, indent=2, ensure_ascii=False) + "\n"  # nothing but the report
    assert (report["status"], report["executionId"]) == ("COMPLETED", execution_id)
    assert {server["launchStatus"] for wave in report["waves"] for server in wave["servers"]} == {"LAUNCHED"}
    approvals = {wave["waveNumber"]: wave["approval"] for wave in report["waves"] if "approval" in wave}
    assert {number: approval["by"] for number, approval in approvals.items()} == {4: "Ada of 4", 5: "Ada of 5"}
    assert approvals[5]["at"] < approvals[4]["at"]

    jobs_are_those_of_the_report(jobs, report)
    every_job_carries_its_tags(jobs, execution_id)
    no_wave_begins_before_its_dependencies_are_launched(witness.answers)
    logs = {wave_of(job): launch_starts(rehearsal, job) for job in jobs}
    for job in jobs:
        for before in DEPENDENCIES[wave_of(job)]:
            assert max(logs[before]) <= instant(job["creationDateTime"])
    independent_waves_overlap(witness.answers, jobs)


def jobs_are_those_of_the_report(jobs: list[dict[str, Any]], report: dict[str, Any]) -> None:
    reported = {
        job["jobId"]: (wave["waveNumber"], sorted(job["serverIds"])) for wave in report["waves"] for job in wave["jobs"]
    }
    there = {
        job["jobID"]: (wave_of(job), sorted(server["sourceServerID"] for server in job["participatingServers"]))
        for job in jobs
    }
    assert there == reported
    instances = {
        server["sourceServerID"]: server["recoveryInstanceID"] for job in jobs for server in job["participatingServers"]
    }
    assert instances == {
        server["sourceServerId"]: server["recoveryInstanceId"] for wave in report["waves"] for server in wave["servers"]
    }


def every_job_carries_its_tags(jobs: list[dict[str, Any]], execution_id: str) -> None:
    assert len(jobs) == 7
    for job in jobs:
        tags = {key: value for key, value in job["tags"].items() if key.startswith("prefect-drs:")}
        assert tags.keys() == {f"prefect-drs:{name}" for name in ("execution", "plan", "wave", "batch")}
        assert tags["prefect-drs:execution"] == execution_id
        assert tags["prefect-drs:plan"] == "ShopRecovery"
    assert len({job["tags"]["prefect-drs:batch"] for job in jobs}) == 7


def no_wave_begins_before_its_dependencies_are_launched(answers: list[list[dict[str, Any]]]) -> None:
    """Each answer of DRS is one moment: where it holds a wave's job, the waves before are up in the same answer."""
    seen: set[int] = set()
    for answer in answers:
        for job in answer:
            seen.add(wave_of(job))
            for before in DEPENDENCIES[wave_of(job)]:
                statuses = [server["launchStatus"] for server in servers_of(answer, before)]
                assert statuses, f"wave {wave_of(job)} has a job before wave {before} has one"
                assert set(statuses) == {"LAUNCHED"}
    assert seen == set(DEPENDENCIES)


def independent_waves_overlap(answers: list[list[dict[str, Any]]], jobs: list[dict[str, Any]]) -> None:
    assert any({2, 3} <= {wave_of(job) for job in answer if job["status"] != "COMPLETED"} for answer in answers)
    second, third = (next(job for job in jobs if wave_of(job) == wave) for wave in (2, 3))
    assert instant(second["creationDateTime"]) < instant(third["endDateTime"])
    assert instant(third["creationDateTime"]) < instant(second["endDateTime"])


def launch_starts(rehearsal: Rehearsal, job: dict[str, Any]) -> list[datetime]:
    """When the launch of each of its servers began, by the job's log."""
    drs = rehearsal.client("drs", REGION)
    items = drs.describe_job_log_items(jobID=job["jobID"], maxResults=1000)["items"]
    starts = [instant(item["logDateTime"]) for item in items if item["event"] == "LAUNCH_START"]
    assert len(starts) == len(job["participatingServers"])
    return starts


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
