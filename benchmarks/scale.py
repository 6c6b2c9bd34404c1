"""One execution from 1,000 to 20,000 servers in 10 accounts, in virtual time: what grows, and how fast.

    python -m benchmarks.scale [--servers 1000,5000,20000] [--seed 1]

from the repository's root. Each estate is that of `benchmarks.estates` in ten accounts of one region, 40 servers a wave
in the mean, so that 20,000 servers are 500 waves. The real engine runs it on the simulator, driven by `run_plainly`, as
`benchmarks.engine` does; a process of its own for each size. Printed for each: the makespan over the lower bound, quota
violations, the engine's CPU without the simulator's (what is spent between sending a request and its answer), the most
memory of the process, the simulator's included, the CPU of a forecast of the same plan, and the bytes of the report as
JSON and HTML and of the pages in the Prefect UI.

Exit code 1 where a quota is violated, a drill does not complete, or the engine's CPU or that of the forecast grows
faster than n log n from the smallest size to the largest.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from typing import Any

from botocore.handlers import BUILTIN_HANDLERS
from rich.console import Console
from rich.table import Table

from benchmarks.drills import NoGate, estate_on_the_simulator, job_spans, quotas_exceeded
from benchmarks.estates import EstateSize, draw_estate, lower_bound
from benchmarks.packing import expected_seconds, simulated_waves
from prefect_drs.aws.sessions import Sessions
from prefect_drs.execution.timeline import timeline_of
from prefect_drs.forecast import forecast
from prefect_drs.recovery.drivers import InlineExecutor, run_plainly
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import MemoryJournal
from prefect_drs.recovery.launch.packing import Limits
from prefect_drs.recovery.options import EngineOptions, EnginePorts
from prefect_drs.report.html import html_report
from prefect_drs.report.model import ExecutionStatus, RecoveryReport
from prefect_drs.report.run_page import run_pages
from prefect_drs.report.situation import ProcessReport, situation
from prefect_drs.runbook import Runbook, resolve

ACCOUNTS = 10
SERVERS_A_WAVE = 40
FORECAST_SAMPLES = 20


@dataclass(frozen=True, slots=True)
class Measured:
    """What one size took: seconds of CPU, bytes."""

    servers: int
    waves: int
    ratio: float
    violations: int
    completed: bool
    engine: float
    simulator: float
    memory: int
    forecast: float
    report: int
    html: int
    pages: int


class OutsideTime:
    """The CPU between sending a request and its answer, which is the simulator's: it runs in this process."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._sent = 0.0
        BUILTIN_HANDLERS[:0] = [("before-send.*", self._before), ("response-received.*", self._after)]

    def _before(self, **_: Any) -> None:
        self._sent = time.process_time()

    def _after(self, **_: Any) -> None:
        self.seconds += time.process_time() - self._sent


def size_of(servers: int) -> EstateSize:
    """An estate of so many servers; the layers are those of the large one."""
    return EstateSize(f"{servers:,} servers", servers, servers // SERVERS_A_WAVE, (6, 12), ACCOUNTS)


def measured(servers: int, seed: int) -> Measured:
    """Run one size."""
    outside = OutsideTime()
    estate = draw_estate(size_of(servers), seed)
    bound, journal = lower_bound(estate), MemoryJournal()
    with estate_on_the_simulator(estate) as sandbox:
        sessions = Sessions()
        runbook = resolve(estate.manifest, estate.plan, mode="drill", sessions=sessions, clock=sandbox.clock)
        outside.seconds, began = 0.0, time.process_time()
        ports = EnginePorts(sessions, sandbox.clock, journal, InlineExecutor())
        options = EngineOptions(workers=1, expected=expected_seconds(estate), seed=seed)
        report = run_plainly(Engine("benchmark", runbook, ports, options), NoGate(), sandbox.clock)
        spent = time.process_time() - began
        spans = [job_spans(sandbox, report.started_at, account) for account in estate.by_account()]
        refused = sum(call.code == "ServiceQuotaExceededException" for call in sandbox.calls)
    began = time.process_time()
    forecast(simulated_waves(estate), recorded=estate.recorded, samples=FORECAST_SAMPLES, seed=seed)
    forecasting = time.process_time() - began
    return Measured(
        servers=servers,
        waves=len(estate.plan.waves),
        ratio=max(job.launched for jobs in spans for job in jobs) / bound.seconds,
        violations=refused + sum(quotas_exceeded(jobs, Limits()) for jobs in spans),
        completed=report.status is ExecutionStatus.COMPLETED,
        engine=spent - outside.seconds,
        simulator=outside.seconds,
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        forecast=forecasting,
        report=len(report.to_json()),
        html=len(html_report(report, runbook, timeline_of(journal.read(), report.ended_at), made_at=report.started_at)),
        pages=ui_bytes(report, runbook),
    )


def ui_bytes(report: RecoveryReport, runbook: Runbook) -> int:
    """The size of the pages in the Prefect UI."""
    process = ProcessReport(alive=False, last_seen_at=None)
    shown = situation(report, process, (), suspended=False, wall=lambda at: at)
    return sum(len((page.markdown + page.card).encode()) for page in run_pages(shown, runbook).values())


def table_of(rows: Sequence[Measured]) -> Table:
    """The figures, a row for each size."""
    table = Table(title=f"one execution in {ACCOUNTS} accounts")
    for heading in (
        "servers", "waves", "over the bound", "violations", "engine CPU", "simulator CPU", "memory",
        f"forecast ({FORECAST_SAMPLES})", "report", "HTML", "UI pages",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            f"{row.servers:,}", str(row.waves), f"{row.ratio:.3f}", str(row.violations), f"{row.engine:.1f} s",
            f"{row.simulator:.1f} s", f"{row.memory / 1e6:,.0f} MB", f"{row.forecast:.1f} s",
            f"{row.report / 1e6:.1f} MB", f"{row.html / 1e6:.1f} MB", f"{row.pages / 1e6:.2f} MB",
        )  # fmt: skip
    return table


def growth(rows: Sequence[Measured], what: str) -> float:
    """How much more CPU the largest takes than n log n allows from the smallest; at most 1 holds."""
    first, last = rows[0], rows[-1]
    allowed = last.servers * math.log(last.servers) / (first.servers * math.log(first.servers))
    return float(getattr(last, what) / getattr(first, what) / allowed)


def main() -> int:
    """Print the table; 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.splitlines()[0])
    parser.add_argument("--servers", default="1000,5000,20000", help="sizes, ascending")
    parser.add_argument("--seed", type=int, default=1, help="of the estates")
    options = parser.parse_args()
    sizes = [int(number) for number in options.servers.split(",")]
    rows = []
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for row in pool.map(measured, sizes, repeat(options.seed)):
            rows.append(row)
            print(row, file=sys.stderr, flush=True)
    Console(width=160).print(table_of(rows))
    faults = [f"{row.servers:,} servers: {row.violations} violations" for row in rows if row.violations]
    faults += [f"{row.servers:,} servers: the drill did not complete" for row in rows if not row.completed]
    for what in ("engine", "forecast"):
        factor = growth(rows, what)
        print(f"CPU of the {what} from {sizes[0]:,} to {sizes[-1]:,} servers: {factor:.2f} of what n log n allows")
        if factor > 1:
            faults.append(f"the CPU of the {what} grows faster than n log n")
    print(*([f"MISSED: {fault}" for fault in faults] or ["all targets met"]), sep="\n")
    return int(bool(faults))


if __name__ == "__main__":
    raise SystemExit(main())
