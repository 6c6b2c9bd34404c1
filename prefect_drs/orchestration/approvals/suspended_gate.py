"""Gates that hold no process: while every remaining wave waits for approval, the flow run is Suspended.

In: an execution run by a deployment, whose waves wait at gates. Out: its process ends, and a worker runs the flow again
from the start once a gate is answered or its deadline has passed; the journal says what is already done.

No process has to watch meanwhile. Each gate is a flow run of the execution's own deployment that was put into Suspended
with the form, without ever having run. When somebody answers it, in the UI, with `prefect-drs approve` or by the REST
API, the Prefect server stores the answer and schedules that run *in one transaction* (`resume_flow_run` in Prefect's
server/api/flow_runs.py): a worker starts it, and it only resumes the execution's run. The deadline is one more run
of the deployment, scheduled for that moment, which does the same. So answers and deadlines survive every restart, which
an automation's events do not, and an automation could not name the run to resume anyway
(`FlowRunAction` acts on the run that the event is about).

Must never: end a process while a DRS job of the execution runs; resume a run that is not Suspended; treat a deadline
that passed without a process as anything but a time-out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound, Pause
from prefect.states import Cancelled, Completed, Scheduled, Suspended

from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import PrefectDrsError, UsageError
from prefect_drs.orchestration.approvals.answers import (
    EXECUTION_LABEL,
    GRACE,
    ROLE_LABEL,
    PendingGate,
    deadline,
    execution_tags,
    final_state,
    gate_labels,
    gate_log,
    gate_runs,
    is_of_deployment,
    record_decision,
    recorded_answer,
)
from prefect_drs.orchestration.approvals.checked_gates import last_pause, paused_again
from prefect_drs.orchestration.approvals.gate import PrefectGate, gate_tags, nobody_answered, open_form
from prefect_drs.orchestration.approvals.gate_artifact import prompt
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.ports import GateAnswer, GateRequest
from prefect_drs.report.model import WaveStatus

ROOT_LABEL = "prefect-drs.root"
CHECKED_LABEL = "prefect-drs.checked"  # of a gate that demands proofs
NAME_LABEL = "prefect-drs.name"  # the flow names its runs anew when they start
GATE = "gate"
DEADLINE_ROLE = "alarm"
DEADLINE_TAG = "prefect-drs:alarm"
NEVER = timedelta(days=3650)  # a gate's run is created Scheduled, and is Suspended before any worker looks at it


class ExecutionSuspendedError(PrefectDrsError):
    """The wave's gate stays open without this process."""

    code = "STANDS_ASIDE"


@dataclass(frozen=True, slots=True)
class SuspendedExecution:
    """An execution that can only continue once a gate is answered. `root_id`: its outermost flow run."""

    execution_id: str
    root_id: UUID
    gates: tuple[PendingGate, ...]

    def __str__(self) -> str:
        named = ", ".join(f"wave {gate.wave_number} {gate.wave_name!r}" for gate in self.gates)
        return f"Waits for approval of {named}; no process is held meanwhile"


class SuspendingGate(PrefectGate):
    """Asks like `PrefectGate`, and stops waiting once every remaining wave waits for approval.

    Args:
        root_id: the outermost flow run of this process, which is to be suspended; it must be a deployment's.
        clock: time for deadlines and polling.
        after: how long every remaining wave must have waited before the process ends.
        on_waiting: as in `PrefectGate`.

    Raises:
        UsageError: the flow run has no deployment, so no worker could start it again; or the deployment's concurrency
            limit would cancel the resumed run.
    """

    _suspends = True

    def __init__(
        self,
        root_id: UUID,
        *,
        clock: Clock,
        after: timedelta,
        on_waiting: Callable[[PendingGate], None] | None = None,
    ) -> None:
        super().__init__(clock=clock, on_waiting=on_waiting)
        with prefect_client() as client:
            self._root = client.read_flow_run(root_id)
        if self._root.deployment_id is None:
            raise UsageError(
                "gates: suspend needs a deployment, since a worker must start the flow again once a gate is answered; "
                "deploy it, or run it with gates: hold"
            )
        _require_no_cancelling(self._root.deployment_id)
        self._after = after
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self._waiting: dict[int, PendingGate] = {}
        self._left: dict[int, PendingGate] = {}
        self._since: datetime | None = None
        self._leaving = False

    def attach(self, engine: Engine) -> None:
        """Set the engine whose waves wait here. Until then the process does not end."""
        self._engine = engine

    def suspended(self) -> SuspendedExecution | None:
        """The execution to suspend, once all tasks have ended; None where it is over."""
        if self._engine is None or self._engine.cancelled or not self._left:
            return None
        gates = tuple(gate for _, gate in sorted(self._left.items()))
        return SuspendedExecution(self._engine.execution_id, self._root.id, gates)

    def ask(self, request: GateRequest) -> GateAnswer:
        """Like `PrefectGate.ask`; a deadline that passed while no process waited is a time-out.

        Raises:
            ExecutionSuspendedError: this process must not wait any longer.
        """
        with prefect_client() as client:
            former = gate_runs(client, request.execution_id, request.wave_number)
            if former and _is_expired(former[0], self._clock.now()):
                return record_decision(client, former[0].id, nobody_answered(self._clock.now()))
        try:
            return super().ask(request)
        finally:
            with self._lock:
                self._waiting.pop(request.wave_number, None)

    def _open_and_wait(self, request: GateRequest, parent: UUID | None) -> GateAnswer:
        with prefect_client() as client:
            run = self._open(client, request)
            answer = self._wait(client, run.id, parent, request)
            return record_decision(client, run.id, answer, checked=request.check is not None)

    def _open(self, client: SyncPrefectClient, request: GateRequest) -> FlowRun:
        """Create the gate's flow run, Suspended with its form."""
        until = self._clock.now() + request.timeout
        checked = {CHECKED_LABEL: "true"} if request.check is not None else {}
        run = _run_of_deployment(
            client,
            self._root,
            name=f"approve {request.wave_name}",
            at=datetime.now(UTC) + NEVER,
            tags=gate_tags(request),
            labels=gate_labels(request) | checked | {ROLE_LABEL: GATE, ROOT_LABEL: str(self._root.id)},
        )
        pause: State[Any] = Suspended(message=prompt(request), pause_expiration_time=until + GRACE)
        open_form(client, run.id, request, pause, force=True)
        return run

    def _still_waiting(self, pending: PendingGate) -> None:
        with self._lock:
            self._waiting[pending.wave_number] = pending
            if self._may_leave():
                self._leaving = True
                self._left[pending.wave_number] = pending
                raise ExecutionSuspendedError(f"{pending} stays open; a worker resumes once it is answered")

    def _may_leave(self) -> bool:
        """Whether no job runs and every wave that could begin has waited at its gate for `after`."""
        engine = self._engine
        if engine is None or engine.cancelled:
            return False
        if self._leaving:
            return True
        ready = {
            wave.wave_number
            for wave in engine.runbook.waves
            if not engine.status(wave.wave_number).over
            and all(engine.status(number) is WaveStatus.COMPLETED for number in wave.depends_on_waves)
        }
        if not engine.idle or not ready <= self._waiting.keys():
            self._since = None
            return False
        self._since = self._since or self._clock.now()
        return self._clock.now() - self._since >= self._after


def _require_no_cancelling(deployment_id: UUID) -> None:
    """UsageError where the deployment's concurrency limit cancels runs that find no free slot.

    The run of an answered gate holds a slot while it resumes the execution's run, which the server then cancels
    (`SecureFlowConcurrencySlots` in Prefect's core_policy): the execution would end although nobody cancelled it.
    """
    with prefect_client() as client:
        deployment = client.read_deployment(deployment_id)
    limit, options = deployment.global_concurrency_limit, deployment.concurrency_options
    if limit is None or options is None or options.collision_strategy is not ConcurrencyLimitStrategy.CANCEL_NEW:
        return
    raise UsageError(
        f"gates: suspend is incompatible with the concurrency limit of deployment {deployment.name!r}, whose collision "
        "strategy is CANCEL_NEW: a suspended run that is resumed while another run of the deployment holds the limit "
        "would be cancelled; set the strategy to ENQUEUE, remove the limit, or run it with gates: hold"
    )


def suspend(execution: SuspendedExecution) -> Pause:
    """Suspend the execution's flow run and schedule a run for its first deadline. Raise the returned `Pause`.

    Raises:
        PrefectDrsError: Prefect refused.
    """
    with prefect_client() as client:
        root = client.read_flow_run(execution.root_id)
        deadlines = [gate.until for gate in execution.gates if gate.until is not None]
        if deadlines:
            _run_of_deployment(
                client,
                root,
                name=f"deadline of {execution.gates[0].plan_name}",
                at=min(deadlines),
                tags=["prefect-drs", DEADLINE_TAG, *execution_tags(execution.execution_id)[1:2]],
                labels={ROLE_LABEL: DEADLINE_ROLE, ROOT_LABEL: str(root.id), EXECUTION_LABEL: execution.execution_id},
            )
        state: State[Any] = Suspended(message=str(execution), pause_key=str(uuid4()))
        result = client.set_flow_run_state(root.id, state)
        if result.status is not SetStateStatus.ACCEPT:
            reason = getattr(result.details, "reason", result.status)
            raise PrefectDrsError(f"Prefect refused to suspend flow run {root.id}: {reason}; resume the execution")
        answered = [gate for gate in execution.gates if not _is_paused(client.read_flow_run(gate.flow_run_id))]
        if answered:  # answered before the run was Suspended: the run of that gate found nothing to resume
            resume_suspended(client, root.id)
        return Pause(state=result.state or state)


@dataclass(frozen=True, slots=True)
class PlaceholderRun:
    """A flow run that represents a gate or a deadline of an execution.

    `resumed`: whether this run resumed the execution. `state`: the final state of this run. `over`: whether the run
    ends in that state by itself; otherwise it has it already, and may have another one meanwhile.
    """

    execution_id: str
    resumed: bool
    state: State[Any]
    over: bool = True


def placeholder_run() -> PlaceholderRun | None:
    """Resume the execution whose gate or deadline this flow run represents; None where it represents none."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None
    with prefect_client() as client:
        run = client.read_flow_run(context.flow_run.id)
        role = run.labels.get(ROLE_LABEL)
        if role is None:
            return None
        client.update_flow_run(run.id, name=str(run.labels[NAME_LABEL]))
        if role == GATE and CHECKED_LABEL in run.labels:
            return _answered_checked(client, run)
        resumed = resume_suspended(client, UUID(str(run.labels[ROOT_LABEL])))
        state: State[Any]
        if role == GATE:
            answer = recorded_answer(client, run.id)
            state = Cancelled(message="Nobody answered") if answer is None else final_state(answer)
        else:
            state = Completed(message="Resumed the execution" if resumed else "The execution was not waiting any more")
        return PlaceholderRun(str(run.labels[EXECUTION_LABEL]), resumed, state)


def _answered_checked(client: SyncPrefectClient, run: FlowRun) -> PlaceholderRun:
    """Have the execution judge the answer of a gate that demands proofs.

    The run gets its state before the execution is resumed, and none afterwards: the execution may set it to Suspended
    again. Where the execution has judged the answer already, the gate goes on waiting.
    """
    if recorded_answer(client, run.id) is None:
        waiting = paused_again(run, "Waits for approval", last_pause(client, run.id))
        client.set_flow_run_state(run.id, waiting, force=True)
        return PlaceholderRun(str(run.labels[EXECUTION_LABEL]), True, waiting, over=False)
    answered: State[Any] = Completed(name="Answered", message="The execution checks the answer")
    client.set_flow_run_state(run.id, answered, force=True)
    resumed = resume_suspended(client, UUID(str(run.labels[ROOT_LABEL])))
    return PlaceholderRun(str(run.labels[EXECUTION_LABEL]), resumed, answered, over=False)


def resume_suspended(client: SyncPrefectClient, root_id: UUID) -> bool:
    """Resume an execution's flow run if it is Suspended; return whether it was."""
    try:
        run = client.read_flow_run(root_id)
    except ObjectNotFound:
        return False
    if not is_suspended(run):
        return False
    gate_log().info("Resuming flow run %s %r", run.id, run.name)
    return client.resume_flow_run(root_id).status is SetStateStatus.ACCEPT


def delete_deadline_runs(execution_id: str) -> None:
    """Delete the runs that were scheduled for deadlines: a process runs again and checks them itself."""
    with prefect_client() as client:
        runs = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                tags=FlowRunFilterTags(all_=[DEADLINE_TAG, *execution_tags(execution_id)[1:2]]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            )
        )
        for run in runs:
            with suppress(ObjectNotFound):
                client.delete_flow_run(run.id)


def is_suspended(run: FlowRun) -> bool:
    """Whether a flow run waits without a process."""
    return run.state is not None and run.state.is_paused() and bool(run.state.state_details.pause_reschedule)


def _is_paused(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_paused()


def _is_expired(run: FlowRun, now: datetime) -> bool:
    """Whether a gate of this kind is past its deadline without an answer or a recorded decision.

    Prefect's FailExpiredPauses service may have been faster: it sets such a run to Failed.
    """
    if run.state is None or not is_of_deployment(run):
        return False
    until = deadline(run)
    return run.state.is_failed() or (run.state.is_paused() and until is not None and now >= until)


def _run_of_deployment(
    client: SyncPrefectClient, root: FlowRun, *, name: str, at: datetime, tags: list[str], labels: dict[str, Any]
) -> FlowRun:
    """Create a run of the execution's deployment that `placeholder_run` recognises by its labels."""
    if root.deployment_id is None:
        raise UsageError(f"flow run {root.id} has no deployment: no worker could start it again")
    return client.create_flow_run_from_deployment(
        root.deployment_id,
        parameters=root.parameters,
        state=Scheduled(scheduled_time=at),
        name=name,
        tags=tags,
        labels=labels | {NAME_LABEL: name},
    )
