"""The one exception family of prefect-drs, and the Fault that bad input is told in.

    PrefectDrsError
    ├── FaultyInputError      a file a person wrote has faults; all of them, each with file, line and remedy
    ├── UsageError            a call that cannot be carried out as asked (unknown plan, unknown wave)
    ├── AwsError              AWS refused or could not be reached; knows service, operation, account and region
    ├── PreflightRefusedError what the accounts hold does not allow this recovery
    └── RecoveryNotCompletedError   an execution ended FAILED, PARTIAL or CANCELLED; carries its report

Every error has a stable `code`, a one-line `message` that says what to do next, `details` that serialise to JSON,
and the exit code the command line ends with. All survive pickling, since Prefect persists and ships exceptions.
"""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


class Severity(enum.StrEnum):
    """How much a fault weighs: an ERROR refuses the file, a WARNING is only told."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with what a person wrote, where it stands, and what to do about it.

    Args:
        path: the file, as the person named it; what was not given as a file has the place, such as `groups.db.region`.
        line: the line it stands on, from 1; 0 where there is no file.
        code: stable, upper snake case (`DUPLICATE_ADDRESS`).
        message: what is wrong and the remedy, one line.
        severity: ERROR refuses the file.
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
    """The root of the family.

    Args:
        message: one line for a person: what happened, where, what to do next.
        details: JSON-serialisable facts for a program.
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
    """A manifest or bindings file has faults. `faults` holds all of them, warnings too, in file order."""

    code = "VALIDATION_ERROR"
    exit_code = 1

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        errors = [f for f in faults if f.severity is Severity.ERROR]
        count = "1 fault" if len(errors) == 1 else f"{len(errors)} faults"
        super().__init__("\n".join([f"{count} in the input:", *map(str, errors)]), faults=[asdict(f) for f in faults])
        self.faults = faults


class UsageError(PrefectDrsError):
    """The call names something that is not there, or contradicts itself."""

    code = "INVALID_PARAMETER"
    exit_code = 2


class AwsError(PrefectDrsError):
    """AWS refused a call or could not be reached.

    Args:
        message: what was tried, where, and what to do.
        aws_code: the service's own error code, such as `ConflictException`; empty where no answer came.
    """

    code = "DRS_SERVICE_ERROR"

    def __init__(self, message: str, *, aws_code: str = "", **details: Any) -> None:
        super().__init__(message, aws_code=aws_code, **details)
        self.aws_code = aws_code


class PreflightRefusedError(PrefectDrsError):
    """What the accounts hold does not allow this recovery; `details["findings"]` says which, where and why."""

    code = "PREFLIGHT_REFUSED"
    exit_code = 5


class RecoveryNotCompletedError(PrefectDrsError):
    """An execution ended FAILED, PARTIAL or CANCELLED; `report` is the RecoveryReport with the reasons."""

    code = "EXECUTION_ERROR"

    def __init__(self, message: str, *, report: Any) -> None:
        super().__init__(message)
        self.report = report
