"""The Prefect server is killed for good in the middle of a drill; another machine carries it on without Prefect.

Two rounds in the suite. As many as one likes, 20 say, by

    PREFECT_DRS_SERVER_KILLS=20 .venv/bin/python -m pytest -n0 tests/e2e/test_prefect_killed.py -s

The other machine has another home and the journals in the sandbox's S3, and its PREFECT_API_URL still names the dead
server. In every other round the process that began the drill is killed with it, as where they are on one machine; in
the others it lives on where it can: nothing tells it that it was taken over but the journal.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import PrefectServer, Programs, free_port
from tests.e2e.program import Program
from tests.e2e.rehearsal import Drill, Rehearsal, plan, until
from tests.migrated_database import give_migrated_database

ROUNDS = int(os.environ.get("PREFECT_DRS_SERVER_KILLS", "2"))
REGION = "eu-west-3"
LONGEST = 14.0  # seconds from the begin of the drill to the last kill; a drill takes about as long
WAVES = {"Database": ["z-db1", "z-db2"], "Application": ["z-app1", "z-app2"], "Reports": ["z-rep1"], "Web": ["z-web1"]}
SERVERS = sum(map(len, WAVES.values()))
AFTER = {"Reports": ["Database"], "Web": ["Application", "Reports"]}
BUCKET = "journals-elsewhere"
TIMES = {"startedAt", "endedAt", "at", "pointInTime", "gateOpenedAt", "atGatesSeconds"}
TIMES |= {"achievedRtoSeconds", "achievedRpoSeconds", "rpoSeconds"}
IDS = {"executionId", "jobId", "recoveryInstanceId"}
OF_FORMER_DRILLS = {"findings"}  # the instances that a drill replaces
OTHER_EACH_TIME = TIMES | IDS | OF_FORMER_DRILLS


@dataclass
class Mortal:
    """A Prefect server of its own that is killed for good, and what leads a process to it."""

    server: Program
    environment: dict[str, str]


@pytest.fixture
def mortals(rehearsal: Rehearsal, programs: Programs, shared: Path, tmp_path: Path) -> Any:
    """Makes Prefect servers, each with a database of its own, and ends those that are left."""
    made: list[Mortal] = []

    def make() -> Mortal:
        home, port = tmp_path / f"prefect-{len(made)}", free_port()
        home.mkdir()
        give_migrated_database(home, shared, programs.folder / "prefect", programs.environment)
        own = {
            "PREFECT_HOME": str(home),
            "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
            "PREFECT_DRS_HOME": str(tmp_path / "machine-1"),
        }
        environment = rehearsal.environment | own
        prefect = str(programs.folder / "prefect")
        command = [prefect, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        mortal = Mortal(Program(command, environment, home / "server.log"), own)
        made.append(mortal)
        mortal.server.start()
        until(lambda: _answers(own["PREFECT_API_URL"]) or None, "an answer of the Prefect server", 120)
        return mortal

    yield make
    for mortal in made:
        mortal.server.kill()


def _answers(api_url: str) -> bool:
    try:
        return httpx.get(f"{api_url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def told(report: Any) -> Any:
    """A report without what differs between any two runs: ids, times, and the order in which DRS lists servers."""
    if isinstance(report, dict):
        kept = {name: told(value) for name, value in report.items() if name not in OTHER_EACH_TIME}
        return {name: sorted(value) if name == "serverIds" else value for name, value in kept.items()}
    return [told(each) for each in report] if isinstance(report, list) else report


def launches(rehearsal: Rehearsal, execution_id: str) -> Counter[str]:
    """How often DRS launched each server for an execution, by DRS's own jobs."""
    jobs = [job for job in rehearsal.jobs(REGION) if job["tags"].get("prefect-drs:execution") == execution_id]
    return Counter(server["sourceServerID"] for job in jobs for server in job["participatingServers"])


@pytest.mark.timeout(300 + 240 * ROUNDS)
def test_a_drill_whose_prefect_server_dies_for_good_is_carried_on_without_one(
    rehearsal: Rehearsal, prefect_server: PrefectServer, mortals: Any, tmp_path: Path
) -> None:
    rehearsal.client("s3", "us-east-1").create_bucket(Bucket=BUCKET)
    journals = {"PREFECT_DRS_JOURNAL": f"s3://{BUCKET}/drs"}
    chance = random.Random(ROUNDS)
    file, bindings = rehearsal.seeded(plan(REGION, WAVES, after=AFTER, gates=["Application"]))
    undisturbed = told(rehearsal.drill(file, bindings, "--yes").report())
    rounds: list[dict[str, Any]] = []
    for number in range(ROUNDS):
        mortal = mortals()
        drill = rehearsal.drill(file, bindings, "--yes", own_process=True, **mortal.environment, **journals)
        execution_id = drill.execution_id()
        life = chance.uniform(0.0, LONGEST)
        time.sleep(life)
        mortal.server.kill()
        if with_process := number % 2 == 1:
            drill.process.kill()
            drill.process.wait()
        before = sum(launches(rehearsal, execution_id).values())
        elsewhere = mortal.environment | journals | {"PREFECT_DRS_HOME": str(tmp_path / f"machine-{number + 2}")}
        began = time.monotonic()
        report = carried_on(rehearsal, drill, execution_id, elsewhere)
        counts = launches(rehearsal, execution_id)
        assert set(counts.values()) == {1}, counts
        assert sum(counts.values()) == SERVERS
        assert told(report) == undisturbed
        rounds.append(
            {
                "killedAfter": round(life, 1),
                "processKilled": with_process,
                "launchedBefore": before,
                "secondsAfter": round(time.monotonic() - began),
            }
        )
        print(json.dumps(rounds[-1]), flush=True)
        drill.end()
    unfinished = sum(each["launchedBefore"] < SERVERS for each in rounds)
    print(json.dumps({"rounds": len(rounds), "unfinished": unfinished, "twice": 0}))


def carried_on(rehearsal: Rehearsal, drill: Drill, execution_id: str, environment: dict[str, str]) -> dict[str, Any]:
    """The report after another machine took the execution over."""
    done = rehearsal.cli(
        "resume", execution_id, "--without-prefect", "--take-over", "--yes", "--json", seconds=200, **environment
    )
    assert done.returncode == 0, done.stderr + drill.stderr
    assert "Traceback" not in done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report
