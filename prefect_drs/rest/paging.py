"""Lists: pages, order and filters.

In: the items of an answer, and the parameters `limit`, `nextToken`, `sort` and those of the filters. Out: one page, the
number of items, and the token of the next page. The order is total: the last sort field of a route is unique. A token
holds the position by value, not by number, so that items that come or go meanwhile are neither repeated nor lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request

from prefect_drs.operations.invocation import InvalidRequestError
from prefect_drs.operations.page_tokens import Position, is_after, position_of, sort_key, token_after
from prefect_drs.rest.routes import Route

DEFAULT_LIMIT = 100
MOST = 1000
NEXT, TOTAL = "nextToken", "totalCount"
"""Fields that a list's answer has besides those of the operation."""
CONTROLS = frozenset({"limit", NEXT, "sort"})


class Page(NamedTuple):
    """A part of a list.

    Args:
        items: those of the page.
        total: items that pass the filters, in all pages.
        next_token: leads to the next page; None at the end.
    """

    items: list[Any]
    total: int
    next_token: str | None


class PageRequest(NamedTuple):
    """Which page, in which order, of which items. `limit`: None for all."""

    limit: int | None
    after: Position | None
    sort: str
    descending: bool
    filters: Mapping[str, str]


def names(route: Route) -> frozenset[str]:
    """The parameters of a list that are the face's own."""
    return CONTROLS | frozenset(route.filters) if route.items else frozenset()


def page_request(request: Request, route: Route, faults: list[dict[str, str]]) -> PageRequest:
    """Read the parameters of a list; faults are appended to `faults`, each with its field."""
    query = request.query_params
    for name in sorted(names(route)):
        if len(query.getlist(name)) > 1:
            faults.append({"field": name, "message": "is given more than once"})
    limit = _limit(query.get("limit"), faults) if "limit" in query or not route.whole else None
    sort = query.get("sort", route.sort[0])
    field, descending = sort.removeprefix("-"), sort.startswith("-")
    if field not in route.sort:
        choices = ", ".join(route.sort)
        faults.append({"field": "sort", "message": f"is one of {choices}; with a - before it in descending order"})
    after = _after(query.get("nextToken"), sort, faults)
    filters = {name: query[name] for name in route.filters if name in query}
    return PageRequest(limit, after, field, descending, filters)


def refuse(operation: str, faults: Sequence[dict[str, str]]) -> None:
    """Raise one error for all faults, if there are any.

    Raises:
        InvalidRequestError: there are.
    """
    if faults:
        text = "; ".join(f"{fault['field'] or 'body'} {fault['message']}" for fault in faults)
        raise InvalidRequestError(f"{operation}: {text}", faults=list(faults))


def page(items: Sequence[Mapping[str, Any]], route: Route, request: PageRequest) -> Page:
    """The page of the items that the request means."""
    unique = route.sort[-1]

    def position(item: Mapping[str, Any]) -> Position:
        return Position(item.get(request.sort), item.get(unique))

    passing = [i for i in items if all(_passes(i.get(name), text) for name, text in request.filters.items())]
    ordered = sorted(passing, key=lambda item: sort_key(*position(item)), reverse=request.descending)
    if (last := request.after) is not None:
        ordered = [i for i in ordered if is_after(position(i), last, descending=request.descending)]
    shown = ordered[: request.limit]
    sort = f"-{request.sort}" if request.descending else request.sort
    token = token_after(position(shown[-1]), sort) if len(ordered) > len(shown) else None
    return Page(list(shown), len(passing), token)


def _passes(value: Any, text: str) -> bool:
    if isinstance(value, bool):
        return text == ("true" if value else "false")
    return text == ("" if value is None else str(value))


def _limit(text: str | None, faults: list[dict[str, str]]) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST):
        faults.append({"field": "limit", "message": f"is a number from 1 to {MOST}"})
        return DEFAULT_LIMIT
    return int(text)


def _after(token: str | None, sort: str, faults: list[dict[str, str]]) -> Position | None:
    if token is None:
        return None
    try:
        return position_of(token, sort)
    except ValueError as error:
        faults.append({"field": NEXT, "message": str(error)})
        return None
