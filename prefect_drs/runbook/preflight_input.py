"""The input of the preflight's rules, as plain data: read once, before any rule runs.

In: what resolving found and what `preflight` read. Out: the same, in a form that rules can walk over. Nothing here
makes a call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from prefect_drs.aws.drs import Job, SourceServer
from prefect_drs.aws.encryption import Encryption
from prefect_drs.aws.iam import Principal
from prefect_drs.aws.instances import PresentInstance
from prefect_drs.aws.location import Location
from prefect_drs.aws.networks import AccountFacts
from prefect_drs.core.errors import AwsError
from prefect_drs.plan.model import LaunchSettings, ProtectionGroup, RecoveryMode
from prefect_drs.plan.targets import Target
from prefect_drs.runbook.journal_place import JournalPlace
from prefect_drs.runbook.launch_settings import sized_by_drs
from prefect_drs.runbook.model import ExcludedServer, RunbookServer, RunbookWave
from prefect_drs.runbook.prepared_checks import PreparedLaunch


@dataclass(frozen=True, slots=True)
class PendingLaunch:
    """A server that another execution has still to launch.

    Args:
        source_server_id: the server.
        location: its account and region.
        subnet_id: as planned; None is the default VPC's.
        instance_type: as planned; empty where DRS chooses it.
    """

    source_server_id: str
    location: Location
    subnet_id: str | None = None
    instance_type: str = ""


@dataclass(frozen=True, slots=True)
class OtherExecution:
    """Another execution that has not ended.

    Args:
        execution_id: its id.
        plan_name: its plan.
        source_server_ids: the servers it has claimed.
        pending: the servers it has still to launch.
    """

    execution_id: str
    plan_name: str
    source_server_ids: frozenset[str]
    pending: tuple[PendingLaunch, ...] = ()


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An excluded server, and all of its names."""

    server: ExcludedServer
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Membership:
    """A protection group with the servers that belong to it now, without the excluded ones.

    `read`: whether its account and region could be read.
    """

    group: ProtectionGroup
    location: Location
    servers: tuple[SourceServer, ...]
    read: bool = True
    excluded: tuple[Exclusion, ...] = ()


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that could not be read."""

    location: Location
    message: str
    source_server_id: str | None = None


@dataclass(frozen=True, slots=True)
class ResolutionError:
    """Why a check, hook, snapshot or exclusion of the plan is impossible, found while the plan was resolved."""

    code: str
    message: str
    location: Location | None = None
    source_server_id: str | None = None


@dataclass(frozen=True, slots=True)
class LaunchPreview:
    """How a server would be launched now.

    Args:
        server: as the runbook has it.
        wave: its wave.
        settings: all that it is launched with, the account's own settings included.
        template_id: its launch template; empty where DRS names none.
        template_exists: whether that exists.
        unwritable: why the plan's settings cannot be written into the template.
        into_instance: it is launched into an existing instance, which has its own network.
        source: the server as DRS reports it.
        boot_mode: of the recovery instance that was last launched from it; None where it has none.
        replaces: the recovery instance that the launch terminates first.
        addresses: how many addresses it takes, by subnet; None is the default VPC's.
        on_dedicated_host: it runs on a Dedicated Host, which no vCPU quota counts.
    """

    server: RunbookServer
    wave: RunbookWave
    settings: LaunchSettings
    template_id: str
    template_exists: bool
    unwritable: str | None = None
    into_instance: bool = False
    source: SourceServer | None = None
    boot_mode: str | None = None
    replaces: str | None = None
    addresses: tuple[tuple[str | None, int], ...] = ()
    on_dedicated_host: bool = False

    @property
    def launched_type(self) -> str:
        """The instance type it is launched as: the settings', or DRS's recommendation where DRS sizes it."""
        if self.settings.instance_type and not sized_by_drs(self.settings):
            return self.settings.instance_type
        return self.source.recommended_instance_type if self.source else ""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """The instances of an account and region now, and EC2's quotas there.

    Args:
        instances: those that have addresses, by id.
        quotas: vCPUs of running On-Demand instances, by quota code; only the quotas that the plan needs.
        failures: what could not be read.
    """

    instances: Mapping[str, PresentInstance] = field(default_factory=dict)
    quotas: Mapping[str, float] = field(default_factory=dict)
    failures: tuple[AwsError, ...] = ()


@dataclass(frozen=True, slots=True)
class PermissionCheck:
    """What IAM says of the principal that works in an account.

    Args:
        location: the account, and the region it was entered in.
        principal: None where it could not be read.
        denied: the needed actions that its policies do not allow.
        failure: why IAM could not be read.
    """

    location: Location
    principal: Principal | None
    denied: tuple[str, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class PreflightInput:
    """What the rules look at.

    Args:
        mode: drill or recovery.
        now: when the accounts were read.
        waves: as resolved, servers included.
        memberships: every group of the manifest whose account and region was read, the plan's own among them.
        planned: the names of the plan's groups.
        servers: every source server by account and region.
        jobs: everybody's jobs by account and region.
        previews: how the servers would be launched, where their launch states could be read.
        facts: networks, instance types and profiles of the accounts that the settings name.
        occupancies: the instances of the accounts and regions that the plan launches in.
        encryptions: the keys that volumes are encrypted with there.
        snapshots: whether a server has a snapshot, for servers that may have none.
        snapshots_unread: by account and region, how many more such servers were not read.
        permissions: one check an account.
        others: executions that have not ended.
        unread: what could not be read.
        rpo_targets: of the plan and of its waves.
        resolution_errors: what was found while the plan was resolved.
        prepared: the launches into prepared instances, each with its preview.
        drills_into_prepared: whether the plan lets a drill launch into prepared instances.
        journals: where the journal of the execution would be, its mirror among them; empty where that was not asked.
    """

    mode: RecoveryMode
    now: datetime
    waves: Sequence[RunbookWave] = ()
    memberships: Sequence[Membership] = ()
    planned: frozenset[str] = frozenset()
    servers: Mapping[Location, Sequence[SourceServer]] = field(default_factory=dict)
    jobs: Mapping[Location, Sequence[Job]] = field(default_factory=dict)
    previews: Sequence[LaunchPreview] = ()
    facts: Mapping[Location, AccountFacts] = field(default_factory=dict)
    occupancies: Mapping[Location, Occupancy] = field(default_factory=dict)
    encryptions: Mapping[Location, Encryption] = field(default_factory=dict)
    snapshots: Mapping[str, bool] = field(default_factory=dict)
    snapshots_unread: Mapping[Location, int] = field(default_factory=dict)
    permissions: Sequence[PermissionCheck] = ()
    others: Sequence[OtherExecution] = ()
    unread: Sequence[Unread] = ()
    rpo_targets: Sequence[Target] = ()
    resolution_errors: Sequence[ResolutionError] = ()
    prepared: Sequence[tuple[LaunchPreview, PreparedLaunch]] = ()
    drills_into_prepared: bool = False
    journals: Sequence[JournalPlace] = ()

    def launched(self) -> Iterator[tuple[RunbookWave, RunbookServer]]:
        """Every server of every wave, with its wave."""
        return ((wave, server) for wave in self.waves for server in wave.servers)

    @cached_property
    def checkable(self) -> tuple[tuple[LaunchPreview, AccountFacts], ...]:
        """The previews whose network can be checked, each with the facts of its account."""
        return tuple(
            (preview, facts)
            for preview in self.previews
            if (facts := self.facts.get(preview.server.location)) is not None
            and not facts.failures
            and not preview.into_instance
        )


def named(server: RunbookServer) -> str:
    """The server's name in messages."""
    return f"{server.name} ({server.source_server_id}) in {server.location}"
