"""Checks side by side, each with the same bound: one that hangs or fails hides no other.

In: checks. Out: their findings, in the order of the checks. Whatever a check raises, and whatever it does not say in
time, is a fault "could not be checked".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from dataclasses import dataclass

from prefect_drs.aws.time_limit import map_within
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.operations.doctor.findings import Finding, Report
from prefect_drs.orchestration.client import UNREACHABLE


@dataclass(frozen=True)
class Check:
    """One check.

    Args:
        name: in findings.
        run: makes it; may raise anything.
        subject: what of.
        remedy: what to do where it gives no answer in time.
        needs_network: whether no answer means that Prefect or AWS cannot be reached.
    """

    name: str
    run: Callable[[Report], Iterable[Finding]]
    subject: str = ""
    remedy: str = "check the network between this machine and what the check asks"
    needs_network: bool = True

    @property
    def report(self) -> Report:
        """Makes its findings."""
        return Report(self.name, self.subject)


def run_checks(checks: Sequence[Check], seconds: float) -> tuple[Finding, ...]:
    """Run the checks at the same time, in threads of their own.

    Args:
        checks: the checks.
        seconds: real time for each of them.
    """
    contexts = [copy_context() for _ in checks]

    def attempt(number: int) -> tuple[Finding, ...]:
        return contexts[number].run(_findings, checks[number])

    answers = map_within(attempt, range(len(checks)), max(1, len(checks)), seconds)
    return tuple(
        finding
        for check, answer in zip(checks, answers, strict=True)
        for finding in (answer if answer is not None else (_late(check, seconds),))
    )


def _findings(check: Check) -> tuple[Finding, ...]:
    report = check.report
    try:
        found = tuple(check.run(report))
    except PrefectDrsError as error:
        found_out = report.failed(error)
        return (found_out.model_copy(update={"message": f"could not be checked: {found_out.message}"}),)
    except UNREACHABLE as error:
        why = f"the Prefect API did not answer as expected ({' '.join(str(error).split()) or type(error).__name__})"
        return (report.unchecked(why, "check PREFECT_API_URL and PREFECT_API_KEY", unreachable=True),)
    except Exception as error:
        # Whatever it is, the other checks count; its text may hold a secret.
        return (report.unchecked(f"{type(error).__name__}", "report this, with the output of --debug"),)
    return found or (report.unchecked("the check said nothing", "report this"),)


def _late(check: Check, seconds: float) -> Finding:
    return check.report.unchecked(f"no answer within {seconds:g} s", check.remedy, unreachable=check.needs_network)
