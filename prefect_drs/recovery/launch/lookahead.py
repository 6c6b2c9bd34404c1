"""Foresight: which rule to pack by, chosen anew at each decision by playing the rest of the recovery forward.

In: what the packer gets, and an `Lookahead`: the jobs that run and the waves that are to come, with the seconds they
are expected to take. Out: the jobs to start now. Pure, as the packer is: no I/O, no clock, no state, no chance.

The packer's rule is greedy, and no price of a job slot and no patience is the best everywhere: whether a lesser wave
may take slots that a more urgent one will want soon, or is better cut into fewer jobs, depends on what else is coming.
So each of `RULES` is played to the end, with expected durations and the packer's own `start_groups`, as if it were
kept to from here on. The one that ends first decides what is started now; the next decision chooses again. What is
foreseen wrongly costs time, never more: quotas, dependencies and what is ready are not foreseen but given.

Where the packer's own rule, played forward, ends as soon as the longest chain alone, it is taken at once: nothing
could end earlier.

Measured on the 22 of 80 estates of 4,000 servers in which the quotas bind most (`benchmarks/estates.py`; expected
durations from three recorded drills that vary by 5 %), mean and worst makespan over the lower bound: one rule alone
1.042, 1.138; five prices 1.037, 1.154; four degrees of patience 1.037, 1.121; five prices with three degrees, as here,
1.034, 1.117; with five 1.032, 1.108; eight prices, no gain. Differences under 0.003 are noise in the mean, and on one
estate a decision that falls otherwise may move the end by one or two points. What was tried beside: urgency
with the work downstream added, or with chains weighed more or less, or with eight draws of chance added: no gain;
each rule played against 4, 8 or 16 draws of the durations instead of what is expected: no gain; a local search over
urgencies, 400 plays a decision: one point less on some, more on others, for sixteen times the time. With exact
durations 1.022, 1.088. A local search of 3,000 plays that knows them comes to 1.084 on the hardest of the first five.
"""

from __future__ import annotations

import enum
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

RULES = tuple(PackingRule(price, patience) for price in (1.4, 1.2, 1.0, 1.6, 2.0) for patience in (0.0, 0.5, 1.0))
"""What is played forward; the first is the packer's own, and where several end together, the first of them counts."""

LATE = 1.5
"""A job that has taken so much longer than expected holds its slots for as long as one can see."""

SOON = 15.0
"""Seconds that a job is expected to take yet that has taken longer than expected."""

NOBODY = -1
"""The wave of a job that belongs to no wave of ours."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """A job that runs.

    Args:
        wave_number: its wave; None for a job of somebody else.
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
        """Seconds until it is expected to end; None where no end is in sight."""
        if self.expected is None or self.age > LATE * self.expected:
            return None
        return max(SOON, self.expected - self.age)


@dataclass(frozen=True, slots=True)
class WaveLookahead:
    """A wave that is not over, as seen from one account and region.

    Args:
        depends_on: the waves before it; those that the outlook doesn't hold are over.
        seconds: expected launch seconds of each of its servers there, the longest first. Of a wave that launches
            already, demands and jobs in flight tell instead.
        after: seconds that follow its last launch, on the longest chain: its checks, and the waves after it.
        opening: seconds from the end of those before it until it may launch: its gate, its hooks.
        elsewhere: seconds from then, or from now if it launches already, until its servers in other places are up.
        closing: seconds of its checks.
    """

    depends_on: tuple[int, ...] = ()
    seconds: tuple[float, ...] = ()
    after: float = 0.0
    opening: float = 0.0
    elsewhere: float = 0.0
    closing: float = 0.0


@dataclass(frozen=True, slots=True)
class Lookahead:
    """What is to come: the jobs that run in one account and region, and every wave that is not over, by number."""

    in_flight: tuple[InFlight, ...] = ()
    waves: Mapping[int, WaveLookahead] = field(default_factory=dict)


def choose(
    demands: Sequence[Demand], usage: JobUsage, limits: Limits | None, outlook: Lookahead
) -> tuple[JobStart, ...]:
    """The jobs to start now, by the rule that is expected to end first.

    Args:
        demands: what is ready, in any order.
        usage: what is in use now.
        limits: the quotas; None means AWS's defaults.
        outlook: what is to come.

    Returns:
        As `pack`. Empty also where waiting for a job that is about to end is better than to start what fits.
    """
    limits = limits or Limits()
    ready = Ready(demands, usage)
    wanted = [number for _, number, *_ in sorted(ready.uncut()) if ready[number]]
    if not wanted or FreeSlots(usage, limits).full:
        return ()
    chains = [ready.demands[number].remaining_path for number in wanted]
    for job in outlook.in_flight:
        if job.left is not None and job.wave_number is not None and job.wave_number in outlook.waves:
            chains.append(job.left + outlook.waves[job.wave_number].after)
    best, least = RULES[0], (0, 0.0)
    for rule in RULES:
        end = foresee(ready, usage, limits, outlook, rule)
        if rule is RULES[0] or end < least:
            best, least = rule, end
        if least <= (0, max(chains)):
            break
    return pack(demands, usage, limits, best, ending=any(job.left is not None for job in outlook.in_flight))


def foresee(ready: Ready, usage: JobUsage, limits: Limits, outlook: Lookahead, rule: PackingRule) -> tuple[int, float]:
    """How many waves are never over, and in how many seconds the last of the others is, if this rule is kept to."""
    return _Forward(ready, usage, limits, outlook, rule).play()


class _What(enum.IntEnum):
    """What happens while a recovery is played forward."""

    LAUNCHED = 1  # a job is over
    ELSEWHERE = 2  # a wave's servers in other places are up
    OPENS = 3  # a wave may launch
    OVER = 4  # a wave's checks are done


class _Forward:
    """The rest of a recovery, played by one rule with expected durations."""

    def __init__(
        self,
        ready: Ready,
        usage: JobUsage,
        limits: Limits,
        outlook: Lookahead,
        rule: PackingRule,
    ) -> None:
        waves = {**dict.fromkeys(ready.demands, WaveLookahead()), **outlook.waves}
        self.rule, self.waves = rule, waves
        self.left, self.end = len(waves), 0.0
        self.room = FreeSlots(usage, limits)
        self.heap: list[Group] = [group for group in ready.uncut() if ready[group[1]]]
        self.seconds: dict[int, tuple[float, ...]] = dict(ready)
        self.events: list[tuple[float, _What, int, int]] = []  # when, what, which wave, how many servers
        self.pending: dict[int, int] = {}  # of a wave that launches: servers, and one for all that are elsewhere
        self.dependents: dict[int, list[int]] = {number: [] for number in waves}
        self.missing: dict[int, int] = {}
        for number, wave in waves.items():
            before = [other for other in set(wave.depends_on) if other in waves]
            self.missing[number] = len(before)
            for other in before:
                self.dependents[other].append(number)
        for job in outlook.in_flight:
            number = NOBODY if job.wave_number is None else job.wave_number
            self.pending[number] = self.pending.get(number, 0) + job.servers
            if job.left is not None:
                self._at(job.left, _What.LAUNCHED, number, job.servers)
        for number in {*ready, *self.pending} & {*waves}:
            self._await(number, len(ready.get(number, ())), 0.0)
        for number in [n for n, missing in self.missing.items() if not missing and n not in self.pending]:
            self._open(number, 0.0)

    def play(self) -> tuple[int, float]:
        """How many waves are never over, and when the last of the others is."""
        now = 0.0
        while True:
            self._start_jobs(now)
            if not self.events:
                return self.left, self.end
            now = self.events[0][0]
            while self.events and self.events[0][0] <= now:
                _, what, number, servers = heapq.heappop(self.events)
                if what is _What.LAUNCHED:
                    self.room.jobs += 1
                    self.room.servers += servers
                    self._up(number, servers, now)
                elif what is _What.ELSEWHERE:
                    self._up(number, 1, now)
                elif what is _What.OPENS:
                    self._launch(number, now)
                else:
                    self._over(number, now)

    def _at(self, when: float, what: _What, number: int, servers: int = 0) -> None:
        heapq.heappush(self.events, (when, what, number, servers))

    def _start_jobs(self, now: float) -> None:
        if self.heap:
            starts = start_groups(self.heap, self.seconds, self.room, self.rule, ending=bool(self.events))
            for number, first, last in starts:
                self._at(now + self.seconds[number][first], _What.LAUNCHED, number, last - first)

    def _open(self, number: int, now: float) -> None:
        """What a wave waited for is over: its gate and hooks come, where it has any."""
        wave = self.waves[number]
        if wave.opening or not wave.seconds:
            self._at(now + wave.opening, _What.OPENS, number)
        else:
            self._launch(number, now)

    def _launch(self, number: int, now: float) -> None:
        """A wave may launch."""
        wave = self.waves[number]
        if wave.seconds:
            self.seconds[number] = wave.seconds
            heapq.heappush(self.heap, (-(wave.seconds[0] + wave.after), number, 0, 0, True))
        self._await(number, len(wave.seconds), now)

    def _await(self, number: int, servers: int, now: float) -> None:
        """A wave is over when these servers are launched, and those that it has elsewhere."""
        elsewhere = self.waves[number].elsewhere
        self.pending[number] = self.pending.get(number, 0) + servers
        if elsewhere or not self.pending[number]:
            self.pending[number] += 1
            self._at(now + elsewhere, _What.ELSEWHERE, number)

    def _up(self, number: int, servers: int, now: float) -> None:
        """Servers of a wave are launched; the last of them bring its checks."""
        self.pending[number] -= servers
        if self.pending[number] or number not in self.waves:
            return
        if self.waves[number].closing:
            self._at(now + self.waves[number].closing, _What.OVER, number)
        else:
            self._over(number, now)

    def _over(self, number: int, now: float) -> None:
        """A wave's checks are done: those that waited for it alone may go on."""
        self.left -= 1
        self.end = now
        for other in self.dependents[number]:
            self.missing[other] -= 1
            if not self.missing[other] and other not in self.pending:
                self._open(other, now)
