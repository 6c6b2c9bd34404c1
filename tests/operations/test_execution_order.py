"""Lists of executions: each order, and pages that hold every execution once, whatever comes or goes meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.operations.execution_order import NEWEST_FIRST, ExecutionOrder, after_page, next_token, ordered
from prefect_drs.report.model import ExecutionStatus
from prefect_drs.report.summary import ExecutionSummary

START = datetime(2026, 11, 29, tzinfo=UTC)
SECONDS = st.integers(0, 3)


@st.composite
def executions(draw: st.DrawFn) -> list[ExecutionSummary]:
    """Executions, the newest first; some began at the same time, some have not ended."""
    count = draw(st.integers(0, 8))
    found = [
        ExecutionSummary(
            execution_id=f"e{number}",
            plan_name=draw(st.sampled_from(["Shop", "Büro"])),
            mode=draw(st.sampled_from(["drill", "recovery"])),
            status=draw(st.sampled_from(list(ExecutionStatus))),
            started_at=(started := START + timedelta(seconds=draw(SECONDS))),
            ended_at=draw(st.none() | st.just(started + timedelta(microseconds=1))),
            servers=1,
            launched=0,
        )
        for number in range(count)
    ]
    return sorted(found, key=lambda each: each.started_at, reverse=True)


def pages(found: list[ExecutionSummary], sort: ExecutionOrder, size: int) -> list[str]:
    ids: list[str] = []
    token = None
    while page := list(islice(after_page(ordered(iter(found), sort), sort, token), size)):
        ids += [each.execution_id for each in page]
        token = next_token(page[-1], sort)
    return ids


@given(executions(), st.sampled_from(get_args(ExecutionOrder)), st.integers(1, 3))
def test_pages_hold_every_execution_once_and_in_order(
    found: list[ExecutionSummary], sort: ExecutionOrder, size: int
) -> None:
    assert pages(found, sort, size) == [each.execution_id for each in ordered(iter(found), sort)]


@given(executions(), st.sampled_from(sorted(set(get_args(ExecutionOrder)) - {NEWEST_FIRST})))
def test_the_two_directions_of_an_order_are_each_other_s_reverse(
    found: list[ExecutionSummary], sort: ExecutionOrder
) -> None:
    other = sort.removeprefix("-") if sort.startswith("-") else f"-{sort}"
    if other != NEWEST_FIRST:
        assert pages(found, sort, 10) == pages(found, other, 10)[::-1]  # type: ignore[arg-type]


@pytest.mark.parametrize("sort", get_args(ExecutionOrder))
def test_a_page_goes_on_where_its_last_execution_was_deleted(sort: ExecutionOrder) -> None:
    found = [
        ExecutionSummary(
            execution_id=f"e{number}",
            plan_name=f"plan {number}",
            mode="drill",
            status=ExecutionStatus.COMPLETED,
            started_at=START + timedelta(seconds=9 - number),
            ended_at=START + timedelta(seconds=19 - number),
            servers=1,
            launched=1,
        )
        for number in range(4)
    ]
    whole = list(ordered(iter(found), sort))
    token = next_token(whole[1], sort)
    left = [each for each in found if each is not whole[1]]
    assert list(after_page(ordered(iter(left), sort), sort, token)) == whole[2:]
