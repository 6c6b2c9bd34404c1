"""The packer: which DRS jobs to start now in one account and region, under its quotas.

In: what is ready to launch (one `Demand` a wave), what all active jobs there hold (`Usage`, foreign jobs
included) and the quotas (`Limits`). Out: the jobs to start now, the most urgent first. Pure: no I/O, no
clock, no state, no chance; the same input gives the same answer. Whatever the input, it never answers with
more than the quotas leave free, a server that is in an active job, a server twice, or two waves in one job;
and where there is room for a ready server, it starts something.

How it decides:

1. A job holds the slots of all its servers until its slowest is launched. So the servers of a wave are
   ordered by expected duration and cut into groups of like duration, each at most one job. The cut minimises
   the sum of `(servers + price) × slowest` over the groups: a job holds its servers' slots and a job slot,
   and a job slot is worth `price` server slots. Quotas of 500 servers in 20 jobs make 25 the price at which
   both run out together; measured best is a little more, 35.
2. Groups compete by urgency: the seconds from the group's start to the end of the longest chain through it.
   The slow part of a wave goes before its fast part, which can wait without delaying the wave; another wave's
   group may come between.
3. A group that doesn't fit into the free slots is started as far as it fits, its slowest servers first. So
   nothing starves: the most urgent group takes whatever is free.
4. Where no durations are known, or all are the same, no grouping can be better than another. Then a wave is
   split evenly into the fewest jobs that may hold it: 230 servers are three jobs, and the job slots are left
   to other waves.

What was tried: mean and worst makespan over the lower bound on 60 estates of 4,000 servers in 6 or 7 layers,
the hardest kind, where both 500 slots and 20 jobs are full nearly all the time (`benchmarks/estates.py`;
expected durations from three recorded drills that vary by 5 %). Differences under 0.003 are noise.

- whole waves, longest remaining path first: 1.053, 1.20; the same in jobs of balanced size: 1.044, 1.17;
- groups, with a job slot worth 10 server slots: 1.163, 1.40 (job slots run out); 20: 1.048, 1.21; 25: 1.036,
  1.19; 30: 1.036, 1.20; 35: 1.035, 1.18; 40: 1.038, 1.19; 50: 1.041, 1.18;
- a price chosen anew each time, so that what is ready would use up both quotas together: 1.038 to 1.068; a
  price that follows what is free at the moment: no gain;
- waiting with a fragment of less than 20 %, 40 % or 60 % of its group while later groups fill in: 1.035,
  1.034, 1.038 (worst 1.18, 1.16, 1.23). What waiting gains is noise, and it could wait for ever beside a
  foreign job: fragments start;
- a group's expected maximum as a soft maximum of noisy durations: no gain;
- urgency with the work downstream added: no gain. Urgencies improved by 150 rounds of local search on the
  expected durations gain one point on paper, and lose more than that once the durations vary by 10 %;
- with exact durations instead of recorded ones: 1.029, 1.16; with none at all: 1.19, 1.42. Recording
  durations is worth more than any rule here.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

PRICE_OF_A_JOB = 1.4
"""What a job slot is worth, in fair shares (`servers_in_jobs / concurrent_jobs`, 25 servers); measured, see
above."""

_CUT_POINTS = 60
"""A wave is cut at one of at most about this many places, so that a huge wave costs no more than a large
one."""


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

    servers_per_job: int = 100
    concurrent_jobs: int = 20
    servers_in_jobs: int = 500


@dataclass(frozen=True, slots=True)
class Demand:
    """What one wave wants launched now, in the account and region that is being packed.

    Args:
        wave_number: the wave; a job holds servers of one wave only.
        servers: source server ids, ready and not yet launched.
        remaining_path: seconds from now to the end of the longest chain of waves through this one, were all
            of `servers` started now: the expected duration of the slowest of them, plus
            `tails(...)[wave_number]`.
        durations: expected seconds a server to launch. None: not known. A server left out counts as the
        slowest.
    """

    wave_number: int
    servers: tuple[str, ...]
    remaining_path: float
    durations: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What all active jobs of the account and region hold, whoever started them.

    Args:
        jobs: active jobs.
        servers: servers in active jobs.
        busy: their ids; a server may be in one active job only (DRS answers ConflictException otherwise).
    """

    jobs: int = 0
    servers: int = 0
    busy: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class JobStart:
    """One job to start now: a wave and its servers, the slowest first."""

    wave_number: int
    servers: tuple[str, ...]


_Entry = tuple[float, int, int, Sequence[str], "Demand | None"]
"""What competes: minus its urgency, wave number, a tie-breaker, and a group's servers or a wave yet to be
cut."""


def pack(demands: Sequence[Demand], usage: Usage, limits: Limits | None = None) -> tuple[JobStart, ...]:
    """The jobs to start now.

    Args:
        demands: what is ready, in any order.
        usage: what is in use now; ids in `busy` are never started.
        limits: the quotas; None means AWS's defaults.

    Returns:
        Jobs in the order in which to start them. Empty where nothing is ready or nothing is free.
    """
    limits = limits or Limits()
    free_jobs = limits.concurrent_jobs - usage.jobs
    free_servers = limits.servers_in_jobs - max(usage.servers, len(usage.busy))
    largest = limits.servers_per_job
    if free_jobs <= 0 or free_servers <= 0 or largest <= 0:
        return ()
    fair = max(1, math.ceil(limits.servers_in_jobs / limits.concurrent_jobs))

    heap: list[_Entry] = [
        (-demand.remaining_path, demand.wave_number, tie, (), demand)
        for tie, demand in enumerate(demands)
        if demand.servers
    ]
    heapq.heapify(heap)
    ties = len(demands)
    seen: set[str] = set(usage.busy)
    starts: list[JobStart] = []
    while heap and free_jobs > 0 and free_servers > 0:
        urgency, wave, _, servers, demand = heapq.heappop(heap)
        if demand is not None:
            servers, seconds = _slowest_first(demand, seen)
            seen.update(servers)
            if not servers:
                continue
            reach = min(len(servers), free_servers + largest)  # what lies beyond can't start now
            if seconds[0] > seconds[-1]:
                cuts = _cut(seconds[:reach], PRICE_OF_A_JOB * fair, largest)
            else:
                cuts = _even(min(reach, free_servers), largest)
            for first, last in cuts:
                behind = seconds[0] - seconds[first]
                heapq.heappush(heap, (urgency + behind, wave, ties, servers[first:last], None))
                ties += 1
            continue
        taken = servers[: min(free_servers, largest)]
        starts.append(JobStart(wave, tuple(taken)))
        free_jobs -= 1
        free_servers -= len(taken)
    return tuple(starts)


def tails(depends_on: Mapping[int, Collection[int]], lengths: Mapping[int, float]) -> dict[int, float]:
    """For each wave, the seconds from its end to the end of the longest chain of waves that follow it.

    Args:
        depends_on: for each wave, the waves it waits for; acyclic, every wave a key.
        lengths: expected seconds from a wave's start to its end (its slowest server, its checks, its gate).

    Raises:
        ValueError: the waves depend on each other in a circle, or on one that is not a key.
    """
    dependents: dict[int, list[int]] = {wave: [] for wave in depends_on}
    for wave, before in depends_on.items():
        for other in set(before):
            if other not in dependents:
                raise ValueError(f"wave {wave} depends on wave {other}, which is not among the waves given")
            dependents[other].append(wave)
    open_ends = {wave: len(after) for wave, after in dependents.items()}
    found = dict.fromkeys(depends_on, 0.0)
    ready = [wave for wave, count in open_ends.items() if count == 0]
    for wave in ready:  # grows while it is walked: each wave once all its dependents are known
        for other in set(depends_on[wave]):
            found[other] = max(found[other], lengths[wave] + found[wave])
            open_ends[other] -= 1
            if open_ends[other] == 0:
                ready.append(other)
    if len(ready) < len(found):
        circle = sorted(wave for wave, count in open_ends.items() if count)
        raise ValueError(f"waves {circle} depend on each other in a circle, or lead into one")
    return found


def _slowest_first(demand: Demand, seen: Collection[str]) -> tuple[list[str], list[float]]:
    """The servers of a demand that are not in `seen`, each once, and their expected seconds, the longest
    first.
    """
    servers = [s for s in dict.fromkeys(demand.servers) if s not in seen]
    expected = demand.durations
    if not expected or not servers:
        return servers, [0.0] * len(servers)
    slowest = max((expected[s] for s in servers if s in expected), default=0.0)
    known = {s: expected.get(s, slowest) for s in servers}
    servers.sort(key=known.__getitem__, reverse=True)
    return servers, [known[s] for s in servers]


def _cut(seconds: Sequence[float], price: float, largest: int) -> list[tuple[int, int]]:
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
    groups: list[tuple[int, int]] = []
    end = len(places) - 1
    while end > 0:
        groups.append((places[came_from[end]], places[end]))
        end = came_from[end]
    return groups[::-1]


def _even(count: int, largest: int) -> list[tuple[int, int]]:
    """Cut `count` servers into the fewest groups of at most `largest`, of sizes that differ by one at
    most.
    """
    jobs = math.ceil(count / largest)
    bounds = [round(i * count / jobs) for i in range(jobs + 1)]
    return list(itertools.pairwise(bounds))
