"""The engine itself on the simulator in virtual time: makespan, quotas and watching, on the benchmark estates.

    python -m benchmarks.engine [--seeds 5] [--first 1] [--sizes small,large] [--processes 1] [--all | --alone]

from the repository's root. The real `Engine`, driven by `run_plainly`, talks boto3 to the simulated DRS, whose clock is
stepped: a recovery of hours takes seconds to minutes. Each server is launched in exactly the seconds that its estate
drew. Counted in: polling, the service's throttling (the simulator's token buckets are on), the writing of the journal's
events, and 0.1 s that each call to DRS takes. Left out: people at gates.

Packing, side by side: the engine, the same with barriers between tiers, and one wave after another, each knowing what
three earlier drills recorded, where a server's launches vary by 5 %; and the engine knowing the exact durations,
which shows what of the rest is the records' fault. `--all` adds records that vary by 10 %, and none; `--alone` leaves
all but the first out, and takes a fifth of the time. Makespan is from
the start of the execution to the last LAUNCHED, over the bound of `benchmarks.estates`. Quota violations are counted
from the simulator's own state: ServiceQuotaExceeded answers, and the most jobs and servers that were at work at one
moment.

Watching: DRS reading calls a minute and account-region while servers are launched (all of DRS but StartRecovery).
Settings are not read here, as the estates set none; nor does it count what the report reads of the recovery instances
once, when all is launched. And for each wave with dependencies the seconds from the LAUNCHED of the last server that it
waits for, in DRS, to its own first StartRecovery. Waves that had to wait for a free slot are told apart: what they
wait for is no watching. Beside it, computed on the same course: each job polled by itself every 30 s.

Exit code 1 where a target of issue 5 is missed: ≤1.05 × the bound at 1,000 servers, ≤1.12 at 4,000, no violation, ≤12
calls a minute, median ≤5 s.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat

from rich.console import Console
from rich.table import Table

from benchmarks.drills import Drill, drill, rewired, runbook_of
from benchmarks.estates import LARGE, SMALL, STRATEGIES, Estate, EstateSize, draw_estate, lower_bound
from benchmarks.packing import TARGETS, expected_seconds

CALLS_A_MINUTE = 12.0
REACTION = 5.0
MAIN = "prefect-drs"
KNOWN: Mapping[str, Callable[[Estate], Mapping[str, float] | None]] = {
    MAIN: expected_seconds,
    "recorded, 10 %": lambda estate: expected_seconds(draw_estate(estate.size, estate.seed, run_sigma=0.10)),
    "known": lambda estate: estate.durations,
    "unknown": lambda estate: None,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One estate and its runs, by column."""

    size: EstateSize
    seed: int
    bound: float
    bounded_by: str
    drills: Mapping[str, Drill]


def row(size: EstateSize, seed: int, known: Collection[str], strategies: Collection[str]) -> Row:
    """The runs of one estate that are asked for."""
    estate = draw_estate(size, seed)
    bound = lower_bound(estate)
    runbook = runbook_of(estate)
    drills = {name: drill(estate, runbook, expected(estate)) for name, expected in KNOWN.items() if name in known}
    for name, rewire in STRATEGIES.items():
        if name != MAIN and name in strategies:
            drills[name] = drill(estate, rewired(runbook, rewire(estate.plan)), expected_seconds(estate))
    for name, run in drills.items():
        told = f"{run.makespan / bound.seconds:.3f} x the bound, {run.real_seconds:.0f} s"
        print(f"{size.name} #{seed} {name}: {told}", file=sys.stderr, flush=True)
    return Row(size, seed, bound.seconds, "chain" if bound.critical_path >= bound.slot_time else "slots", drills)


def packing_table(size: EstateSize, rows: Sequence[Row]) -> Table:
    """Makespan over bound, and the quotas."""
    columns = list(rows[0].drills)
    table = Table(title=f"{size.name}, {size.waves} waves: makespan over the lower bound")
    for heading in ("seed", "bound (min)", *columns, "most jobs", "most servers", "violations", "real s"):
        table.add_column(heading, justify="right")
    for found in rows:
        drills = found.drills.values()
        table.add_row(
            str(found.seed),
            f"{found.bound / 60:.0f} {found.bounded_by}",
            *(f"{found.drills[name].makespan / found.bound:.3f}" for name in columns),
            str(max(run.most_jobs for run in drills)),
            str(max(run.most_servers for run in drills)),
            str(sum(run.violations for run in drills)),
            f"{found.drills[MAIN].real_seconds:.0f}",
        )
    table.add_section()
    for label, fold in (("mean", statistics.fmean), ("worst", max)):
        ratios = (f"{fold([r.drills[name].makespan / r.bound for r in rows]):.3f}" for name in columns)
        table.add_row(label, "", *ratios)
    return table


def watching_table(size: EstateSize, rows: Sequence[Row]) -> Table:
    """Reading calls a minute, and how soon dependents start."""
    table = Table(title=f"{size.name}: watching, all seeds together; beside it each job polled by itself every 30 s")
    for heading in ("", MAIN, "each by itself"):
        table.add_column(heading, justify="right")
    runs = [found.drills[MAIN] for found in rows]
    seen = [reaction for run in runs for reaction in run.reactions]
    free = [reaction for reaction in seen if reaction.had_room]

    def median(values: Sequence[float]) -> str:
        return f"{statistics.median(values):.1f} s" if values else "-"

    def p95(values: Sequence[float]) -> str:
        return f"{sorted(values)[math.ceil(0.95 * len(values)) - 1]:.1f} s" if values else "-"

    def line(label: str, ours: object, theirs: object) -> None:
        table.add_row(label, str(ours), str(theirs))

    line(
        "reading calls a minute, mean",
        f"{statistics.fmean(run.calls_a_minute for run in runs):.1f}",
        f"{statistics.fmean(run.each_calls_a_minute for run in runs):.1f}",
    )
    line(
        "reading calls in the busiest 60 s",
        max(run.worst_minute for run in runs),
        max(run.each_worst_minute for run in runs),
    )
    for label, fold in (("median", median), ("p95", p95)):
        line(
            f"LAUNCHED to StartRecovery, a slot free ({len(free)} waves), {label}",
            fold([r.seconds for r in free]),
            fold([r.each for r in free]),
        )
    for label, fold in (("median", median), ("p95", p95)):
        line(
            f"the same, all {len(seen)} waves, waits for slots included, {label}",
            fold([r.seconds for r in seen]),
            "not less",
        )
    return table


def missed(size: EstateSize, rows: Sequence[Row]) -> list[str]:
    """The targets of issue 5 that these runs miss."""
    runs = [found.drills[MAIN] for found in rows]
    worst = max(found.drills[MAIN].makespan / found.bound for found in rows)
    violations = sum(run.violations for found in rows for run in found.drills.values())
    soon = statistics.median([r.seconds for run in runs for r in run.reactions if r.had_room] or [0.0])
    busiest = max(run.worst_minute for run in runs)
    checks = {
        f"makespan {worst:.3f} × the bound, at most {TARGETS[size]}": worst <= TARGETS[size],
        f"{violations} quota violations": violations == 0,
        "a drill did not complete": all(run.completed for found in rows for run in found.drills.values()),
        f"{busiest} reading calls in a minute, at most {CALLS_A_MINUTE:.0f}": busiest <= CALLS_A_MINUTE,
        f"median {soon:.1f} s from LAUNCHED to StartRecovery, at most {REACTION:.0f} s": soon <= REACTION,
    }
    return [what for what, met in checks.items() if not met]


def main() -> int:
    """Print the tables; 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="estates of each size")
    parser.add_argument("--sizes", default="small,large", help="small, large or both")
    parser.add_argument("--processes", type=int, default=1, help="estates at once")
    parser.add_argument("--first", type=int, default=1, help="the first of the seeds")
    columns = parser.add_mutually_exclusive_group()
    columns.add_argument("--all", action="store_true", help="also: records of 10 %%, and none")
    columns.add_argument("--alone", action="store_true", help="only the engine by its records, nothing beside it")
    options = parser.parse_args()
    sizes = [{"small": SMALL, "large": LARGE}[name] for name in options.sizes.split(",")]
    known = [MAIN] if options.alone else [*KNOWN] if options.all else [MAIN, "known"]
    strategies = [] if options.alone else [*STRATEGIES]
    faults: list[str] = []
    with ProcessPoolExecutor(options.processes) as pool:
        for size in sizes:
            seeds = range(options.first, options.first + options.seeds)
            rows = list(pool.map(row, repeat(size), seeds, repeat(known), repeat(strategies)))
            Console(width=150).print(packing_table(size, rows), watching_table(size, rows))
            faults += [f"{size.name}: {fault}" for fault in missed(size, rows)]
    print(*([f"MISSED: {fault}" for fault in faults] or ["all targets met"]), sep="\n")
    return int(bool(faults))


if __name__ == "__main__":
    raise SystemExit(main())
