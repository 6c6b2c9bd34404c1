"""The packer: which DRS jobs to start now in one account and region, under its quotas.

In: the servers that are ready (one `Demand` a wave), the usage by all active jobs there (`JobUsage`, foreign jobs
included), the quotas (`Limits`) and a `PackingRule`. Out: the jobs to start now, the most urgent first. Pure: no I/O,
no clock, no state, no chance; the same input gives the same answer. It never exceeds the quotas, never starts a
server that is in an active job, never starts a server twice, and never puts two waves into one job. Where a slot is
free for a ready server it starts a job, unless its rule is patient and a running job that will end frees more slots.

How it decides:

1. A job holds the slots of all its servers until its slowest is launched. So the servers of a wave are
   ordered by expected duration and cut into groups of like duration, each at most one job. The cut minimises
   the sum of `(servers + price) × slowest` over the groups: a job holds its servers' slots and a job slot,
   and a job slot is worth `price` server slots. Quotas of 500 servers in 20 jobs make 25 the price at which
   both run out together; measured best, where the price never changes, is a little higher, 35.
2. Groups compete by urgency: the seconds from the group's start to the end of the longest chain through it.
   The slow part of a wave goes before its fast part, which can wait without delaying the wave; another wave's
   group may come between.
3. A group that doesn't fit into the free slots is started as far as it fits, its slowest servers first. So
   nothing starves: the most urgent group takes whatever is free. A patient rule lets it wait instead, while
   later groups fill in, if too small a part of it fits.
4. Where no durations are known, or all are the same, no grouping can be better than another. Then a wave is
   split evenly into the fewest jobs that may hold it: 230 servers are three jobs, and the job slots are left
   to other waves.

No rule is the best everywhere: `recovery.launch.lookahead` simulates several at each decision and uses the best.
Tried with one rule alone: mean and worst makespan over the lower bound on 60 estates of 4,000 servers
in 6 or 7 layers, the hardest kind, where both 500 slots and 20 jobs are full nearly all the time
(`benchmarks/estates.py`; expected durations from three recorded drills that vary by 5 %). Differences under
0.003 are noise.

- whole waves, longest remaining path first: 1.053, 1.20; the same in jobs of balanced size: 1.044, 1.17;
- groups, with a job slot worth 10 server slots: 1.163, 1.40 (job slots run out); 20: 1.048, 1.21; 25: 1.036,
  1.19; 30: 1.036, 1.20; 35: 1.035, 1.18; 40: 1.038, 1.19; 50: 1.041, 1.18;
- a price chosen anew each time, so that what is ready would use up both quotas together: 1.038 to 1.068; a
  price that follows what is free at the moment: no gain;
- waiting with a fragment of less than 20 %, 40 % or 60 % of its group while later groups fill in: 1.035,
  1.034, 1.038 (worst 1.18, 1.16, 1.23). The gain of waiting is noise, and it could wait for ever for
  a foreign job: fragments start;
- a group's expected maximum as a soft maximum of noisy durations: no gain;
- urgency with the work downstream added: no gain. Urgencies improved by 150 rounds of local search on the
  expected durations gain one point on paper, and lose more than that once the durations vary by 10 %;
- with exact durations instead of recorded ones: 1.029, 1.16; with none at all: 1.19, 1.42. Recording
  durations is worth more than any rule here.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prefect_drs.aws.quotas import CONCURRENT_JOBS, SERVERS_A_JOB, SERVERS_IN_JOBS

_CUT_POINTS = 60
"""A wave is cut at one of about this many places at most, so that a huge wave takes no more time than a large one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The launch quotas of one account and region; the defaults are AWS's.

    Source: "AWS Elastic Disaster Recovery endpoints and quotas",
    https://docs.aws.amazon.com/general/latest/gr/drs.html.

    Args:
        servers_per_job: source servers in one job.
        concurrent_jobs: jobs in progress at once.
        servers_in_jobs: source servers in all jobs in progress.
    """

    servers_per_job: int = SERVERS_A_JOB
    concurrent_jobs: int = CONCURRENT_JOBS
    servers_in_jobs: int = SERVERS_IN_JOBS


@dataclass(frozen=True, slots=True)
class Demand:
    """The servers of one wave that are ready, in the account and region that is being packed.

    Args:
        wave_number: the wave; a job holds servers of one wave only.
        servers: source server ids, ready and not yet launched.
        remaining_path: seconds from now to the end of the longest chain of waves through this one, if all `servers`
            were started now: the expected duration of the slowest of them, plus the `seconds_after` its wave.
        durations: expected launch seconds of each server. None: not known. A missing server counts as the slowest.
    """

    wave_number: int
    servers: tuple[str, ...]
    remaining_path: float
    durations: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class JobUsage:
    """The quota usage of all active jobs in the account and region, whoever started them.

    Args:
        jobs: active jobs.
        servers: servers in active jobs.
        busy: their ids; a server may be in one active job only (DRS answers ConflictException otherwise).
    """

    jobs: int = 0
    servers: int = 0
    busy: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PackingRule:
    """The two weights of the packer.

    Args:
        price: the value of a job slot, in fair shares (`servers_in_jobs / concurrent_jobs`, 25 servers).
        patience: a group waits while less than this share of it fits and a running job will end.
    """

    price: float = 1.4
    patience: float = 0.0


@dataclass(frozen=True, slots=True)
class JobStart:
    """One job to start now: a wave and its servers, the slowest first."""

    wave_number: int
    servers: tuple[str, ...]


Group = tuple[float, int, int, int, bool]
"""Servers that may share a job: minus its urgency; its wave; from and to (0: all) in the wave's servers, the slowest
first; and whether it must still be cut into jobs."""


class FreeSlots:
    """The free part of the quotas; changes as jobs start and end."""

    __slots__ = ("jobs", "per_job", "price", "servers")

    def __init__(self, usage: JobUsage, limits: Limits) -> None:
        self.jobs = limits.concurrent_jobs - usage.jobs
        self.servers = limits.servers_in_jobs - max(usage.servers, len(usage.busy))
        self.per_job = limits.servers_per_job
        self.price = max(1, math.ceil(limits.servers_in_jobs / max(1, limits.concurrent_jobs)))

    @property
    def full(self) -> bool:
        """Whether nothing can be started."""
        return self.jobs <= 0 or self.servers <= 0 or self.per_job <= 0


def pack(
    demands: Sequence[Demand],
    usage: JobUsage,
    limits: Limits | None = None,
    rule: PackingRule | None = None,
    *,
    ending: bool = False,
) -> tuple[JobStart, ...]:
    """The jobs to start now.

    Args:
        demands: the servers that are ready, in any order.
        usage: the current usage; ids in `busy` are never started.
        limits: the quotas; None means AWS's defaults.
        rule: the weights; None means the best ones without lookahead.
        ending: whether a running job will end, so that waiting for it is possible.

    Returns:
        Jobs in the order in which to start them. Empty where nothing is ready or nothing is free.
    """
    rule, limits = rule or PackingRule(), limits or Limits()
    free = FreeSlots(usage, limits)
    if free.full:
        return ()
    ready = Ready(demands, usage)
    heap = ready.uncut()
    starts = start_groups(heap, ready, free, rule, ending=ending)
    return tuple(JobStart(wave, ready.servers[wave][first:last]) for wave, first, last in starts)


class Ready(dict[int, tuple[float, ...]]):
    """Expected seconds of the servers that may be started, by wave, the longest first; computed at first access.

    A server of several waves goes to the wave that is accessed first. `servers` holds the ids of the waves accessed so
    far, in the order of their seconds.
    """

    def __init__(self, demands: Sequence[Demand], usage: JobUsage) -> None:
        super().__init__()
        self.demands = {demand.wave_number: demand for demand in demands}
        self.servers: dict[int, tuple[str, ...]] = {}
        self._seen: set[str] = set(usage.busy)

    def __missing__(self, wave: int) -> tuple[float, ...]:
        self.servers[wave], self[wave] = _slowest_first(self.demands[wave], self._seen)
        self._seen.update(self.servers[wave])
        return self[wave]

    def uncut(self) -> list[Group]:
        """A heap of the waves."""
        heap: list[Group] = [(-d.remaining_path, wave, 0, 0, True) for wave, d in self.demands.items()]
        heapq.heapify(heap)
        return heap


def start_groups(
    heap: list[Group], seconds: Mapping[int, tuple[float, ...]], free: FreeSlots, rule: PackingRule, *, ending: bool
) -> list[tuple[int, int, int]]:
    """Start groups, the most urgent first, until a quota is used up or no group may be started now.

    Args:
        heap: the groups; groups that are started are removed.
        seconds: by wave, the expected seconds of its servers, the longest first.
        free: the free slots; reduced by the jobs started.
        rule: the weights.
        ending: whether a running job will end.

    Returns:
        Wave, from, to of each job, in the order in which to start them.
    """
    starts: list[tuple[int, int, int]] = []
    waiting: list[Group] = []
    while heap and free.jobs > 0 and free.servers > 0:
        group = heapq.heappop(heap)
        urgency, wave, first, last, uncut = group
        known = seconds[wave]
        if uncut:
            for start, end, left in _parts(known[first : last or None], free, rule, first):
                heapq.heappush(heap, (urgency + known[first] - known[start], wave, start, end, left))
            continue
        if last - first > free.servers:
            if free.servers < rule.patience * (last - first) and (ending or starts):
                waiting.append(group)
                continue
            cut = first + free.servers
            heapq.heappush(heap, (urgency + known[first] - known[cut], wave, cut, last, False))
            last = cut
        free.jobs -= 1
        free.servers -= last - first
        starts.append((wave, first, last))
    for group in waiting:
        heapq.heappush(heap, group)
    return starts


def _parts(
    seconds: tuple[float, ...], free: FreeSlots, rule: PackingRule, first: int
) -> Iterator[tuple[int, int, bool]]:
    """The groups into which servers are cut: from, to, counted from `first`, and whether the group is still uncut.

    Where all servers have the same expected seconds, those that do not fit now are left uncut.
    """
    count = len(seconds)
    if not count:
        return
    if seconds[0] > seconds[-1]:
        cuts = _cut(seconds, rule.price * free.price, free.per_job)
    else:
        cuts = _even(min(count, free.servers), free.per_job)
    yield from ((first + start, first + end, False) for start, end in cuts)
    if cuts[-1][1] < count:
        yield first + cuts[-1][1], first + count, True


def _slowest_first(demand: Demand, seen: Collection[str]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The servers of a demand that are not in `seen`, each once, and their expected seconds, the longest
    first.
    """
    servers = [s for s in dict.fromkeys(demand.servers) if s not in seen]
    expected = demand.durations
    if not expected or not servers:
        return tuple(servers), (0.0,) * len(servers)
    slowest = max((expected[s] for s in servers if s in expected), default=0.0)
    known = {s: expected.get(s, slowest) for s in servers}
    servers.sort(key=known.__getitem__, reverse=True)
    return tuple(servers), tuple(known[s] for s in servers)


@functools.lru_cache(maxsize=2048)
def _cut(seconds: tuple[float, ...], price: float, largest: int) -> tuple[tuple[int, int], ...]:
    """Cut durations, the longest first, into groups of at most `largest`, with the least sum of (size +
    price) × longest.

    A shortest path over the places where a cut is allowed: every server up to 60 servers, every n-th beyond.
    """
    count = len(seconds)
    step = min(max(1, math.ceil(count / _CUT_POINTS)), largest)
    while largest % step:  # so that a full job is always a possible group
        step -= 1
    places = [*range(0, count, step), count]
    cost = [0.0] + [math.inf] * (len(places) - 1)
    came_from = [max(0, i - 1) for i in range(len(places))]
    for end in range(1, len(places)):
        for start in range(end - 1, -1, -1):
            size = places[end] - places[start]
            if size > largest:
                break
            total = cost[start] + (size + price) * seconds[places[start]]
            if total < cost[end]:
                cost[end], came_from[end] = total, start
    found: list[tuple[int, int]] = []
    end = len(places) - 1
    while end > 0:
        found.append((places[came_from[end]], places[end]))
        end = came_from[end]
    return tuple(found[::-1])


def _even(count: int, largest: int) -> tuple[tuple[int, int], ...]:
    """Cut `count` servers into the fewest groups of at most `largest`, of sizes that differ by one at
    most.
    """
    jobs = math.ceil(count / largest)
    bounds = [round(i * count / jobs) for i in range(jobs + 1)]
    return tuple(itertools.pairwise(bounds))
