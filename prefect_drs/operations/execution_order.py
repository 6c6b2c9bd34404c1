"""The order of a list of executions, and where its next page begins.

In: summaries, the newest first, read when they are needed. Out: the same in the order of a request. The newest first is
the order in which they are stored, so that a page of it reads no more than it shows; any other order reads all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

from prefect_drs.operations.page_tokens import Position, is_after, position_of, sort_key, token_after
from prefect_drs.report.summary import ExecutionSummary

ExecutionOrder = Literal[
    "startedAt", "-startedAt", "endedAt", "-endedAt", "planName", "-planName", "status", "-status",
    "executionType", "-executionType",
]  # fmt: skip
NEWEST_FIRST: ExecutionOrder = "-startedAt"
FIELDS = {
    "startedAt": "started_at",
    "endedAt": "ended_at",
    "planName": "plan_name",
    "status": "status",
    "executionType": "mode",
}
"""Fields that executions can be sorted by, with their names in a summary."""


def ordered(summaries: Iterator[ExecutionSummary], sort: ExecutionOrder) -> Iterable[ExecutionSummary]:
    """The executions in that order; those of equal value by their ids."""
    if sort == NEWEST_FIRST:
        return summaries
    return sorted(summaries, key=lambda each: sort_key(*_position(each, sort)), reverse=sort.startswith("-"))


def after_page(
    summaries: Iterable[ExecutionSummary], sort: ExecutionOrder, token: str | None
) -> Iterator[ExecutionSummary]:
    """Those after the last one of the former page; where that one was deleted, those after its position.

    Args:
        summaries: the executions in their order.
        sort: the order.
        token: the token of the former page; None for the first page.
    """
    if token is None:
        return iter(summaries)
    last, descending = position_of(token, sort), sort.startswith("-")
    rest, passed = iter(summaries), []
    for summary in rest:
        if summary.execution_id == last.unique:
            return rest
        passed.append(summary)
    return (summary for summary in passed if is_after(_position(summary, sort), last, descending=descending))


def next_token(last: ExecutionSummary, sort: ExecutionOrder) -> str:
    """The token of the page that begins after an execution."""
    return token_after(_position(last, sort), sort)


def _position(summary: ExecutionSummary, sort: ExecutionOrder) -> Position:
    value = getattr(summary, FIELDS[sort.removeprefix("-")])
    if isinstance(value, datetime):
        return Position(value.timestamp(), summary.execution_id)
    return Position(None if value is None else str(value), summary.execution_id)
