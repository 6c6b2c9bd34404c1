"""Lists: pages, order and filters.

In: the items of an answer, and the parameters `limit`, `nextToken`, `sort` and those of the filters. Out: one page, the
number of items, and the token of the next page. The order is total: the last sort field of a route is unique. A token
holds the position by value, not by number, so that items that come or go meanwhile are neither repeated nor lost.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request

from prefect_drs.operations.invocation import InvalidRequestError
from prefect_drs.rest.routes import Route

DEFAULT_LIMIT = 100
MOST = 1000
NEXT, TOTAL = "nextToken", "totalCount"
"""Fields that a list's answer has besides those of the operation."""
CONTROLS = frozenset({"limit", NEXT, "sort"})
_TYPES = (type(None), bool, int, float, str)  # the order of values of different types


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
    """Which page, in which order, of which items."""

    limit: int
    after: tuple[Any, Any] | None
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
    limit = _limit(query.get("limit"), faults)
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

    def key(item: Mapping[str, Any]) -> tuple[Any, Any]:
        return _comparable(item.get(request.sort)), _comparable(item.get(unique))

    passing = [i for i in items if all(_passes(i.get(name), text) for name, text in request.filters.items())]
    ordered = sorted(passing, key=key, reverse=request.descending)
    if request.after is not None:
        last = tuple(map(_comparable, request.after))
        ordered = [i for i in ordered if (key(i) < last if request.descending else key(i) > last)]
    shown = ordered[: request.limit]
    more = len(ordered) > len(shown)
    token = _token(request, shown[-1], unique) if more else None
    return Page(list(shown), len(passing), token)


def _comparable(value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
    if isinstance(value, str):
        return 4, value
    return (_TYPES.index(type(value)), value) if type(value) in _TYPES else (5, json.dumps(value, sort_keys=True))


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


def _token(request: PageRequest, item: Mapping[str, Any], unique: str) -> str:
    sort = f"-{request.sort}" if request.descending else request.sort
    text = json.dumps([sort, item.get(request.sort), item.get(unique)], ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _after(token: str | None, sort: str, faults: list[dict[str, str]]) -> tuple[Any, Any] | None:
    if token is None:
        return None
    try:
        given, value, unique = json.loads(
            base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        )
    except (ValueError, TypeError, binascii.Error, RecursionError):
        given = value = unique = None
    if given is None:
        faults.append({"field": "nextToken", "message": "is not a token that this list gave out"})
        return None
    if given != sort:
        faults.append({"field": "nextToken", "message": "belongs to another order; give the same sort as before"})
        return None
    return value, unique
