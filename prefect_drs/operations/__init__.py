"""The operations that a person or a program calls: one typed function each, one table of them.

In: an operation's name and a body of camelCase JSON values. Out: JSON values, or a `PrefectDrsError` with a code. The
command line's `op`, and every other face, goes through `invoke`; none of them implements an operation itself.
"""

from prefect_drs.operations.context import Context
from prefect_drs.operations.invoke import error_body, invoke, unwrap
from prefect_drs.operations.registry import OPERATIONS, Operation, OperationKind, operation

__all__ = ["OPERATIONS", "Context", "Operation", "OperationKind", "error_body", "invoke", "operation", "unwrap"]
