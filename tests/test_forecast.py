"""The forecast plays the engine's own packer, and tells how long, by which waves, and what holds them up."""

from __future__ import annotations

import json
import math
import random
import statistics
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.estates import LARGE, SMALL, draw_estate
from benchmarks.forecast import makespan, off
from benchmarks.packing import quota_violations, simulated_waves
from prefect_drs.forecast import (
    PackingPlan,
    ServerTraits,
    SimulatedWave,
    Spread,
    default_spread,
    forecast,
    simulate,
    spreads,
)
from prefect_drs.forecast import forecast_json as as_json
from prefect_drs.recovery.launch.packing import JobUsage, Limits
from prefect_drs.simulator.drs import durations as simulated

HERE = "111122223333/us-east-1"
THERE = "111122223333/eu-west-1"


def wave(
    number: int, servers: int, *after: int, gate: float = 0.0, check: float = 0.0, at: str = HERE
) -> SimulatedWave:
    return SimulatedWave(number, after, {at: tuple(f"s-{number}-{i}" for i in range(servers))}, gate, check)


def all_taking(waves: list[SimulatedWave], seconds: float) -> dict[str, float]:
    return {s: seconds for w in waves for there in w.servers.values() for s in there}


def course_of(waves: list[SimulatedWave], seconds: float = 600.0, **more):
    durations = all_taking(waves, seconds)
    return simulate(PackingPlan.of(waves, durations), durations, **more)


def exactly(waves: list[SimulatedWave], seconds: float) -> dict[str, list[float]]:
    """A record so steady that nothing is left to chance."""
    return {s: [seconds, seconds] for s in all_taking(waves, seconds)}


# The course


def test_a_chain_lasts_as_long_as_its_waves_gates_checks_and_reactions():
    waves = [wave(1, 10, check=30.0), wave(2, 5, 1, gate=120.0)]

    course = course_of(waves, 600.0, reaction=5.0)

    assert course.makespan == 605 + 30 + 120 + 605
    assert (course.waves[2].ready, course.waves[2].opened, course.waves[2].started) == (635, 755, 755)


def test_waves_that_do_not_depend_on_each_other_run_side_by_side():
    assert course_of([wave(1, 10), wave(2, 10)]).makespan == 600


def test_what_does_not_fit_into_the_quotas_waits_its_turn():
    assert course_of([wave(1, 501)]).makespan == 1200
    assert course_of([wave(n, 1) for n in range(1, 22)]).makespan == 1200


def test_each_account_and_region_has_quotas_of_its_own():
    assert course_of([wave(1, 500), wave(2, 500, at=THERE)]).makespan == 600


def test_jobs_of_others_take_their_share_of_the_quotas():
    assert course_of([wave(1, 500)], usage={HERE: JobUsage(jobs=1, servers=1)}).makespan == 1200


def test_others_that_hold_a_whole_quota_for_ever_are_an_error_and_not_an_endless_loop():
    with pytest.raises(ValueError, match=r"waves \[1\] can never start"):
        course_of([wave(1, 5)], usage={HERE: JobUsage(jobs=20, servers=20)})


def test_a_server_that_fails_is_launched_again_before_its_wave_is_done():
    waves = [wave(1, 3), wave(2, 3, 1)]

    course = course_of(waves, 600.0, failures={"s-1-0": 2})

    assert course.waves[1].launched == 1800
    assert course.waves[2].started == 1800


def test_a_wave_without_servers_holds_nobody_up():
    assert course_of([wave(1, 0), wave(2, 3, 1)]).makespan == 600


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_no_course_breaks_a_quota_or_starts_a_wave_before_its_dependencies(seed, jobs, servers):
    rng = random.Random(seed)
    waves = [wave(1, rng.randrange(30))]
    for n in range(2, 12):
        waves.append(wave(n, rng.randrange(30), *{rng.randrange(1, n) for _ in range(rng.randrange(3))}))
    durations = {s: rng.lognormvariate(6, 1) for s in all_taking(waves, 0.0)}
    limits = Limits(servers_per_job=rng.randrange(1, 20), concurrent_jobs=jobs, servers_in_jobs=servers)

    course = simulate(PackingPlan.of(waves, durations if seed % 2 else None), durations, limits=limits)

    assert quota_violations(course, limits) == 0
    assert sum(job.servers for job in course.jobs) == len(durations)
    for w in waves:
        assert all(course.waves[n].ended <= course.waves[w.wave_number].started for n in w.depends_on_waves)


# What is expected of a server


def test_a_server_without_a_record_takes_the_documented_default():
    traits = {"lin": ServerTraits(200.0, windows=False), "win": ServerTraits(200.0, windows=True)}

    assert spreads(["lin", "win", "any"], traits=traits) == {
        "lin": Spread(415.0, 0.20),
        "win": Spread(734.0, 0.20),
        "any": Spread(1200.0, 0.35),
    }


@pytest.mark.parametrize("windows", [False, True], ids=["Linux", "Windows"])
@pytest.mark.parametrize("gib", [20, 100, 2000])
def test_the_default_agrees_with_what_the_simulator_launches_by(windows, gib):
    rng = random.Random(1)
    launches = []
    for _ in range(2000):
        stages = simulated.stages(
            rng,
            disk_bytes=gib * simulated.GIB,
            windows=windows,
            replaces=False,
            from_snapshot=False,
            fast=False,
        )
        server = stages.cleanup + stages.snapshot + stages.conversion + stages.launch
        launches.append(simulated.job_start(rng) + server + simulated.job_end(rng))

    expected = default_spread(ServerTraits(gib, windows))

    assert statistics.median(launches) == pytest.approx(expected.median, rel=0.05)
    assert statistics.stdev(map(math.log, launches)) == pytest.approx(expected.sigma, abs=0.05)


def test_recorded_launches_take_the_place_of_the_default():
    found = spreads(["a", "b"], {"a": [300.0, 300.0], "b": [900.0, 900.0]})

    assert found["a"].median == pytest.approx(300.0)
    assert found["b"] == Spread(pytest.approx(900.0), 0.0)


def test_a_record_is_trusted_the_more_the_longer_it_is():
    rng = random.Random(2)
    recorded = {f"s-{i}": [600 * math.exp(rng.gauss(0, 0.3)) for _ in range(4)] for i in range(50)}
    recorded |= {"once": [3000.0], "often": [3000.0] * 12}

    found = spreads(["once", "often"], recorded)

    assert found["once"].median < found["often"].median < 3000.0
    assert found["once"].sigma > found["often"].sigma


def test_servers_that_were_recorded_teach_what_to_expect_of_the_others():
    found = spreads(["new"], {f"s-{i}": [2400.0] for i in range(10)})

    assert found["new"].median == pytest.approx(2400.0)


# The forecast


def test_where_nothing_varies_the_forecast_is_the_course():
    waves = [wave(1, 10), wave(2, 10, 1), wave(3, 10)]

    told = forecast(waves, recorded=exactly(waves, 600.0), reaction=0.0, samples=5)

    assert told.rto_p50 == told.rto_p90 == pytest.approx(1200.0)
    assert told.critical_path == (1, 2)
    assert {w.wave_number: w.critical for w in told.waves} == {1: 1.0, 2: 1.0, 3: 0.0}


def test_a_chain_is_bounded_by_its_dependencies():
    waves = [wave(1, 10), wave(2, 10, 1)]

    assert forecast(waves, recorded=exactly(waves, 600.0), samples=5).bounded_by == "dependencies"


def test_more_servers_than_slots_are_bounded_by_the_quota():
    waves = [wave(1, 2000)]

    told = forecast(waves, recorded=exactly(waves, 600.0), reaction=0.0, samples=3)

    assert told.bounded_by == "quota"
    assert told.rto_p50 == pytest.approx(2400.0)
    assert told.rto_without_quotas_p50 == pytest.approx(600.0)


def test_a_slow_approval_bounds_a_quick_recovery():
    waves = [wave(1, 10), wave(2, 10, 1, gate=1.0)]

    told = forecast(waves, recorded=exactly(waves, 600.0), gates={2: Spread(7200.0)}, samples=3)

    assert told.bounded_by == "gate"
    assert told.shares.gates == pytest.approx(7200.0)


def test_the_parts_of_the_critical_path_are_the_whole_recovery():
    estate = draw_estate(SMALL, 1)
    gated = [SimulatedWave(w.wave_number, w.depends_on_waves, w.servers, 60.0, 30.0) for w in simulated_waves(estate)]

    told = forecast(gated, recorded=estate.recorded, samples=1)

    assert told.shares.launches + told.shares.quota + told.shares.gates == pytest.approx(told.rto_p50)


def test_the_same_seed_tells_the_same_and_another_seed_nearly_so():
    estate = draw_estate(SMALL, 2)
    waves = simulated_waves(estate)

    first = forecast(waves, recorded=estate.recorded, seed=1)

    assert forecast(waves, recorded=estate.recorded, seed=1) == first
    assert forecast(waves, recorded=estate.recorded, seed=2) != first
    assert forecast(waves, recorded=estate.recorded, seed=2).rto_p50 == pytest.approx(first.rto_p50, rel=0.03)


def test_failures_lengthen_what_is_told():
    estate = draw_estate(SMALL, 2)
    waves = simulated_waves(estate)

    calm, stormy = (forecast(waves, recorded=estate.recorded, failure_rate=rate, samples=20) for rate in (0.0, 0.1))

    assert stormy.rto_p50 > 1.2 * calm.rto_p50


def test_a_forecast_is_plain_json():
    told = forecast([wave(1, 3), wave(2, 3, 1)], samples=10)
    data = json.loads(json.dumps(as_json(told)))

    assert data["criticalPath"] == [1, 2]
    assert [w["waveNumber"] for w in data["waves"]] == [1, 2]
    assert data["rtoP50Seconds"] <= data["rtoP90Seconds"]
    assert data["recordedServers"] == 0


def test_a_forecast_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one wave"):
        forecast([])


@pytest.mark.parametrize(("size", "seed"), [(SMALL, 1), (SMALL, 2), (LARGE, 1)])
def test_the_median_is_within_a_tenth_of_a_drill_it_has_not_seen(size, seed):
    estate = draw_estate(size, seed)

    assert abs(off(makespan(estate), estate, samples=30)) <= 0.10


def test_four_thousand_servers_are_forecast_in_a_few_seconds():
    estate = draw_estate(LARGE, 1)
    began = time.process_time()

    forecast(simulated_waves(estate), recorded=estate.recorded)

    assert time.process_time() - began < 6.0


def test_a_forecast_needs_neither_prefect_nor_boto3():
    code = "import sys, prefect_drs.forecast; print({'prefect', 'boto3', 'botocore', 'moto'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
