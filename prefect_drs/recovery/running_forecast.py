"""The forecast of a running execution: how long its rest may take, from where it stands.

In: the execution's state, the jobs of others, and how long launches and gates take (`recovery.launch.durations`). Out:
for each simulated rest, the seconds from now until the last server of each wave is LAUNCHED. The simulation is
`recovery.launch.simulated_recovery`, as of the forecast before an execution, with the same assumptions: hooks and
checks take no time, and servers that have not failed do not.

What the execution has shown is taken into account: a launch, or a gate, that has taken a while already takes at least
that long (its distribution is cut off there); a failed server that the plan retries waits for another job; the
launches of completed waves correct what is assumed of servers without a record, and the pace of all others: a region
may be slower today than in the drills that were recorded.

The random draws are made once, so that two forecasts of one execution differ by what has happened in between and not by
chance. Pure but for that: no AWS, no clock, no journal; nothing here changes the state.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import NormalDist

from prefect_drs.execution.records import LaunchJob, LaunchRequest
from prefect_drs.execution.state import ExecutionState, ServerRun, ServerState, WaveRun
from prefect_drs.recovery.launch.durations import (
    DEFAULT_REACTION,
    DEFAULT_RUN_SIGMA,
    UNKNOWN_SERVER,
    Spread,
    spreads,
)
from prefect_drs.recovery.launch.packing import Limits
from prefect_drs.recovery.launch.packing_plan import PackingPlan, waves_of
from prefect_drs.recovery.launch.simulated_recovery import Begun, BegunJob, simulate
from prefect_drs.recovery.launch.simulation import FOREIGN
from prefect_drs.recovery.retry_policy import next_step
from prefect_drs.report.model import WaveStatus

SAMPLES = 30
"""Simulated rests. A share of them is known to about ±0.09, which the thresholds of `recovery.objectives` allow for."""

SOON = 15.0
"""Seconds until the end of a job whose servers are all launched, and of one that has taken as long as is expected."""

PACE_SIGMA = 0.05
"""σ of the pace of one execution against the recorded ones. An assumption: AWS publishes nothing on it."""

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class ForeignJob:
    """A job of somebody else: its account and region, how many servers it has, and its age in seconds."""

    place: str
    servers: int
    age: float


class RunningForecast:
    """Forecasts one execution again and again.

    Args:
        state: the execution.
        recorded: seconds of former launches, by source server id.
        expected: expected seconds of servers without a record, where known.
        gate: how long a person takes to answer a gate.
        limits: DRS's quotas.
        samples: how many rests are simulated.
    """

    def __init__(
        self,
        state: ExecutionState,
        *,
        recorded: Mapping[str, Sequence[float]],
        expected: Mapping[str, float],
        gate: Spread,
        limits: Limits,
        samples: int = SAMPLES,
    ) -> None:
        self._state = state
        self._recorded = recorded
        self._expected = expected
        self._gate = gate
        self._limits = limits
        self._runs = {server_id: run for wave in state.waves.values() for server_id, run in wave.servers.items()}
        rng = random.Random(state.execution_id)  # noqa: S311 - a simulation, not a secret
        self._chances = [_Chances(rng, self._runs, state.waves) for _ in range(samples)]
        self._learned = -1  # how many waves were completed when the launch times were computed last
        self._spreads: Mapping[str, Spread] = {}
        self._plan: PackingPlan

    def rests(self, now: datetime, foreign: Sequence[ForeignJob] = ()) -> list[Mapping[int, float]]:
        """Simulate the rest.

        Args:
            now: the time.
            foreign: the active jobs of others.

        Returns:
            One mapping for each simulation: seconds from now until the last server LAUNCHED, by wave number. Waves that
            are over are left out, and so are those that depend on a wave that did not succeed.
        """
        self._learn()
        over = frozenset(self._over())
        launching = {n: wave for n, wave in self._state.waves.items() if wave.begun and n not in over}
        waiting = {number: _waiting(wave) for number, wave in launching.items()}
        return [self._rest(chances, now, over, waiting, foreign) for chances in self._chances]

    def _learn(self) -> None:
        """Compute the launch times; again once a wave is completed, whose launches are known then."""
        completed = [wave for wave in self._state.waves.values() if wave.status is WaveStatus.COMPLETED]
        if len(completed) == self._learned:
            return
        self._learned = len(completed)
        seen = {
            server_id: [(run.ended_at - run.started_at).total_seconds()]
            for wave in completed
            for server_id, run in wave.servers.items()
            if run.attempts == 1 and run.started_at is not None and run.ended_at is not None
        }
        found = spreads(self._runs, {**seen, **self._recorded})
        for server_id, seconds in self._expected.items():
            if server_id in found and server_id not in self._recorded:
                found[server_id] = Spread(seconds, DEFAULT_RUN_SIGMA)
        pace = pace_of(
            [(found[s], taken) for s, (taken,) in seen.items() if s in self._recorded or s in self._expected]
        )
        self._spreads = found = {s: Spread(each.median * pace, each.sigma) for s, each in found.items()}
        self._plan = PackingPlan.of(waves_of(self._state.runbook), {s: found[s].median for s in self._runs})

    def _over(self) -> Iterator[int]:
        """The waves that are over, and those that depend on one that did not succeed; in the order of the runbook."""
        lost: set[int] = set()
        for planned in self._state.runbook.waves:  # each after those that it depends on
            wave = self._state.waves[planned.wave_number]
            failed = wave.status.over and wave.status is not WaveStatus.COMPLETED
            if failed or not lost.isdisjoint(planned.depends_on_waves):
                lost.add(wave.number)
            if wave.status.over or wave.number in lost:
                yield wave.number

    def _rest(
        self,
        chances: _Chances,
        now: datetime,
        over: frozenset[int],
        waiting: Mapping[int, Mapping[str, tuple[str, ...]]],
        foreign: Sequence[ForeignJob],
    ) -> Mapping[int, float]:
        """One simulated rest."""
        seconds = {
            s: spread.median * math.exp(spread.sigma * chances.servers[s]) for s, spread in self._spreads.items()
        }
        gates = {
            number: self._gate_left(wave, chances.gates[number], now)
            for number, wave in self._state.waves.items()
            if number not in over
        }
        jobs = [job for job in self._state.jobs.values() if job.ended_at is None and job.wave_number not in over]
        others = [(job, time_left(UNKNOWN_SERVER, job.age, 0.0)) for job in foreign]
        running = [
            *(self._running(job, job.started_at, chances, now) for job in jobs),
            *(self._running(request, request.asked_at, chances, now) for request in self._state.requests.values()),
            *(BegunJob(job.place, FOREIGN, job.servers, (), left) for job, left in others),
        ]
        rest = simulate(
            self._plan,
            seconds,
            gates=gates,
            limits=self._limits,
            reaction=DEFAULT_REACTION,
            lookahead=False,
            begun=Begun(over, waiting, tuple(running)),
        )
        return {number: times.launched for number, times in rest.waves.items()}

    def _gate_left(self, wave: WaveRun, chance: float, now: datetime) -> float:
        """Seconds from the end of the waves before until its gate is passed; from now for an open one."""
        if not wave.wave.gate or wave.begun or wave.number in self._state.answers:
            return 0.0
        waited = (now - wave.gate_opened_at).total_seconds() if wave.gate_opened_at else 0.0
        return time_left(self._gate, waited, chance, least=0.0)

    def _running(self, job: LaunchJob | LaunchRequest, since: datetime, chances: _Chances, now: datetime) -> BegunJob:
        """A job of the execution, or a launch whose answer is not known."""
        age = (now - since).total_seconds()
        open_ids = tuple(s for s in job.server_ids if not self._runs[s].state.final)
        left = max((time_left(self._spreads[s], age, chances.servers[s]) for s in open_ids), default=SOON)
        return BegunJob(str(job.location), job.wave_number, len(job.server_ids), open_ids, left)


class _Chances:
    """The random draws of one simulated rest: standard normal, by server and by gate."""

    def __init__(self, rng: random.Random, servers: Mapping[str, object], waves: Mapping[int, object]) -> None:
        self.servers = {server_id: rng.gauss(0.0, 1.0) for server_id in servers}
        self.gates = {number: rng.gauss(0.0, 1.0) for number in waves}


def _waiting(wave: WaveRun) -> Mapping[str, tuple[str, ...]]:
    """The servers of a wave that has begun that are to be put in a job, by account and region."""
    found: dict[str, list[str]] = {}
    for server_id, run in wave.servers.items():
        if run.state is ServerState.READY or _is_retried(run, wave):
            found.setdefault(str(run.server.location), []).append(server_id)
    return {place: tuple(ids) for place, ids in found.items()}


def _is_retried(run: ServerRun, wave: WaveRun) -> bool:
    return run.state is ServerState.FAILED and next_step(run, wave.wave.retry) is not None


def pace_of(launches: Sequence[tuple[Spread, float]]) -> float:
    """How much longer than expected this execution's launches take: 1.1 is a tenth longer.

    Args:
        launches: what was expected of each launch so far, and its seconds. Few of them say little, also where the
            records vary less than is likely: their mean is drawn towards 1, as a mean of `PACE_SIGMA` is.
    """
    logs = [math.log(seconds / spread.median) for spread, seconds in launches if seconds > 0 and spread.median > 0]
    if not logs:
        return 1.0
    noise = sum(max(spread.sigma, DEFAULT_RUN_SIGMA) ** 2 for spread, _ in launches) / len(launches) / len(logs)
    return math.exp(sum(logs) / len(logs) * PACE_SIGMA**2 / (PACE_SIGMA**2 + noise))


def time_left(spread: Spread, age: float, chance: float, least: float = SOON) -> float:
    """Seconds left of something that has taken `age` seconds: the distribution beyond that age, at this draw.

    Args:
        spread: the distribution from its beginning on.
        age: seconds so far.
        chance: a standard normal draw.
        least: the least that is left.
    """
    if age <= 0 or spread.sigma <= 0 or spread.median <= 0:
        return max(least, spread.median * math.exp(spread.sigma * chance) - age)
    log_median = math.log(spread.median)
    passed = _NORMAL.cdf((math.log(age) - log_median) / spread.sigma)
    share = passed + (1.0 - passed) * _NORMAL.cdf(chance)
    if not share < 1.0 - 1e-9:  # far beyond the distribution: it says nothing any more
        return least
    return max(least, math.exp(log_median + spread.sigma * _NORMAL.inv_cdf(share)) - age)
