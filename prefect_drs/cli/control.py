"""Commands that control an execution from any machine that reaches the same Prefect API.

In: an execution and a control request or an answer to a gate. Out: one line on stdout that says what was done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from prefect_drs.cli.completers import waves_at_their_gates
from prefect_drs.cli.output import print_json, print_stderr, print_stdout

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect_drs.operations.approvals import Proof
    from prefect_drs.recovery.ports import Decision
    from prefect_drs.report.situation import Situation


Execution = Annotated[str, Parameter(help="The execution's id, a unique beginning of it, or `latest`.")]
WithoutPrefect = Annotated[
    bool,
    Parameter(
        name="--without-prefect",
        negative="",
        help="Ask no Prefect server, but the journals' storage (PREFECT_DRS_JOURNAL, PREFECT_DRS_HOME).",
    ),
]
FROM_STDIN = "-"
WATCH_SECONDS = 2.0  # between two looks of `status --watch`


@Parameter(name="*")  # its fields are options of the command, without a prefix
@dataclass(frozen=True)
class Answer:
    """A person's answer at a gate."""

    wave: Annotated[
        str, Parameter(completer=waves_at_their_gates, help="Number or name of the wave that waits at the gate.")
    ]
    by: Annotated[
        str | None,
        Parameter(help="Who decides; by default the user of this machine. The report shows it."),
    ] = None
    comment: Annotated[str, Parameter(allow_leading_hyphen=True, help="Why; the report shows it.")] = ""


def approve(
    execution: Execution,
    /,
    *,
    answer: Answer,
    token: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,  # `-`, standard input
    break_glass: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    without_prefect: WithoutPrefect = False,
) -> int:
    """Approve a wave that waits at its gate.

    Where the gate demands a proof of who you are, it is made with your AWS credentials. Exit code 1 if the approval
    does not count.

    Parameters
    ----------
    token
        A proof from elsewhere: of `prefect-drs token --approve`, or of an OIDC issuer; `-` reads it from stdin.
    break_glass
        Why the gate is to be passed without what it demands. Everybody who is notified is told; with an access policy,
        an admin only.
    """
    import sys

    from prefect_drs.core.errors import UsageError
    from prefect_drs.operations.approvals import Proof
    from prefect_drs.recovery.ports import Decision

    if break_glass is not None and not break_glass.strip():
        raise UsageError("--break-glass needs a reason")
    given = sys.stdin.readline().strip() if token == FROM_STDIN else token or ""
    proof = Proof(given, break_glass or "", own=True)
    return _answer(execution, Decision.APPROVED, answer, proof, without_prefect=without_prefect)


def reject(execution: Execution, /, *, answer: Answer, without_prefect: WithoutPrefect = False) -> None:
    """Reject a wave that waits at its gate: it and every wave that depends on it are cancelled."""
    from prefect_drs.recovery.ports import Decision

    _answer(execution, Decision.REJECTED, answer, without_prefect=without_prefect)


def _answer(
    execution: str, decision: Decision, given: Answer, proof: Proof | None = None, *, without_prefect: bool
) -> int:
    if without_prefect:
        from prefect_drs.cli.standalone import answer_without_prefect

        return answer_without_prefect(execution, decision, given, proof)
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.operations.access import acting_as
    from prefect_drs.operations.control import answer
    from prefect_drs.orchestration.client import shared_client

    require_prefect()
    with shared_client():
        operation = "approve_gate" if decision.value == "APPROVED" else "reject_gate"
        name = acting_as(operation, given.by, execution_id=execution)
        answered = answer(execution, given.wave, decision, by=name, comment=given.comment, proof=proof)
    if answered.ruling is None:
        print_stdout(f"{decision.value.lower()} by {name}: {answered.gate}")
    else:
        print_stdout(f"approval sent for {answered.gate}: {answered.ruling.text}")
    if answered.lost is not None:
        print_stderr(f"prefect-drs: {answered.lost}")
    return 1 if answered.ruling is not None and answered.ruling.counted is False else 0


def status(
    execution: str | None = None,
    /,
    *,
    watch: Annotated[bool, Parameter(negative="")] = False,
    without_prefect: WithoutPrefect = False,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")] = False,
) -> None:
    """Show the latest executions, or what one of them does, what it waits for and what to do.

    Parameters
    ----------
    execution
        The execution's id, a unique beginning of it, or `latest`; without it the latest executions.
    watch
        Follow the execution until it has ended.
    json
        Print the RecoveryReport (or a list of them) as JSON; of one execution, with `process` and `waitingFor`.
    """
    if without_prefect:
        from prefect_drs.cli.standalone import status_without_prefect

        status_without_prefect(execution, watch=watch, json=json)
        return
    from prefect_drs.cli.console import console
    from prefect_drs.cli.prefect_api import require_permission, require_prefect
    from prefect_drs.operations.status import latest_executions, latest_reports
    from prefect_drs.report.terminal import executions_view

    require_prefect()
    if execution is not None or watch:
        require_permission("get_execution", execution_id=execution or "latest")
    else:
        require_permission("list_executions")
    if execution is not None:
        show_one(_look_at(execution), watch=watch, json=json)
    elif watch:
        show_one(_look_at("latest"), watch=True, json=json)
    elif json:
        print_json("[" + ",".join(report.to_json() for report in latest_reports()) + "]")
    elif executions := latest_executions():
        console().print(executions_view(executions))
    else:
        print("no execution is known to this Prefect API; start one with `prefect-drs drill FILE`")


def _look_at(name: str) -> Callable[[], Situation]:
    """Looks at an execution that a person named."""
    from functools import partial

    from prefect_drs.operations.status import execution_situation
    from prefect_drs.orchestration.executions.names import named_execution

    return partial(execution_situation, named_execution(name))


def show_one(look: Callable[[], Situation], *, watch: bool, json: bool) -> None:
    """Show an execution once, or until it has ended: live on a terminal, otherwise each time that it has changed."""
    import sys
    from datetime import UTC, datetime

    from rich.live import Live

    from prefect_drs.cli.console import console
    from prefect_drs.core.clock import WallClock
    from prefect_drs.report.situation_view import situation_view

    screen, situation = console(), look()
    if watch and sys.stdout.isatty() and not json:
        with Live(console=screen, auto_refresh=False, vertical_overflow="visible") as live:
            while True:
                live.update(situation_view(situation, datetime.now(UTC)), refresh=True)
                if situation.report.ended_at is not None:
                    return
                WallClock().wait(WATCH_SECONDS)
                situation = look()
    shown: Situation | None = None
    while True:
        if shown is None or (situation.report, situation.waiting_for) != (shown.report, shown.waiting_for):
            if json:
                print_json(situation.to_json())
            else:
                screen.print(situation_view(situation, datetime.now(UTC)), crop=False)  # links stay whole
            shown = situation
        if not watch or situation.report.ended_at is not None:
            return
        WallClock().wait(WATCH_SECONDS)
        situation = look()


def resume(
    execution: str,
    /,
    *,
    take_over: Annotated[bool, Parameter(negative="")] = False,
    despite_cancel: Annotated[bool, Parameter(negative="")] = False,
    yes: Annotated[bool, Parameter(name="--yes", negative="")] = False,
    without_prefect: WithoutPrefect = False,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")] = False,
) -> int:
    """Resume an execution that was paused or interrupted; one that has ended is retried where it failed.

    Parameters
    ----------
    execution
        The execution's id, a unique beginning of it, or `latest`.
    take_over
        Do not wait until another process's lease expires (up to 75 s after it died); fence it instead.
    despite_cancel
        Resume although somebody cancelled the execution; the journal records that you did.
    yes
        Approve every gate that is still ahead, in your name.
    json
        Print the RecoveryReport as the last thing on stdout.
    """
    if without_prefect:
        from prefect_drs.cli.standalone import resume_without_prefect

        return resume_without_prefect(
            execution, approve=yes, take_over=take_over, despite_cancel=despite_cancel, json=json
        )
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.cli.run import carry_out
    from prefect_drs.operations.access import acting_as
    from prefect_drs.operations.control import begin_resume
    from prefect_drs.orchestration.executions.names import named_execution
    from prefect_drs.orchestration.flow.compile import compile_resume

    require_prefect()
    execution = named_execution(execution)
    user = acting_as("resume_execution", None, execution_id=execution)
    outcome = begin_resume(execution, by=user, take_over=take_over, despite_cancel=despite_cancel)
    if outcome is not None:
        print_stdout(outcome.message)
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
    without_prefect: WithoutPrefect = False,
) -> None:
    """Launch nothing more; running DRS jobs are followed to their end, and open gates are closed.

    If no process carries the execution, this one finalizes it.

    Parameters
    ----------
    execution
        The execution's id, a unique beginning of it, or `latest`.
    by
        Who cancels; by default the user of this machine. The report shows it.
    reason
        Why; the report shows it.
    """
    if without_prefect:
        from prefect_drs.cli.standalone import cancel_without_prefect

        cancel_without_prefect(execution, by=by, reason=reason)
        return
    from prefect_drs.cli.console import event_printer
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.operations.access import acting_as
    from prefect_drs.operations.control import cancel_execution
    from prefect_drs.orchestration.executions.names import named_execution

    require_prefect()
    known = named_execution(execution)
    user = acting_as("cancel_execution", by, execution_id=known)
    outcome = cancel_execution(known, by=user, reason=reason, observers=(event_printer(),))
    print_stdout(outcome.message)


def pause(execution: str, /, *, by: str | None = None, without_prefect: WithoutPrefect = False) -> None:
    """Launch nothing more for now; running jobs continue. `prefect-drs resume` ends the pause.

    Parameters
    ----------
    execution
        The execution's id, a unique beginning of it, or `latest`.
    by
        Who pauses; by default the user of this machine.
    """
    if without_prefect:
        from prefect_drs.cli.standalone import pause_without_prefect

        pause_without_prefect(execution, by=by)
        return
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.operations.access import acting_as
    from prefect_drs.operations.control import pause_execution
    from prefect_drs.orchestration.executions.names import named_execution

    require_prefect()
    known = named_execution(execution)
    user = acting_as("pause_execution", by, execution_id=known)
    print_stdout(pause_execution(known, by=user).message)
