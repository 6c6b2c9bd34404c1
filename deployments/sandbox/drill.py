"""The drill of the demo, which runs through its deployment: its journal is followed, its gates are answered.

In: the id of its flow run, which is the execution's. Out: lines for its events and gates, then its report.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import get_client
from progress import Progress

from prefect_drs.cli.console import console
from prefect_drs.core.errors import UsageError
from prefect_drs.execution.lines import EventLines
from prefect_drs.orchestration.approvals.answers import PendingGate, answer_gate, pending_gates
from prefect_drs.orchestration.executions.reports import read_report
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.orchestration.ui_links import ui_link
from prefect_drs.recovery.ports import Decision
from prefect_drs.report.terminal import report_view

POLL_SECONDS = 0.25


class Drill:
    """A drill that is under way.

    Args:
        execution: its id.
        home: the folder for its report.
        progress: where its lines go. On a terminal a person answers the gates, otherwise this does.
    """

    def __init__(self, execution: str, home: Path, progress: Progress) -> None:
        self._execution = execution
        self._home = home
        self._progress = progress
        self._person = sys.stdin.isatty() and progress.is_terminal
        self._told = 0
        self._log = EventLines()
        self._announced: set[int] = set()

    def follow(self) -> int:
        """Print what happens until the drill has ended, and its report; returns its exit code."""
        self._progress.link("The drill is running; its events follow:", ui_link(self._execution) or "(no UI)")
        with self._progress.waiting("the drill goes on"), get_client(sync_client=True) as client:
            while True:
                state = client.read_flow_run(UUID(self._execution)).state
                self._tell_events()
                if state is not None and state.is_final():
                    break
                self._answer_gates()
                time.sleep(POLL_SECONDS)
        try:
            report = read_report(self._execution)
        except UsageError:
            raise SystemExit(f"the drill ended {state.name} before anything was launched: {state.message}") from None
        self._progress.step("The drill has ended. Its report, as `prefect-drs status` shows it:")
        console().print(report_view(report))
        (self._home / "report.json").write_text(report.to_json(), encoding="utf-8")
        return report.exit_code

    def _tell_events(self) -> None:
        """Print the events that the journal has had since the last look, in simulated time."""
        events = open_journal(self._execution).read()
        for event in events[self._told :]:
            for line in self._log.lines(event):
                self._progress.line(line)
        self._told = len(events)

    def _answer_gates(self) -> None:
        for gate in pending_gates(self._execution):
            if gate.wave_number not in self._announced:
                self._announced.add(gate.wave_number)
                self._progress.link(
                    f"GATE: {gate.wave_name} waits for approval. Choose ⋮ → Resume here:", gate.link or "(no UI)"
                )
                self._answer(gate)

    def _answer(self, gate: PendingGate) -> None:
        if self._person:
            self._progress.line(f"or run: prefect-drs approve {self._execution} --wave {gate.wave_number}")
            return
        self._progress.line("(no terminal: approved by the demo itself)")
        answer_gate(self._execution, gate.wave_number, Decision.APPROVED, by="make demo", comment="no terminal")
