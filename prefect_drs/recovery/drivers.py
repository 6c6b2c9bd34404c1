"""Drivers for the engine: a thread of its own with a thread for each wave, or the caller's thread in virtual time.

In: an engine. Out: a report. The engine's thread serves waves that Prefect tasks hand over, or the threads of
`run_in_threads`, which needs no Prefect server; `run_plainly` walks the graph in the caller's thread and asks gates one
after another.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from prefect_drs.core.clock import Clock, WallClock
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.recovery.approvals import GateApprovals, GateCheck
from prefect_drs.recovery.control_requests import RequestsUnreachableError
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.ports import Decision, Gate, GateAnswer, GateRequest
from prefect_drs.report.approving import launch_line
from prefect_drs.report.markdown import gate_summary
from prefect_drs.report.model import RecoveryReport, WaveStatus
from prefect_drs.runbook.approved import approved_digest

P = ParamSpec("P")
T = TypeVar("T")

GATE_TIMEOUT = timedelta(days=7)
REQUEST_SECONDS = 3.0  # real seconds between two reads of the control requests

_logger = logging.getLogger("prefect_drs.recovery.drivers")


class InlineExecutor(Executor):
    """Runs each call at once, in the caller's thread: for virtual time, where the order must be certain."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run it now; the future is already done."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class InterruptedExecutionError(PrefectDrsError):
    """This process was told to stop; the execution can be resumed."""

    code = "EXECUTION_INTERRUPTED"


class StoppableClock(WallClock):
    """A wall clock whose waits end with an error once the process is told to stop, so that no gate holds it."""

    def __init__(self, execution_id: str) -> None:
        self._execution_id = execution_id
        self._stopping = threading.Event()

    def stop(self) -> None:
        """From now on nothing waits any more."""
        self._stopping.set()

    def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Come back after `seconds`.

        Raises:
            InterruptedExecutionError: the process was told to stop.
        """
        if self._stopping.wait(max(0.0, seconds)):
            told = f"this process was told to stop; to go on: prefect-drs resume {self._execution_id}"
            raise InterruptedExecutionError(told)


class EngineThread:
    """Ticks an engine in a thread until the context ends. Use as a context manager.

    A defect in a tick, or a journal that cannot be written, ends the thread; everybody who waits gets it raised, so
    that nothing waits for ever.

    Args:
        engine: the engine.
        clock: waited on between ticks.
        on_failure: called once a failure has ended the thread, to release those who wait elsewhere, such as at gates.
    """

    def __init__(self, engine: Engine, clock: Clock, on_failure: Callable[[], None] = lambda: None) -> None:
        self._on_failure = on_failure
        self._engine = engine
        self._clock = clock
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"drs-engine-{engine.execution_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._engine.woken.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._clock.wait(self._engine.tick(), self._engine.woken)
        except BaseException as failure:
            self._failure = failure
            with self._engine.changed:
                self._engine.changed.notify_all()
            self._on_failure()

    def abandon(self, failure: BaseException) -> None:
        """Raise this error for everybody who waits here; nothing more is ticked."""
        self._failure = self._failure or failure
        self._stopping.set()
        with self._engine.changed:
            self._engine.changed.notify_all()
        self._on_failure()

    def wait(self, done: Callable[[], bool], *, every: float = 5.0) -> None:
        """Block until `done()`, which is called on every event and at least every `every` real seconds.

        Raises:
            BaseException: what ended the engine's thread.
        """
        while True:
            with self._engine.changed:
                if not (done() or self._failure):
                    self._engine.changed.wait(every)
            if self._failure is not None:
                raise self._failure
            if done():
                return


def pass_gate(
    engine: Engine,
    gate: Gate,
    wave_number: int,
    timeout: timedelta = GATE_TIMEOUT,
    *,
    clock: Clock,
    approvals: GateApprovals | None = None,
) -> bool:
    """Ask about a wave, record the answer, and cancel the wave where it is not an approval. True: it may begin.

    Where the journal holds an answer, approval or not, nobody is asked again. A gate that a former process opened
    keeps its deadline.

    Args:
        engine: whose wave it is.
        gate: asks and waits.
        wave_number: the wave.
        timeout: how long the gate waits, from when it is first asked.
        clock: measures the timeout: people's time, where the engine's is a simulated one.
        approvals: how proofs are verified; without, no gate that demands one is passed.
    """
    wave = engine.runbook.wave(wave_number)
    if not wave.gate:
        return True
    answer = engine.answer(wave_number)
    if answer is None:
        check = (approvals or GateApprovals()).check(engine, wave_number, clock) if wave.demand.proven else None
        now = clock.now()
        digest = approved_digest(engine.runbook, wave_number)
        demands = wave.demand.text if check is not None else ""
        left = engine.gate_asked(wave_number, now + timeout, digest=digest, demands=demands) - now
        request = GateRequest(
            execution_id=engine.execution_id,
            plan_name=engine.runbook.plan_name,
            mode=engine.runbook.mode,
            wave_number=wave_number,
            wave_name=wave.wave_name,
            summary=gate_summary(engine.runbook, wave_number, engine.report()),
            timeout=max(left, timedelta()),
            launches=launch_line(engine.runbook, wave_number),
            check=check,
        )
        answer = gate.ask(request) if check is None else _ask_until_it_counts(gate, request, check, clock)
        engine.gate_answered(wave_number, answer)
    if answer.decision is Decision.APPROVED:
        return True
    if answer.decision is Decision.TIMED_OUT:
        reason = f"no answer within {timeout}"
    else:
        comment = f": {answer.comment}" if answer.comment else ""
        reason = (f"rejected by {answer.by}" if answer.by else "not approved") + comment
    engine.cancel_wave(wave_number, reason)
    return False


def _ask_until_it_counts(gate: Gate, request: GateRequest, check: GateCheck, clock: Clock) -> GateAnswer:
    """The answer that passes a gate that demands proofs, whatever the gate itself made of the answers."""
    until = clock.now() + request.timeout
    answer = check.passing()  # where a former process died between the last approval and the passing of the gate
    while answer is None:
        answer = check.consider(gate.ask(request)).answer
        request = replace(request, timeout=max(until - clock.now(), timedelta()))
    return answer


class RequestReader:
    """Makes an engine handle its stored control requests every few seconds. A context manager.

    Args:
        engine: the engine, which reads the requests itself.
        on_failure: called with an error that ended the reading: the execution was taken over, or its journal cannot be
            written.
        look: called before each reading; raises where another process has taken the execution over.
    """

    def __init__(
        self,
        engine: Engine,
        on_failure: Callable[[BaseException], None],
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine, self._on_failure, self._look = engine, on_failure, look
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drs-control", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        unread = False
        while True:
            try:
                self._look()
                self._engine.control.handle_pending()
                unread = False
            except RequestsUnreachableError as error:
                if not unread:
                    _logger.warning("%s; asking again every %s s", error, REQUEST_SECONDS)
                unread = True
            except Exception as error:
                self._on_failure(error)
                return
            if self._done.wait(REQUEST_SECONDS):
                return


def run_in_threads(
    engine: Engine,
    gate: Gate,
    clock: Clock,
    gate_clock: StoppableClock,
    *,
    timeout: timedelta = GATE_TIMEOUT,
    approvals: GateApprovals | None = None,
    look: Callable[[], None] = lambda: None,
) -> RecoveryReport:
    """Carry out the whole runbook, a thread for each wave, so that gates wait side by side while the engine goes on.

    Args:
        engine: a fresh or resumed engine.
        gate: asks people; waits by `gate_clock`.
        clock: the engine's time.
        gate_clock: people's time; stopped once the execution fails or this process is told to stop.
        timeout: how long a gate waits.
        approvals: as of `pass_gate`.
        look: as of `RequestReader`.

    Raises:
        FencedError: another process has taken the execution over.
        JournalUnavailableError: the journal cannot be written.
        BaseException: what interrupted the caller; the execution can be resumed.
    """
    waves = engine.runbook.waves
    with (
        EngineThread(engine, clock, gate_clock.stop) as thread,
        RequestReader(engine, thread.abandon, look),
        ThreadPoolExecutor(max(1, len(waves)), thread_name_prefix="drs-wave") as pool,
    ):

        def run(wave_number: int) -> None:
            try:
                _run_wave(engine, thread, wave_number, partial(pass_gate, engine, gate, wave_number, timeout, **ways))
            except BaseException as failure:
                thread.abandon(failure)  # nothing can go on: release the other waves too

        ways: dict[str, Any] = {"clock": gate_clock, "approvals": approvals}
        try:
            futures = [pool.submit(run, wave.wave_number) for wave in waves]
            thread.wait(lambda: all(future.done() for future in futures) and engine.idle, every=0.5)
        except BaseException:
            thread.abandon(InterruptedExecutionError(f"execution {engine.execution_id} was interrupted"))
            raise
    return engine.finish()


def _run_wave(engine: Engine, thread: EngineThread, wave_number: int, passed: Callable[[], bool]) -> None:
    """Wait for the wave's dependencies, pass its gate, hand it over and wait for its end."""
    dependencies = engine.runbook.wave(wave_number).depends_on_waves
    thread.wait(lambda: engine.cancelled or all(engine.status(number).over for number in dependencies))
    if engine.cancelled or engine.status(wave_number).over:
        return
    if all(engine.status(number) is WaveStatus.COMPLETED for number in dependencies) and passed():
        engine.submit(wave_number)
        thread.wait(lambda: engine.status(wave_number).over)


def run_plainly(engine: Engine, gate: Gate, clock: Clock, **options: Any) -> RecoveryReport:
    """Carry out the whole runbook in this thread: gates are asked as their waves become ready.

    Args:
        engine: a fresh or resumed engine.
        gate: answers without waiting, or holds everything up while it waits.
        clock: waited on between ticks; with a stepped clock hours pass at once.
        options: passed on to `pass_gate`.
    """
    waiting = {
        wave.wave_number: wave.depends_on_waves
        for wave in engine.runbook.waves
        if not engine.status(wave.wave_number).over  # of a resumed execution, some are
    }
    while True:
        if engine.cancelled:
            waiting.clear()
        for number in _ready_or_blocked(engine, waiting):
            blocked = any(engine.status(n) is not WaveStatus.COMPLETED for n in waiting.pop(number))
            if not blocked and pass_gate(engine, gate, number, clock=clock, **options):
                engine.submit(number)
        wait = engine.tick()
        ready = any(all(engine.status(n).over for n in dependencies) for dependencies in waiting.values())
        if not ready:
            if engine.idle:
                return engine.finish()
            clock.wait(wait)


def _ready_or_blocked(engine: Engine, waiting: Mapping[int, Sequence[int]]) -> list[int]:
    """The waves whose dependencies all succeeded, or of which one is over without success."""
    statuses = {number: [engine.status(n) for n in dependencies] for number, dependencies in waiting.items()}
    return [
        number
        for number, each in statuses.items()
        if all(status is WaveStatus.COMPLETED for status in each)
        or any(status.over and status is not WaveStatus.COMPLETED for status in each)
    ]
