"""The RecoveryReport: what an execution did, for people and programs. Its names are fixed by the interface."""

from __future__ import annotations

import enum
import json
from datetime import datetime
from typing import Literal

from prefect_drs.core.models import FrozenModel
from prefect_drs.plan.model import ExecutionMode
from prefect_drs.plan.targets import TargetKind
from prefect_drs.report.checks import CheckResult
from prefect_drs.runbook import ExcludedServer, RunbookFinding, done_word


class ExecutionStatus(enum.StrEnum):
    """The status of an execution."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    PARTIAL = "PARTIAL"


class WaveStatus(enum.StrEnum):
    """The status of a wave. INITIATED: released, settings being applied; LAUNCHING: jobs run."""

    PENDING = "PENDING"
    INITIATED = "INITIATED"
    LAUNCHING = "LAUNCHING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self in {WaveStatus.COMPLETED, WaveStatus.FAILED, WaveStatus.SKIPPED, WaveStatus.CANCELLED}


STEPS_DONE = frozenset({"PROTECTED", "CAUGHT_UP", "CLEANED_UP"})
"""The `launch_status` with which a failback's step is done for a server."""

DelayCause = Literal["quota", "job", "settings", "other"]
"""What holds a wave up: a quota of DRS, a job of somebody else, launch settings that cannot be written yet."""


class ProvenApproval(FrozenModel):
    """An approval whose proof was verified. `by`: as AWS or the issuer names him; `digest`: of what he approved."""

    by: str
    proven_by: str
    proof_at: datetime
    digest: str
    comment: str = ""


class ApprovalAttemptReport(FrozenModel):
    """An answer at a gate that did not count. `by`: as claimed, or proven where the proof held."""

    at: datetime
    by: str
    code: str
    reason: str


class ApprovalReport(FrozenModel):
    """How a gate was answered.

    `by` is as claimed, or the proven identities where the gate demands proofs. `break_glass`: why the gate was passed
    without what it demands; null where it was not.
    """

    decision: str
    by: str
    at: datetime
    comment: str
    break_glass: str | None = None


class ControlReport(FrozenModel):
    """Who paused, cancelled or terminated, when and why. `by` is as claimed."""

    by: str
    at: datetime
    reason: str = ""


class WaitReport(FrozenModel):
    """What a wave waits for now beyond its order, such as a quota or a job of somebody else."""

    since: datetime
    cause: DelayCause
    reason: str


class JobReport(FrozenModel):
    """A launch job in DRS."""

    job_id: str
    region: str
    account_id: str
    server_ids: tuple[str, ...]
    started_at: datetime
    ended_at: datetime | None


class Placement(FrozenModel):
    """Where and as what a server is launched, as its runbook has it; a retry may launch it otherwise.

    `subnet_id` None: the default VPC's. `instance_type` None: DRS chooses it.
    """

    account_id: str
    region: str
    subnet_id: str | None = None
    instance_type: str | None = None


class PreparedReport(FrozenModel):
    """The prepared instance that a server is launched into, as the preflight found it.

    `kept`: whether the launch kept its id, private address and network interface; None until that was compared, which
    is done at the end of the execution. `differences`: what it did not keep.
    """

    instance_id: str
    private_ip: str | None = None
    network_interface_id: str | None = None
    kept: bool | None = None
    differences: tuple[str, ...] = ()


class ServerReport(FrozenModel):
    """A server of a wave. `attempts`: jobs it took part in. `placement`: None in reports of former versions.

    `point_in_time`: whose data it holds, known once the execution has ended. `rpo_seconds`: how old that data was when
    the execution began, or, where replication went on after that, when its launch job began. `terminated_at`: when its
    recovery instance was found to be gone after `terminate`; its `launch_status` is TERMINATED then. `prepared`: the
    instance that it is launched into; None where DRS launches a new one. Of a failback's steps, `launch_status` tells
    the state of replication, then PROTECTED, CAUGHT_UP or CLEANED_UP; `lag_at_stop` is the replication lag when writes
    stopped (ISO 8601 duration).
    """

    source_server_id: str
    name: str
    launch_status: str
    recovery_instance_id: str | None
    attempts: int
    started_at: datetime | None
    ended_at: datetime | None
    point_in_time: datetime | None = None
    rpo_seconds: float | None = None
    error: str | None = None
    placement: Placement | None = None
    terminated_at: datetime | None = None
    prepared: PreparedReport | None = None
    lag_at_stop: str | None = None

    @property
    def done(self) -> bool:
        """Whether its wave's step is done for it: launched, or the step of a failback."""
        return self.launched or self.launch_status in STEPS_DONE

    @property
    def launched(self) -> bool:
        """Whether the execution launched it, also where its instance was terminated later."""
        return self.launch_status == "LAUNCHED" or self.terminated_at is not None


class WaveReport(FrozenModel):
    """A wave, with its jobs and servers. `delays`: what it waited for beyond its dependencies, and why.

    `excluded`: servers of its groups that a person left out, each with the reason. `gate_opened_at`: since when its
    gate has been open; None while it is not. `waits`: what it waits for now. `approvals`: those with a proof, of a gate
    that demands them; `attempts`: the answers that did not count there. `action`: `launch`, or the step of a failback.
    """

    wave_number: int
    wave_name: str
    status: WaveStatus
    reason: str
    started_at: datetime | None
    ended_at: datetime | None
    depends_on_waves: tuple[int, ...]
    jobs: tuple[JobReport, ...]
    servers: tuple[ServerReport, ...]
    approval: ApprovalReport | None = None
    checks: tuple[CheckResult, ...] = ()
    delays: tuple[str, ...] = ()
    excluded: tuple[ExcludedServer, ...] = ()
    gate_opened_at: datetime | None = None
    waits: tuple[WaitReport, ...] = ()
    approvals: tuple[ProvenApproval, ...] = ()
    attempts: tuple[ApprovalAttemptReport, ...] = ()
    action: str = "launch"

    @property
    def launched(self) -> int:
        """How many of its servers the execution launched; of a failback's step, for how many it is done."""
        return sum(server.done for server in self.servers)

    @property
    def done_word(self) -> str:
        """The word for its finished servers: `LAUNCHED`; in a step of a failback, `done`."""
        return done_word(self.action)


class UnsentNotification(FrozenModel):
    """A notification of a milestone that a channel did not take, and why."""

    milestone: str
    wave_number: int | None
    channel: str
    error: str
    at: datetime


class NotificationsReport(FrozenModel):
    """What became of the notifications: how many their channels took, and which were not sent."""

    sent: int = 0
    failed: tuple[UnsentNotification, ...] = ()


class TargetOutcome(enum.StrEnum):
    """The outcome of a target. OPEN: not decided yet; UNKNOWN: the execution has ended, the data's age is not known."""

    OPEN = "OPEN"
    MET = "MET"
    MISSED = "MISSED"
    UNKNOWN = "UNKNOWN"


class TargetReport(FrozenModel):
    """An RTO or RPO target of the plan or of a wave; `prefect_drs.plan.targets` defines both.

    `wave_number` None: the plan's. `achieved_seconds`: so far, while it is OPEN. `late_seconds`: achieved less target,
    negative where there was time to spare; None where it is not decided by time. `reason`: what else decided it.
    `at_risk_since`: when the forecast of the running execution first expected that an RTO target is missed, and
    `expected_seconds` the RTO that it expected.
    """

    kind: TargetKind
    wave_number: int | None
    wave_name: str | None = None
    target_seconds: float
    outcome: TargetOutcome
    achieved_seconds: float | None = None
    late_seconds: float | None = None
    reason: str = ""
    at_risk_since: datetime | None = None
    expected_seconds: float | None = None


class RecoveryReport(FrozenModel):
    """A whole execution.

    `achieved_rto_seconds`: from its start to the last server LAUNCHED, gates included. `achieved_rpo_seconds`: the
    oldest data among the servers that are LAUNCHED; None until it is over, and where one of them is not known.
    `at_gates_seconds`: how long at least one gate was open, until the last one was answered; `gates_open_since`: since
    when one is open. `paused`, `cancelled`, `terminated`: who did, while it is in force. `simulated_time`: every time
    in the report is that of a sandbox's clock. `targets`: the RTO and RPO targets of the plan and of its waves.
    """

    execution_id: str
    plan_name: str
    mode: ExecutionMode
    status: ExecutionStatus
    started_at: datetime
    ended_at: datetime | None
    achieved_rto_seconds: float | None
    achieved_rpo_seconds: float | None = None
    waves: tuple[WaveReport, ...]
    findings: tuple[RunbookFinding, ...] = ()
    notifications: NotificationsReport = NotificationsReport()
    at_gates_seconds: float = 0.0
    gates_open_since: datetime | None = None
    paused: ControlReport | None = None
    cancelled: ControlReport | None = None
    terminated: ControlReport | None = None
    simulated_time: bool = False
    targets: tuple[TargetReport, ...] = ()

    @property
    def launches(self) -> tuple[WaveReport, ...]:
        """The waves that launch; together they name each server once. The steps of a failback name them again."""
        return tuple(wave for wave in self.waves if wave.action == "launch")

    @property
    def server_count(self) -> int:
        """How many servers the plan launches."""
        return sum(len(wave.servers) for wave in self.launches)

    @property
    def launched_count(self) -> int:
        """How many servers the execution launched."""
        return sum(wave.launched for wave in self.launches)

    @property
    def exit_code(self) -> int:
        """What the command line ends with: 0 done, 3 failed or partial, 4 rejected or cancelled."""
        if self.status is ExecutionStatus.COMPLETED:
            return 0
        if any(wave.status is WaveStatus.FAILED for wave in self.waves):
            return 3
        return 4 if any(wave.status is WaveStatus.CANCELLED for wave in self.waves) else 3

    def to_json(self) -> str:
        """The report as indented JSON; without what did not happen: approvals, break-glass, errors."""
        data = self.model_dump(mode="json", by_alias=True)
        for wave in data["waves"]:
            if wave["approval"] is None:
                del wave["approval"]
            elif wave["approval"]["breakGlass"] is None:
                del wave["approval"]["breakGlass"]
            for server in wave["servers"]:
                if server["error"] is None:
                    del server["error"]
        return json.dumps(data, indent=2, ensure_ascii=False)
