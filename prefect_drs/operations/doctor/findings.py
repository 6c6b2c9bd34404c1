"""What a diagnosis says: findings of three levels, and the exit code for all of them."""

from __future__ import annotations

import enum
from datetime import datetime

from prefect_drs.core.errors import UNREACHABLE, PrefectDrsError
from prefect_drs.core.models import FrozenModel

FAULTY = 1
"""The exit code of a set-up with faults, as of a plan with faults or evidence that does not hold."""


class Level(enum.StrEnum):
    """How a check ended: a fault keeps a recovery from working, a warning makes it weaker."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


class Finding(FrozenModel):
    """One line of a diagnosis.

    Args:
        check: the name of the check.
        subject: what of, such as an account; empty where the check has one subject.
        level: how it ended.
        message: what was found.
        remedy: what to do; empty for ok.
        unreachable: of a fault: Prefect, AWS or the credentials cannot be reached.
    """

    check: str
    subject: str = ""
    level: Level
    message: str
    remedy: str = ""
    unreachable: bool = False


class Diagnosis(FrozenModel):
    """All findings, in the order of the checks. `status` is the gravest of their levels."""

    status: Level
    checked_at: datetime
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0 without a fault, 6 where something cannot be reached, else 1."""
        if self.status is not Level.FAULT:
            return 0
        return UNREACHABLE if any(finding.unreachable for finding in self.findings) else FAULTY


class Report:
    """The findings of one check, all with its name and subject."""

    def __init__(self, check: str, subject: str = "") -> None:
        self.check = check
        self.subject = subject

    def ok(self, message: str) -> Finding:
        """Nothing to do."""
        return self._finding(Level.OK, message, "")

    def warning(self, message: str, remedy: str) -> Finding:
        """It works, and will not in some circumstances."""
        return self._finding(Level.WARNING, message, remedy)

    def fault(self, message: str, remedy: str, *, unreachable: bool = False) -> Finding:
        """A recovery would fail."""
        return self._finding(Level.FAULT, message, remedy, unreachable=unreachable)

    def unchecked(self, why: str, remedy: str, *, unreachable: bool = False) -> Finding:
        """It could not be checked: a fault."""
        return self.fault(f"could not be checked: {why}", remedy, unreachable=unreachable)

    def failed(self, error: PrefectDrsError) -> Finding:
        """What an error says. Its message ends in its remedy, which is said once."""
        remedy = str(error.details.get("remedy") or "")
        message = error.message
        if not remedy:
            message, _, remedy = message.rpartition("; ") if "; " in message else (message, "", "see the message")
        return self.fault(message.removesuffix(remedy).rstrip("; "), remedy, unreachable=error.exit_code == UNREACHABLE)

    def _finding(self, level: Level, message: str, remedy: str, *, unreachable: bool = False) -> Finding:
        return Finding(
            check=self.check,
            subject=self.subject,
            level=level,
            message=message,
            remedy=remedy,
            unreachable=unreachable,
        )
