"""What differs between two manifests, as data.

In: nothing. Out: frozen values that serialise to camelCase JSON. A side that has nothing is None.
"""

from __future__ import annotations

import enum

from pydantic import JsonValue

from prefect_drs.core.models import FrozenModel


class ChangeKind(enum.StrEnum):
    """What became of a plan, wave or group."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class FieldChange(FrozenModel):
    """A field in the file's words; None where it is not given."""

    field: str
    before: JsonValue
    after: JsonValue


class WaveChange(FrozenModel):
    """A wave that differs. Waves are the same by their name, or else by their number.

    Args:
        kind: what became of it.
        before: what it was called, `2 Web`; None where it is new.
        after: what it is called.
        gate: whether it asks for approval now; None where that is as before.
        waits_for: waves that it waits for now and did not.
        waits_no_longer_for: waves that it no longer waits for.
        groups: groups that it launches now and did not.
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


class PlanForecast(FrozenModel):
    """What a forecast by defaults expects of a plan; seconds from its start."""

    rto_p50_seconds: float
    rto_p90_seconds: float
    critical_path: tuple[str, ...]
    bounded_by: str
    servers: int


class PlanChange(FrozenModel):
    """A plan that differs, or whose servers do.

    Args:
        kind: what became of it.
        name: what it is called, afterwards where it is still there.
        waves: those that differ, in their new order; all of a plan that is new or gone.
        order: generations of waves, `0 Data → 1 App, 2 Cache`, before and after; None where that is as before.
        fields: what differs besides.
        forecast_before: None where no server is known.
        forecast_after: likewise.
        unknown_groups: groups whose servers only their accounts know; the forecasts count them as none.
        unresolved: what the waves name and nothing resolves, likewise.
    """

    kind: ChangeKind
    name: str
    waves: tuple[WaveChange, ...] = ()
    order: tuple[str, str] | None = None
    fields: tuple[FieldChange, ...] = ()
    forecast_before: PlanForecast | None = None
    forecast_after: PlanForecast | None = None
    unknown_groups: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()

    @property
    def forecast_differs(self) -> bool:
        """Whether another time, or another path, is expected."""
        return self.forecast_before != self.forecast_after


class GroupChange(FrozenModel):
    """A group that differs other than by its servers and their settings. `former_name`: where it was renamed."""

    kind: ChangeKind
    name: str
    former_name: str | None = None
    fields: tuple[FieldChange, ...] = ()


class WaveMove(FrozenModel):
    """In which wave of a plan servers were launched, and are; None: in none."""

    plan: str
    before: str | None
    after: str | None


class ServerChange(FrozenModel):
    """Servers that joined, left or moved, all alike. A group of None: in none."""

    servers: tuple[str, ...]
    group_before: str | None
    group_after: str | None
    waves: tuple[WaveMove, ...] = ()


class SettingsChange(FrozenModel):
    """Servers whose effective launch settings differ, all alike. `group`: where they are now.

    `others`: the change is of whatever servers the group's tags select, but for those with settings of their own.
    """

    group: str
    servers: tuple[str, ...]
    others: bool = False
    fields: tuple[FieldChange, ...] = ()


class Difference(FrozenModel):
    """All that differs. Metadata (`exportedAt` and the like) is left out: it recovers nothing."""

    plans: tuple[PlanChange, ...] = ()
    groups: tuple[GroupChange, ...] = ()
    servers: tuple[ServerChange, ...] = ()
    settings: tuple[SettingsChange, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether both sides recover the same servers in the same way."""
        return not (self.plans or self.groups or self.servers or self.settings)
