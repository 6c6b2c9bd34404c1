"""Several processes start executions of the same servers at the same moment: exactly one launches.

One round of three processes in the suite. As many as one likes by

    PREFECT_DRS_ROUNDS=20 PREFECT_DRS_STARTS=10 .venv/bin/python -m pytest tests/e2e/test_starts_at_once.py -s
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from typing import Any

import pytest

from tests.e2e.rehearsal import Drill, Rehearsal, plan, until

ROUNDS = int(os.environ.get("PREFECT_DRS_ROUNDS", "1"))
STARTS = int(os.environ.get("PREFECT_DRS_STARTS", "3"))
REGION = "ap-southeast-7"
PATIENCE = 600.0  # seconds: ten processes that import Prefect at once on two cores


def two_plans() -> dict[str, Any]:
    """Two plans; the server of the group `Shared` is in both."""
    manifest = plan(REGION, {"Shared": ["n-1"], "First": ["n-2"], "Second": ["n-3"]}, gates=["Shared"])
    waves = manifest["recoveryPlans"][0]["waves"]
    manifest["recoveryPlans"] = [
        {"planName": "One", "waves": [waves[0], waves[1]]},
        {"planName": "Two", "waves": [waves[0], {**waves[2], "waveNumber": 2, "dependsOnWaves": [1]}]},
    ]
    return manifest


def launches(jobs: list[dict[str, Any]]) -> Counter[str]:
    return Counter(server["sourceServerID"] for job in jobs for server in job["participatingServers"])


def winner(drills: list[Drill]) -> Drill:
    """The one that holds the servers, at its first gate, once all others have ended."""

    def look() -> Drill | None:
        left = [drill for drill in drills if drill.process.poll() is None]
        return left[0] if len(left) == 1 else None

    left = until(look, "all but one end", PATIENCE)
    left.says("prefect-drs approve")
    return left


def outcome(drills: list[Drill], rehearsal: Rehearsal, before: set[str]) -> Counter[int]:
    execution_id = winner(drills).execution_id()
    assert not [job for job in rehearsal.jobs(REGION) if job["jobID"] not in before], "launched before the approval"
    approved = rehearsal.cli("approve", execution_id, "--wave", "1")
    assert approved.returncode == 0, approved.stderr
    codes = Counter(drill.process.wait(PATIENCE) for drill in drills)
    for drill in drills:
        if drill.process.returncode == 5:
            assert "SERVER_IN_OTHER_EXECUTION" in drill.stderr, drill.stderr[-2000:]
        assert "Traceback" not in drill.stderr
        assert "unexpected" not in drill.stderr, drill.stderr[-2000:]
    new = [job for job in rehearsal.jobs(REGION) if job["jobID"] not in before and job["type"] == "LAUNCH"]
    assert len({job["tags"]["prefect-drs:execution"] for job in new}) == 1, "two executions launched"
    assert set(launches(new).values()) == {1}, "a server was launched twice"
    return codes


@pytest.mark.timeout(PATIENCE * (ROUNDS + 1))
def test_of_processes_that_start_at_the_same_moment_one_launches_and_the_others_are_refused(
    rehearsal: Rehearsal,
) -> None:
    file, bindings = rehearsal.seeded(two_plans())
    began = time.monotonic()
    for each in range(ROUNDS):
        before = {job["jobID"] for job in rehearsal.jobs(REGION)}
        plans = ["One", "Two"] if each % 2 else ["One"]
        command, yes = ("recover", "--yes-really") if each % 3 == 2 else ("drill", "--yes")
        drills = [
            rehearsal.drill(file, bindings, "--plan", plans[number % len(plans)], command=command)
            for number in range(STARTS)
        ]
        codes = outcome(drills, rehearsal, before)
        assert codes == Counter({0: 1, 5: STARTS - 1}), f"round {each}: {codes}"
        for drill in drills:
            if drill.process.returncode == 0:
                done = rehearsal.cli("terminate", drill.report()["executionId"], yes)
                assert done.returncode == 0, done.stderr
    seconds = round(time.monotonic() - began)
    print(json.dumps({"rounds": ROUNDS, "starts": STARTS, "seconds": seconds}))
