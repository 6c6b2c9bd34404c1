"""Errors of refused changes of the stored estate: one class for each code of the operations.

In: faults, each with its path in the estate and a code of the manifest's rules or of the operations. Out: one error,
whose `details["faults"]` has every fault, and whose code is that with the highest precedence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from prefect_drs.core.errors import Fault, PrefectDrsError

SHOWN_FAULTS = 5
"""Maximum number of faults in the message; `details` has them all."""

BY_RULE = {
    "DUPLICATE_GROUP_NAME": "ALREADY_EXISTS",
    "DUPLICATE_GROUP_ID": "ALREADY_EXISTS",
    "DUPLICATE_PLAN_NAME": "ALREADY_EXISTS",
    "SERVER_IN_TWO_GROUPS": "SERVER_CONFLICT",
    "OVERLAPPING_SELECTIONS": "SERVER_CONFLICT",
}
"""The operations' code for a fault of the manifest's rules; all others are VALIDATION_ERROR."""


class EstateRefusedError(PrefectDrsError):
    """A change of the stored estate was refused; nothing was written."""

    code = "VALIDATION_ERROR"
    exit_code = 1


class NotStoredError(EstateRefusedError):
    """No stored group or plan has this id or name."""

    code = "NOT_FOUND"
    exit_code = 2


class AlreadyStoredError(EstateRefusedError):
    """A group or plan of this name is already stored; names are not case-sensitive."""

    code = "ALREADY_EXISTS"


class StillNamedError(EstateRefusedError):
    """Stored plans refer to the group."""

    code = "IN_USE"


class ServerConflictError(EstateRefusedError):
    """A server would be in two groups."""

    code = "SERVER_CONFLICT"


class VersionMismatchError(EstateRefusedError):
    """The stored document was changed after the caller read it."""

    code = "VERSION_MISMATCH"


class UnderExecutionError(EstateRefusedError):
    """An execution that has not ended uses it."""

    code = "ACTIVE_EXECUTION"


_BY_PRECEDENCE: tuple[type[EstateRefusedError], ...] = (
    UnderExecutionError,
    StillNamedError,
    AlreadyStoredError,
    ServerConflictError,
    EstateRefusedError,
)


def refused(what: str, faults: Sequence[Fault], **details: Any) -> EstateRefusedError:
    """The error for all of `faults`.

    Args:
        what: the beginning of the message.
        faults: at least one.
        details: additional values for programs.
    """
    codes = {operation_code(fault) for fault in faults}
    error = next(kind for kind in _BY_PRECEDENCE if kind.code in codes)
    shown = [f"{fault.path}: {fault.code}: {fault.message}" for fault in faults[:SHOWN_FAULTS]]
    more = len(faults) - len(shown)
    message = f"{what}: " + "; ".join([*shown, f"and {more} more faults"] if more > 0 else shown)
    return error(message, faults=[fault_json(fault) for fault in faults], **details)


def operation_code(fault: Fault) -> str:
    """The operations' code for a fault."""
    known = {kind.code for kind in _BY_PRECEDENCE}
    return fault.code if fault.code in known else BY_RULE.get(fault.code, EstateRefusedError.code)


def fault_json(fault: Fault) -> dict[str, Any]:
    """A fault as JSON values, with its path in the estate as `place`."""
    values = asdict(fault)
    return {"place": values["path"], **{name: values[name] for name in ("code", "message", "severity")}}
