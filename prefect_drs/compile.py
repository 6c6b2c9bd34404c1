"""Where a plan becomes a Prefect flow: a task a wave, `wait_for` its dependencies, a gate before a paused one.

In: a Manifest and the name of one of its plans. Out: a `prefect.Flow` that resolves the runbook, carries it out with
the engine of `prefect_drs.recovery`, and returns the RecoveryReport. Prefect decides order and shows states; the engine
decides about launches. Nothing here talks to AWS.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Literal, cast

import prefect.runtime.flow_run
from prefect import Flow, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, wait
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from prefect_drs.artifacts import ReportPublisher, publish_report, wave_progress
from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.blocks import open_sessions
from prefect_drs.clock import Clock, configured_clock
from prefect_drs.errors import RecoveryNotCompletedError
from prefect_drs.gates import AutomaticGate, PendingGate, PrefectGate
from prefect_drs.graph import WaveGraph
from prefect_drs.plan.model import Manifest, RecoveryPlan
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import Journal, MemoryJournal
from prefect_drs.recovery.ports import Gate
from prefect_drs.recovery.runner import GATE_TIMEOUT, EngineThread, pass_gate
from prefect_drs.report.events import Event
from prefect_drs.report.lines import event_line
from prefect_drs.report.model import ExecutionStatus, RecoveryReport, WaveStatus
from prefect_drs.runbook import Runbook, RunbookWave, resolve

SETTINGS_WORKERS = 8
NOT_IN_NAMES = str.maketrans(dict.fromkeys("/%&<>", "-"))  # Prefect refuses these in flow names


def compile_plan(
    manifest: Manifest,
    plan: str | None = None,
    *,
    accounts: Iterable[AccountAccess] | None = None,
    observers: Sequence[Callable[[Event], None]] = (),
    on_waiting: Callable[[PendingGate], None] | None = None,
) -> Flow[..., RecoveryReport]:
    """The flow of one recovery plan.

    Args:
        manifest: as `load_manifest` gives it, references resolved.
        plan: the plan's name; may be left out where the manifest has one plan.
        accounts: how to enter target accounts; by default every saved TargetAccount block.
        observers: called with every event of an execution, in its process.
        on_waiting: called with each gate whose form is open, in its process.

    Returns:
        A flow with the parameters `mode` (drill or recovery), `approved_by` (approves every gate in advance, in that
        name) and `gate_timeout_seconds`. It returns the RecoveryReport of a COMPLETED execution.

    Raises:
        UsageError: the manifest has no such plan, or several and none was named.
    """
    chosen = manifest.plan(plan)

    @flow(
        name=chosen.plan_name.translate(NOT_IN_NAMES),
        flow_run_name=chosen.plan_name.translate(NOT_IN_NAMES) + " {mode}",
        description=f"{chosen.description or chosen.plan_name}\n\n```mermaid\n{WaveGraph.of(chosen).mermaid()}\n```",
        task_runner=_task_runner(len(chosen.waves)),
        persist_result=False,
    )
    def recovery_plan(
        mode: Literal["drill", "recovery"] = "drill",
        approved_by: str | None = None,
        gate_timeout_seconds: float = GATE_TIMEOUT.total_seconds(),
    ) -> RecoveryReport:
        execution_id = current_execution_id()
        sessions = open_sessions(accounts, session_name=f"prefect-drs-{execution_id}")
        clock = configured_clock()
        runbook = read_accounts(manifest, chosen, mode, sessions, clock)
        gate: Gate = AutomaticGate(by=approved_by) if approved_by else PrefectGate(on_waiting=on_waiting)
        timeout = timedelta(seconds=gate_timeout_seconds)
        return execute(
            execution_id,
            runbook,
            sessions,
            clock,
            journal=MemoryJournal(),
            gate=gate,
            gate_timeout=timeout,
            observers=(log_events(get_run_logger()), *observers),
        )

    return recovery_plan


def log_events(logger: logging.Logger | logging.LoggerAdapter[logging.Logger]) -> Callable[[Event], None]:
    """An observer that writes each event to the run's log, a line each."""

    def observe(event: Event) -> None:
        if line := event_line(event):
            logger.info(line)

    return observe


def _task_runner(waves: int) -> TaskRunner[PrefectFuture[Any]]:
    """A thread for each wave, since one that waits, for its gate or for others, holds its own."""
    runner: Any = ThreadPoolTaskRunner(max_workers=waves + 1)  # its type is invariant in its futures
    return cast("TaskRunner[PrefectFuture[Any]]", runner)


@task(name="read the accounts", cache_policy=NO_CACHE, persist_result=False)
def _resolve(
    manifest: Manifest,
    plan: RecoveryPlan,
    mode: Literal["drill", "recovery"],
    sessions: Sessions,
    clock: Clock,
) -> Runbook:
    return resolve(manifest, plan, mode=mode, sessions=sessions, clock=clock).require_accepted()


def read_accounts(
    manifest: Manifest,
    plan: RecoveryPlan,
    mode: Literal["drill", "recovery"],
    sessions: Sessions,
    clock: Clock,
) -> Runbook:
    """The runbook of this execution, as a task of its own, so that what refuses it is seen in the UI.

    Raises:
        PreflightRefusedError: what the accounts hold does not allow it.
    """
    return _resolve(manifest, plan, mode, sessions, clock)


def current_execution_id() -> str:
    """The id of the execution that the running flow carries out: that of its outermost flow run."""
    return str(prefect.runtime.flow_run.get_root_flow_run_id() or prefect.runtime.flow_run.get_id())


def execute(
    execution_id: str,
    runbook: Runbook,
    sessions: Sessions,
    clock: Clock,
    *,
    journal: Journal,
    gate: Gate,
    gate_timeout: timedelta,
    observers: Sequence[Callable[[Event], None]],
) -> RecoveryReport:
    """Carry out a runbook within the running flow: a task a wave.

    Raises:
        RecoveryNotCompletedError: it ended FAILED, PARTIAL or CANCELLED; the error carries the report.
    """
    with (
        ThreadPoolExecutor(SETTINGS_WORKERS, thread_name_prefix="drs-waves") as executor,
        ReportPublisher() as publisher,
    ):
        engine = Engine(
            execution_id,
            runbook,
            sessions,
            clock=clock,
            journal=journal,
            executor=executor,
            workers=SETTINGS_WORKERS,
            observers=(publisher.observe, *observers),
        )
        with EngineThread(engine, clock) as thread:
            futures: dict[int, PrefectFuture[Any]] = {}
            for wave in runbook.waves:  # in topological order
                futures[wave.wave_number] = _wave_task(wave, engine, thread, gate, gate_timeout).submit(
                    wait_for=[futures[number] for number in wave.depends_on_waves]
                )
            wait(list(futures.values()))
            thread.wait(lambda: engine.idle)
        report = engine.finish()
    publish_report(report, runbook)
    if report.status is not ExecutionStatus.COMPLETED:
        raise RecoveryNotCompletedError(
            f"{runbook.mode} of {runbook.plan_name} ended {report.status}: "
            + "; ".join(
                f"wave {wave.wave_number} {wave.wave_name}: {wave.status} ({wave.reason})"
                for wave in report.waves
                if wave.status is not WaveStatus.COMPLETED
            ),
            report=report,
        )
    return report


def _wave_task(wave: RunbookWave, engine: Engine, thread: EngineThread, gate: Gate, gate_timeout: timedelta) -> Any:
    """The task that stands for a wave: it asks the gate, hands the wave to the engine and waits for its end."""

    @task(name=wave.wave_name, task_run_name=wave.wave_name, cache_policy=NO_CACHE, persist_result=False)
    def recover_wave() -> State[Any]:
        number = wave.wave_number
        if not pass_gate(engine, gate, number, gate_timeout):
            return Cancelled(message=engine.reason(number))
        engine.submit(number)
        with wave_progress(engine, wave) as show:
            thread.wait(lambda: engine.status(number).over, meanwhile=show)
        if engine.status(number) is WaveStatus.COMPLETED:
            return Completed(message=f"{len(wave.servers)} server(s) LAUNCHED")
        return Failed(message=engine.reason(number))

    return recover_wave
