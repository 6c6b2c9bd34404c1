"""The tasks of a plan's waves: one Prefect task a wave, which waits for the tasks of its dependencies.

In: an engine, and the gate of the execution. Out: tasks that pass their gates, submit their waves to the engine, and
end in the state that shows how the wave ended. Nothing here decides about a launch.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, wait
from prefect.states import Cancelled, Completed, Failed

from prefect_drs.core.clock import Clock
from prefect_drs.core.escaping import prefect_template
from prefect_drs.orchestration.approvals.suspended_gate import ExecutionSuspendedError
from prefect_drs.orchestration.storage.artifacts import ReportPublisher
from prefect_drs.recovery.approvals import GateApprovals
from prefect_drs.recovery.drivers import EngineThread, pass_gate
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import FencedError, JournalUnavailableError
from prefect_drs.recovery.ports import Gate
from prefect_drs.report.model import WaveStatus
from prefect_drs.report.text import counted
from prefect_drs.runbook import RunbookWave, done_word


@dataclass(frozen=True, slots=True)
class WaveTasks:
    """The tasks of all waves, and what they share."""

    engine: Engine
    thread: EngineThread
    gate: Gate
    gate_timeout: timedelta
    clock: Clock
    publisher: ReportPublisher
    approvals: GateApprovals

    def run(self) -> None:
        """Start a task for every wave, and wait until all waves are over and no job runs any more."""
        futures: dict[int, PrefectFuture[Any]] = {}
        for wave in self.engine.runbook.waves:  # in topological order
            dependencies = [futures[number] for number in wave.depends_on_waves]
            futures[wave.wave_number] = self._task(wave).submit(wait_for=dependencies)
        self.publisher.track_waves(self.engine.runbook, {number: each.task_run_id for number, each in futures.items()})
        wait(list(futures.values()))
        self.thread.wait(lambda: self.engine.idle)

    def _task(self, wave: RunbookWave) -> Any:
        """The task of a wave: it passes the gate, submits the wave to the engine and waits for its end."""

        @task(
            name=wave.wave_name,
            task_run_name=prefect_template(wave.wave_name),
            cache_policy=NO_CACHE,
            persist_result=False,
        )
        def recover_wave() -> State[Any]:
            return self._recover(wave)

        return recover_wave

    def _recover(self, wave: RunbookWave) -> State[Any]:
        engine, number = self.engine, wave.wave_number
        try:
            begins = (
                not engine.status(number).over
                and not engine.cancelled
                and pass_gate(engine, self.gate, number, self.gate_timeout, clock=self.clock, approvals=self.approvals)
            )
        except ExecutionSuspendedError as suspended:
            return Cancelled(name="Suspended", message=suspended.message)
        except (JournalUnavailableError, FencedError) as failure:
            self.thread.abandon(failure)  # nothing can go on: release the waves that wait at other gates too
            raise
        if begins:
            engine.submit(number)
            self.thread.wait(lambda: engine.status(number).over)
        return _task_state(engine, wave)


def _task_state(engine: Engine, wave: RunbookWave) -> State[Any]:
    """The state in which a wave's task ends."""
    reason = engine.reason(wave.wave_number)
    match engine.status(wave.wave_number):
        case WaveStatus.COMPLETED:
            done = counted(engine.launched(wave.wave_number), "server")
            return Completed(message=f"{done} {done_word(wave.action)}")
        case WaveStatus.CANCELLED:
            return Cancelled(message=reason)
        case _:
            return Failed(message=reason)
