"""DRS leaves members out, or tells states that nobody knows: nothing is launched twice, nor taken for launched."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prefect_drs.aws.errors import UnreadableAnswerError
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.recovery.drivers import run_plainly
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook import Runbook, resolve
from tests.rig import REGION, Rig, WaveSpec, simulated_aws
from tests.strange_answers import Change, paths, session_with, thinned, without

PLAN = {1: WaveSpec(2), 2: WaveSpec(1, (1,))}
LONGEST = timedelta(hours=8)


class OutOfTimeError(Exception):
    """The execution did not come to its end."""


class EndingClock:
    """The simulated clock, with an end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._end = clock.now() + LONGEST

    def now(self) -> Any:
        return self._clock.now()

    def wait(self, seconds: float, wake: Any = None) -> None:
        if self._clock.now() > self._end:
            raise OutOfTimeError
        self._clock.wait(max(seconds, 0.5), wake)


def carried_out(rig: Rig, runbook: Runbook, change: Change) -> RecoveryReport:
    """The plan carried out with answers of DRS that are changed."""
    plain, rig.sessions = rig.sessions, Sessions(session=session_with(change, ("drs",)), attempts=1)
    clock, rig.clock = rig.clock, EndingClock(rig.clock)
    try:
        return run_plainly(rig.engine(runbook), rig.answers, rig.clock, timeout=timedelta(hours=1))
    finally:
        rig.sessions, rig.clock = plain, clock


def is_safe(rig: Rig, report: RecoveryReport) -> bool:
    """Nothing launched twice; what the report calls LAUNCHED is launched in DRS; no wave before those it rests on."""
    jobs = rig.jobs()
    launches = Counter(s["sourceServerID"] for job in jobs for s in job["participatingServers"])
    launched = {
        s["sourceServerID"] for job in jobs for s in job["participatingServers"] if s.get("launchStatus") == "LAUNCHED"
    }
    told = {s.source_server_id for w in report.waves for s in w.servers if s.launch_status == "LAUNCHED"}
    ordered = report.waves[0].status == "COMPLETED" or not report.waves[1].jobs
    return set(launches.values()) <= {1} and told <= launched and ordered


def members(*operations: str) -> list[str]:
    """Each member of the answers that a drill gets, as operation and path."""
    found: dict[str, None] = {}

    def note(operation: str, answer: dict[str, Any]) -> None:
        if operation in operations:
            found.update(dict.fromkeys(f"{operation}{path}" for path in paths(answer)))

    with simulated_aws() as rig:
        carried_out(rig, rig.runbook(PLAN), note)
    return list(found)


def lacking(member: str) -> Change:
    wanted, _, path = member.partition(".")

    def change(operation: str, answer: dict[str, Any]) -> None:
        if operation == wanted:
            without(answer, f".{path}")

    return change


@pytest.mark.parametrize("member", members("StartRecovery", "DescribeJobs"))
def test_a_member_of_a_job_that_is_never_told_breaks_nothing(member: str) -> None:
    with simulated_aws() as rig:
        runbook = rig.runbook(PLAN)
        try:
            report = carried_out(rig, runbook, lacking(member))
        except OutOfTimeError:  # nothing can be said of any job: it waits, and launches nothing more
            assert member in {"DescribeJobs.items", "DescribeJobs.items.jobID"}
            assert len(rig.jobs()) <= 1
            return
        assert is_safe(rig, report)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.01, 0.05, 0.2]))
@example(seed=1145, share=0.2)  # a lost answer, and its job without batch and servers in one reading: launched twice
def test_whatever_members_are_missing_now_and_then_nothing_is_launched_twice(seed: int, share: float) -> None:
    chance = random.Random(seed)
    with simulated_aws() as rig:
        runbook = rig.runbook(PLAN)
        try:
            report = carried_out(rig, runbook, lambda _, answer: thinned(answer, chance, share))
        except OutOfTimeError:
            launches = Counter(s["sourceServerID"] for job in rig.jobs() for s in job["participatingServers"])
            assert set(launches.values()) <= {1}
            return
        assert is_safe(rig, report)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.005, 0.02, 0.1, 0.5]))
def test_a_preflight_whose_answers_lack_members_refuses_or_tells_why(seed: int, share: float) -> None:
    chance = random.Random(seed)
    with simulated_aws() as rig:
        manifest = rig.manifest({1: WaveSpec(2, settings={"instanceType": "m5.large", "tags": {"a": "b"}})})
        sessions = Sessions(session=session_with(lambda _, answer: thinned(answer, chance, share)), attempts=1)
        with suppress(PrefectDrsError):  # any refusal will do, and no other exception
            runbook = resolve(manifest, manifest.plan(None), mode="drill", sessions=sessions, clock=rig.clock)
            assert all("\n" not in finding.message for finding in runbook.findings)


def told(change: Callable[[dict[str, Any]], None]) -> Change:
    """Change each job that DescribeJobs tells."""

    def of_jobs(operation: str, answer: dict[str, Any]) -> None:
        if operation == "DescribeJobs":
            for job in answer["items"]:
                change(job)

    return of_jobs


def with_launch_status(status: str) -> Change:
    def change(job: dict[str, Any]) -> None:
        for server in job["participatingServers"]:
            if server.get("launchStatus") == "LAUNCHED":
                server["launchStatus"] = status

    return told(change)


@pytest.mark.parametrize("status", ["WARMING_UP", "LAUNCHED_WITH_WARNINGS", "launched", ""])
def test_a_launch_status_that_nobody_knows_is_never_taken_for_launched(status: str) -> None:
    with simulated_aws() as rig:
        report = carried_out(rig, rig.runbook(PLAN), with_launch_status(status))
        assert [wave.status.value for wave in report.waves] == ["FAILED", "SKIPPED"]
        assert len(rig.jobs()) == 1


@pytest.mark.parametrize("status", ["WARMING_UP", "PENDING"])
def test_a_server_of_which_a_job_that_is_over_says_nothing_is_not_launched_again(status: str) -> None:
    plan = {1: WaveSpec(2, policy={"retry": {"attempts": 3}})}
    with simulated_aws() as rig:
        report = carried_out(rig, rig.runbook(plan), with_launch_status(status))
        assert len(rig.jobs()) == 1
        assert [server.attempts for server in report.waves[0].servers] == [1, 1]
        assert all("DRS does not say whether" in (server.error or "") for server in report.waves[0].servers)


class Nameless:
    """For some readings, the jobs that DescribeJobs tells name neither their batch nor their servers."""

    def __init__(self, readings: float) -> None:
        self._left = readings

    def __call__(self, operation: str, answer: dict[str, Any]) -> None:
        if operation == "DescribeJobs" and answer["items"] and self._left > 0:
            self._left -= 1
            for job in answer["items"]:
                job["participatingServers"] = []
                job["tags"].pop("prefect-drs:batch")


@pytest.mark.parametrize("readings", [1, 20, math.inf])
def test_a_job_that_does_not_say_whom_it_launches_is_waited_for_and_nothing_is_launched_twice(readings: float) -> None:
    with simulated_aws() as rig:
        runbook = rig.runbook(PLAN)
        rig.sandbox.faults.add({"kind": "operation", "operation": "StartRecovery", "effect": "lose-answer", "times": 1})
        report = carried_out(rig, runbook, Nameless(readings))
        assert is_safe(rig, report)
        assert report.status == ("COMPLETED" if readings < math.inf else "FAILED")


def with_job_status(job: dict[str, Any]) -> None:
    job["status"] = {"COMPLETED": "ARCHIVED"}.get(job["status"], "WARMING_UP")


def test_a_job_status_that_nobody_knows_is_running_until_the_job_has_an_end() -> None:
    with simulated_aws() as rig:
        report = carried_out(rig, rig.runbook(PLAN), told(with_job_status))
        assert report.status == "COMPLETED"
        assert is_safe(rig, report)


def test_a_job_type_that_nobody_knows_is_followed_where_it_is_known_by_its_id() -> None:
    with simulated_aws() as rig:
        report = carried_out(rig, rig.runbook(PLAN), told(lambda job: job.update(type="LAUNCH_V2")))
        assert report.status == "COMPLETED"
        assert is_safe(rig, report)


def garbage(job: dict[str, Any]) -> None:
    job["tags"] |= {"prefect-drs:wave": "²", "prefect-drs:batch": "x"}


def other_wave(job: dict[str, Any]) -> None:
    job["tags"]["prefect-drs:wave"] = "77"


@pytest.mark.parametrize(
    "change", [lambda job: job.pop("tags"), lambda job: job.update(tags={}), garbage, other_wave],
    ids=["no tags", "empty", "garbage", "another wave"],
)  # fmt: skip
@pytest.mark.parametrize("lost", [False, True], ids=["answer came", "answer lost"])
def test_a_job_whose_tags_were_taken_or_changed_is_followed_all_the_same(
    change: Callable[[dict[str, Any]], None], lost: bool
) -> None:
    with simulated_aws() as rig:
        runbook = rig.runbook(PLAN)
        if lost:
            rig.sandbox.faults.add(
                {"kind": "operation", "operation": "StartRecovery", "effect": "lose-answer", "times": 1}
            )
        if lost and change not in {garbage, other_wave}:
            pytest.skip("without any tag and answer, a job is nobody's: what launches elsewhere is looked at does")
        report = carried_out(rig, runbook, told(change))
        assert report.status == "COMPLETED"
        assert is_safe(rig, report)
        assert len(rig.jobs()) == 2


def test_a_job_of_somebody_else_with_our_tag_and_no_wave_holds_nothing_up() -> None:
    with simulated_aws() as rig:
        runbook = rig.runbook(PLAN)
        backend = rig.sandbox.backend("123456789012", REGION)
        disks = [{"deviceName": "/dev/sda1", "bytes": 2**33}]
        other = backend.seed_source_server(hostname="other", ram_bytes=2**32, cpus=2, disks=disks)
        tags = {"prefect-drs:execution": "exec-1", "prefect-drs:wave": "one"}
        rig.sessions.client("drs", region=REGION).start_recovery(
            sourceServers=[{"sourceServerID": other.server_id}], isDrill=True, tags=tags
        )
        report = carried_out(rig, runbook, lambda *_: None)
        assert report.status == "COMPLETED"
        assert len(report.waves[0].jobs) == len(report.waves[1].jobs) == 1


def test_a_start_whose_answer_has_no_job_counts_as_unknown_and_is_found_by_its_tags() -> None:
    with simulated_aws() as rig:
        report = carried_out(rig, rig.runbook(PLAN), lacking("StartRecovery.job"))
        assert report.status == "COMPLETED"
        assert is_safe(rig, report)


def test_an_answer_that_cannot_be_understood_says_which_member_is_missing_and_where() -> None:
    from prefect_drs.aws.drs import describe_source_servers
    from prefect_drs.aws.location import Location

    with simulated_aws() as rig:
        rig.runbook(PLAN)
        sessions = Sessions(session=session_with(lacking("DescribeSourceServers.items.sourceServerID")))
        with pytest.raises(UnreadableAnswerError) as refused:
            describe_source_servers(sessions, Location("123456789012", REGION))
    assert refused.value.message.startswith(
        f"the answer to DescribeSourceServers in 123456789012/{REGION} cannot be understood: the member "
        "'sourceServerID' is missing; "
    )
    assert refused.value.details["ambiguous"]
