"""`terminate`: list the recovery instances that one execution launched, ask for confirmation, and terminate them.

The list and the question go to stderr, the result to stdout. Production may run on a recovery's instances: `--yes` is
not enough for them, and at a terminal the plan's name must be typed.
"""

from __future__ import annotations

import json as jsonlib
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from prefect_drs.cli.output import print_json, print_stderr, print_stdout
from prefect_drs.core.errors import UsageError

if TYPE_CHECKING:
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
    include_prepared: Annotated[bool, Parameter(name="--include-prepared", negative="")] = False,
    by: str | None = None,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")] = False,
) -> int:
    """Terminate the recovery instances that an execution launched, and no others.

    The execution must have ended. Safe to repeat. Afterwards the execution cannot be resumed.

    Parameters
    ----------
    execution
        The execution's id, a unique beginning of it, or `latest`.
    yes
        Do not ask. Enough for a drill.
    yes_really
        Do not ask, even for a recovery: production may run on these instances.
    skip_failback
        Skip instances that fail back; without it, one such instance refuses the whole command.
    include_prepared
        Terminate prepared instances too; without it, they stay.
    by
        Who terminates; by default the user of this machine. The journal records it.
    json
        Print the outcome of each instance as JSON.
    """
    from prefect_drs.cli.console import event_printer
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.operations.access import acting_as
    from prefect_drs.operations.termination import terminate_execution
    from prefect_drs.orchestration.executions.names import named_execution

    require_prefect()
    known = named_execution(execution)
    result = terminate_execution(
        known,
        by=acting_as("terminate_instances", by, execution_id=known),
        confirm=lambda found: confirmed(found, yes=yes, yes_really=yes_really),
        skip_failback=skip_failback,
        include_prepared=include_prepared,
        observe=event_printer(),
    )
    if result is None:
        print_stderr("nothing was terminated")
        return DECLINED
    if json:
        print_json(jsonlib.dumps(result.to_json(), indent=2, ensure_ascii=False))
    else:
        _print(result)
    return result.exit_code


def confirmed(found: Found, *, yes: bool, yes_really: bool) -> bool:
    """Whether a person confirms the termination, by an option or after having seen the instances.

    Raises:
        UsageError: there is no terminal to ask at, or the option is not enough.
    """
    report, count = found.report, len(found.standing)
    recovery = report.mode == "recovery"
    if yes_really or (yes and not recovery):
        return True
    flag = "--yes-really" if recovery else "--yes"
    what = f"{count} recovery instance(s) of the {report.mode} {report.plan_name} (execution {report.execution_id})"
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        why = "production may run on them, --yes is not enough" if yes else "there is no terminal to ask at"
        raise UsageError(f"this would terminate {what}; {why}: use {flag}")
    for target in found.standing[:SHOWN]:
        print_stderr(f"  {target.name}  {target.recovery_instance_id}  {target.location}")
    if count > SHOWN:
        print_stderr(f"  and {count - SHOWN} more")
    print_stderr(f"terminates {what}; they and their disks are deleted for good.")
    if recovery:
        print_stderr(f"Production may run on them. Type the plan's name ({report.plan_name}) to continue: ", end="")
        return _answer() == " ".join(report.plan_name.split())
    print_stderr("Type yes to continue: ", end="")
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
        print_stdout(f"left alone: {left.recovery_instance_id} of {left.source_server_id}, launched by {launched}")
    for target in result.found.failing_back:
        print_stdout(f"left alone: {target.recovery_instance_id} of {target.name}, which fails back")
    for target in result.found.prepared:
        print_stdout(
            f"left alone: {target.recovery_instance_id} of {target.name}, a prepared instance (--include-prepared "
            "terminates it too)"
        )
    gone = len(result.instances) - len(result.left)
    print_stdout(f"{gone} of {len(result.instances)} recovery instance(s) are gone")
