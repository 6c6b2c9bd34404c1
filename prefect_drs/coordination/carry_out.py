"""An execution in one process, without Prefect: the engine, its gates, its notifications.

In: a runbook, or the journal of an execution that was interrupted, whoever carried it before. Out: the RecoveryReport.
The engine is the one that a Prefect flow drives; here its ports are the journals' storage: claims, control requests,
answers at gates, the mark of the process. Nothing here asks a Prefect server.

Must never: begin an execution whose servers are not claimed; go on with one that was cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

from prefect_drs.aws.sessions import Sessions
from prefect_drs.coordination.claims import StoredClaims
from prefect_drs.coordination.gate import ApprovedGate, StoredGate, WaitingGate
from prefect_drs.coordination.messages import MessageBox, StoredRequests
from prefect_drs.coordination.process import Fence, Marking, require_free
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import UsageError
from prefect_drs.execution.events import Event
from prefect_drs.execution.replay import state_of
from prefect_drs.execution.view import report_of
from prefect_drs.notifications.message import NotifiedGate
from prefect_drs.notifications.notifier import Notifier
from prefect_drs.plan.advance import Gated, refuse_in_advance
from prefect_drs.recovery.approvals import GateApprovals
from prefect_drs.recovery.drivers import GATE_TIMEOUT, StoppableClock, run_in_threads
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import Archive, Journal
from prefect_drs.recovery.launch.durations import DEFAULT_GATE, Spread
from prefect_drs.recovery.options import EngineOptions, EnginePorts
from prefect_drs.recovery.ports import Gate
from prefect_drs.recovery.resume import Start, take_up
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook import Runbook

SETTINGS_WORKERS = 8
CHECK_WORKERS = 16


@dataclass(frozen=True, slots=True)
class Ways:
    """What a process carries an execution with.

    Args:
        storage: that of the journals.
        journal: the execution's.
        sessions: the way into the accounts.
        clock: the engine's time.
        notifier: makes the notifier, given the journal's events from before this process.
        approvals: how gates verify proofs, given the runbook.
    """

    storage: Archive
    journal: Journal
    sessions: Sessions
    clock: Clock
    notifier: Callable[[Sequence[Event]], Notifier]
    approvals: Callable[[Runbook], GateApprovals]


@dataclass(frozen=True, slots=True)
class Options:
    """How an execution is carried out.

    Args:
        start: how this process came to carry it; `start.holder` is who it is.
        approved_by: approves every gate in advance, in that name; None asks.
        gate_timeout: how long a gate waits.
        take_over: do not wait for another process; fence it.
        observers: called with every event, former ones first.
        on_waiting: called with each gate that begins to wait.
        recorded: seconds of former launches, by source server id.
        expected: seconds that each server's launch is expected to take, where known.
    """

    start: Start
    approved_by: str | None = None
    gate_timeout: timedelta = GATE_TIMEOUT
    take_over: bool = False
    observers: Sequence[Callable[[Event], None]] = ()
    on_waiting: Callable[[WaitingGate], None] | None = None
    recorded: Mapping[str, Sequence[float]] = field(default_factory=dict)
    expected: Mapping[str, float] = field(default_factory=dict)


def carry_out(execution_id: str, resolve: Callable[[], Runbook], ways: Ways, options: Options) -> RecoveryReport:
    """Carry an execution out, or on.

    Args:
        execution_id: what its jobs are tagged with.
        resolve: resolves what to do; called only where the journal does not tell of the execution yet.
        ways: what it is carried with.
        options: how.

    Returns:
        Its report, however it ended.

    Raises:
        ExecutionBusyError: another process carries it.
        UsageError: gates that demand proofs cannot be approved in advance.
        ExecutionStateError: it was cancelled, or its recovery instances were terminated.
        PreflightRefusedError: what the accounts hold does not allow it, or another execution has its servers.
        FencedError: another process has taken it over.
        JournalUnavailableError: the journal cannot be read or written.
    """
    people = StoppableClock(execution_id)
    if not options.take_over:
        require_free(ways.storage, execution_id, clock=people)
    claims = StoredClaims(ways.storage, with_prefect=False)
    requests = StoredRequests(MessageBox(ways.storage, execution_id))
    former = ways.journal.read()
    state = state_of(former)
    if state is not None:
        _refuse_in_advance(state.runbook, options, answered=state.answers)
    with Marking(ways.storage, execution_id, options.start.holder, with_prefect=False):
        runbook = take_up(
            state,
            requests,
            options.start,
            resolve=lambda: _refuse_in_advance(resolve(), options),
            claim=lambda found: claims.claim(execution_id, found),
        )
        if runbook is None:
            return report_of(former)
        report = _carry_out(execution_id, runbook, ways, options, former, people)
        claims.release(execution_id)
    return report


def _carry_out(
    execution_id: str,
    runbook: Runbook,
    ways: Ways,
    options: Options,
    former: Sequence[Event],
    people: StoppableClock,
) -> RecoveryReport:
    box, notifier = MessageBox(ways.storage, execution_id), ways.notifier(former)
    with (
        ThreadPoolExecutor(SETTINGS_WORKERS, thread_name_prefix="drs-waves") as executor,
        ThreadPoolExecutor(CHECK_WORKERS, thread_name_prefix="drs-checks") as check_executor,
    ):
        ports = EnginePorts(
            ways.sessions,
            ways.clock,
            ways.journal,
            executor,
            check_executor,
            StoredRequests(box),
            observers=(notifier.observe, *options.observers),
        )
        gates = Spread(0.0) if options.approved_by else DEFAULT_GATE
        engine_options = EngineOptions(
            workers=SETTINGS_WORKERS, expected=options.expected, recorded=options.recorded, gates=gates
        )
        engine = Engine(execution_id, runbook, ports, engine_options, options.start)
        stored = StoredGate(box, engine, people, _notifying(notifier, options.on_waiting))
        gate: Gate = ApprovedGate(options.approved_by, people, stored) if options.approved_by else stored
        approvals = ways.approvals(engine.runbook)
        with notifier.running(engine.record):
            look = Fence(ways.storage, execution_id, options.start.holder).require
            run_in_threads(
                engine, gate, ways.clock, people, timeout=options.gate_timeout, approvals=approvals, look=look
            )
        return engine.report()


def _refuse_in_advance(runbook: Runbook, options: Options, answered: Mapping[int, object] | None = None) -> Runbook:
    """This runbook, unless gates that demand proofs are to be approved in advance.

    Raises:
        UsageError: they are, or the name is blank.
    """
    if options.approved_by is None:
        return runbook
    if not options.approved_by.strip():
        raise UsageError("gates are approved in advance in somebody's name: it is blank")
    refuse_in_advance(
        Gated(wave.wave_number, wave.wave_name, wave.demand)
        for wave in runbook.waves
        if wave.gate and wave.wave_number not in (answered or {})
    )
    return runbook


def _notifying(notifier: Notifier, on_waiting: Callable[[WaitingGate], None] | None) -> Callable[[WaitingGate], None]:
    """What is called with each gate that begins to wait: people are notified first."""

    def waiting(gate: WaitingGate) -> None:
        occasion = f"{gate.execution_id}/{gate.wave_number}/{gate.until.isoformat()}"
        notifier.gate_opened(NotifiedGate(gate.wave_number, occasion, None, gate.until))
        if on_waiting is not None:
            on_waiting(gate)

    return waiting
