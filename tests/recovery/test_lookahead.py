"""The lookahead keeps the quotas, waits only for jobs that will end, and ends no later than the packer alone."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.estates import LARGE, draw_estate, lower_bound
from benchmarks.packing import expected_seconds, quota_violations, simulated_waves
from prefect_drs.forecast import PackingPlan, simulate
from prefect_drs.recovery.launch.lookahead import RULES, InFlight, Lookahead, RestOfRecovery, WaveLookahead, choose
from prefect_drs.recovery.launch.packing import Demand, JobUsage, Limits, PackingRule, Ready, pack
from tests.recovery.test_packing import IDS, demands_drawn, limits_drawn, servers_of, usage_drawn

seconds_drawn = st.floats(min_value=0, max_value=1e5)
in_flight_drawn = st.builds(
    InFlight,
    wave_number=st.none() | st.integers(1, 30),
    servers=st.integers(0, 100),
    age=seconds_drawn,
    expected=st.none() | seconds_drawn,
)


@st.composite
def lookaheads_drawn(draw: st.DrawFn) -> Lookahead:
    """Any jobs, and waves that depend on each other in any way, in circles and on waves that are over too."""
    drawn_waves = st.builds(
        WaveLookahead,
        depends_on=st.lists(st.integers(1, 30), max_size=3).map(tuple),
        seconds=st.lists(seconds_drawn, max_size=20).map(lambda drawn: tuple(sorted(drawn, reverse=True))),
        after=seconds_drawn,
        opening=st.just(0.0) | seconds_drawn,
        elsewhere=st.just(0.0) | seconds_drawn,
        closing=st.just(0.0) | seconds_drawn,
    )
    waves = draw(st.dictionaries(st.integers(1, 30), drawn_waves, max_size=8))
    return Lookahead(tuple(draw(st.lists(in_flight_drawn, max_size=4))), waves)


@given(demands_drawn(), usage_drawn(), limits_drawn, lookaheads_drawn())
def test_no_quota_is_broken_and_no_server_started_twice_whatever_is_expected(demands, usage, limits, lookahead):
    starts = choose(demands, usage, limits, lookahead)
    wanted = {demand.wave_number: set(demand.servers) for demand in demands}

    assert all(1 <= len(start.servers) <= limits.servers_per_job for start in starts)
    assert all(set(start.servers) <= wanted[start.wave_number] for start in starts)
    assert not starts or usage.jobs + len(starts) <= limits.concurrent_jobs
    assert not starts or usage.servers + len(servers_of(starts)) <= limits.servers_in_jobs
    assert len(servers_of(starts)) == len(set(servers_of(starts)))
    assert usage.busy.isdisjoint(servers_of(starts))


@given(demands_drawn(), usage_drawn(), limits_drawn, lookaheads_drawn())
def test_it_waits_only_where_a_job_that_runs_will_end(demands, usage, limits, lookahead):
    ready = {s for demand in demands for s in demand.servers} - usage.busy
    room = usage.jobs < limits.concurrent_jobs and usage.servers < limits.servers_in_jobs
    starts = choose(demands, usage, limits, lookahead)

    if any(job.left is not None for job in lookahead.in_flight):
        assert ready or not starts
    else:
        assert bool(starts) == bool(ready and room)


@given(demands_drawn(), usage_drawn(), lookaheads_drawn(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_nothing(demands, usage, lookahead, chance):
    shuffled, jobs, waves = list(demands), list(lookahead.in_flight), list(lookahead.waves.items())
    for drawn in (shuffled, jobs, waves):
        chance.shuffle(drawn)

    assert choose(shuffled, usage, None, Lookahead(tuple(jobs), dict(waves))) == choose(demands, usage, None, lookahead)


@given(demands_drawn())
@settings(max_examples=50)
def test_where_no_quota_binds_the_packer_decides_alone(demands):
    ample = Limits(100, 1000, 100_000)

    assert choose(demands, JobUsage(), ample, Lookahead()) == pack(demands, JobUsage(), ample)


# Waiting: 60 slots are free, wave 1 has 100 servers, wave 2 has 60, and two jobs may run.

TIGHT = Limits(servers_per_job=100, concurrent_jobs=2, servers_in_jobs=160)
LONG, SHORT = tuple(IDS[:100]), tuple(IDS[100:160])
SECONDS = {s: 1000.0 + i / 100 for i, s in enumerate(LONG)} | {s: 900.0 + i / 100 for i, s in enumerate(SHORT)}
BOTH = (Demand(1, LONG, 1001.0, SECONDS), Demand(2, SHORT, 901.0, SECONDS))


def test_an_urgent_wave_waits_for_slots_that_come_soon_while_a_less_urgent_one_fills_in():
    soon = Lookahead((InFlight(wave_number=9, servers=100, age=940.0, expected=1000.0),))

    (start,) = choose(BOTH, JobUsage(jobs=1, servers=100), TIGHT, soon)

    assert (start.wave_number, set(start.servers)) == (2, set(SHORT))


@pytest.mark.parametrize("job", [InFlight(9, 100, 1600.0, 1000.0), InFlight(None, 100, 5.0, None)])
def test_a_job_that_is_not_expected_to_end_is_not_waited_for(job):
    (start,) = choose(BOTH, JobUsage(jobs=1, servers=100), TIGHT, Lookahead((job,)))

    assert (start.wave_number, len(start.servers)) == (1, 60)


# The simulation of the rest


def expected_end(
    lookahead: Lookahead, demands: tuple[Demand, ...] = (), rule: PackingRule = RULES[0]
) -> tuple[int, float]:
    return RestOfRecovery(Ready(demands, JobUsage()), JobUsage(), Limits(), lookahead).expected_end(rule)


def test_gates_checks_and_servers_in_other_places_count():
    waves = {
        1: WaveLookahead(seconds=(600.0,), elsewhere=700.0, closing=50.0),
        2: WaveLookahead(depends_on=(1,), seconds=(300.0, 200.0), opening=1000.0),
        3: WaveLookahead(depends_on=(2, 99), elsewhere=40.0),
    }

    assert expected_end(Lookahead(waves=waves)) == (0, 700 + 50 + 1000 + 300 + 40)


def test_a_wave_that_launches_is_over_when_its_running_jobs_and_its_ready_servers_are_launched():
    waves = {1: WaveLookahead(), 2: WaveLookahead(depends_on=(1,), seconds=(100.0,))}
    running = (InFlight(1, 3, age=100.0, expected=500.0),)

    assert expected_end(Lookahead(running, waves)) == (0, 400 + 100)
    assert expected_end(Lookahead(running, waves), (Demand(1, ("s-a",), 800.0, {"s-a": 700.0}),)) == (0, 700 + 100)


def test_waves_behind_a_job_that_is_not_expected_to_end_are_never_over():
    waves = {1: WaveLookahead(), 2: WaveLookahead(depends_on=(1,), seconds=(100.0,)), 3: WaveLookahead(seconds=(50.0,))}

    assert expected_end(Lookahead((InFlight(1, 3, age=100.0, expected=None),), waves)) == (2, 50.0)


def test_all_servers_of_a_wave_with_equal_seconds_are_simulated():
    """600 servers of equal seconds do not fit at once: those that do not fit come later."""
    waves = {1: WaveLookahead(seconds=(100.0,) * 600)}

    assert expected_end(Lookahead(waves=waves)) == (0, 200.0)


# Its gain


@pytest.mark.parametrize("seed", [4, 5])
def test_on_the_hardest_estates_it_ends_before_the_packer_alone_and_within_the_target(seed):
    estate = draw_estate(LARGE, seed)
    plan = PackingPlan.of(simulated_waves(estate), expected_seconds(estate))

    ahead = simulate(plan, estate.durations, reaction=5.0)
    alone = simulate(plan, estate.durations, reaction=5.0, lookahead=False)

    assert quota_violations(ahead) == 0
    assert ahead.makespan < alone.makespan
    assert ahead.makespan <= 1.12 * lower_bound(estate).seconds


def test_a_decision_over_four_thousand_servers_in_120_waves_takes_a_fraction_of_a_second():
    chance = random.Random(7)
    durations = {f"s-{i:017d}": 1200 * chance.lognormvariate(0, 0.35) for i in range(4000)}
    ids = list(durations)
    of_wave = {n: tuple(ids[n * 33 : n * 33 + 33]) for n in range(120)}
    ready = [Demand(n, of_wave[n], 9000.0 - n, durations) for n in range(30)]
    coming = {
        n: WaveLookahead(depends_on=(n - 30,), seconds=tuple(sorted((durations[s] for s in of_wave[n]), reverse=True)))
        for n in range(30, 120)
    }

    began = time.process_time()
    starts = choose(ready, JobUsage(), None, Lookahead(waves=coming))

    assert starts
    assert time.process_time() - began < 0.75
