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
import os
import statistics
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.estates import LARGE, REGION, SMALL, STRATEGIES, Estate, EstateSize, draw_estate, lower_bound
from benchmarks.packing import TARGETS, expected_seconds
from prefect_drs.aws.sessions import Sessions
from prefect_drs.plan.model import RecoveryPlan
from prefect_drs.recovery.drivers import InlineExecutor, run_plainly
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import MemoryJournal
from prefect_drs.recovery.launch.packing import Limits
from prefect_drs.recovery.ports import Decision, GateAnswer, GateRequest
from prefect_drs.report.model import ExecutionStatus, RecoveryReport
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.simulator import Sandbox, Throttle, mock_drs

ACCOUNT = "123456789012"
GIB = 2**30
CALL_SECONDS = 0.1
EACH_EVERY = 30.0
NOT_WATCHING = frozenset({"StartRecovery", "DescribeRecoveryInstances"})
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
class JobSpan:
    """A job as the simulator knows it: seconds from the execution's start; `launched` is its slowest server's."""

    wave: int
    servers: int
    start: float
    launched: float
    end: float


@dataclass(frozen=True, slots=True)
class Reaction:
    """A wave's dependencies were LAUNCHED, and its first job started.

    Args:
        seconds: from the one to the other.
        each: what polling each job by itself every 30 s takes to see the same.
        had_room: whether a slot was free for it all that time.
    """

    seconds: float
    each: float
    had_room: bool


@dataclass(frozen=True, slots=True)
class Drill:
    """One run: makespan in seconds, what was counted, and how long it took in real time."""

    makespan: float
    completed: bool
    violations: int
    most_jobs: int
    most_servers: int
    calls_a_minute: float
    worst_minute: int
    each_calls_a_minute: float
    each_worst_minute: int
    reactions: tuple[Reaction, ...]
    throttled: int
    real_seconds: float


class NoGate:
    """The benchmark estates have no gates."""

    def ask(self, request: GateRequest) -> GateAnswer:
        """Let it through."""
        return GateAnswer(Decision.APPROVED, "benchmark", datetime.min, "")


@contextmanager
def estate_on_the_simulator(estate: Estate) -> Iterator[Sandbox]:
    """A simulated account that holds the estate, each server with its drawn launch time."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)
    with mock_drs(default_images=False, throttle=Throttle()) as sandbox:
        backend = sandbox.backend(ACCOUNT, REGION)
        backend.initialize_service()
        for server_id, seconds in estate.durations.items():
            backend.seed_source_server(
                hostname=server_id,
                source_server_id=server_id,
                ram_bytes=4 * GIB,
                cpus=2,
                disks=[{"deviceName": "/dev/sda1", "bytes": 40 * GIB}],
                launch_seconds=seconds,
            )
        sandbox.runtime.observers.append(lambda _: sandbox.clock.advance(CALL_SECONDS))
        yield sandbox


def runbook_of(estate: Estate) -> Runbook:
    """The estate's plan, resolved against the simulator as every execution's is."""
    with estate_on_the_simulator(estate) as sandbox:
        return resolve(estate.manifest, estate.plan, mode="drill", sessions=Sessions(), clock=sandbox.clock)


def rewired(runbook: Runbook, plan: RecoveryPlan) -> Runbook:
    """The same servers with another plan's dependencies."""
    depends = {wave.wave_number: tuple(wave.depends_on_waves) for wave in plan.waves}
    waves = (wave.model_copy(update={"depends_on_waves": depends[wave.wave_number]}) for wave in runbook.waves)
    return runbook.model_copy(update={"waves": tuple(waves)})


def drill(estate: Estate, runbook: Runbook, expected: Mapping[str, float] | None) -> Drill:
    """Run it, and measure."""
    with estate_on_the_simulator(estate) as sandbox:
        began = time.perf_counter()
        engine = Engine(
            "benchmark",
            runbook,
            Sessions(),
            clock=sandbox.clock,
            journal=MemoryJournal(),
            executor=InlineExecutor(),
            workers=1,
            expected=expected,
            seed=estate.seed,
        )
        report = run_plainly(engine, NoGate(), sandbox.clock)
        real_seconds = time.perf_counter() - began
        return measure(report, runbook, sandbox, real_seconds)


def measure(report: RecoveryReport, runbook: Runbook, sandbox: Sandbox, real_seconds: float) -> Drill:
    """What the simulator's own state and log say of a run."""
    start = report.started_at
    jobs = job_spans(sandbox, start)
    limits = Limits()
    most_jobs, most_servers = most_at_once(jobs)
    over = sum(job.servers > limits.servers_per_job for job in jobs)
    over += (most_jobs > limits.concurrent_jobs) + (most_servers > limits.servers_in_jobs)
    refused = sum(call.code == "ServiceQuotaExceededException" for call in sandbox.calls)
    makespan = max(job.launched for job in jobs)
    reads = [(call.at - start).total_seconds() for call in sandbox.calls if call.operation not in NOT_WATCHING]
    each = [at for job in jobs for at in polled_alone(job)]
    return Drill(
        makespan=makespan,
        completed=report.status is ExecutionStatus.COMPLETED,
        violations=over + refused,
        most_jobs=most_jobs,
        most_servers=most_servers,
        calls_a_minute=60 * len(reads) / makespan,
        worst_minute=busiest_minute(reads),
        each_calls_a_minute=60 * len(each) / makespan,
        each_worst_minute=busiest_minute(each),
        reactions=tuple(reactions(runbook, jobs, limits)),
        throttled=sum(call.code == "ThrottlingException" for call in sandbox.calls),
        real_seconds=real_seconds,
    )


def job_spans(sandbox: Sandbox, start: datetime) -> list[JobSpan]:
    """All launch jobs, from the simulator's state."""

    def since(at: Any) -> float:
        return float((at - start).total_seconds())

    return [
        JobSpan(
            wave=int(job.tags["prefect-drs:wave"]),
            servers=len(job.participants),
            start=since(job.created_at),
            launched=max(since(server.ended_at) for server in job.participants.values()),
            end=since(job.ended_at) if job.ended_at else math.inf,
        )
        for job in sandbox.backend(ACCOUNT, REGION).jobs.values()
    ]


def most_at_once(jobs: Sequence[JobSpan]) -> tuple[int, int]:
    """The most jobs, and the most servers in jobs, at one moment."""
    changes = sorted(
        [(job.end, 0, -1, -job.servers) for job in jobs] + [(job.start, 1, 1, job.servers) for job in jobs]
    )
    running = servers = most_jobs = most_servers = 0
    for _, _, job, count in changes:
        running, servers = running + job, servers + count
        most_jobs, most_servers = max(most_jobs, running), max(most_servers, servers)
    return most_jobs, most_servers


def busiest_minute(moments: Sequence[float]) -> int:
    """The most calls within any 60 seconds."""
    ordered = sorted(moments)
    most = first = 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= 60.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def polled_alone(job: JobSpan) -> list[float]:
    """When a poller of this job alone would look, every 30 s until it sees the end."""
    looks = math.ceil((job.end - job.start) / EACH_EVERY) if math.isfinite(job.end) else 1
    return [job.start + EACH_EVERY * (look + 1) for look in range(looks)]


def reactions(runbook: Runbook, jobs: Sequence[JobSpan], limits: Limits) -> Iterator[Reaction]:
    """Each wave with dependencies: how long after they were LAUNCHED its first job started."""
    of_wave: dict[int, list[JobSpan]] = {}
    for job in jobs:
        of_wave.setdefault(job.wave, []).append(job)
    for wave in runbook.waves:
        before = [job for number in wave.depends_on_waves for job in of_wave[number]]
        if not before:
            continue
        ready = max(job.launched for job in before)
        started = min(job.start for job in of_wave[wave.wave_number])
        seen = max(job.start + EACH_EVERY * math.ceil((job.launched - job.start) / EACH_EVERY) for job in before)
        held = [job for job in jobs if job.start < started and job.end > ready]
        full = len(held) >= limits.concurrent_jobs or sum(j.servers for j in held) >= limits.servers_in_jobs
        yield Reaction(started - ready, seen - ready, not full)


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
