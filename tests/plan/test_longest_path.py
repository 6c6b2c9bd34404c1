"""Each wave's longest path: what must be over before it, and what follows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.plan.longest_path import dependents_of, seconds_after, seconds_before
from tests.plan.test_graph import sound_plans

DIAMOND = {1: (), 2: (1,), 3: (1, 1), 4: (2, 3)}
SECONDS = {1: 1.0, 2: 20.0, 3: 5.0, 4: 100.0}


def test_the_seconds_after_a_wave_are_those_of_the_longest_chain_that_follows() -> None:
    assert seconds_after(DIAMOND, SECONDS) == {1: 120.0, 2: 100.0, 3: 100.0, 4: 0.0}


def test_the_seconds_before_a_wave_are_those_of_the_longest_chain_that_leads_to_it() -> None:
    assert seconds_before(DIAMOND, SECONDS) == {1: 0.0, 2: 1.0, 3: 1.0, 4: 21.0}


def test_each_dependent_is_listed_once() -> None:
    assert dependents_of(DIAMOND) == {1: [2, 3], 2: [4], 3: [4], 4: []}


@given(sound_plans(), st.data())
def test_the_longest_chain_through_a_wave_is_never_longer_than_the_plan(
    depends: dict[int, tuple[int, ...]], data: st.DataObject
) -> None:
    seconds = {wave: data.draw(st.integers(0, 1000).map(float)) for wave in depends}
    before, after = seconds_before(depends, seconds), seconds_after(depends, seconds)
    through = {wave: before[wave] + seconds[wave] + after[wave] for wave in depends}
    whole = max(before[wave] + seconds[wave] for wave in depends)
    assert max(through.values()) == whole
    assert all(before[wave] >= before[other] + seconds[other] for wave in depends for other in depends[wave])
    assert all(after[other] >= after[wave] + seconds[wave] for wave in depends for other in depends[wave])


@pytest.mark.parametrize("path", [seconds_before, seconds_after])
@pytest.mark.parametrize(
    ("depends_on", "message"),
    [({1: (2,), 2: (1,)}, r"waves \[1, 2\] depend .* circle"), ({1: (7,)}, "wave 1 .* wave 7")],
)
def test_dependencies_that_are_no_acyclic_graph_are_refused(path, depends_on, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        path(depends_on, dict.fromkeys(depends_on, 1.0))
