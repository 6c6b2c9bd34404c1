"""From an operation and its values to an HTTP request, by the table of routes.

In: the name of an operation and its values, by their names in JSON. Out: method, path, query, headers and body. Nothing
is validated here: the server names all faults of a request at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from prefect_drs.core.errors import UsageError
from prefect_drs.operations.registry import OperationKind, find_operation
from prefect_drs.rest.routes import ROUTES, Route


class RestRequest(NamedTuple):
    """A request.

    Args:
        method: the HTTP method.
        path: the path, with its values, escaped.
        query: pairs of the query; a name may come more than once.
        headers: headers of this request alone.
        body: the JSON body; None where the method has none.
        takes_key: whether the header Idempotency-Key makes it safe to send it again.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: dict[str, Any] | None
    takes_key: bool


def route_of(operation: str, values: Mapping[str, Any]) -> Route:
    """The route of an operation: of those whose path has values, the first with a body, else the first.

    Raises:
        UsageError: a value that the path needs is missing.
    """
    routes = [route for route in ROUTES if route.operation == operation]
    usable = [route for route in routes if all(_is_given(values.get(name)) for name in route.path_names)]
    if not usable:
        raise UsageError(f"{operation} needs {' or '.join(', '.join(route.path_names) for route in routes)}")
    return next((route for route in usable if route.has_body), usable[0])


def request_of(operation: str, values: Mapping[str, Any]) -> RestRequest:
    """The request of an operation with these values, by their names in JSON.

    Raises:
        InvalidOperationError: there is no such operation.
        UsageError: a value that the path needs is missing.
    """
    kind = find_operation(operation).kind
    route = route_of(operation, values)
    path = route.path
    for name in route.path_names:
        path = path.replace(f"{{{name}}}", quote(_text(values[name]), safe=""))
    others = {name: value for name, value in values.items() if name not in route.path_names}
    headers = {}
    if route.versioned and route.writes and isinstance(version := others.get("version"), int):
        headers["If-Match"] = f'"{version}"'
        del others["version"]
    return RestRequest(
        route.method,
        path,
        () if route.has_body else tuple(pair for name, value in others.items() for pair in _pairs(name, value)),
        headers,
        {name: _json(value) for name, value in others.items()} if route.has_body else None,
        takes_key=route.method == "POST" and kind is not OperationKind.QUERY,
    )


def _is_given(value: Any) -> bool:
    return value is not None and value != ""


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    """A value of a query: a list is given more than once, a mapping as KEY=VALUE."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [(name, f"{key}={_text(each)}") for key, each in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [(name, _text(each)) for each in value]
    return [(name, _text(value))]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _json(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(each) for each in value]
    return value
