"""The real process is killed with SIGKILL, again and again, and resumed each time, until executions come to their end.

Three kills of drills and two of failbacks in the suite. As many as one likes of each, 50 say, by

    PREFECT_DRS_KILLS=50 .venv/bin/python -m pytest tests/e2e/test_sigkill.py -s
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.rehearsal import Drill, Rehearsal, plan

KILLS = int(os.environ.get("PREFECT_DRS_KILLS", "3"))
KILLS_OF_FAILBACKS = int(os.environ.get("PREFECT_DRS_KILLS", "2"))
REGION = "sa-east-1"
RECOVERED, ORIGIN = "eu-south-2", "eu-central-2"  # of failbacks
LONGEST_LIFE = 9.0  # seconds after a process has taken the execution up; an execution takes about as long
LONGEST_LIFE_OF_FAILBACK = 15.0
WAVES = {"Database": ["x-db1", "x-db2"], "Application": ["x-app1", "x-app2"], "Reports": ["x-rep1"], "Web": ["x-web1"]}
AFTER = {"Reports": ["Database"], "Web": ["Application", "Reports"]}
TIERS = {"Database": ["k-db1"], "Application": ["k-app1", "k-app2"]}


def check(rehearsal: Rehearsal, report: dict[str, Any], region: str, servers: int) -> list[dict[str, Any]]:
    """Nothing twice, no wave before those it depends on, every job in the report: the execution's jobs."""
    mine = [job for job in rehearsal.jobs(region) if job["tags"].get("prefect-drs:execution") == report["executionId"]]
    launches = Counter(server["sourceServerID"] for job in mine for server in job["participatingServers"])
    assert set(launches.values()) == {1}
    assert sum(launches.values()) == servers
    assert {job["jobID"] for job in mine} == {job["jobId"] for wave in report["waves"] for job in wave["jobs"]}
    ended = {wave["waveNumber"]: max((job["endedAt"] for job in wave["jobs"]), default=wave["startedAt"])
             for wave in report["waves"]}  # fmt: skip
    for job in mine:
        wave = next(w for w in report["waves"] if w["waveNumber"] == int(job["tags"]["prefect-drs:wave"]))
        for before in wave["dependsOnWaves"]:
            assert datetime.fromisoformat(ended[before]) <= datetime.fromisoformat(job["creationDateTime"])
    return mine


class Killer:
    """Kills processes at random moments until there were enough kills.

    Args:
        rehearsal: where they run.
        kills: how many.
        longest: seconds that one lives at most before it is killed.
    """

    def __init__(self, rehearsal: Rehearsal, kills: int, longest: float) -> None:
        self.kills = 0
        self._rehearsal = rehearsal
        self._wanted = kills
        self._longest = longest
        self._chance = random.Random(kills)

    @property
    def enough(self) -> bool:
        return self.kills >= self._wanted

    def carry_through(self, process: Drill) -> dict[str, Any]:
        """Kill and resume the execution of a process until it is over: its report."""
        execution_id = process.execution_id()
        while not self.enough and killed(process, self._chance.uniform(0.0, self._longest)):
            self.kills += 1
            process = self._rehearsal.resume(execution_id, "--take-over", "--yes", own_process=True)
            process.says(rf"execution {execution_id}|execution resumed")
        assert process.ended() == 0, process.stderr[-3000:]
        return process.report()


@pytest.mark.timeout(600 + 120 * KILLS)
def test_an_execution_survives_every_sigkill_of_the_process_that_carries_it_out(rehearsal: Rehearsal) -> None:
    file, bindings = rehearsal.seeded(plan(REGION, WAVES, after=AFTER))
    killer, executions, began = Killer(rehearsal, KILLS, LONGEST_LIFE), 0, time.monotonic()
    while not killer.enough:
        executions += 1
        report = killer.carry_through(rehearsal.drill(file, bindings, "--yes", own_process=True))
        check(rehearsal, report, REGION, sum(map(len, WAVES.values())))
    print(json.dumps({"kills": killer.kills, "executions": executions, "seconds": round(time.monotonic() - began)}))


def home() -> dict[str, Any]:
    """A plan of servers that came from EC2 in ORIGIN and are recovered in RECOVERED."""
    manifest = plan(RECOVERED, TIERS) | {"sourceRegion": ORIGIN}
    numbers = iter(range(1, 100))
    for group in manifest["protectionGroups"]:
        group["servers"] = [{"instanceId": f"i-0a1b2c3d4e5f7{next(numbers):04d}"} for _ in group["sourceServerIds"]]
    manifest["recoveryPlans"][0]["failback"] = {"cleanUp": "terminate"}
    return manifest


@pytest.mark.timeout(600 + 240 * KILLS_OF_FAILBACKS)
def test_a_failback_survives_every_sigkill_of_the_process_that_carries_it_out(rehearsal: Rehearsal) -> None:
    file, bindings = rehearsal.seeded(home())
    servers = sum(map(len, TIERS.values()))
    killer = Killer(rehearsal, KILLS_OF_FAILBACKS, LONGEST_LIFE_OF_FAILBACK)
    executions, began = 0, time.monotonic()
    while not killer.enough:
        executions += 1
        recover(rehearsal, file, bindings)
        before = rehearsal.control("GET", "/")["requests"]
        failback = rehearsal.drill(file, bindings, "--yes-really", command="failback", own_process=True)
        report = killer.carry_through(failback)
        jobs = check(rehearsal, report, ORIGIN, servers)
        check_steps(rehearsal, before, jobs, [server["sourceServerId"] for server in report["waves"][0]["servers"]])
    print(json.dumps({"kills": killer.kills, "failbacks": executions, "seconds": round(time.monotonic() - began)}))


def recover(rehearsal: Rehearsal, file: Path, bindings: Path) -> None:
    done = rehearsal.cli("recover", file, "--bindings", bindings, "--yes-really", "--json")
    assert done.returncode == 0, done.stderr[-3000:]


def check_steps(rehearsal: Rehearsal, since: int, jobs: list[dict[str, Any]], ids: list[str]) -> None:
    """Each instance reversed once in each direction, forward after its launch, and nothing of the recovery left."""
    log = rehearsal.control("GET", f"/requests?after={since}&service=drs&writes=true&limit=100000")["requests"]
    reversals = [entry for entry in log if entry["operation"] == "ReverseReplication"]
    assert [entry["code"] for entry in reversals] == [""] * 2 * len(ids)
    instances = Counter(entry["params"]["recoveryInstanceID"] for entry in reversals)
    assert set(instances.values()) == {1}
    launched = {server["recoveryInstanceID"] for job in jobs for server in job["participatingServers"]}
    assert launched < set(instances)
    over = max(datetime.fromisoformat(job["endDateTime"]) for job in jobs)
    for entry in reversals:
        if entry["params"]["recoveryInstanceID"] in launched:
            assert datetime.fromisoformat(entry["at"]) >= over
    drs = rehearsal.client("drs", RECOVERED)
    assert drs.describe_recovery_instances(filters={"sourceServerIDs": ids})["items"] == []
    replicated = {
        server["sourceProperties"]["identificationHints"]["awsInstanceID"]
        for server in drs.describe_source_servers(filters={"sourceServerIDs": ids})["items"]
    }
    assert replicated == launched


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
