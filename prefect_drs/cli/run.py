"""`runbook`, `drill` and `recover`: a plan looked at against the accounts, or carried out here and now.

Progress goes to stderr, the result to stdout; the report is the last thing on stdout, so that `--json` can be piped.
"""

from __future__ import annotations

import getpass
import json as jsonlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.markup import escape

from prefect_drs.errors import RecoveryNotCompletedError, UsageError

if TYPE_CHECKING:
    from prefect_drs.aws.sessions import Sessions
    from prefect_drs.gates import PendingGate
    from prefect_drs.report.events import Event
    from prefect_drs.report.model import RecoveryReport

Bindings = Annotated[Path | None, Parameter(help="File that maps the manifest's names to real ids.")]
Plan = Annotated[str | None, Parameter(help="The plan's name; may be left out where the manifest has one.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")]


def runbook(
    file: Path,
    /,
    *,
    plan: Plan = None,
    bindings: Bindings = None,
    mode: Literal["drill", "recovery"] = "drill",
    json: Json = False,
) -> int:
    """Read the accounts and print exactly what a run would do; change nothing.

    Exit code 5 where the accounts do not allow it; each reason is printed.
    """
    from rich.console import Console

    from prefect_drs.clock import configured_clock
    from prefect_drs.errors import PreflightRefusedError
    from prefect_drs.plan import load_manifest
    from prefect_drs.report.terminal import runbook_view
    from prefect_drs.runbook import resolve, runbook_json

    manifest = load_manifest(file, bindings)
    resolved = resolve(manifest, manifest.plan(plan), mode=mode, sessions=_sessions(), clock=configured_clock())
    if json:
        print(jsonlib.dumps(runbook_json(resolved), indent=2, ensure_ascii=False))
    else:
        Console().print(runbook_view(resolved))
    return PreflightRefusedError.exit_code if resolved.refusals else 0


def drill(
    file: Path,
    /,
    *,
    plan: Plan = None,
    bindings: Bindings = None,
    yes: Annotated[bool, Parameter(name="--yes", negative="", help="Approve every gate, in your name.")] = False,
    json: Json = False,
) -> int:
    """Launch drill instances, wave by wave; what runs in production is not touched."""
    return _run(file, plan, bindings, "drill", approve=yes, json=json)


def recover(
    file: Path,
    /,
    *,
    plan: Plan = None,
    bindings: Bindings = None,
    yes: Annotated[bool, Parameter(name="--yes", negative="", show=False)] = False,
    yes_really: Annotated[
        bool, Parameter(name="--yes-really", negative="", help="Approve every gate, in your name.")
    ] = False,
    json: Json = False,
) -> int:
    """Launch recovery instances, wave by wave; former recovery instances are replaced."""
    if yes and not yes_really:
        raise UsageError("recover launches for real: approve its gates one by one, or say --yes-really")
    return _run(file, plan, bindings, "recovery", approve=yes_really, json=json)


def _sessions() -> Sessions:
    """The way into every account: by the saved TargetAccount blocks, where a Prefect API is configured."""
    from prefect.settings import PREFECT_API_URL

    from prefect_drs.blocks import open_sessions

    return open_sessions(None if PREFECT_API_URL.value() else ())


def _run(
    file: Path,
    plan: str | None,
    bindings: Path | None,
    mode: Literal["drill", "recovery"],
    *,
    approve: bool,
    json: bool,
) -> int:
    from prefect_drs.plan import load_manifest

    manifest = load_manifest(file, bindings)  # faults are told before Prefect is even imported
    manifest.plan(plan)
    from prefect_drs.compile import compile_plan

    screen = _Screen(live=sys.stderr.isatty())
    flow = compile_plan(manifest, plan, observers=(screen.observe,), on_waiting=screen.tell_gate)
    try:
        with screen.shown():
            report = flow(mode=mode, approved_by=getpass.getuser() if approve else None)
    except RecoveryNotCompletedError as ended:
        report = ended.report
    except KeyboardInterrupt:
        screen.tell_interrupted()
        raise
    _print_report(report, json=json)
    return report.exit_code


def _print_report(report: RecoveryReport, *, json: bool) -> None:
    from rich.console import Console

    from prefect_drs.report.terminal import report_view

    if json:
        print(report.to_json(), flush=True)
    else:
        Console().print(report_view(report))


class _Screen:
    """What a person sees on stderr while it runs: a live table on a terminal, Prefect's log lines elsewhere."""

    def __init__(self, *, live: bool) -> None:
        from rich.console import Console
        from rich.live import Live

        from prefect_drs.report.fold import ReportFold

        self._lock = threading.Lock()
        self._fold = ReportFold()
        self._started = False
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False) if live else None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it for the time of a run."""
        with _quiet_prefect() if self._live else nullcontext(), self._live or nullcontext():
            yield

    def observe(self, event: Event) -> None:
        """Take an event in; draw."""
        from prefect_drs.report.terminal import live_view

        with self._lock:
            self._fold.apply(event)
            self._started = True
            if self._live:
                self._live.update(live_view(self._fold.report()), refresh=True)

    def tell_gate(self, gate: PendingGate) -> None:
        """Say where and how a gate is answered, once its form is open."""
        from prefect.settings import PREFECT_API_URL

        where = (
            f"  {gate.link}\n" if gate.link else "  (this Prefect API has no UI: `prefect server start` gives one)\n"
        )
        api = "" if PREFECT_API_URL.value() else "with PREFECT_API_URL as this process has it, "
        self._console.print(
            f"[bold yellow]wave {gate.wave_number} {escape(gate.wave_name)} waits for approval[/], in the Prefect UI:\n"
            f"{where}or {api}by: prefect-drs approve {gate.execution_id} --wave {gate.wave_number}",
            soft_wrap=True,
            highlight=False,
        )

    def tell_interrupted(self) -> None:
        """What goes on in AWS although this process stops."""
        if not self._started:
            return
        report = self._fold.report()
        running = [job.job_id for wave in report.waves for job in wave.jobs if job.ended_at is None]
        if running:
            self._console.print(f"stopped here; DRS goes on with {', '.join(running)}", soft_wrap=True)


@contextmanager
def _quiet_prefect() -> Iterator[None]:
    """Keep Prefect's info lines off the terminal while the live table tells the same."""
    import logging

    logger = logging.getLogger("prefect")
    handlers = [(handler, handler.level) for handler in logger.handlers if "Console" in type(handler).__name__]
    for handler, _ in handlers:
        handler.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for handler, level in handlers:
            handler.setLevel(level)
