"""A failback that is carried on by a machine whose clock differs: no wait ends early by a time that only seems past."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest

from benchmarks.kill_stops import SkewedClock
from prefect_drs.execution.event import Event
from prefect_drs.execution.events import ServerStatus, WritesStopped
from prefect_drs.recovery.drivers import InlineExecutor, run_plainly
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import MemoryJournal
from prefect_drs.recovery.options import EngineOptions, EnginePorts
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook import Runbook
from tests.recovery.failback.scene import ORIGIN, Scene
from tests.rig import ACCOUNT, Rig, WaveSpec


class DeadError(BaseException):
    """The process is dead."""


class DyingJournal(MemoryJournal):
    """A journal whose process dies once, right after an event that `dies` chooses is stored."""

    def __init__(self, dies: Callable[[Event], bool]) -> None:
        super().__init__()
        self._dies: list[Callable[[Event], bool]] = [dies]

    def append(self, events: Iterable[Event]) -> None:
        stored = tuple(events)
        super().append(stored)
        if self._dies and any(map(self._dies[0], stored)):
            self._dies.clear()
            raise DeadError


def process(scene: Scene, journal: MemoryJournal, runbook: Runbook | None, ahead: float) -> RecoveryReport:
    """One process of the failback, whose clock is so many seconds ahead of AWS's."""
    rig = scene.rig
    clock = SkewedClock(rig.clock, ahead)  # type: ignore[arg-type]
    ports = EnginePorts(rig.sessions, clock, journal, InlineExecutor())
    engine = Engine("failback-1", runbook, ports, EngineOptions(workers=1, seed=1))
    return run_plainly(engine, rig.answers, clock, timeout=timedelta(hours=1))


def fail_back(scene: Scene, journal: MemoryJournal) -> RecoveryReport:
    """By a process two minutes behind, which dies, and at once by another that is two minutes ahead."""
    with pytest.raises(DeadError):
        process(scene, journal, scene.runbook().require_accepted(), -120)
    return process(scene, journal, None, 120)


def test_a_call_that_a_former_process_just_sent_is_not_sent_again(rig: Rig) -> None:
    scene = Scene(rig, {1: WaveSpec(2)}, failback={"cleanUp": "terminate"})
    scene.recover()
    rig.sandbox.faults.add({"kind": "operation", "operation": "TerminateRecoveryInstances", "effect": "lose-answer"})

    def unanswered(event: Event) -> bool:
        """The note that the answer of the termination was lost."""
        return event.kind == "WaveDelayed" and any(
            call.operation == "TerminateRecoveryInstances" for call in rig.sandbox.calls
        )

    report = fail_back(scene, DyingJournal(unanswered))
    assert report.status == "COMPLETED", report
    calls = [call.code for call in rig.sandbox.calls if call.operation == "TerminateRecoveryInstances"]
    assert calls == ["lose-answer"]


def test_what_was_written_before_the_stop_is_waited_for_by_the_clock_of_the_process_that_goes_on(rig: Rig) -> None:
    scene = Scene(rig, {1: WaveSpec(1)})
    scene.recover()
    lag = timedelta(minutes=3)
    stopped_at = []

    def stopped(event: Event) -> bool:
        if isinstance(event, WritesStopped):
            stopped_at.append(rig.clock.now())
            for server in rig.sandbox.backend(ACCOUNT, ORIGIN).servers.values():
                server.replication.base_lag = lag
        return bool(stopped_at)

    journal = DyingJournal(stopped)
    assert fail_back(scene, journal).status == "COMPLETED"
    (caught_up,) = [
        event.at - timedelta(seconds=120)
        for event in journal.read()
        if isinstance(event, ServerStatus) and event.launch_status == "CAUGHT_UP"
    ]
    assert caught_up - stopped_at[0] > lag
