"""Every call to AWS that the package's source makes, found in its syntax trees: service and operation.

A call is an attribute that is named as an operation of a service that the package opens clients of, or an operation's
name handed to `get_paginator`, `get_waiter` or one of the package's own helpers around them. A module that opens no
client itself but is handed one is looked at with the services of the whole package.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import botocore.session
from botocore import xform_name

import prefect_drs

OPENING = frozenset({"client", "get_client", "create", "_client", "_items"})
"""Functions that are given a service's name and open a client of it."""
PAGING = frozenset({"get_paginator", "get_waiter", "_items", "_filtered"})
"""Functions that are given an operation's name (as boto3 spells it) and make the calls."""


class AwsCall(NamedTuple):
    """One operation of a service, and the file that calls it."""

    service: str
    operation: str
    file: str


@cache
def operations(service: str) -> Mapping[str, str]:
    """The operations of a service: API name by boto3's method name."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}


@cache
def sources(root: Path = Path(prefect_drs.__file__).parent) -> dict[str, ast.Module]:
    """The package's modules, without the simulator, which stands on the other side of the calls, and without the client
    of the REST face, whose methods have the names of our operations."""
    return {
        str(path.relative_to(root)): ast.parse(path.read_text())
        for path in sorted(root.rglob("*.py"))
        if path.relative_to(root).parts[0] not in {"simulator", "client"}
    }


def calls_in(modules: Mapping[str, ast.Module]) -> set[AwsCall]:
    """All calls to AWS of these modules."""
    known = frozenset(botocore.session.get_session().get_available_services())
    opened = {name: frozenset(_texts(tree, OPENING)) & known for name, tree in modules.items()}
    everywhere = frozenset().union(*opened.values())
    found = set()
    for name, tree in modules.items():
        for method in {*_attributes(tree), *_texts(tree, PAGING)}:
            for services in (opened[name], everywhere):
                meant = [service for service in sorted(services) if method in operations(service)]
                found |= {AwsCall(service, operations(service)[method], name) for service in meant}
                if meant:
                    break
    return found


def unnamed_pagers(modules: Mapping[str, ast.Module]) -> Iterator[str]:
    """Where a paginator is asked for by an expression, outside the helpers that are looked at themselves."""
    for name, tree in modules.items():
        helpers = [node for node in _nodes(tree) if isinstance(node, ast.FunctionDef) and node.name in PAGING]
        inside = {id(node) for helper in helpers for node in ast.walk(helper)}
        for node in _nodes(tree):
            if (
                isinstance(node, ast.Call)
                and _called(node) in {"get_paginator", "get_waiter"}
                and not isinstance(node.args[0], ast.Constant)
                and id(node) not in inside
            ):
                yield f"{name}:{node.lineno}"


@cache
def _nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """All nodes of a module, walked once."""
    return tuple(ast.walk(tree))


def _called(call: ast.Call) -> str:
    function = call.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _texts(tree: ast.Module, functions: frozenset[str]) -> Iterator[str]:
    for node in _nodes(tree):
        if isinstance(node, ast.Call) and _called(node) in functions:
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


def _attributes(tree: ast.Module) -> Iterator[str]:
    """Attributes of anything but an imported module, such as `socket.create_connection`."""
    modules = {
        alias.asname or alias.name.partition(".")[0]
        for node in _nodes(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    for node in _nodes(tree):
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id in modules):
            yield node.attr
