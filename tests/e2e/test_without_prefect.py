"""Executions without a Prefect server, and with one before or after: the same journal, nothing twice."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.rehearsal import COMMAND_SECONDS, Rehearsal, plan, until

ALONE = "--without-prefect"
BUCKET = "journals-alone"
TWO = {"Database": ["n-db1", "n-db2"], "Application": ["n-app1"]}


class Silent:
    """Where PREFECT_API_URL leads to: counts who comes, and answers nobody."""

    def __init__(self) -> None:
        self.callers = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        return {"PREFECT_API_URL": f"{url}/api", "PREFECT_UI_URL": url}

    def _accept(self) -> None:
        while True:
            try:
                self._socket.accept()
            except OSError:
                return
            self.callers += 1

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    silent = Silent()
    yield silent
    silent.close()


@pytest.fixture(scope="module")
def bucket(rehearsal: Rehearsal) -> dict[str, str]:
    """What leads a process to the journals, on whichever machine."""
    rehearsal.client("s3", "us-east-1").create_bucket(Bucket=BUCKET)
    return {"PREFECT_DRS_JOURNAL": f"s3://{BUCKET}/drs?region=us-east-1"}


def jobs_of(rehearsal: Rehearsal, region: str, execution_id: str) -> list[dict[str, Any]]:
    """DRS's jobs of one execution: other tests have theirs in the same region."""
    return [job for job in rehearsal.jobs(region) if job["tags"].get("prefect-drs:execution") == execution_id]


def launches(rehearsal: Rehearsal, region: str) -> set[int]:
    jobs = rehearsal.jobs(region)
    return set(Counter(server["sourceServerID"] for job in jobs for server in job["participatingServers"]).values())


def test_a_drill_without_prefect_is_answered_and_watched_from_another_machine_and_asks_no_prefect_api(
    rehearsal: Rehearsal, bucket: dict[str, str], silent: Silent, tmp_path: Path
) -> None:
    region = "af-south-1"
    file, bindings = rehearsal.seeded(plan(region, TWO, gates=["Application"]))
    here = bucket | silent.environment | {"PREFECT_DRS_HOME": str(tmp_path / "here")}
    there = here | {"PREFECT_DRS_HOME": str(tmp_path / "there")}
    drill = rehearsal.drill(file, bindings, ALONE, **here)
    execution_id = drill.execution_id()
    drill.says(f"prefect-drs approve {execution_id} --wave 2 {ALONE}")

    waiting = json.loads(rehearsal.cli("status", "latest", ALONE, "--json", **there).stdout)
    assert waiting["process"]["alive"]
    assert [wait["command"] for wait in waiting["waitingFor"]] == [
        f"prefect-drs approve {execution_id} --wave 2 {ALONE}"
    ]
    approved = rehearsal.cli(
        "approve", execution_id, "--wave", "Application", "--by", "Eva", "--comment", "checked", ALONE, **there
    )
    assert approved.returncode == 0, approved.stderr
    assert drill.ended() == 0, drill.stderr

    report = drill.report()
    assert report["waves"][1]["approval"]["by"] == "Eva"
    assert launches(rehearsal, region) == {1}
    shown = rehearsal.cli("report", execution_id, ALONE, "--format", "json", **there)
    assert json.loads(shown.stdout) == report
    late = rehearsal.cli("approve", execution_id, "--wave", "2", ALONE, **there)
    assert late.returncode == 2
    assert "no gate waits" in late.stderr
    assert silent.callers == 0


def test_two_processes_that_resume_at_once_launch_nothing_twice(
    rehearsal: Rehearsal, bucket: dict[str, str], silent: Silent
) -> None:
    region = "ap-east-1"
    waves = {"One": ["q-1", "q-2"], "Two": ["q-3"], "Three": ["q-4"]}
    here = bucket | silent.environment
    drill = rehearsal.drill(*rehearsal.seeded(plan(region, waves)), ALONE, own_process=True, **here)
    execution_id = drill.execution_id()
    drill.says(r"job drsjob-\w+ in")
    drill.process.kill()
    drill.process.wait()

    both = [rehearsal.resume(execution_id, ALONE, "--take-over", **here) for _ in range(2)]

    codes = [each.ended() for each in both]
    assert 0 in codes, [each.stderr for each in both]
    for code, each in zip(codes, both, strict=True):
        assert code == 0 or "was taken over by another process" in each.stderr
    assert launches(rehearsal, region) == {1}
    shown = json.loads(rehearsal.cli("status", execution_id, ALONE, "--json", **here).stdout)
    assert shown["status"] == "COMPLETED"
    assert {job["jobId"] for wave in shown["waves"] for job in wave["jobs"]} == {
        job["jobID"] for job in jobs_of(rehearsal, region, execution_id)
    }


def test_two_drills_of_one_plan_at_once_are_one(rehearsal: Rehearsal, bucket: dict[str, str], silent: Silent) -> None:
    region = "ap-south-1"
    file, bindings = rehearsal.seeded(plan(region, {"One": ["r-1"], "Two": ["r-2"]}, gates=["Two"]))
    here = bucket | silent.environment
    first = rehearsal.drill(file, bindings, ALONE, **here)
    first.says("waits for approval")
    second = rehearsal.cli("drill", file, "--bindings", bindings, ALONE, "--yes", **here)
    assert second.returncode == 5
    assert f"is in execution {first.execution_id()}" in second.stderr
    assert rehearsal.cli("reject", first.execution_id(), "--wave", "2", ALONE, **here).returncode == 0
    assert first.ended() == 4
    assert rehearsal.cli("drill", file, "--bindings", bindings, ALONE, "--yes", **here).returncode == 0


def test_a_killed_drill_is_cancelled_without_a_process_and_stays_so(
    rehearsal: Rehearsal, bucket: dict[str, str], silent: Silent
) -> None:
    region = "eu-north-1"
    here = bucket | silent.environment
    drill = rehearsal.drill(
        *rehearsal.seeded(plan(region, TWO, gates=["Application"])), ALONE, own_process=True, **here
    )
    execution_id = drill.execution_id()
    drill.says("waits for approval")
    drill.process.kill()
    drill.process.wait()
    mark = f"drs/{execution_id}/process.json"
    rehearsal.client("s3", "us-east-1").delete_object(Bucket=BUCKET, Key=mark)  # as a minute later

    cancelled = rehearsal.cli("cancel", execution_id, ALONE, "--by", "Eva", **here)

    assert "it was finalized here: PARTIAL" in cancelled.stdout, cancelled.stderr
    resumed = rehearsal.cli("resume", execution_id, ALONE, **here)
    assert resumed.returncode == 2
    assert "was cancelled by Eva" in resumed.stderr
    assert len(jobs_of(rehearsal, region, execution_id)) == 1


def test_an_execution_begun_without_prefect_is_shown_and_carried_on_with_it(
    rehearsal: Rehearsal, bucket: dict[str, str], silent: Silent
) -> None:
    region = "eu-south-1"
    file, bindings = rehearsal.seeded(plan(region, TWO, gates=["Application"]))
    drill = rehearsal.drill(file, bindings, ALONE, own_process=True, **bucket, **silent.environment)
    execution_id = drill.execution_id()
    drill.says("waits for approval")
    shown = json.loads(rehearsal.cli("status", execution_id, "--json", **bucket).stdout)
    assert shown["process"]["alive"]
    assert re.search(rf"{execution_id}\s+PAUSED", rehearsal.cli("status", **bucket).stdout)
    refused = rehearsal.cli("drill", file, "--bindings", bindings, "--yes", **bucket)
    assert refused.returncode == 5, refused.stderr
    assert execution_id in refused.stderr
    drill.process.kill()
    drill.process.wait()

    resumed = rehearsal.cli("resume", execution_id, "--take-over", "--yes", "--json", **bucket)

    assert resumed.returncode == 0, resumed.stderr
    report: dict[str, Any] = json.loads(resumed.stdout)
    assert report["status"] == "COMPLETED"
    assert launches(rehearsal, region) == {1}
    assert json.loads(rehearsal.cli("status", execution_id, "--json", **bucket).stdout)["status"] == "COMPLETED"


def test_an_execution_begun_with_prefect_is_carried_on_without_it_and_shown_in_both(
    rehearsal: Rehearsal, bucket: dict[str, str]
) -> None:
    region = "me-south-1"
    file, bindings = rehearsal.seeded(plan(region, TWO, gates=["Application"]))
    drill = rehearsal.drill(file, bindings, own_process=True, **bucket)
    execution_id = drill.execution_id()
    drill.says(f"prefect-drs approve {execution_id} --wave 2")
    answer = rehearsal.cli("approve", execution_id, "--wave", "2", ALONE, **bucket)
    assert "carries execution" in answer.stderr
    assert "with Prefect" in answer.stderr

    resumed = rehearsal.cli("resume", execution_id, ALONE, "--take-over", "--yes", "--json", **bucket)

    assert resumed.returncode == 0, resumed.stderr
    assert drill.ended() != 0  # fenced by the journal, it could do nothing more
    assert launches(rehearsal, region) == {1}
    report = json.loads(resumed.stdout)
    shown = json.loads(rehearsal.cli("status", execution_id, "--json", **bucket).stdout)
    assert {name: shown[name] for name in report} == report
    again = rehearsal.cli("drill", file, "--bindings", bindings, "--yes", **bucket)
    assert again.returncode == 0, again.stderr  # nothing claims its servers any more


def test_a_cancel_that_prefect_acknowledged_holds_where_prefect_is_gone(
    rehearsal: Rehearsal, bucket: dict[str, str], silent: Silent
) -> None:
    region = "me-central-1"
    drill = rehearsal.drill(*rehearsal.seeded(plan(region, TWO, gates=["Application"])), own_process=True, **bucket)
    execution_id = drill.execution_id()
    drill.says(f"prefect-drs approve {execution_id} --wave 2")
    drill.process.kill()
    drill.process.wait()
    stored = rehearsal.cli("cancel", execution_id, "--by", "Eva", **bucket)
    assert stored.returncode == 0, stored.stderr

    resumed = rehearsal.cli("resume", execution_id, ALONE, "--take-over", "--yes", **bucket, **silent.environment)

    assert resumed.returncode == 2
    assert "was cancelled by Eva" in resumed.stderr
    assert len(jobs_of(rehearsal, region, execution_id)) == 1


def test_a_process_without_prefect_is_paused_and_cancelled_by_commands_with_it(
    rehearsal: Rehearsal, bucket: dict[str, str], silent: Silent
) -> None:
    region = "sa-east-1"
    file, bindings = rehearsal.seeded(plan(region, TWO, gates=["Application"]))
    drill = rehearsal.drill(file, bindings, own_process=True, **bucket)
    execution_id = drill.execution_id()
    drill.says(f"prefect-drs approve {execution_id} --wave 2")
    drill.process.kill()
    drill.process.wait()
    alone = rehearsal.resume(execution_id, ALONE, "--take-over", **bucket, **silent.environment)
    alone.says("waits for approval")

    paused = rehearsal.cli("pause", execution_id, **bucket)
    assert f"execution {execution_id} is paused" in paused.stdout, paused.stderr
    resumed = rehearsal.cli("resume", execution_id, **bucket)
    assert "continues in the process that carries it" in resumed.stdout, resumed.stderr
    cancelled = rehearsal.cli("cancel", execution_id, "--by", "Eva", **bucket)
    assert f"execution {execution_id} is cancelled" in cancelled.stdout, cancelled.stderr

    assert alone.ended() == 4, alone.stderr
    assert len(jobs_of(rehearsal, region, execution_id)) == 1

    def cancelled_by() -> str | None:
        shown = json.loads(rehearsal.cli("status", execution_id, "--json", **bucket).stdout)
        return shown["cancelled"]["by"] if shown["cancelled"] else None

    # Prefect takes the killed process for alive until its lease has ended, and shows what it knew then.
    assert until(cancelled_by, "Prefect's lease of the killed process ends", 150, every=COMMAND_SECONDS) == "Eva"


def test_what_prefect_knows_is_shown_where_the_journals_storage_is_away(
    rehearsal: Rehearsal, bucket: dict[str, str]
) -> None:
    region = "eu-central-2"
    drill = rehearsal.drill(*rehearsal.seeded(plan(region, {"One": ["w-1"]})), **bucket)
    execution_id = drill.execution_id()
    assert drill.ended() == 0, drill.stderr
    away = {"PREFECT_DRS_JOURNAL": "s3://no-such-bucket/drs?region=us-east-1"}
    listed = rehearsal.cli("status", **away)
    assert re.search(rf"{execution_id}\s+COMPLETED", listed.stdout), listed.stderr
    assert json.loads(rehearsal.cli("status", execution_id, "--json", **away).stdout)["status"] == "COMPLETED"
