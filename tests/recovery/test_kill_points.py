"""The engine is stopped at 250 points of random plans, resumed, and keeps its promises; and the checks can fail.

The whole, 10,000 stops, is `python -m benchmarks.kill_points`, which also says exactly what is compared.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.kill_points import Tally, compared, try_world
from benchmarks.kill_runs import carry_out, wire
from benchmarks.kill_worlds import ACCOUNT, World, draw_world
from prefect_drs.simulator import Sandbox

pytestmark = pytest.mark.integration

STOPS = 250
STOPS_A_WORLD = 25
FIRST_WORLD = 5_101


@pytest.fixture(scope="module")
def tally() -> Tally:
    tally = Tally()
    worlds = iter(range(FIRST_WORLD, FIRST_WORLD + STOPS))
    while tally.stops.total() < STOPS:
        tally.add(try_world(next(worlds), most=STOPS_A_WORLD))
    return tally


def test_250_stops_break_no_promise(tally: Tally) -> None:
    assert [(run.world, run.stop_at, run.broken) for run in tally.broken] == []


def test_the_stops_lie_on_both_sides_of_launches_readings_settings_journal_entries_and_gates(tally: Tally) -> None:
    places = {
        "StartRecovery before",
        "StartRecovery under way",
        "StartRecovery after",
        "DescribeJobs before",
        "DescribeJobs after",
        "CreateLaunchTemplateVersion after",
        "journal before",
        "journal after",
        "gate after",
    }
    assert places <= set(tally.stops)


def drawn(fits: object) -> World:
    """The first world that fits."""
    assert callable(fits)
    return next(world for seed in range(1, 1000) if fits(world := draw_world(seed)))


def plain(world: World) -> bool:
    """Whether nothing goes wrong in it, and a wave depends on another."""
    troubled = world.failing or world.faults or world.tight or world.lacking or world.retries
    return not troubled and world.account == ACCOUNT and any(wave.after for wave in world.waves)


def test_a_run_that_ends_otherwise_than_the_undisturbed_one_is_told() -> None:
    world = drawn(lambda world: plain(world) and not any(wave.gate for wave in world.waves))
    baseline, runbook = carry_out(world, None, wire())
    victim = runbook.waves[0].servers[0].source_server_id
    run, _ = carry_out(replace(world, failing={victim: "launch"}), runbook, wire())
    assert baseline.broken == run.broken == ()
    assert any(victim in told for told in compared(baseline, run).broken)


def test_a_wave_before_its_dependencies_is_told() -> None:
    world = drawn(lambda world: plain(world) and not any(wave.gate for wave in world.waves))
    hasty = replace(world, waves=tuple(replace(wave, after=()) for wave in world.waves))
    _, runbook = carry_out(hasty, None, wire())  # a runbook without the dependencies
    run, _ = carry_out(world, runbook, wire())
    assert any("began before" in told for told in run.broken)


def test_a_server_in_a_second_job_is_told() -> None:
    world = drawn(lambda world: plain(world) and not any(wave.gate for wave in world.waves))

    def launch_again(sandbox: Sandbox) -> None:
        region = next(iter(world.waves[0].servers))
        server = world.waves[0].server_ids(region)[0]
        tags = {"prefect-drs:execution": "kill-points", "prefect-drs:wave": "1", "prefect-drs:batch": "1.9"}
        sandbox.backend(ACCOUNT, region).call(
            "StartRecovery", {"sourceServers": [{"sourceServerID": server}], "isDrill": True, "tags": tags}
        )

    run, _ = carry_out(world, None, wire(), afterwards=launch_again)
    assert any("is in 2 launch jobs" in told for told in run.broken)
    assert any("is in DRS only" in told for told in run.broken)
