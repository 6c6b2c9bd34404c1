"""The waves of a plan from its manifest alone, for a forecast without an account.

In: a manifest and one of its plans. Out: waves with the servers that the manifest names. A group by tags counts as
empty and is reported; so is a group that is not resolved.
"""

from __future__ import annotations

from dataclasses import dataclass

from prefect_drs.plan.graph import WaveGraph
from prefect_drs.plan.model import Manifest, RecoveryPlan
from prefect_drs.recovery.launch.durations import DEFAULT_GATE
from prefect_drs.recovery.launch.packing_plan import SimulatedWave


@dataclass(frozen=True, slots=True)
class ManifestWaves:
    """The waves that a manifest describes.

    Args:
        waves: in their order, with the servers it names.
        by_tags: the groups that select their servers by tags, which only the accounts know.
        unresolved: the groups that the waves name and the manifest does not have.
    """

    waves: tuple[SimulatedWave, ...]
    by_tags: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()

    @property
    def servers(self) -> int:
        """How many servers the manifest names."""
        return sum(len(wave.server_ids) for wave in self.waves)


def waves_of_manifest(manifest: Manifest, plan: RecoveryPlan) -> ManifestWaves:
    """The waves of a plan; a wave with a gate gets the default's median, until gate times are drawn."""
    groups = {group.group_name: group for group in manifest.protection_groups}
    graph = WaveGraph.of(plan)
    by_tags: list[str] = []
    unresolved: list[str] = []
    waves = []
    for number in graph.order:
        wave = graph.wave(number)
        servers: dict[str, tuple[str, ...]] = {}
        for name in wave.groups:
            group = groups.get(name)
            if group is None or not group.source_server_ids:
                (unresolved if group is None else by_tags).append(name)
                continue
            place = f"{group.account_id or 'own account'}/{group.region}"
            servers[place] = (*servers.get(place, ()), *group.source_server_ids)
        gate = DEFAULT_GATE.median if wave.pause_before_wave else 0.0
        waves.append(SimulatedWave(number, tuple(graph.dependencies(number)), servers, gate))
    return ManifestWaves(tuple(waves), tuple(dict.fromkeys(by_tags)), tuple(dict.fromkeys(unresolved)))
