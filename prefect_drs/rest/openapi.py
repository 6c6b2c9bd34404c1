"""The OpenAPI document of the REST face, made from the table of routes and the registry of operations.

In: served routes. Out: an OpenAPI 3.1 document. A request's schema is that of the operation's request model without the
fields that the path gives; a response's schema is that of the function's return annotation; the description is its
docstring.
"""

from __future__ import annotations

import copy
import inspect
import typing
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from prefect_drs.rest import paging
from prefect_drs.rest.endpoints import takes_key, takes_version
from prefect_drs.rest.errors import ErrorBody
from prefect_drs.rest.examples import BODIES, PARAMETERS
from prefect_drs.rest.idempotency import HEADER as KEY_HEADER
from prefect_drs.rest.lines import LINES_TYPE, MORE_HEADER
from prefect_drs.rest.parameters import JSON_TYPE, container_of
from prefect_drs.rest.requests import RequestStatus, RunningRequest
from prefect_drs.rest.service import ServedRoute

TOKEN = "bearer"  # noqa: S105 - the name of the scheme
_TOKEN_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "Needed where there is an access policy: what `prefect-drs token` prints (a presigned request of "
    "AWS STS), or a JWT of an OIDC issuer that the policy lists. Without a policy, no token is asked for.",
}
EVENTS_PATH = "/executions/{executionId}/events"
REQUEST_PATH = "/requests/{requestId}"
_REF = "#/components/schemas/{model}"
_COMMON = {
    "400": "The request has faults; `details.faults` names each field.",
    "401": "There is an access policy, and no token, or one that proves nothing; `details.reason` says why.",
    "403": "Refused: by the caller's roles, by the permissions in AWS, or since it came from another host or origin.",
    "404": "There is no such thing.",
    "409": "It contradicts the state of something else.",
    "429": "Too many requests; `Retry-After` says when to try again.",
    "500": "The server failed; its log has the reason under the request id.",
    "502": "AWS failed.",
    "503": "Prefect or AWS cannot be reached, or the server has too much to do.",
}
_WITH_BODY = {"413": "The body is too large.", "415": "The body is not declared as JSON."}
_CONDITIONAL = {"412": "The stored version is not that of If-Match."}
DESCRIPTION = (
    "Operations of prefect-drs over HTTP. Each answers what the operation of the same name answers in Python and on "
    "the command line. Errors have one form: a code, a message and details."
)


def document(routes: Iterable[ServedRoute]) -> dict[str, Any]:
    """The OpenAPI document of these routes, and of health, readiness, metrics and events."""
    served = tuple(routes)
    schemas = _Schemas(served)
    paths: dict[str, dict[str, Any]] = {}
    for each in served:
        paths.setdefault(each.route.path, {})[each.route.method.lower()] = _operation(each, schemas)
    paths.update(_own_paths())
    return {
        "openapi": "3.1.0",
        "info": {"title": "prefect-drs", "version": version("prefect-drs"), "description": DESCRIPTION},
        "security": [{TOKEN: []}, {}],
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": {TOKEN: _TOKEN_SCHEME}},
    }


class _Schemas:
    """All schemas, and where each route's own are among them."""

    def __init__(self, served: tuple[ServedRoute, ...]) -> None:
        inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
            (model.__name__, "serialization", TypeAdapter(model))
            for model in (ErrorBody, RunningRequest, RequestStatus)
        ]
        for operation in {each.operation for each in served}:
            inputs.append((operation.name, "validation", TypeAdapter(operation.request)))
            answer = typing.get_type_hints(operation.function).get("return", Any)
            inputs.append((operation.name, "serialization", TypeAdapter(answer)))
        self._by_key, definitions = TypeAdapter.json_schemas(sorted(inputs, key=lambda i: i[:2]), ref_template=_REF)
        self.components: dict[str, Any] = definitions.get("$defs", {})
        for name, schema in self.components.items():
            if "-" in name:  # of a model that is sent and answered; generators name classes by titles
                schema["title"] = name.replace("-", "")
        self.error = self._by_key["ErrorBody", "serialization"]
        self.running = self._by_key["RunningRequest", "serialization"]

    def of(self, operation: str, mode: JsonSchemaMode) -> dict[str, Any]:
        """The schema of a request (validation) or an answer (serialization), without a reference at its top."""
        found: dict[str, Any] = self._by_key[operation, mode]
        if "$ref" in found:
            found = self.components[found["$ref"].rpartition("/")[2]]
        return copy.deepcopy(found)

    def add(self, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Add a component; a reference to it."""
        self.components[name] = {**schema, "title": name}
        return {"$ref": _REF.format(model=name)}

    def reference(self, operation: str) -> dict[str, Any]:
        """The answer of an operation, as a reference where it is a model."""
        found: dict[str, Any] = self._by_key[operation, "serialization"]
        return found


def _operation(served: ServedRoute, schemas: _Schemas) -> dict[str, Any]:
    route = served.route
    request = schemas.of(route.operation, "validation")
    properties = request.get("properties", {})
    described: dict[str, Any] = {
        "operationId": _operation_id(served),
        "summary": served.operation.help,
        "description": _description(served),
        "tags": [route.tag],
        "parameters": [*_parameters(served, properties), *_list_parameters(served), *_headers(served)],
        "responses": _responses(served, schemas),
    }
    if route.has_body:
        described["requestBody"] = _body(served, schemas, request)
    return described


def _operation_id(served: ServedRoute) -> str:
    """The operation's name; where several routes have it, those after the first add what sets their paths apart."""
    from prefect_drs.rest.routes import ROUTES  # noqa: PLC0415

    route = served.route
    first = next(each for each in ROUTES if each.operation == route.operation)
    if first == route:
        return route.operation
    words = [part for part in route.path.replace("{", "").replace("}", "").split("/") if part]
    return "_".join([route.operation, route.method.lower(), *words]).replace("-", "_")


def _description(served: ServedRoute) -> str:
    text = inspect.getdoc(served.operation.function) or ""
    needed = f"Operation `{served.operation.name}`; needs the permission `{served.operation.permission}`."
    return f"{text.replace('Raises:', 'Errors:')}\n\n{needed}"


def _parameters(served: ServedRoute, properties: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for each in served.parameters:
        if each.source == "body":
            continue
        schema = properties.get(each.spellings[0], {"type": "string"})
        described: dict[str, Any] = {"name": each.name, "in": each.source, "required": each.required}
        if each.source == "query" and container_of(each.info) is dict:
            pair = {"type": "string", "pattern": "^[^=]+=.*$"}
            schema = {"type": "array", "items": pair, "description": "NAME=VALUE; may be given more than once"}
        schema = _not_null(schema)
        if each.source == "path":
            schema = {"minLength": 1, **{name: value for name, value in schema.items() if name != "default"}}
        if each.name in PARAMETERS:
            described["example"] = PARAMETERS[each.name]
        found.append({**described, "schema": schema})
    return found


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without null, which neither a path nor a query can express."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    kept = {
        name: value for name, value in schema.items() if name != "anyOf" and not (name == "default" and value is None)
    }
    return {**kept, **choices[0]} if len(choices) == 1 else ({**kept, "anyOf": choices} if choices else kept)


def _list_parameters(served: ServedRoute) -> list[dict[str, Any]]:
    route = served.route
    if not route.items:
        return []
    orders = [f"{sign}{field}" for field in route.sort for sign in ("", "-")]
    limit: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": paging.MOST}
    own = [
        ("limit", "Items in a page; all by default.", limit)
        if route.whole
        else ("limit", "Items in a page.", {**limit, "default": paging.DEFAULT_LIMIT}),
        (paging.NEXT, "The token of the former page's answer.", {"type": "string"}),
        (
            "sort",
            "The field to sort by; with - before it in descending order.",
            {"type": "string", "enum": orders, "default": route.sort[0]},
        ),
        *((name, f"Only items of this {name}.", {"type": "string"}) for name in route.filters),
    ]
    return [
        {"name": name, "in": "query", "required": False, "description": text, "schema": schema}
        for name, text, schema in own
    ]


def _headers(served: ServedRoute) -> list[dict[str, Any]]:
    found = []
    if takes_version(served):
        text = "The ETag of the version that the change is made from; instead of `version`."
        found.append(("If-Match", text, {"type": "string", "pattern": '^"[1-9][0-9]{0,8}"$'}))
    if takes_key(served):
        text = "The same key with the same request gives the first answer again and starts nothing twice."
        found.append((KEY_HEADER, text, {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,255}$"}))
    return [
        {"name": name, "in": "header", "required": False, "description": text, "schema": schema}
        for name, text, schema in found
    ]


def _body(served: ServedRoute, schemas: _Schemas, request: dict[str, Any]) -> dict[str, Any]:
    accepted = {each.spellings[0] for each in served.parameters if each.source == "body"}
    request["properties"] = {name: s for name, s in request.get("properties", {}).items() if name in accepted}
    optional = {"version"} if takes_version(served) else set()  # If-Match may give the version
    required = [name for name in request.pop("required", []) if name in accepted - optional]
    if required:
        request["required"] = required
    name = "".join(part.title() for part in _operation_id(served).split("_")) + "Request"
    example = BODIES.get(served.operation.name)
    content: dict[str, Any] = {"schema": schemas.add(name, request)}
    if example is not None:
        content["example"] = {name: value for name, value in example.items() if name in accepted}
    return {"required": bool(required), "content": {JSON_TYPE: content}}


def _responses(served: ServedRoute, schemas: _Schemas) -> dict[str, Any]:
    route = served.route
    schema = schemas.reference(route.operation)
    if route.items:
        paged = schemas.of(route.operation, "serialization")
        paged["properties"][paging.TOTAL] = {"type": "integer", "description": "Items in all pages."}
        paged["properties"][paging.NEXT] = {"type": ["string", "null"], "description": "Leads to the next page."}
        paged["required"] = list(dict.fromkeys([*paged.get("required", ()), paging.TOTAL, paging.NEXT]))
        schema = schemas.add("".join(part.title() for part in route.operation.split("_")) + "Page", paged)
    headers = {}
    if route.location:
        headers["Location"] = {"schema": {"type": "string"}, "description": "Where to look."}
    if route.versioned:
        headers["ETag"] = {"schema": {"type": "string"}, "description": "The stored version."}
    text = "Accepted; `Location` is where to look." if route.status == 202 else "Done."
    content: dict[str, Any] = {JSON_TYPE: {"schema": schema}}
    if route.lines:
        content[LINES_TYPE] = {"schema": {"type": "string", "description": f"An item of `{route.lines}` in each line."}}
        headers[MORE_HEADER] = {"schema": {"type": "string", "const": "true"}, "description": "There are others."}
    success: dict[str, Any] = {"description": text, "content": content}
    if headers:
        success["headers"] = headers
    answers = {str(route.status): success}
    if route.writes:
        answers = _or_later(answers, schemas)
    if route.fresh:
        headers = success.setdefault("headers", {})
        headers.setdefault("ETag", {"schema": {"type": "string"}, "description": "Of this content."})
        answers["304"] = {"description": "The content is still that of If-None-Match."}
    errors = {**_COMMON, **(_WITH_BODY if route.has_body else {}), **(_CONDITIONAL if takes_version(served) else {})}
    failed = {"schema": schemas.error}
    return {
        **answers,
        **{status: {"description": t, "content": {JSON_TYPE: failed}} for status, t in sorted(errors.items())},
    }


def _or_later(answers: dict[str, Any], schemas: _Schemas) -> dict[str, Any]:
    """The answers of a request that may take long: it is then answered 202, and carried out beside."""
    place = {"Location": {"schema": {"type": "string"}, "description": "Where to look."}}
    text = "It takes long and is carried out beside; `Location` is where its answer will be."
    later: dict[str, Any] = {
        "description": text,
        "headers": place,
        "content": {JSON_TYPE: {"schema": schemas.running}},
    }
    if (soon := answers.get("202")) is not None:
        own = soon["content"][JSON_TYPE]["schema"]
        later = {**soon, "content": {JSON_TYPE: {"schema": {"anyOf": [own, schemas.running]}}}}
        later["description"] = "Accepted; `Location` is where to look, also where it takes long to be accepted."
    return {**answers, "202": later}


def _own_paths() -> dict[str, Any]:
    """The paths that are no operation."""
    error = {JSON_TYPE: {"schema": {"$ref": _REF.format(model="ErrorBody")}}}

    def path(summary: str, tag: str, content: dict[str, Any], *errors: str, **more: Any) -> dict[str, Any]:
        failures = {code: {"description": _COMMON[code], "content": error} for code in errors}
        done = {"200": {"description": "Done.", "content": content}}
        return {"get": {"summary": summary, "tags": [tag], "responses": {**done, **failures}, **more}}

    state = {
        "type": "object",
        "required": ["status", "version"],
        "properties": {"status": {"type": "string"}, "version": {"type": "string"}},
    }
    stream = path(
        "Follow an execution: its events as server-sent events.",
        "executions",
        {"text/event-stream": {"schema": {"type": "string"}}},
        "400", "401", "403", "404", "429", "500", "503",
        operationId="follow_execution",
        parameters=[
            {"name": "executionId", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}},
            {
                "name": "Last-Event-ID",
                "in": "header",
                "required": False,
                "description": "The id of the last event that was received; the stream begins after it.",
                "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"},
            },
        ],
    )  # fmt: skip
    stream["get"]["responses"]["204"] = {
        "description": "The execution has ended, and there is no event after that one."
    }
    request = path(
        "What became of a request that takes long.",
        "requests",
        {JSON_TYPE: {"schema": {"$ref": _REF.format(model="RequestStatus")}}},
        "401", "403", "404", "429", "500", "503",
        operationId="get_request",
        parameters=[
            {"name": "requestId", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        ],
    )  # fmt: skip
    return {
        EVENTS_PATH: stream,
        REQUEST_PATH: request,
        "/health": path("Whether the process answers.", "service", {JSON_TYPE: {"schema": state}}, "403",
                        operationId="health", security=[]),
        "/ready": path("Whether it can work.", "service", {JSON_TYPE: {"schema": state}}, "403", "503",
                       operationId="ready", security=[]),
        "/metrics": path("Metrics for Prometheus.", "service", {"text/plain": {"schema": {"type": "string"}}}, "401",
                         "403", operationId="metrics"),
    }  # fmt: skip
