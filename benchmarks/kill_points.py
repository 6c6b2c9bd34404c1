"""Kill points: the engine stopped at every AWS call and every journal entry, resumed, and held to its promises.

    python -m benchmarks.kill_points --stops 10000 [--seed N] [--processes 2]
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
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import HTTPClientError
from moto.core.models import botocore_stubber
from rich.console import Console
from rich.table import Table

from benchmarks.kill_worlds import ACCOUNT, Gatekeeper, World, draw_world, plant_faults, raised
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.recovery.drivers import InlineExecutor, run_plainly
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import StoredJournal
from prefect_drs.recovery.launch.job_tracker import EXECUTION_TAG, WAVE_TAG
from prefect_drs.recovery.launch.polling import PollPolicy
from prefect_drs.recovery.ports import GateAnswer, GateRequest
from prefect_drs.report.events import Event, ExecutionEnded, GateAnswered, GateAsked
from prefect_drs.report.fold import report_of
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.runbook import points as snapshots
from prefect_drs.simulator import DEFAULT_START, DRSBackend, Sandbox, StepClock

EXECUTION = "kill-points"
POLLING = PollPolicy(near=60.0, far=60.0)  # as rarely as may be: a call is what a run costs
OUTAGES = (0.0, 0.0, 1.0, 20.0, 40.0, 75.0, 130.0, 900.0, 7200.0)  # seconds between a death and the take-over
LONGEST_EXECUTION = timedelta(days=20)  # outages of hours included
MOST_POINTS = 10_000
LONGEST_UNDER_WAY = 90.0  # seconds a request may take to reach AWS after its process died
MOST_STOPS = 40  # in one run; then it goes on undisturbed, so that every run ends
SINGLE_STOPS = 24  # of each world; every 16th world is stopped at every point
TIMES_A_WORLD = 8  # runs of many stops each
_JOB_ID = re.compile(r"drsjob-\w+")


class StoppedError(BaseException):
    """The process is dead. No `Exception`: nothing on the way may catch it."""


class NeverEndsError(Exception):
    """The engine goes round in circles."""


@dataclass(slots=True)
class Points:
    """Counts the points at which a process can die, and lets it die at those asked for."""

    stop_at: Sequence[int] = ()
    passed: list[str] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    armed: bool = False

    def __call__(self, what: str) -> None:
        """A point is reached.

        Raises:
            StoppedError: it is one to die at.
        """
        if not self.armed:
            return
        self.passed.append(what)
        if len(self.stops) < len(self.stop_at) and len(self.passed) >= self.stop_at[len(self.stops)]:
            self.stops.append(what)
            raise StoppedError(what)
        if len(self.passed) > MOST_POINTS:
            raise NeverEndsError(f"the execution passed {MOST_POINTS} points and has not come to its end")


class Wire:
    """The way into AWS, shared by all worlds, with points before and after each HTTP request that botocore sends.

    Only botocore's own events are used. It is told not to try again, since that would sleep in real time: what fails
    reaches the engine.
    """

    def __init__(self) -> None:
        session = boto3.Session(
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106
            region_name="us-west-2",
        )
        session.events.register_first("before-send", self._before)  # before moto, which answers in this event
        session.events.register_last("response-received", self._after)
        self._session = session
        self.sessions = Sessions(session=session, attempts=1)
        self.points = Points()
        self.stray: list[Any] = []  # requests that were on their way when their process died
        self.may_stray: Callable[[], bool] = lambda: False

    def enter_anew(self) -> None:
        """Forget the sessions of roles: another world knows nothing of them."""
        self.sessions = Sessions(session=self._session, attempts=1)

    def _before(self, request: Any, event_name: str, **_: Any) -> None:
        operation = event_name.rsplit(".", 1)[-1]
        try:
            self.points(f"{operation} before")
        except StoppedError:
            if operation == "StartRecovery" and self.may_stray():
                self.stray.append(request)
                self.points.stops[-1] = "StartRecovery under way"
            raise

    def _after(self, event_name: str, **_: Any) -> None:
        self.points(f"{event_name.rsplit('.', 1)[-1]} after")


class ArrivalClock(StepClock):
    """A stepped clock under which stray requests reach AWS at their time."""

    def __init__(self) -> None:
        super().__init__()
        self._due: list[tuple[datetime, Any]] = []

    def send_later(self, request: Any, seconds: float) -> None:
        """Let the request reach AWS in so many seconds."""
        self._due.append((self.now() + timedelta(seconds=seconds), request))
        self._due.sort(key=lambda due: due[0])

    def advance(self, seconds: float) -> None:
        """Step ahead; what is under way arrives on the way.

        Raises:
            NeverEndsError: an execution of hours has taken weeks.
        """
        until = self.now() + timedelta(seconds=seconds)
        if until - DEFAULT_START > LONGEST_EXECUTION:
            raise NeverEndsError(f"the execution does not come to its end within {LONGEST_EXECUTION.days} days")
        while self._due and self._due[0][0] <= until:
            at, request = self._due.pop(0)
            super().advance(max(0.0, (at - self.now()).total_seconds()))
            with suppress(HTTPClientError):  # a lost answer to nobody
                botocore_stubber.process_request(request)
        super().advance((until - self.now()).total_seconds())


@dataclass(frozen=True, slots=True)
class SkewedClock:
    """The clock of one process's machine, so many seconds ahead of AWS's."""

    true: StepClock
    ahead: float

    def now(self) -> datetime:
        """What that machine's clock shows."""
        return self.true.now() + timedelta(seconds=self.ahead)

    def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Step ahead by `seconds`."""
        self.true.wait(seconds, wake)


class DyingStorage:
    """A journal's storage in memory, with points before and after each entry."""

    atomic = True

    def __init__(self, points: Points) -> None:
        self._objects: dict[str, bytes] = {}
        self._points = points

    def read(self, name: str) -> bytes | None:
        """The object's content; None where there is none."""
        return self._objects.get(name)

    def listing(self, folder: str) -> list[str]:
        """The names of the objects in a folder."""
        return [name.rpartition("/")[2] for name in self._objects if name.startswith(f"{folder}/")]

    def create(self, name: str, content: bytes) -> bool:
        """Create the object; False where the name is taken."""
        self._points("journal before")
        taken = name in self._objects
        self._objects.setdefault(name, content)
        self._points("journal after")
        return not taken


class DyingGate:
    """A gate with points before it is asked and after it was answered."""

    def __init__(self, gate: Gatekeeper, points: Points) -> None:
        self._gate = gate
        self._points = points

    def ask(self, request: GateRequest) -> GateAnswer:
        """The world's answer."""
        self._points("gate before")
        answer = self._gate.ask(request)
        self._points("gate after")
        return answer


@dataclass(frozen=True, slots=True)
class Run:
    """What one run left behind: how it ended, where it was stopped, and which promises it broke."""

    world: int
    stop_at: tuple[int, ...]
    points: tuple[str, ...]
    stops: tuple[str, ...]
    essence: Any
    broken: tuple[str, ...]


def carry_out(
    world: World,
    runbook: Runbook | None,
    wire: Wire,
    stop_at: Sequence[int] = (),
    afterwards: Callable[[Sandbox], object] = bool,
) -> tuple[Run, Runbook]:
    """Carry the world's plan out, dying at those points, to the end, and hold it against the promises.

    Args:
        world: what to carry out.
        runbook: the world's runbook from a former run; None resolves it first.
        wire: the way into AWS.
        stop_at: the points to die at, counted over all processes of the run.
        afterwards: done before anything is checked, so that a test can show that the checks see it.
    """
    clock = ArrivalClock()
    points = wire.points = Points(tuple(stop_at))
    with raised(world, clock) as sandbox:
        if world.account != ACCOUNT:
            wire.enter_anew()
        if runbook is None:
            manifest = world.manifest()
            runbook = resolve(
                manifest,
                manifest.plan(None),
                mode=world.mode,
                sessions=wire.sessions,
                clock=clock,
                points=snapshots.Points.parse(world.at),
            )
            runbook.require_accepted()
        plant_faults(world, sandbox)
        storage = DyingStorage(points)
        gate = DyingGate(Gatekeeper(world, clock), points)

        def chance(of: str) -> random.Random:
            """Settled by the world and by how far the run has come, so that a run's beginning can be repeated."""
            return random.Random(f"{of}/{world.seed}/{len(points.passed)}")  # noqa: S311 - a benchmark, not a secret

        wire.may_stray = lambda: chance("stray").random() < 0.5
        points.armed = True
        broken: list[str] = []
        report: RecoveryReport | None = None
        while report is None:
            try:
                skewed = SkewedClock(clock, chance("skew").uniform(-world.skew, world.skew))
                report = _one_process(world, runbook, wire, skewed, storage, gate)
            except StoppedError:
                rng = chance("outage")
                outage = rng.choice(OUTAGES)
                while wire.stray:
                    clock.send_later(wire.stray.pop(), rng.uniform(0.0, LONGEST_UNDER_WAY))
                clock.advance(outage)
            except Exception as error:
                broken.append(f"the engine came to an error: {type(error).__name__}: {error}")
                break
        points.armed = False
        afterwards(sandbox)
        clock.advance(LONGEST_UNDER_WAY)  # whatever still was under way has arrived
        events = StoredJournal(storage, EXECUTION).read()
        if report is not None:
            broken += _broken_in_report(report, events)
            broken += _broken_in_aws(world, report, sandbox)
        essence = None if report is None else essence_of(report, with_jobs=not (world.tight or world.retries))
    run = Run(world.seed, tuple(stop_at), tuple(points.passed), tuple(points.stops), essence, tuple(broken))
    return run, runbook


def _one_process(
    world: World, runbook: Runbook, wire: Wire, clock: Clock, storage: DyingStorage, gate: DyingGate
) -> RecoveryReport:
    """What a process does: take the execution up, or begin it, and carry it to the end."""
    journal = StoredJournal(storage, EXECUTION)
    events = journal.read()
    if events and isinstance(events[-1], ExecutionEnded):
        return report_of(events)  # it died after the last word; to carry on now would mean to try again what failed
    engine = Engine(
        EXECUTION,
        None if events else runbook,
        wire.sessions,
        clock=clock,
        journal=journal,
        executor=InlineExecutor(),
        workers=1,
        limits=world.limits,
        policy=POLLING,
        seed=world.seed,
    )
    return run_plainly(engine, gate, clock)


# The promises


def essence_of(report: RecoveryReport, *, with_jobs: bool) -> dict[str, Any]:
    """The report without times and ids, so that two runs can be compared."""
    return {
        "status": report.status.value,
        "exit code": report.exit_code,
        "mode": report.mode,
        **{
            f"wave {wave.wave_number}": {
                "status": wave.status.value,
                "reason": _JOB_ID.sub("a job", wave.reason),
                "began": wave.started_at is not None,
                "approval": wave.approval and (wave.approval.decision, wave.approval.by, wave.approval.comment),
                "jobs": sorted((job.account_id, job.region, sorted(job.server_ids)) for job in wave.jobs)
                if with_jobs
                else None,
                "checks": sorted(
                    (check.phase, check.name, check.source_server_id or "", check.passed) for check in wave.checks
                ),
                "jobs ended": all(job.ended_at is not None for job in wave.jobs),
                "servers": {
                    server.source_server_id: (
                        server.launch_status,
                        server.attempts,
                        server.recovery_instance_id is not None,
                        _JOB_ID.sub("a job", server.error or ""),
                    )
                    for server in wave.servers
                },
            }
            for wave in report.waves
        },
    }


def differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """Where two essences differ, in words."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in expected:
            yield from differences(expected[key], found.get(key), f"{path}{key}: ")
    elif expected != found:
        yield f"the report differs from the undisturbed run's: {path}{expected!r} became {found!r}"


def _broken_in_report(report: RecoveryReport, events: Sequence[Event]) -> Iterator[str]:
    if report_of(events) != report:
        yield "the journal folds to another report than was returned"
    answered: set[int] = set()
    for event in events:
        if isinstance(event, GateAnswered):
            answered.add(event.wave_number)
        elif isinstance(event, GateAsked) and event.wave_number in answered:
            yield f"the gate of wave {event.wave_number} was asked again after it had been answered"


def _broken_in_aws(world: World, report: RecoveryReport, sandbox: Sandbox) -> Iterator[str]:
    """Hold what the simulator knows against the promises and the report."""
    backends: dict[str, DRSBackend] = {
        region: sandbox.backend(world.account, region) for wave in world.waves for region in wave.servers
    }
    for backend in backends.values():
        backend.advance()
    jobs = [(region, job) for region, backend in backends.items() for job in backend.jobs.values()]
    told = {job.job_id: job for wave in report.waves for job in wave.jobs}
    for job_id in {job.job_id for _, job in jobs} ^ set(told):
        yield f"job {job_id} is in {'the report' if job_id in told else 'DRS'} only"
    for call in sandbox.calls:
        if call.operation == "StartRecovery" and call.code == "ConflictException":
            yield f"DRS had to refuse a launch of servers that are in an active job, at {call.at:%H:%M:%S}"
    yield from _launched_twice(world, [job for _, job in jobs])
    launched = {
        participant.server_id: participant
        for _, job in jobs
        for participant in job.participants.values()
        if participant.status == "LAUNCHED"
    }
    last = {
        participant.server_id: participant
        for job in sorted((job for _, job in jobs), key=lambda job: job.created_at)
        for participant in job.participants.values()
    }
    waves = {wave.number: wave for wave in world.waves}
    for _, job in jobs:
        if job.tags.get(EXECUTION_TAG) != EXECUTION:
            yield f"job {job.job_id} does not carry its execution"
        for before in waves[int(job.tags[WAVE_TAG])].after:
            without = waves[before].policy.get("onServerFailure") == "continue"
            ids = [server_id for region in waves[before].servers for server_id in waves[before].server_ids(region)]
            for server_id in ids:
                up = launched.get(server_id) or (last.get(server_id) if without else None)
                if up is None or up.ended_at is None or up.ended_at > job.created_at:
                    yield f"wave {job.tags[WAVE_TAG]} began before {server_id} of wave {before} was LAUNCHED"
            if launched.keys().isdisjoint(ids):
                yield f"wave {job.tags[WAVE_TAG]} began though nothing of wave {before} is up"
        if (reported := told.get(job.job_id)) is not None and set(reported.server_ids) != set(job.participants):
            yield f"job {job.job_id} has other servers in the report than in DRS"
    for wave in report.waves:
        for server in wave.servers:
            there = [job.participants[server.source_server_id] for _, job in jobs
                     if server.source_server_id in job.participants]  # fmt: skip
            truth = (there[-1].status.value, there[-1].instance_id) if there else None
            if truth is not None and truth != (server.launch_status, server.recovery_instance_id):
                yield f"server {server.source_server_id} is {server.launch_status} in the report, {truth[0]} in DRS"
            if truth is None and (server.attempts or server.launch_status == "LAUNCHED"):
                yield f"server {server.source_server_id} is told as launched and is in no job"
    yield from _quotas(world, jobs)


def _launched_twice(world: World, jobs: Sequence[Any]) -> Iterator[str]:
    allowed = {
        server_id: 1 + wave.policy.get("retry", {}).get("attempts", 0)
        for wave in world.waves
        for region in wave.servers
        for server_id in wave.server_ids(region)
    }
    launches: dict[str, list[Any]] = {}
    for job in sorted(jobs, key=lambda job: job.created_at):
        for server_id in job.participants:
            launches.setdefault(server_id, []).append(job)
    for server_id, of_it in launches.items():
        if len(of_it) > allowed[server_id]:
            yield f"server {server_id} is in {len(of_it)} launch jobs"
        for former, later in itertools.pairwise(of_it):
            before = former.participants[server_id]
            if before.status != "FAILED" or former.ended_at is None or former.ended_at > later.created_at:
                yield f"server {server_id} is {before.status} in job {former.job_id} and in job {later.job_id} as well"


def _quotas(world: World, jobs: Sequence[tuple[str, Any]]) -> Iterator[str]:
    limits = world.limits
    for region, job in jobs:
        if len(job.participants) > limits.servers_per_job:
            yield f"job {job.job_id} has {len(job.participants)} servers, the quota is {limits.servers_per_job}"
        beside = [
            other
            for place, other in jobs
            if place == region
            and other.number <= job.number
            and (other.ended_at is None or other.ended_at > job.created_at)
        ]
        if len(beside) > limits.concurrent_jobs:
            yield f"{len(beside)} jobs ran in {region}, the quota is {limits.concurrent_jobs}"
        servers = sum(len(other.participants) for other in beside)
        if servers > limits.servers_in_jobs:
            yield f"{servers} servers were in jobs in {region}, the quota is {limits.servers_in_jobs}"


# Campaigns


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


_wire: list[Wire] = []


def wire() -> Wire:
    """This process's way into the simulator; clients are made once."""
    if not _wire:
        _wire.append(Wire())
    return _wire[0]


def try_world(seed: int, most: int | None = None) -> list[Run]:
    """All runs of one world, the undisturbed one first; `most`: a sample of so many stops, most of them in few runs."""
    world = draw_world(seed)
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


def campaign(seed: int, stops: int, processes: int, told: Callable[[Tally], None] = lambda _: None) -> Tally:
    """Try worlds from `seed` on until there were so many stops."""
    tally = Tally()
    seeds = itertools.count(seed)
    with ProcessPoolExecutor(processes) as pool:
        waiting = {pool.submit(try_world, next(seeds)) for _ in range(processes)}
        while waiting:
            done = next(as_completed(waiting))
            waiting.remove(done)
            tally.add(done.result())
            told(tally)
            if tally.stops.total() < stops:
                waiting.add(pool.submit(try_world, next(seeds)))
    return tally


# The command


def main() -> int:
    """Print the table; 1 where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill_points", description=__doc__.splitlines()[0])
    parser.add_argument("--stops", type=int, default=10_000, help="how often the engine is stopped, at least")
    parser.add_argument("--seed", type=int, default=1, help="the first world; the others follow")
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="worlds at a time")
    parser.add_argument("--world", type=int, help="one world only")
    parser.add_argument("--at", default="", help="with --world: one run, stopped at these points (1,2,3)")
    options = parser.parse_args()
    console = Console(width=110, soft_wrap=True)
    if options.world is not None:
        return _one_world(options.world, options.at, console)
    began = time.monotonic()

    def told(tally: Tally) -> None:
        print(f"\r{tally.stops.total()} stops, {len(tally.broken)} runs broke a promise", end="", file=sys.stderr)

    tally = campaign(options.seed, options.stops, options.processes, told)
    print(file=sys.stderr)
    console.print(_table(tally))
    minutes = (time.monotonic() - began) / 60
    console.print(
        f"{tally.stops.total():,} stops in {tally.runs:,} runs of {tally.worlds} worlds "
        f"({tally.points:,} points passed), {minutes:.1f} min; runs that broke a promise: {len(tally.broken)}"
    )
    _tell(tally.broken, console)
    return int(bool(tally.broken))


def _one_world(seed: int, at: str, console: Console) -> int:
    if not at:
        runs = try_world(seed)
    else:
        world = draw_world(seed)
        console.print(world, markup=False)
        baseline, runbook = carry_out(world, None, wire())
        run, _ = carry_out(world, runbook, wire(), tuple(int(point) for point in at.split(",")))
        runs = [compared(baseline, baseline), compared(baseline, run)]
        console.print(f"stopped at: {', '.join(run.stops)}")
    broken = [run for run in runs if run.broken]
    _tell(broken, console)
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


def _tell(broken: Sequence[Run], console: Console) -> None:
    for run in broken[:20]:
        at = f" --at {','.join(map(str, run.stop_at[: len(run.stops)]))}" if run.stop_at else ""
        console.print(f"python -m benchmarks.kill_points --world {run.world}{at}", markup=False)
        for promise in run.broken:
            console.print(f"  {promise}", markup=False)


if __name__ == "__main__":
    raise SystemExit(main())
