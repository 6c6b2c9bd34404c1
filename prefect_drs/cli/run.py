"""`runbook`, `drill`, `recover` and `failback`: compare a plan with the accounts, or run it in this process.

Progress goes to stderr, the result to stdout; the report is the last thing on stdout, so that `--json` can be piped.
"""

from __future__ import annotations

import getpass
import json as jsonlib
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from cyclopts import Parameter

from prefect_drs.cli.completers import servers, waivable_findings
from prefect_drs.cli.manifests import Bindings, File, Strict, named_plan, read_manifest
from prefect_drs.cli.output import print_json
from prefect_drs.core.errors import RecoveryNotCompletedError, UsageError

if TYPE_CHECKING:
    from prefect import Flow

    from prefect_drs.cli.screen import Screen
    from prefect_drs.report.model import RecoveryReport

Plan = Annotated[str | None, Parameter(help="The plan's name; optional if the manifest has one plan.")]
At = Annotated[
    str,
    Parameter(help="`latest`, or a time with its zone: launch from the newest snapshot that is not after it."),
]
Snapshots = Annotated[
    list[str] | None,
    Parameter(
        name="--snapshot",
        negative="",
        completer=servers,
        metavar="SERVER=pit-…",
        help="Launch that server from this snapshot; repeatable.",
    ),
]
Waivers = Annotated[
    list[str] | None,
    Parameter(
        name="--waive",
        negative="",
        completer=waivable_findings,
        metavar="CODE=REASON",
        help="Waive that finding, with the reason; repeatable.",
    ),
]
Exclusions = Annotated[
    list[str] | None,
    Parameter(
        name="--exclude",
        negative="",
        completer=servers,
        metavar="SERVER=REASON",
        help="Leave that server out, with the reason; repeatable.",
    ),
]
Execution = Annotated[
    str | None,
    Parameter(
        name="--execution",
        metavar="EXECUTION",
        help="Fail back what that execution launched; by default, each server's one running recovery instance.",
    ),
]
WithoutPrefect = Annotated[
    bool,
    Parameter(
        name="--without-prefect",
        negative="",
        help="Ask no Prefect server: run in this process, with the journals' storage (PREFECT_DRS_JOURNAL).",
    ),
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")]


def runbook(
    file: File,
    /,
    *,
    plan: Plan = None,
    bindings: Bindings = None,
    mode: Literal["drill", "recovery", "failback"] = "drill",
    execution: Execution = None,
    at: At = "latest",
    snapshots: Snapshots = None,
    waivers: Waivers = None,
    exclude: Exclusions = None,
    strict: Strict = False,
    json: Json = False,
) -> int:
    """Read the accounts and print exactly what a run would do; change nothing.

    Exit code 5 if the preflight refuses a run; every reason is printed.
    """
    from prefect_drs.cli.console import console
    from prefect_drs.cli.prefect_api import require_permission
    from prefect_drs.core.errors import PreflightRefusedError
    from prefect_drs.operations.dry_run import dry_run
    from prefect_drs.report.dry_run import dry_run_view
    from prefect_drs.runbook import runbook_json
    from prefect_drs.runbook.exclusions import parse_exclusions
    from prefect_drs.runbook.points import Points
    from prefect_drs.runbook.waivers import parse_waivers

    manifest = read_manifest(file, bindings, plan=plan, strict=strict)
    chosen, points, excluded = manifest.plan(plan), Points.parse(at, snapshots), parse_exclusions(exclude)
    accepted = parse_waivers(waivers)
    require_permission("get_runbook", **named_plan(file, plan))
    if mode == "failback":
        from prefect_drs.operations.dry_run import dry_run_failback

        resolved = dry_run_failback(manifest, chosen, execution=execution, exclude=excluded)
    else:
        resolved = dry_run(manifest, chosen, mode=mode, points=points, waivers=accepted, exclude=excluded)
    if json:
        print_json(jsonlib.dumps(runbook_json(resolved), indent=2, ensure_ascii=False))
    else:
        console().print(dry_run_view(resolved))
    return PreflightRefusedError.exit_code if resolved.refusals else 0


def drill(
    file: File,
    /,
    *,
    plan: Plan = None,
    bindings: Bindings = None,
    yes: Annotated[bool, Parameter(name="--yes", negative="", help="Approve every gate, in your name.")] = False,
    at: At = "latest",
    snapshots: Snapshots = None,
    waivers: Waivers = None,
    exclude: Exclusions = None,
    strict: Strict = False,
    without_prefect: WithoutPrefect = False,
    json: Json = False,
) -> int:
    """Launch drill instances, wave by wave; production is not touched."""
    options = RunOptions(at, snapshots, waivers, exclude, yes, strict, without_prefect, json)
    return _run(file, plan, bindings, "drill", options)


def recover(
    file: File,
    /,
    *,
    plan: Plan = None,
    bindings: Bindings = None,
    yes: Annotated[bool, Parameter(name="--yes", negative="", show=False)] = False,
    yes_really: Annotated[
        bool, Parameter(name="--yes-really", negative="", help="Approve every gate, in your name.")
    ] = False,
    at: At = "latest",
    snapshots: Snapshots = None,
    waivers: Waivers = None,
    exclude: Exclusions = None,
    strict: Strict = False,
    without_prefect: WithoutPrefect = False,
    json: Json = False,
) -> int:
    """Launch recovery instances, wave by wave; earlier recovery instances are replaced."""
    if yes and not yes_really:
        raise UsageError("recover launches recovery instances: approve its gates one by one, or use --yes-really")
    options = RunOptions(at, snapshots, waivers, exclude, yes_really, strict, without_prefect, json)
    return _run(file, plan, bindings, "recovery", options)


def failback(
    file: File,
    /,
    *,
    plan: Plan = None,
    bindings: Bindings = None,
    execution: Execution = None,
    yes: Annotated[bool, Parameter(name="--yes", negative="", show=False)] = False,
    yes_really: Annotated[
        bool, Parameter(name="--yes-really", negative="", help="Approve every gate, in your name.")
    ] = False,
    exclude: Exclusions = None,
    strict: Strict = False,
    without_prefect: WithoutPrefect = False,
    json: Json = False,
) -> int:
    """Fail recovered servers back to where they came from: replicate back, stop writes, launch, protect again."""
    if yes and not yes_really:
        raise UsageError("failback launches production servers: approve its gates one by one, or use --yes-really")
    from prefect_drs.plan.advance import failback_gates_of, refuse_in_advance

    manifest = read_manifest(file, bindings, plan=plan, strict=strict)
    gates = failback_gates_of(manifest.plan(plan))
    if yes_really:
        refuse_in_advance(gates)
    from prefect_drs.runbook.exclusions import parse_exclusions

    excluded = parse_exclusions(exclude)
    if without_prefect:
        from prefect_drs.cli.standalone import fail_back_without_prefect

        return fail_back_without_prefect(
            manifest, plan, execution=execution, exclude=excluded, approve=yes_really, json=json
        )
    from prefect_drs.operations.approvals import starter_of
    from prefect_drs.operations.context import Context
    from prefect_drs.orchestration.executions.names import named_execution
    from prefect_drs.orchestration.flow.failback import compile_failback

    user = _starter(file, plan, "start_failback")
    starter = starter_of(Context(), user, gates)
    return carry_out(
        lambda screen: compile_failback(
            manifest, plan, observers=(screen.observe,), on_waiting=screen.tell_gate, starter=starter
        ),
        json=json,
        execution=named_execution(execution) if execution else None,
        exclude=excluded,
        approved_by=user if yes_really else None,
    )


class RunOptions(NamedTuple):
    """The options of `drill` and `recover`, as they are given."""

    at: str
    snapshots: list[str] | None
    waivers: list[str] | None
    exclude: list[str] | None
    approve: bool
    strict: bool
    without_prefect: bool
    json: bool


def _run(
    file: str | Path,
    plan: str | None,
    bindings: str | Path | None,
    mode: Literal["drill", "recovery"],
    options: RunOptions,
) -> int:
    # Faults of a file are reported before Prefect is imported.
    from prefect_drs.plan.advance import gates_of, refuse_in_advance

    manifest = read_manifest(file, bindings, plan=plan, strict=options.strict)
    gates = gates_of(manifest.plan(plan))
    if options.approve:
        refuse_in_advance(gates)
    from prefect_drs.runbook.exclusions import parse_exclusions
    from prefect_drs.runbook.points import Points
    from prefect_drs.runbook.waivers import parse_waivers

    points, accepted = Points.parse(options.at, options.snapshots), parse_waivers(options.waivers)
    excluded = parse_exclusions(options.exclude)
    if options.without_prefect:
        from prefect_drs.cli.standalone import run_without_prefect
        from prefect_drs.operations.standalone.run import start_here

        user = getpass.getuser()
        return run_without_prefect(
            lambda faces: start_here(
                manifest,
                manifest.plan(plan),
                mode=mode,
                points=points,
                waivers=accepted,
                exclude=excluded,
                by=user,
                approve=options.approve,
                faces=faces,
            ),
            by=user,
            json=options.json,
        )
    from prefect_drs.operations.approvals import starter_of
    from prefect_drs.operations.context import Context
    from prefect_drs.orchestration.flow.compile import compile_plan

    user = _starter(file, plan)
    starter = starter_of(Context(), user, gates)
    return carry_out(
        lambda screen: compile_plan(
            manifest, plan, observers=(screen.observe,), on_waiting=screen.tell_gate, starter=starter
        ),
        json=options.json,
        mode=mode,
        at=options.at,
        snapshots=dict(points.snapshots),
        waivers=accepted,
        exclude=excluded,
        approved_by=user if options.approve else None,
    )


def _starter(file: str | Path, plan: str | None, operation: str = "start_execution") -> str:
    """Who starts: the proven identity where the Prefect API has an access policy, else the user of this machine."""
    from prefect.settings import get_current_settings

    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.operations.access import acting_as

    if not get_current_settings().api.url:
        return getpass.getuser()  # a server of its own has no policy
    require_prefect()
    return acting_as(operation, None, **named_plan(file, plan))


def carry_out(compiled: Callable[[Screen], Flow[..., RecoveryReport]], *, json: bool, **parameters: object) -> int:
    """Run a flow in this process with progress on stderr, print its report, and return its exit code."""
    from prefect.exceptions import TerminationSignal

    from prefect_drs.cli.app import TerminatedError
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.cli.screen import Screen

    with terminated_as_interrupted():
        require_prefect(or_start=True)
        screen = Screen(live=sys.stderr.isatty())
        flow = compiled(screen)
        try:
            with screen.shown():
                report = flow(**parameters)
        except RecoveryNotCompletedError as ended:
            report = ended.report
        except TerminationSignal:
            screen.tell_interrupted()
            raise TerminatedError from None
        except KeyboardInterrupt:
            screen.tell_interrupted()
            raise
    print_report(report, json=json)
    return report.exit_code


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does: the flow run is Crashed, the lease free, and the user told how to resume.

    While a flow runs, Prefect handles SIGTERM: it ends the flow and then sends the signal again, to the earlier handler
    (`capture_sigterm` in prefect.utilities.engine).
    """
    from prefect_drs.cli.app import TerminatedError

    def end(*_: Any) -> None:
        raise TerminatedError

    try:
        former = signal.signal(signal.SIGTERM, end)
    except ValueError:  # only the main thread may install signal handlers
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def print_report(report: RecoveryReport, *, json: bool) -> None:
    """Print a report as the last thing on stdout."""
    from prefect_drs.cli.console import console
    from prefect_drs.report.terminal import report_view

    if json:
        print_json(report.to_json())
    else:
        console().print(report_view(report))
