"""Executions at once by several workers, over two Prefect servers on PostgreSQL and Redis, of which one is killed.

Two executions of four servers in the suite. As many as one likes by

    PREFECT_DRS_EXECUTIONS=20 PREFECT_DRS_SERVERS=200 PREFECT_DRS_WORKERS=4 \
        .venv/bin/python -m pytest tests/e2e/test_several_servers.py -s -n0
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.conftest import Programs
from tests.e2e.prefect_cluster import LEASE_STORAGE, MISSING, PrefectCluster, is_installed, prefect_cluster
from tests.e2e.program import Program
from tests.e2e.rehearsal import HTTP, Rehearsal, base_environment, plan, until

EXECUTIONS = int(os.environ.get("PREFECT_DRS_EXECUTIONS", "2"))
SERVERS = int(os.environ.get("PREFECT_DRS_SERVERS", "4"))
WORKERS = int(os.environ.get("PREFECT_DRS_WORKERS", "2"))
SPEED = float(os.environ.get("PREFECT_DRS_SPEED", "300"))
PATIENCE = 300.0 + 60.0 * EXECUTIONS
REGION = "eu-west-2"
POOL = "drs"


@pytest.fixture
def cluster(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectCluster]:
    if not is_installed():
        if os.environ.get("CI"):
            pytest.fail(MISSING, pytrace=False)
        pytest.skip(MISSING)
    with prefect_cluster(tmp_path_factory.mktemp("cluster"), programs) as started:
        yield started


@pytest.fixture
def rehearsal(
    cluster: PrefectCluster, programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsal]:
    folder = tmp_path_factory.mktemp("several")
    environment = base_environment() | cluster.environment | programs.environment
    made = Rehearsal(environment | {"PREFECT_DRS_HOME": str(folder / "home")}, folder, programs.folder)
    made.start_sandbox(SPEED)
    yield made
    assert made.cli("sandbox", "stop").returncode == 0


@pytest.fixture
def workers(rehearsal: Rehearsal) -> Iterator[list[Program]]:
    """Workers of one process pool."""
    made = rehearsal.prefect("work-pool", "create", POOL, "--type", "process")
    assert made.returncode == 0, made.stderr
    deployed = rehearsal.prefect(
        "--no-prompt", "deploy", "prefect_drs.flows:recover", "--name", "several", "--pool", POOL
    )
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    started = []
    for number in range(WORKERS):
        command = [str(rehearsal.programs / "prefect"), "worker", "start", "--pool", POOL, "--name", f"worker-{number}"]
        environment = rehearsal.environment | {"PREFECT_WORKER_QUERY_SECONDS": "2"}
        worker = Program(command, environment, rehearsal.folder / f"worker-{number}.log")
        worker.start()
        started.append(worker)
    yield started
    for worker in started:
        worker.stop()


def manifest(number: int) -> dict[str, Any]:
    """A plan over servers of its own: a quarter of them in the first wave, the others in the second."""
    names = [f"e{number:02}-{server:03}" for server in range(SERVERS)]
    made = plan(REGION, {"Database": names[: SERVERS // 4], "Application": names[SERVERS // 4 :]})
    text = json.dumps(made)
    for word in ("Database", "Application", f"Plan {REGION}"):
        text = text.replace(f'"{word}"', f'"{word} {number:02}"')
    changed: dict[str, Any] = json.loads(text)
    return changed


def begin(cluster: PrefectCluster, rehearsal: Rehearsal, number: int) -> str:
    """Run the deployment: the id of the flow run, which is the execution's."""
    file, bindings = rehearsal.seeded(manifest(number))
    deployment = HTTP.get(f"{cluster.api_url}/deployments/name/recover/several").json()["id"]
    answer = HTTP.post(
        f"{cluster.api_url}/deployments/{deployment}/create_flow_run",
        json={"parameters": {"manifest": str(file), "bindings": str(bindings), "mode": "drill"}},
    )
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


def states(cluster: PrefectCluster, runs: list[str]) -> dict[str, str]:
    answer = HTTP.post(f"{cluster.api_url}/flow_runs/filter", json={"flow_runs": {"id": {"any_": runs}}})
    return {run["id"]: run["state_type"] for run in answer.json()} if answer.is_success else {}


def of_executions(rehearsal: Rehearsal, runs: list[str]) -> list[dict[str, Any]]:
    return [job for job in rehearsal.jobs(REGION) if job["tags"].get("prefect-drs:execution") in runs]


def database_finding(rehearsal: Rehearsal, **environment: str) -> dict[str, Any]:
    """What `doctor` says of the server's database and leases."""
    findings = json.loads(rehearsal.cli("doctor", "--json", **environment).stdout)["findings"]
    (found,) = (each for each in findings if each["check"] == "prefect-database")
    assert isinstance(found, dict)
    return found


@pytest.mark.timeout(PATIENCE + 600)
def test_executions_of_several_workers_complete_although_a_prefect_server_is_killed(
    cluster: PrefectCluster, rehearsal: Rehearsal, workers: list[Program]
) -> None:
    began = time.monotonic()
    runs = [begin(cluster, rehearsal, number) for number in range(EXECUTIONS)]

    def all_launch() -> bool | None:
        return {job["tags"]["prefect-drs:execution"] for job in of_executions(rehearsal, runs)} == set(runs) or None

    until(all_launch, "each execution has launched", PATIENCE)  # one that begins refuses what it cannot ask
    cluster.kill(0)

    def all_ended() -> dict[str, str] | None:
        now = states(cluster, runs)
        ended = {run: state for run, state in now.items() if state in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}}
        return ended if len(ended) == EXECUTIONS else None

    ended = until(all_ended, "all executions end", PATIENCE, every=2)
    seconds = time.monotonic() - began
    said = "\n".join(worker.log.read_text()[-3000:] for worker in workers)
    assert set(ended.values()) == {"COMPLETED"}, said
    jobs = of_executions(rehearsal, runs)
    launches = Counter(server["sourceServerID"] for job in jobs for server in job["participatingServers"])
    assert len(launches) == EXECUTIONS * SERVERS
    assert set(launches.values()) == {1}, "a server was launched twice"
    assert database_finding(rehearsal)["level"] == "ok"
    cluster.start(0, **{LEASE_STORAGE: "prefect.server.concurrency.lease_storage.memory"})
    found = database_finding(rehearsal, PREFECT_API_URL=cluster.server_urls[0])
    assert found["level"] == "warning"
    assert LEASE_STORAGE in found["remedy"]
    begun, over = (
        [datetime.fromisoformat(str(job[name])) for job in jobs] for name in ("creationDateTime", "endDateTime")
    )
    print(
        json.dumps(
            {
                "executions": EXECUTIONS,
                "servers": len(launches),
                "jobs": len(jobs),
                "seconds": round(seconds),
                "simulated minutes": round((max(over) - min(begun)).total_seconds() / 60),
            }
        )
    )
