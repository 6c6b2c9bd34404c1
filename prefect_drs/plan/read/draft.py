"""A draft: a manifest as far as it could be read, with its names resolved, and the place of each value in the file.

In: what `drafting` makes of a file. Out: values for the rules to look at, and from a draft without faults the
`Manifest`. A draft judges nothing: a name that no binding resolves stays as written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from prefect_drs.plan.approval import ANY
from prefect_drs.plan.checks import check_name
from prefect_drs.plan.model import Manifest
from prefect_drs.plan.read.check_fields import CHECK_LISTS, FAILBACK_LISTS
from prefect_drs.plan.read.fields import METADATA_FIELDS
from prefect_drs.plan.read.finding import Place
from prefect_drs.plan.read.shape import Item, ShapeEntry
from prefect_drs.plan.targets import TARGET_FIELDS

BY_NAME = ("protectionGroupName", "protectionGroupNames")
SPELLINGS = ("protectionGroupId", "protectionGroupIds", *BY_NAME, "groupId")
"""The fields in which a wave may name its groups."""


class Name(NamedTuple):
    """A name in the manifest, and the real name that bindings give it.

    Args:
        written: as in the file.
        real: what it is bound to; as written where no binding has it.
        at: its place in the manifest.
        bound_at: the place of its binding; None where there is none.
    """

    written: str
    real: str
    at: Place
    bound_at: Place | None = None


@dataclass(frozen=True)
class DraftPrepared:
    """`launchIntoInstance`. `instance`: its id; `table`: servers with their instances, of the file or the bindings."""

    entry: ShapeEntry
    instance: Name | None
    table: tuple[tuple[Name, Name], ...] = ()

    @property
    def given(self) -> tuple[str, ...]:
        """The ways in which it names the instance; a sound one has one."""
        ways = (name for name in ("instanceId", "tag", "table") if self.entry.values.get(name) is not None)
        return (*ways, *(("fromBindings",) if self.entry.get("fromBindings", bool) else ()))

    @property
    def of_one_server(self) -> bool:
        """Whether it means one instance, whatever the server."""
        return self.instance is not None or self.entry.text("value") is not None

    def instances(self) -> Iterator[Name]:
        """Every instance that it names by id."""
        if self.instance is not None:
            yield self.instance
        yield from (instance for _, instance in self.table)

    def values(self) -> dict[str, Any]:
        """The input of the model."""
        if self.instance is not None:
            return {"instanceId": self.instance.real}
        if self.entry.text("tag") is not None:
            return {"tag": self.entry.text("tag"), "value": self.entry.text("value")}
        return {"table": {server.real: instance.real for server, instance in self.table}}


@dataclass(frozen=True)
class DraftSettings:
    """Launch settings of a group or server, with their names resolved."""

    entry: ShapeEntry
    subnet: Name | None
    security_groups: tuple[Name, ...]
    instance_type: Name | None
    instance_profile: Name | None
    prepared: DraftPrepared | None = None

    @property
    def static_address(self) -> str | None:
        """`staticPrivateIp`."""
        return self.entry.text("staticPrivateIp")

    def values(self) -> dict[str, Any]:
        """The input of the model."""
        values = {name: value for name, value in self.entry.values.items() if value is not None}
        if "licensing" in values:
            values["licensing"] = dict(values["licensing"].values)
        if self.prepared is not None:
            values["launchIntoInstance"] = self.prepared.values()
        if "securityGroupIds" in values:
            values["securityGroupIds"] = [name.real for name in self.security_groups]
        for field, name in (
            ("subnetId", self.subnet),
            ("instanceType", self.instance_type),
            ("instanceProfileName", self.instance_profile),
        ):
            if name is not None:
                values[field] = name.real
        return values


@dataclass(frozen=True)
class DraftServer:
    """One entry of a group's `servers`."""

    entry: ShapeEntry
    server: Name | None
    instance_id: str | None
    name: str | None
    settings: DraftSettings | None

    @property
    def uses_group_defaults(self) -> bool:
        """`useGroupDefaults`."""
        return self.entry.get("useGroupDefaults", bool) or False

    @property
    def label(self) -> str:
        """Its name in the file."""
        return (self.server.written if self.server else None) or self.instance_id or self.name or "?"

    def values(self) -> dict[str, Any]:
        """The input of the model."""
        return {
            "sourceServerId": self.server.real if self.server else None,
            "instanceId": self.instance_id,
            "name": self.name,
            "useGroupDefaults": self.uses_group_defaults,
            "launchTemplate": self.settings.values() if self.settings else {},
        }


@dataclass(frozen=True)
class DraftGroup:
    """A protection group."""

    entry: ShapeEntry
    name: str | None
    group_id: str | None
    region: str | None
    account: Name | None
    servers: tuple[Name, ...]
    config: DraftSettings | None
    entries: tuple[DraftServer, ...]

    @property
    def label(self) -> str:
        """Its name in messages."""
        return self.name or self.group_id or "(unnamed)"

    @property
    def selection_tags(self) -> dict[str, str]:
        """`serverSelectionTags`."""
        return self.entry.values.get("serverSelectionTags") or {}

    @property
    def where(self) -> tuple[str, str]:
        """Account (empty for the caller's own) and region."""
        return (self.account.real if self.account else "", self.region or "")

    def settings(self) -> Iterator[DraftSettings]:
        """The group's settings and its servers' own, as far as given."""
        if self.config:
            yield self.config
        yield from (entry.settings for entry in self.entries if entry.settings)

    def values(self) -> dict[str, Any]:
        """The input of the model."""
        return {
            "groupName": self.name,
            "groupId": self.group_id,
            "description": self.entry.text("description"),
            "region": self.region,
            "accountId": self.account.real if self.account else None,
            "sourceServerIds": [name.real for name in self.servers],
            "serverSelectionTags": self.selection_tags,
            "launchConfig": self.config.values() if self.config else {},
            "servers": [entry.values() for entry in self.entries],
        }


@dataclass(frozen=True, slots=True)
class DraftGroupReference:
    """A wave's reference to a group: the field it is written in, and the group; None where there is none."""

    spelling: str
    name: Name
    group: DraftGroup | None

    @property
    def key(self) -> str:
        """The group's name; as written where it means none."""
        return (self.group.name if self.group else None) or self.name.written


@dataclass(frozen=True)
class DraftCheck:
    """A health check or hook of a wave. `phase`: its list; `position`: its position in the list, from 1."""

    entry: ShapeEntry
    phase: str
    position: int
    account: Name | None
    servers: tuple[Name, ...]

    @property
    def kind(self) -> str:
        """`type`."""
        return self.entry.text("type") or "?"

    @property
    def label(self) -> str:
        """Its name in the report."""
        return check_name(self.entry.text("name"), self.kind, self.position)

    def values(self) -> dict[str, Any]:
        """The input of the model."""
        values = {
            field: [item.value for item in value] if isinstance(value, tuple) else value
            for field, value in self.entry.values.items()
            if value is not None
        }
        if self.account is not None:
            values["accountId"] = self.account.real
        return values | {"servers": [name.real for name in self.servers]}


@dataclass(frozen=True)
class DraftWave:
    """A wave."""

    entry: ShapeEntry
    number: int | None
    name: str | None
    references: tuple[DraftGroupReference, ...]
    depends_on: tuple[Item, ...]
    checks: tuple[DraftCheck, ...] = ()
    retry_subnets: tuple[Name, ...] = ()

    @property
    def retry(self) -> ShapeEntry | None:
        """`retry`."""
        return self.entry.entry("retry")

    @property
    def label(self) -> str:
        """Its name in messages."""
        return f"wave {self.number if self.number is not None else '?'}" + (f" ({self.name})" if self.name else "")

    def values(self) -> dict[str, Any]:
        """The input of the model."""
        return {
            "waveNumber": self.number,
            "waveName": self.name,
            "groups": list(dict.fromkeys(reference.key for reference in self.references)),
            "pauseBeforeWave": self.entry.get("pauseBeforeWave", bool) or False,
            "approval": approval_values(self.entry),
            "dependsOnWaves": list(dict.fromkeys(item.value for item in self.depends_on)),
            **self._failure_policy(),
            **{phase: [check.values() for check in self.checks if check.phase == phase] for phase in CHECK_LISTS},
        }

    def _failure_policy(self) -> dict[str, Any]:
        policy = {
            name: self.entry.values[name]
            for name in ("onServerFailure", "minHealthy", "minHealthyPercent", "maxLag", *TARGET_FIELDS)
            if self.entry.values.get(name) is not None
        }
        if self.retry is not None:
            policy["retry"] = {
                **{name: self.retry.values[name] for name in ("attempts", "snapshot") if self.retry.values.get(name)},
                "instanceTypes": [item.value for item in self.retry.items("instanceTypes")],
                "subnetIds": [name.real for name in self.retry_subnets],
            }
        return policy


@dataclass(frozen=True)
class DraftPlan:
    """A recovery plan. `failback_hooks`: those of its `failback`, whose phase is the list that they are in."""

    entry: ShapeEntry
    name: str | None
    waves: tuple[DraftWave, ...]
    failback_waves: tuple[DraftWave, ...] = ()
    failback_hooks: tuple[DraftCheck, ...] = ()

    def values(self) -> dict[str, Any]:
        """The input of the model."""
        notify = self.entry.entry("notify")
        return {
            "planName": self.name,
            "description": self.entry.text("description"),
            "waves": [wave.values() for wave in self.waves],
            "approval": approval_values(self.entry) or ANY,
            "drillIntoPreparedInstances": self.entry.get("drillIntoPreparedInstances", bool) or False,
            **{name: self.entry.text(name) for name in ("maxLag", *TARGET_FIELDS)},
            "notify": {name: [item.value for item in notify.items(name)] for name in notify.values} if notify else {},
            "failbackWaves": [wave.values() for wave in self.failback_waves],
            "failback": self._failback(),
        }

    def _failback(self) -> dict[str, Any]:
        entry = self.entry.entry("failback")
        if entry is None:
            return {}
        plain = {
            name: entry.values[name] for name in ("protectForward", "cleanUp") if entry.values.get(name) is not None
        }
        hooks = {
            phase: [hook.values() for hook in self.failback_hooks if hook.phase == phase] for phase in FAILBACK_LISTS
        }
        return plain | hooks


def approval_values(entry: ShapeEntry) -> str | dict[str, Any] | None:
    """The input of the model for the `approval` of a plan or wave."""
    if (quorum := entry.entry("approval")) is None:
        return entry.text("approval")
    values = {name: value for name, value in quorum.values.items() if value is not None}
    return values | {"roles": [item.value for item in quorum.items("roles")]}


@dataclass(frozen=True)
class Draft:
    """A whole manifest."""

    entry: ShapeEntry
    groups: tuple[DraftGroup, ...]
    plans: tuple[DraftPlan, ...]

    @cached_property
    def metadata(self) -> ShapeEntry | None:
        """The `metadata` object, None where the file has none."""
        return self.entry.entry("metadata")

    def metadata_field(self, field: str) -> tuple[str | None, Place]:
        """The value and place of a metadata field, at the top or under `metadata`."""
        value = self.entry.text(field)
        if value is None and self.metadata is not None and self.metadata.values.get(field) is not None:
            return self.metadata.text(field), self.metadata.place(field)
        return value, self.entry.place(field)

    def manifest(self) -> Manifest:
        """The checked form.

        Raises:
            pydantic.ValidationError: the draft is not without faults.
        """
        manifest = Manifest.model_validate(
            {
                **{field: self.metadata_field(field)[0] for field in METADATA_FIELDS},
                "protectionGroups": [group.values() for group in self.groups],
                "recoveryPlans": [plan.values() for plan in self.plans],
            }
        )
        written: dict[str, dict[str, None]] = {}
        for name in (name for group in self.groups for name in group.servers if name.written != name.real):
            written.setdefault(name.real, {})[name.written] = None
        return manifest.naming({server_id: tuple(names) for server_id, names in written.items()})
