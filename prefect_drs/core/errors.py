"""The exception hierarchy of prefect-drs, and `Fault`, which describes one error in the input.

    PrefectDrsError
    ├── FaultyInputError      a manifest or bindings file has faults; lists all, each with file, line and remedy
    ├── UsageError            invalid arguments: an unknown plan or wave, or options that contradict each other
    │   ├── UnknownExecutionError  no execution of that name is known
    │   └── ExecutionStateError    the state of an execution does not allow the request
    ├── AwsError              AWS refused or could not be reached; has service, operation, account and region
    ├── PreflightRefusedError the state of the accounts does not allow this recovery
    └── RecoveryNotCompletedError   an execution ended FAILED, PARTIAL or CANCELLED; has its report

Every error has a stable `code`, a one-line `message` that says what to do next, `details` that serialise to JSON, and
the exit code of the command line. All can be pickled, since Prefect stores and transfers exceptions.
"""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

UNREACHABLE = 6
"""Exit code of the command line where the Prefect API, AWS or credentials cannot be reached."""


class Severity(enum.StrEnum):
    """The severity of a fault: the file is refused for an ERROR, and only reported for a WARNING."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Fault:
    """One error or warning in the input, with its position and remedy.

    Args:
        path: the file as the user named it; for input that is not a file, the path of the field (`groups.db.region`).
        line: the line number from 1; 0 for input that is not a file.
        code: stable, upper snake case (`DUPLICATE_ADDRESS`).
        message: the error and its remedy, one line.
        severity: with ERROR the file is refused.
    """

    path: str
    line: int
    code: str
    message: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        prefix = "warning: " if self.severity is Severity.WARNING else ""
        where = f"{self.path}:{self.line}" if self.line else self.path
        return f"{where}: {self.code}: {prefix}{self.message}"


class PrefectDrsError(Exception):
    """The base class of all errors of this package.

    Args:
        message: one line for people: what happened, where, what to do next.
        details: JSON-serialisable values for programs.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[PrefectDrsError], args: tuple[Any, ...], state: dict[str, Any]) -> PrefectDrsError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class FaultyInputError(PrefectDrsError):
    """A manifest or bindings file has faults. `faults` contains all of them, including warnings, in file order."""

    code = "VALIDATION_ERROR"
    exit_code = 1

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        errors = [f for f in faults if f.severity is Severity.ERROR]
        count = "1 fault" if len(errors) == 1 else f"{len(errors)} faults"
        super().__init__("\n".join([f"{count} in the input:", *map(str, errors)]), faults=[asdict(f) for f in faults])
        self.faults = faults


class UsageError(PrefectDrsError):
    """The arguments name something that does not exist, or contradict each other."""

    code = "INVALID_PARAMETER"
    exit_code = 2


class UnknownExecutionError(UsageError):
    """This Prefect API knows no such execution."""

    code = "NOT_FOUND"


class ExecutionStateError(UsageError):
    """The state of an execution does not allow what was requested: it has ended, or no such gate is open."""

    code = "EXECUTION_ERROR"


class AwsError(PrefectDrsError):
    """AWS refused a call or could not be reached.

    Args:
        message: the operation, its account and region, and what to do.
        aws_code: the service's error code, such as `ConflictException`; empty if AWS did not answer.
    """

    code = "DRS_SERVICE_ERROR"

    def __init__(self, message: str, *, aws_code: str = "", **details: Any) -> None:
        super().__init__(message, aws_code=aws_code, **details)
        self.aws_code = aws_code


class PreflightRefusedError(PrefectDrsError):
    """The state of the accounts does not allow this recovery; `details["findings"]` lists the findings."""

    code = "PREFLIGHT_REFUSED"
    exit_code = 5


class RecoveryNotCompletedError(PrefectDrsError):
    """An execution ended FAILED, PARTIAL or CANCELLED; `report` is its RecoveryReport."""

    code = "EXECUTION_ERROR"

    def __init__(self, message: str, *, report: Any) -> None:
        super().__init__(message, execution_id=report.execution_id, status=str(report.status))
        self.report = report


class KeyReusedError(PrefectDrsError):
    """The idempotency key was used before, for another request."""

    code = "CONFLICT_ERROR"
