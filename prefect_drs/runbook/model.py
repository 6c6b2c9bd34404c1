"""The parts of a runbook: frozen data that serialises to JSON; a dry run prints it, an execution carries it out.

Nothing here reads an account or decides anything.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, JsonValue

from prefect_drs.aws.location import Location
from prefect_drs.aws.quotas import SERVERS_A_JOB
from prefect_drs.core.canonical import digest
from prefect_drs.core.errors import PreflightRefusedError
from prefect_drs.core.models import FrozenModel
from prefect_drs.plan.approval import Approval, Demand, demand_of
from prefect_drs.plan.checks import Check, Hook
from prefect_drs.plan.effective import EffectiveValue
from prefect_drs.plan.export import export_manifest
from prefect_drs.plan.failback_steps import WaveAction
from prefect_drs.plan.model import CleanUp, ExecutionMode, LaunchSettings, Manifest, RecoveryPlan, Retry
from prefect_drs.plan.notify import Notify


class FindingSeverity(enum.StrEnum):
    """ERROR stops an execution before it begins; WAIVED is an ERROR that a person let pass; INFO is shown."""

    ERROR = "ERROR"
    WAIVED = "WAIVED"
    INFO = "INFO"

    @classmethod
    def _missing_(cls, value: object) -> FindingSeverity | None:
        """The words of journals that release 0.1.0 wrote."""
        return {"REFUSES": cls.ERROR, "TOLD": cls.INFO}.get(str(value))


class RunbookFinding(FrozenModel):
    """One result of the preflight, with what to do about it.

    `execution_id`: another execution that it is about.
    """

    code: str
    severity: FindingSeverity
    message: str
    account_id: str | None = None
    region: str | None = None
    source_server_id: str | None = None
    waived_because: str | None = None
    execution_id: str | None = None


class PlannedChange(FrozenModel):
    """One launch setting that would change: in DRS's own configuration or in the EC2 launch template."""

    part: str
    field: str
    before: JsonValue
    after: JsonValue


class WayBack(FrozenModel):
    """How a server fails back.

    Args:
        recovery_instance_id: the recovery instance that replicates back.
        account_id, region: where that runs.
        drill: a drill launched it, so that its failback is a rehearsal.
        outside_aws: its machine runs outside AWS: AWS's Failback Client replicates back to it.
        reversed_server_id: the source server of its replication back, where the preflight found one.
    """

    recovery_instance_id: str
    account_id: str
    region: str
    drill: bool = False
    outside_aws: bool = False
    reversed_server_id: str | None = None

    @property
    def location(self) -> Location:
        """The account and region of the recovery instance."""
        return Location(self.account_id, self.region)


class PreparedIdentity(FrozenModel):
    """A prepared instance as the preflight found it: what a launch into it is to keep.

    `private_ip`, `network_interface_id`: of its primary network interface; None where EC2 has none.
    """

    instance_id: str
    private_ip: str | None = None
    network_interface_id: str | None = None


class RunbookServer(FrozenModel):
    """A source server of a wave, with the settings that a plan gives it and what they change.

    `effective`: all that it is launched with, the account's own settings included, each value with its origin.
    `snapshot_id` and `snapshot_at` say what it is launched from; without them DRS takes its latest state.
    `last_launch_job_id`: the job that launched it last, as the preflight read it (`lifeCycle.lastLaunch`). A later
    launch by a job that is not this execution's is somebody else's.
    `way_back`: of a failback only; `account_id` and `region` are then where its machine came from, and is launched.
    `prepared`: the instance that it is launched into; None where DRS launches a new one.
    """

    source_server_id: str
    name: str
    account_id: str
    region: str
    group: str
    replication_state: str
    lag: str | None
    recovery_instance_id: str | None
    settings: LaunchSettings
    changes: tuple[PlannedChange, ...]
    effective: dict[str, EffectiveValue] = Field(default_factory=dict)
    snapshot_id: str | None = None
    snapshot_at: datetime | None = None
    last_launch_job_id: str | None = None
    way_back: WayBack | None = None
    prepared: PreparedIdentity | None = None

    @property
    def location(self) -> Location:
        """Its account and region."""
        return Location(self.account_id, self.region)


class ExcludedServer(FrozenModel):
    """A server that a person left out of the execution, and why. `name`: as DRS has it, or as the manifest does."""

    source_server_id: str
    name: str
    group: str
    reason: str


class RunbookWave(FrozenModel):
    """A wave with its exact servers, and its checks: their `servers` are source server ids of this wave.

    `excluded`: servers of its groups that a person left out. `min_healthy`: how many of its servers must be up for it
    to count as COMPLETED; all where None. `max_lag`: how far the replication of its servers may lag behind (ISO 8601
    duration); None sets no limit. `rto_target`, `rpo_target`: its objectives, see `prefect_drs.plan.targets`.
    `approval`: what its gate demands, the plan's where the wave has none of its own. `action`: what it does with its
    servers; `clean_up`: how a wave that cleans up does that.

    A hook that calls a service knows its account and region; a health check without them is made where its server is.
    """

    wave_number: int
    wave_name: str
    depends_on_waves: tuple[int, ...]
    gate: bool
    approval: Approval = "any"
    servers: tuple[RunbookServer, ...]
    on_server_failure: Literal["fail", "continue"] = "fail"
    min_healthy: int | None = None
    max_lag: str | None = None
    rto_target: str | None = None
    rpo_target: str | None = None
    retry: Retry = Retry()
    excluded: tuple[ExcludedServer, ...] = ()
    health_checks: tuple[Check, ...] = ()
    pre_wave: tuple[Hook, ...] = ()
    post_wave: tuple[Hook, ...] = ()
    action: WaveAction = "launch"
    clean_up: CleanUp = "keep"

    @property
    def demand(self) -> Demand:
        """What its gate demands."""
        return demand_of(self.approval)

    @property
    def jobs(self) -> tuple[tuple[Location, int], ...]:
        """The sizes of the jobs this wave needs at least: at most 100 servers each, one account-region each."""
        if self.action != "launch":
            return ()
        counts: dict[Location, int] = defaultdict(int)
        for server in self.servers:
            counts[server.location] += 1
        return tuple(
            (location, min(SERVERS_A_JOB, count - done))
            for location, count in sorted(counts.items())
            for done in range(0, count, SERVERS_A_JOB)
        )


class PlanSource(FrozenModel):
    """The plan that a runbook was resolved from.

    Args:
        document: a manifest of the plan and its groups alone, names resolved, as JSON values of a file.
        plan_digest: the SHA-256 of the document's canonical JSON, as hex.
        bindings_digest: that of the bindings; None where there were none.
    """

    document: dict[str, JsonValue]
    plan_digest: str
    bindings_digest: str | None = None

    @classmethod
    def of(cls, manifest: Manifest, plan: RecoveryPlan) -> PlanSource:
        """The source of a plan in its manifest."""
        document = export_manifest(manifest.only(plan))
        return cls(document=document, plan_digest=digest(document), bindings_digest=manifest.bindings_digest)


class Runbook(FrozenModel):
    """What one execution of a plan would do. `resolved_at`: when the accounts were read (UTC); None of 0.1.0's.

    `source`: the plan itself; None in journals of former releases.
    `rto_target`, `rpo_target`: the plan's objectives, see `prefect_drs.plan.targets`.
    """

    plan_name: str
    mode: ExecutionMode
    waves: tuple[RunbookWave, ...]
    findings: tuple[RunbookFinding, ...]
    notify: Notify = Notify()
    resolved_at: datetime | None = None
    rto_target: str | None = None
    rpo_target: str | None = None
    source: PlanSource | None = None

    @property
    def refusals(self) -> tuple[RunbookFinding, ...]:
        """The findings that refuse the execution."""
        return tuple(f for f in self.findings if f.severity is FindingSeverity.ERROR)

    @property
    def locations(self) -> tuple[Location, ...]:
        """Every account-region that it touches, sorted."""
        return tuple(sorted({server.location for wave in self.waves for server in wave.servers}))

    @property
    def launches(self) -> tuple[RunbookWave, ...]:
        """The waves that launch; together they name each server once. The steps of a failback name them again."""
        return tuple(wave for wave in self.waves if wave.action == "launch")

    @property
    def server_count(self) -> int:
        """How many servers it launches."""
        return sum(len(wave.servers) for wave in self.launches)

    def wave(self, number: int) -> RunbookWave:
        """The wave of that number.

        Raises:
            KeyError: there is none.
        """
        for wave in self.waves:
            if wave.wave_number == number:
                return wave
        raise KeyError(number)

    def require_accepted(self) -> Runbook:
        """This runbook, where nothing refuses it.

        Raises:
            PreflightRefusedError: naming every finding that refuses.
        """
        if not self.refusals:
            return self
        lines = [f"{finding.code}: {finding.message}" for finding in self.refusals]
        raise PreflightRefusedError(
            "\n".join([f"preflight refused {self.plan_name}: {len(lines)} finding(s)", *lines]),
            findings=[finding.model_dump(mode="json", by_alias=True) for finding in self.refusals],
        )


def done_word(action: str) -> str:
    """The word for the finished servers of a wave: `LAUNCHED`; in a step of a failback, `done`."""
    return "LAUNCHED" if action == "launch" else "done"


def runbook_json(runbook: Runbook) -> dict[str, Any]:
    """The runbook as camelCase JSON values, unset settings left out; of its plan only the digests."""
    data = runbook.model_dump(mode="json", by_alias=True, exclude={"source": {"document"}})
    for wave in data["waves"]:
        for server in wave["servers"]:
            server["settings"] = {k: v for k, v in server["settings"].items() if v is not None}
        wave["jobs"] = [
            {"accountId": location.account_id, "region": location.region, "servers": size}
            for location, size in runbook.wave(wave["waveNumber"]).jobs
        ]
    return data
