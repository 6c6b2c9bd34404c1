"""The operations that a person or a program calls: one typed function each, one registry.

In: an operation's name and a body of camelCase JSON values. Out: JSON values, or a `PrefectDrsError` with a code. The
command line's `op`, and every other interface, goes through `invoke`; none of them implements an operation itself.

The names are imported when they are first used: `OPERATIONS` loads neither Prefect nor boto3.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect_drs.operations.context import Context
    from prefect_drs.operations.invocation import error_body, invoke, unwrap
    from prefect_drs.operations.registry import Operation, OperationKind, find_operation

    OPERATIONS: tuple[Operation, ...]

_MODULES = {
    "Context": "context",
    "Operation": "registry",
    "OperationKind": "registry",
    "error_body": "invocation",
    "find_operation": "registry",
    "invoke": "invocation",
    "unwrap": "invocation",
}

__all__ = ["OPERATIONS", "Context", "Operation", "OperationKind", "error_body", "find_operation", "invoke", "unwrap"]


def __getattr__(name: str) -> Any:
    if name == "OPERATIONS":
        value = importlib.import_module(f"{__name__}.registry").read_index()
    elif name in _MODULES:
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
