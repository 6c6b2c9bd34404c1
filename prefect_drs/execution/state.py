"""The state of an execution: the one place where an event changes it.

In: events, in the order in which the journal holds them. Out: how waves, servers, jobs, gates and control requests
stand. The engine applies each event right after it was appended; a process that resumes the execution applies the
stored ones. Both call `ExecutionState.apply`, so the state after a crash is the state before it.

Must never: hold what the journal does not tell. What only one process knows (a health check that is under way, settings
that it has written) belongs to the engine. Nobody but `apply` changes a state.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from prefect_drs.execution.approval import ApprovalAttempt, BrokenGlass, CountedApproval, Decision, GateAnswer
from prefect_drs.execution.records import Cancellation, LaunchJob, LaunchRequest, Pause, RtoRisk, Termination
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.report.checks import CheckResult
from prefect_drs.report.model import (
    STEPS_DONE,
    DelayCause,
    ExecutionStatus,
    ServerReport,
    UnsentNotification,
    WaveStatus,
)
from prefect_drs.runbook import Runbook, RunbookServer, RunbookWave


class ServerState(enum.Enum):
    """The state of a server within this execution."""

    READY = "ready"  # may be put in a job
    REQUESTED = "requested"  # a job was requested, no answer is known yet
    IN_JOB = "in a job"
    LAUNCHED = "launched"  # of a failback's step: done
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to it in this execution."""
        return self in {ServerState.LAUNCHED, ServerState.FAILED}


FINAL = {
    **dict.fromkeys(("LAUNCHED", *sorted(STEPS_DONE)), ServerState.LAUNCHED),
    **dict.fromkeys(("FAILED", "TERMINATED"), ServerState.FAILED),
}


class Transition(Protocol):
    """What changes a state: an event."""

    def apply_to(self, state: ExecutionState) -> None:
        """Change the state. Called by `ExecutionState.apply` only."""
        ...


@dataclass(slots=True)
class ServerRun:
    """A server of a wave.

    Args:
        server: as the runbook has it.
        settings: what it is launched with; the runbook's, until a retry changes them.
        snapshot_id: what it is launched from; None is the latest point in time.
        tried: instance types and subnets of its retries.
        state: its state within the execution.
        job_id: the job that it is in, or was in last.
        launch_status: DRS's `launchStatus` in that job.
        recovery_instance_id: its recovery instance.
        error: why its last attempt failed; stays until the next attempt has a status.
        attempts: jobs that it has been in.
        started_at: when its first job started.
        ended_at: when its last attempt ended; None while one is under way.
        asked: the call of a failback's step that was sent last, and when; None where none was, or the step is over.
        lag_at_stop: its replication lag when writes stopped (ISO 8601 duration); of a failback only.
        shown: its part of the report, made by `view`; None from each change on until it is made again.
    """

    server: RunbookServer
    settings: LaunchSettings
    snapshot_id: str | None
    tried: set[str] = field(default_factory=set)
    state: ServerState = ServerState.READY
    job_id: str | None = None
    launch_status: str = "PENDING"
    recovery_instance_id: str | None = None
    error: str = ""
    attempts: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    asked: tuple[str, datetime] | None = None
    lag_at_stop: str | None = None
    shown: ServerReport | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, server: RunbookServer) -> ServerRun:
        """A server that nothing has happened to yet."""
        return cls(server, server.settings, server.snapshot_id)

    def join(self, job: LaunchJob) -> None:
        """It is in that job."""
        self.state, self.job_id = ServerState.IN_JOB, job.job_id
        self.attempts += 1
        self.started_at = self.started_at or job.started_at
        self.ended_at = self.shown = None

    def report_status(self, status: str, recovery_instance_id: str | None, error: str, at: datetime) -> None:
        """Its `launchStatus` changed."""
        self.launch_status, self.recovery_instance_id, self.error = status, recovery_instance_id, error
        self.state = FINAL.get(status, self.state)
        self.asked = None if status in FINAL else self.asked
        self.ended_at = at if status in FINAL else None
        self.shown = None

    def ask(self, call: str, at: datetime) -> None:
        """A call of a failback's step is sent for it."""
        self.asked = call, at
        self.started_at = self.started_at or at
        self.attempts += 1
        self.shown = None

    def note_lag(self, lag: str) -> None:
        """Writes are stopped, and its replication lags behind by that."""
        self.lag_at_stop, self.shown = lag, None

    def reopen(self) -> None:
        """Let it be launched once more."""
        self.state, self.job_id, self.launch_status = ServerState.READY, None, "PENDING"
        self.recovery_instance_id = self.ended_at = self.shown = None

    def retry(self, settings: LaunchSettings, snapshot_id: str | None) -> None:
        """Let it be launched once more, with these settings and from that point in time."""
        self.reopen()
        self.settings, self.snapshot_id = settings, snapshot_id
        self.tried |= {known for known in (settings.instance_type, settings.subnet_id) if known}


@dataclass(slots=True)
class WaveRun:
    """A wave.

    Args:
        wave: as the runbook has it.
        servers: its servers, by source server id.
        status: its status.
        reason: why it ended as it did.
        begun: whether it was handed to the engine, by this process or by a former one.
        turn: how often it began.
        batches: the number of its last launch request; the next one gets a higher one.
        gate_opened_at: since when it has been open; None while it is not.
        approval: the last answer to its gate, also one that a resume has made void since.
        approvals: the proven approvals of its gate, in order.
        attempts: the answers that did not count, in order.
        judged: the answers that were looked at, by their ids.
        broken_glass: how its gate was passed without what it demands.
        jobs: its jobs, by job id.
        checks: the results of this turn's hooks and health checks.
        delays: what it waited for beyond its order, each once, in order.
        step_begun: whether the hooks before a failback's step are done.
        writes_stopped_at: when the hooks that stop writes were done; of a failback's step `catch-up` only.
        waits: what it waits for now beyond its order, since when, and the cause.
        started_at: when it first began.
        ended_at: when it ended.
    """

    wave: RunbookWave
    servers: dict[str, ServerRun]
    status: WaveStatus = WaveStatus.PENDING
    reason: str = ""
    begun: bool = False
    turn: int = 0
    batches: int = 0
    gate_opened_at: datetime | None = None
    approval: GateAnswer | None = None
    approvals: list[CountedApproval] = field(default_factory=list)
    attempts: list[ApprovalAttempt] = field(default_factory=list)
    judged: set[str] = field(default_factory=set)
    broken_glass: BrokenGlass | None = None
    jobs: dict[str, LaunchJob] = field(default_factory=dict)
    checks: dict[object, CheckResult] = field(default_factory=dict)
    delays: dict[str, None] = field(default_factory=dict)
    waits: dict[str, tuple[datetime, DelayCause]] = field(default_factory=dict)
    step_begun: bool = False
    writes_stopped_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @classmethod
    def of(cls, wave: RunbookWave) -> WaveRun:
        """A wave that nothing has happened to yet."""
        return cls(wave, {server.source_server_id: ServerRun.of(server) for server in wave.servers})

    @property
    def number(self) -> int:
        """Its wave number."""
        return self.wave.wave_number

    @property
    def waiting_for_approval(self) -> bool:
        """Whether its gate is open."""
        return self.gate_opened_at is not None

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen to any of its servers."""
        return all(run.state.final for run in self.servers.values())

    @property
    def next_batch(self) -> str:
        """A name that no launch request of this execution has had."""
        return f"{self.number}.{self.batches + 1}"

    def in_state(self, *states: ServerState) -> list[ServerRun]:
        """Its servers in any of these states."""
        return [run for run in self.servers.values() if run.state in states]

    def begin(self, at: datetime) -> None:
        """It begins, for the first time or once more."""
        self.status, self.begun = WaveStatus.INITIATED, True
        self.turn += 1
        self.checks.clear()
        self.started_at = self.started_at or at

    def end(self, status: WaveStatus, reason: str, at: datetime) -> None:
        """It is over."""
        self.status, self.reason, self.ended_at = status, reason, at
        self.gate_opened_at = None
        self.waits.clear()

    def reopen(self) -> None:
        """Where it did not succeed, let it be handed over once more, with the servers that did not come up."""
        if not self.status.over or self.status is WaveStatus.COMPLETED:
            return
        self.status, self.reason, self.ended_at, self.begun = WaveStatus.PENDING, "", None, False
        self.step_begun, self.writes_stopped_at = False, None
        self.checks.clear()
        for run in self.in_state(ServerState.FAILED):
            run.reopen()


@dataclass(slots=True)
class ExecutionState:
    """The state of an execution.

    Args:
        execution_id: the execution.
        runbook: what it carries out.
        started_at: when it began; no job of it is older.
        waves: every wave, by number.
        requests: launches that were requested and whose answer is not known, by batch.
        jobs: every launch job so far, by job id.
        answers: the answers in force to the gates, by wave number. A resume of an execution that has ended voids
            time-outs, and nothing else.
        deadlines: until when the gates that are open wait, by wave number.
        cancellation: the cancel that is in force; None where there is none, or it was overridden.
        pause: who paused launching; None where it is not paused.
        gates_open_since: since when at least one gate has been open; None while none is.
        seconds_at_gates: how long at least one gate was open, without the time since `gates_open_since`.
        handled: the ids of the control requests that were handled.
        run_requests: the ids of the run requests that were processed; none of them reopens an execution that ended.
        final_status: how it ended; None while it has not, or where it was resumed since.
        ended_at: when it ended; likewise.
        points: the points in time whose data the launched servers hold, by source server id.
        notified: notifications that were sent.
        unsent: notifications that were not.
        termination: set once somebody began to terminate its recovery instances.
        terminated: when recovery instances were found to be gone, by their ids.
        simulated_time: whether the execution's clock is that of a sandbox.
        started_by: who started it; empty where that is not known.
        starter_proven: whether `started_by` is a proven identity.
        ways_back: the source servers that replicate back, by the source server id of the plan's server; of a failback.
        identities: what differs of the prepared instances that were launched into, by source server id.
        rto_risks: the RTO targets that a forecast expected to be missed, by wave number; None is the plan's.
    """

    execution_id: str
    runbook: Runbook
    started_at: datetime
    waves: dict[int, WaveRun]
    requests: dict[str, LaunchRequest] = field(default_factory=dict)
    jobs: dict[str, LaunchJob] = field(default_factory=dict)
    answers: dict[int, GateAnswer] = field(default_factory=dict)
    deadlines: dict[int, datetime] = field(default_factory=dict)
    cancellation: Cancellation | None = None
    pause: Pause | None = None
    gates_open_since: datetime | None = None
    seconds_at_gates: float = 0.0
    handled: set[str] = field(default_factory=set)
    run_requests: set[str] = field(default_factory=set)
    final_status: ExecutionStatus | None = None
    ended_at: datetime | None = None
    points: dict[str, datetime] = field(default_factory=dict)
    notified: int = 0
    unsent: list[UnsentNotification] = field(default_factory=list)
    termination: Termination | None = None
    terminated: dict[str, datetime] = field(default_factory=dict)
    simulated_time: bool = False
    started_by: str = ""
    starter_proven: bool = False
    identities: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rto_risks: dict[int | None, RtoRisk] = field(default_factory=dict)
    ways_back: dict[str, str] = field(default_factory=dict)

    def apply(self, event: Transition) -> None:
        """Take one more event, in the order it was appended.

        Raises:
            KeyError, ValueError: it does not fit the events before it.
        """
        event.apply_to(self)

    @property
    def paused(self) -> bool:
        """Whether launching is paused."""
        return self.pause is not None

    @property
    def ended(self) -> bool:
        """Whether it came to its end; to resume it then means to try again what failed."""
        return self.ended_at is not None

    @property
    def at_work(self) -> bool:
        """Whether a wave is under way, or DRS may have a job of the execution that is not known to be over."""
        return (
            any(wave.begun and not wave.status.over for wave in self.waves.values())
            or bool(self.requests)
            or any(job.ended_at is None for job in self.jobs.values())
        )

    def has_processed(self, run_request: str) -> bool:
        """Whether it has ended, and this run request was processed before: it does not try anything again."""
        return self.ended and run_request != "" and run_request in self.run_requests

    # What several events do. Called by events only.

    def note_gates(self, at: datetime) -> None:
        """A gate was opened or closed: measure the time during which at least one is open."""
        is_open = any(wave.waiting_for_approval for wave in self.waves.values())
        if is_open and self.gates_open_since is None:
            self.gates_open_since = at
        elif not is_open and self.gates_open_since is not None:
            self.seconds_at_gates += (at - self.gates_open_since).total_seconds()
            self.gates_open_since = None

    def request_launch(self, request: LaunchRequest) -> None:
        """A launch is about to be requested: its servers are in no other request until the answer is known."""
        wave = self.waves[request.wave_number]
        wave.batches = max(wave.batches, int(request.batch.rpartition(".")[2]))
        self.requests[request.batch] = request
        for server_id in request.server_ids:
            wave.servers[server_id].state = ServerState.REQUESTED
        if not wave.in_state(ServerState.READY):
            wave.waits.clear()

    def answer_request(self, batch: str) -> None:
        """The answer to a launch request is known: servers that came into no job may be put in another."""
        request = self.requests.pop(batch, None)
        if request is None:
            return
        servers: Mapping[str, ServerRun] = self.waves[request.wave_number].servers
        for server_id in request.server_ids:
            if servers[server_id].state is ServerState.REQUESTED:
                servers[server_id].state = ServerState.READY

    def add_job(self, job: LaunchJob) -> None:
        """A launch job of this execution exists in DRS."""
        wave = self.waves[job.wave_number]
        if not wave.status.over:
            wave.status = WaveStatus.LAUNCHING
        self.jobs[job.job_id] = wave.jobs[job.job_id] = job
        for server_id in job.server_ids:
            wave.servers[server_id].join(job)
        self.answer_request(job.batch)

    def end_job(self, job_id: str, ended_at: datetime) -> None:
        """A launch job is over."""
        job = replace(self.jobs[job_id], ended_at=ended_at)
        self.jobs[job_id] = self.waves[job.wave_number].jobs[job_id] = job

    def try_again(self) -> None:
        """Reopen what failed, was skipped or timed out. What a person rejected stays rejected."""
        self.pause = self.cancellation = None
        self.answers = {n: answer for n, answer in self.answers.items() if answer.decision is not Decision.TIMED_OUT}
        for wave in self.waves.values():
            wave.reopen()
