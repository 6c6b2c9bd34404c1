"""One endpoint for all routes: from an HTTP request to an operation, and from its answer to a response.

In: a served route and a request. Out: a response, or a `PrefectDrsError`. All faults of a request are in one error.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from prefect_drs.operations import OperationKind, invoke
from prefect_drs.operations.access import require_permission
from prefect_drs.operations.invocation import invalid_request
from prefect_drs.rest import paging
from prefect_drs.rest.fresh import conditional
from prefect_drs.rest.idempotency import HEADER, Call, fingerprint
from prefect_drs.rest.lines import lines_response
from prefect_drs.rest.parameters import JSON_TYPE, from_query, merged, read_json
from prefect_drs.rest.routes import Route
from prefect_drs.rest.service import ServedRoute, Service, sender_of
from prefect_drs.rest.versions import etag_of, with_version

Endpoint = Callable[[Request], Awaitable[Response]]
KEY_FIELD = "idempotencyKey"
"""The field of a request that the header Idempotency-Key is handed on to, where an operation has it."""
_IN_BRACES = re.compile(r"{(\w+)}")


def takes_key(served: ServedRoute) -> bool:
    """Whether a route accepts the header Idempotency-Key: whatever is sent by POST and is not a mere question."""
    return served.route.method == "POST" and served.operation.kind is not OperationKind.QUERY


def endpoint_of(served: ServedRoute, service: Service) -> Endpoint:
    """The endpoint of a route."""
    route = served.route

    async def answer(request: Request) -> Response:
        sender = sender_of(request)
        if sender.identity is not None:  # before the request is read: who may not learns nothing of its faults
            await service.in_thread(require_permission, service.context(sender), served.operation)
        values = await _values(served, service, request)
        if route.fresh and service.shares_answers:
            read = (sender.rights, request.url.path, request.url.query)
            found = await service.fresh.answer(read, lambda: _invoke(served, service, request, values))
            return conditional(request, found)
        if not route.writes:
            return await _invoke(served, service, request, values)
        key = request.headers.get(HEADER) if takes_key(served) else None
        call = Call(sender.name, route.operation, fingerprint(route.method, request.url.path, values), key)
        if key is not None and KEY_FIELD in route.without:
            values = {KEY_FIELD: key, **values}
        return await service.requests.carry_out(call, lambda: _carried_out(served, service, request, values))

    return answer


async def _carried_out(served: ServedRoute, service: Service, request: Request, values: dict[str, Any]) -> Response:
    """Carry out what may change something: no answer of before is given to who reads afterwards."""
    try:
        return await _invoke(served, service, request, values)
    finally:
        if served.operation.kind is not OperationKind.QUERY:
            service.fresh.changed()


async def _values(served: ServedRoute, service: Service, request: Request) -> dict[str, Any]:
    route = served.route
    own = paging.names(route)
    values = from_query(request, served.parameters, own)
    if route.has_body:
        unknown = [{"field": name, "message": "is not known; give it in the body"} for name in values]
        paging.refuse(route.operation, unknown)
        values = await read_json(request, service.options.body_bytes)
    return merged(request.path_params, values, served.parameters, route.without)


async def _invoke(served: ServedRoute, service: Service, request: Request, values: dict[str, Any]) -> Response:
    route = served.route
    if route.items:
        return await _list(served, service, request, values)
    if_match = request.headers.get("if-match")
    if if_match is not None and takes_version(served):
        values = await service.in_thread(
            with_version, values, if_match, lambda: _current(served, service, request, values)
        )
    run = service.threads.write if route.writes else service.in_thread
    answer = await run(invoke, route.operation, values, context=service.context(sender_of(request)))
    if route.lines and (lines := lines_response(request, route.lines, answer)) is not None:
        return lines
    return _response(route, values, answer)


async def _list(served: ServedRoute, service: Service, request: Request, values: dict[str, Any]) -> Response:
    route = served.route
    faults: list[dict[str, str]] = []
    wanted = paging.page_request(request, route, faults)
    try:
        served.model.model_validate(values)
    except ValidationError as error:
        faults += invalid_request(route.operation, served.model, error).details["faults"]
    paging.refuse(route.operation, faults)
    answer = await service.in_thread(invoke, route.operation, values, context=service.context(sender_of(request)))
    found = paging.page(answer[route.items], route, wanted)
    shown = {route.items: found.items, paging.TOTAL: found.total, paging.NEXT: found.next_token}
    return _response(route, values, {**answer, **shown})


def takes_version(served: ServedRoute) -> bool:
    """Whether a route accepts the header If-Match."""
    return served.route.versioned and served.route.writes and "version" in served.model.model_fields


def _current(served: ServedRoute, service: Service, request: Request, values: Mapping[str, Any]) -> int:
    """The stored version of the group or plan that a route changes."""
    name, field = (
        ("get_recovery_plan", "planId") if "planId" in served.route.path_names else ("get_protection_group", "groupId")
    )
    answer = invoke(name, {field: values[field]}, context=service.context(sender_of(request)))
    return int(answer["version"])


def _response(route: Route, values: Mapping[str, Any], answer: Any) -> Response:
    headers = {}
    if route.location:
        known = {**values, **(answer if isinstance(answer, Mapping) else {})}
        headers["Location"] = _IN_BRACES.sub(
            lambda found: quote(str(_lookup(known, found[1])), safe=""), route.location
        )
    if route.versioned and (etag := etag_of(answer)) is not None:
        headers["ETag"] = etag
    return Response(to_json(answer), route.status, headers, JSON_TYPE)


def _lookup(known: Mapping[str, Any], name: str) -> Any:
    """A value by its name, at the top of the answer or one level below, as in `{"account": {"accountId": …}}`."""
    if name in known:
        return known[name]
    return next(each[name] for each in known.values() if isinstance(each, Mapping) and name in each)
