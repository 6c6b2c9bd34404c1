"""What the engine remembers of each wave and server while an execution runs. Plain state, no behaviour towards AWS."""

from __future__ import annotations

import enum
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

from prefect_drs.aws.location import Location
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.report.checks import CheckResult
from prefect_drs.report.model import WaveStatus
from prefect_drs.runbook import RunbookServer, RunbookWave


class ServerState(enum.Enum):
    """Where a server stands within this execution."""

    READY = "ready"  # may be put in a job
    REQUESTED = "requested"  # a job was asked for, no answer is known yet
    IN_JOB = "in a job"
    LAUNCHED = "launched"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to it in this execution."""
        return self in {ServerState.LAUNCHED, ServerState.FAILED}


class WavePhase(enum.Enum):
    """What the engine does for a wave."""

    WAITING = "waiting"  # not handed to the engine yet
    PRE_WAVE = "pre-wave hooks"
    PREPARING = "preparing"  # launch settings are being applied
    LAUNCHING = "launching"
    HEALTH = "health checks"
    POST_WAVE = "post-wave hooks"
    OVER = "over"


@dataclass(slots=True)
class ServerRun:
    """A server of a wave, as this execution drives it.

    Args:
        server: as the runbook has it.
        settings: what it is launched with; the runbook's, unless a former attempt failed for want of capacity.
        snapshot_id: what it is launched from; None is the latest point in time.
        tried: instance types and subnets that an attempt was made with.
        exhausted: no older point in time is left to launch from.
        attempts: jobs it has been in.
        prepared: its launch settings are written.
    """

    server: RunbookServer
    settings: LaunchSettings
    snapshot_id: str | None
    tried: set[str] = field(default_factory=set)
    exhausted: bool = False
    recovery_instance_id: str | None = None
    state: ServerState = ServerState.READY
    job_id: str | None = None
    launch_status: str = "PENDING"
    error: str = ""
    attempts: int = 0
    prepared: bool = False

    @classmethod
    def of(cls, server: RunbookServer) -> ServerRun:
        """A server that nothing has happened to yet."""
        return cls(server, server.settings, server.snapshot_id)

    def reopen(self) -> None:
        """Let it be launched once more."""
        self.state, self.job_id, self.launch_status, self.error = ServerState.READY, None, "PENDING", ""
        self.recovery_instance_id, self.prepared = None, False

    def try_again(self, settings: LaunchSettings, snapshot_id: str | None) -> None:
        """Let it be launched once more, with these settings and from that point in time."""
        self.reopen()
        self.settings, self.snapshot_id = settings, snapshot_id
        self.tried |= {known for known in (settings.instance_type, settings.subnet_id) if known}


@dataclass(slots=True)
class WaveRun:
    """A wave, as this execution drives it.

    `begun`: it was handed over, by this process or by a former one. `turn`: how often it began; `check_results` are
    this turn's. `unhealthy`: which checks did not pass of servers that it goes on without.
    """

    wave: RunbookWave
    servers: dict[str, ServerRun]
    phase: WavePhase = WavePhase.WAITING
    status: WaveStatus = WaveStatus.PENDING
    reason: str = ""
    batches: int = 0
    begun: bool = False
    turn: int = 0
    check_results: list[CheckResult] = field(default_factory=list)
    unhealthy: str = ""
    preparations: list[Future[None]] = field(default_factory=list)
    prepared: int = 0  # servers whose settings were written when a try last failed
    prepare_failures: int = 0  # tries in a row that got no further
    stuck_since: datetime | None = None  # when the first of them failed
    delays_told: set[str] = field(default_factory=set)
    prepare_again_at: datetime | None = None

    @classmethod
    def of(cls, wave: RunbookWave) -> WaveRun:
        """A wave that nothing has happened to yet."""
        return cls(wave, {server.source_server_id: ServerRun.of(server) for server in wave.servers})

    @property
    def number(self) -> int:
        """Its wave number."""
        return self.wave.wave_number

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen to any of its servers."""
        return all(run.state.final for run in self.servers.values())

    def next_batch(self) -> str:
        """A name no other job of this execution has."""
        self.batches += 1
        return f"{self.number}.{self.batches}"

    def in_state(self, *states: ServerState) -> list[ServerRun]:
        """Its servers in any of these states."""
        return [run for run in self.servers.values() if run.state in states]

    def ready_servers(self, location: Location) -> tuple[str, ...]:
        """The servers there that may be put in a job now."""
        if self.phase is not WavePhase.LAUNCHING:
            return ()
        return tuple(
            server_id
            for server_id, run in self.servers.items()
            if run.state is ServerState.READY and run.server.location == location
        )

    def start(self) -> None:
        """It begins, for the first time or once more."""
        self.begun = True
        self.turn += 1
        self.check_results.clear()
        self.unhealthy = ""

    def end(self, status: WaveStatus, reason: str) -> None:
        """It is over."""
        self.phase, self.status, self.reason = WavePhase.OVER, status, reason

    def reopen(self) -> None:
        """Let it be handed over once more, with the servers that did not come up."""
        self.phase, self.status, self.reason, self.begun = WavePhase.WAITING, WaveStatus.PENDING, "", False
        for run in self.in_state(ServerState.FAILED):
            run.reopen()
