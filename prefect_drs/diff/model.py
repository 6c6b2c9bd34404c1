"""The difference between two manifests, as data.

Frozen values that serialise to camelCase JSON. A side without a value is None.
"""

from __future__ import annotations

import enum

from pydantic import Field, JsonValue

from prefect_drs.core.models import FrozenModel


class ChangeKind(enum.StrEnum):
    """The kind of change of a plan, wave or group."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class FieldChange(FrozenModel):
    """A field by its name in the file; None where it is not given."""

    field: str
    before: JsonValue
    after: JsonValue


class WaveChange(FrozenModel):
    """A wave that differs. Waves are the same by their name, or else by their number.

    Args:
        kind: added, removed or changed.
        before: its old number and name, `2 Web`; None for an added wave.
        after: its new number and name; None for a removed wave.
        gate: whether it now asks for approval; None where that is unchanged.
        waits_for: waves that it now waits for and did not before.
        waits_no_longer_for: waves that it no longer waits for.
        groups: groups that it now launches and did not before.
        groups_no_longer: groups that it no longer launches.
        fields: everything else.
    """

    kind: ChangeKind
    before: str | None
    after: str | None
    gate: bool | None = None
    waits_for: tuple[str, ...] = ()
    waits_no_longer_for: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    groups_no_longer: tuple[str, ...] = ()
    fields: tuple[FieldChange, ...] = ()


class DefaultForecast(FrozenModel):
    """The forecast of a plan by the defaults; seconds from its start."""

    rto_p50_seconds: float
    rto_p90_seconds: float
    critical_path: tuple[str, ...]
    bounded_by: str
    servers: int


class PlanChange(FrozenModel):
    """A plan that differs, or whose servers do.

    Args:
        kind: added, removed or changed.
        name: its new name; the old one of a removed plan.
        waves: waves that differ, in their new order; all waves of an added or removed plan.
        order: generations of waves, `0 Data → 1 App, 2 Cache`, before and after; None where unchanged.
        fields: other fields that differ.
        forecast_before: None where no server is known.
        forecast_after: likewise.
        unknown_groups: groups whose servers only their accounts know; the forecasts count them as empty.
        unresolved: groups that the waves name and that are not resolved, likewise.
    """

    kind: ChangeKind
    name: str
    waves: tuple[WaveChange, ...] = ()
    order: tuple[str, str] | None = None
    fields: tuple[FieldChange, ...] = ()
    forecast_before: DefaultForecast | None = None
    forecast_after: DefaultForecast | None = None
    unknown_groups: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()

    @property
    def forecast_differs(self) -> bool:
        """Whether the forecast changes in time or in critical path."""
        return self.forecast_before != self.forecast_after


class GroupChange(FrozenModel):
    """A group that differs in anything but its servers and their settings. `former_name`: its old name."""

    kind: ChangeKind
    name: str
    former_name: str | None = None
    fields: tuple[FieldChange, ...] = ()


class WaveMove(FrozenModel):
    """The wave of a plan that launched servers before, and the one that does now; None: no wave."""

    plan: str
    before: str | None
    after: str | None


class ServerChange(FrozenModel):
    """Servers that joined, left or moved in the same way. None: no group."""

    servers: tuple[str, ...]
    group_before: str | None
    group_after: str | None
    waves: tuple[WaveMove, ...] = ()


class SettingsChange(FrozenModel):
    """Servers whose effective launch settings differ in the same way. `group`: their new group.

    `others`: the change applies to all servers that the group's tags select, except those with settings of their own.
    """

    group: str
    servers: tuple[str, ...]
    others: bool = False
    fields: tuple[FieldChange, ...] = ()


class Difference(FrozenModel):
    """All differences. Metadata (`exportedAt` and the like) is left out: it does not affect a recovery.

    `names`: the names in the manifest's file of servers that differ, by source server id, where bindings resolved them.
    """

    plans: tuple[PlanChange, ...] = ()
    groups: tuple[GroupChange, ...] = ()
    servers: tuple[ServerChange, ...] = ()
    settings: tuple[SettingsChange, ...] = ()
    names: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def nothing(self) -> bool:
        """Whether both sides recover the same servers in the same way."""
        return not (self.plans or self.groups or self.servers or self.settings)
