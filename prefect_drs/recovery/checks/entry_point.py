"""`python`: a callable of the entry-point group `prefect_drs.checks` makes the check.

    [project.entry-points."prefect_drs.checks"]
    row-count = "my_package.checks:row_count"

It gets a `CheckContext` and answers True or None (passed), False (not yet: it is asked again), or a `ProbeOutcome`. An
exception fails the attempt. It may be called more than once an attempt; `attempt_id` is the same each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from pydantic import JsonValue

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import AwsError
from prefect_drs.plan.checks import ENTRY_POINT_GROUP, PythonCheck
from prefect_drs.recovery.checks.base import BaseProbe, NotYetError, refused
from prefect_drs.recovery.checks.probe import CheckTarget, ProbeOutcome, Subject, WaveContext
from prefect_drs.report.checks import CheckPhase


@dataclass(frozen=True, slots=True)
class CheckContext:
    """The argument of a callable.

    Args:
        wave: execution, plan and wave.
        phase: before the wave, for its health, or after it.
        name: the check's name.
        parameters: as the plan gives them.
        target: the server and its recovery instance; None for a hook.
        attempt: from 1.
        attempt_id: a UUID, the same for the same attempt in every process.
        sessions: boto3 clients for the accounts: `sessions.client("rds", account_id=…, region=…)`.
        clock: the time.
        address: the recovery instance's `private` or `public` address; raises where it has none yet, which counts as
            "not yet" where it is left to pass through.
    """

    wave: WaveContext
    phase: CheckPhase
    name: str
    parameters: Mapping[str, JsonValue]
    target: CheckTarget | None
    attempt: int
    attempt_id: str
    sessions: Sessions
    clock: Clock
    address: Callable[[str], str]


class PythonProbe(BaseProbe[PythonCheck]):
    """One call a look."""

    def look_at(self, subject: Subject, attempt: int) -> ProbeOutcome:
        """Call it once."""
        try:
            found = [point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name == self.spec.entry_point]
            if not found:
                there = ", ".join(sorted({point.name for point in entry_points(group=ENTRY_POINT_GROUP)})) or "none"
                return ProbeOutcome.failed(
                    f"no entry point {self.spec.entry_point!r} in group {ENTRY_POINT_GROUP} (there are: {there}); "
                    "install its package"
                )
            answer: Any = found[0].load()(self._context(subject, attempt))
        except NotYetError as missing:
            return ProbeOutcome.pending(str(missing))
        except AwsError as error:
            return refused(error)
        except Exception as error:  # code of the user's: whatever it raises fails its own attempt and no more
            return ProbeOutcome.failed(f"{self.spec.entry_point} raised {type(error).__name__}: {error}")
        return _outcome(self.spec.entry_point, answer)

    def _context(self, subject: Subject, attempt: int) -> CheckContext:
        return CheckContext(
            wave=self.around.wave,
            phase=self.phase,
            name=self.name,
            parameters=self.spec.parameters,
            target=self.target(subject),
            attempt=attempt,
            attempt_id=self.attempt_id(subject, attempt),
            sessions=self.around.sessions,
            clock=self.around.clock,
            address=lambda kind: self.address(subject, kind),
        )


def _outcome(name: str, answer: Any) -> ProbeOutcome:
    if isinstance(answer, ProbeOutcome):
        return answer
    if answer is None or answer is True:
        return ProbeOutcome.passed(f"{name} passed")
    if answer is False:
        return ProbeOutcome.pending(f"{name} says not yet")
    return ProbeOutcome.failed(f"{name} answered {type(answer).__name__}, not True, False, None or a ProbeOutcome")
