"""What operations answer: JSON objects by their fields. Written by `python -m tests.client.generator`; do not edit it."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

Action = Literal["CREATE", "REPLACE", "UNCHANGED", "REFUSE"]


AuditOutcome = Literal["done", "admitted", "failed", "denied"]


CapacityLevel = Literal["OK", "INFO", "WARNING", "CRITICAL"]


Cause = Literal[
    "dependencies",
    "gate",
    "pause",
    "cancel",
    "no process",
    "hooks",
    "launch settings",
    "foreign job",
    "refused by DRS",
    "quota",
    "launch",
    "retry",
    "checks",
    "ended",
    "engine",
]


ChangeKind = Literal["added", "removed", "changed"]


CheckPhase = Literal["preWave", "healthChecks", "postWave"]


ExecutionStatus = Literal["PENDING", "IN_PROGRESS", "PAUSED", "COMPLETED", "FAILED", "CANCELLED", "PARTIAL"]


ExtensionState = Literal["EXTENDED", "PLANNED", "FAILED", "NOT_TRIED"]


FindingSeverity = Literal["ERROR", "WAIVED", "INFO"]


GroupState = Literal["IN_SYNC", "WRITTEN", "DRIFTED", "FAILED"]


IdentityKind = Literal["aws", "oidc"]


IncidentKind = Literal[
    "waiver",
    "exclusion",
    "server",
    "job",
    "delay",
    "check",
    "gate",
    "pause",
    "cancel",
    "process",
    "control request",
    "notification",
    "termination",
    "target",
]


Origin = Literal["account", "group", "server", "rule"]


Role = Literal["DRSOrchestrationAdmin", "DRSRecoveryManager", "DRSPlanManager", "DRSOperator", "DRSReadOnly"]


Severity = Literal["error", "warning"]


SyncState = Literal["IN_SYNC", "DRIFTED", "WRITTEN", "FAILED"]


TagSyncState = Literal["RUNNING", "DISABLED", "NOT_DEPLOYED", "NOT_SCHEDULED", "NEVER_RUN", "FAILED", "COMPLETED"]


TargetKind = Literal["RTO", "RPO"]


TargetOutcome = Literal["OPEN", "MET", "MISSED", "UNKNOWN"]


TerminationState = Literal["NOT_OVER", "NOTHING_LAUNCHED", "NOT_REQUESTED", "IN_PROGRESS", "PARTIAL", "TERMINATED"]


WaveStatus = Literal["PENDING", "INITIATED", "LAUNCHING", "COMPLETED", "FAILED", "SKIPPED", "CANCELLED"]


class AccountContext(TypedDict):
    """The account that the caller expects the plan to run in, and how it is entered."""

    accountId: NotRequired[str | None]
    isCurrentAccount: NotRequired[bool]
    assumeRoleName: NotRequired[str | None]
    externalId: NotRequired[str | None]


class AccountView(TypedDict):
    """A target account as it is saved. `block`: the name of its block; no regions: every region of DRS."""

    accountId: str
    accountName: str | None
    block: str
    regions: list[str]
    roleArn: str | None
    roleName: str | None
    hasExternalId: bool
    endpointUrl: str | None
    stagingAccounts: list[StagingView]


class AnsweredAnswer(TypedDict):
    """A gate that was answered."""

    decision: str
    by: str
    gate: GateView
    lost: str | None
    counted: bool | None
    ruling: str


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


class AuditAnswer(TypedDict):
    """Records, the newest first. `more`: there are older ones in that time."""

    records: list[AuditRecord]
    more: bool


class AuditChange(TypedDict):
    """What a call changed. `what`: the stored group, plan or policy. None: it was not, or is no longer, there."""

    what: str
    before: Any
    after: Any


class AuditRecord(TypedDict):
    """One call."""

    id: str
    at: str
    who: str
    identity: Identity | None
    operation: str
    permission: str
    outcome: AuditOutcome
    error: str
    reason: str
    origin: str
    named: dict[str, str]
    changes: list[AuditChange]


class Bindings(TypedDict):
    """The names of a manifest, each with its real id in one environment."""

    accounts: NotRequired[dict[str, str]]
    protectionGroups: NotRequired[dict[str, str]]
    sourceServers: NotRequired[dict[str, str]]
    subnets: NotRequired[dict[str, str]]
    securityGroups: NotRequired[dict[str, str]]
    instanceProfiles: NotRequired[dict[str, str]]
    instanceTypes: NotRequired[dict[str, str]]


class CapacityAnswer(TypedDict):
    """Several account-regions; those without servers and without errors are left out of `regions`."""

    level: CapacityLevel
    complete: bool
    sourceServers: int
    replicatingServers: int
    regions: list[RegionCapacityAnswer]


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


class CheckedAccount(TypedDict):
    """An account, and how DRS answered in each of its regions; `usable_regions` are those where it did."""

    account: AccountView
    usableRegions: list[str]
    regions: list[RegionState]


class CombinedAccount(TypedDict):
    """A target account with its staging accounts, region by region."""

    accountId: str
    stagingAccountIds: list[str]
    complete: bool
    level: CapacityLevel
    regions: list[CombinedRegion]


class CombinedCapacity(TypedDict):
    """Target accounts with their staging accounts."""

    accounts: list[CombinedAccount]


class CombinedRegion(TypedDict):
    """A region of a target account together with its staging accounts."""

    region: str
    replicatingServers: QuotaUse
    sourceServers: QuotaUse
    accounts: list[RegionCapacityAnswer]


class Conflict(TypedDict):
    """A quota that is used by 80 % or more: INFO, WARNING from 90 %, CRITICAL from 100 %."""

    severity: CapacityLevel
    accountId: str
    region: str
    quota: str
    used: int
    limit: int
    percentUsed: float
    message: str


class Conflicts(TypedDict):
    """The conflicts, the highest level first, and the locations that could not be checked."""

    conflicts: list[Conflict]
    unchecked: list[RegionState]


class ControlAnswer(TypedDict):
    """What became of a control request."""

    executionId: str
    outcome: str
    message: str
    report: RecoveryReport | None


class ControlReport(TypedDict):
    """Who paused, cancelled or terminated, when and why. `by` is as claimed."""

    by: str
    at: str
    reason: str


class CurrentAccount(TypedDict):
    """The account of the caller's own credentials."""

    accountId: str


class DefaultForecast(TypedDict):
    """The forecast of a plan by the defaults; seconds from its start."""

    rtoP50Seconds: float
    rtoP90Seconds: float
    criticalPath: list[str]
    boundedBy: str
    servers: int


class DeletedAccount(TypedDict):
    """The deleted account."""

    accountId: str
    block: str


class DeletedAnswer(TypedDict):
    """What was deleted."""

    id: str
    name: str
    deleted: bool


class DeletedExecution(TypedDict):
    """What was deleted of an execution."""

    executionId: str
    flowRuns: int
    artifacts: int
    journalObjects: int | None


class DeletedExecutions(TypedDict):
    """What was deleted, and what was kept although it has ended."""

    deleted: list[DeletedExecution]
    kept: list[KeptExecution]
    deletedCount: int
    more: bool
    nextToken: str | None


class Difference(TypedDict):
    """All differences. Metadata (`exportedAt` and the like) is left out: it does not affect a recovery."""

    plans: list[PlanChange]
    groups: list[GroupChange]
    servers: list[ServerChange]
    settings: list[SettingsChange]
    names: dict[str, list[str]]


class Discovered(TypedDict):
    """What was discovered, account by account."""

    accounts: list[DiscoveredAccount]


class DiscoveredAccount(TypedDict):
    """What DRS knows of a target account's staging accounts; `unchecked`: regions that could not be asked."""

    targetAccountId: str
    stagingAccounts: list[DiscoveredStaging]
    unchecked: list[RegionState]


class DiscoveredStaging(TypedDict):
    """A staging account that servers are extended from: in which regions, and whether it is saved."""

    accountId: str
    regions: list[str]
    saved: bool


class EffectiveValue(TypedDict):
    """A setting's value and its origin; None where a rule removes the account's value."""

    value: Any
    origin: Origin


class EvidenceAnswer(TypedDict):
    """The evidence of an execution as one ZIP file."""

    executionId: str
    fileName: str
    mediaType: str
    size: int
    sha256: str
    closed: bool
    signed: bool
    missingLogs: list[JobLog]
    document: str


class EvidenceFault(TypedDict):
    """Something that does not hold."""

    code: str
    member: str
    record: int | None
    field: str | None
    message: str


class ExcludedServer(TypedDict):
    """A server that a person left out of the execution, and why. `name`: as DRS has it, or as the manifest does."""

    sourceServerId: str
    name: str
    group: str
    reason: str


class ExecutionAnswer(TypedDict):
    """The report of an execution, the process that carries it, and what it waits for."""

    executionId: str
    planName: str
    mode: Literal["drill", "recovery"]
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
    executionType: str
    initiatedBy: str | None
    process: ProcessReport
    waitingFor: list[Waiting]
    link: str | None
    message: str | None


class ExecutionsAnswer(TypedDict):
    """Executions in the order of the request."""

    executions: list[ListedExecution]
    more: bool
    nextToken: str | None


class ExistingInstancesAnswer(TypedDict):
    """The recovery instances that the servers of a plan have now."""

    planName: str
    hasExistingInstances: bool
    existingInstances: list[InstanceView]
    servers: int
    complete: bool
    regions: list[RegionState]


class ExplainAnswer(TypedDict):
    """Why an execution took as long as it did: in sentences, and the timeline of all waits."""

    executionId: str
    explanation: Explanation
    timeline: Timeline | None
    waveTimeline: WaveTimeline | None


class Explanation(TypedDict):
    """The whole answer. `others`: one sentence for each wave that did not decide when the execution ended."""

    summary: list[str]
    paragraphs: list[Paragraph]
    others: list[str]


class Extended(TypedDict):
    """The result for all servers; `unchecked`: account-regions whose servers could not be read."""

    targetAccountId: str
    dryRun: bool
    counts: dict[str, int]
    servers: list[ExtensionAnswer]
    unchecked: list[ExtensionPlace]


class ExtensionAnswer(TypedDict):
    """What became of one server of a staging account."""

    stagingAccountId: str
    region: str
    arn: str
    hostname: str
    state: ExtensionState
    sourceServerId: str | None
    error: str | None
    message: str | None


class ExtensionPlace(TypedDict):
    """A region of a target account as it answered for a staging account."""

    accountId: str
    region: str
    status: str
    message: str | None
    remedy: str | None
    stagingAccountId: str


class Fault(TypedDict):
    """One error or warning in the input, with its position and remedy."""

    path: str
    line: int
    code: str
    message: str
    severity: Severity


class FieldChange(TypedDict):
    """A field by its name in the file; None where it is not given."""

    field: str
    before: Any
    after: Any


class GateStanding(TypedDict):
    """A gate that demands proofs."""

    demands: str
    digest: str
    approvals: list[GivenApproval]
    lacks: str
    attempts: int
    lastAttempt: str


class GateTimeline(TypedDict):
    """A gate that was opened. `answered_at` and `decision` are None while it waits; `until`: its deadline."""

    waveNumber: int
    askedAt: str
    until: str | None
    answeredAt: str | None
    decision: str | None
    by: str
    comment: str


class GateView(TypedDict):
    """A gate that waits for an answer, or waited for one."""

    executionId: str
    planName: str
    mode: str
    waveNumber: int
    waveName: str
    since: str | None
    until: str | None
    link: str | None
    standing: GateStanding | None


class GatesAnswer(TypedDict):
    """The gates that wait for an answer, by execution and wave."""

    gates: list[GateView]


class GetDrsSourceServersPage(TypedDict):
    """The source servers of an account and region. `states`: how many are in each state of replication."""

    accountId: str
    region: str
    servers: list[SourceServerView]
    totalCount: int
    states: dict[str, int]
    nextToken: str | None


class GetRecoveryInstancesPage(TypedDict):
    """The recovery instances that an execution launched, and how its account-regions answered."""

    executionId: str
    recoveryInstances: list[InstanceView]
    count: int
    regions: list[RegionState]
    totalCount: int
    nextToken: str | None


class GetTargetAccountsPage(TypedDict):
    """The saved target accounts, by id."""

    accounts: list[AccountView]
    totalCount: int
    nextToken: str | None


class GivenApproval(TypedDict):
    """An approval that counts. `proof_at`: when its proof was made; `until`: when it expires; None: never."""

    by: str
    proofAt: str
    until: str | None


class GrantInput(TypedDict):
    """A role for some identities, narrowed or not."""

    role: Role
    arns: NotRequired[list[str]]
    issuer: NotRequired[str | None]
    subjects: NotRequired[list[str]]
    groups: NotRequired[list[str]]
    plans: NotRequired[list[str]]
    protectionGroups: NotRequired[list[str]]
    accounts: NotRequired[list[str]]


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


class GroupAnswer(TypedDict):
    """A stored group. `source_server_ids`: its current servers; null, with the reason, if they could not be read."""

    groupId: str
    name: str
    description: str | None
    region: str
    accountId: str | None
    serverSelectionMode: Literal["explicit", "tags"]
    serverSelectionTags: dict[str, str]
    sourceServerIds: list[str] | None
    serverCount: int | None
    resolutionError: str | None
    launchConfiguration: dict[str, Any]
    servers: list[dict[str, Any]]
    recoveryPlans: list[str]
    version: int
    createdAt: str
    updatedAt: str
    updatedBy: str
    warnings: list[dict[str, Any]]
    historyError: str | None


class GroupChange(TypedDict):
    """A group that differs in anything but its servers and their settings. `former_name`: its old name."""

    kind: ChangeKind
    name: str
    formerName: str | None
    fields: list[FieldChange]


class GroupOverview(TypedDict):
    """A group of a wave. `resolved`: whether the manifest has it. `server_names`: in the order of the ids."""

    groupName: str
    resolved: bool
    region: str | None
    accountId: str | None
    sourceServerIds: list[str]
    serverNames: list[str]
    serverSelectionTags: dict[str, str]


class GroupSync(TypedDict):
    """One group. `error`: why none of it could be looked at or written; `history_error`: as in other answers."""

    groupId: str
    groupName: str
    status: GroupState
    counts: dict[str, int]
    servers: list[ServerSync]
    error: str | None
    message: str | None
    historyError: str | None


class HistoryAnswer(TypedDict):
    """A server's history, the newest first."""

    groupId: str
    serverId: str
    history: list[HistoryEntry]


class HistoryEntry(TypedDict):
    """What was done to a server: by whom, as claimed, in which operation or execution, from what to what."""

    timestamp: str
    user: str
    action: str
    source: str
    changes: list[dict[str, Any]]


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


class ImportAnswer(TypedDict):
    """What an import did, or, in a dry run, would do."""

    dryRun: bool
    valid: bool
    protectionGroups: list[ImportedItem]
    recoveryPlans: list[ImportedItem]
    faults: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    historyError: str | None


class ImportedItem(TypedDict):
    """A group or plan of an import. `id` and `version`: what it has afterwards; null where it is not known yet."""

    name: str
    action: Action
    id: str | None
    version: int | None


class Incident(TypedDict):
    """Something that did not go as planned, and what was done about it (empty if nothing was)."""

    kind: IncidentKind
    at: str
    waveNumber: int | None
    what: str
    action: str


class InstanceProfiles(TypedDict):
    """Instance profiles."""

    instanceProfiles: list[OfferedInstanceProfile]


class InstanceSyncAnswer(TypedDict):
    """The recovery instances of the last inventory, and its age."""

    takenAt: str
    ageSeconds: float
    complete: bool
    failures: list[str]
    recoveryInstances: list[InventoryRecoveryInstance]
    count: int
    drillInstances: int


class InstanceTypes(TypedDict):
    """Instance types."""

    instanceTypes: list[OfferedInstanceType]


class InstanceView(TypedDict):
    """A recovery instance. `recovery_instance_id` is the id of the EC2 instance too."""

    recoveryInstanceId: str
    sourceServerId: str
    name: str
    accountId: str
    region: str
    waveNumber: int | None
    jobId: str | None
    state: str
    isDrill: bool | None
    failbackState: str | None
    pointInTime: str | None
    launchedBy: str | None


class InventoryAnswer(TypedDict):
    """An inventory, or the requested part of it."""

    takenAt: str
    ageSeconds: float
    complete: bool
    failures: list[str]
    servers: list[InventoryServer]
    recoveryInstances: list[InventoryRecoveryInstance]
    capacity: list[InventoryCapacity]
    totals: InventoryTotals


class InventoryCapacity(TypedDict):
    """The usage of all DRS quotas of one account and region."""

    accountId: str
    region: str
    quotas: list[InventoryQuota]


class InventoryQuota(TypedDict):
    """The usage of a quota of an account and region; `level` rates it."""

    name: str
    used: int
    limit: int
    available: int
    percent: float
    level: CapacityLevel


class InventoryRecoveryInstance(TypedDict):
    """An instance that a drill or a recovery launched."""

    accountId: str
    region: str
    recoveryInstanceId: str
    sourceServerId: str
    jobId: str | None
    state: str
    isDrill: bool


class InventoryServer(TypedDict):
    """A source server. `lag` is its replication lag (RPO) at that time; None if DRS did not report one."""

    accountId: str
    region: str
    sourceServerId: str
    name: str
    hostname: str
    instanceId: str | None
    originAccountId: str | None
    originRegion: str | None
    stagingAccountId: str | None
    replicationState: str
    lag: str | None
    recoveryInstanceId: str | None
    os: str
    diskBytes: int
    tags: dict[str, str]


class InventoryTotals(TypedDict):
    """Totals of all accounts and regions; `replicating_limit` and `source_limit` are the sums of their quotas."""

    accounts: int
    regions: int
    sourceServers: int
    sourceLimit: int
    replicatingServers: int
    replicatingLimit: int
    recoveryInstances: int
    drillInstances: int
    states: dict[str, int]
    worstLevel: CapacityLevel


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


class JobLogsAnswer(TypedDict):
    """The logs of an execution's DRS jobs, in the order of its waves."""

    executionId: str
    jobs: list[JobLog]


class JobReport(TypedDict):
    """A launch job in DRS."""

    jobId: str
    region: str
    accountId: str
    serverIds: list[str]
    startedAt: str
    endedAt: str | None


class KeptExecution(TypedDict):
    """An execution that was not deleted, and why."""

    executionId: str
    reason: str


class Line(TypedDict):
    """A wait as a sentence."""

    at: str
    took: str
    cause: Cause
    text: str


class ListProtectionGroupsPage(TypedDict):
    """All stored groups, by name."""

    protectionGroups: list[GroupAnswer]
    totalCount: int
    nextToken: str | None


class ListRecoveryPlansPage(TypedDict):
    """All stored plans, by name."""

    recoveryPlans: list[PlanAnswer]
    totalCount: int
    nextToken: str | None


class ListedExecution(TypedDict):
    """An execution in a list. `execution_type`: DRILL or RECOVERY."""

    executionId: str
    planName: str
    mode: Literal["drill", "recovery"]
    status: ExecutionStatus
    startedAt: str
    endedAt: str | None
    servers: int
    launched: int
    seenAt: str | None
    executionType: str


class ManifestCheck(TypedDict):
    """What a check found. `valid`: no fault refuses the manifest. `recovery_plans`: the names of its plans."""

    valid: bool
    errors: int
    warnings: int
    faults: list[Fault]
    recoveryPlans: list[str]


class MatchingServer(TypedDict):
    """A server that a selection holds. `protection_groups`: the stored groups that hold it already."""

    sourceServerId: str
    name: str
    hostname: str
    replicationState: str
    tags: dict[str, str]
    protectionGroups: list[str]


class NotificationsReport(TypedDict):
    """What became of the notifications: how many their channels took, and which were not sent."""

    sent: int
    failed: list[UnsentNotification]


class OfferedInstanceProfile(TypedDict):
    """An instance profile, and the names of its roles."""

    name: str
    arn: str
    roles: list[str]


class OfferedInstanceType(TypedDict):
    """An instance type, and the zones that offer it. `memory_mib`: MiB."""

    instanceType: str
    zones: list[str]
    vcpus: int
    memoryMib: int
    architectures: list[str]
    currentGeneration: bool


class OfferedSecurityGroup(TypedDict):
    """A security group."""

    groupId: str
    name: str
    description: str
    vpcId: str


class OfferedSubnet(TypedDict):
    """A subnet. `available_addresses`: IPv4 addresses that nobody holds now."""

    subnetId: str
    name: str
    vpcId: str
    cidr: str
    zone: str
    availableAddresses: int


class OidcIssuerInput(TypedDict):
    """An OIDC issuer whose tokens count."""

    issuer: str
    audience: NotRequired[str | None]
    algorithms: NotRequired[
        list[
            Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
        ]
    ]
    groupsClaim: NotRequired[str]


class OidcIssuerOutput(TypedDict):
    """An OIDC issuer whose tokens count."""

    issuer: str
    audience: str | None
    algorithms: list[
        Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
    ]
    groupsClaim: str


class Paragraph(TypedDict):
    """A wave or a server: its title, its waits, and sentences about servers that differ."""

    title: str
    lines: list[Line]
    notes: list[str]


class PermissionsAnswer(TypedDict):
    """The caller and its permissions."""

    user: str
    identity: Identity | None
    roles: list[str]
    permissions: list[str]
    narrowed: list[GrantOutput]
    policy: str | None
    note: str


class Placement(TypedDict):
    """Where and as what a server is launched, as its runbook has it; a retry may launch it otherwise."""

    accountId: str
    region: str
    subnetId: str | None
    instanceType: str | None


class PlanAnswer(TypedDict):
    """A stored plan. `waves` are in the manifest's form, with their groups' ids and names."""

    planId: str
    name: str
    description: str | None
    waves: list[dict[str, Any]]
    definition: dict[str, Any]
    version: int
    createdAt: str
    updatedAt: str
    updatedBy: str
    warnings: list[dict[str, Any]]


class PlanChange(TypedDict):
    """A plan that differs, or whose servers do."""

    kind: ChangeKind
    name: str
    waves: list[WaveChange]
    order: list[Any] | None
    fields: list[FieldChange]
    forecastBefore: DefaultForecast | None
    forecastAfter: DefaultForecast | None
    unknownGroups: list[str]
    unresolved: list[str]


class PlanOverview(TypedDict):
    """A plan. `order`: wave numbers in the order they run; `generations`: the same in groups that run together."""

    planName: str
    description: str | None
    order: list[int]
    generations: list[list[int]]
    waves: list[WaveOverview]


class PolicyAnswer(TypedDict):
    """The access policy in force. `version` 0 and no policy: there is none, and everybody may do everything."""

    version: int
    policy: PolicyDocumentOutput | None
    changedAt: str | None
    changedBy: str | None
    reason: str


class PolicyDocumentInput(TypedDict):
    """The content of an access policy."""

    grants: NotRequired[list[GrantInput]]
    issuers: NotRequired[list[OidcIssuerInput]]


class PolicyDocumentOutput(TypedDict):
    """The content of an access policy."""

    grants: list[GrantOutput]
    issuers: list[OidcIssuerOutput]


class PolicyVersionsAnswer(TypedDict):
    """All versions of the access policy, the newest first."""

    versions: list[PolicyAnswer]


class ProcessReport(TypedDict):
    """The process that carries the execution."""

    alive: bool
    lastSeenAt: str | None


class ProvenApproval(TypedDict):
    """An approval whose proof was verified. `by`: as AWS or the issuer names him; `digest`: of what he approved."""

    by: str
    provenBy: str
    proofAt: str
    digest: str
    comment: str


class Quorum(TypedDict):
    """A number of proven approvals by different identities."""

    quorum: int
    roles: list[Literal["DRSOrchestrationAdmin", "DRSRecoveryManager", "DRSPlanManager", "DRSOperator"]]
    notStarter: bool
    expiresAfter: str | None


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
    mode: Literal["drill", "recovery"]
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


class ReportAnswer(TypedDict):
    """A report as a document: its text, and its media type."""

    executionId: str
    format: str
    mediaType: str
    document: str


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


class SavedStagingAccounts(TypedDict):
    """The staging accounts that are saved for a target account."""

    targetAccountId: str
    stagingAccounts: list[StagingView]


class SecurityGroups(TypedDict):
    """Security groups."""

    securityGroups: list[OfferedSecurityGroup]


class SelectionAnswer(TypedDict):
    """Who a selection holds now."""

    region: str
    accountId: str
    serverSelectionTags: dict[str, str]
    servers: list[MatchingServer]
    serverCount: int


class ServerChange(TypedDict):
    """Servers that joined, left or moved in the same way. None: no group."""

    servers: list[str]
    groupBefore: str | None
    groupAfter: str | None
    waves: list[WaveMove]


class ServerConfig(TypedDict):
    """A server's launch settings."""

    groupId: str
    groupName: str
    version: int
    serverId: str
    name: str
    accountId: str
    region: str
    effective: dict[str, EffectiveValue]
    own: dict[str, Any] | None
    inSync: bool
    differences: list[SettingDifference]
    template: TemplateVersion | None
    historyError: str | None


class ServerConfigs(TypedDict):
    """Servers' launch settings, after a change."""

    servers: list[ServerConfig]
    version: int
    historyError: str | None


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


class ServerSettingsFields(TypedDict):
    """Settings of one server: given values replace those it has, null removes a value."""

    serverId: str
    useGroupDefaults: NotRequired[bool | None]
    launchTemplate: NotRequired[dict[str, Any] | None]


class ServerSync(TypedDict):
    """One server: what differs, or was written; `template`: the version that its account launches from."""

    serverId: str
    name: str
    status: SyncState
    changes: list[SettingDifference]
    template: TemplateVersion | None
    error: str | None
    message: str | None


class ServerTimeline(TypedDict):
    """A server from its wave's beginning to its last status. `waits` is empty if its wave has not begun."""

    sourceServerId: str
    name: str
    launchStatus: str
    waits: list[Wait]


class SettingDifference(TypedDict):
    """A setting whose value in the account (`actual`) is not what the group says (`wanted`)."""

    part: str
    field: str
    actual: Any
    wanted: Any


class SettingsChange(TypedDict):
    """Servers whose effective launch settings differ in the same way. `group`: their new group."""

    group: str
    servers: list[str]
    others: bool
    fields: list[FieldChange]


class SourceServerView(TypedDict):
    """A source server. `lag`: how far its replication lags behind, as an ISO 8601 duration."""

    sourceServerId: str
    arn: str
    name: str
    hostname: str
    instanceId: str | None
    tags: dict[str, str]
    replicationState: str
    ready: bool
    lag: str | None
    recoveryInstanceId: str | None
    lastLaunchJobId: str | None
    lastLaunchAt: str | None
    lastLaunchStatus: str | None
    lastLaunchType: str | None
    stagingAccountId: str | None
    originAccountId: str | None
    originRegion: str | None
    os: str
    diskBytes: int
    protectionGroups: list[str]


class StagingRegion(TypedDict):
    """A region of a staging account: what it says itself, and whether the target account may extend from it."""

    region: str
    usable: bool
    staging: RegionCapacityAnswer
    trust: RegionState
    extensibleServers: int | None


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


class Subnets(TypedDict):
    """Subnets."""

    subnets: list[OfferedSubnet]


class SyncAnswer(TypedDict):
    """Several groups."""

    dryRun: bool
    status: GroupState
    groups: list[GroupSync]


class SyncedAccount(TypedDict):
    """What became of a target account's list: added to it, and on it though no server is extended from there."""

    targetAccountId: str
    added: list[str]
    withoutExtendedServers: list[str]
    unchecked: list[RegionState]


class SyncedStaging(TypedDict):
    """What became of the lists, account by account."""

    accounts: list[SyncedAccount]


class TagFilters(TypedDict):
    """Patterns of tag keys to copy, and of those not to copy; None leaves them unchanged."""

    include: NotRequired[list[str] | None]
    exclude: NotRequired[list[str] | None]


class TagSyncStatus(TypedDict):
    """The answer of `get_tag_sync_status`; counts and errors are those of the last complete synchronisation."""

    enabled: bool
    status: TagSyncState
    lastSyncTime: str | None
    serversProcessed: int
    tagsSynchronized: int
    errors: list[str]
    nextScheduledSync: str | None
    note: str


class TagSyncTrigger(TypedDict):
    """The result of a request for a run: the flow run, and whether this request created it."""

    flowRunId: str | None
    started: bool
    note: str


class TagSyncUpdate(TypedDict):
    """The settings after a change, and the run for it; None if nothing changed or tag sync is not enabled."""

    settings: dict[str, Any]
    changed: bool
    nextScheduledSync: str | None
    run: TagSyncTrigger | None


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


class TerminatedInstance(TypedDict):
    """An instance of the execution. `job_id`: the TERMINATE job that it was in, where the journal is here."""

    recoveryInstanceId: str
    sourceServerId: str
    name: str
    accountId: str
    region: str
    state: Literal["STANDING", "FAILING_BACK", "GONE"]
    jobId: str | None


class TerminationStatus(TypedDict):
    """What became of the termination of an execution's instances. `requested_by` is as claimed."""

    executionId: str
    status: TerminationState
    note: str
    requestedBy: str | None
    requestedAt: str | None
    instances: list[TerminatedInstance]


class Timeline(TypedDict):
    """An execution."""

    executionId: str
    planName: str
    mode: str
    status: ExecutionStatus
    startedAt: str
    until: str
    over: bool
    waves: list[WaveTimeline]
    deciding: list[int]
    simulatedTime: bool
    interruptions: list[Wait]
    incidents: list[Incident]


class TriedAddress(TypedDict):
    """Whether the server could have the address, and all faults."""

    valid: bool
    faults: list[dict[str, Any]]


class UnsentNotification(TypedDict):
    """A notification of a milestone that a channel did not take, and why."""

    milestone: str
    waveNumber: int | None
    channel: str
    error: str
    at: str


class ValidatedStaging(TypedDict):
    """A staging account, region by region; `valid` where it can be used in at least one."""

    targetAccountId: str
    stagingAccountId: str
    valid: bool
    usableRegions: list[str]
    regions: list[StagingRegion]


class Verification(TypedDict):
    """What was verified, and with what result."""

    executionId: str
    intact: bool
    faults: list[EvidenceFault]
    notes: list[str]
    records: int
    anchors: int
    anchoredRecords: int
    closed: bool
    keys: list[str]


class Wait(TypedDict):
    """A stretch of time with one cause."""

    cause: Cause
    start: str
    end: str
    text: str


class WaitReport(TypedDict):
    """What a wave waits for now beyond its order, such as a quota or a job of somebody else."""

    since: str
    cause: Literal["quota", "job", "settings", "other"]
    reason: str


class Waiting(TypedDict):
    """One thing that an execution waits for."""

    kind: Literal["approval", "pause", "process"] | Literal["quota", "job", "settings", "other"]
    what: str
    waveNumber: int | None
    since: str | None
    until: str | None
    command: str
    link: str | None


class WaveChange(TypedDict):
    """A wave that differs. Waves are the same by their name, or else by their number."""

    kind: ChangeKind
    before: str | None
    after: str | None
    gate: bool | None
    waitsFor: list[str]
    waitsNoLongerFor: list[str]
    groups: list[str]
    groupsNoLonger: list[str]
    fields: list[FieldChange]


class WaveMove(TypedDict):
    """The wave of a plan that launched servers before, and the one that does now; None: no wave."""

    plan: str
    before: str | None
    after: str | None


class WaveOverview(TypedDict):
    """A wave. `generation`: waves of one generation do not wait for each other. `approval`: what its gate demands."""

    waveNumber: int
    waveName: str
    generation: int
    pauseBeforeWave: bool
    approval: Literal["any", "signed"] | Quorum
    dependsOnWaves: list[int]
    protectionGroups: list[GroupOverview]


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


class WaveTimeline(TypedDict):
    """A wave."""

    waveNumber: int
    waveName: str
    status: WaveStatus
    dependsOnWaves: list[int]
    waits: list[Wait]
    servers: list[ServerTimeline]
    decidedBy: str | None
    gates: list[GateTimeline]
