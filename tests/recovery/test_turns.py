"""Executions in one account-region: the quotas hold for all of them together, and none waits for another's end."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

import pytest

from prefect_drs.aws.location import Location
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.launch.packing import JobUsage, Limits
from prefect_drs.recovery.launch.quota_sharing import QuotaSharing, share
from prefect_drs.report.model import ExecutionStatus
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec

LIMITS = Limits(servers_per_job=5, concurrent_jobs=8, servers_in_jobs=20)


class Desk:
    """Where executions of one test tell of each other."""

    def __init__(self) -> None:
        self.wanting: set[str] = set()
        self.refuses = 0

    def of(self, execution_id: str) -> QuotaSharing:
        desk = self

        class Seat:
            shared = True

            def want(self, location: Location, *, wanted: bool) -> int:
                (desk.wanting.add if wanted else desk.wanting.discard)(execution_id)
                return max(1, len(desk.wanting))

            def take(self, location: Location) -> AbstractContextManager[None] | None:
                if desk.refuses:
                    desk.refuses -= 1
                    return None
                return nullcontext()

        return Seat()


def began(rig: Rig, execution_id: str) -> list[datetime]:
    jobs = rig.sandbox.backend(ACCOUNT, REGION).jobs.values()
    return sorted(job.created_at for job in jobs if job.tags["prefect-drs:execution"] == execution_id)


def side_by_side(rig: Rig, desk: Desk) -> list[Engine]:
    engines = [
        rig.engine(rig.runbook({1: WaveSpec(40)}), execution_id, limits=LIMITS, sharing=desk.of(execution_id))
        for execution_id in ("first", "second")
    ]
    backend = rig.sandbox.backend(ACCOUNT, REGION)
    for engine in engines:
        engine.submit(1)
    while not all(engine.idle for engine in engines):
        rig.clock.wait(min(engine.tick() for engine in engines))
        backend.advance()
        assert len(backend.busy_servers) <= LIMITS.servers_in_jobs
        assert sum(job.ended_at is None for job in backend.jobs.values()) <= LIMITS.concurrent_jobs
    return engines


def test_two_executions_at_once_keep_the_quotas_together_and_each_gets_its_share(rig: Rig) -> None:
    engines = side_by_side(rig, Desk())
    assert [engine.finish().status for engine in engines] == [ExecutionStatus.COMPLETED] * 2
    assert {call.code for call in rig.sandbox.calls if call.operation == "StartRecovery"} == {""}
    first, second = began(rig, "first"), began(rig, "second")
    assert second[0] < first[-1]
    assert first[len(first) // 2] < second[-1]
    assert sum(at < first[-1] for at in second) >= len(second) // 2  # not one after the other


def test_a_turn_that_another_execution_has_is_asked_for_again_soon(rig: Rig) -> None:
    desk = Desk()
    desk.refuses = 3
    engine = rig.engine(rig.runbook({1: WaveSpec(1)}), sharing=desk.of("exec-1"))
    assert rig.run(engine).status is ExecutionStatus.COMPLETED
    assert desk.refuses == 0
    assert desk.wanting == set()


@pytest.mark.parametrize(
    ("sharers", "own", "jobs", "servers"),
    [
        (1, JobUsage(), 20, 500),
        (2, JobUsage(jobs=10, servers=250), 16, 400),  # has its half: nothing more than what is in use
        (2, JobUsage(jobs=4, servers=100), 20, 500),
        (3, JobUsage(jobs=1, servers=40), 20, 500),
        (3, JobUsage(jobs=5, servers=140), 17, 426),
        (600, JobUsage(), 17, 401),  # never nothing at all
    ],
)
def test_an_execution_with_its_share_starts_nothing_more_while_others_want(
    sharers: int, own: JobUsage, jobs: int, servers: int
) -> None:
    limits = share(Limits(), JobUsage(jobs=16, servers=400), own, sharers)
    assert (limits.concurrent_jobs, limits.servers_in_jobs) == (jobs, servers)
