"""Rings in "waits for" relations, each named from a wave to the waves it waits for, and back."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping

RINGS_AT_MOST = 20


def cycles(depends: Mapping[int, Iterable[int]]) -> list[list[int]]:
    """Rings whose breaking leaves none, at most 20; empty where there is none.

    Args:
        depends: for each wave the waves it waits for; waves it lacks wait for nothing.

    Returns:
        Each ring as wave numbers, every one waiting for the next and the last for the first. A ring begins with its
        lowest number. The rings share no last edge; taking each one's last edge away leaves no ring (or 20 were found).
    """
    try:
        graphlib.TopologicalSorter(depends).prepare()
    except graphlib.CycleError:
        return _rings(depends)
    return []


def _rings(depends: Mapping[int, Iterable[int]]) -> list[list[int]]:
    import networkx as nx  # noqa: PLC0415 - 0.15 s that a sound plan need not pay

    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_edges_from((wave, other) for wave, others in sorted(depends.items()) for other in sorted(others))
    rings: list[list[int]] = []
    while len(rings) < RINGS_AT_MOST:
        try:
            edges = nx.find_cycle(graph)
        except nx.NetworkXNoCycle:
            break
        ring = [edge[0] for edge in edges]
        start = ring.index(min(ring))
        ring = ring[start:] + ring[:start]
        rings.append(ring)
        graph.remove_edge(ring[-1], ring[0])
    return rings
