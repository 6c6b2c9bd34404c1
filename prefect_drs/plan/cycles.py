"""Cycles of waves that wait for each other."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping

CYCLES_AT_MOST = 20


def cycles(depends: Mapping[int, Iterable[int]]) -> list[list[int]]:
    """Cycles whose breaking leaves none, at most 20; empty where there is none.

    Args:
        depends: for each wave the waves it waits for; waves it lacks wait for nothing.

    Returns:
        Each cycle as wave numbers: each wave waits for the next, and the last for the first. A cycle begins with its
        lowest number. No two share their last edge, and without their last edges there is no cycle (or 20 were found).
    """
    try:
        graphlib.TopologicalSorter(depends).prepare()
    except graphlib.CycleError:
        return _find(depends)
    return []


def _find(depends: Mapping[int, Iterable[int]]) -> list[list[int]]:
    import networkx as nx  # noqa: PLC0415 - 0.15 s that a sound plan need not pay

    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_edges_from((wave, other) for wave, others in sorted(depends.items()) for other in sorted(others))
    found: list[list[int]] = []
    while len(found) < CYCLES_AT_MOST:
        try:
            edges = nx.find_cycle(graph)
        except nx.NetworkXNoCycle:
            break
        cycle = [edge[0] for edge in edges]
        start = cycle.index(min(cycle))
        cycle = cycle[start:] + cycle[:start]
        found.append(cycle)
        graph.remove_edge(cycle[-1], cycle[0])
    return found
