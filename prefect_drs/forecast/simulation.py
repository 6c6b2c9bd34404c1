"""The course of one recovery, played through as a model: which job starts when, and when each wave is done.

In: the waves with their servers, and the seconds that each launch, gate and check takes this time. Out: a
`SimulatedRecovery`. The jobs are chosen by the same `pack` that the engine uses, each time something ends; between
those moments nothing happens. No AWS, no clock, no randomness: the same input gives the same result. The
forecast plays it many times with durations drawn at random, the packing benchmark once with durations that
are given.

What the model leaves out: throttling, the engine's polling except for one constant `reaction`, launches that
fail for good.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter

from prefect_drs.recovery.launch.lookahead import InFlight, Lookahead, WaveLookahead, choose
from prefect_drs.recovery.launch.packing import Demand, JobStart, JobUsage, Limits, pack, tails


@dataclass(frozen=True, slots=True)
class SimulatedWave:
    """A wave as far as its time is concerned.

    Args:
        wave_number: as in the plan.
        depends_on_waves: the waves that must be done before.
        servers: source server ids by account and region (any name for it, such as `111122223333/us-east-1`).
        gate: seconds a person takes to approve, from the moment the dependencies are done; 0 without a gate.
        check: seconds of its health checks, from its last launch on.
    """

    wave_number: int
    depends_on_waves: tuple[int, ...]
    servers: Mapping[str, tuple[str, ...]]
    gate: float = 0.0
    check: float = 0.0


@dataclass(frozen=True, slots=True)
class SimulatedJob:
    """A job that ran: where, for which wave, with how many servers, from when to when (seconds from the
    start).
    """

    place: str
    wave_number: int
    servers: int
    start: float
    end: float


@dataclass(slots=True)
class WaveTimes:
    """A wave's moments, in seconds from the start of the recovery.

    Args:
        ready: its dependencies were done.
        opened: its gate was passed.
        started: its first job started.
        last_job_started: the job started that was the last to end.
        launched: its last server was launched.
        ended: its checks had passed, and its dependents could go on.
    """

    ready: float = 0.0
    opened: float = 0.0
    started: float = 0.0
    last_job_started: float = 0.0
    launched: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class SimulatedRecovery:
    """How a recovery went: each wave's moments, every job, and when all was done."""

    waves: Mapping[int, WaveTimes]
    jobs: tuple[SimulatedJob, ...]
    makespan: float


@dataclass(frozen=True, slots=True)
class PackingPlan:
    """What the packer knows of the waves beforehand: the order of servers and how much follows each wave.

    Prepared once and played many times.

    Args:
        waves: by wave number.
        expected: expected launch seconds, by source server id; None where nothing is known.
        after: seconds that follow the last launch of each wave, by wave number: its checks, and what
            `recovery.packing.tails` finds.
        order: the wave numbers, each after the waves it depends on.
    """

    waves: dict[int, SimulatedWave]
    expected: Mapping[str, float] | None
    after: dict[int, float]
    order: tuple[int, ...]
    _prospects: dict[str, dict[int, WaveLookahead]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls, waves: Sequence[SimulatedWave], expected: Mapping[str, float] | None, blind: float = 1200.0
    ) -> PackingPlan:
        """Order the servers, the slowest first, and measure the chains.

        Args:
            waves: in any order.
            expected: see above.
            blind: seconds that a wave is taken to launch in where nothing is known.

        Raises:
            ValueError: the waves' dependencies are not a graph without circles.
        """
        lengths: dict[int, float] = {}
        for wave in waves:
            servers = [s for there in wave.servers.values() for s in there]
            launch = blind if expected is None else max((expected[s] for s in servers), default=0.0)
            lengths[wave.wave_number] = wave.gate + wave.check + (launch if servers else 0.0)
        before = {wave.wave_number: wave.depends_on_waves for wave in waves}
        after = tails(before, lengths)
        order = tuple(TopologicalSorter(before).static_order())
        plan = cls({wave.wave_number: wave for wave in waves}, expected, after, order)
        for wave in waves:
            ordered = {place: plan.slowest_first(servers) for place, servers in wave.servers.items()}
            plan.waves[wave.wave_number] = replace(wave, servers=ordered)
            plan.after[wave.wave_number] += wave.check
        return plan

    def prospects(self, place: str) -> dict[int, WaveLookahead]:
        """Every wave as it is seen from one account and region before it begins."""
        if place not in self._prospects:
            self._prospects[place] = {n: self._prospect(wave, place) for n, wave in self.waves.items()}
        return self._prospects[place]

    def _prospect(self, wave: SimulatedWave, place: str) -> WaveLookahead:
        expected = self.expected or {}
        elsewhere = [expected[servers[0]] for there, servers in wave.servers.items() if there != place and servers]
        return WaveLookahead(
            depends_on=wave.depends_on_waves,
            seconds=tuple(expected[s] for s in wave.servers.get(place, ())),
            after=self.after[wave.wave_number],
            opening=wave.gate,
            elsewhere=max(elsewhere, default=0.0),
            closing=wave.check,
        )

    def slowest_first(self, servers: tuple[str, ...]) -> tuple[str, ...]:
        """The servers in the order in which they are started; as given where nothing is known."""
        if self.expected is None:
            return servers
        return tuple(sorted(servers, key=self.expected.__getitem__, reverse=True))


@dataclass(slots=True)
class _Place:
    """One account and region while a course is played: what waits there, and what is in use."""

    jobs: int = 0
    servers: int = 0
    waiting: dict[int, tuple[str, ...]] = field(default_factory=dict)
    running: dict[int, float] = field(default_factory=dict)  # by job: what its slowest server is expected to take


def play(
    plan: PackingPlan,
    launch_seconds: Mapping[str, float],
    *,
    gates: Mapping[int, float] | None = None,
    failures: Mapping[str, int] | None = None,
    limits: Limits | None = None,
    usage: Mapping[str, JobUsage] | None = None,
    reaction: float = 0.0,
    foresight: bool = True,
) -> SimulatedRecovery:
    """Play a recovery through.

    Args:
        plan: the waves, prepared.
        launch_seconds: what each server takes this time, each attempt.
        gates: what each gate takes this time; the wave's own `gate` where left out.
        failures: how often each server fails before it is launched; each failure costs a whole attempt.
        limits: the quotas of every account and region.
        usage: what others hold in an account and region, for the whole course.
        reaction: seconds from a launch in DRS to the moment the engine acts on it.
        foresight: choose the jobs as the engine does; False: by the packer's own rule alone, which takes a
            hundredth of the time and, where the quotas bind, ends up to 3.5 % later.

    Raises:
        ValueError: others hold all of a quota for ever, so that a wave could never start.
    """
    return _Playing(plan, launch_seconds, gates, failures, limits, usage, reaction, foresight).run()


class _Playing:
    """The state of a course that is being played."""

    def __init__(
        self,
        plan: PackingPlan,
        launch_seconds: Mapping[str, float],
        gates: Mapping[int, float] | None,
        failures: Mapping[str, int] | None,
        limits: Limits | None,
        usage: Mapping[str, JobUsage] | None,
        reaction: float,
        foresight: bool,
    ) -> None:
        self.plan = plan
        self.seconds = launch_seconds
        self.gates = gates or {}
        self.failures = Counter(failures or {})
        self.limits = limits or Limits()
        self.reaction = reaction
        self.foresight = foresight and plan.expected is not None
        self.foreign = usage or {}
        self.places = {
            place: _Place(self.foreign[place].jobs, self.foreign[place].servers) if place in self.foreign else _Place()
            for wave in plan.waves.values()
            for place in wave.servers
        }
        self.missing = {n: len(set(wave.depends_on_waves)) for n, wave in plan.waves.items()}
        self.dependents: dict[int, list[int]] = {n: [] for n in plan.waves}
        for number, wave in plan.waves.items():
            for other in set(wave.depends_on_waves):
                self.dependents[other].append(number)
        self.unlaunched = {n: sum(map(len, wave.servers.values())) for n, wave in plan.waves.items()}
        self.times: dict[int, WaveTimes] = {}
        self.jobs: list[SimulatedJob] = []
        self.held: list[tuple[str, ...]] = []  # the servers of each job
        self.begun: set[int] = set()
        self.events: list[tuple[float, int, str, int]] = []  # time, tie-breaker, what, wave or job
        self.ties = 0

    def run(self) -> SimulatedRecovery:
        for number, missing in self.missing.items():
            if not missing:
                self._make_ready(number, 0.0)
        now = 0.0
        while self.events:
            now = self.events[0][0]
            touched: set[str] = set()
            while self.events and self.events[0][0] <= now:
                _, _, what, which = heapq.heappop(self.events)
                if what == "opened":
                    touched |= self._open(which, now)
                elif what == "job":
                    touched.add(self._end_job(which, now))
                else:
                    self._end_wave(which, now)
            for place in sorted(touched):
                self._start_jobs(place, now)
        stuck = sorted(number for number, place in self._unstarted())
        if stuck:
            raise ValueError(
                f"waves {stuck} can never start: other jobs hold a whole quota of their account and region"
            )
        return SimulatedRecovery(self.times, tuple(self.jobs), max((t.ended for t in self.times.values()), default=0.0))

    def _unstarted(self) -> list[tuple[int, str]]:
        return [(number, name) for name, place in self.places.items() for number in place.waiting]

    def _at(self, when: float, what: str, which: int) -> None:
        self.ties += 1
        heapq.heappush(self.events, (when, self.ties, what, which))

    def _make_ready(self, number: int, now: float) -> None:
        gate = self.gates.get(number, self.plan.waves[number].gate)
        self.times[number] = WaveTimes(ready=now, opened=now + gate)
        self._at(now + gate, "opened", number)

    def _open(self, number: int, now: float) -> set[str]:
        wave = self.plan.waves[number]
        for place, servers in wave.servers.items():
            if servers:
                self.places[place].waiting[number] = servers
        if not self.unlaunched[number]:
            times = self.times[number]
            times.started = times.last_job_started = times.launched = now
            self._at(now + wave.check, "wave", number)
        return {place for place, servers in wave.servers.items() if servers}

    def _start_jobs(self, name: str, now: float) -> None:
        place = self.places[name]
        if not place.waiting or place.jobs >= self.limits.concurrent_jobs:
            return
        expected, after = self.plan.expected, self.plan.after
        demands = [
            Demand(number, servers, after[number] + (expected[servers[0]] if expected else 0.0), expected)
            for number, servers in place.waiting.items()
        ]
        usage = JobUsage(place.jobs, place.servers)
        if self.foresight:
            chosen = choose(demands, usage, self.limits, self._outlook(name, now))
        else:
            chosen = pack(demands, usage, self.limits)
        self._run(chosen, name, now)

    def _outlook(self, name: str, now: float) -> Lookahead:
        """What is to come, as far as it is known beforehand."""
        in_flight = (
            InFlight(self.jobs[job].wave_number, self.jobs[job].servers, now - self.jobs[job].start, seconds)
            for job, seconds in self.places[name].running.items()
        )
        coming = {n: p for n, p in self.plan.prospects(name).items() if not (n in self.times and self.times[n].ended)}
        return Lookahead(tuple(in_flight), coming)

    def _run(self, chosen: Sequence[JobStart], name: str, now: float) -> None:
        place, expected = self.places[name], self.plan.expected
        for job in chosen:
            number = job.wave_number
            started = set(job.servers)
            left = tuple(s for s in place.waiting[number] if s not in started)
            if left:
                place.waiting[number] = left
            else:
                del place.waiting[number]
            end = now + max(self.seconds[s] for s in job.servers) + self.reaction
            place.jobs += 1
            place.servers += len(job.servers)
            if number not in self.begun:
                self.begun.add(number)
                self.times[number].started = now
            self.jobs.append(SimulatedJob(name, number, len(job.servers), now, end))
            self.held.append(job.servers)
            if expected is not None:
                place.running[len(self.jobs) - 1] = expected[job.servers[0]]
            self._at(end, "job", len(self.jobs) - 1)

    def _end_job(self, which: int, now: float) -> str:
        job, servers = self.jobs[which], self.held[which]
        place = self.places[job.place]
        place.jobs -= 1
        place.servers -= job.servers
        place.running.pop(which, None)
        number = job.wave_number
        again = tuple(s for s in servers if self.failures[s] > 0) if self.failures else ()
        if again:
            self.failures.subtract(again)
            place.waiting[number] = self.plan.slowest_first(again + place.waiting.get(number, ()))
        self.unlaunched[number] -= len(servers) - len(again)
        times = self.times[number]
        times.last_job_started, times.launched = job.start, now
        if not self.unlaunched[number]:
            self._at(now + self.plan.waves[number].check, "wave", number)
        return job.place

    def _end_wave(self, number: int, now: float) -> None:
        self.times[number].ended = now
        for other in self.dependents[number]:
            self.missing[other] -= 1
            if not self.missing[other]:
                self._make_ready(other, now)
