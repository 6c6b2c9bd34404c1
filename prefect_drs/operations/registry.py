"""The registry of operations: what each is called, what a caller needs permission for, and where its function is.

In: functions decorated with `operation`. Out: `Operation`s. An operation is a function of a `Context` and one request
model; it returns a model or plain JSON values.

Listing operations is cheap although their modules import Prefect and boto3: the list comes from an index file, which
`python -m prefect_drs.operations` writes from the decorators, and a function is imported when it is first needed.
`tests/operations/test_registry.py` fails when the index is out of date.
"""

from __future__ import annotations

import enum
import functools
import importlib
import inspect
import json
import pkgutil
import typing
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from prefect_drs.core.errors import PrefectDrsError

if TYPE_CHECKING:
    from prefect_drs.core.models import FrozenModel

INDEX = Path(__file__).with_name("index.json")

_Function = TypeVar("_Function", bound=Callable[..., Any])
_registered: dict[str, Operation] = {}


class OperationKind(enum.StrEnum):
    """What an operation does: it reads, it changes what is stored or configured, or it controls executions."""

    QUERY = "query"
    DATA = "data"
    EXECUTION = "execution"


class InvalidOperationError(PrefectDrsError):
    """There is no operation of that name."""

    code = "INVALID_OPERATION"
    exit_code = 2


class Operation(NamedTuple):
    """One operation.

    Args:
        name: as callers write it; the function's name.
        kind: what it does.
        permission: what a caller must be allowed to do, by the table of roles.
        module: the module of its function.
        help: the first line of the function's docstring.
    """

    name: str
    kind: OperationKind
    permission: str
    module: str
    help: str

    @property
    def function(self) -> Callable[[Any, Any], Any]:
        """The function that carries it out; imports its module."""
        function: Callable[[Any, Any], Any] = getattr(importlib.import_module(self.module), self.name)
        return function

    @property
    def request(self) -> type[FrozenModel]:
        """The model of its body: the annotation of the function's second parameter."""
        second = list(inspect.signature(self.function).parameters)[1]
        model: type[FrozenModel] = typing.get_type_hints(self.function)[second]
        return model


def operation(*, kind: OperationKind, permission: str) -> Callable[[_Function], _Function]:
    """Register a function of a `Context` and a request model as an operation; the function stays as it is.

    Args:
        kind: what it does.
        permission: what a caller must be allowed to do.

    Raises:
        ValueError: another module has an operation of that name, or the function has no docstring.
    """

    def register(function: _Function) -> _Function:
        name, module = function.__name__, function.__module__
        if name in _registered and _registered[name].module != module:
            raise ValueError(f"operation {name} is registered by {_registered[name].module} and {module}")
        if not (doc := inspect.getdoc(function)):
            raise ValueError(f"operation {name} has no docstring; its first line is the operation's help")
        _registered[name] = Operation(name, kind, permission, module, doc.splitlines()[0])
        return function

    return register


def registered_operations() -> tuple[Operation, ...]:
    """Every decorated operation of this room, by name; imports all its modules."""
    package = importlib.import_module("prefect_drs.operations")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "__main__":
            importlib.import_module(f"{package.__name__}.{module.name}")
    return tuple(sorted(known for known in _registered.values() if known.module.startswith(f"{package.__name__}.")))


@functools.cache
def read_index() -> tuple[Operation, ...]:
    """The operations of the index file, by name; imports nothing."""
    return tuple(
        Operation(**{**entry, "kind": OperationKind(entry["kind"])})
        for entry in json.loads(INDEX.read_text(encoding="utf-8"))
    )


def index_text() -> str:
    """The content of an up-to-date index file."""
    return json.dumps([known._asdict() for known in registered_operations()], indent=2, ensure_ascii=False) + "\n"


def find_operation(name: str) -> Operation:
    """The operation of that name.

    Raises:
        InvalidOperationError: there is no such operation.
    """
    for known in read_index():
        if known.name == name:
            return known
    from prefect_drs.plan.read.finding import did_you_mean  # noqa: PLC0415 - loads the plan room

    hint = did_you_mean(name, [known.name for known in read_index()])
    raise InvalidOperationError(f"there is no operation {name!r}{hint}; `prefect-drs op --list` shows all")
