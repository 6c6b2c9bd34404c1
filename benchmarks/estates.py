"""The benchmark estates: random layered recovery plans with a launch time for each server, by seed.

In: a size (`SMALL`: 1,000 servers, 40 waves, 3–5 layers; `LARGE`: 4,000 servers, 120 waves, 6–12 layers) and
a seed. Out: an `Estate`: a real `Manifest` with one plan, in one account and region, the seconds each server
takes to launch, and how long recorded drills took. The same seed gives the same estate on every machine and
Python version (only `random.Random.random`, `gauss` and what is built on them is used). Never reads a clock,
a file or a network.

How an estate is drawn:

- The number of layers is uniform over the range. Each layer gets one wave, the other waves fall into layers
  at random.
- A wave of layer k > 0 depends on one to three waves, at least one of them of layer k − 1 (so that its layer
  is its depth), the others of any earlier layer.
- Wave sizes are shares of log-normal weights (σ 0.75): many small waves, a few of more than one job's 100
  servers.
- A server's launch time is log-normal with a median of 20 minutes and σ 0.35.
- `recorded` is what earlier drills measured. Of the σ of 0.35, `run_sigma` is what changes from one drill of
  a server to the next; the rest is the server's own (its disks, its operating system). The issue doesn't say
  how much; AWS publishes nothing. 0.05 is the assumption here, and the benchmarks show 0.10 and no record at
  all beside it. Launch times are the same whatever the record: it is drawn from its distribution given them,
  by a generator of its own.

The bound is the larger of
- the critical path without quotas: the longest chain of waves, each as long as its slowest server; and
- the server-minutes over 500 slots, of the account that has most.
  Read here as the sum of all servers' *own* launch times over 500. A job
  holds the slot of a fast server until its slowest is done, so the slot-minutes truly held are more; what the
  sum leaves out depends on the grouping, which is the scheduler's doing. With the sum, no schedule whatever
  can beat the bound.
"""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prefect_drs.plan.graph import WaveGraph
from prefect_drs.plan.longest_path import seconds_before
from prefect_drs.plan.model import Manifest, ProtectionGroup, RecoveryPlan, Wave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MEDIAN_SECONDS = 20 * 60.0
SIGMA = 0.35
RUN_SIGMA = 0.05
SLOTS = 500
ACCOUNT = "123456789012"
"""The caller's."""
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class EstateSize:
    """How large an estate is: servers, waves, the least and most layers, and over how many accounts its waves are."""

    name: str
    servers: int
    waves: int
    layers: tuple[int, int]
    accounts: int = 1


SMALL = EstateSize("1,000 servers", 1_000, 40, (3, 5))
LARGE = EstateSize("4,000 servers", 4_000, 120, (6, 12))


@dataclass(frozen=True, slots=True)
class Estate:
    """A plan and how long its servers take.

    Args:
        size: what was asked for.
        seed: what it was drawn from.
        manifest: one protection group a wave, one recovery plan, one region; the caller's account, unless the size has
            several: then the waves take turns.
        durations: seconds from StartRecovery to LAUNCHED, by source server id, in the launch to be measured.
        recorded: seconds measured by earlier drills, by source server id.
    """

    size: EstateSize
    seed: int
    manifest: Manifest
    durations: Mapping[str, float] = field(repr=False)
    recorded: Mapping[str, tuple[float, ...]] = field(repr=False)

    @property
    def plan(self) -> RecoveryPlan:
        """The one plan of the estate."""
        return self.manifest.recovery_plans[0]

    def servers_of(self, wave: Wave) -> tuple[str, ...]:
        """The source server ids of a wave, in the order of its groups."""
        return tuple(s for name in wave.groups for s in self.manifest.group(name).source_server_ids)

    def wave_servers(self) -> dict[int, tuple[str, ...]]:
        """The source server ids of every wave, by wave number."""
        groups = {group.group_name: group.source_server_ids for group in self.manifest.protection_groups}
        return {w.wave_number: tuple(s for g in w.groups for s in groups[g]) for w in self.plan.waves}

    def by_account(self) -> dict[str, list[str]]:
        """The source server ids of every account."""
        found: dict[str, list[str]] = {}
        for group in self.manifest.protection_groups:
            found.setdefault(group.account_id or ACCOUNT, []).extend(group.source_server_ids)
        return found


@dataclass(frozen=True, slots=True)
class Bound:
    """The two lower bounds on the makespan, in seconds; `seconds` is the larger."""

    critical_path: float
    slot_time: float

    @property
    def seconds(self) -> float:
        """The larger of the two."""
        return max(self.critical_path, self.slot_time)


def draw_estate(size: EstateSize, seed: int, *, drills: int = 3, run_sigma: float = RUN_SIGMA) -> Estate:
    """The estate of that size and seed, with `drills` recorded launches a server that vary by `run_sigma`."""
    rng = random.Random(f"{size.name}/{seed}")  # noqa: S311 - a benchmark, not a secret
    layers = rng.randint(*size.layers)
    layer_of = sorted([*range(layers), *(rng.randrange(layers) for _ in range(size.waves - layers))])
    sizes = _shares(size.servers, [rng.lognormvariate(0.0, 0.75) for _ in range(size.waves)])

    waves: list[Wave] = []
    groups: list[ProtectionGroup] = []
    numbered = 0
    for number, (layer, count) in enumerate(zip(layer_of, sizes, strict=True), start=1):
        before = [n for n, other in enumerate(layer_of, start=1) if other == layer - 1]
        earlier = [n for n, other in enumerate(layer_of, start=1) if other < layer]
        parents: set[int] = set()
        if layer:
            parents = {rng.choice(before), *(rng.choice(earlier) for _ in range(rng.randrange(3)))}
        group = f"group-{number:03d}"
        servers = tuple(f"s-{seed:05d}{numbered + i:012d}" for i in range(count))
        numbered += count
        account = account_number(number % size.accounts) if size.accounts > 1 else None
        groups.append(ProtectionGroup(group_name=group, region=REGION, account_id=account, source_server_ids=servers))
        waves.append(
            Wave(
                wave_number=number,
                wave_name=f"wave-{number:03d}",
                groups=(group,),
                depends_on_waves=tuple(sorted(parents)),
            )
        )
    ids = [s for g in groups for s in g.source_server_ids]
    durations = {s: MEDIAN_SECONDS * math.exp(rng.gauss(0.0, SIGMA)) for s in ids}
    manifest = Manifest(
        schema_version="1.1",
        source_region=REGION,
        protection_groups=tuple(groups),
        recovery_plans=(RecoveryPlan(plan_name=f"estate-{size.servers}-{seed}", waves=tuple(waves)),),
    )
    return Estate(size, seed, manifest, durations, _recorded(durations, f"{size.name}/{seed}", drills, run_sigma))


def lower_bound(estate: Estate, slots: int = SLOTS) -> Bound:
    """What no scheduler can beat on this estate (see the module's docstring for the reading)."""
    slowest = {wave: max(estate.durations[s] for s in servers) for wave, servers in estate.wave_servers().items()}
    before = seconds_before({wave.wave_number: wave.depends_on_waves for wave in estate.plan.waves}, slowest)
    chain = max(before[wave] + seconds for wave, seconds in slowest.items())
    work = (sum(estate.durations[s] for s in servers) for servers in estate.by_account().values())
    return Bound(chain, max(work) / slots)


def account_number(index: int) -> str:
    """The id of an account of an estate that has several."""
    return f"2{index:011d}"


def tier_by_tier(plan: RecoveryPlan) -> RecoveryPlan:
    """The same plan with a barrier after each layer: a wave waits for every wave of the layer before its
    own.
    """
    generations = WaveGraph.of(plan).generations
    before = [(), *generations]
    return _rewired(
        plan, {n: waves for waves, generation in zip(before, generations, strict=False) for n in generation}
    )


def one_after_another(plan: RecoveryPlan) -> RecoveryPlan:
    """The same plan as a chain: each wave waits for the one before it in the file."""
    numbers = [wave.wave_number for wave in plan.waves]
    return _rewired(plan, {n: [p] for p, n in itertools.pairwise(numbers)})


STRATEGIES: Mapping[str, Callable[[RecoveryPlan], RecoveryPlan]] = {
    "prefect-drs": lambda plan: plan,
    "tier by tier": tier_by_tier,
    "one after another": one_after_another,
}
"""What is compared. Each is a plan with more to wait for, so that any engine can run it; all of them pack as
well."""


def _recorded(durations: Mapping[str, float], seed: str, drills: int, run_sigma: float) -> dict[str, tuple[float, ...]]:
    """Earlier launches of servers whose next launch takes `durations`."""
    rng = random.Random(f"{seed}/recorded")  # noqa: S311 - a benchmark, not a secret
    own = 1 - run_sigma**2 / SIGMA**2  # the share of the variance that is the server's own
    recorded = {}
    for server, seconds in durations.items():
        typical = own * math.log(seconds / MEDIAN_SECONDS) + rng.gauss(0.0, run_sigma * math.sqrt(own))
        launches = (MEDIAN_SECONDS * math.exp(typical + rng.gauss(0.0, run_sigma)) for _ in range(drills))
        recorded[server] = tuple(launches)
    return recorded if drills else {}


def _rewired(plan: RecoveryPlan, depends: Mapping[int, Iterable[int]]) -> RecoveryPlan:
    waves = tuple(
        wave.model_copy(update={"depends_on_waves": tuple(depends.get(wave.wave_number, ()))}) for wave in plan.waves
    )
    return plan.model_copy(update={"waves": waves})


def _shares(total: int, weights: list[float]) -> list[int]:
    """`total` split into whole numbers of at least one, in proportion to `weights`."""
    spare = total - len(weights)
    scale = spare / sum(weights)
    shares = [1 + int(w * scale) for w in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: int(weights[i] * scale) - weights[i] * scale)
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares
