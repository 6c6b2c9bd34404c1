"""Kill points: the engine stopped at every AWS call and every journal entry, resumed, and held to its promises.

    python -m benchmarks.kill_points --stops 10000 [--seed N] [--processes 2]
    python -m benchmarks.kill_points --failback --stops 3000   # failbacks instead of recoveries
    python -m benchmarks.kill_points --world 17 --at 23,61     # one run again, told in full

from the repository's root. Plans and an AWS are drawn at random (`benchmarks/kill_worlds.py`) and carried out by the
engine on the simulator in virtual time. A process can die at a *point*: before or after an AWS call (after: the call
was carried out and its answer lost), before or after a journal entry, before or after a gate is asked. Each world is
first carried out undisturbed, which counts its points; then again and again, stopped at each point in turn, and stopped
many times in one run. After each stop the time of an outage passes and a new engine takes the execution up from the
journal, to the end. A StartRecovery that was stopped before it may also reach AWS all the same, up to 90 seconds later:
the process died while its request was under way. In some worlds each process's clock is up to two minutes off.

What is checked after each run, against the simulator's own state:

- no server is in two launch jobs, unless the plan's retries allow it and the former job had ended with its failure when
  the next began; and DRS never had to prevent it (ConflictException): that is the second line of defence, and would
  hide a broken first;
- no job was created before every server of the waves it depends on was LAUNCHED, in a job that exists, or had failed at
  its last attempt where the plan goes on without it and another of its wave is up;
- every launch job in DRS is in the report, with its servers, and no other; likewise each server's launch status and
  recovery instance;
- the quotas given to the engine were kept;
- an RTO target is announced to be at risk once at most;
- a gate that was answered is never asked again, and the journal folds to the report that was returned;
- the report is that of the undisturbed run in everything but times and ids: statuses of execution, waves and servers,
  exit code, reasons and errors (job ids blanked), attempts, approvals (decision, by whom, comment), checks and whether
  they passed, whether a server has a recovery instance, and the jobs' account, region and servers. Where quotas bind or
  servers are retried, which servers share a job depends on the moment, so that jobs are not compared there.

Prints a table, and each broken promise with the run that shows it; exit code 1 where there is one.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from benchmarks.kill_failbacks import draw_failback_world
from benchmarks.kill_promises import differences
from benchmarks.kill_runs import AnyWorld, Run, carry_out, wire
from benchmarks.kill_worlds import draw_world

MOST_STOPS = 40  # in one run; then it goes on undisturbed, so that every run ends
SINGLE_STOPS = 24  # of each world; every 16th world is stopped at every point
TIMES_A_WORLD = 8  # runs of many stops each


def compared(baseline: Run, run: Run) -> Run:
    """The run, with what differs from the undisturbed one among its broken promises."""
    told = tuple(itertools.islice(differences(baseline.essence, run.essence), 5)) if run.essence else ()
    return Run(run.world, run.stop_at, run.points, run.stops, None, (*run.broken, *told))


def stop_plans(world: int, points: Sequence[str], singles: int = SINGLE_STOPS) -> Iterator[tuple[int, ...]]:
    """Where to stop the runs of a world: at single points first, every kind in turn, then many times a run."""
    rng = random.Random(f"stops/{world}")  # noqa: S311 - a benchmark, not a secret
    by_kind: dict[str, list[int]] = {}
    for number, what in enumerate(points, start=1):
        by_kind.setdefault(what, []).append(number)
    for numbers in by_kind.values():
        rng.shuffle(numbers)
    in_turn = [n for each in itertools.zip_longest(*by_kind.values()) for n in each if n is not None]
    yield from ((number,) for number in (in_turn if world % 16 == 0 else in_turn[:singles]))
    for _ in range(TIMES_A_WORLD):
        stops: list[int] = []
        gap, at = rng.randint(6, 40), 0
        while len(stops) < MOST_STOPS:
            at += rng.randint(1, 2 * gap)
            stops.append(at)
        yield tuple(stops)


def try_world(seed: int, most: int | None = None, draw: Callable[[int], AnyWorld] = draw_world) -> list[Run]:
    """All runs of one world, the undisturbed one first.

    Args:
        seed: of the world.
        most: a sample of so many stops, most of them in few runs; None: all.
        draw: the world of a seed: `draw_world` of recoveries, `draw_failback_world` of failbacks.
    """
    world = draw(seed)
    baseline, runbook = carry_out(world, None, wire())
    runs, stops = [compared(baseline, baseline)], 0
    for stop_at in stop_plans(seed, baseline.points, SINGLE_STOPS if most is None else most // 5):
        if most is not None and stops >= most:
            break
        if most is not None:
            stop_at = stop_at[: most - stops]  # noqa: PLW2901 - the last run of a sample
        run, _ = carry_out(world, runbook, wire(), stop_at)
        runs.append(compared(baseline, run))
        stops += len(run.stops)
    return runs


@dataclass(slots=True)
class Tally:
    """What a campaign amounted to."""

    worlds: int = 0
    runs: int = 0
    points: int = 0
    stops: Counter[str] = field(default_factory=Counter)
    broken: list[Run] = field(default_factory=list)

    def add(self, runs: Sequence[Run]) -> None:
        """Count the runs of one more world."""
        self.worlds += 1
        self.runs += len(runs)
        for run in runs:
            self.points += len(run.points)
            self.stops.update(run.stops)
            if run.broken:
                self.broken.append(run)


def campaign(
    seed: int,
    stops: int,
    processes: int,
    told: Callable[[Tally], None] = lambda _: None,
    draw: Callable[[int], AnyWorld] = draw_world,
) -> Tally:
    """Try worlds from `seed` on until there were so many stops."""
    tally = Tally()
    seeds = itertools.count(seed)
    with ProcessPoolExecutor(processes) as pool:
        waiting = {pool.submit(try_world, next(seeds), None, draw) for _ in range(processes)}
        while waiting:
            done = next(as_completed(waiting))
            waiting.remove(done)
            tally.add(done.result())
            told(tally)
            if tally.stops.total() < stops:
                waiting.add(pool.submit(try_world, next(seeds), None, draw))
    return tally


def main() -> int:
    """Print the table; 1 where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill_points", description=__doc__.splitlines()[0])
    parser.add_argument("--stops", type=int, default=10_000, help="how often the engine is stopped, at least")
    parser.add_argument("--seed", type=int, default=1, help="the first world; the others follow")
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="worlds at a time")
    parser.add_argument("--world", type=int, help="one world only")
    parser.add_argument("--at", default="", help="with --world: one run, stopped at these points (1,2,3)")
    parser.add_argument("--failback", action="store_true", help="worlds of failbacks instead of recoveries")
    options = parser.parse_args()
    draw = draw_failback_world if options.failback else draw_world
    console = Console(width=110, soft_wrap=True)
    if options.world is not None:
        return _one_world(options.world, options.at, console, draw)
    began = time.monotonic()

    shown: list[Run] = []

    def told(tally: Tally) -> None:
        for run in tally.broken[len(shown) :]:
            shown.append(run)
            print(f"\n{_again(run, draw)}: {'; '.join(run.broken)}", file=sys.stderr)
        print(f"\r{tally.stops.total()} stops, {len(tally.broken)} runs broke a promise", end="", file=sys.stderr)

    tally = campaign(options.seed, options.stops, options.processes, told, draw)
    print(file=sys.stderr)
    console.print(_table(tally))
    minutes = (time.monotonic() - began) / 60
    console.print(
        f"{tally.stops.total():,} stops in {tally.runs:,} runs of {tally.worlds} worlds "
        f"({tally.points:,} points passed), {minutes:.1f} min; runs that broke a promise: {len(tally.broken)}"
    )
    _tell(tally.broken, console, draw)
    return int(bool(tally.broken))


def _one_world(seed: int, at: str, console: Console, draw: Callable[[int], AnyWorld]) -> int:
    if not at:
        runs = try_world(seed, draw=draw)
    else:
        world = draw(seed)
        console.print(world, markup=False)
        baseline, runbook = carry_out(world, None, wire())
        run, _ = carry_out(world, runbook, wire(), tuple(int(point) for point in at.split(",")))
        runs = [compared(baseline, baseline), compared(baseline, run)]
        console.print(f"stopped at: {', '.join(run.stops)}")
    broken = [run for run in runs if run.broken]
    _tell(broken, console, draw)
    console.print(f"{len(runs)} runs of world {seed}; runs that broke a promise: {len(broken)}")
    return int(bool(broken))


def _table(tally: Tally) -> Table:
    table = Table(title="Where the engine was stopped")
    table.add_column("at")
    for side in ("before", "under way", "after"):
        table.add_column(side, justify="right")
    for name in sorted({what.split(" ", 1)[0] for what in tally.stops}):
        table.add_row(name, *(str(tally.stops[f"{name} {side}"] or "") for side in ("before", "under way", "after")))
    return table


def _again(run: Run, draw: Callable[[int], AnyWorld]) -> str:
    """The command that shows the run again."""
    mode = " --failback" if draw is draw_failback_world else ""
    at = f" --at {','.join(map(str, run.stop_at[: len(run.stops)]))}" if run.stop_at else ""
    return f"python -m benchmarks.kill_points{mode} --world {run.world}{at}"


def _tell(broken: Sequence[Run], console: Console, draw: Callable[[int], AnyWorld]) -> None:
    for run in broken[:20]:
        console.print(_again(run, draw), markup=False)
        for promise in run.broken:
            console.print(f"  {promise}", markup=False)


if __name__ == "__main__":
    raise SystemExit(main())
