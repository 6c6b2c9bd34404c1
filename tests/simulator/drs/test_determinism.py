"""The same seed and the same calls give the same run, event for event; threads do not change it."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prefect_drs.simulator import mock_drs

from .rig import Rig


def run(seed: int, *, order: int = 1, threads: int = 0) -> dict[str, Any]:
    """Everything that can be told of a run of four jobs."""
    with mock_drs(seed=seed) as sandbox:
        rig = Rig(sandbox)
        rig.backend.initialize_service()
        ids = rig.seed(20, private_ips=["10.0.0.1"])
        rig.sandbox.faults.fail_server(ids[3], "conversion")
        batches = [ids[n::4] for n in range(4)][::order]
        if threads:
            rig.drs.describe_jobs()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(rig.start, batches))
        else:
            for batch in batches:
                rig.start(batch)
        rig.advance(7200)
        jobs = sorted(rig.drs.describe_jobs()["items"], key=lambda job: job["jobID"])
        return {
            "jobs": jobs,
            "logs": [rig.drs.describe_job_log_items(jobID=job["jobID"])["items"] for job in jobs],
            "instances": sorted(i["recoveryInstanceID"] for i in rig.drs.describe_recovery_instances()["items"]),
            "snapshots": rig.drs.describe_recovery_snapshots(sourceServerID=ids[0])["items"],
            "templates": [rig.drs.get_launch_configuration(sourceServerID=i)["ec2LaunchTemplateID"] for i in ids],
        }


def test_two_runs_with_one_seed_are_the_same_event_for_event() -> None:
    assert json.dumps(run(5)) == json.dumps(run(5))


def test_another_seed_is_another_run() -> None:
    assert run(5)["jobs"] != run(6)["jobs"]


def test_the_order_in_which_jobs_are_started_changes_neither_ids_nor_times() -> None:
    assert json.dumps(run(5)) == json.dumps(run(5, order=-1))


def test_threads_change_neither_ids_nor_times() -> None:
    assert json.dumps(run(5)) == json.dumps(run(5, threads=4))


def test_looking_more_often_does_not_change_the_run() -> None:
    def timeline(step: int) -> list[dict[str, Any]]:
        with mock_drs(seed=9) as sandbox:
            rig = Rig(sandbox)
            rig.backend.initialize_service()
            job = rig.start(rig.seed(5))
            for _ in range(0, 3600, step):
                rig.advance(step)
                rig.drs.describe_jobs()
            return [dict(i) for i in rig.drs.describe_job_log_items(jobID=job["jobID"])["items"]]

    assert timeline(10) == timeline(3600)


def test_a_backend_survives_pickling_in_the_middle_of_a_job(rig: Rig) -> None:
    job = rig.start(rig.seed(3))
    rig.advance(60)
    rig.drs.describe_jobs()
    twin = pickle.loads(pickle.dumps(rig.backend))
    rig.advance(7200)
    told = rig.job(job["jobID"])
    twin.advance()
    assert twin.jobs[job["jobID"]].status == told["status"] == "COMPLETED"


def test_nothing_moves_while_the_clock_stands(rig: Rig) -> None:
    job = rig.start(rig.seed())
    before = rig.job(job["jobID"])
    for _ in range(5):
        assert rig.job(job["jobID"])["status"] == before["status"] == "PENDING"
    due = rig.backend.next_event_at()
    assert due is not None
    rig.advance((due - rig.sandbox.clock.now()).total_seconds())
    assert rig.job(job["jobID"])["status"] == "STARTED"


def test_ec2_shows_an_instance_from_the_moment_of_its_launch_on(rig: Rig) -> None:
    rig.start(rig.seed())
    assert rig.copies() == []
    rig.advance(3600)
    assert len(rig.copies()) == 1


def test_what_moto_makes_has_the_same_ids_with_the_same_seed() -> None:
    def made(seed: int) -> tuple[str, str, str]:
        with mock_drs(seed=seed) as sandbox:
            return Rig(sandbox).network()

    assert made(1) == made(1)
    assert made(1) != made(2)
