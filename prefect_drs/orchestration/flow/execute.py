"""An execution within a running Prefect flow: a task a wave, `wait_for` its dependencies, the engine behind them.

In: a runbook, or the journal of an execution that was interrupted. Out: the RecoveryReport. Prefect decides order and
shows states; the engine decides about launches; gates, lease, journal and control requests are the ports between the
two. Nothing here talks to AWS.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import prefect.runtime.flow_run
from prefect.exceptions import Pause
from prefect.logging import get_run_logger

from prefect_drs.aws.sessions import Sessions
from prefect_drs.coordination.process import Fence, Marking, require_free
from prefect_drs.core.clock import Clock, WallClock
from prefect_drs.core.errors import AwsError, RecoveryNotCompletedError, UsageError
from prefect_drs.execution.events import Event
from prefect_drs.execution.lines import EventLines
from prefect_drs.execution.replay import state_of
from prefect_drs.execution.view import report_of
from prefect_drs.notifications.notifier import Notifier
from prefect_drs.orchestration.approvals.gate import AutomaticGate, PendingGate, PrefectGate
from prefect_drs.orchestration.approvals.suspended_gate import (
    SuspendedExecution,
    SuspendingGate,
    delete_deadline_runs,
    resume_suspended,
    suspend,
)
from prefect_drs.orchestration.approvals.verifier import PolicyVerifier
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.executions.claims import Holders, claim_servers, release_servers
from prefect_drs.orchestration.executions.control_requests import ControlReader, requests_of
from prefect_drs.orchestration.executions.lease import execution_lease, forget_lease
from prefect_drs.orchestration.executions.quota_sharing import PrefectQuotaSharing
from prefect_drs.orchestration.executions.reports import current_request_id, find_report, settle_former_runs
from prefect_drs.orchestration.flow.deployed import started_by
from prefect_drs.orchestration.flow.event_emitter import open_gate, open_notifier
from prefect_drs.orchestration.flow.wave_tasks import WaveTasks
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.orchestration.storage.artifacts import ReportPublisher
from prefect_drs.orchestration.storage.duration_history import expected_durations, recorded_here
from prefect_drs.orchestration.storage.journal_storage import holder, journal_storage
from prefect_drs.orchestration.storage.settings_history import SettingsRecorder
from prefect_drs.plan.advance import Gated, refuse_in_advance
from prefect_drs.recovery.approvals import GateApprovals
from prefect_drs.recovery.control_requests import ControlRequests, pending_cancel
from prefect_drs.recovery.drivers import EngineThread, InterruptedExecutionError, StoppableClock
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import Journal
from prefect_drs.recovery.launch.durations import DEFAULT_GATE, Spread
from prefect_drs.recovery.options import EngineOptions, EnginePorts
from prefect_drs.recovery.ports import Gate
from prefect_drs.recovery.resume import Start, Starter, take_up
from prefect_drs.report.model import ExecutionStatus, RecoveryReport, WaveStatus
from prefect_drs.runbook import Runbook

SETTINGS_WORKERS = 8
CHECK_WORKERS = 16


@dataclass(frozen=True, slots=True)
class Options:
    """How an execution is carried out.

    Args:
        approved_by: approves every gate in advance, in that name; None asks.
        gate_timeout: how long a gate waits.
        take_over: do not wait for another process's lease, fence it.
        observers: called with every event, former ones first when an execution is resumed.
        on_waiting: called with each gate whose form is open.
        suspend: hold no process while all that is left waits at gates.
        expected: seconds each server's launch is expected to take, by source server id, where known; None takes
            what former executions recorded.
        explicit: somebody asks to resume, so that an execution that was cancelled refuses instead of ending quietly.
        despite_cancel: who goes on although the execution was cancelled; None honours a cancel.
        starter: who starts it, where this process knows; otherwise the flow run may say so.
    """

    approved_by: str | None
    gate_timeout: timedelta
    take_over: bool = False
    observers: Sequence[Callable[[Event], None]] = ()
    on_waiting: Callable[[PendingGate], None] | None = None
    suspend: bool = False
    expected: Mapping[str, float] | None = None
    explicit: bool = False
    despite_cancel: str | None = None
    starter: Starter | None = None


def current_execution_id() -> str:
    """The id of the execution that the running flow carries out: that of its outermost flow run."""
    return str(root_flow_run_id() or prefect.runtime.flow_run.get_id())


def root_flow_run_id() -> str | None:
    """The outermost flow run of this process."""
    return prefect.runtime.flow_run.get_root_flow_run_id() or None


def execute(
    execution_id: str,
    runbook: Callable[[], Runbook],
    sessions: Sessions,
    clock: Clock,
    journal: Journal,
    options: Options,
) -> RecoveryReport:
    """Carry an execution out, or on, within the running flow.

    An execution that has ended is tried again once for each time that somebody asks: `prefect-drs resume`, or a retry
    by a person in Prefect. Where Prefect itself runs the flow once more, it ends as it did.

    Args:
        execution_id: what its jobs are tagged with.
        runbook: resolves what to do; called only where the journal does not tell of the execution yet.
        sessions: the way into the accounts.
        clock: the engine's time.
        journal: where decisions and outcomes are kept.
        options: gates, lease, observers.

    Raises:
        ExecutionBusyError: another process carries it out.
        UsageError: its recovery instances were terminated, or its journal is on another machine.
        PreflightRefusedError: what the accounts hold does not allow it.
        RecoveryNotCompletedError: it ended FAILED, PARTIAL or CANCELLED; the error carries the report.
        Pause: Prefect's signal that the flow run is Suspended; do not catch it.
    """
    run_request = current_request_id(current_execution_id())
    here = root_flow_run_id(), prefect.runtime.flow_run.get_id()
    with execution_lease(execution_id, take_over=options.take_over):
        former = journal.read()
        _require_journal(execution_id, former)
        requests = requests_of(execution_id, root_flow_run_id())
        starter = options.starter or (started_by(here[0]) if not former and here[0] else Starter())
        start = Start(run_request, options.explicit, options.despite_cancel, holder(), starter)
        former_state = state_of(former)
        if former_state is not None:
            _refuse_in_advance(former_state.runbook, options, former_state.answers)
        suspended: SuspendedExecution | None = None
        with _marked(execution_id, start.holder, take_over=options.take_over):
            resolved = take_up(
                former_state,
                requests,
                start,
                resolve=lambda: _refuse_in_advance(runbook(), options),
                claim=partial(claim_servers, execution_id),
            )
            settle_former_runs(execution_id, *here, outcome=f"resumed by flow run {here[0]}")
            delete_deadline_runs(execution_id)
            if resolved is None:
                report = _publish_ended(execution_id, former, clock)
            else:
                ways = sessions, clock, journal, options, start, former, requests
                report, suspended = _carry_out(execution_id, resolved, *ways)
    if suspended is not None:
        raise _suspended(suspended, requests, journal)
    release_servers(execution_id)
    forget_lease(execution_id)
    return _completed(report)


@contextmanager
def _marked(execution_id: str, holder_name: str, *, take_over: bool) -> Iterator[None]:
    """Mark this process beside the journal, once no process without Prefect carries the execution.

    Raises:
        ExecutionBusyError: one does.
    """
    storage = journal_storage()
    if not take_over:
        require_free(storage, execution_id, clock=WallClock(), with_prefect=False)
    with Marking(storage, execution_id, holder_name, with_prefect=True):
        yield


def _refuse_in_advance(runbook: Runbook, options: Options, answered: Collection[int] = ()) -> Runbook:
    """This runbook, unless gates that demand proofs are to be approved in advance.

    Raises:
        UsageError: they are.
    """
    if options.approved_by:
        refuse_in_advance(
            Gated(wave.wave_number, wave.wave_name, wave.demand)
            for wave in runbook.waves
            if wave.gate and wave.wave_number not in answered
        )
    return runbook


def _require_journal(execution_id: str, former: Sequence[Event]) -> None:
    """Refuse to begin an execution that has begun elsewhere: what it launched is in a journal that is not here.

    A report is published only after the journal holds its event, so a first start is never refused.

    Raises:
        UsageError: it has a report and no journal.
    """
    if not former and find_report(execution_id) is not None:
        raise UsageError(
            f"execution {execution_id} has a report, but its journal is not here: resume it where it ran, or keep "
            "journals on a block that all machines reach (PREFECT_DRS_JOURNAL)"
        )


def _publish_ended(execution_id: str, former: Sequence[Event], clock: Clock) -> RecoveryReport:
    """Publish the report of an execution that has ended again, and return it."""
    get_run_logger().info("It has ended; to try again what failed: prefect-drs resume %s", execution_id)
    with ReportPublisher(clock) as publisher:
        for event in former:
            publisher.observe(event)
    return report_of(former)


def _carry_out(
    execution_id: str,
    runbook: Runbook,
    sessions: Sessions,
    clock: Clock,
    journal: Journal,
    options: Options,
    start: Start,
    former: Sequence[Event],
    requests: ControlRequests,
) -> tuple[RecoveryReport, SuspendedExecution | None]:
    """Drive the engine until all is over, or until all that is left waits without a process."""
    gate_clock = StoppableClock(execution_id)
    notifier = open_notifier(execution_id, root_flow_run_id(), sessions, clock, former=former, suspend=options.suspend)
    publisher = ReportPublisher(clock)
    gate = _gate(replace(options, on_waiting=_notifying(notifier, publisher, options.on_waiting)), gate_clock)
    recorded = recorded_here() if options.expected is None else {}
    expected = expected_durations(recorded) if options.expected is None else options.expected
    with (
        ThreadPoolExecutor(SETTINGS_WORKERS, thread_name_prefix="drs-waves") as executor,
        ThreadPoolExecutor(CHECK_WORKERS, thread_name_prefix="drs-checks") as check_executor,
        publisher,
        PrefectQuotaSharing(holders=Holders().count) as sharing,
        SettingsRecorder(execution_id, options.approved_by or holder()) as recorder,
    ):
        observers = (publisher.observe, recorder.observe, _log_events(clock.now()), notifier.observe)
        ports = EnginePorts(
            sessions,
            clock,
            journal,
            executor,
            check_executor,
            requests,
            sharing,
            observers=(*observers, *options.observers),
        )
        gates = Spread(0.0) if options.approved_by else DEFAULT_GATE
        engine_options = EngineOptions(workers=SETTINGS_WORKERS, expected=expected, recorded=recorded, gates=gates)
        engine = Engine(execution_id, runbook, ports, engine_options, start)
        with notifier.running(engine.record):
            approvals = _approvals(engine.runbook, sessions)
            suspended = _drive(engine, clock, gate, gate_clock, options.gate_timeout, publisher, approvals)
            if suspended is None:
                engine.finish()
            else:
                publisher.suspend()
        return engine.report(), suspended


def _notifying(
    notifier: Notifier, publisher: ReportPublisher, on_waiting: Callable[[PendingGate], None] | None
) -> Callable[[PendingGate], None]:
    """What is called with each gate whose form is open: people are notified first."""

    def waiting(pending: PendingGate) -> None:
        notifier.gate_opened(open_gate(pending))
        publisher.gate_opened(pending.as_open_gate())
        if on_waiting is not None:
            on_waiting(pending)

    return waiting


def _drive(
    engine: Engine,
    clock: Clock,
    gate: Gate,
    gate_clock: StoppableClock,
    gate_timeout: timedelta,
    publisher: ReportPublisher,
    approvals: GateApprovals,
) -> SuspendedExecution | None:
    """Run all waves; the suspended execution where all that is left waits at gates and needs no process."""
    with (
        EngineThread(engine, clock, gate_clock.stop) as thread,
        ControlReader(engine, thread.abandon, Fence(journal_storage(), engine.execution_id, holder())) as control,
    ):
        try:
            if isinstance(gate, SuspendingGate):
                gate.attach(engine)
            WaveTasks(engine, thread, gate, gate_timeout, gate_clock, publisher, approvals).run()
            if isinstance(gate, SuspendingGate) and gate.suspended():
                control.read_when_answered()
                return gate.suspended()
        except BaseException:
            gate_clock.stop()
            told = f"the execution was interrupted; to go on: prefect-drs resume {engine.execution_id}"
            thread.abandon(InterruptedExecutionError(told))
            raise
    return None


def _approvals(runbook: Runbook, sessions: Sessions) -> GateApprovals:
    """How the gates verify proofs; nothing is looked up where no gate demands one."""
    if not any(wave.gate and wave.demand.proven for wave in runbook.waves):
        return GateApprovals()
    own: frozenset[str] = frozenset()
    with suppress(AwsError):  # then only the identities of the plan's own accounts count without a policy
        own = frozenset({sessions.caller_account_id})
    return GateApprovals(PolicyVerifier(), own)


def _gate(options: Options, clock: Clock) -> Gate:
    """How the execution's gates are passed."""
    if options.approved_by:
        return AutomaticGate(by=options.approved_by)
    if not options.suspend:
        return PrefectGate(clock=clock, on_waiting=options.on_waiting)
    root, current = root_flow_run_id(), prefect.runtime.flow_run.get_id()
    if root is None or root != current:
        raise UsageError("gates: suspend works in an outermost flow run only, since Prefect suspends no other")
    after = timedelta(seconds=PrefectDrsSettings().suspend_after_seconds)
    return SuspendingGate(UUID(root), clock=clock, after=after, on_waiting=options.on_waiting)


def _suspended(suspended: SuspendedExecution, requests: ControlRequests, journal: Journal) -> Pause:
    """Suspend the run; resume it at once if a cancel was stored in the meantime."""
    get_run_logger().info("%s", suspended)
    pause = suspend(suspended)
    state = state_of(journal.read())
    if state is not None and pending_cancel(requests, state.handled) is not None:
        with prefect_client() as client:
            resume_suspended(client, suspended.root_id)
    return pause


def _completed(report: RecoveryReport) -> RecoveryReport:
    if report.status is ExecutionStatus.COMPLETED:
        return report
    told = "; ".join(
        f"wave {wave.wave_number} {wave.wave_name}: {wave.status} ({wave.reason})"
        for wave in report.waves
        if wave.status is not WaveStatus.COMPLETED or wave.reason
    )
    raise RecoveryNotCompletedError(f"{report.mode} of {report.plan_name} ended {report.status}: {told}", report=report)


def _log_events(since: datetime) -> Callable[[Event], None]:
    """An observer that writes each new event to the run's log, a line each; Prefect adds the time."""
    logger: logging.Logger | logging.LoggerAdapter[logging.Logger] = get_run_logger()
    names = EventLines()

    def observe(event: Event) -> None:
        names.learn(event)
        line = event.text if event.at >= since else None
        if line:
            logger.info(names.named(line))

    return observe
