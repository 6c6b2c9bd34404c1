"""The longest path through the waves of a plan: the seconds before each wave, and the seconds after it.

In: for each wave the waves that it depends on, and its own seconds. Out: seconds for each wave. The one longest path of
the package: `WaveGraph`, the packer, the lookahead, the forecast and the benchmarks' lower bound all call it. It is
built on the standard library's topological sort; networkx finds one longest path of a graph, not one for each wave.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter


def seconds_before(depends_on: Mapping[int, Collection[int]], seconds: Mapping[int, float]) -> dict[int, float]:
    """For each wave, the seconds of the longest chain of waves that must be over before it.

    Args:
        depends_on: for each wave, the waves that it depends on; acyclic, every wave a key.
        seconds: of every wave, from its start to its end.

    Raises:
        ValueError: the waves depend on each other in a circle, or on one that is not a key.
    """
    before: dict[int, float] = {}
    try:
        for wave in TopologicalSorter(depends_on).static_order():
            if wave not in depends_on:
                dependent = min(other for other, waves in depends_on.items() if wave in waves)
                raise ValueError(f"wave {dependent} depends on wave {wave}, which is not among the waves given")
            before[wave] = max((before[other] + seconds[other] for other in depends_on[wave]), default=0.0)
    except CycleError as error:
        raise ValueError(f"waves {sorted(set(error.args[1]))} depend on each other in a circle") from error
    return before


def seconds_after(depends_on: Mapping[int, Collection[int]], seconds: Mapping[int, float]) -> dict[int, float]:
    """For each wave, the seconds of the longest chain of waves that follow its end; as `seconds_before` otherwise."""
    return seconds_before(dependents_of(depends_on), seconds)


def dependents_of(depends_on: Mapping[int, Collection[int]]) -> dict[int, list[int]]:
    """For each wave, the waves that depend on it directly, each once.

    Raises:
        ValueError: a wave depends on one that is not a key.
    """
    dependents: dict[int, list[int]] = {wave: [] for wave in depends_on}
    for wave, before in depends_on.items():
        for other in dict.fromkeys(before):
            if other not in dependents:
                raise ValueError(f"wave {wave} depends on wave {other}, which is not among the waves given")
            dependents[other].append(wave)
    return dependents
