"""Terminate the recovery instances that one execution launched, once a caller has confirmed it; and what became of it.

In: an execution, who terminates, and a callback that confirms what was found. Out: a `TerminationResult`. Each event is
written to the journal before it is observed. Prints nothing.

Must never: terminate anything without the callback's consent, or while a process carries the execution.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from prefect.logging import get_logger

from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock, configured_clock
from prefect_drs.core.models import FrozenModel
from prefect_drs.execution.events import Event, ExecutionStarted, InstancesTerminated, TerminationStarted
from prefect_drs.execution.view import report_of
from prefect_drs.operations.context import configured_sessions
from prefect_drs.orchestration.client import UNREACHABLE
from prefect_drs.orchestration.executions.carriers import is_carried
from prefect_drs.orchestration.executions.lease import execution_lease, forget_lease
from prefect_drs.orchestration.executions.reports import read_report
from prefect_drs.orchestration.flow.finalize import finalize_cancelled
from prefect_drs.orchestration.storage.artifacts import republish
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.recovery import termination
from prefect_drs.recovery.instances import (
    Found,
    StillActiveError,
    TerminationRefusedError,
    find_instances,
    require_over,
)
from prefect_drs.recovery.termination import TerminationResult
from prefect_drs.report.model import RecoveryReport
from prefect_drs.report.situation import ProcessReport, Situation


class TerminationState(enum.StrEnum):
    """The state of a termination. NOT_OVER: the execution has not ended, so that nothing may be terminated yet."""

    NOT_OVER = "NOT_OVER"
    NOTHING_LAUNCHED = "NOTHING_LAUNCHED"
    NOT_REQUESTED = "NOT_REQUESTED"
    IN_PROGRESS = "IN_PROGRESS"
    PARTIAL = "PARTIAL"
    TERMINATED = "TERMINATED"


class TerminatedInstance(FrozenModel):
    """An instance of the execution. PREPARED: it was there before, and is terminated only where that is asked for.

    `job_id`: the TERMINATE job that it was in, where the journal is here.
    """

    recovery_instance_id: str
    source_server_id: str
    name: str
    account_id: str
    region: str
    state: Literal["STANDING", "FAILING_BACK", "PREPARED", "GONE"]
    job_id: str | None = None


class TerminationStatus(FrozenModel):
    """What became of the termination of an execution's instances. `requested_by` is as claimed."""

    execution_id: str
    status: TerminationState
    note: str = ""
    requested_by: str | None = None
    requested_at: datetime | None = None
    instances: tuple[TerminatedInstance, ...] = ()


_logger = get_logger("prefect_drs.operations.termination")


def terminate_execution(
    execution_id: str,
    *,
    by: str,
    confirm: Callable[[Found], bool],
    skip_failback: bool = False,
    include_prepared: bool = False,
    observe: Callable[[Event], None] = lambda event: None,
) -> TerminationResult | None:
    """Terminate the recovery instances of an execution that has ended; what others launched is left alone.

    Args:
        execution_id: the execution.
        by: who terminates; goes into the journal.
        confirm: called with what was found, unless none of the instances is there any more; nothing is terminated
            unless it returns True.
        skip_failback: leave instances that replicate back alone, instead of refusing them all.
        include_prepared: terminate prepared instances too, which were there before the execution.
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
    require_over(_report(execution_id, journal.read()))  # not only once its process has let go of the lease
    with execution_lease(execution_id):
        events = journal.read()
        report = _report(execution_id, events)
        sessions = configured_sessions()
        found = find_instances(report, sessions, skip_failback=skip_failback, include_prepared=include_prepared)
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


def _report(execution_id: str, events: Sequence[Event]) -> RecoveryReport:
    """The execution's report: of its journal, or as it was published where the journal is on another machine."""
    return report_of(events) if events else read_report(execution_id)


def termination_status(execution_id: str, sessions: Sessions) -> TerminationStatus:
    """What became of the termination of an execution's instances, as DRS has them now. Changes nothing.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        AwsError: DRS refused or could not be reached.
    """
    events = open_journal(execution_id).read()
    report = _report(execution_id, events)
    requested = report.terminated
    about = {
        "execution_id": execution_id,
        "requested_by": requested.by if requested else None,
        "requested_at": requested.at if requested else None,
    }
    try:
        found = find_instances(report, sessions, skip_failback=True)
    except StillActiveError as refused:
        return TerminationStatus.model_validate({**about, "status": TerminationState.NOT_OVER, "note": refused.message})
    except TerminationRefusedError as refused:
        nothing = TerminationState.NOTHING_LAUNCHED
        return TerminationStatus.model_validate({**about, "status": nothing, "note": refused.message})
    jobs = {
        instance_id: event.job_id
        for event in events
        if isinstance(event, TerminationStarted)
        for instance_id in event.recovery_instance_ids
    }
    states = (
        (found.standing, "STANDING"),
        (found.failing_back, "FAILING_BACK"),
        (found.prepared, "PREPARED"),
        (found.gone, "GONE"),
    )
    instances = tuple(
        TerminatedInstance(
            recovery_instance_id=target.recovery_instance_id,
            source_server_id=target.source_server_id,
            name=target.name,
            account_id=target.location.account_id,
            region=target.location.region,
            state=state,
            job_id=jobs.get(target.recovery_instance_id),
        )
        for targets, state in states
        for target in targets
    )
    state, note = _state(found, requested=requested is not None, carried=is_carried(execution_id))
    return TerminationStatus.model_validate({**about, "status": state, "note": note, "instances": instances})


def _state(found: Found, *, requested: bool, carried: bool) -> tuple[TerminationState, str]:
    stays = f"{len(found.prepared)} prepared instance(s) stay" if found.prepared else ""
    if not found.standing and not found.failing_back:
        untouched = found.prepared and not requested and not found.gone
        return (TerminationState.NOT_REQUESTED if untouched else TerminationState.TERMINATED), stays
    if carried:
        return TerminationState.IN_PROGRESS, ""
    if not requested and not found.gone:
        return TerminationState.NOT_REQUESTED, ""
    return TerminationState.PARTIAL, "some instances are still there: terminate them again, it is safe to repeat"


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
