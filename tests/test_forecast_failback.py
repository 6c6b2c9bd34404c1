"""The forecast of a failback: its steps in order, launches by the engine's own packer, replication by disk size."""

from __future__ import annotations

import pytest

from prefect_drs.forecast import ServerTraits, forecast, waves_of_failback
from prefect_drs.forecast.failback import (
    CATCH_UP_SECONDS,
    CLEAN_UP_SECONDS,
    REPLICATION_START,
    SECONDS_A_GIB,
    UNKNOWN_GIB,
)
from prefect_drs.plan.model import RecoveryPlan
from prefect_drs.recovery.launch.durations import Spread

ORIGIN = "111122223333/us-east-1"
GROUPS = {"db": ("s-1", "s-2"), "app": ("s-3",)}
PLACES = dict.fromkeys(("s-1", "s-2", "s-3"), ORIGIN)
TRAITS = {server: ServerTraits(30.0, windows=False) for server in PLACES}
EXACT = {server: [600.0, 600.0] for server in PLACES}
NO_WAITS = {number: Spread(1e-6, 0.0) for number in range(1, 10)}


def plan(**more: object) -> RecoveryPlan:
    waves = [
        {"waveNumber": 1, "waveName": "Database", "groups": ["db"]},
        {"waveNumber": 2, "waveName": "Application", "groups": ["app"], "dependsOnWaves": [1]},
    ]
    return RecoveryPlan.model_validate({"planName": "Shop", "waves": waves, **more})


def test_its_waves_are_the_steps_of_the_failback_and_launch_in_reversed_order() -> None:
    waves = waves_of_failback(plan(failback={"cleanUp": "terminate"}), GROUPS, PLACES, TRAITS)
    assert [(wave.wave_number, wave.depends_on_waves, wave.server_ids) for wave in waves] == [
        (1, (), []),
        (2, (1,), []),
        (3, (2,), ["s-3"]),
        (4, (3,), ["s-1", "s-2"]),
        (5, (4,), []),
        (6, (5,), []),
    ]
    assert [wave.gate > 0 for wave in waves] == [False, True, False, False, True, True]


def test_the_makespan_is_the_sum_of_its_steps() -> None:
    waves = waves_of_failback(plan(failback={"cleanUp": "terminate"}), GROUPS, PLACES, TRAITS)
    found = forecast(waves, recorded=EXACT, gates=NO_WAITS, reaction=0.0, samples=3)
    replication = REPLICATION_START + SECONDS_A_GIB * 30.0
    expected = 2 * replication + CATCH_UP_SECONDS + 2 * 600.0 + CLEAN_UP_SECONDS
    assert found.rto_p50 == pytest.approx(expected, rel=1e-6)
    assert (found.servers, found.critical_path) == (3, (1, 2, 3, 4, 5, 6))


def test_the_largest_server_decides_how_long_replication_takes_and_an_unknown_one_counts_as_usual() -> None:
    larger = TRAITS | {"s-2": ServerTraits(500.0, windows=False)}
    small, large = (waves_of_failback(plan(), GROUPS, PLACES, traits)[0].check for traits in (TRAITS, larger))
    assert large - small == pytest.approx(470.0 * SECONDS_A_GIB)
    unknown = waves_of_failback(plan(), GROUPS, PLACES, {})[0].check
    assert unknown == pytest.approx(REPLICATION_START + UNKNOWN_GIB * SECONDS_A_GIB)


def test_a_plan_that_protects_nothing_forward_and_keeps_everything_ends_with_its_launches() -> None:
    waves = waves_of_failback(plan(failback={"protectForward": False}), GROUPS, PLACES, TRAITS)
    assert [wave.wave_number for wave in waves] == [1, 2, 3, 4]


def test_own_failback_waves_count_with_their_gates() -> None:
    own = [{"waveNumber": 7, "waveName": "all", "groups": ["db", "app"], "pauseBeforeWave": True}]
    waves = waves_of_failback(plan(failbackWaves=own), GROUPS, PLACES, TRAITS)
    assert [(wave.wave_number, len(wave.server_ids), wave.gate > 0) for wave in waves][2] == (3, 3, True)
