"""The operations of `prefect_drs.operations.manifests` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset

ChangeKind = Literal["added", "removed", "changed"]


Severity = Literal["error", "warning"]


class DefaultForecast(TypedDict):
    """The forecast of a plan by the defaults; seconds from its start."""

    rtoP50Seconds: float
    rtoP90Seconds: float
    criticalPath: list[str]
    boundedBy: str
    servers: int


class Difference(TypedDict):
    """All differences. Metadata (`exportedAt` and the like) is left out: it does not affect a recovery."""

    plans: list[PlanChange]
    groups: list[GroupChange]
    servers: list[ServerChange]
    settings: list[SettingsChange]
    names: dict[str, list[str]]


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


class ManifestCheck(TypedDict):
    """What a check found. `valid`: no fault refuses the manifest. `recovery_plans`: the names of its plans."""

    valid: bool
    errors: int
    warnings: int
    faults: list[Fault]
    recoveryPlans: list[str]


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


class Quorum(TypedDict):
    """A number of proven approvals by different identities."""

    quorum: int
    roles: list[Literal["DRSOrchestrationAdmin", "DRSRecoveryManager", "DRSPlanManager", "DRSOperator"]]
    notStarter: bool
    expiresAfter: str | None


class ServerChange(TypedDict):
    """Servers that joined, left or moved in the same way. None: no group."""

    servers: list[str]
    groupBefore: str | None
    groupAfter: str | None
    waves: list[WaveMove]


class SettingsChange(TypedDict):
    """Servers whose effective launch settings differ in the same way. `group`: their new group."""

    group: str
    servers: list[str]
    others: bool
    fields: list[FieldChange]


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


class ManifestsOperations(Caller):
    """Calls the operations."""

    def diff_plan(
        self,
        *,
        old: str | Mapping[str, Any] | None,
        new: str | Mapping[str, Any] | None,
        bindings: str | Mapping[str, Any] | Unset | None = UNSET,
        old_bindings: str | Mapping[str, Any] | Unset | None = UNSET,
    ) -> Difference:
        """Compare two manifests: waves, servers, launch settings, forecast."""
        return self.call("diff_plan", {"old": old, "new": new, "bindings": bindings, "oldBindings": old_bindings})

    def forecast_plan(
        self,
        *,
        manifest: str | Mapping[str, Any] | Unset | None = UNSET,
        bindings: str | Mapping[str, Any] | Unset | None = UNSET,
        strict: bool | Unset = UNSET,
        plan_id: str | Unset | None = UNSET,
        plan_name: str | Unset | None = UNSET,
        exclude: Mapping[str, str] | Unset = UNSET,
        offline: bool | Unset = UNSET,
        samples: int | Unset = UNSET,
        seed: int | Unset = UNSET,
        failback: bool | Unset = UNSET,
    ) -> dict[str, Any]:
        """Forecast how long a run of a plan would take: timeline, RTO, critical path."""
        return self.call(
            "forecast_plan",
            {
                "manifest": manifest,
                "bindings": bindings,
                "strict": strict,
                "planId": plan_id,
                "planName": plan_name,
                "exclude": exclude,
                "offline": offline,
                "samples": samples,
                "seed": seed,
                "failback": failback,
            },
        )

    def get_runbook(
        self,
        *,
        at: str | Unset = UNSET,
        snapshots: Mapping[str, str] | Unset = UNSET,
        waivers: Mapping[str, str] | Unset = UNSET,
        exclude: Mapping[str, str] | Unset = UNSET,
        manifest: str | Mapping[str, Any] | Unset | None = UNSET,
        bindings: str | Mapping[str, Any] | Unset | None = UNSET,
        strict: bool | Unset = UNSET,
        plan_id: str | Unset | None = UNSET,
        plan_name: str | Unset | None = UNSET,
        execution_type: Literal["DRILL", "RECOVERY"] | Unset = UNSET,
    ) -> dict[str, Any]:
        """Read the accounts and return exactly what a run would do; change nothing."""
        return self.call(
            "get_runbook",
            {
                "at": at,
                "snapshots": snapshots,
                "waivers": waivers,
                "exclude": exclude,
                "manifest": manifest,
                "bindings": bindings,
                "strict": strict,
                "planId": plan_id,
                "planName": plan_name,
                "executionType": execution_type,
            },
        )

    def show_plan(
        self,
        *,
        manifest: str | Mapping[str, Any] | Unset | None = UNSET,
        bindings: str | Mapping[str, Any] | Unset | None = UNSET,
        strict: bool | Unset = UNSET,
        plan_id: str | Unset | None = UNSET,
        plan_name: str | Unset | None = UNSET,
    ) -> PlanOverview:
        """Return a plan's waves in the order they run, what each waits for, and its gates."""
        return self.call(
            "show_plan",
            {"manifest": manifest, "bindings": bindings, "strict": strict, "planId": plan_id, "planName": plan_name},
        )

    def validate_manifest(
        self,
        *,
        manifest: str | Mapping[str, Any] | Unset | None = UNSET,
        bindings: str | Mapping[str, Any] | Unset | None = UNSET,
        strict: bool | Unset = UNSET,
    ) -> ManifestCheck:
        """Check a manifest, or the stored estate, and return all faults at once."""
        return self.call("validate_manifest", {"manifest": manifest, "bindings": bindings, "strict": strict})
