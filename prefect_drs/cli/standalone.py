"""What commands do with `--without-prefect`: the same as with Prefect, by the journals' storage alone.

Progress and questions go to stderr, the report is the last thing on stdout. At a terminal a gate is answered by a line,
`approve 2` or `reject 2 why`; anywhere else by `prefect-drs approve … --without-prefect`, from any machine.
"""

from __future__ import annotations

import getpass
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from prefect_drs.cli.output import print_json, print_stderr, print_stdout

if TYPE_CHECKING:
    from prefect_drs.cli.control import Answer
    from prefect_drs.coordination.gate import WaitingGate
    from prefect_drs.operations.approvals import Proof
    from prefect_drs.operations.standalone.run import Faces
    from prefect_drs.plan.model import Manifest
    from prefect_drs.recovery.ports import Decision
    from prefect_drs.report.model import RecoveryReport


def run_without_prefect(carry_out: Callable[[Faces], RecoveryReport | None], *, by: str, json: bool) -> int:
    """Carry an execution in this process, print its report, and return its exit code.

    Args:
        carry_out: does it; None where another process goes on with the execution.
        by: who answers at this terminal.
        json: print the report as JSON.
    """
    from prefect_drs.cli.app import TerminatedError
    from prefect_drs.cli.run import print_report, terminated_as_interrupted
    from prefect_drs.cli.screen import Screen
    from prefect_drs.operations.standalone.run import Faces

    questions = Questions(by) if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty() else None
    # A live table would be drawn over what a person types.
    screen = Screen(live=sys.stderr.isatty() and questions is None, with_prefect=False)

    def waiting(gate: WaitingGate) -> None:
        screen.tell_stored_gate(gate)
        if questions is not None:
            questions.ask(gate)

    with terminated_as_interrupted():
        try:
            with screen.shown():
                report = carry_out(Faces(screen.observe, waiting, screen.say))
        except (KeyboardInterrupt, TerminatedError):
            screen.tell_interrupted()
            raise
    if report is None:
        print_stdout("the execution continues in the process that carries it; it is not paused")
        return 0
    print_report(report, json=json)
    return report.exit_code


def fail_back_without_prefect(
    manifest: Manifest,
    plan: str | None,
    *,
    execution: str | None,
    exclude: Mapping[str, str],
    approve: bool,
    json: bool,
) -> int:
    """Fail the servers of a plan back in this process."""
    from prefect_drs.operations.standalone.look import named_here
    from prefect_drs.operations.standalone.run import fail_back_here

    user = getpass.getuser()
    return run_without_prefect(
        lambda faces: fail_back_here(
            manifest,
            manifest.plan(plan),
            execution=named_here(execution) if execution else None,
            exclude=exclude,
            by=user,
            approve=approve,
            faces=faces,
        ),
        by=user,
        json=json,
    )


class Questions:
    """Reads answers to gates from the terminal, a line each, and stores them as `prefect-drs approve` does.

    Args:
        by: who sits at the terminal.
    """

    def __init__(self, by: str) -> None:
        self._by = by
        self._lock = threading.Lock()
        self._waiting: dict[int, WaitingGate] = {}
        self._thread: threading.Thread | None = None

    def ask(self, gate: WaitingGate) -> None:
        """Say how to answer here, and read lines from now on."""
        print_stderr(f"or here: approve {gate.wave_number}, or: reject {gate.wave_number} REASON")
        with self._lock:
            self._waiting[gate.wave_number] = gate
            if self._thread is None:
                self._thread = threading.Thread(target=self._read, name="drs-terminal", daemon=True)
                self._thread.start()

    def _read(self) -> None:
        for line in sys.stdin:
            self._take(line)

    def _take(self, line: str) -> None:
        from prefect_drs.core.errors import PrefectDrsError
        from prefect_drs.operations.approvals import Proof
        from prefect_drs.operations.standalone.control import answer_here
        from prefect_drs.recovery.ports import Decision

        words = line.split(maxsplit=2)
        decisions = {"approve": Decision.APPROVED, "reject": Decision.REJECTED}
        decision = decisions.get(words[0].lower()) if words else None
        with self._lock:
            gate = self._waiting.get(int(words[1])) if len(words) > 1 and words[1].isdecimal() else None
        if decision is None or gate is None:
            if words:
                waves = ", ".join(map(str, sorted(self._waiting)))
                print_stderr(f"not understood; write approve N or reject N REASON, N one of {waves}")
            return
        comment = words[2].strip() if len(words) > len(("word", "wave")) else ""
        try:
            _, ruling = answer_here(
                gate.execution_id,
                str(gate.wave_number),
                decision,
                by=self._by,
                comment=comment,
                proof=Proof(own=True),
            )
        except PrefectDrsError as error:
            print_stderr(f"prefect-drs: {error.message}")
            return
        if ruling is not None:
            print_stderr(f"approval sent for {gate}: {ruling.text}")


def resume_without_prefect(execution: str, *, approve: bool, take_over: bool, despite_cancel: bool, json: bool) -> int:
    """Carry an execution on in this process."""
    from prefect_drs.operations.standalone.look import named_here
    from prefect_drs.operations.standalone.run import resume_here

    known, user = named_here(execution), getpass.getuser()
    return run_without_prefect(
        lambda faces: resume_here(
            known, by=user, approve=approve, take_over=take_over, despite_cancel=despite_cancel, faces=faces
        ),
        by=user,
        json=json,
    )


def answer_without_prefect(execution: str, decision: Decision, given: Answer, proof: Proof | None) -> int:
    """Answer a gate; exit code 1 where an approval does not count."""
    from prefect_drs.operations.standalone.control import answer_here, is_carried_here
    from prefect_drs.operations.standalone.look import named_here

    name, known = given.by if given.by is not None else getpass.getuser(), named_here(execution)
    gate, ruling = answer_here(known, given.wave, decision, by=name, comment=given.comment, proof=proof)
    if not is_carried_here(known):
        print_stderr(
            f"no process carries the execution; the answer counts once it is carried on by prefect-drs resume {known} "
            "--without-prefect. With Prefect the gate is asked again"
        )
    if ruling is None:
        print_stdout(f"{decision.value.lower()} by {name}: {gate}")
        return 0
    print_stdout(f"approval sent for {gate}: {ruling.text}")
    return 1 if ruling.counted is False else 0


def cancel_without_prefect(execution: str, *, by: str | None, reason: str) -> None:
    """Cancel an execution; one that no process carries is brought to its end here."""
    from prefect_drs.cli.console import event_printer
    from prefect_drs.operations.standalone.control import cancel_here
    from prefect_drs.operations.standalone.look import named_here

    user = by if by is not None else getpass.getuser()
    print_stdout(cancel_here(named_here(execution), by=user, reason=reason, observers=(event_printer(),)).message)


def pause_without_prefect(execution: str, *, by: str | None) -> None:
    """Pause an execution."""
    from prefect_drs.operations.standalone.control import pause_here
    from prefect_drs.operations.standalone.look import named_here

    print_stdout(pause_here(named_here(execution), by=by if by is not None else getpass.getuser()).message)


def status_without_prefect(execution: str | None, *, watch: bool, json: bool) -> None:
    """Show the executions of the storage, or one of them."""
    from functools import partial

    from prefect_drs.cli.console import console
    from prefect_drs.cli.control import show_one
    from prefect_drs.operations.standalone.look import latest_here, latest_summaries, named_here, situation_here
    from prefect_drs.report.terminal import executions_view

    if execution is not None or watch:
        show_one(partial(situation_here, named_here(execution or "latest")), watch=watch, json=json)
    elif json:
        print_json("[" + ",".join(report.to_json() for report in latest_here()) + "]")
    elif executions := latest_summaries():
        console().print(executions_view(executions))
    else:
        print_stdout("the journals' storage has no execution")
