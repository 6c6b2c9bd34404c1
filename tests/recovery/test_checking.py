"""The timing of checks: attempts, time-outs, retries, order, and a step that never blocks."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.plan.checks import TcpCheck
from prefect_drs.recovery.checks import ProbeOutcome, ProbeVerdict, Subject
from prefect_drs.recovery.checks.runner import CheckRunner
from prefect_drs.recovery.drivers import InlineExecutor
from prefect_drs.report.checks import CheckPhase, CheckResult
from prefect_drs.simulator import StepClock

PASSED, FAILED, PENDING = ProbeOutcome.passed("up"), ProbeOutcome.failed("down"), ProbeOutcome.pending("booting")
AT_WORK = ProbeOutcome.pending("running", at_work=True)


@dataclass
class Scripted:
    """A probe that sees what its script says, look by look, the last for ever; it remembers when it looked."""

    script: Sequence[ProbeOutcome]
    clock: StepClock
    name: str = "probe"
    phase: CheckPhase = CheckPhase.HEALTH
    subjects: tuple[Subject, ...] = ("s-1",)
    check: TcpCheck = field(default_factory=lambda: TcpCheck(port=1, timeout_seconds=60, interval_seconds=10))
    looks: list[tuple[float, int]] = field(default_factory=list)
    start: float = 0.0

    def __post_init__(self) -> None:
        self.start = self.clock.now().timestamp()

    def look(self, attempts: Mapping[Subject, int]) -> Mapping[Subject, ProbeOutcome]:
        self.looks.append((self.clock.now().timestamp() - self.start, max(attempts.values())))
        return dict.fromkeys(attempts, self.script[min(len(self.looks), len(self.script)) - 1])


def spec(**changes: Any) -> TcpCheck:
    return TcpCheck(port=1, timeout_seconds=60, interval_seconds=10).model_copy(update=changes)


def finish(checking: CheckRunner, clock: StepClock, most: int = 1000) -> CheckRunner:
    for _ in range(most):
        wait = checking.step()
        if wait is None:
            return checking
        clock.advance(wait)
    raise AssertionError("it never ends")


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


def test_nothing_to_check_is_over_and_passed(clock: StepClock) -> None:
    checking = CheckRunner((), clock, InlineExecutor())
    assert checking.step() is None
    assert checking.over
    assert checking.passed
    assert checking.reason == ""


def test_it_looks_every_interval_until_it_passes(clock: StepClock) -> None:
    probe = Scripted([PENDING, PENDING, PASSED], clock)
    checking = finish(CheckRunner([probe], clock, InlineExecutor()), clock)
    assert probe.looks == [(0, 1), (10, 1), (20, 1)]
    (result,) = checking.results
    assert (result.passed, result.attempts, result.detail) == (True, 1, "up")
    assert result.started_at is not None
    assert (result.ended_at - result.started_at).total_seconds() == 20


def test_an_attempt_has_a_last_look_at_its_time_out_and_then_the_next_one_begins(clock: StepClock) -> None:
    probe = Scripted([PENDING], clock, check=spec(timeout_seconds=25, retries=1))
    checking = finish(CheckRunner([probe], clock, InlineExecutor()), clock)
    assert probe.looks == [(0, 1), (10, 1), (20, 1), (25, 1), (35, 2), (45, 2), (55, 2), (60, 2)]
    assert not checking.passed
    assert checking.reason == "1 check(s) did not pass: probe of s-1: not within 25 s: booting"


def test_a_failure_ends_its_attempt_at_once(clock: StepClock) -> None:
    probe = Scripted([FAILED, FAILED, PASSED], clock, check=spec(retries=2))
    checking = finish(CheckRunner([probe], clock, InlineExecutor()), clock)
    assert probe.looks == [(0, 1), (10, 2), (20, 3)]
    assert checking.passed
    assert checking.results[0].attempts == 3


@pytest.mark.parametrize("outcome", [AT_WORK, ProbeOutcome.failed("lost", at_work=True)])
def test_no_attempt_follows_one_that_may_still_be_at_work(clock: StepClock, outcome: ProbeOutcome) -> None:
    probe = Scripted([outcome], clock, check=spec(retries=5))
    (result,) = finish(CheckRunner([probe], clock, InlineExecutor()), clock).results
    assert (result.passed, result.attempts) == (False, 1)


def test_a_check_that_is_not_required_is_only_told(clock: StepClock) -> None:
    probes = [Scripted([FAILED], clock, check=spec(required=False)), Scripted([PASSED], clock, name="other")]
    checking = finish(CheckRunner(probes, clock, InlineExecutor()), clock)
    assert checking.passed
    assert [result.passed for result in checking.results] == [False, True]
    assert checking.unhealthy == frozenset()


def test_health_checks_run_side_by_side_and_hooks_one_after_the_other(clock: StepClock) -> None:
    def two() -> list[Scripted]:
        return [Scripted([PENDING, PASSED], clock, name="first"), Scripted([PASSED], clock, name="second")]

    beside = two()
    finish(CheckRunner(beside, clock, InlineExecutor()), clock)
    assert [probe.looks[0][0] for probe in beside] == [0, 0]
    after = two()
    finish(CheckRunner(after, clock, InlineExecutor(), in_order=True), clock)
    assert [probe.looks[0][0] for probe in after] == [0, 10]


def test_no_hook_is_made_after_a_required_one_that_failed(clock: StepClock) -> None:
    probes = [
        Scripted([FAILED], clock, name="told", check=spec(required=False)),
        Scripted([FAILED], clock, name="stop"),
        Scripted([PASSED], clock, name="never"),
    ]
    checking = finish(CheckRunner(probes, clock, InlineExecutor(), in_order=True), clock)
    assert [len(probe.looks) for probe in probes] == [1, 1, 0]
    assert checking.results[2].attempts == 0
    assert checking.results[2].detail == "not made: stop failed before it"
    assert checking.reason == "1 check(s) did not pass: stop of s-1: down"


def test_results_that_the_journal_holds_are_not_made_again(clock: StepClock) -> None:
    probes = [Scripted([PASSED], clock, subjects=("s-1", "s-2"))]
    told: list[CheckResult] = []
    first = finish(CheckRunner(probes, clock, InlineExecutor(), on_result=told.append), clock)
    assert tuple(told) == first.results
    again = Scripted([FAILED], clock, subjects=("s-1", "s-2"))
    checking = finish(CheckRunner([again], clock, InlineExecutor(), finished=told[:1]), clock)
    assert [result.passed for result in checking.results] == [True, False]
    assert checking.unhealthy == {"s-2"}


def test_a_resumed_hook_that_had_failed_still_stops_those_after_it(clock: StepClock) -> None:
    def hooks() -> list[Scripted]:
        return [Scripted([FAILED], clock, name="stop"), Scripted([PASSED], clock, name="never")]

    failed = finish(CheckRunner(hooks(), clock, InlineExecutor(), in_order=True), clock).results[:1]
    again = hooks()
    checking = finish(CheckRunner(again, clock, InlineExecutor(), in_order=True, finished=failed), clock)
    assert not checking.passed
    assert [len(probe.looks) for probe in again] == [0, 0]


def test_a_look_that_ends_in_an_error_does_not_pass(clock: StepClock) -> None:
    class Broken(Scripted):
        def look(self, attempts: Mapping[Subject, int]) -> Mapping[Subject, ProbeOutcome]:
            raise KeyError("InstanceId")

    checking = finish(CheckRunner([Broken([], clock)], clock, InlineExecutor()), clock)
    assert not checking.passed
    assert "KeyError" in checking.reason


def test_a_step_never_waits_for_a_look_and_one_that_hangs_is_given_up(clock: StepClock) -> None:
    release, came_back = threading.Event(), threading.Event()

    class Hanging(Scripted):
        def look(self, attempts: Mapping[Subject, int]) -> Mapping[Subject, ProbeOutcome]:
            release.wait(30)
            return super().look(attempts)

    probe = Hanging([PASSED], clock, check=spec(retries=3))
    with ThreadPoolExecutor(1) as pool:
        checking = CheckRunner([probe], clock, pool, wake=came_back.set)
        assert checking.step() == 1.0
        clock.advance(61)
        assert checking.step() == 1.0  # it may still come back in time
        clock.advance(60)
        assert checking.step() is None
        assert not checking.passed
        assert "did not come back" in checking.reason
        release.set()
        assert came_back.wait(30)
    assert checking.step() is None
    assert not checking.passed


def test_a_look_that_comes_back_wakes_its_driver_and_is_taken_in(clock: StepClock) -> None:
    woken = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        gate = threading.Event()
        pool.submit(gate.wait, 30)
        checking = CheckRunner([Scripted([PASSED], clock)], clock, pool, wake=woken.set)
        assert checking.step() == 1.0
        gate.set()
        assert woken.wait(30)
        assert checking.step() is None
    assert checking.passed


def test_stopped_checks_did_not_pass(clock: StepClock) -> None:
    checking = CheckRunner([Scripted([PENDING], clock), Scripted([PASSED], clock, name="up")], clock, InlineExecutor())
    checking.step()
    checking.stop("cancelled by ops")
    assert checking.over
    assert not checking.passed
    assert [result.detail for result in checking.results] == ["cancelled by ops", "up"]


def test_a_result_is_camel_case_json_and_back(clock: StepClock) -> None:
    (result,) = finish(CheckRunner([Scripted([PASSED], clock)], clock, InlineExecutor()), clock).results
    data = result.model_dump(mode="json", by_alias=True)
    assert list(data) == [
        "phase", "name", "type", "required", "sourceServerId", "passed", "attempts", "detail", "startedAt", "endedAt",
    ]  # fmt: skip
    assert CheckResult.model_validate(data) == result


OUTCOMES = st.sampled_from([PASSED, FAILED, PENDING, AT_WORK])
SCRIPTS = st.lists(OUTCOMES, min_size=1, max_size=30)


@given(
    scripts=st.lists(SCRIPTS, min_size=1, max_size=4),
    timeout=st.integers(1, 90),
    interval=st.integers(1, 40),
    retries=st.integers(0, 4),
    in_order=st.booleans(),
)
def test_every_script_ends_in_its_time_within_its_attempts(
    scripts: list[list[ProbeOutcome]], timeout: int, interval: int, retries: int, in_order: bool
) -> None:
    clock = StepClock()
    begun = clock.now()
    check = spec(timeout_seconds=timeout, interval_seconds=interval, retries=retries)
    probes = [Scripted(script, clock, name=f"p{n}", check=check) for n, script in enumerate(scripts)]
    checking = finish(CheckRunner(probes, clock, InlineExecutor(), in_order=in_order), clock)
    took = (clock.now() - begun).total_seconds()
    one = (retries + 1) * timeout + retries * interval
    assert took <= one * (len(probes) if in_order else 1)
    assert len(checking.results) == len(probes)
    for probe, result in zip(probes, checking.results, strict=True):
        assert result.attempts <= retries + 1
        seen = [probe.script[min(n, len(probe.script) - 1)] for n in range(len(probe.looks))]
        assert result.passed == (bool(seen) and seen[-1].verdict is ProbeVerdict.PASSED)
        assert all(outcome.verdict is not ProbeVerdict.PASSED for outcome in seen[:-1])
    assert checking.passed == all(result.passed for result in checking.results)
