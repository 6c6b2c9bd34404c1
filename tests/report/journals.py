"""Journals of real executions on the simulator in virtual time, each with something that had to be waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect_drs.aws.sessions import Sessions
from prefect_drs.execution.events import Event
from prefect_drs.recovery.drivers import pass_gate
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import MemoryJournal
from prefect_drs.recovery.launch.packing import Limits
from prefect_drs.recovery.ports import Decision, GateAnswer, GateRequest
from prefect_drs.runbook import Runbook
from tests.rig import REGION, Rig, WaveSpec

TWO = {1: WaveSpec(2), 2: WaveSpec(1, (1,))}


class SlowGate:
    """A person who answers after some minutes of the engine's clock; `before` is called at each question."""

    def __init__(self, rig: Rig, minutes: float, decision: Decision = Decision.APPROVED) -> None:
        self._rig, self._minutes, self._decision = rig, minutes, decision

    def ask(self, request: GateRequest) -> GateAnswer:
        self._rig.clock.wait(60 * self._minutes)
        return GateAnswer(self._decision, "Ada Lovelace", self._rig.clock.now(), "database checked")


def tick(rig: Rig, engine: Engine, times: int) -> None:
    for _ in range(times):
        rig.clock.wait(engine.tick())


def run(rig: Rig, runbook: Runbook | None, journal: MemoryJournal, **options: Any) -> tuple[Event, ...]:
    rig.run(rig.engine(runbook, journal=journal, **options))
    return journal.read()


def with_a_gate(rig: Rig) -> tuple[Event, ...]:
    rig.answers = SlowGate(rig, 7)  # type: ignore[assignment]
    return run(rig, rig.runbook({1: WaveSpec(2), 2: WaveSpec(1, (1,), gate=True)}), MemoryJournal())


def with_a_rejection(rig: Rig) -> tuple[Event, ...]:
    rig.answers = SlowGate(rig, 3, Decision.REJECTED)  # type: ignore[assignment]
    waves = {1: WaveSpec(2), 2: WaveSpec(1, (1,), gate=True), 3: WaveSpec(1, (2,))}
    return run(rig, rig.runbook(waves), MemoryJournal())


def with_a_retry(rig: Rig) -> tuple[Event, ...]:
    runbook = rig.runbook({1: WaveSpec(3, policy={"retry": {"attempts": 1}}), 2: WaveSpec(1, (1,))})
    rig.sandbox.faults.fail_server(runbook.wave(1).servers[0].source_server_id, times=1)
    return run(rig, runbook, MemoryJournal())


def with_a_pause(rig: Rig) -> tuple[Event, ...]:
    journal = MemoryJournal()
    engine = rig.engine(rig.runbook(TWO), journal=journal)
    engine.submit(1)
    tick(rig, engine, 3)
    engine.control.pause("Grace Hopper")
    while not engine.idle:
        rig.clock.wait(engine.tick())
    engine.submit(2)
    engine.tick()
    rig.clock.wait(900)
    engine.control.resume("Ada Lovelace")
    rig.run(engine)
    return journal.read()


def with_a_lost_process(rig: Rig) -> tuple[Event, ...]:
    journal = MemoryJournal()
    former = rig.engine(rig.runbook(TWO), journal=journal)
    former.submit(1)
    tick(rig, former, 3)
    rig.clock.wait(3600)
    return run(rig, None, journal, holder="host-b pid 7")


def with_a_process_lost_at_a_gate(rig: Rig) -> tuple[Event, ...]:
    journal = MemoryJournal()
    former = rig.engine(rig.runbook({1: WaveSpec(1, gate=True)}), journal=journal)

    class GoneError(Exception):
        pass

    class Gone:
        def ask(self, request: GateRequest) -> GateAnswer:
            raise GoneError

    try:
        pass_gate(former, Gone(), 1, clock=rig.clock)
    except GoneError:
        rig.clock.wait(1800)
    rig.answers = SlowGate(rig, 10)  # type: ignore[assignment]
    return run(rig, None, journal, holder="host-b")


def with_little_room(rig: Rig) -> tuple[Event, ...]:
    limits = Limits(servers_per_job=4, concurrent_jobs=1, servers_in_jobs=4)
    return run(rig, rig.runbook({1: WaveSpec(4), 2: WaveSpec(4)}), MemoryJournal(), limits=limits)


def with_a_foreign_job(rig: Rig) -> tuple[Event, ...]:
    runbook = rig.runbook({1: WaveSpec(2)})
    taken = runbook.wave(1).servers[0].source_server_id
    rig.sandbox.faults.fail_server(taken, times=1)
    drs = rig.sessions.client("drs", region=REGION)
    drs.start_recovery(sourceServers=[{"sourceServerID": taken}], isDrill=True)
    return run(rig, runbook, MemoryJournal())


def with_refused_requests(rig: Rig) -> tuple[Event, ...]:
    rig.sessions = Sessions(attempts=1)  # all patience is the engine's own, in virtual time
    runbook = rig.runbook(TWO)
    rig.sandbox.faults.add({"kind": "operation", "operation": "StartRecovery", "effect": "throttle", "times": 10})
    return run(rig, runbook, MemoryJournal())


def with_settings_that_cannot_be_written(rig: Rig) -> tuple[Event, ...]:
    rig.sessions = Sessions(attempts=1)
    runbook = rig.runbook({1: WaveSpec(2, settings={"copyTags": True})})
    rig.sandbox.faults.add(
        {"kind": "operation", "operation": "UpdateLaunchConfiguration", "effect": "throttle", "forSeconds": 600}
    )
    return run(rig, runbook, MemoryJournal())


def with_a_failed_check(rig: Rig) -> tuple[Event, ...]:
    tcp = {"type": "tcp", "port": 9, "address": "127.0.0.1", "timeoutSeconds": 60, "intervalSeconds": 30}
    waves = {
        1: WaveSpec(1, policy={"healthChecks": [{"type": "ec2Status"}, {**tcp, "name": "discard"}]}),
        2: WaveSpec(1, (1,)),
    }
    return run(rig, rig.runbook(waves), MemoryJournal())


def with_a_cancel(rig: Rig) -> tuple[Event, ...]:
    journal = MemoryJournal()
    engine = rig.engine(rig.runbook(TWO), journal=journal)
    engine.submit(1)
    tick(rig, engine, 3)
    engine.control.cancel("Grace Hopper", "wrong region")
    rig.run(engine)
    return journal.read()


def with_a_second_turn(rig: Rig) -> tuple[Event, ...]:
    journal = MemoryJournal()
    runbook = rig.runbook(TWO)
    fault = rig.sandbox.faults.fail_server(runbook.wave(1).servers[0].source_server_id)
    run(rig, runbook, journal)
    rig.sandbox.faults.remove(fault)
    rig.clock.wait(1200)
    return run(rig, None, journal, holder="host-b")


SCENARIOS: tuple[Callable[[Rig], tuple[Event, ...]], ...] = (
    with_a_gate,
    with_a_rejection,
    with_a_retry,
    with_a_pause,
    with_a_lost_process,
    with_a_process_lost_at_a_gate,
    with_little_room,
    with_a_foreign_job,
    with_refused_requests,
    with_settings_that_cannot_be_written,
    with_a_failed_check,
    with_a_cancel,
    with_a_second_turn,
)
