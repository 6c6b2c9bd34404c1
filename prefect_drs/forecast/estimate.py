"""The forecast: how long a recovery will take, which waves decide it, and what it is that holds them up.

In: the waves (`waves_of` makes them from a runbook), what is known of launch times (`durations.spreads`), the
quotas and what others use of them. Out: a `Forecast`, plain data. It plays the recovery many times
(`course.play`), with the engine's own packer but without its foresight, each time with launch and gate times
drawn anew, and tells the median and the 90th percentile. Pure but for the seed that is passed in. It never
talks to AWS, and never promises: it knows nothing of launches that fail for good.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from prefect_drs.forecast.durations import ServerTraits, Spread, spreads
from prefect_drs.forecast.simulation import PackingPlan, SimulatedRecovery, SimulatedWave, WaveTimes, play
from prefect_drs.plan.longest_path import seconds_before

if TYPE_CHECKING:
    from prefect_drs.recovery.launch.packing import JobUsage, Limits
    from prefect_drs.runbook import Runbook

DEFAULT_GATE = Spread(600.0, 0.5)
"""How long a person takes to approve a wave, where nobody says better: 10 minutes, 19 in one case of ten. An
assumption."""

DEFAULT_REACTION = 5.0
"""Seconds from LAUNCHED in DRS to the dependents' StartRecovery; the engine's own target for the median."""

Bound = Literal["dependencies", "quota", "gate"]


@dataclass(frozen=True, slots=True)
class WaveForecast:
    """What is expected of a wave, in seconds from the start of the recovery.

    Args:
        wave_number: as in the plan.
        servers: how many it launches.
        start_p50: its first job starts; half of the plays were earlier.
        start_p90: nine of ten plays were earlier.
        end_p50: its servers are launched and its checks passed; half of the plays were earlier.
        end_p90: nine of ten plays were earlier.
        critical: share of the plays in which it was on the critical path, 0 to 1.
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
    """What the critical path is made of, in seconds, the mean of all plays; together they are the mean RTO.

    Args:
        launches: servers being launched, and checked, one wave after the other.
        quota: servers ready to launch that waited for a slot.
        gates: waves that waited for a person.
    """

    launches: float
    quota: float
    gates: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of a recovery.

    Args:
        rto_p50: seconds until all waves are done; half of the plays took less.
        rto_p90: nine of ten plays took less.
        rto_without_quotas_p50: the same median were there no quotas: what the dependencies alone ask for.
        waves: each wave, in the order of its expected start.
        critical_path: the chain of wave numbers that decided the play nearest to the median.
        shares: what the critical path is made of.
        bounded_by: the largest of the shares: `dependencies` (launches one after the other), `quota` or
        `gate`.
        samples: how many plays.
        seed: what they were drawn from.
        recorded_servers: for how many servers a recorded launch was known; the others went by the default.
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


def waves_of(runbook: Runbook) -> tuple[SimulatedWave, ...]:
    """The waves of a runbook; a gated wave's gate counts the default's median until drawn."""
    waves = []
    for wave in runbook.waves:
        servers: dict[str, tuple[str, ...]] = {}
        for server in wave.servers:
            place = f"{server.account_id}/{server.region}"
            servers[place] = (*servers.get(place, ()), server.source_server_id)
        gate = DEFAULT_GATE.median if wave.gate else 0.0
        waves.append(SimulatedWave(wave.wave_number, wave.depends_on_waves, servers, gate))
    return tuple(waves)


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
    """Play the recovery `samples` times.

    Args:
        waves: what to recover; a wave whose `gate` is not 0 has a gate.
        recorded: seconds of earlier launches, by source server id.
        traits: disk size and operating system, by source server id, for servers that were never recorded.
        gates: how long the approval of a wave takes, by wave number; `DEFAULT_GATE` around the wave's own
        `gate` elsewhere.
        limits: the quotas of every account and region; AWS's where None.
        usage: what others' jobs hold, by account and region, for the whole recovery.
        reaction: seconds from LAUNCHED to the dependents' start.
        failure_rate: chance that one launch fails, 0 to 1; it is launched again once its job is over.
        retries: how often at most.
        samples: how many plays; 100 give the median to about ±1 % on a large plan.
        seed: the same seed gives the same forecast.

    Raises:
        ValueError: no waves, no samples, dependencies in a circle, or others hold a whole quota.
    """
    if not waves or samples < 1:
        raise ValueError("a forecast needs at least one wave and one sample")
    servers = [s for wave in waves for there in wave.servers.values() for s in there]
    expected = spreads(servers, recorded, traits)
    approvals = {w.wave_number: Spread(w.gate, DEFAULT_GATE.sigma) for w in waves if w.gate}
    approvals.update(gates or {})
    timed = [replace(w, gate=approvals.get(w.wave_number, Spread(w.gate)).median) for w in waves]
    plan = PackingPlan.of(timed, {s: spread.median for s, spread in expected.items()})
    rng = random.Random(seed)  # noqa: S311 - a simulation, not a secret
    launches = [(s, math.log(spread.median), spread.sigma) for s, spread in expected.items()]
    courses: list[SimulatedRecovery] = []
    unbounded: list[float] = []
    for _ in range(samples):
        seconds = {s: math.exp(rng.gauss(mu, sigma)) for s, mu, sigma in launches}
        waits = {n: spread.median * math.exp(rng.gauss(0.0, spread.sigma)) for n, spread in approvals.items()}
        failures = _failures(servers, failure_rate, retries, rng) if failure_rate > 0 else None
        courses.append(
            play(
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
        unbounded.append(_without_quotas(plan, seconds, waits, failures or {}, reaction))
    return _summary(plan, courses, unbounded, samples, seed, recorded or {})


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


def _failures(servers: Sequence[str], rate: float, retries: int, rng: random.Random) -> dict[str, int]:
    """How often each server fails before it is launched; servers that don't fail are left out."""
    failures: dict[str, int] = {}
    for server in servers:
        count = 0
        while count < retries and rng.random() < rate:
            count += 1
        if count:
            failures[server] = count
    return failures


def _without_quotas(
    plan: PackingPlan,
    seconds: Mapping[str, float],
    gates: Mapping[int, float],
    failures: Mapping[str, int],
    reaction: float,
) -> float:
    """When all is done if every server starts the moment its wave may: the longest chain."""
    own: dict[int, float] = {}
    for number, wave in plan.waves.items():
        launches = ((seconds[s] + reaction) * (1 + failures.get(s, 0)) for s in wave.server_ids)
        own[number] = gates.get(number, wave.gate) + max(launches, default=0.0) + wave.check
    before = seconds_before({number: wave.depends_on_waves for number, wave in plan.waves.items()}, own)
    return max(before[number] + own[number] for number in own)


def _critical_path(plan: PackingPlan, course: SimulatedRecovery) -> list[int]:
    """The chain that decided the course: from the wave that ended last back through what each one waited
    for.
    """
    ended = course.waves
    number: int | None = max(ended, key=lambda n: (ended[n].ended, -n))
    path: list[int] = []
    while number is not None:
        path.append(number)
        before = plan.waves[number].depends_on_waves
        number = max(before, key=lambda n: (ended[n].ended, -n)) if before else None
    return path[::-1]


def _shares(times: Mapping[int, WaveTimes], path: Sequence[int]) -> PathShares:
    """What a critical path is made of. Its waves follow each other without a gap, so the parts are the
    whole.
    """
    return PathShares(
        launches=sum(times[n].ended - times[n].last_job_started for n in path),
        quota=sum(times[n].last_job_started - times[n].opened for n in path),
        gates=sum(times[n].opened - times[n].ready for n in path),
    )


def _summary(
    plan: PackingPlan,
    courses: Sequence[SimulatedRecovery],
    unbounded: Sequence[float],
    samples: int,
    seed: int,
    recorded: Mapping[str, Sequence[float]],
) -> Forecast:
    paths = [_critical_path(plan, course) for course in courses]
    on_path = Counter(number for path in paths for number in path)
    parts = [_shares(course.waves, path) for course, path in zip(courses, paths, strict=True)]
    shares = PathShares(
        launches=sum(p.launches for p in parts) / samples,
        quota=sum(p.quota for p in parts) / samples,
        gates=sum(p.gates for p in parts) / samples,
    )
    sizes: dict[Bound, float] = {"dependencies": shares.launches, "quota": shares.quota, "gate": shares.gates}
    makespans = [course.makespan for course in courses]
    median = _percentile(makespans, 0.5)
    typical = min(range(samples), key=lambda i: (abs(makespans[i] - median), i))
    waves = []
    for number, wave in plan.waves.items():
        starts = [course.waves[number].started for course in courses]
        ends = [course.waves[number].ended for course in courses]
        waves.append(
            WaveForecast(
                wave_number=number,
                servers=sum(map(len, wave.servers.values())),
                start_p50=_percentile(starts, 0.5),
                start_p90=_percentile(starts, 0.9),
                end_p50=_percentile(ends, 0.5),
                end_p90=_percentile(ends, 0.9),
                critical=on_path[number] / samples,
            )
        )
    servers = [s for wave in plan.waves.values() for there in wave.servers.values() for s in there]
    return Forecast(
        rto_p50=median,
        rto_p90=_percentile(makespans, 0.9),
        rto_without_quotas_p50=_percentile(unbounded, 0.5),
        waves=tuple(sorted(waves, key=lambda w: (w.start_p50, w.wave_number))),
        critical_path=tuple(paths[typical]),
        shares=shares,
        bounded_by=max(sizes, key=sizes.__getitem__),
        samples=samples,
        seed=seed,
        recorded_servers=sum(1 for s in servers if any(x > 0 for x in recorded.get(s, ()))),
        servers=len(servers),
    )


def _percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie, between two values by proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
