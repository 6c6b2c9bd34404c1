"""The real process is killed with SIGKILL, again and again, and resumed each time, until executions come to their end.

Three kills in the suite. As many as one likes, 50 say, by

    PREFECT_DRS_KILLS=50 .venv/bin/python -m pytest tests/e2e/test_sigkill.py -s
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.rehearsal import Drill, Rehearsal, plan

KILLS = int(os.environ.get("PREFECT_DRS_KILLS", "3"))
REGION = "sa-east-1"
LONGEST_LIFE = 9.0  # seconds after a process has taken the execution up; an execution takes about as long
WAVES = {"Database": ["x-db1", "x-db2"], "Application": ["x-app1", "x-app2"], "Reports": ["x-rep1"], "Web": ["x-web1"]}
AFTER = {"Reports": ["Database"], "Web": ["Application", "Reports"]}


def check(rehearsal: Rehearsal, report: dict[str, Any]) -> None:
    """Nothing twice, no wave before those it depends on, every job in the report."""
    mine = [job for job in rehearsal.jobs(REGION) if job["tags"].get("prefect-drs:execution") == report["executionId"]]
    launches = Counter(server["sourceServerID"] for job in mine for server in job["participatingServers"])
    assert set(launches.values()) == {1}
    assert sum(launches.values()) == sum(map(len, WAVES.values()))
    assert {job["jobID"] for job in mine} == {job["jobId"] for wave in report["waves"] for job in wave["jobs"]}
    ended = {wave["waveNumber"]: max(job["endedAt"] for job in wave["jobs"]) for wave in report["waves"]}
    for job in mine:
        wave = next(w for w in report["waves"] if w["waveNumber"] == int(job["tags"]["prefect-drs:wave"]))
        for before in wave["dependsOnWaves"]:
            assert datetime.fromisoformat(ended[before]) <= datetime.fromisoformat(job["creationDateTime"])


@pytest.mark.timeout(600 + 120 * KILLS)
def test_an_execution_survives_every_sigkill_of_the_process_that_carries_it_out(rehearsal: Rehearsal) -> None:
    chance = random.Random(KILLS)
    file, bindings = rehearsal.seeded(plan(REGION, WAVES, after=AFTER))
    kills = executions = 0
    began = time.monotonic()
    while kills < KILLS:
        executions += 1
        process = rehearsal.drill(file, bindings, "--yes", own_process=True)
        execution_id = process.execution_id()
        while True:
            if kills < KILLS and killed(process, chance.uniform(0.0, LONGEST_LIFE)):
                kills += 1
                process = rehearsal.resume(execution_id, "--take-over", "--yes", own_process=True)
                process.says(rf"execution {execution_id}|execution resumed")
                continue
            assert process.ended() == 0, process.stderr[-3000:]
            break
        check(rehearsal, process.report())
    print(json.dumps({"kills": kills, "executions": executions, "seconds": round(time.monotonic() - began)}))


def killed(process: Drill, life: float) -> bool:
    """Kill it after so many seconds; False where it came to its end before."""
    deadline = time.monotonic() + life
    while time.monotonic() < deadline:
        if process.process.poll() is not None:
            return False
        time.sleep(0.05)
    process.process.kill()
    process.process.wait()
    return process.process.returncode != 0
