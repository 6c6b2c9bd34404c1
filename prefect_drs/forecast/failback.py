"""The waves of a failback, for a forecast: its steps, with the servers and the time that each takes.

In: a plan, its servers by group, where a failback launches each, and the size of their disks. Out: waves as
`estimate.forecast` simulates them. Pure. A step that launches nothing takes an assumed time:

- replication, in either direction, starts in `REPLICATION_START` seconds and copies a GiB of disk in `SECONDS_A_GIB`;
  all servers replicate at once, so that the largest decides;
- writes that stopped have arrived after `CATCH_UP_SECONDS`: the engine demands a reading that is a minute younger;
- the clean-up takes `CLEAN_UP_SECONDS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prefect_drs.plan.failback_steps import WaveAction, failback_steps
from prefect_drs.plan.model import RecoveryPlan
from prefect_drs.recovery.launch.durations import DEFAULT_GATE, ServerTraits
from prefect_drs.recovery.launch.packing_plan import SimulatedWave

REPLICATION_START = 600.0
SECONDS_A_GIB = 20.0
UNKNOWN_GIB = 100.0
CATCH_UP_SECONDS = 90.0
CLEAN_UP_SECONDS = 300.0


def waves_of_failback(
    plan: RecoveryPlan,
    groups: Mapping[str, Sequence[str]],
    places: Mapping[str, str],
    traits: Mapping[str, ServerTraits],
) -> tuple[SimulatedWave, ...]:
    """The steps of a failback of the plan.

    Args:
        plan: the plan.
        groups: source server ids by the group's name; a group that is not there counts as empty.
        places: the account and region in which each server is launched, by its id.
        traits: operating system and disk size by source server id, where known.
    """
    seconds = _seconds([traits.get(server_id) for server_id in places])
    waves = []
    for step in failback_steps(plan):
        servers: dict[str, tuple[str, ...]] = {}
        for name in step.wave.groups if step.wave is not None else ():
            for server_id in groups.get(name, ()):
                place = places[server_id]
                servers[place] = (*servers.get(place, ()), server_id)
        gate = DEFAULT_GATE.median if step.gate else 0.0
        waves.append(SimulatedWave(step.number, step.after, servers, gate, seconds[step.action]))
    return tuple(waves)


def _seconds(servers: Sequence[ServerTraits | None]) -> dict[WaveAction, float]:
    """What each kind of step takes; of launches, what follows the last one."""
    sizes = [(traits.disk_gib if traits else None) or UNKNOWN_GIB for traits in servers]
    replication = REPLICATION_START + SECONDS_A_GIB * max(sizes, default=0.0)
    return {
        "launch": 0.0,
        "protect": replication,
        "catch-up": CATCH_UP_SECONDS,
        "reprotect": replication,
        "clean-up": CLEAN_UP_SECONDS,
    }
