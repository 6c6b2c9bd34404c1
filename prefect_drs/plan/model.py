"""The content of a plan file: protection groups, launch settings, recovery plans and their waves.

In: values already read from a file and checked. Out: frozen models that every later stage reads. Python names are
snake case; files and JSON use AWS's camelCase, which is each field's alias. Nothing here knows of files or lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import Field, PrivateAttr

from prefect_drs.core.errors import UsageError
from prefect_drs.core.models import FrozenModel
from prefect_drs.plan.approval import Approval
from prefect_drs.plan.checks import Check, Hook
from prefect_drs.plan.notify import Notify
from prefect_drs.plan.prepared import PreparedInstance

SCHEMA_VERSIONS = ("1.0", "1.1")

LaunchDisposition = Literal["STARTED", "STOPPED"]
RightSizingMethod = Literal["NONE", "BASIC", "IN_AWS"]
RecoveryMode = Literal["drill", "recovery"]
ExecutionMode = Literal["drill", "recovery", "failback"]
CleanUp = Literal["keep", "disconnect", "terminate"]


class Licensing(FrozenModel):
    """DRS licensing: bring your own operating-system licence or not (`Licensing` in the DRS model)."""

    os_byol: bool | None = Field(default=None, alias="osByol")


class LaunchSettings(FrozenModel):
    """Launch settings of a group or a server; None everywhere means "leave what the account has".

    The first six fields are DRS's own (`UpdateLaunchConfiguration`); the others become a new default version of the
    server's EC2 launch template (`CreateLaunchTemplateVersion`, `ModifyLaunchTemplate`). A server that is launched
    into a prepared instance (`launch_into_instance`) keeps that instance's network and type; the launch template has
    no effect on it.
    """

    launch_disposition: LaunchDisposition | None = None
    target_instance_type_right_sizing_method: RightSizingMethod | None = None
    copy_private_ip: bool | None = None
    copy_tags: bool | None = None
    licensing: Licensing | None = None
    launch_into_instance: PreparedInstance | None = None

    subnet_id: str | None = None
    security_group_ids: tuple[str, ...] | None = None
    static_private_ip: str | None = None
    instance_type: str | None = None
    instance_profile_name: str | None = None
    associate_public_ip: bool | None = None
    monitoring: bool | None = None
    ebs_optimized: bool | None = None
    disable_api_termination: bool | None = None
    tags: dict[str, str] | None = None
    credit_specification: Literal["standard", "unlimited"] | None = None

    def merged_with(self, override: LaunchSettings) -> LaunchSettings:
        """These settings with `override` on top, key by key: `tags` are merged, everything else is replaced.

        A static address excludes `copyPrivateIp` for its server: where the result has one, `copy_private_ip` is
        False, so that what the account has (or the group says) cannot bring the source's address back.
        """
        values = {name: getattr(self, name) for name in LaunchSettings.model_fields}
        values |= {
            name: value for name in LaunchSettings.model_fields if (value := getattr(override, name)) is not None
        }
        if self.tags is not None and override.tags is not None:
            values["tags"] = {**self.tags, **override.tags}
        if values["static_private_ip"] is not None:
            values["copy_private_ip"] = False
        return LaunchSettings(**values)


class ServerEntry(FrozenModel):
    """One server's own settings within its group, named by exactly one of DRS id, EC2 instance id or Name tag."""

    source_server_id: str | None = None
    instance_id: str | None = None
    name: str | None = None
    use_group_defaults: bool = False
    launch_template: LaunchSettings = LaunchSettings()

    @property
    def reference(self) -> str:
        """The name in this entry."""
        return self.source_server_id or self.instance_id or self.name or ""


class ProtectionGroup(FrozenModel):
    """Servers that are launched together, by id or by tags, with their launch settings.

    `account_id` None means the caller's own account. `server_selection_tags`: all given tags must match.
    """

    group_name: str
    group_id: str | None = None
    description: str | None = None
    region: str
    account_id: str | None = None
    source_server_ids: tuple[str, ...] = ()
    server_selection_tags: dict[str, str] = Field(default_factory=dict)
    launch_config: LaunchSettings = LaunchSettings()
    servers: tuple[ServerEntry, ...] = ()

    def override_for(self, *references: str) -> LaunchSettings | None:
        """The own settings of the server known by any of `references`; None where it uses the group's alone."""
        for entry in self.servers:
            if entry.reference in references and not entry.use_group_defaults:
                return entry.launch_template
        return None

    def settings_for(self, *references: str) -> LaunchSettings:
        """The effective settings of the server known by any of `references` (DRS id, instance id, Name tag)."""
        override = self.override_for(*references)
        return self.launch_config if override is None else self.launch_config.merged_with(override)


class Retry(FrozenModel):
    """The retry policy of a wave: what is tried for a server that did not launch.

    Args:
        attempts: launches after the first, at most; each is a job of its own.
        snapshot: `latest` launches from the latest point in time again, `previous` from the one before the last tried.
        instance_types: tried in this order where the one before had no capacity.
        subnet_ids: tried in this order where the one before had no capacity.
    """

    attempts: int = Field(default=0, ge=0, le=5)
    snapshot: Literal["latest", "previous"] = "latest"
    instance_types: tuple[str, ...] = ()
    subnet_ids: tuple[str, ...] = ()


class Wave(FrozenModel):
    """One step of a plan: its groups, the waves it waits for, whether a person must approve it, and its checks.

    `groups` holds group *names*, whichever spelling the file used. `pre_wave` and `post_wave` run once, one after the
    other, before the wave's launches and after its health checks passed; `health_checks` say when it is done.
    `max_lag`: how far its servers' replication may lag behind (ISO 8601 duration), instead of what the plan says.
    `rto_target`, `rpo_target`: its own objectives, beside the plan's; see `prefect_drs.plan.targets`.
    `approval`: what its gate demands; None is what the plan says (`prefect_drs.plan.approval`).
    """

    wave_number: int = Field(ge=0)
    wave_name: str
    groups: tuple[str, ...]
    pause_before_wave: bool = False
    approval: Approval | None = None
    depends_on_waves: tuple[int, ...] = ()
    on_server_failure: Literal["fail", "continue"] = "fail"
    min_healthy: int | None = Field(default=None, ge=0)
    min_healthy_percent: int | None = Field(default=None, ge=0, le=100)
    max_lag: str | None = None
    rto_target: str | None = None
    rpo_target: str | None = None
    retry: Retry = Retry()
    health_checks: tuple[Check, ...] = ()
    pre_wave: tuple[Hook, ...] = ()
    post_wave: tuple[Hook, ...] = ()


class Failback(FrozenModel):
    """How the servers of a plan fail back (see docs/failback.md).

    Args:
        stop_writes: hooks that run once before the first failback launch, to stop what writes to recovery instances.
        hand_over: hooks that run once after all failback launches and their checks, before the forward protection.
        protect_forward: replicate the failed-back instances in the forward direction again.
        launch_into_original: launch each server that came from EC2 into its original instance, which keeps its id and
            addresses; its disks are replaced.
        clean_up: what becomes of the recovery instances and of the replication back: `keep` leaves both, `disconnect`
            ends the replication and disconnects the instances from DRS, `terminate` ends it and terminates them.
    """

    stop_writes: tuple[Hook, ...] = ()
    hand_over: tuple[Hook, ...] = ()
    protect_forward: bool = True
    launch_into_original: bool = False
    clean_up: CleanUp = "keep"


class RecoveryPlan(FrozenModel):
    """A named set of waves; their dependencies make a directed acyclic graph (see `prefect_drs.plan.graph`).

    `max_lag`: how far the replication of a server may lag behind when it is launched, as an ISO 8601 duration such as
    `PT15M`; None sets no limit. `drill_into_prepared_instances`: whether a drill may launch into prepared instances,
    which replaces what is on them. `rto_target`, `rpo_target`: the objectives of the whole plan; see
    `prefect_drs.plan.targets`. `approval`: what the gates of its waves demand. `failback_waves`: the waves in which its
    servers fail back; without, its waves in reversed order. `failback`: how they do.
    """

    plan_name: str
    description: str | None = None
    waves: tuple[Wave, ...]
    approval: Approval = "any"
    drill_into_prepared_instances: bool = False
    max_lag: str | None = None
    rto_target: str | None = None
    rpo_target: str | None = None
    notify: Notify = Notify()
    failback_waves: tuple[Wave, ...] = ()
    failback: Failback = Failback()


@dataclass(frozen=True)
class WrittenNames:
    """The names of servers in the file, by source server id, where bindings resolved them. Never compared.

    `bindings_digest`: the SHA-256 of the bindings' canonical JSON, as hex; None without bindings.
    """

    by_id: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    bindings_digest: str | None = field(default=None, compare=False)


def label_server(source_server_id: str, names: Sequence[str]) -> str:
    """`db001 (s-…)`: the names of a server in the plan's file, and its id; the id alone where there are none."""
    return f"{', '.join(names)} ({source_server_id})" if names else source_server_id


class Manifest(FrozenModel):
    """A whole file: protection groups and the plans over them."""

    schema_version: str
    exported_at: str | None = None
    source_region: str | None = None
    source_account: str | None = None
    protection_groups: tuple[ProtectionGroup, ...]
    recovery_plans: tuple[RecoveryPlan, ...]
    _written: WrittenNames = PrivateAttr(default_factory=WrittenNames)

    def written_names(self, source_server_id: str) -> tuple[str, ...]:
        """The names of a server in the manifest's file that are not its id."""
        return self._written.by_id.get(source_server_id, ())

    def naming(self, names: Mapping[str, tuple[str, ...]]) -> Manifest:
        """This manifest with the names that its file has for servers, by source server id."""
        named = self.model_copy()
        named._written = replace(named._written, by_id=names)
        return named

    @property
    def bindings_digest(self) -> str | None:
        """The SHA-256, as hex, of the bindings that resolved its names; None where there were none."""
        return self._written.bindings_digest

    def bound_by(self, bindings_digest: str) -> Manifest:
        """This manifest, with the digest of the bindings that resolved its names."""
        bound = self.model_copy()
        bound._written = replace(bound._written, bindings_digest=bindings_digest)
        return bound

    def only(self, plan: RecoveryPlan) -> Manifest:
        """This manifest with that plan and its groups alone."""
        names = {name for wave in plan.waves for name in wave.groups}
        groups = tuple(group for group in self.protection_groups if group.group_name in names)
        return self.model_copy(update={"protection_groups": groups, "recovery_plans": (plan,)})

    def group(self, name: str) -> ProtectionGroup:
        """The group of that name.

        Raises:
            KeyError: there is none.
        """
        for group in self.protection_groups:
            if group.group_name == name:
                return group
        raise KeyError(name)

    @classmethod
    def empty(cls) -> Manifest:
        """A manifest of nothing, to compare with."""
        return cls(schema_version=SCHEMA_VERSIONS[-1], protection_groups=(), recovery_plans=())

    def plan(self, name: str | None = None) -> RecoveryPlan:
        """The plan of that name (case does not matter), or the only one where no name is given.

        Raises:
            UsageError: there is no such plan, or several and no name; the message lists those there are.
        """
        there = ", ".join(plan.plan_name for plan in self.recovery_plans) or "none"
        if name is None:
            if len(self.recovery_plans) == 1:
                return self.recovery_plans[0]
            raise UsageError(f"the manifest has {len(self.recovery_plans)} plans ({there}): name one with --plan")
        for plan in self.recovery_plans:
            if plan.plan_name == name:
                return plan
        for plan in self.recovery_plans:
            if plan.plan_name.casefold() == name.casefold():
                return plan
        raise UsageError(f"the manifest has no plan {name!r}; it has: {there}")
