"""The wave graph: the order respects dependencies, every cycle is found and named, the critical path is the longest."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

import networkx as nx  # noqa: F401 - WaveGraph loads it at its first call, which would count in Hypothesis's deadline
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.core.errors import UsageError
from prefect_drs.plan import RecoveryPlan, Wave, check_manifest
from prefect_drs.plan.cycles import cycles
from prefect_drs.plan.graph import WaveGraph
from tests.plan.files import EXAMPLES


def plan(depends: Mapping[int, tuple[int, ...]], **wave: object) -> RecoveryPlan:
    waves = tuple(
        Wave.model_validate(
            {"wave_number": n, "wave_name": f"wave {n}", "groups": [f"g{n}"], "depends_on_waves": others, **wave}
        )
        for n, others in depends.items()
    )
    return RecoveryPlan(plan_name="p", waves=waves)


@st.composite
def sound_plans(draw: st.DrawFn) -> dict[int, tuple[int, ...]]:
    """Plans without a ring, their numbers in any order."""
    numbers = draw(st.lists(st.integers(0, 500), unique=True, min_size=1, max_size=25))
    return {
        number: tuple(draw(st.sets(st.sampled_from(numbers[:index]), max_size=4))) if index else ()
        for index, number in enumerate(numbers)
    }


@st.composite
def plans_with_a_ring(draw: st.DrawFn) -> dict[int, tuple[int, ...]]:
    """Sound plans to which a ring of any length was added."""
    depends = draw(sound_plans())
    ring = draw(st.lists(st.sampled_from(sorted(depends)), unique=True, min_size=1))
    for waiting, awaited in zip(ring, [*ring[1:], ring[0]], strict=True):
        depends[waiting] = tuple({*depends[waiting], awaited})
    return depends


def diamond() -> WaveGraph:
    manifest = check_manifest(EXAMPLES / "diamond.yaml", rehearsal=True).manifest
    assert manifest is not None
    return WaveGraph.of(manifest.plan())


@given(sound_plans())
def test_every_wave_comes_after_all_it_waits_for(depends: dict[int, tuple[int, ...]]) -> None:
    graph = WaveGraph.of(plan(depends))
    assert sorted(graph.order) == sorted(depends)
    at = {number: index for index, number in enumerate(graph.order)}
    assert all(at[other] < at[number] for number, others in depends.items() for other in others)


@given(sound_plans(), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_file(depends: dict[int, tuple[int, ...]], random: object) -> None:
    items = list(depends.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert WaveGraph.of(plan(dict(items))).order == WaveGraph.of(plan(depends)).order


@given(sound_plans())
def test_the_next_wave_is_the_lowest_that_may_come(depends: dict[int, tuple[int, ...]]) -> None:
    done: set[int] = set()
    for number in WaveGraph.of(plan(depends)).order:
        assert number == min(n for n, others in depends.items() if n not in done and done.issuperset(others))
        done.add(number)


@given(sound_plans())
def test_a_generation_is_one_deeper_than_the_deepest_it_waits_for(depends: dict[int, tuple[int, ...]]) -> None:
    graph = WaveGraph.of(plan(depends))
    assert sorted(n for generation in graph.generations for n in generation) == sorted(depends)
    for number, others in depends.items():
        assert graph.generation(number) == 1 + max((graph.generation(other) for other in others), default=-1)


@given(sound_plans())
def test_dependents_are_the_other_side_of_dependencies(depends: dict[int, tuple[int, ...]]) -> None:
    graph = WaveGraph.of(plan(depends))
    for number, others in depends.items():
        assert graph.dependencies(number) == tuple(sorted(set(others)))
        assert all(number in graph.dependencies(other) for other in graph.dependents(number))
        reached: set[int] = set()
        todo = [number]
        while todo:
            new = set(graph.dependents(todo.pop())) - reached
            reached |= new
            todo += new
        assert graph.descendants(number) == reached
        assert all(number in graph.ancestors(other) for other in reached)


@given(sound_plans(), st.data())
def test_the_critical_path_is_the_longest(depends: dict[int, tuple[int, ...]], data: st.DataObject) -> None:
    graph = WaveGraph.of(plan(depends))
    durations = {n: data.draw(st.integers(0, 1000).map(float)) for n in depends}
    path, seconds = graph.critical_path(durations)
    ends: dict[int, float] = {}
    for number in graph.order:
        ends[number] = durations[number] + max((ends[other] for other in depends[number]), default=0.0)
    assert seconds == max(ends.values())
    assert sum(durations[n] for n in path) == seconds
    assert all(before in depends[after] for before, after in itertools.pairwise(path))
    remaining = graph.remaining_path(durations)
    assert max(remaining.values()) == seconds
    for number in depends:
        after = max((remaining[other] for other in graph.dependents(number)), default=0.0)
        assert remaining[number] == durations[number] + after


@given(plans_with_a_ring())
def test_a_ring_is_always_found_and_each_named_edge_is_one(depends: dict[int, tuple[int, ...]]) -> None:
    with pytest.raises(UsageError, match="cycle: ") as caught:
        WaveGraph.of(plan(depends))
    named = [
        [(int(a), int(b)) for a, b in re.findall(r"wave (\d+) waits for wave (\d+)", ring)]
        for ring in caught.value.message.split("cycle: ")[1:]
    ]
    assert named
    for edges in named:
        assert all(awaited in depends[waiting] for waiting, awaited in edges)
        assert [b for _, b in edges] == [a for a, _ in [*edges[1:], edges[0]]]


@given(plans_with_a_ring())
def test_taking_away_the_last_edge_of_each_ring_leaves_none(depends: dict[int, tuple[int, ...]]) -> None:
    rings = cycles(depends)
    assert rings
    left = {n: set(others) for n, others in depends.items()}
    for ring in rings:
        assert ring[0] == min(ring)
        left[ring[-1]].remove(ring[0])
    assert len(rings) == 20 or cycles(left) == []


@given(sound_plans())
def test_a_sound_plan_has_no_ring(depends: dict[int, tuple[int, ...]]) -> None:
    assert cycles(depends) == []


def test_missing_waves_and_duplicate_numbers_are_refused_together() -> None:
    waves = (*plan({1: (7,), 2: (1,)}).waves, *plan({2: ()}).waves)
    with pytest.raises(UsageError) as caught:
        WaveGraph.of(RecoveryPlan(plan_name="p", waves=waves))
    assert "wave number 2 is used twice" in caught.value.message
    assert "wave 1 waits for wave 7, which does not exist (waves: 1, 2)" in caught.value.message


def test_the_diamond_runs_its_branches_side_by_side() -> None:
    graph = diamond()
    assert graph.generations == ((1,), (2, 3), (4, 5), (6,), (7,))
    assert graph.dependencies(6) == (4, 5)
    assert graph.dependents(1) == (2, 3)
    assert graph.descendants(2) == {4, 6, 7}
    path, seconds = graph.critical_path({1: 60, 2: 30, 3: 90, 4: 60, 5: 10, 6: 20, 7: 5})
    assert (path, seconds) == ((1, 3, 5, 6, 7), 185)


def test_of_equal_paths_the_lower_numbers_are_critical() -> None:
    assert diamond().critical_path(dict.fromkeys(range(1, 8), 10.0))[0] == (1, 2, 4, 6, 7)


@pytest.mark.parametrize(
    "durations", [{1: 1.0}, {1: 1.0, 2: -1.0}, {1: 1.0, 2: float("nan")}, {1: 1.0, 2: float("inf")}]
)
def test_a_path_without_a_sound_duration_is_refused(durations: dict[int, float]) -> None:
    with pytest.raises(UsageError, match="wave 2"):
        WaveGraph.of(plan({1: (), 2: (1,)})).critical_path(durations)


def test_asking_for_a_missing_wave_lists_the_waves_there_are() -> None:
    graph = WaveGraph.of(plan({0: (), 3: (0,)}))
    for ask in (graph.wave, graph.dependencies, graph.dependents, graph.descendants, graph.ancestors, graph.generation):
        with pytest.raises(UsageError, match="no wave 1; its waves are 0, 3"):
            ask(1)


def test_a_plan_without_waves_is_an_empty_graph() -> None:
    graph = WaveGraph.of(RecoveryPlan(plan_name="p", waves=()))
    assert (graph.order, graph.generations, graph.critical_path({})) == ((), (), ((), 0.0))


def test_mermaid_shows_gates_between_a_wave_and_what_it_waits_for() -> None:
    lines = [line.strip() for line in diamond().mermaid().splitlines()]
    assert lines[0] == "flowchart LR"
    assert {"w2 --> g4", "g4 --> w4", "w4 --> w6", "w5 --> w6", "w6 --> w7"} <= set(lines)
    assert "class g4,g5 gate" in lines
    assert "w2 --> w4" not in lines


def test_mermaid_colours_waves_by_their_state() -> None:
    chart = diamond().mermaid({1: "COMPLETED", 2: "FAILED", 4: "SKIPPED", 3: "COMPLETED", 5: "no such state"})
    assert "class w1,w3 completed" in chart
    assert "class w2 failed" in chart
    assert "class w4 skipped" in chart
    assert "no such state" not in chart
    for state in ("completed", "failed", "skipped"):
        assert f"classDef {state} " in chart


@given(st.text())
def test_no_name_breaks_out_of_its_label(name: str) -> None:
    wave = Wave(wave_number=0, wave_name=name, groups=(name,))
    chart = WaveGraph.of(RecoveryPlan(plan_name="p", waves=(wave,))).mermaid()
    _, box, end = chart.split("\n")
    assert end == ""
    label = box.removeprefix('    w0["').removesuffix('"]')
    assert not set('"`[]{}()&\n\r') & set(label)
    assert label.count("<") == label.count("<br/>") == 1
