"""Terminate the recovery instances that one execution launched, once a caller has confirmed it.

In: an execution, who terminates, and a callback that confirms what was found. Out: a `TerminationResult`. Each event is
written to the journal before it is observed. Prints nothing.

Must never: terminate anything without the callback's consent, or while a process carries the execution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prefect.logging import get_logger

from prefect_drs.aws.location import Location
from prefect_drs.core.clock import Clock, configured_clock
from prefect_drs.execution.events import Event, ExecutionStarted, InstancesTerminated
from prefect_drs.execution.view import report_of
from prefect_drs.operations.context import configured_sessions
from prefect_drs.orchestration.client import UNREACHABLE
from prefect_drs.orchestration.executions.lease import execution_lease, forget_lease
from prefect_drs.orchestration.executions.reports import read_report
from prefect_drs.orchestration.flow.finalize import finalize_cancelled
from prefect_drs.orchestration.storage.artifacts import republish
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.recovery import termination
from prefect_drs.recovery.instances import Found, find_instances
from prefect_drs.recovery.termination import TerminationResult
from prefect_drs.report.situation import ProcessReport, Situation

_logger = get_logger("prefect_drs.operations.termination")


def terminate_execution(
    execution_id: str,
    *,
    by: str,
    confirm: Callable[[Found], bool],
    skip_failback: bool = False,
    observe: Callable[[Event], None] = lambda event: None,
) -> TerminationResult | None:
    """Terminate the recovery instances of an execution that has ended; what others launched is left alone.

    Args:
        execution_id: the execution.
        by: who terminates; goes into the journal.
        confirm: called with what was found, unless none of the instances is there any more; nothing is terminated
            unless it returns True.
        skip_failback: leave instances that replicate back alone, instead of refusing them all.
        observe: called with each event after it is in the journal.

    Returns:
        What became of each instance; None where `confirm` declined.

    Raises:
        UsageError: this Prefect API knows no such execution.
        TerminationRefusedError: the execution is not over, or an instance replicates back.
        ExecutionBusyError: a process carries the execution.
        AwsError: DRS refused or could not be reached.
    """
    journal = open_journal(execution_id)
    if not journal.read():
        read_report(execution_id)  # refuses an unknown execution before a lease is made for it
    finalize_cancelled(execution_id)
    with execution_lease(execution_id):
        events = journal.read()
        report = report_of(events) if events else read_report(execution_id)
        sessions = configured_sessions()
        found = find_instances(report, sessions, skip_failback=skip_failback)
        if found.standing and not confirm(found):
            return None

        def record(event: Event) -> None:
            if events:  # a journal that is on another machine is not begun here
                journal.append((event,))
            observe(event)

        clock = configured_clock()
        result = termination.terminate(
            found, sessions, clock, record, by=by, unanswered=termination.unanswered_in(events)
        )
        for event in _gone_before(found, events, clock):
            record(event)
        if events:
            _republish(journal.read())
    forget_lease(execution_id)
    return result


def _gone_before(found: Found, events: Sequence[Event], clock: Clock) -> list[Event]:
    """The instances that somebody else terminated, and of which the journal does not say so."""
    known = {i for event in events if isinstance(event, InstancesTerminated) for i in event.recovery_instance_ids}
    gone: dict[Location, list[str]] = {}
    for target in found.gone:
        if target.recovery_instance_id not in known:
            gone.setdefault(target.location, []).append(target.recovery_instance_id)
    return [
        InstancesTerminated(
            at=clock.now(),
            account_id=location.account_id,
            region=location.region,
            recovery_instance_ids=tuple(sorted(instance_ids)),
        )
        for location, instance_ids in sorted(gone.items())
    ]


def _republish(events: Sequence[Event]) -> None:
    """Let `status` on other machines show what is terminated; the instances are gone whether Prefect hears or not."""
    started = next(event for event in events if isinstance(event, ExecutionStarted))
    situation = Situation(report_of(events), ProcessReport(alive=False, last_seen_at=None), ())
    try:
        republish(situation, started.runbook)
    except UNREACHABLE as error:
        _logger.warning("Prefect did not store the report after the termination: %s", error)
