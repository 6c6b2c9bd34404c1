"""A preflight rule: a named function over a `PreflightInput`, with a code, its condition and the remedy.

In: functions that yield `Observation`s. Out: `PreflightRule`s, which turn them into `RunbookFinding`s. A rule makes no
call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prefect_drs.aws.location import Location
from prefect_drs.runbook.model import FindingSeverity, RunbookFinding
from prefect_drs.runbook.preflight_input import PreflightInput


@dataclass(frozen=True, slots=True)
class Observation:
    """What a rule found: the message, the location, the server, and another execution that it concerns."""

    message: str
    location: Location | None = None
    source_server_id: str | None = None
    execution_id: str | None = None


Look = Callable[[PreflightInput], Iterator[Observation]]


@dataclass(frozen=True, slots=True)
class PreflightRule:
    """A rule of the preflight.

    Args:
        name: the function's.
        code: of its findings; stable, upper snake case.
        what: the condition, for the table in the documentation.
        remedy: what to do then, likewise.
        severity: ERROR or INFO.
        waivable: whether a person may accept it, because DRS itself would carry out the launch.
        look: the function.
    """

    name: str
    code: str
    what: str
    remedy: str
    severity: FindingSeverity
    waivable: bool
    look: Look

    def __call__(self, preflight: PreflightInput) -> Iterator[RunbookFinding]:
        """Its findings."""
        for seen in self.look(preflight):
            yield RunbookFinding(
                code=self.code,
                severity=self.severity,
                message=seen.message,
                account_id=seen.location.account_id if seen.location else None,
                region=seen.location.region if seen.location else None,
                source_server_id=seen.source_server_id,
                execution_id=seen.execution_id,
            )


def rule(
    code: str,
    *,
    what: str,
    remedy: str,
    severity: FindingSeverity = FindingSeverity.ERROR,
    waivable: bool = False,
) -> Callable[[Look], PreflightRule]:
    """Make a function a rule."""

    def made(look: Look) -> PreflightRule:
        return PreflightRule(look.__name__, code, what, remedy, severity, waivable, look)

    return made
