"""The engine is stopped at 100 points of random failbacks, resumed, and keeps its promises; and the checks can fail.

The whole, 3,000 stops, is `python -m benchmarks.kill_points --failback`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.kill_failbacks import FailbackWorld, draw_failback_world
from benchmarks.kill_points import Tally, try_world
from benchmarks.kill_runs import carry_out, wire
from prefect_drs.simulator import Sandbox

pytestmark = pytest.mark.integration

STOPS = 100
STOPS_A_WORLD = 20
FIRST_WORLD = 5_101


@pytest.fixture(scope="module")
def tally() -> Tally:
    tally = Tally()
    worlds = iter(range(FIRST_WORLD, FIRST_WORLD + STOPS))
    while tally.stops.total() < STOPS:
        tally.add(try_world(next(worlds), STOPS_A_WORLD, draw_failback_world))
    return tally


def test_100_stops_break_no_promise(tally: Tally) -> None:
    assert [(run.world, run.stop_at, run.broken) for run in tally.broken] == []


def test_the_stops_lie_around_reversals_launches_readings_and_journal_entries(tally: Tally) -> None:
    names = {what.split(" ", 1)[0] for what in tally.stops}
    assert {"ReverseReplication", "StartRecovery", "DescribeSourceServers", "journal"} <= names


def plain(clean_up: str = "terminate") -> FailbackWorld:
    """The first world in which nothing goes wrong, a wave waits for another, and all ends with that clean-up."""

    def fits(world: FailbackWorld) -> bool:
        in_aws = all(origin is not None for origin in world.origins().values())
        calm = not (world.faults or world.failing or world.gates or world.drill or world.own)
        ends = world.clean_up == clean_up and world.protect_forward
        return calm and in_aws and ends and len(world.waves) == 2 and bool(world.waves[1].after)

    return next(world for seed in range(1, 3000) if fits(world := draw_failback_world(seed)))


def broken_by(world: FailbackWorld, afterwards: Callable[[Sandbox], object]) -> tuple[str, ...]:
    run, _ = carry_out(world, None, wire(), afterwards=afterwards)
    return run.broken


def test_an_undisturbed_failback_breaks_no_promise() -> None:
    assert broken_by(plain(), bool) == ()


def test_a_server_that_is_launched_back_twice_is_told() -> None:
    world = plain("keep")

    def launch_again(sandbox: Sandbox) -> None:
        origin = next(iter(world.origins().values()))
        backend = sandbox.backend(world.account, str(origin))
        server = next(iter(backend.jobs.values())).participants
        tags = {"prefect-drs:execution": "kill-points", "prefect-drs:wave": "3", "prefect-drs:batch": "3.9"}
        backend.call("StartRecovery", {"sourceServers": [{"sourceServerID": next(iter(server))}], "tags": tags})

    broken = broken_by(world, launch_again)
    assert any("is in 2 launch jobs" in told for told in broken)
    assert any("is in DRS only" in told for told in broken)


def test_a_step_before_the_launches_are_over_and_a_second_reversal_are_told() -> None:
    world = plain()

    def pretend(sandbox: Sandbox) -> None:
        """The log of calls as it would be had the engine reversed a second time, and launched last."""
        reversal = next(call for call in sandbox.calls if call.operation == "ReverseReplication")
        sandbox.calls.append(reversal)
        for backend in (sandbox.backend(world.account, str(origin)) for origin in set(world.origins().values())):
            for job in backend.jobs.values():
                for participant in job.participants.values():
                    participant.ended_at = sandbox.clock.now()

    broken = broken_by(world, pretend)
    assert any("was reversed 2 times" in told for told in broken)
    assert any("was protected forward before the launches were over" in told for told in broken)
    assert any("was launched before" in told for told in broken)
