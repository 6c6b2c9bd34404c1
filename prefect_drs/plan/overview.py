"""A plan for somebody who reads it: its waves in the order they run, what each waits for, and whom it launches.

In: a manifest, one of its plans and the graph of its waves. Out: a `PlanOverview`, plain data. Offline: a group that is
selected by tags has no servers here, and a name that no binding resolves is shown as it is written.
"""

from __future__ import annotations

from prefect_drs.core.models import FrozenModel
from prefect_drs.plan.approval import Approval
from prefect_drs.plan.graph import WaveGraph
from prefect_drs.plan.model import Manifest, ProtectionGroup, RecoveryPlan


class GroupOverview(FrozenModel):
    """A group of a wave. `resolved`: whether the manifest has it. `server_names`: in the order of the ids."""

    group_name: str
    resolved: bool
    region: str | None
    account_id: str | None
    source_server_ids: tuple[str, ...]
    server_names: tuple[str, ...]
    server_selection_tags: dict[str, str]


class WaveOverview(FrozenModel):
    """A wave. `generation`: waves of one generation do not wait for each other. `approval`: what its gate demands."""

    wave_number: int
    wave_name: str
    generation: int
    pause_before_wave: bool
    approval: Approval
    depends_on_waves: tuple[int, ...]
    protection_groups: tuple[GroupOverview, ...]


class PlanOverview(FrozenModel):
    """A plan. `order`: wave numbers in the order they run; `generations`: the same in groups that run together."""

    plan_name: str
    description: str | None
    order: tuple[int, ...]
    generations: tuple[tuple[int, ...], ...]
    waves: tuple[WaveOverview, ...]


def overview_of(manifest: Manifest, plan: RecoveryPlan, graph: WaveGraph | None = None) -> PlanOverview:
    """The overview of a plan."""
    graph = graph or WaveGraph.of(plan)
    waves = []
    for number in graph.order:
        wave = graph.wave(number)
        waves.append(
            WaveOverview(
                wave_number=number,
                wave_name=wave.wave_name,
                generation=graph.generation(number),
                pause_before_wave=wave.pause_before_wave,
                approval=wave.approval or plan.approval,
                depends_on_waves=tuple(graph.dependencies(number)),
                protection_groups=tuple(
                    _group(manifest, name, group)
                    for name, group in zip(wave.groups, groups_named(manifest, wave.groups), strict=True)
                ),
            )
        )
    return PlanOverview(
        plan_name=plan.plan_name,
        description=plan.description,
        order=tuple(graph.order),
        generations=tuple(tuple(generation) for generation in graph.generations),
        waves=tuple(waves),
    )


def groups_named(manifest: Manifest, names: tuple[str, ...]) -> list[ProtectionGroup | None]:
    """The groups of those names; None for a name that no binding resolves."""
    groups = {group.group_name: group for group in manifest.protection_groups}
    return [groups.get(name) for name in names]


def written_name(manifest: Manifest, server: str) -> str:
    """A server's name in the file; its id where that is its name."""
    return ", ".join(manifest.written_names(server)) or server


def _group(manifest: Manifest, name: str, group: ProtectionGroup | None) -> GroupOverview:
    return GroupOverview(
        group_name=name,
        resolved=group is not None,
        region=group.region if group else None,
        account_id=group.account_id if group else None,
        source_server_ids=tuple(group.source_server_ids) if group else (),
        server_names=tuple(written_name(manifest, server) for server in group.source_server_ids) if group else (),
        server_selection_tags=dict(group.server_selection_tags or {}) if group else {},
    )
