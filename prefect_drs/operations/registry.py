"""The table of operations: what each is called, what it needs permission for, and where its function is.

In: a name. Out: an `Operation`, whose function is imported when it is first needed, so that listing them is cheap. An
operation is a function of a `Context` and one request model; it answers with a model or plain JSON values.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from prefect_drs.errors import PrefectDrsError
from prefect_drs.plan.finding import did_you_mean


class Kind(enum.StrEnum):
    """What an operation does: it reads, it changes what is stored or configured, or it steers executions."""

    QUERY = "query"
    DATA = "data"
    EXECUTION = "execution"


class RequestModel(BaseModel):
    """The base of every request: frozen, closed, camelCase in JSON; ids that look like numbers stay text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )


class AnswerModel(BaseModel):
    """The base of every answer: frozen, camelCase in JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Nothing(RequestModel):
    """The request of an operation that takes no parameters."""


class InvalidOperationError(PrefectDrsError):
    """There is no operation of that name."""

    code = "INVALID_OPERATION"
    exit_code = 2


class Operation(NamedTuple):
    """One operation.

    Args:
        name: as callers write it.
        kind: what it does.
        permission: what a caller must be allowed to do, by the table of roles.
        target: where its function is, `module:function`.
        help: one line that says what it does.
    """

    name: str
    kind: Kind
    permission: str
    target: str
    help: str

    @property
    def function(self) -> Callable[[Any, Any], Any]:
        """The function that carries it out."""
        module, _, name = self.target.partition(":")
        function: Callable[[Any, Any], Any] = getattr(importlib.import_module(module), name)
        return function

    @property
    def request(self) -> type[RequestModel]:
        """The model of its body: the annotation of the function's second parameter."""
        second = list(inspect.signature(self.function).parameters)[1]
        model: type[RequestModel] = typing.get_type_hints(self.function)[second]
        return model


_OPERATIONS = "prefect_drs.operations"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_current_account_id",
        Kind.QUERY,
        "view_accounts",
        f"{_OPERATIONS}.accounts:get_current_account_id",
        "The account of the caller's own credentials.",
    ),
)


def operation(name: str) -> Operation:
    """The operation of that name.

    Raises:
        InvalidOperationError: there is none.
    """
    for known in OPERATIONS:
        if known.name == name:
            return known
    names = [known.name for known in OPERATIONS]
    raise InvalidOperationError(
        f"there is no operation {name!r}{did_you_mean(name, names)}; see `prefect-drs op --list`"
    )
