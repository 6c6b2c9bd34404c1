"""Commands that steer an execution which runs elsewhere; anything that reaches the same Prefect API can call them.

In come an execution and what is to happen to it, out goes one line on stdout that says what was done.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from prefect_drs.cli.output import print_json, print_stdout

if TYPE_CHECKING:
    from prefect_drs.recovery.ports import Decision
    from prefect_drs.report.model import RecoveryReport


Execution = Annotated[str, Parameter(help="The execution's id, as `prefect-drs status` shows it.")]


@Parameter(name="*")  # its fields are options of the command, without a prefix
@dataclass(frozen=True)
class Answer:
    """What a person says at a gate."""

    wave: Annotated[int, Parameter(help="Number of the wave behind the gate.")]
    by: Annotated[
        str | None,
        Parameter(help="Who decides; by default the user of this machine. It goes into the report."),
    ] = None
    comment: Annotated[str, Parameter(allow_leading_hyphen=True, help="Why; it goes into the report.")] = ""


def approve(execution: Execution, /, *, answer: Answer) -> None:
    """Approve a wave that waits at its gate."""
    from prefect_drs.recovery.ports import Decision

    _answer(execution, Decision.APPROVED, answer)


def reject(execution: Execution, /, *, answer: Answer) -> None:
    """Reject a wave that waits at its gate: it and every wave that depends on it are cancelled."""
    from prefect_drs.recovery.ports import Decision

    _answer(execution, Decision.REJECTED, answer)


def _answer(execution: str, decision: Decision, answer: Answer) -> None:
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.orchestration.approvals.gate import answer_gate

    require_prefect()
    name = getpass.getuser() if answer.by is None else answer.by
    gate = answer_gate(execution, answer.wave, decision, by=name, comment=answer.comment)
    print_stdout(f"{decision.value.lower()} by {name}: {gate}")


def status(
    execution: str | None = None,
    /,
    *,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")] = False,
) -> None:
    """Show the latest executions, or one of them with its waves and servers.

    Parameters
    ----------
    execution
        The execution's id; the latest executions where left out.
    json
        Print the RecoveryReport (or a list of them) as JSON.
    """
    from prefect_drs.cli.console import console
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.orchestration.executions.reports import list_reports, read_report
    from prefect_drs.orchestration.flow.finalize import finalize_cancelled
    from prefect_drs.report.terminal import executions_view, report_view

    require_prefect()

    def as_it_stands(report: RecoveryReport) -> RecoveryReport:
        """The report; one that nobody ended although its run was cancelled in Prefect is ended now."""
        return report if report.ended_at else finalize_cancelled(report.execution_id) or report

    if execution is not None:
        report = as_it_stands(read_report(execution))
        if json:
            print_json(report.to_json())
        else:
            console().print(report_view(report))
        return
    reports = [as_it_stands(report) for report in list_reports()]
    if json:
        print_json("[" + ",".join(report.to_json() for report in reports) + "]")
    elif reports:
        console().print(executions_view(reports))
    else:
        print("no execution is known to this Prefect API; start one with `prefect-drs drill FILE`")


def resume(
    execution: str,
    /,
    *,
    take_over: Annotated[bool, Parameter(negative="")] = False,
    despite_cancel: Annotated[bool, Parameter(negative="")] = False,
    yes: Annotated[bool, Parameter(name="--yes", negative="")] = False,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")] = False,
) -> int:
    """Go on with an execution that was paused or interrupted; one that had ended is tried again where it failed.

    Parameters
    ----------
    execution
        The execution's id, as `prefect-drs status` shows it.
    take_over
        Do not wait until another process's hold lapses (up to 75 s after it died); fence it instead.
    despite_cancel
        Go on although somebody cancelled the execution; it goes into the journal that you did.
    yes
        Approve every gate that is still to come, in your name.
    json
        Print the RecoveryReport as the last thing on stdout.
    """
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.cli.run import carry_out
    from prefect_drs.operations.control import ControlStatus, end_pause
    from prefect_drs.orchestration.executions.reports import read_report
    from prefect_drs.orchestration.flow.compile import compile_resume, refuse_cancelled

    require_prefect()
    user = getpass.getuser()
    read_report(execution)  # says so where there is no such execution
    if not despite_cancel:
        refuse_cancelled(execution)
    ended = None if take_over else end_pause(execution, by=user)
    if ended is not None and ended.outcome is ControlStatus.CONFIRMED:
        print_stdout(ended.message)
        return 0
    return carry_out(
        lambda screen: compile_resume(execution, observers=(screen.observe,), on_waiting=screen.tell_gate),
        json=json,
        approved_by=user if yes else None,
        take_over=take_over,
        despite_cancel=user if despite_cancel else None,
    )


def cancel(
    execution: str,
    /,
    *,
    by: str | None = None,
    reason: Annotated[str, Parameter(allow_leading_hyphen=True)] = "",
) -> None:
    """Launch nothing more; what DRS runs already is followed to its end, and open gates are closed.

    Where no process carries the execution, this one brings it to its end.

    Parameters
    ----------
    execution
        The execution's id, as `prefect-drs status` shows it.
    by
        Who cancels; by default the user of this machine. It goes into the report.
    reason
        Why; it goes into the report.
    """
    from prefect_drs.cli.console import event_printer
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.operations.control import cancel_execution

    require_prefect()
    outcome = cancel_execution(execution, by=by or getpass.getuser(), reason=reason, observers=(event_printer(),))
    print_stdout(outcome.message)


def pause(execution: str, /, *, by: str | None = None) -> None:
    """Launch nothing more for now; what runs goes on. `prefect-drs resume` ends it.

    Parameters
    ----------
    execution
        The execution's id, as `prefect-drs status` shows it.
    by
        Who pauses; by default the user of this machine.
    """
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.operations.control import pause_execution

    require_prefect()
    print_stdout(pause_execution(execution, by=by or getpass.getuser()).message)
