"""One drill of a benchmark estate: the real engine on the simulator in virtual time, and its measurements.

In: an estate, its runbook, and the expected launch seconds. Out: a `Drill`: makespan, quotas, DRS reading calls and
reaction times, from the simulator's own state and log.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.estates import ACCOUNT, REGION, Estate
from prefect_drs.aws.sessions import Sessions
from prefect_drs.plan.model import RecoveryPlan
from prefect_drs.recovery.drivers import InlineExecutor, run_plainly
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import MemoryJournal
from prefect_drs.recovery.launch.packing import Limits
from prefect_drs.recovery.options import EngineOptions, EnginePorts
from prefect_drs.recovery.ports import Decision, GateAnswer, GateRequest
from prefect_drs.report.model import ExecutionStatus, RecoveryReport
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.simulator import Sandbox, Throttle, mock_drs
from prefect_drs.simulator.roles import plant_role

GIB = 2**30
CALL_SECONDS = 0.1
EACH_EVERY = 30.0
NOT_POLLING = frozenset({"StartRecovery", "DescribeRecoveryInstances"})


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
    """Simulated accounts that hold the estate, each server with its drawn launch time."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)
    with mock_drs(default_images=False, throttle=Throttle()) as sandbox:
        for account, server_ids in estate.by_account().items():
            if account != ACCOUNT:
                plant_role(account)
            backend = sandbox.backend(account, REGION)
            backend.initialize_service()
            for server_id in server_ids:
                backend.seed_source_server(
                    hostname=server_id,
                    source_server_id=server_id,
                    ram_bytes=4 * GIB,
                    cpus=2,
                    disks=[{"deviceName": "/dev/sda1", "bytes": 40 * GIB}],
                    launch_seconds=estate.durations[server_id],
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
        ports = EnginePorts(Sessions(), sandbox.clock, MemoryJournal(), InlineExecutor())
        options = EngineOptions(workers=1, expected=expected or {}, seed=estate.seed)
        engine = Engine("benchmark", runbook, ports, options)
        report = run_plainly(engine, NoGate(), sandbox.clock)
        real_seconds = time.perf_counter() - began
        return measure(report, runbook, sandbox, real_seconds)


def measure(report: RecoveryReport, runbook: Runbook, sandbox: Sandbox, real_seconds: float) -> Drill:
    """What the simulator's own state and log say of a run."""
    start = report.started_at
    jobs = job_spans(sandbox, start)
    limits = Limits()
    most_jobs, most_servers = most_at_once(jobs)
    refused = sum(call.code == "ServiceQuotaExceededException" for call in sandbox.calls)
    makespan = max(job.launched for job in jobs)
    reads = [(call.at - start).total_seconds() for call in sandbox.calls if call.operation not in NOT_POLLING]
    each = [at for job in jobs for at in polled_alone(job)]
    return Drill(
        makespan=makespan,
        completed=report.status is ExecutionStatus.COMPLETED,
        violations=quotas_exceeded(jobs, limits) + refused,
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


def job_spans(sandbox: Sandbox, start: datetime, account: str = ACCOUNT) -> list[JobSpan]:
    """All launch jobs of one account, from the simulator's state."""

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
        for job in sandbox.backend(account, REGION).jobs.values()
    ]


def quotas_exceeded(jobs: Sequence[JobSpan], limits: Limits) -> int:
    """How many jobs of an account had too many servers, and how many of its two other quotas were ever exceeded."""
    most_jobs, most_servers = most_at_once(jobs)
    over = sum(job.servers > limits.servers_per_job for job in jobs)
    return over + (most_jobs > limits.concurrent_jobs) + (most_servers > limits.servers_in_jobs)


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
