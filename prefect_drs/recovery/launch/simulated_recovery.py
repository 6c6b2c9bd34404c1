"""One recovery, simulated server by server: which job starts when, and when each wave is over.

In: the waves with their servers, and the seconds that each launch, gate and check takes this time; for the rest of a
recovery that is under way, where it stands (`Begun`). Out: a `SimulatedRecovery`. The event loop is
`recovery.launch.simulation`, and the jobs are chosen by the engine's own packer each time something ends. No AWS, no
clock, no chance: the same input gives the same result. The forecasts, before and during an execution, call it many
times with durations drawn at random, the packing benchmark once with given ones.

Left out: throttling, the engine's polling except for one constant `reaction`, launches that fail for good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prefect_drs.recovery.launch.lookahead import InFlight, Lookahead, choose
from prefect_drs.recovery.launch.packing import Demand, JobStart, JobUsage, Limits, pack
from prefect_drs.recovery.launch.packing_plan import PackingPlan
from prefect_drs.recovery.launch.simulation import Dependencies, SimulatedRun, Simulation, StartedJob, WaveTiming


@dataclass(frozen=True, slots=True)
class SimulatedJob:
    """A job: its account and region, its wave, how many servers; start and end in seconds from the recovery's start."""

    place: str
    wave_number: int
    servers: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class WaveTimes:
    """The times of a wave, in seconds from the start of the recovery.

    Args:
        ready: its dependencies were over.
        opened: its gate was passed.
        started: its first job started.
        last_job_started: the start of the job that ended last.
        launched: its last server was launched.
        ended: its checks had passed, and its dependents could go on.
    """

    ready: float
    opened: float
    started: float
    last_job_started: float
    launched: float
    ended: float


@dataclass(frozen=True, slots=True)
class SimulatedRecovery:
    """The result of a simulation: each wave's times, every job, and the seconds until all waves were over."""

    waves: Mapping[int, WaveTimes]
    jobs: tuple[SimulatedJob, ...]
    makespan: float


@dataclass(frozen=True, slots=True)
class BegunJob:
    """A job that runs when the simulation begins.

    Args:
        place: its account and region.
        wave_number: its wave; `FOREIGN` for a job of somebody else.
        slots: how many servers it counts as under the quotas.
        servers: those of them whose launch is not over.
        seconds: until it ends.
    """

    place: str
    wave_number: int
    slots: int
    servers: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Begun:
    """A recovery that is under way. Times of its simulation count from now.

    Args:
        over: the waves that are over, or never begin.
        launching: the waves that may launch, each with the servers that wait for a job, by account and region.
        running: the jobs.
    """

    over: frozenset[int] = frozenset()
    launching: Mapping[int, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    running: tuple[BegunJob, ...] = ()


def simulate(
    plan: PackingPlan,
    launch_seconds: Mapping[str, float],
    *,
    gates: Mapping[int, float] | None = None,
    failures: Mapping[str, int] | None = None,
    limits: Limits | None = None,
    usage: Mapping[str, JobUsage] | None = None,
    reaction: float = 0.0,
    lookahead: bool = True,
    begun: Begun | None = None,
) -> SimulatedRecovery:
    """Simulate a recovery once.

    Args:
        plan: the waves, prepared.
        launch_seconds: what each server takes this time, each attempt.
        gates: what each gate takes this time; the wave's own `gate` where left out.
        failures: how often each server fails before it is launched; each failure costs a whole attempt.
        limits: the quotas of every account and region.
        usage: what others hold in an account and region, for the whole recovery.
        reaction: seconds from a launch in DRS to the moment the engine acts on it.
        lookahead: choose the jobs as the engine does; False: by the packer's own rule alone, which takes a
            hundredth of the time and, where the quotas bind, ends up to 3.5 % later.
        begun: simulate the rest of a recovery that is under way; without lookahead only.

    Raises:
        ValueError: others hold all of a quota for ever, so that a wave could never start.
    """
    looks_ahead = lookahead and plan.expected is not None
    recovery = _Recovery(plan, launch_seconds, Counter(failures or {}), limits or Limits(), reaction, looks_ahead)
    places = sorted({place for wave in plan.waves.values() for place in wave.servers})
    queues = [_ServerQueue(recovery, place, (usage or {}).get(place, JobUsage())) for place in places]
    gates = {number: (gates or {}).get(number, wave.gate) for number, wave in plan.waves.items()}
    begun = begun or Begun()
    timings = {
        number: WaveTiming(wave.depends_on_waves, opening=gates[number], closing=wave.check)
        for number, wave in plan.waves.items()
        if number not in begun.over
    }
    running = [
        SimulatedRun(job.wave_number, len(job.servers), job.seconds, queues[index].take_up(job), index)
        for job in begun.running
        for index in (places.index(job.place),)
    ]
    waiting = {number: sum(map(len, servers.values())) for number, servers in begun.launching.items()}
    for index, place in enumerate(places):
        queues[index].wait({number: servers.get(place, ()) for number, servers in begun.launching.items()})
    dependencies = Dependencies(timings) if begun.over else plan.dependencies
    simulation = Simulation(timings, dependencies, queues, waiting, running)
    recovery.over = simulation.over
    simulation.run()
    stuck = sorted(number for queue in queues for number in queue.waiting)
    if stuck:
        raise ValueError(f"waves {stuck} can never start: other jobs hold a whole quota of their account and region")
    return recovery.result(gates)


@dataclass(slots=True)
class _Recovery:
    """What the queues of a simulation share: its input, and the jobs so far."""

    plan: PackingPlan
    seconds: Mapping[str, float]
    failures: Counter[str]
    limits: Limits
    reaction: float
    lookahead: bool
    over: Mapping[int, float] = field(default_factory=dict)
    jobs: list[SimulatedJob] = field(default_factory=list)
    servers: list[tuple[str, ...]] = field(default_factory=list)  # of each job
    started: dict[int, float] = field(default_factory=dict)  # by wave: its first job
    last_ended: dict[int, SimulatedJob] = field(default_factory=dict)  # by wave

    def result(self, gates: Mapping[int, float]) -> SimulatedRecovery:
        """The times of each wave, from the jobs and the ends of its dependencies."""
        times: dict[int, WaveTimes] = {}
        for number, ended in self.over.items():
            ready = max((self.over.get(n, 0.0) for n in self.plan.waves[number].depends_on_waves), default=0.0)
            opened = ready + gates[number]
            last = self.last_ended.get(number)
            times[number] = WaveTimes(
                ready=ready,
                opened=opened,
                started=self.started.get(number, opened),
                last_job_started=last.start if last else opened,
                launched=last.end if last else opened,
                ended=ended,
            )
        return SimulatedRecovery(times, tuple(self.jobs), max(self.over.values(), default=0.0))


class _ServerQueue:
    """The launch queue of one account and region, server by server. A job's key is its index in `_Recovery.jobs`."""

    def __init__(self, recovery: _Recovery, place: str, foreign: JobUsage) -> None:
        self.waiting: dict[int, tuple[str, ...]] = {}
        self._recovery = recovery
        self._place = place
        self._jobs, self._servers = foreign.jobs, foreign.servers
        self._running: dict[int, float] = {}  # by job: the expected seconds of its slowest server
        self._changed = False  # since the last decision

    def take_up(self, job: BegunJob) -> int:
        """A job runs already; returns its key."""
        key = len(self._recovery.jobs)
        self._jobs += 1
        self._servers += job.slots
        self._recovery.jobs.append(SimulatedJob(self._place, job.wave_number, job.slots, 0.0, job.seconds))
        self._recovery.servers.append(job.servers)
        return key

    def wait(self, waiting: Mapping[int, tuple[str, ...]]) -> None:
        """Servers wait already, by wave."""
        for wave, servers in waiting.items():
            if servers:
                self.waiting[wave] = self._recovery.plan.slowest_first(servers)
                self._changed = True

    def add(self, wave: int) -> int:
        """Queue the servers that the wave has here."""
        servers = self._recovery.plan.waves[wave].servers.get(self._place, ())
        if servers:
            self.waiting[wave] = servers
            self._changed = True
        return len(servers)

    def start(self, now: float, *, ending: bool) -> list[StartedJob]:
        """Decide anew, where something has changed here since the last decision."""
        if not self._changed:
            return []
        self._changed = False
        if not self.waiting or self._jobs >= self._recovery.limits.concurrent_jobs:
            return []
        return [self._start(job, now) for job in self._choose(now)]

    def end(self, key: int) -> int:
        """Free the job's slots; its servers that failed wait again."""
        recovery = self._recovery
        job, servers = recovery.jobs[key], recovery.servers[key]
        self._changed = True
        self._jobs -= 1
        self._servers -= job.servers
        self._running.pop(key, None)
        again = tuple(s for s in servers if recovery.failures[s] > 0) if recovery.failures else ()
        if again:
            recovery.failures.subtract(again)
            waiting = again + self.waiting.get(job.wave_number, ())
            self.waiting[job.wave_number] = recovery.plan.slowest_first(waiting)
        recovery.last_ended[job.wave_number] = job
        return len(servers) - len(again)

    def _choose(self, now: float) -> Sequence[JobStart]:
        recovery = self._recovery
        expected, after = recovery.plan.expected, recovery.plan.after
        demands = [
            Demand(number, servers, after[number] + (expected[servers[0]] if expected else 0.0), expected)
            for number, servers in self.waiting.items()
        ]
        usage = JobUsage(self._jobs, self._servers)
        if recovery.lookahead:
            return choose(demands, usage, recovery.limits, self._rest(now))
        return pack(demands, usage, recovery.limits)

    def _rest(self, now: float) -> Lookahead:
        """The rest of the recovery, as far as it is known beforehand."""
        jobs, plan = self._recovery.jobs, self._recovery.plan
        in_flight = tuple(
            InFlight(jobs[job].wave_number, jobs[job].servers, now - jobs[job].start, seconds)
            for job, seconds in self._running.items()
        )
        waves = plan.lookahead_at(self._place)
        return Lookahead(in_flight, {n: wave for n, wave in waves.items() if n not in self._recovery.over})

    def _start(self, job: JobStart, now: float) -> StartedJob:
        recovery, number, servers = self._recovery, job.wave_number, job.servers
        started = set(servers)
        left = tuple(s for s in self.waiting[number] if s not in started)
        if left:
            self.waiting[number] = left
        else:
            del self.waiting[number]
        seconds = max(recovery.seconds[s] for s in servers) + recovery.reaction
        key = len(recovery.jobs)
        self._jobs += 1
        self._servers += len(servers)
        if recovery.plan.expected is not None:
            self._running[key] = recovery.plan.expected[servers[0]]
        recovery.started.setdefault(number, now)
        recovery.jobs.append(SimulatedJob(self._place, number, len(servers), now, now + seconds))
        recovery.servers.append(servers)
        return StartedJob(number, seconds, key)
