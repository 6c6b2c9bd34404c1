"""Why a change of the stored estate is refused: one error a code of the operations, each with all faults.

In: faults, each with its place in the estate and a code of the manifest's rules or of the operations. Out: one error,
whose `details["faults"]` holds every fault, and whose code is the weightiest of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from prefect_drs.core.errors import Fault, PrefectDrsError

TOLD_AT_MOST = 5
"""How many faults the message holds; `details` has them all."""

BY_RULE = {
    "DUPLICATE_GROUP_NAME": "ALREADY_EXISTS",
    "DUPLICATE_GROUP_ID": "ALREADY_EXISTS",
    "DUPLICATE_PLAN_NAME": "ALREADY_EXISTS",
    "SERVER_IN_TWO_GROUPS": "SERVER_CONFLICT",
    "OVERLAPPING_SELECTIONS": "SERVER_CONFLICT",
}
"""What the operations call a fault of the manifest's rules; every other is VALIDATION_ERROR."""


class EstateRefusedError(PrefectDrsError):
    """A change of the stored estate that is refused; nothing was written."""

    code = "VALIDATION_ERROR"
    exit_code = 1


class NotStoredError(EstateRefusedError):
    """No stored group or plan has that id or name."""

    code = "NOT_FOUND"
    exit_code = 2


class AlreadyStoredError(EstateRefusedError):
    """A group or plan of that name is stored already; case does not count."""

    code = "ALREADY_EXISTS"


class StillNamedError(EstateRefusedError):
    """Stored plans name the group."""

    code = "IN_USE"


class ServerConflictError(EstateRefusedError):
    """A server would be in two groups."""

    code = "SERVER_CONFLICT"


class VersionMismatchError(EstateRefusedError):
    """Somebody else changed it since the caller read it."""

    code = "VERSION_MISMATCH"


class UnderExecutionError(EstateRefusedError):
    """An execution that has not ended uses it."""

    code = "ACTIVE_EXECUTION"


_WEIGHTIEST_FIRST: tuple[type[EstateRefusedError], ...] = (
    UnderExecutionError,
    StillNamedError,
    AlreadyStoredError,
    ServerConflictError,
    EstateRefusedError,
)


def refused(what: str, faults: Sequence[Fault], **details: Any) -> EstateRefusedError:
    """The error for all of `faults`.

    Args:
        what: what was asked for, the beginning of the message.
        faults: at least one.
        details: more for a program to read.
    """
    codes = {operation_code(fault) for fault in faults}
    error = next(kind for kind in _WEIGHTIEST_FIRST if kind.code in codes)
    told = [f"{fault.path}: {fault.code}: {fault.message}" for fault in faults[:TOLD_AT_MOST]]
    more = len(faults) - len(told)
    message = f"{what}: " + "; ".join([*told, f"and {more} more faults"] if more > 0 else told)
    return error(message, faults=[fault_json(fault) for fault in faults], **details)


def operation_code(fault: Fault) -> str:
    """What the operations call a fault."""
    known = {kind.code for kind in _WEIGHTIEST_FIRST}
    return fault.code if fault.code in known else BY_RULE.get(fault.code, EstateRefusedError.code)


def fault_json(fault: Fault) -> dict[str, Any]:
    """A fault as JSON values: its place instead of file and line."""
    values = asdict(fault)
    return {"place": values["path"], **{name: values[name] for name in ("code", "message", "severity")}}
