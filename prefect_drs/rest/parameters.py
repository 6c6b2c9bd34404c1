"""The parameters of a request: from its path, its query and its JSON body into the body of an operation.

In: a route and an HTTP request. Out: one mapping, as `operations.invoke` takes it, or one error with all faults. No
value is quoted in an error, since it may be a secret.
"""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo
from starlette.requests import Request

from prefect_drs.operations.invocation import InvalidRequestError
from prefect_drs.rest.errors import BodyTooLargeError, UnsupportedMediaTypeError
from prefect_drs.rest.routes import Route

JSON_TYPE = "application/json"
DEEPEST = 100
"""Nested lists and objects that a body may have."""


class Parameter(typing.NamedTuple):
    """Where one field of a request model comes from.

    Args:
        name: its name in HTTP.
        spellings: every name that the request model accepts for it, the documented one first.
        source: `path`, `query` or `body`.
        required: whether the model demands it.
        info: the field of the model.
    """

    name: str
    spellings: tuple[str, ...]
    source: str
    required: bool
    info: FieldInfo


def parameters_of(route: Route, model: type[BaseModel]) -> tuple[Parameter, ...]:
    """Where each field of the operation's request comes from; those of the path first.

    Raises:
        LookupError: the path, or `without`, names a parameter that the request does not have.
    """
    fields = [(spellings_of(name, info), info) for name, info in model.model_fields.items()]
    for name in (*route.path_names, *route.without):
        if not any(name in spellings for spellings, _ in fields):
            raise LookupError(f"{route.method} {route.path}: {route.operation} has no parameter {name}")
    source = "body" if route.has_body else "query"
    in_path: list[Parameter] = []
    others: list[Parameter] = []
    for spellings, info in fields:
        if placed := set(spellings) & set(route.path_names):
            in_path.append(Parameter(placed.pop(), spellings, "path", True, info))
        elif not set(spellings) & set(route.without):
            others.append(Parameter(spellings[0], spellings, source, info.is_required(), info))
    return (*in_path, *others)


def spellings_of(name: str, info: FieldInfo) -> tuple[str, ...]:
    """Every name that a model accepts for a field, the one of its schema first."""
    if isinstance(info.validation_alias, AliasChoices):
        found = [choice for choice in info.validation_alias.choices if isinstance(choice, str)]
    else:
        found = [alias for alias in (info.validation_alias, info.alias) if isinstance(alias, str)]
    return tuple(dict.fromkeys([*found, name]))


def container_of(info: FieldInfo) -> type | None:
    """`list` or `dict` for a field that holds several values, which a query repeats; None for others."""
    for choice in _choices(info.annotation):
        origin = typing.get_origin(choice) or choice
        if origin in {list, tuple, set, frozenset}:
            return list
        if origin is dict:
            return dict
    return None


def _choices(annotation: Any) -> tuple[Any, ...]:
    origin = typing.get_origin(annotation)
    if origin in {typing.Union, types.UnionType}:
        return tuple(choice for each in typing.get_args(annotation) for choice in _choices(each))
    if origin is typing.Annotated:
        return _choices(typing.get_args(annotation)[0])
    return (annotation,)


def from_query(
    request: Request, parameters: tuple[Parameter, ...], others: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The values of the query, by the field they are meant for; unknown names stay, and the model refuses them.

    Args:
        request: the request.
        parameters: those of the operation.
        others: names that belong to the face itself, such as `limit`.
    """
    known = {name: each for each in parameters if each.source == "query" for name in each.spellings}
    values: dict[str, Any] = {}
    for name in dict.fromkeys(request.query_params.keys()):
        if name in others:
            continue
        given = request.query_params.getlist(name)
        container = container_of(known[name].info) if name in known else None
        if container is list:
            values[name] = given
        elif container is dict:
            values[name] = dict(each.partition("=")[::2] for each in given) if all("=" in g for g in given) else given
        else:
            values[name] = given[0] if len(given) == 1 else given
    return values


async def read_json(request: Request, limit: int) -> dict[str, Any]:
    """The JSON object in the body; empty where there is no body.

    Raises:
        UnsupportedMediaTypeError: it is not declared as JSON.
        BodyTooLargeError: it is longer than `limit` bytes.
        InvalidRequestError: it is not a JSON object.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit() and len(length) < 20 and int(length) > limit:
        raise _too_large(limit)
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise _too_large(limit)
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if (content or declared) and declared != JSON_TYPE:
        raise UnsupportedMediaTypeError(f"send the body as JSON, with the header Content-Type: {JSON_TYPE}")
    if not content:
        return {}
    return _parsed(bytes(content))


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"the body is longer than the {limit} bytes that are accepted", limitBytes=limit)


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_without_repeats)
        fault = _fault_of(value)
    except UnicodeDecodeError:
        fault = "is not UTF-8"
    except RecursionError:
        fault = f"is nested deeper than {DEEPEST}"
    except _RepeatedNameError:
        fault = "has an object that names a member twice"
    except ValueError:
        fault = "is not JSON"
    else:
        if fault is None and not isinstance(value, dict):
            fault = "is not a JSON object of parameters"
        if fault is None:
            return typing.cast("dict[str, Any]", value)
    raise InvalidRequestError(f"the body {fault}", faults=[{"field": "", "message": fault}])


class _RepeatedNameError(ValueError):
    pass


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise _RepeatedNameError
    return values


def _fault_of(value: Any) -> str | None:
    """What JSON can express and no store can hold: lone surrogates, numbers out of range, deep nesting."""
    pending: list[tuple[Any, int]] = [(value, 1)]
    while pending:
        each, depth = pending.pop()
        if depth > DEEPEST:
            return f"is nested deeper than {DEEPEST}"
        if isinstance(each, str) and not _is_text(each):
            return "has text that is not valid Unicode"
        if isinstance(each, float) and not math.isfinite(each):
            return "has a number that is not finite"
        if isinstance(each, int) and not -(2**63) <= each < 2**63:
            return "has an integer of more than 64 bits"
        if isinstance(each, dict):
            pending += [(part, depth + 1) for pair in each.items() for part in pair]
        elif isinstance(each, list):
            pending += [(part, depth + 1) for part in each]
    return None


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


def merged(
    path: Mapping[str, Any], others: Mapping[str, Any], parameters: tuple[Parameter, ...], without: tuple[str, ...]
) -> dict[str, Any]:
    """All values; one that is in the path as well must be equal, in whatever spelling.

    Args:
        path: the values in the path.
        others: those of the query or the body.
        parameters: of the route.
        without: names that the route does not accept, though the operation does.

    Raises:
        InvalidRequestError: a value contradicts the path, or is not accepted.
    """
    faults = [{"field": name, "message": "is not accepted over REST"} for name in others if name in without]
    values = dict(others)
    elsewhere = {name for each in parameters if each.source != "path" for name in each.spellings}
    for each in (each for each in parameters if each.source == "path"):
        for name in (set(each.spellings) - elsewhere) & set(others):
            if str(values.pop(name)) != path[each.name]:
                faults.append({"field": name, "message": "contradicts the path"})
    if faults:
        text = "; ".join(f"{fault['field']} {fault['message']}" for fault in faults)
        raise InvalidRequestError(text, faults=faults)
    return {**values, **path}
