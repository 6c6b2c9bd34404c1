"""The forecast: how long a recovery will take, which waves decide it, and what delays them.

In: the waves (`waves_of` makes them from a runbook), the recorded launch times (`durations.spreads`), the quotas and
their usage by others. Out: a `Forecast`, plain data. It simulates the recovery many times
(`simulated_recovery.simulate`) with the engine's own packer but without its lookahead, each time with launch and gate
times drawn anew, and reports the median and the 90th percentile. Pure except for the seed that is passed in. It never
calls AWS, and it assumes that every launch succeeds in the end.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from prefect_drs.plan.longest_path import seconds_before
from prefect_drs.recovery.launch.durations import DEFAULT_GATE, DEFAULT_REACTION, ServerTraits, Spread, spreads
from prefect_drs.recovery.launch.packing_plan import PackingPlan, SimulatedWave
from prefect_drs.recovery.launch.simulated_recovery import SimulatedRecovery, WaveTimes, simulate

if TYPE_CHECKING:
    from prefect_drs.recovery.launch.packing import JobUsage, Limits

Bound = Literal["dependencies", "quota", "gate"]


@dataclass(frozen=True, slots=True)
class WaveForecast:
    """What is expected of a wave, in seconds from the start of the recovery.

    Args:
        wave_number: as in the plan.
        servers: how many it launches.
        start_p50: its first job starts; half of the simulations were earlier.
        start_p90: nine of ten simulations were earlier.
        end_p50: its servers are launched and its checks passed; half of the simulations were earlier.
        end_p90: nine of ten simulations were earlier.
        critical: share of the simulations in which it was on the critical path, 0 to 1.
    """

    wave_number: int
    servers: int
    start_p50: float
    start_p90: float
    end_p50: float
    end_p90: float
    critical: float


@dataclass(frozen=True, slots=True)
class PathShares:
    """The parts of the critical path, in seconds, the mean of all simulations; their sum is the mean RTO.

    Args:
        launches: launches and checks, one wave after the other.
        quota: ready servers waited for a slot.
        gates: waves waited for a person.
    """

    launches: float
    quota: float
    gates: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """The expected timeline of a recovery.

    Args:
        rto_p50: seconds until all waves are over; half of the simulations took less.
        rto_p90: nine of ten simulations took less.
        rto_without_quotas_p50: the same median without quotas: the dependencies alone.
        waves: each wave, in the order of its expected start.
        critical_path: the chain of wave numbers that decided the simulation nearest to the median.
        shares: the parts of the critical path.
        bounded_by: the largest of the shares: `dependencies` (launches one after the other), `quota` or
        `gate`.
        samples: how many simulations.
        seed: of the random draws.
        recorded_servers: how many servers have a recorded launch; the default applies to the others.
        servers: how many servers in all.
    """

    rto_p50: float
    rto_p90: float
    rto_without_quotas_p50: float
    waves: tuple[WaveForecast, ...]
    critical_path: tuple[int, ...]
    shares: PathShares
    bounded_by: Bound
    samples: int
    seed: int
    recorded_servers: int
    servers: int


def forecast(
    waves: Sequence[SimulatedWave],
    *,
    recorded: Mapping[str, Sequence[float]] | None = None,
    traits: Mapping[str, ServerTraits] | None = None,
    gates: Mapping[int, Spread] | None = None,
    limits: Limits | None = None,
    usage: Mapping[str, JobUsage] | None = None,
    reaction: float = DEFAULT_REACTION,
    failure_rate: float = 0.0,
    retries: int = 1,
    samples: int = 100,
    seed: int = 1,
) -> Forecast:
    """Simulate the recovery `samples` times.

    Args:
        waves: all waves; a wave whose `gate` is not 0 has a gate.
        recorded: seconds of earlier launches, by source server id.
        traits: disk size and operating system, by source server id, for servers without a recorded launch.
        gates: how long the approval of a wave takes, by wave number; elsewhere it varies around the wave's own `gate`
            as `DEFAULT_GATE` does.
        limits: the quotas of every account and region; AWS's where None.
        usage: quota usage by jobs of others, by account and region, for the whole recovery.
        reaction: seconds from LAUNCHED to the dependents' start.
        failure_rate: chance that one launch fails, 0 to 1; it is launched again once its job is over.
        retries: how often at most.
        samples: how many simulations; 100 give the median to about ±1 % on a large plan.
        seed: the same seed gives the same forecast.

    Raises:
        ValueError: no waves, no samples, dependencies in a circle, or others use up a whole quota.
    """
    if not waves or samples < 1:
        raise ValueError("a forecast needs at least one wave and one sample")
    approvals = {w.wave_number: Spread(w.gate, DEFAULT_GATE.sigma) for w in waves if w.gate}
    approvals.update(gates or {})
    timed = [replace(w, gate=approvals.get(w.wave_number, Spread(w.gate)).median) for w in waves]
    expected = spreads([s for wave in waves for s in wave.server_ids], recorded, traits)
    plan = PackingPlan.of(timed, {s: spread.median for s, spread in expected.items()})
    simulated: list[SimulatedRecovery] = []
    unlimited: list[float] = []
    draw = _Draw(seed, expected, approvals, failure_rate, retries)
    for _ in range(samples):
        seconds, waits, failures = draw()
        simulated.append(
            simulate(
                plan,
                seconds,
                gates=waits,
                failures=failures,
                limits=limits,
                usage=usage,
                reaction=reaction,
                lookahead=False,  # a hundred times as fast, and late by 3.5 % or so at most
            )
        )
        unlimited.append(_without_quotas(plan, seconds, waits, failures, reaction))
    return _summary(plan, simulated, unlimited, seed, recorded or {})


def forecast_json(result: Forecast) -> dict[str, Any]:
    """The forecast as camelCase JSON values; seconds to one decimal."""
    return {
        "rtoP50Seconds": round(result.rto_p50, 1),
        "rtoP90Seconds": round(result.rto_p90, 1),
        "rtoWithoutQuotasP50Seconds": round(result.rto_without_quotas_p50, 1),
        "boundedBy": result.bounded_by,
        "criticalPath": list(result.critical_path),
        "criticalPathSeconds": {
            "launches": round(result.shares.launches, 1),
            "quota": round(result.shares.quota, 1),
            "gates": round(result.shares.gates, 1),
        },
        "servers": result.servers,
        "recordedServers": result.recorded_servers,
        "samples": result.samples,
        "seed": result.seed,
        "waves": [
            {
                "waveNumber": wave.wave_number,
                "servers": wave.servers,
                "startP50Seconds": round(wave.start_p50, 1),
                "startP90Seconds": round(wave.start_p90, 1),
                "endP50Seconds": round(wave.end_p50, 1),
                "endP90Seconds": round(wave.end_p90, 1),
                "critical": round(wave.critical, 3),
            }
            for wave in result.waves
        ],
    }


class _Draw:
    """Draws the seconds of one simulation after the other: launches, gates, and how often each server fails."""

    def __init__(
        self, seed: int, launches: Mapping[str, Spread], gates: Mapping[int, Spread], failure_rate: float, retries: int
    ) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        self._launches = [(server, math.log(spread.median), spread.sigma) for server, spread in launches.items()]
        self._gates = gates
        self._failure_rate = failure_rate
        self._retries = retries

    def __call__(self) -> tuple[dict[str, float], dict[int, float], dict[str, int]]:
        """Launch seconds by server, gate seconds by wave number, failures by server that fails."""
        rng = self._rng
        seconds = {server: math.exp(rng.gauss(mu, sigma)) for server, mu, sigma in self._launches}
        waits = {n: spread.median * math.exp(rng.gauss(0.0, spread.sigma)) for n, spread in self._gates.items()}
        failures = {server: self._failures() for server in seconds} if self._failure_rate > 0 else {}
        return seconds, waits, {server: count for server, count in failures.items() if count}

    def _failures(self) -> int:
        """How often a server fails before it is launched."""
        count = 0
        while count < self._retries and self._rng.random() < self._failure_rate:
            count += 1
        return count


def _without_quotas(
    plan: PackingPlan,
    seconds: Mapping[str, float],
    gates: Mapping[int, float],
    failures: Mapping[str, int],
    reaction: float,
) -> float:
    """The makespan if every server starts the moment its wave may: the longest chain."""
    own: dict[int, float] = {}
    for number, wave in plan.waves.items():
        launches = ((seconds[s] + reaction) * (1 + failures.get(s, 0)) for s in wave.server_ids)
        own[number] = gates.get(number, wave.gate) + max(launches, default=0.0) + wave.check
    before = seconds_before({number: wave.depends_on_waves for number, wave in plan.waves.items()}, own)
    return max(before[number] + own[number] for number in own)


def _critical_path(plan: PackingPlan, recovery: SimulatedRecovery) -> list[int]:
    """The chain that decided the makespan: back from the wave that ended last, each time to the dependency that ended
    last.
    """
    ended = recovery.waves
    number: int | None = max(ended, key=lambda n: (ended[n].ended, -n))
    path: list[int] = []
    while number is not None:
        path.append(number)
        before = plan.waves[number].depends_on_waves
        number = max(before, key=lambda n: (ended[n].ended, -n)) if before else None
    return path[::-1]


def _shares(times: Mapping[int, WaveTimes], path: Sequence[int]) -> PathShares:
    """The parts of a critical path. Its waves follow each other without a gap, so the parts add up to the makespan."""
    return PathShares(
        launches=sum(times[n].ended - times[n].last_job_started for n in path),
        quota=sum(times[n].last_job_started - times[n].opened for n in path),
        gates=sum(times[n].opened - times[n].ready for n in path),
    )


def _mean(parts: Sequence[PathShares]) -> PathShares:
    return PathShares(
        launches=sum(part.launches for part in parts) / len(parts),
        quota=sum(part.quota for part in parts) / len(parts),
        gates=sum(part.gates for part in parts) / len(parts),
    )


def _summary(
    plan: PackingPlan,
    simulated: Sequence[SimulatedRecovery],
    unlimited: Sequence[float],
    seed: int,
    recorded: Mapping[str, Sequence[float]],
) -> Forecast:
    paths = [_critical_path(plan, recovery) for recovery in simulated]
    shares = _mean([_shares(recovery.waves, path) for recovery, path in zip(simulated, paths, strict=True)])
    sizes: dict[Bound, float] = {"dependencies": shares.launches, "quota": shares.quota, "gate": shares.gates}
    makespans = [recovery.makespan for recovery in simulated]
    median = _percentile(makespans, 0.5)
    typical = min(range(len(simulated)), key=lambda i: (abs(makespans[i] - median), i))
    servers = [s for wave in plan.waves.values() for s in wave.server_ids]
    return Forecast(
        rto_p50=median,
        rto_p90=_percentile(makespans, 0.9),
        rto_without_quotas_p50=_percentile(unlimited, 0.5),
        waves=_wave_forecasts(plan, simulated, paths),
        critical_path=tuple(paths[typical]),
        shares=shares,
        bounded_by=max(sizes, key=sizes.__getitem__),
        samples=len(simulated),
        seed=seed,
        recorded_servers=sum(1 for s in servers if any(x > 0 for x in recorded.get(s, ()))),
        servers=len(servers),
    )


def _wave_forecasts(
    plan: PackingPlan, simulated: Sequence[SimulatedRecovery], paths: Sequence[Sequence[int]]
) -> tuple[WaveForecast, ...]:
    on_path = Counter(number for path in paths for number in path)
    waves = []
    for number, wave in plan.waves.items():
        starts = [recovery.waves[number].started for recovery in simulated]
        ends = [recovery.waves[number].ended for recovery in simulated]
        waves.append(
            WaveForecast(
                wave_number=number,
                servers=len(wave.server_ids),
                start_p50=_percentile(starts, 0.5),
                start_p90=_percentile(starts, 0.9),
                end_p50=_percentile(ends, 0.5),
                end_p90=_percentile(ends, 0.9),
                critical=on_path[number] / len(simulated),
            )
        )
    return tuple(sorted(waves, key=lambda w: (w.start_p50, w.wave_number)))


def _percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie, between two values by proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
