"""The packer keeps every quota whatever it is given, always gets on, and puts the longest chain first."""

from __future__ import annotations

import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.estates import LARGE, SMALL, draw_estate, lower_bound
from benchmarks.packing import TARGETS, measure, quota_violations
from prefect_drs.recovery.launch.packing import Demand, JobStart, JobUsage, Limits, pack

IDS = [f"s-{i:017d}" for i in range(400)]
any_float = st.floats(allow_nan=True, allow_infinity=True)
sensible = st.floats(min_value=0, max_value=1e6)
MICROSECOND = 1e-6
"""Seconds. Paths that differ by less are equally long: durations are added to them and taken away again."""
limits_drawn = st.builds(
    Limits,
    servers_per_job=st.integers(1, 100),
    concurrent_jobs=st.integers(1, 20),
    servers_in_jobs=st.integers(1, 500),
)


@st.composite
def demands_drawn(draw: st.DrawFn, seconds: st.SearchStrategy[float] = sensible) -> tuple[Demand, ...]:
    """Up to eight waves over a pool of ids, with or without durations, of which some may be missing."""
    waves = draw(st.lists(st.integers(1, 30), unique=True, max_size=8))
    pool = draw(st.permutations(IDS[: draw(st.integers(0, 400))]))
    demands = []
    for wave in waves:
        count = draw(st.integers(0, 160))
        servers, pool = tuple(pool[:count]), pool[count:]
        durations = None
        if draw(st.booleans()):
            values = draw(st.lists(seconds, min_size=1, max_size=12))
            durations = {s: values[i % len(values)] for i, s in enumerate(servers) if i % 7 or draw(st.booleans())}
        demands.append(Demand(wave, servers, draw(seconds), durations))
    return tuple(demands)


@st.composite
def usage_drawn(draw: st.DrawFn) -> JobUsage:
    """Some use by anyone, above the quotas too."""
    busy = draw(st.frozensets(st.sampled_from(IDS), max_size=20))
    return JobUsage(draw(st.integers(0, 25)), draw(st.integers(len(busy), 600)), busy)


def servers_of(starts: tuple[JobStart, ...]) -> list[str]:
    return [s for start in starts for s in start.servers]


@given(demands_drawn(any_float), usage_drawn(), limits_drawn)
def test_no_quota_is_broken_whatever_the_input(demands, usage, limits):
    starts = pack(demands, usage, limits)

    assert all(1 <= len(start.servers) <= limits.servers_per_job for start in starts)
    assert not starts or usage.jobs + len(starts) <= limits.concurrent_jobs
    assert not starts or usage.servers + len(servers_of(starts)) <= limits.servers_in_jobs


@given(demands_drawn(any_float), usage_drawn(), limits_drawn)
def test_no_server_is_started_twice_or_while_it_is_busy(demands, usage, limits):
    started = servers_of(pack(demands + demands, usage, limits))

    assert len(started) == len(set(started))
    assert usage.busy.isdisjoint(started)


@given(demands_drawn(any_float), usage_drawn())
def test_a_job_holds_servers_of_the_one_wave_that_asked_for_them(demands, usage):
    asked = {demand.wave_number: set(demand.servers) for demand in demands}

    assert all(set(start.servers) <= asked[start.wave_number] for start in pack(demands, usage))


@given(demands_drawn(any_float), usage_drawn(), limits_drawn)
def test_it_gets_on_wherever_there_is_room_for_a_ready_server(demands, usage, limits):
    ready = {s for demand in demands for s in demand.servers} - usage.busy
    room = usage.jobs < limits.concurrent_jobs and usage.servers < limits.servers_in_jobs

    assert bool(pack(demands, usage, limits)) == bool(ready and room)


@given(demands_drawn(), usage_drawn(), limits_drawn)
def test_it_stops_only_when_a_quota_is_used_up_or_nothing_is_left(demands, usage, limits):
    starts = pack(demands, usage, limits)
    ready = {s for demand in demands for s in demand.servers} - usage.busy
    jobs, servers = usage.jobs + len(starts), usage.servers + len(servers_of(starts))

    assert jobs >= limits.concurrent_jobs or servers >= limits.servers_in_jobs or ready == set(servers_of(starts))


@given(demands_drawn(), usage_drawn(), limits_drawn, st.randoms(use_true_random=False))
def test_the_answer_depends_on_what_is_asked_and_not_on_the_order(demands, usage, limits, chance):
    shuffled = list(demands)
    chance.shuffle(shuffled)

    assert pack(shuffled, usage, limits) == pack(demands, usage, limits)


@given(demands_drawn(), usage_drawn())
def test_the_longest_remaining_path_is_served_first(demands, usage):
    starts = pack(demands, usage)
    waiting = [d for d in demands if not usage.busy.issuperset(d.servers)]

    if starts:
        longest = max(demand.remaining_path for demand in waiting)
        alike = {d.wave_number for d in waiting if longest - d.remaining_path < MICROSECOND}
        assert starts[0].wave_number in alike


@given(demands_drawn(), limits_drawn)
@settings(max_examples=50)
def test_called_again_and_again_it_launches_everything(demands, limits):
    left = {demand.wave_number: demand.servers for demand in demands}
    by_number = {demand.wave_number: demand for demand in demands}
    rounds = 0
    while any(left.values()):
        now = [Demand(n, servers, by_number[n].remaining_path, by_number[n].durations) for n, servers in left.items()]
        started = set(servers_of(pack(now, JobUsage(), limits)))
        left = {n: tuple(s for s in servers if s not in started) for n, servers in left.items()}
        rounds += 1
        assert rounds <= sum(len(d.servers) for d in demands)


@pytest.mark.parametrize(
    "usage",
    [JobUsage(jobs=20, servers=20), JobUsage(jobs=3, servers=500), JobUsage(jobs=31, servers=700)],
    ids=["every job slot", "every server slot", "more than there is"],
)
def test_foreign_jobs_that_hold_a_whole_quota_leave_nothing_to_start(usage):
    assert pack([Demand(1, ("s-a",), 60.0)], usage) == ()


def test_foreign_jobs_leave_what_they_do_not_use():
    starts = pack([Demand(1, tuple(IDS[:100]), 60.0)], JobUsage(jobs=19, servers=493))

    assert [len(start.servers) for start in starts] == [7]


def test_a_wave_of_230_servers_is_three_jobs():
    starts = pack([Demand(4, tuple(IDS[:230]), 60.0)], JobUsage())

    assert len(starts) == 3
    assert sorted(servers_of(starts)) == sorted(IDS[:230])


def test_a_server_that_two_waves_ask_for_is_started_by_the_more_urgent_one():
    starts = pack([Demand(1, ("s-a",), 10.0), Demand(2, ("s-a",), 20.0)], JobUsage())

    assert starts == (JobStart(2, ("s-a",)),)


def test_slow_servers_do_not_hold_the_slots_of_fast_ones():
    slow, fast = tuple(IDS[:40]), tuple(IDS[40:100])
    durations = dict.fromkeys(slow, 3600.0) | dict.fromkeys(fast, 600.0)

    starts = pack([Demand(1, fast + slow, 3600.0, durations)], JobUsage())

    assert [set(start.servers) for start in starts] == [set(slow), set(fast)]


def test_two_servers_of_unlike_duration_are_not_worth_two_jobs():
    starts = pack([Demand(1, ("s-a", "s-b"), 900.0, {"s-a": 900.0, "s-b": 600.0})], JobUsage())

    assert starts == (JobStart(1, ("s-a", "s-b")),)


def test_the_fast_part_of_an_urgent_wave_gives_way_to_a_wave_that_is_more_pressed():
    slow, fast, other = tuple(IDS[:50]), tuple(IDS[50:100]), tuple(IDS[100:150])
    durations = dict.fromkeys(slow, 3600.0) | dict.fromkeys(fast, 300.0) | dict.fromkeys(other, 1200.0)

    starts = pack(
        [Demand(1, slow + fast, 3600.0, durations), Demand(2, other, 1200.0, durations)], JobUsage(servers=400)
    )

    assert [(start.wave_number, set(start.servers)) for start in starts] == [(1, set(slow)), (2, set(other))]


def test_a_fragment_takes_the_slowest_servers_first():
    durations = {s: 1000.0 + i for i, s in enumerate(IDS[:100])}

    (start,) = pack([Demand(1, tuple(IDS[:100]), 2000.0, durations)], JobUsage(jobs=5, servers=490))

    assert start.servers == tuple(IDS[99:89:-1])


def test_four_thousand_ready_servers_are_packed_in_under_ten_milliseconds():
    chance = random.Random(7)
    durations = {f"s-{i:017d}": 1200 * math.exp(0.35 * chance.gauss(0, 1)) for i in range(4000)}
    ids = list(durations)
    one = [Demand(1, tuple(ids), 3600.0, durations)]
    many = [Demand(n, tuple(ids[n * 33 : n * 33 + 33]), 9000.0 - n, durations) for n in range(121)]

    for demands in (one, many):
        best = min(_seconds_of(demands) for _ in range(5))
        assert best < 0.010


def _seconds_of(demands: list[Demand]) -> float:
    began = time.process_time()
    pack(demands, JobUsage())
    return time.process_time() - began


@pytest.mark.parametrize(("size", "seed"), [(SMALL, 1), (LARGE, 2), (LARGE, 4)])
def test_the_model_keeps_the_targets_of_the_packing_benchmark(size, seed):
    row = measure(size, seed, reaction=5.0)

    assert row.violations == 0
    assert 1.0 <= row.ratios["known"] <= TARGETS[size]
    assert row.ratios["known"] < row.ratios["tier by tier"] < row.ratios["one after another"]


def test_an_estate_is_what_the_issue_describes_and_the_same_every_time():
    estate = draw_estate(LARGE, 3)
    servers = estate.wave_servers()
    logs = [math.log(seconds / 1200) for seconds in estate.durations.values()]
    mean = sum(logs) / len(logs)

    assert len(servers) == 120
    assert sum(map(len, servers.values())) == len({s for ids in servers.values() for s in ids}) == 4000
    assert abs(mean) < 0.02
    assert abs(math.sqrt(sum((x - mean) ** 2 for x in logs) / len(logs)) - 0.35) < 0.02
    assert draw_estate(LARGE, 3) == estate
    assert lower_bound(estate).seconds >= max(estate.durations.values())


def test_a_broken_quota_is_counted():
    from prefect_drs.recovery.launch.simulated_recovery import SimulatedJob, SimulatedRecovery

    jobs = tuple(SimulatedJob("a", n, 100, 0.0, 10.0) for n in range(6))

    assert quota_violations(SimulatedRecovery({}, jobs, 10.0)) == 1
