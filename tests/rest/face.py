"""Operations called over HTTP by the table of routes: each parameter where its route takes it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from prefect_drs.rest.routes import ROUTES, Route


def route_of(operation: str, parameters: dict[str, Any]) -> Route:
    """The route of an operation that has the most of these parameters in its path."""
    fitting = [each for each in ROUTES if each.operation == operation and set(each.path_names) <= parameters.keys()]
    return max(fitting, key=lambda each: len(each.path_names))


class RestFace:
    """Calls operations of a server. `key`: of the next request, as Idempotency-Key."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def send(self, operation: str, parameters: dict[str, Any], headers: dict[str, str] | None = None) -> httpx.Response:
        """One request; its response whatever it is."""
        route = route_of(operation, parameters)
        path = route.path.format(**{name: quote(str(parameters[name]), safe="") for name in route.path_names})
        rest = {name: value for name, value in parameters.items() if name not in route.path_names}
        if route.has_body:
            return self.client.request(route.method, path, json=rest, headers=headers)
        return self.client.request(route.method, path, params=rest, headers=headers)

    def __call__(self, operation: str, /, **parameters: Any) -> Any:
        """One request that succeeds; its answer."""
        response = self.send(operation, parameters)
        assert response.is_success, response.text
        return response.json()
