"""Any order of what people and machines do to executions, drawn by Hypothesis, on a real Prefect server.

Each step is one act: a process starts, goes on for a while, is killed, or a second one takes the execution over;
somebody pauses, resumes, cancels (by a request or in the Prefect UI), retries in the Prefect UI, approves or rejects;
a request arrives that nobody can read; another execution is started on the same servers. Requests and claims go
through the real Prefect API, launches through the simulated DRS in virtual time.

What must hold after every step: no launch after a cancel that was acknowledged and that nobody overrode; no server in a
job of one execution while another holds it, and in one job an execution; no wave before its dependencies. And at the
end, once all executions were brought to theirs: every acknowledged request is in its execution's journal.

300 steps in the suite. As many as one likes by

    PREFECT_DRS_STEPS=5000 .venv/bin/python -m pytest tests/recovery/test_any_order.py -s
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from prefect.client.orchestration import get_client
from prefect.states import Cancelling, Completed, Running, Scheduled

from prefect_drs.core.errors import PreflightRefusedError, UsageError
from prefect_drs.execution.replay import state_of
from prefect_drs.orchestration.approvals.answers import CONTROL_REQUEST_KEY
from prefect_drs.orchestration.executions.claims import claim_servers, release_servers
from prefect_drs.orchestration.executions.control_requests import PrefectRequests, submit
from prefect_drs.orchestration.executions.reports import current_request_id
from prefect_drs.recovery.control_requests import ControlAction
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import FencedError
from prefect_drs.recovery.ports import Decision, GateAnswer
from prefect_drs.recovery.resume import Start, take_up
from prefect_drs.report.model import WaveStatus
from tests.recovery.any_order import Execution, Process, carrier
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec, simulated_aws

STEPS = int(os.environ.get("PREFECT_DRS_STEPS", "300"))
STEPS_AN_EXAMPLE = 50
WAVES = {1: WaveSpec(1), 2: WaveSpec(1, (1,), gate=True), 3: WaveSpec(1, (1,)), 4: WaveSpec(1, (2, 3))}
ENDS_WITHIN = 400  # ticks

pytestmark = pytest.mark.usefixtures("prefect_server")


# Which execution a step is about: mostly the latest that began, sometimes an earlier one.
WHICH = st.sampled_from([0, 0, 0, 1, 2])


class AnyOrder(RuleBasedStateMachine):
    """Executions of one plan: they all want the same servers."""

    steps = 0
    acts: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.rig: Rig = self.stack.enter_context(simulated_aws())
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.client = self.stack.enter_context(get_client(sync_client=True))
        self.known: list[Execution] = []
        self.runbook = self.rig.runbook(WAVES)

    # No rule has a precondition: whether one holds may depend on the product's timing, and then a failure could not be
    # replayed. A rule that wants an execution, or its process, starts one where there is none.

    def chosen(self, which: int) -> Execution:
        """One that began: the latest where `which` is 0, the one before it where it is 1, and so on."""
        begun = [each for each in reversed(self.known) if each.begun]
        return begun[min(which, len(begun) - 1)] if begun else self.start_one()

    def live(self) -> Execution:
        """The one that has not ended; a new one where there is none, for then nobody holds the servers."""
        for execution in self.known:
            if execution.begun and not execution.ended:
                return execution
        execution = self.start_one()
        if not execution.begun:  # safe, and rare: Prefect did not answer in time when the last one released its servers
            self.acts[f"refused although nobody holds the servers: {execution.refusal}"] += 1
        return execution

    def carried(self) -> Execution:
        """One that a process carries, if only to its end because somebody cancelled it."""
        execution = self.live()
        if execution.process is None:
            self.retry_one(execution)
        return execution

    # What people and machines do

    @rule()
    def start(self) -> None:
        """Somebody starts an execution of the plan; exactly one at a time may have the servers."""
        self.start_one()

    def start_one(self) -> Execution:
        run_id = str(self.client.create_flow_run(carrier, state=Running()).id)
        execution = Execution(run_id, self.runbook, self.folder, run_ids=[run_id])
        self.known.append(execution)
        self.begin(execution, run_id, explicit=False)
        self.acts["started" if execution.begun else "start refused"] += 1
        return execution

    @rule(which=WHICH, despite_cancel=st.booleans())
    def resume(self, which: int, despite_cancel: bool) -> None:
        """`prefect-drs resume`, also beside a process that lives: it is taken over."""
        self.resume_one(self.chosen(which), "grace" if despite_cancel else None)

    def resume_one(self, execution: Execution, despite_cancel: str | None = None) -> None:
        run_id = str(self.client.create_flow_run(carrier, name=f"resume {execution.id}", state=Running()).id)
        began = self.begin(execution, run_id, explicit=True, despite_cancel=despite_cancel)
        self.acts["resumed" if began else "resume refused"] += 1

    @rule(which=WHICH)
    def retry(self, which: int) -> None:
        """A person presses Retry in the Prefect UI once the flow run has ended, or its process was lost."""
        self.retry_one(self.chosen(which))

    def retry_one(self, execution: Execution) -> None:
        if execution.process is not None:
            return
        run_id = execution.run_ids[-1]
        self.client.set_flow_run_state(UUID(run_id), Scheduled(), force=True)
        self.client.set_flow_run_state(UUID(run_id), Running(), force=True)
        began = self.begin(execution, run_id, explicit=False)
        self.acts["retried" if began else "retry refused"] += 1

    @rule(ticks=st.integers(1, 12), reads=st.booleans())
    def go_on(self, ticks: int, reads: bool) -> None:
        """The process goes on for a while; the thread that reads requests every few seconds may be late."""
        execution = self.carried()
        for _ in range(ticks):
            if execution.process is not None:
                self.tick(execution, reads=reads)

    @rule()
    def wake_the_one_that_was_taken_over(self) -> None:
        """A process that was stopped while another one took the execution over goes on."""
        execution = self.carried()
        if not execution.others:
            self.resume_one(execution)
        if execution.others:
            self.tick_process(execution, execution.others.pop())

    @rule()
    def kill(self) -> None:
        self.carried().process = None

    @rule()
    def kill_in_a_launch(self) -> None:
        """The process dies once it has asked DRS: the answer is in no journal."""
        execution = self.carried()
        if execution.process is not None:
            self.rig.sandbox.faults.add(
                {"kind": "operation", "operation": "StartRecovery", "effect": "lose-answer", "times": 1}
            )
            self.tick(execution)
            self.rig.sandbox.faults.clear()
            execution.process = None

    @rule(action=st.sampled_from([ControlAction.PAUSE, *ControlAction]))
    def request(self, action: ControlAction) -> None:
        execution = self.live()
        execution.acknowledged.append(submit(execution.id, action, by="ada"))
        if action is ControlAction.CANCEL:
            self.cancelled(execution)

    @rule(ticks=st.integers(1, 3))
    def cancel_that_nobody_read_yet(self, ticks: int) -> None:
        """The cancel is stored, and the process goes on before the thread that reads requests has looked."""
        execution = self.carried()
        self.request(ControlAction.CANCEL)
        for _ in range(ticks):
            if execution.process is not None:
                self.tick(execution, reads=False)

    @rule()
    def cancel_in_the_ui(self) -> None:
        execution = self.live()
        run = self.client.read_flow_run(UUID(execution.run_ids[-1]))
        if run.state is not None and not run.state.is_final():
            self.client.set_flow_run_state(run.id, Cancelling(), force=True)
            execution.ui_cancels += 1
            self.cancelled(execution)

    @rule(value=st.sampled_from(['{"wish": "CANCEL", "by": "CORP\\tom', "[]", '"x"', "{}", "7"]))
    def request_that_cannot_be_read(self, value: str) -> None:
        execution = self.live()
        key = f"{CONTROL_REQUEST_KEY}20260101-{len(execution.acknowledged):06d}-x{AnyOrder.steps}"
        self.client.create_flow_run_input(UUID(execution.id), key, value)
        execution.acknowledged.append(key)

    @rule(approve=st.sampled_from([True, True, False]))
    def answer(self, approve: bool) -> None:
        decision = Decision.APPROVED if approve else Decision.REJECTED
        self.live().answers.setdefault(2, GateAnswer(decision, "ada", self.rig.clock.now()))

    # What a process does

    def begin(self, execution: Execution, run_id: str, *, explicit: bool, despite_cancel: str | None = None) -> bool:
        """Carry the execution out in a new process; False where it was refused or nothing is left to do."""
        journal = execution.journal()
        requests = PrefectRequests(execution.id, run_id)
        start = Start(current_request_id(run_id), explicit, despite_cancel)
        try:
            runbook = take_up(
                state_of(journal.read()),
                requests,
                start,
                resolve=lambda: execution.runbook,
                claim=lambda chosen: claim_servers(execution.id, chosen),
            )
        except (UsageError, PreflightRefusedError) as refused:
            execution.refusal = refused.message
            self.finish_run(run_id)
            return False
        if runbook is None:
            self.finish_run(run_id)
            return False
        engine = self.rig.engine(
            runbook,
            execution.id,
            journal,
            requests=requests,
            run_request=start.run_request,
            despite_cancel=despite_cancel,
        )
        if execution.process is not None:
            execution.others.append(execution.process)
        if despite_cancel is not None:
            execution.launches_when_cancelled = None
        execution.begun, execution.ended = True, False
        execution.process = Process(engine, run_id)
        if run_id not in execution.run_ids:
            execution.run_ids.append(run_id)
        return True

    def tick(self, execution: Execution, *, reads: bool = True) -> None:
        process = execution.process
        assert process is not None
        if not self.tick_process(execution, process, reads=reads):
            execution.process = None

    def tick_process(self, execution: Execution, process: Process, *, reads: bool = True) -> bool:
        """One look at gates, perhaps one at requests, and one tick; False where the process has ended."""
        engine = process.engine
        try:
            if reads:
                engine.control.handle_pending()
            if not engine.cancelled:
                self.hand_over(execution, engine)
            self.rig.clock.wait(min(engine.tick(), 120.0))
            self.check_dependencies(engine)
            if engine.idle and self.is_over(engine):
                engine.finish()
                execution.ended = True
                release_servers(execution.id)
                self.finish_run(process.run_id)
                return False
        except FencedError:
            return False
        return True

    def hand_over(self, execution: Execution, engine: Engine) -> None:
        for wave in engine.runbook.waves:
            number = wave.wave_number
            if engine.status(number) is not WaveStatus.PENDING:
                continue
            if any(engine.status(each) is not WaveStatus.COMPLETED for each in wave.depends_on_waves):
                continue
            if wave.gate and engine.answer(number) is None and number in execution.answers:
                engine.gate_answered(number, execution.answers[number])
                if execution.answers[number].decision is Decision.REJECTED:
                    engine.cancel_wave(number, "rejected")
                    continue
            if not wave.gate or engine.is_approved(number):
                engine.submit(number)

    def is_over(self, engine: Engine) -> bool:
        """Whether no wave can be handed over any more."""
        if engine.cancelled:
            return True
        return not any(
            engine.status(wave.wave_number) is WaveStatus.PENDING
            and all(engine.status(each) is WaveStatus.COMPLETED for each in wave.depends_on_waves)
            for wave in engine.runbook.waves
        )

    def finish_run(self, run_id: str) -> None:
        run = self.client.read_flow_run(UUID(run_id))
        if run.state is not None and not run.state.is_final():
            self.client.set_flow_run_state(run.id, Completed(), force=True)

    def cancelled(self, execution: Execution) -> None:
        if execution.launches_when_cancelled is None:
            execution.launches_when_cancelled = len(self.jobs_of(execution))
            self.acts["cancelled"] += 1

    # What must hold

    def jobs_of(self, execution: Execution) -> list[Any]:
        jobs = self.rig.sandbox.backend(ACCOUNT, REGION).jobs.values()
        return [job for job in jobs if job.tags.get("prefect-drs:execution") == execution.id]

    def check_dependencies(self, engine: Engine) -> None:
        for wave in engine.runbook.waves:
            if any(server.attempts for server in engine.report().waves[wave.wave_number - 1].servers):
                assert all(engine.status(each) is WaveStatus.COMPLETED for each in wave.depends_on_waves)

    @invariant()
    def nothing_is_launched_after_a_cancel(self) -> None:
        AnyOrder.steps += 1
        for execution in self.known:
            if execution.launches_when_cancelled is not None:
                assert len(self.jobs_of(execution)) <= execution.launches_when_cancelled, "launched after a cancel"

    @invariant()
    def no_server_is_launched_twice(self) -> None:
        for execution in self.known:
            servers = Counter(server for job in self.jobs_of(execution) for server in job.participants)
            assert all(count == 1 for count in servers.values()), "launched twice by one execution"
        holders = [execution.id for execution in self.known if execution.begun and not execution.ended]
        assert len(holders) <= 1, f"{holders} hold the same servers"

    def teardown(self) -> None:
        try:
            for execution in self.known:
                if execution.begun:
                    self.bring_to_its_end(execution)
        finally:
            self.stack.close()

    def bring_to_its_end(self, execution: Execution) -> None:
        """Cancel what has not ended, carry it to its end, and look for every request in its journal."""
        if not execution.ended:
            execution.acknowledged.append(submit(execution.id, ControlAction.CANCEL, by="the end"))
            self.cancelled(execution)
            run_id = str(self.client.create_flow_run(carrier, name=f"resume {execution.id}", state=Running()).id)
            self.begin(execution, run_id, explicit=False)
            for _ in range(ENDS_WITHIN):
                if execution.process is None:
                    break
                self.tick(execution)
            assert execution.ended, "it does not end"
        state = state_of(execution.journal().read())
        assert state is not None
        missing = set(execution.acknowledged) - state.handled
        assert not missing, f"acknowledged and in no journal: {missing}"
        assert sum(each.startswith("state-") for each in state.handled) >= min(1, execution.ui_cancels)
        self.nothing_is_launched_after_a_cancel()


@pytest.mark.timeout(600 + STEPS)
def test_any_order_of_what_people_and_machines_do_keeps_every_promise() -> None:
    AnyOrder.steps = 0
    examples = math.ceil(STEPS / STEPS_AN_EXAMPLE / 0.9)  # Hypothesis may end an example before its last step
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS_AN_EXAMPLE,
            deadline=None,
            phases=(Phase.generate,) if STEPS <= 300 else (Phase.generate, Phase.shrink),
            derandomize=STEPS <= 300,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(json.dumps({"steps": AnyOrder.steps, "examples": examples, **AnyOrder.acts}))
    assert AnyOrder.steps >= STEPS
