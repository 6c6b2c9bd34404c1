"""Types of answers that several files use: JSON objects by their fields. Written by `python -m tests.client.generator`; do not edit it."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

CapacityLevel = Literal["OK", "INFO", "WARNING", "CRITICAL"]


CheckPhase = Literal["preWave", "healthChecks", "postWave"]


ExecutionStatus = Literal["PENDING", "IN_PROGRESS", "PAUSED", "COMPLETED", "FAILED", "CANCELLED", "PARTIAL"]


FindingSeverity = Literal["ERROR", "WAIVED", "INFO"]


IdentityKind = Literal["aws", "oidc"]


Role = Literal["DRSOrchestrationAdmin", "DRSRecoveryManager", "DRSPlanManager", "DRSOperator", "DRSReadOnly"]


TargetKind = Literal["RTO", "RPO"]


TargetOutcome = Literal["OPEN", "MET", "MISSED", "UNKNOWN"]


WaveStatus = Literal["PENDING", "INITIATED", "LAUNCHING", "COMPLETED", "FAILED", "SKIPPED", "CANCELLED"]


class ApprovalAttemptReport(TypedDict):
    """An answer at a gate that did not count. `by`: as claimed, or proven where the proof held."""

    at: str
    by: str
    code: str
    reason: str


class ApprovalReport(TypedDict):
    """How a gate was answered."""

    decision: str
    by: str
    at: str
    comment: str
    breakGlass: str | None


class CheckResult(TypedDict):
    """One check of one server, or of the wave as a whole (`source_server_id` None), when it was over."""

    phase: CheckPhase
    name: str
    type: str
    required: bool
    sourceServerId: str | None
    passed: bool
    attempts: int
    detail: str
    startedAt: str | None
    endedAt: str


class ControlReport(TypedDict):
    """Who paused, cancelled or terminated, when and why. `by` is as claimed."""

    by: str
    at: str
    reason: str


class DeletedAnswer(TypedDict):
    """What was deleted."""

    id: str
    name: str
    deleted: bool


class ExcludedServer(TypedDict):
    """A server that a person left out of the execution, and why. `name`: as DRS has it, or as the manifest does."""

    sourceServerId: str
    name: str
    group: str
    reason: str


class GrantOutput(TypedDict):
    """A role for some identities, narrowed or not."""

    role: Role
    arns: list[str]
    issuer: str | None
    subjects: list[str]
    groups: list[str]
    plans: list[str]
    protectionGroups: list[str]
    accounts: list[str]


class Identity(TypedDict):
    """A proven identity."""

    kind: IdentityKind
    subject: str
    issuer: str
    accountId: str
    sessionName: str
    uniqueId: str
    groups: list[str]
    provenBy: str
    provenAt: str
    expiresAt: str
    issuedAt: str | None


class JobLog(TypedDict):
    """The log of a DRS job; `status` is OK, or the code of why it is missing, as `message` says."""

    jobId: str
    accountId: str
    region: str
    waveNumber: int
    waveName: str
    status: str
    message: str | None
    entries: list[JobLogEntry]


class JobLogEntry(TypedDict):
    """A step of a job, as DRS logs it."""

    at: str | None
    event: str
    sourceServerId: str | None
    error: str | None


class JobReport(TypedDict):
    """A launch job in DRS."""

    jobId: str
    region: str
    accountId: str
    serverIds: list[str]
    startedAt: str
    endedAt: str | None


class NotificationsReport(TypedDict):
    """What became of the notifications: how many their channels took, and which were not sent."""

    sent: int
    failed: list[UnsentNotification]


class Placement(TypedDict):
    """Where and as what a server is launched, as its runbook has it; a retry may launch it otherwise."""

    accountId: str
    region: str
    subnetId: str | None
    instanceType: str | None


class PreparedReport(TypedDict):
    """The prepared instance that a server is launched into, as the preflight found it."""

    instanceId: str
    privateIp: str | None
    networkInterfaceId: str | None
    kept: bool | None
    differences: list[str]


class ProvenApproval(TypedDict):
    """An approval whose proof was verified. `by`: as AWS or the issuer names him; `digest`: of what he approved."""

    by: str
    provenBy: str
    proofAt: str
    digest: str
    comment: str


class QuotaUse(TypedDict):
    """Servers against a quota."""

    used: int
    limit: int
    available: int
    percentUsed: float
    level: CapacityLevel


class RecoveryReport(TypedDict):
    """A whole execution."""

    executionId: str
    planName: str
    mode: Literal["drill", "recovery", "failback"]
    status: ExecutionStatus
    startedAt: str
    endedAt: str | None
    achievedRtoSeconds: float | None
    achievedRpoSeconds: float | None
    waves: list[WaveReport]
    findings: list[RunbookFinding]
    notifications: NotificationsReport
    atGatesSeconds: float
    gatesOpenSince: str | None
    paused: ControlReport | None
    cancelled: ControlReport | None
    terminated: ControlReport | None
    simulatedTime: bool
    targets: list[TargetReport]


class RegionCapacityAnswer(TypedDict):
    """An account-region: how it answered, and its counts; null if they could not be read."""

    accountId: str
    region: str
    status: str
    message: str | None
    remedy: str | None
    level: CapacityLevel | None
    replicatingServers: QuotaUse | None
    sourceServers: QuotaUse | None
    extendedServers: int | None
    stagingAccounts: dict[str, int]
    replicationStates: dict[str, int]


class RegionState(TypedDict):
    """How an account-region answered: `OK`, or the code of the failure with its reason and remedy."""

    accountId: str
    region: str
    status: str
    message: str | None
    remedy: str | None


class RunbookFinding(TypedDict):
    """One result of the preflight, with what to do about it."""

    code: str
    severity: FindingSeverity
    message: str
    accountId: str | None
    region: str | None
    sourceServerId: str | None
    waivedBecause: str | None
    executionId: str | None


class RunningRequest(TypedDict):
    """The answer of a request that takes long: where to look for its own answer."""

    requestId: str
    operation: str
    status: Literal["RUNNING"]
    location: str


class ServerReport(TypedDict):
    """A server of a wave. `attempts`: jobs it took part in. `placement`: None in reports of former versions."""

    sourceServerId: str
    name: str
    launchStatus: str
    recoveryInstanceId: str | None
    attempts: int
    startedAt: str | None
    endedAt: str | None
    pointInTime: str | None
    rpoSeconds: float | None
    error: str | None
    placement: Placement | None
    terminatedAt: str | None
    prepared: PreparedReport | None
    lagAtStop: str | None


class SettingDifference(TypedDict):
    """A setting whose value in the account (`actual`) is not what the group says (`wanted`)."""

    part: str
    field: str
    actual: Any
    wanted: Any


class StagingView(TypedDict):
    """A staging account as it is saved."""

    accountId: str
    accountName: str | None
    roleArn: str | None
    roleName: str | None
    ownExternalId: bool


class StartedExecution(TypedDict):
    """An execution that was started. `execution_id` is the id of its flow run too."""

    executionId: str
    planName: str
    mode: str
    executionType: str
    status: ExecutionStatus
    initiatedBy: str
    deployment: str | None
    link: str | None
    report: RecoveryReport | None


class TargetReport(TypedDict):
    """An RTO or RPO target of the plan or of a wave; `prefect_drs.plan.targets` defines both."""

    kind: TargetKind
    waveNumber: int | None
    waveName: str | None
    targetSeconds: float
    outcome: TargetOutcome
    achievedSeconds: float | None
    lateSeconds: float | None
    reason: str
    atRiskSince: str | None
    expectedSeconds: float | None


class TemplateVersion(TypedDict):
    """The launch template's default version: what the account launches from, and since when."""

    templateId: str
    version: int
    createdAt: str | None
    createdBy: str | None


class UnsentNotification(TypedDict):
    """A notification of a milestone that a channel did not take, and why."""

    milestone: str
    waveNumber: int | None
    channel: str
    error: str
    at: str


class WaitReport(TypedDict):
    """What a wave waits for now beyond its order, such as a quota or a job of somebody else."""

    since: str
    cause: Literal["quota", "job", "settings", "other"]
    reason: str


class WaveReport(TypedDict):
    """A wave, with its jobs and servers. `delays`: what it waited for beyond its dependencies, and why."""

    waveNumber: int
    waveName: str
    status: WaveStatus
    reason: str
    startedAt: str | None
    endedAt: str | None
    dependsOnWaves: list[int]
    jobs: list[JobReport]
    servers: list[ServerReport]
    approval: ApprovalReport | None
    checks: list[CheckResult]
    delays: list[str]
    excluded: list[ExcludedServer]
    gateOpenedAt: str | None
    waits: list[WaitReport]
    approvals: list[ProvenApproval]
    attempts: list[ApprovalAttemptReport]
    action: str
