"""The events of an execution as they are recorded: for whoever follows an execution while it runs.

In: an execution. Out: its events, each with its number in the journal, and later those that came since. Reads only.
"""

from __future__ import annotations

from typing import NamedTuple

from prefect.settings import get_current_settings

from prefect_drs.core.errors import ExecutionStateError, UnknownExecutionError
from prefect_drs.execution.events import Event, ExecutionEnded, ExecutionResumed
from prefect_drs.execution.lines import EventLines
from prefect_drs.operations.execution_report import no_journal
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.executions.names import named_execution
from prefect_drs.orchestration.executions.reports import all_flow_runs_of, find_published, find_report
from prefect_drs.orchestration.storage.journal_storage import journal_storage
from prefect_drs.recovery.journal_tail import JournalTail


class NumberedEvent(NamedTuple):
    """An event with its number in the journal, from 1, and its text with the names of servers."""

    sequence: int
    event: Event
    text: str | None


class EventTail:
    """The end of a journal.

    Args:
        name: the execution's id, a unique beginning of it, or `latest`.

    Raises:
        UnknownExecutionError: no execution with that id is known.
        ExecutionStateError: its journal is not here.
        UsageError: the name is not unique.
        JournalDamagedError, JournalUnavailableError: the journal cannot be read.
        PrefectUnreachableError: the Prefect API is needed and cannot be reached.
    """

    def __init__(self, name: str) -> None:
        self.execution_id = named_execution(name)
        self.has_ended = False
        self._journal = JournalTail(journal_storage(), self.execution_id)
        self._lines = EventLines()
        self._sequence = 0
        self._unread = self._numbered(self._journal.read())
        if not self._unread:
            _require_scheduled(self.execution_id)

    def read(self) -> list[NumberedEvent]:
        """The events since the last call; at first those that were there already.

        Raises:
            JournalDamagedError, JournalUnavailableError: the journal cannot be read.
        """
        events, self._unread = self._unread, []
        return events or self._numbered(self._journal.read_more())

    def is_reported(self) -> bool:
        """Whether whoever asks for the execution's report learns of its end; so where it has no report at all.

        Raises:
            PrefectUnreachableError: the Prefect API cannot be reached.
        """
        if not get_current_settings().api.url:
            return True
        report, _ = find_published(self.execution_id)
        return report is None or report.ended_at is not None

    def _numbered(self, events: tuple[Event, ...]) -> list[NumberedEvent]:
        numbered = []
        for event in events:
            self._lines.learn(event)
            self._sequence += 1
            if isinstance(event, ExecutionEnded | ExecutionResumed):
                self.has_ended = isinstance(event, ExecutionEnded)
            text = event.text
            numbered.append(NumberedEvent(self._sequence, event, None if text is None else self._lines.named(text)))
        return numbered


def _require_scheduled(execution_id: str) -> None:
    """Refuse an execution without a journal, unless it is yet to begin."""
    if not get_current_settings().api.url:
        raise UnknownExecutionError(no_journal(execution_id).message)
    if find_report(execution_id) is not None:
        raise ExecutionStateError(no_journal(execution_id).message)
    with prefect_client() as client:
        if not all_flow_runs_of(client, execution_id):
            raise UnknownExecutionError(f"this Prefect API knows no execution {execution_id}")
