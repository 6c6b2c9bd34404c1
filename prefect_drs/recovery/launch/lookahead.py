"""The lookahead: which packing rule to use, decided anew each time by simulating the rest of the recovery.

In: what the packer gets, and a `Lookahead`: the jobs that run and the waves that are not over, with their expected
seconds. Out: the jobs to start now. Pure, as the packer is: no I/O, no clock, no state, no chance.

The packer's rule is greedy, and no price of a job slot and no patience is the best everywhere: whether a less urgent
wave may take slots that a more urgent one will need soon, or should be cut into fewer jobs, depends on the waves to
come. So the rest of the recovery is simulated under each of `RULES` (`recovery.launch.simulation`), with expected
durations and the packer's own `start_groups`, as if that rule were used from here on. The rule that ends first decides
what is started now; the next decision chooses again. A wrong expectation costs time and never safety: quotas,
dependencies and ready servers are facts, not expectations.

Where the packer's own rule ends as soon as the longest chain alone, it is used without trying the others: nothing could
end earlier.

Measured on the 22 of 80 estates of 4,000 servers in which the quotas bind most (`benchmarks/estates.py`; expected
durations from three recorded drills that vary by 5 %), mean and worst makespan over the lower bound: one rule alone
1.042, 1.138; five prices 1.037, 1.154; four degrees of patience 1.037, 1.121; five prices with three degrees, as here,
1.034, 1.117; with five 1.032, 1.108; eight prices, no gain. Differences under 0.003 are noise in the mean, and on one
estate a single different decision may move the end by one or two points. Also tried: urgency with the work downstream
added, or with chains weighed more or less, or with eight random draws added: no gain; each rule simulated with 4, 8 or
16 draws of the durations instead of the expected ones: no gain; a local search over urgencies, 400 simulations a
decision: one point less on some estates, more on others, for sixteen times the time. With exact durations 1.022, 1.088.
A local search of 3,000 simulations with exact durations reaches 1.084 on the hardest of the first five.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prefect_drs.recovery.launch.packing import (
    Demand,
    FreeSlots,
    Group,
    JobStart,
    JobUsage,
    Limits,
    PackingRule,
    Ready,
    pack,
    start_groups,
)
from prefect_drs.recovery.launch.simulation import FOREIGN, Dependencies, SimulatedRun, Simulation, WaveTiming

RULES = tuple(PackingRule(price, patience) for price in (1.4, 1.2, 1.0, 1.6, 2.0) for patience in (0.0, 0.5, 1.0))
"""The rules that are simulated. The first is the packer's own; of rules that end together the first is used."""

LATE = 1.5
"""A job that has run for this many times its expected seconds is taken to hold its slots for ever."""

SOON = 15.0
"""The seconds until its end that are expected of a job that has run longer than expected."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """A job that runs.

    Args:
        wave_number: its wave; None for a job that is not this execution's.
        servers: how many servers it holds.
        age: seconds since it started.
        expected: seconds that its slowest server is expected to take; None: not known.
    """

    wave_number: int | None
    servers: int
    age: float
    expected: float | None

    @property
    def left(self) -> float | None:
        """Seconds until it is expected to end; None where it is not expected to."""
        if self.expected is None or self.age > LATE * self.expected:
            return None
        return max(SOON, self.expected - self.age)


@dataclass(frozen=True, slots=True)
class WaveLookahead(WaveTiming):
    """A wave that is not over, from the view of one account and region.

    `opening` counts from the end of the waves before it. `elsewhere` counts from then, or from now for a wave that
    launches already, until its servers in other accounts and regions are launched.

    Args:
        seconds: expected launch seconds of each of its servers there, the longest first. For a wave that launches
            already, the demands and the jobs in flight count instead.
        after: seconds that follow its last launch, on the longest chain: its checks, and the waves after it.
    """

    seconds: tuple[float, ...] = ()
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Lookahead:
    """The rest of a recovery: the jobs in one account and region, and every wave that is not over, by number."""

    in_flight: tuple[InFlight, ...] = ()
    waves: Mapping[int, WaveLookahead] = field(default_factory=dict)


def choose(
    demands: Sequence[Demand], usage: JobUsage, limits: Limits | None, lookahead: Lookahead
) -> tuple[JobStart, ...]:
    """The jobs to start now, by the rule that is expected to end first.

    Args:
        demands: the servers that are ready, in any order.
        usage: the current usage of the quotas.
        limits: the quotas; None means AWS's defaults.
        lookahead: the rest of the recovery.

    Returns:
        As `pack`. Also empty where it is better to wait for a job that is about to end than to start what fits.
    """
    limits = limits or Limits()
    if FreeSlots(usage, limits).full:
        return ()
    rest = RestOfRecovery(Ready(demands, usage), usage, limits, lookahead)
    if not rest.groups:
        return ()
    longest_chain = rest.longest_chain()
    best, least = RULES[0], (0, 0.0)
    for rule in RULES:
        end = rest.expected_end(rule)
        if rule is RULES[0] or end < least:
            best, least = rule, end
        if least <= (0, longest_chain):
            break
    return pack(demands, usage, limits, best, ending=any(job.left is not None for job in lookahead.in_flight))


class RestOfRecovery:
    """The rest of a recovery at one decision, prepared once and simulated under several rules."""

    def __init__(self, ready: Ready, usage: JobUsage, limits: Limits, lookahead: Lookahead) -> None:
        self.groups = [group for group in sorted(ready.uncut()) if ready[group[1]]]  # sorted: a heap
        self._ready = ready
        self._usage = usage
        self._limits = limits
        self._in_flight = lookahead.in_flight
        self._planned = lookahead.waves
        self._waves = {**dict.fromkeys(ready.demands, WaveLookahead()), **lookahead.waves}
        self._dependencies = Dependencies(self._waves)
        self._launching = {wave: len(seconds) for wave, seconds in ready.items()}
        self._running = [
            SimulatedRun(FOREIGN if job.wave_number is None else job.wave_number, job.servers, job.left, job.servers)
            for job in self._in_flight
        ]

    def longest_chain(self) -> float:
        """The seconds of the longest chain of waves from now on, without quotas."""
        demands, planned = self._ready.demands, self._planned
        chains = [demands[wave].remaining_path for _, wave, *_ in self.groups]
        chains += [
            job.seconds + planned[job.wave].after for job in self._running if job.seconds and job.wave in planned
        ]
        return max(chains)

    def expected_end(self, rule: PackingRule) -> tuple[int, float]:
        """How many waves are never over, and after how many seconds the last of the others is, under this rule."""
        queue = _GroupQueue(self._waves, list(self.groups), self._ready, FreeSlots(self._usage, self._limits), rule)
        over = Simulation(self._waves, self._dependencies, (queue,), self._launching, self._running).run()
        return len(self._waves) - len(over), max(over.values(), default=0.0)


class _GroupQueue:
    """The launch queue of one account and region: groups of servers by expected seconds. A job's key is its size."""

    def __init__(
        self,
        waves: Mapping[int, WaveLookahead],
        groups: list[Group],
        ready: Mapping[int, tuple[float, ...]],
        slots: FreeSlots,
        rule: PackingRule,
    ) -> None:
        self._waves = waves
        self._groups = groups
        self._seconds = dict(ready)
        self._slots = slots
        self._rule = rule

    def add(self, wave: int) -> int:
        """Queue a wave, uncut."""
        found = self._waves[wave]
        if found.seconds:
            self._seconds[wave] = found.seconds
            heapq.heappush(self._groups, (-(found.seconds[0] + found.after), wave, 0, 0, True))
        return len(found.seconds)

    def start(self, now: float, *, ending: bool) -> list[tuple[int, float, int]]:
        """Start the groups that the rule starts."""
        if not self._groups or self._slots.full:
            return []
        seconds = self._seconds
        starts = start_groups(self._groups, seconds, self._slots, self._rule, ending=ending)
        return [(wave, seconds[wave][first], last - first) for wave, first, last in starts]

    def end(self, key: int) -> int:
        """Free the slots of a job of so many servers."""
        self._slots.jobs += 1
        self._slots.servers += key
        return key
