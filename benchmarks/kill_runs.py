"""One run of the kill-point benchmark: a world's plan carried out to its end by processes that die on the way.

In: a world and the points to die at. Out: a `Run`: its points, its stops, the report's essence and the broken promises.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.kill_failback_promises import broken_in_failback
from benchmarks.kill_failbacks import FailbackWorld
from benchmarks.kill_promises import EXECUTION, broken_in_aws, broken_in_report, essence_of
from benchmarks.kill_stops import ArrivalClock, DyingGate, DyingStorage, Points, SkewedClock, StoppedError, Wire
from benchmarks.kill_worlds import ACCOUNT, Gatekeeper, World
from prefect_drs.core.clock import Clock
from prefect_drs.execution.events import ExecutionEnded
from prefect_drs.execution.view import report_of
from prefect_drs.recovery.drivers import InlineExecutor, run_plainly
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import StoredJournal
from prefect_drs.recovery.launch.polling import PollPolicy
from prefect_drs.recovery.options import EngineOptions, EnginePorts
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook import Runbook
from prefect_drs.simulator import Sandbox

POLLING = PollPolicy(near=60.0, far=60.0)  # as rarely as possible: a run's time goes into calls
OUTAGES = (0.0, 0.0, 1.0, 20.0, 40.0, 75.0, 130.0, 900.0, 7200.0)  # seconds between a death and the take-over
LONGEST_UNDER_WAY = 90.0  # seconds a request may take to reach AWS after its process died


AnyWorld = World | FailbackWorld


@dataclass(frozen=True, slots=True)
class Run:
    """The result of one run: its points and stops, the essence of its report, and the promises it broke."""

    world: int
    stop_at: tuple[int, ...]
    points: tuple[str, ...]
    stops: tuple[str, ...]
    essence: Any
    broken: tuple[str, ...]


def carry_out(
    world: AnyWorld,
    runbook: Runbook | None,
    wire: Wire,
    stop_at: Sequence[int] = (),
    afterwards: Callable[[Sandbox], object] = bool,
) -> tuple[Run, Runbook]:
    """Execute the world's plan to its end, dying at the given points, and check the promises.

    Args:
        world: whose plan to execute.
        runbook: the world's runbook from a former run; None resolves it first.
        wire: the way into AWS.
        stop_at: the points to die at, counted over all processes of the run.
        afterwards: called before the checks, so that a test can break a promise and show that a check sees it.
    """
    clock = ArrivalClock()
    points = wire.points = Points(tuple(stop_at))
    with world.raised(clock) as sandbox:
        if world.account != ACCOUNT:
            wire.enter_anew()
        runbook = runbook or world.resolved(wire.sessions, clock).require_accepted()
        world.plant_faults(sandbox)
        storage = DyingStorage(points)
        gate = DyingGate(Gatekeeper(world.answers, clock), points)
        points.armed = True
        ended = _processes(world, runbook, wire, clock, storage, gate)
        points.armed = False
        afterwards(sandbox)
        clock.advance(LONGEST_UNDER_WAY)  # requests that were still under way have arrived
        events = StoredJournal(storage, EXECUTION).read()
        essence = None
        if isinstance(ended, RecoveryReport):
            broken = [*broken_in_report(ended, events), *_broken_in_aws(world, ended, sandbox)]
            essence = essence_of(ended, with_jobs=not world.jobs_vary)
        else:
            broken = [f"the engine came to an error: {type(ended).__name__}: {ended}"]
    run = Run(world.seed, tuple(stop_at), tuple(points.passed), tuple(points.stops), essence, tuple(broken))
    return run, runbook


def _broken_in_aws(world: AnyWorld, report: RecoveryReport, sandbox: Sandbox) -> Iterator[str]:
    if isinstance(world, FailbackWorld):
        return broken_in_failback(world, report, sandbox)
    return broken_in_aws(world, report, sandbox)


def _processes(
    world: AnyWorld, runbook: Runbook, wire: Wire, clock: ArrivalClock, storage: DyingStorage, gate: DyingGate
) -> RecoveryReport | Exception:
    """One process after the other until the execution ends: its report, or the engine's error."""
    points = wire.points

    def chance(of: str) -> random.Random:
        """Seeded by the world and by how far the run has come, so that a run's beginning can be repeated."""
        return random.Random(f"{of}/{world.seed}/{len(points.passed)}")  # noqa: S311 - a benchmark, not a secret

    wire.may_stray = lambda: chance("stray").random() < 0.5
    while True:
        try:
            skewed = SkewedClock(clock, chance("skew").uniform(-world.skew, world.skew))
            return _one_process(world, runbook, wire, skewed, storage, gate)
        except StoppedError:
            rng = chance("outage")
            outage = rng.choice(OUTAGES)
            while wire.stray:
                clock.send_later(wire.stray.pop(), rng.uniform(0.0, LONGEST_UNDER_WAY))
            clock.advance(outage)
        except Exception as error:
            return error


def _one_process(
    world: AnyWorld, runbook: Runbook, wire: Wire, clock: Clock, storage: DyingStorage, gate: DyingGate
) -> RecoveryReport:
    """One process: begin or resume the execution, and drive it to its end."""
    journal = StoredJournal(storage, EXECUTION)
    events = journal.read()
    if events and isinstance(events[-1], ExecutionEnded):
        return report_of(
            events
        )  # it died after the last event; resuming now would mean to retry the servers that failed
    ports = EnginePorts(wire.sessions, clock, journal, InlineExecutor())
    options = EngineOptions(workers=1, limits=world.limits, policy=POLLING, seed=world.seed)
    engine = Engine(EXECUTION, None if events else runbook, ports, options)
    return run_plainly(engine, gate, clock)


_wire: list[Wire] = []


def wire() -> Wire:
    """This process's way into the simulator; clients are made once."""
    if not _wire:
        _wire.append(Wire())
    return _wire[0]
