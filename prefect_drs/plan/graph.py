"""The waves of a plan as a directed acyclic graph: their order, and the longest path through them.

In: a `RecoveryPlan`. Out: a `WaveGraph`, which identifies waves by their numbers. An edge goes from a wave to each wave
that waits for it. A plan whose waves have no order raises a `UsageError`; the graph never guesses one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from prefect_drs.core.errors import UsageError
from prefect_drs.core.escaping import mermaid_label
from prefect_drs.plan.cycles import cycles
from prefect_drs.plan.longest_path import seconds_after
from prefect_drs.plan.model import RecoveryPlan, Wave

if TYPE_CHECKING:
    import networkx as nx

_COLOURS = {
    "PENDING": "fill:#f3f4f6,stroke:#6b7280,color:#111827",
    "INITIATED": "fill:#dbeafe,stroke:#2563eb,color:#111827",
    "LAUNCHING": "fill:#dbeafe,stroke:#2563eb,color:#111827",
    "PAUSED": "fill:#fef9c3,stroke:#ca8a04,color:#111827",
    "COMPLETED": "fill:#dcfce7,stroke:#16a34a,color:#111827",
    "FAILED": "fill:#fee2e2,stroke:#dc2626,color:#111827",
    "SKIPPED": "fill:#e5e7eb,stroke:#374151,color:#111827,stroke-dasharray:4 3",
    "CANCELLED": "fill:#ffedd5,stroke:#ea580c,color:#111827",
}
_GATE_COLOUR = "fill:#fef9c3,stroke:#ca8a04,color:#111827"


@dataclass(frozen=True)
class WaveGraph:
    """A plan's waves and what they wait for. Make one with `WaveGraph.of`."""

    plan_name: str
    waves: Mapping[int, Wave]
    digraph: nx.DiGraph[int] = field(repr=False, compare=False)

    @classmethod
    def of(cls, plan: RecoveryPlan) -> WaveGraph:
        """The graph of a plan.

        Raises:
            UsageError: two waves have the same number, a wave waits for a wave that does not exist, or waves wait for
                each other; the message lists every cycle edge by edge.
        """
        import networkx as nx  # noqa: PLC0415 - 0.15 s that `import prefect_drs.plan.graph` need not pay

        waves: dict[int, Wave] = {}
        faults: list[str] = []
        for wave in plan.waves:
            if wave.wave_number in waves:
                faults.append(f"wave number {wave.wave_number} is used twice")
            waves.setdefault(wave.wave_number, wave)
        known = ", ".join(map(str, sorted(waves))) or "none"
        depends = {number: wave.depends_on_waves for number, wave in waves.items()}
        for number, others in depends.items():
            faults += [
                f"wave {number} waits for wave {other}, which does not exist (waves: {known})"
                for other in others
                if other not in waves
            ]
        faults += [
            "cycle: "
            + ", ".join(f"wave {a} waits for wave {b}" for a, b in zip(ring, [*ring[1:], ring[0]], strict=True))
            for ring in cycles(depends)
        ]
        if faults:
            raise UsageError(f"plan {plan.plan_name!r} has no order: {'; '.join(faults)}", faults=faults)
        graph: nx.DiGraph[int] = nx.DiGraph()
        graph.add_nodes_from(sorted(waves))
        graph.add_edges_from((other, number) for number, others in depends.items() for other in others)
        return cls(plan.plan_name, waves, graph)

    def wave(self, number: int) -> Wave:
        """The wave with that number.

        Raises:
            UsageError: the plan has none; the message lists its waves.
        """
        if number not in self.waves:
            known = ", ".join(map(str, sorted(self.waves))) or "none"
            raise UsageError(f"plan {self.plan_name!r} has no wave {number}; its waves are {known}")
        return self.waves[number]

    @cached_property
    def order(self) -> tuple[int, ...]:
        """All waves in topological order; of waves that may come next, the lowest number comes first."""
        import networkx as nx  # noqa: PLC0415

        return tuple(nx.lexicographical_topological_sort(self.digraph, key=lambda number: number))

    @cached_property
    def generations(self) -> tuple[tuple[int, ...], ...]:
        """The waves by their depth in the graph; waves of one generation never wait for each other."""
        import networkx as nx  # noqa: PLC0415

        return tuple(tuple(sorted(generation)) for generation in nx.topological_generations(self.digraph))

    def generation(self, number: int) -> int:
        """The generation of that wave, from 0."""
        self.wave(number)
        return next(index for index, waves in enumerate(self.generations) if number in waves)

    def dependencies(self, number: int) -> tuple[int, ...]:
        """The waves it waits for directly, by number."""
        self.wave(number)
        return tuple(sorted(self.digraph.predecessors(number)))

    def dependents(self, number: int) -> tuple[int, ...]:
        """The waves that wait for it directly, by number."""
        self.wave(number)
        return tuple(sorted(self.digraph.successors(number)))

    def descendants(self, number: int) -> frozenset[int]:
        """The waves that wait for it, directly or through others; they cannot run once it has failed."""
        import networkx as nx  # noqa: PLC0415

        self.wave(number)
        return frozenset(nx.descendants(self.digraph, number))

    def ancestors(self, number: int) -> frozenset[int]:
        """The waves it waits for, directly or through others."""
        import networkx as nx  # noqa: PLC0415

        self.wave(number)
        return frozenset(nx.ancestors(self.digraph, number))

    def remaining_path(self, durations: Mapping[int, float]) -> dict[int, float]:
        """For each wave the seconds of the longest path from its start to the plan's end: the longer, the more urgent.

        Args:
            durations: seconds of every wave.

        Raises:
            UsageError: a wave's duration is missing, negative or not finite.
        """
        faulty = [n for n in self.order if not 0 <= durations.get(n, math.nan) < math.inf]
        if faulty:
            raise UsageError(f"plan {self.plan_name!r}: wave {faulty[0]} has no duration of 0 s or more")
        after = seconds_after({number: wave.depends_on_waves for number, wave in self.waves.items()}, durations)
        return {number: durations[number] + after[number] for number in self.order}

    def critical_path(self, durations: Mapping[int, float]) -> tuple[tuple[int, ...], float]:
        """The longest path through the plan, first wave first, and its seconds.

        Of paths that are equally long, the one with the lower wave numbers.

        Args:
            durations: seconds of every wave.

        Raises:
            UsageError: a wave's duration is missing, negative or not finite.
        """
        remaining = self.remaining_path(durations)
        path: list[int] = []
        candidates = self.generations[0] if self.generations else ()
        while candidates:
            longest = max(remaining[number] for number in candidates)
            path.append(next(number for number in sorted(candidates) if remaining[number] == longest))
            candidates = self.dependents(path[-1])
        return tuple(path), remaining[path[0]] if path else 0.0

    def mermaid(self, states: Mapping[int, str] | None = None) -> str:
        """The graph as a Mermaid flowchart; a gate is a hexagon before its wave.

        Args:
            states: a wave's status, such as `COMPLETED`, by number; waves with one are coloured by it.
        """
        lines = ["flowchart LR"]
        for number in self.order:
            wave = self.waves[number]
            groups = ", ".join(wave.groups)
            lines.append(
                f'    w{number}["{mermaid_label(f"{number} · {wave.wave_name}")}<br/>{mermaid_label(groups)}"]'
            )
            if wave.pause_before_wave:
                lines += [f'    g{number}{{{{"approve {number}"}}}}', f"    g{number} --> w{number}"]
        for number in self.order:
            entry = f"g{number}" if self.waves[number].pause_before_wave else f"w{number}"
            lines += [f"    w{before} --> {entry}" for before in self.dependencies(number)]
        gates = [f"g{number}" for number in self.order if self.waves[number].pause_before_wave]
        if gates:
            lines += [f"    classDef gate {_GATE_COLOUR}", f"    class {','.join(gates)} gate"]
        by_state: dict[str, list[str]] = {}
        for number in self.order:
            state = str((states or {}).get(number, ""))
            if state in _COLOURS:
                by_state.setdefault(state, []).append(f"w{number}")
        for state, nodes in sorted(by_state.items()):
            name = state.lower()
            lines += [f"    classDef {name} {_COLOURS[state]}", f"    class {','.join(nodes)} {name}"]
        return "\n".join(lines) + "\n"
