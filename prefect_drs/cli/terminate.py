"""`terminate`: the recovery instances that one execution launched, looked at, confirmed, and terminated.

What would be terminated and the question go to stderr, the result to stdout. A recovery's instances may be what
production runs on: `--yes` is not enough for them, and at a terminal the plan's name must be typed.
"""

from __future__ import annotations

import getpass
import json as jsonlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from prefect_drs.cli.output import say, say_json, tell
from prefect_drs.core.errors import UsageError

if TYPE_CHECKING:
    from prefect_drs.execution.events import Event
    from prefect_drs.recovery.instances import Found
    from prefect_drs.recovery.termination import TerminationResult

DECLINED = 4
SHOWN = 20  # instances listed before the question


def terminate(
    execution: str,
    /,
    *,
    yes: Annotated[bool, Parameter(name="--yes", negative="")] = False,
    yes_really: Annotated[bool, Parameter(name="--yes-really", negative="")] = False,
    skip_failback: Annotated[bool, Parameter(name="--skip-failback", negative="")] = False,
    by: str | None = None,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")] = False,
) -> int:
    """Terminate the recovery instances that an execution launched; what others launched is left alone.

    The execution must be over. Calling it twice is harmless. Afterwards the execution cannot be resumed.

    Parameters
    ----------
    execution
        The execution's id, as `prefect-drs status` shows it.
    yes
        Do not ask. Enough for a drill.
    yes_really
        Do not ask, although it was a recovery: production may run on these instances.
    skip_failback
        Leave instances that fail back alone and terminate the others; without it, one that does refuses all.
    by
        Who terminates; by default the user of this machine. It goes into the journal.
    json
        Print what became of each instance as JSON.
    """
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.cli.run import _sessions
    from prefect_drs.core.clock import configured_clock
    from prefect_drs.execution.view import report_of
    from prefect_drs.orchestration.executions.lease import execution_lease, forget_lease
    from prefect_drs.orchestration.executions.reports import read_report
    from prefect_drs.orchestration.flow.finalize import finalize_cancelled
    from prefect_drs.orchestration.storage.journal_storage import open_journal
    from prefect_drs.recovery import termination
    from prefect_drs.recovery.instances import find_instances

    require_prefect()
    journal = open_journal(execution)
    if not journal.read():
        read_report(execution)  # says so where there is no such execution
    finalize_cancelled(execution)
    with execution_lease(execution):
        events = journal.read()
        report = report_of(events) if events else read_report(execution)
        found = find_instances(report, _sessions(), skip_failback=skip_failback)
        if found.standing and not _confirmed(found, yes=yes, yes_really=yes_really):
            tell("nothing was terminated")
            return DECLINED
        result = termination.terminate(
            found,
            _sessions(),
            configured_clock(),
            _recorder(journal.append if events else None),
            by=by or getpass.getuser(),
            unanswered=termination.unanswered_in(events),
        )
    forget_lease(execution)
    if json:
        say_json(jsonlib.dumps(result.to_json(), indent=2, ensure_ascii=False))
    else:
        _print(result)
    return result.exit_code


def _recorder(append: Callable[[tuple[Event, ...]], None] | None) -> Callable[[Event], None]:
    """Keeps events in the journal, where it is readable here, and tells them on stderr."""

    def record(event: Event) -> None:
        if append is not None:
            append((event,))
        tell(f"{event.at:%H:%M:%S} {event.text}")

    return record


def _confirmed(found: Found, *, yes: bool, yes_really: bool) -> bool:
    """Whether a person wants it, after having seen what would go.

    Raises:
        UsageError: nobody can be asked.
    """
    report, count = found.report, len(found.standing)
    recovery = report.mode == "recovery"
    if yes_really or (yes and not recovery):
        return True
    flag = "--yes-really" if recovery else "--yes"
    what = f"{count} recovery instance(s) of the {report.mode} {report.plan_name} (execution {report.execution_id})"
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        why = "production may run on them, --yes is not enough" if yes else "there is no terminal to ask at"
        raise UsageError(f"this would terminate {what}; {why}: say {flag}")
    for target in found.standing[:SHOWN]:
        tell(f"  {target.name}  {target.recovery_instance_id}  {target.location}")
    if count > SHOWN:
        tell(f"  and {count - SHOWN} more")
    tell(f"terminates {what}; they and their disks are gone for good.")
    if recovery:
        tell(f"Production may run on them. Type the plan's name ({report.plan_name}) to go on: ", end="")
        return _answer() == " ".join(report.plan_name.split())
    tell("Type yes to go on: ", end="")
    return _answer() == "yes"


def _answer() -> str:
    sys.stderr.flush()
    return " ".join(sys.stdin.readline().split())


def _print(result: TerminationResult) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from prefect_drs.cli.console import console
    from prefect_drs.recovery.termination import TerminationOutcome

    styles = {
        TerminationOutcome.TERMINATED: "green",
        TerminationOutcome.ALREADY_GONE: "dim",
        TerminationOutcome.FAILED: "bold red",
    }
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in ("server", "instance", "where", "outcome", "why"):
        table.add_column(name, overflow="fold", no_wrap=name in {"instance", "outcome"})
    for instance in result.instances:
        target = instance.target
        table.add_row(
            Text(target.name),
            target.recovery_instance_id,
            str(target.location),
            Text(instance.outcome, style=styles.get(instance.outcome, "yellow")),
            Text(instance.error),
        )
    console().print(table)
    for left in result.found.left_alone:
        launched = f"job {left.job_id}" if left.job_id else "another job"
        say(f"left alone: {left.recovery_instance_id} of {left.source_server_id}, launched by {launched}")
    for target in result.found.failing_back:
        say(f"left alone: {target.recovery_instance_id} of {target.name}, which fails back")
    gone = len(result.instances) - len(result.left)
    say(f"{gone} of {len(result.instances)} recovery instance(s) are gone")
