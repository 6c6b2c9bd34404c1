"""Two manifests -> their difference: waves and their order, servers, effective settings, and the forecast.

In: manifests, each with its names resolved (or left as written on both sides). Out: a `Difference`. Fields are compared
in the form that a file has, so that a new field of the model is reported without a change here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from prefect_drs.diff.model import (
    ChangeKind,
    DefaultForecast,
    Difference,
    FieldChange,
    GroupChange,
    PlanChange,
    ServerChange,
    SettingsChange,
    WaveChange,
    WaveMove,
)
from prefect_drs.forecast import forecast, waves_of_manifest
from prefect_drs.plan.effective import effective
from prefect_drs.plan.export import export_group, export_plan
from prefect_drs.plan.graph import WaveGraph
from prefect_drs.plan.model import Manifest, ProtectionGroup, RecoveryPlan, Wave

SAMPLES = 100
SEED = 1
OWN_WORDS = frozenset({"waveName", "waveNumber", "protectionGroupNames", "dependsOnWaves", "pauseBeforeWave"})
"""Fields of a wave that `WaveChange` reports by fields of its own."""
REPORTED_BY_SERVER = frozenset({"groupName", "sourceServerIds", "launchConfig", "servers", "region", "accountId"})
"""Fields of a group that are reported as changes of its servers."""


def compare(before: Manifest, after: Manifest) -> Difference:
    """The difference between two manifests."""
    groups = _Groups(before, after)
    plans = [
        _Plan(before, after, old, new)
        for old, new in _pairs(before.recovery_plans, after.recovery_plans, lambda plan: plan.plan_name.casefold())
    ]
    servers = tuple(_servers(groups, plans))
    settings = tuple(_settings(groups))
    return Difference(
        plans=tuple(change for plan in plans if (change := plan.change()) is not None),
        groups=tuple(groups.changes()),
        servers=servers,
        settings=settings,
        names=_written_names(before, after, [s for change in servers for s in change.servers])
        | _written_names(before, after, [s for change in settings for s in change.servers]),
    )


def _written_names(before: Manifest, after: Manifest, servers: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The names in the files of those servers, of the new file first."""
    return {s: names for s in servers if (names := after.written_names(s) or before.written_names(s))}


def _pairs(old: Sequence[Any], new: Sequence[Any], *keys: Any) -> list[tuple[Any, Any]]:
    """Items paired by the first key, the rest by the next key; in the new order, removed items last."""
    found: dict[int, Any] = {}
    left = list(old)
    for key in keys:
        for index, item in enumerate(new):
            if index not in found and (
                match := next((o for o in left if key(o) is not None and key(o) == key(item)), None)
            ):
                found[index] = match
                left.remove(match)
    return [(found.get(index), item) for index, item in enumerate(new)] + [(item, None) for item in left]


def _fields(before: Mapping[str, Any], after: Mapping[str, Any], apart: frozenset[str]) -> tuple[FieldChange, ...]:
    every = dict.fromkeys([*after, *before])
    return tuple(
        FieldChange(field=name, before=before.get(name), after=after.get(name))
        for name in every
        if name not in apart and before.get(name) != after.get(name)
    )


@dataclass(frozen=True)
class _Groups:
    """The groups of both sides, paired."""

    before: Manifest
    after: Manifest

    @cached_property
    def pairs(self) -> list[tuple[ProtectionGroup | None, ProtectionGroup | None]]:
        """Paired by name, or else by id."""
        return _pairs(
            self.before.protection_groups,
            self.after.protection_groups,
            lambda group: group.group_name.casefold(),
            lambda group: group.group_id,
        )

    @cached_property
    def renamed(self) -> dict[str, str]:
        """The new name of each old group; removed groups are left out."""
        return {old.group_name: new.group_name for old, new in self.pairs if old and new}

    def changes(self) -> Iterator[GroupChange]:
        """Groups that differ in anything but their servers."""
        for old, new in self.pairs:
            if old is None or new is None:
                there = new or old
                assert there is not None  # noqa: S101 - a pair has a side
                yield GroupChange(kind=ChangeKind.REMOVED if new is None else ChangeKind.ADDED, name=there.group_name)
                continue
            fields = _fields(export_group(old), export_group(new), REPORTED_BY_SERVER)
            if fields or old.group_name != new.group_name:
                former = old.group_name if old.group_name != new.group_name else None
                yield GroupChange(kind=ChangeKind.CHANGED, name=new.group_name, former_name=former, fields=fields)


class _Plan:
    """A plan on both sides, its waves paired."""

    def __init__(self, before: Manifest, after: Manifest, old: RecoveryPlan | None, new: RecoveryPlan | None) -> None:
        self.sides = (before, after)
        self.old, self.new = old, new
        self.groups = _Groups(before, after)
        self.pairs: list[tuple[Wave | None, Wave | None]] = _pairs(
            old.waves if old else (),
            new.waves if new else (),
            lambda wave: wave.wave_name.casefold(),
            lambda wave: wave.wave_number,
        )
        self.new_numbers = {old.wave_number: new.wave_number for old, new in self.pairs if old and new}
        """The new number of each wave that still exists."""

    @property
    def name(self) -> str:
        """Its new name, or the old one of a removed plan."""
        there = self.new or self.old
        assert there is not None  # noqa: S101 - a pair has a side
        return there.plan_name

    def change(self) -> PlanChange | None:
        """The change of the plan; None where nothing differs."""
        old, new = self.old, self.new
        kind = ChangeKind.ADDED if old is None else ChangeKind.REMOVED if new is None else ChangeKind.CHANGED
        waves = tuple(wave for a, b in self.pairs if (wave := self._wave(a, b)) is not None)
        expected = [_forecast(side, plan) for side, plan in zip(self.sides, (old, new), strict=True)]
        orders = [_order(plan, self.new_numbers if side == 0 else None) for side, plan in enumerate((old, new))]
        found = waves_of_manifest(self.sides[1], new) if new else None
        change = PlanChange(
            kind=kind,
            name=self.name,
            waves=waves,
            order=(_in_words(old), _in_words(new)) if old and new and orders[0] != orders[1] else None,
            fields=_fields(export_plan(old), export_plan(new), frozenset({"waves"})) if old and new else (),
            forecast_before=expected[0],
            forecast_after=expected[1],
            unknown_groups=found.by_tags if found else (),
            unresolved=found.unresolved if found else (),
        )
        differs = kind is not ChangeKind.CHANGED or waves or change.fields or change.order or change.forecast_differs
        return change if differs else None

    def move(self, home: str | None, now: str | None) -> WaveMove | None:
        """The move of servers from group `home` to group `now`; None where their wave is the same, or where the whole
        plan is added or removed.
        """
        if self.old is None or self.new is None:
            return None
        before, after = _launching(self.old, home), _launching(self.new, now)
        stays = (self.new_numbers.get(before.wave_number) if before else None) == (after.wave_number if after else None)
        if stays and (before is None) == (after is None):
            return None
        return WaveMove(
            plan=self.name, before=_label(before) if before else None, after=_label(after) if after else None
        )

    def _wave(self, old: Wave | None, new: Wave | None) -> WaveChange | None:
        if old is None or new is None:
            return self._added(new) if new else self._removed(old)
        assert self.old is not None  # noqa: S101 - both have the wave
        assert self.new is not None  # noqa: S101
        waited = {self.new_numbers.get(number, -1 - number): number for number in old.depends_on_waves}
        launched = {self.groups.renamed.get(name, name) for name in old.groups}
        change = WaveChange(
            kind=ChangeKind.CHANGED,
            before=_label(old),
            after=_label(new),
            gate=new.pause_before_wave if new.pause_before_wave != old.pause_before_wave else None,
            waits_for=_labels(self.new, [number for number in new.depends_on_waves if number not in waited]),
            waits_no_longer_for=_labels(
                self.old, [number for now, number in waited.items() if now not in new.depends_on_waves]
            ),
            groups=tuple(name for name in new.groups if name not in launched),
            groups_no_longer=tuple(
                name for name in old.groups if self.groups.renamed.get(name, name) not in new.groups
            ),
            fields=_fields(_as_written(old), _as_written(new), OWN_WORDS),
        )
        same = change.model_copy(update={"before": None, "after": None}) == WaveChange(
            kind=ChangeKind.CHANGED, before=None, after=None
        )
        return None if same and change.before == change.after else change

    def _added(self, wave: Wave) -> WaveChange:
        assert self.new is not None  # noqa: S101 - it has the wave
        return WaveChange(
            kind=ChangeKind.ADDED,
            before=None,
            after=_label(wave),
            gate=True if wave.pause_before_wave else None,
            waits_for=_labels(self.new, wave.depends_on_waves),
            groups=wave.groups,
            fields=_fields({}, _as_written(wave), OWN_WORDS),
        )

    def _removed(self, wave: Wave | None) -> WaveChange:
        assert wave is not None  # noqa: S101 - a pair has a side
        return WaveChange(kind=ChangeKind.REMOVED, before=_label(wave), after=None, groups_no_longer=wave.groups)


def _as_written(wave: Wave) -> dict[str, Any]:
    (written,) = export_plan(RecoveryPlan(plan_name="", waves=(wave,)))["waves"]
    values: dict[str, Any] = written
    return values


def _launching(plan: RecoveryPlan, group: str | None) -> Wave | None:
    """The wave that launches the group."""
    return next((wave for wave in plan.waves if group in wave.groups), None)


def _label(wave: Wave) -> str:
    return f"{wave.wave_number} {wave.wave_name}"


def _labels(plan: RecoveryPlan, numbers: Sequence[int]) -> tuple[str, ...]:
    known = {wave.wave_number: wave for wave in plan.waves}
    return tuple(_label(known[number]) for number in numbers)


def _order(plan: RecoveryPlan | None, new_numbers: Mapping[int, int] | None) -> list[set[int]]:
    """Generations of waves by their new numbers; removed waves get numbers below zero."""
    if plan is None:
        return []
    generations = WaveGraph.of(plan).generations
    return [
        {n if new_numbers is None else new_numbers.get(n, -1 - n) for n in generation} for generation in generations
    ]


def _in_words(plan: RecoveryPlan) -> str:
    return " → ".join(", ".join(_labels(plan, generation)) for generation in WaveGraph.of(plan).generations)


def _forecast(manifest: Manifest, plan: RecoveryPlan | None) -> DefaultForecast | None:
    found = waves_of_manifest(manifest, plan) if plan is not None else None
    if plan is None or found is None or not found.servers:
        return None
    result = forecast(found.waves, samples=SAMPLES, seed=SEED)
    return DefaultForecast(
        rto_p50_seconds=round(result.rto_p50, 1),
        rto_p90_seconds=round(result.rto_p90, 1),
        critical_path=_labels(plan, result.critical_path),
        bounded_by=result.bounded_by,
        servers=found.servers,
    )


def _servers(groups: _Groups, plans: Sequence[_Plan]) -> Iterator[ServerChange]:
    """Servers in another group, or launched in another wave of a plan that both sides have."""
    old, new = _homes(groups.before), _homes(groups.after)
    alike: dict[tuple[str | None, str | None, tuple[WaveMove, ...]], list[str]] = defaultdict(list)
    for server in dict.fromkeys([*new, *old]):
        home = old[server].group_name if server in old else None
        now = new[server].group_name if server in new else None
        moves = tuple(move for plan in plans if (move := plan.move(home, now)) is not None)
        if moves or (groups.renamed.get(home, home) if home else None) != now:
            alike[home, now, moves].append(server)
    for (home, now, moves), servers in alike.items():
        yield ServerChange(servers=tuple(servers), group_before=home, group_after=now, waves=moves)


def _homes(manifest: Manifest) -> dict[str, ProtectionGroup]:
    """The group of each server that the manifest names."""
    return {server: group for group in manifest.protection_groups for server in group.source_server_ids}


def _settings(groups: _Groups) -> Iterator[SettingsChange]:
    """Effective settings that differ, of servers on both sides."""
    alike: dict[str, tuple[SettingsChange, list[str]]] = {}
    for old, new, reference in _subjects(groups):
        names = [reference] if reference is not None else []
        fields = _fields(_values(old, names), _values(new, names), frozenset())
        if fields:
            change = SettingsChange(group=new.group_name, servers=(), others=reference is None, fields=fields)
            alike.setdefault(change.model_dump_json(), (change, []))[1].extend(names)
    for change, servers in alike.values():
        yield change.model_copy(update={"servers": tuple(servers)})


def _subjects(groups: _Groups) -> Iterator[tuple[ProtectionGroup, ProtectionGroup, str | None]]:
    """The groups before and after, and the server whose settings are compared.

    These are servers that both sides name by id, in whatever group; entries of a group by another name; and, of a group
    by tags, all other servers that the tags select (None).
    """
    before, after = _homes(groups.before), _homes(groups.after)
    yield from ((before[server], group, server) for server, group in after.items() if server in before)
    for old, new in groups.pairs:
        if old is None or new is None:
            continue
        for reference in dict.fromkeys(entry.reference for group in (new, old) for entry in group.servers):
            if reference not in before and reference not in after:
                yield old, new, reference
        if old.server_selection_tags and new.server_selection_tags:
            yield old, new, None


def _values(group: ProtectionGroup, references: Sequence[str]) -> dict[str, Any]:
    """Effective settings by the manifest's field names, and the account and region of the server."""
    where = {"accountId": group.account_id, "region": group.region}
    return {**where, **{word: found.value for word, found in effective(group, *references).items()}}
