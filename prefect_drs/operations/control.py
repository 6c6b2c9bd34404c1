"""Pause, resume and cancel an execution, and report whether the request has taken effect.

In: an execution, who requests it, and why. Out: a `ControlOutcome`: the process that carries the execution confirmed
the request; or no process carries it, and it was finalized here; or the request is stored, and the next process that
carries the execution handles it. Prints nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect.client.orchestration import SyncPrefectClient

from prefect_drs.core.errors import ExecutionStateError, UsageError
from prefect_drs.execution.replay import state_of
from prefect_drs.operations.approvals import RULING_SECONDS, Proof, RulingAnswer, proof_for, ruling_on
from prefect_drs.operations.status import is_about_to_run, waits_for_worker
from prefect_drs.orchestration.approvals.answers import PendingGate, answer_gate, find_gate, pending_gates
from prefect_drs.orchestration.client import prefect_client, shared_client
from prefect_drs.orchestration.executions.carriers import is_carried
from prefect_drs.orchestration.executions.control_requests import (
    requests_of,
    require_execution,
    submit,
    wait_until_handled,
)
from prefect_drs.orchestration.executions.names import named_execution
from prefect_drs.orchestration.executions.reports import (
    all_flow_runs_of,
    find_published,
    find_report,
    read_report,
)
from prefect_drs.orchestration.flow.compile import compile_resume, refuse_cancelled
from prefect_drs.orchestration.flow.deployed import find_deployment, resume_by_deployment, retry_own_run
from prefect_drs.orchestration.flow.finalize import finalize_cancelled
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.recovery.control_requests import ControlAction, ControlRequest

if TYPE_CHECKING:
    from prefect_drs.execution.events import Event
    from prefect_drs.recovery.ports import Decision
    from prefect_drs.report.model import RecoveryReport

CONFIRM_SECONDS = 15.0  # a process reads its requests every 3 s; one that launches confirms once DRS has answered


RESUME_PARAMETERS = frozenset({"execution_id", "take_over", "despite_cancel"})
"""Parameters of the flow `resume-execution`; a deployment without them is one of another flow."""


class ControlStatus(enum.StrEnum):
    """The state of a request."""

    CONFIRMED = "CONFIRMED"  # recorded in the journal: in force from here on
    ENDED = "ENDED"  # no process carried the execution; it was finalized here
    STORED = "STORED"  # the next process that carries the execution handles it before launching anything
    RESUMED = "RESUMED"  # a process begins to carry the execution


@dataclass(frozen=True, slots=True)
class ControlOutcome:
    """The state of a request, and the message for a person. `report`: of an execution that was finalized here."""

    outcome: ControlStatus
    message: str
    report: RecoveryReport | None = None


@dataclass(frozen=True, slots=True)
class AnsweredGate:
    """A gate that was answered.

    `lost`: what to do where no process carries the execution; None where one does. `ruling`: what the execution made of
    an approval with a proof; None where the gate demands none.
    """

    gate: PendingGate
    lost: str | None
    ruling: RulingAnswer | None = None


def answer(
    execution: str, wave: str, decision: Decision, *, by: str, comment: str = "", proof: Proof | None = None
) -> AnsweredGate:
    """Answer a gate.

    Args:
        execution: the execution's id, a unique beginning of it, or `latest`.
        wave: the number of the wave behind the gate, or its name.
        decision: APPROVED or REJECTED.
        by: who answers.
        comment: why; in the report.
        proof: what is given beside an approval, for a gate that demands proofs.

    Raises:
        UnknownExecutionError: no such execution.
        ExecutionStateError: it has not started, or no such gate is pending; where no process carries the execution,
            the message says how to go on.
        UsageError: a proof is needed, and none was sent.
        AwsError: a proof is needed, and there are no AWS credentials.
        PrefectUnreachableError: the Prefect API cannot be reached.
    """
    known, given, token = named_execution(execution), proof or Proof(), ""
    with _explained(known):
        gate = find_gate(known, _wave_number(known, wave))
    if decision.value == "APPROVED":
        token = proof_for(gate, given)
    with _explained(known):
        gate = answer_gate(
            known, gate.wave_number, decision, by=by, comment=comment, token=token, break_glass=given.break_glass
        )
    lost = _lost(known)
    if gate.standing is None or decision.value != "APPROVED":
        return AnsweredGate(gate, lost)
    return AnsweredGate(gate, lost, ruling_on(gate, seconds=0.0 if lost else RULING_SECONDS))


@contextmanager
def _explained(execution_id: str) -> Iterator[None]:
    """Say in an error why no such gate waits: the execution is unknown, has not started, or no process carries it."""
    try:
        yield
    except UsageError as error:
        read_report(execution_id)
        if (lost := _lost(execution_id)) is None:
            raise
        raise type(error)(f"{error.message}; {lost}", **error.details) from None


def named_gate(execution: str, wave: str) -> PendingGate:
    """The gate that waits before a wave.

    Args:
        execution: the execution's id, a unique beginning of it, or `latest`.
        wave: the number of the wave, or its name.

    Raises:
        UsageError: no such execution, or no such gate is pending.
    """
    known = named_execution(execution)
    return find_gate(known, _wave_number(known, wave))


def _wave_number(execution_id: str, wave: str) -> int:
    """The number of a wave that a person named; a gate's wave may be named by its name."""
    if wave.isdecimal():
        return int(wave)
    pending = pending_gates(execution_id)
    numbers = [gate.wave_number for gate in pending if gate.wave_name.casefold() == wave.casefold()]
    if len(numbers) == 1:
        return numbers[0]
    named = ", ".join(f"{gate.wave_number} {gate.wave_name!r}" for gate in pending) or "none"
    problem = "more than one gate is" if numbers else "no gate is"
    raise ExecutionStateError(f"{problem} pending before a wave {wave!r} of execution {execution_id}; pending: {named}")


def _lost(execution_id: str) -> str | None:
    """What to do where an execution that has not ended has no process; None where nothing has to be done."""
    report, seen_at = find_published(execution_id)
    if report is None or report.ended_at is not None or is_carried(execution_id) or waits_for_worker(execution_id):
        return None
    since = f" since {seen_at:%Y-%m-%d %H:%M:%S} UTC" if seen_at else ""
    return f"no process carries execution {execution_id}{since}: go on with prefect-drs resume {execution_id}"


def cancel_execution(
    execution_id: str, *, by: str, reason: str = "", observers: Sequence[Callable[[Event], None]] = ()
) -> ControlOutcome:
    """Launch nothing more; running DRS jobs are followed to their end.

    Args:
        execution_id: the execution.
        by: who cancels.
        reason: why.
        observers: called with every event if the execution is finalized here.

    Raises:
        UsageError: no such execution, or it has ended.
    """
    _require_active(execution_id)
    request = submit(execution_id, ControlAction.CANCEL, by=by, reason=reason)
    if is_carried(execution_id):
        if wait_until_handled(execution_id, request, seconds=CONFIRM_SECONDS):
            return ControlOutcome(
                ControlStatus.CONFIRMED,
                f"execution {execution_id} is cancelled: nothing more is launched, running DRS jobs are followed to "
                f"their end; see prefect-drs status {execution_id}",
            )
        _require_active(execution_id)  # it may have ended meanwhile
        return ControlOutcome(
            ControlStatus.STORED,
            f"the cancel of execution {execution_id} is stored, but its process has not confirmed it within "
            f"{CONFIRM_SECONDS:.0f} s: it may be dead or stuck; whoever carries the execution next launches nothing. "
            f"To finalize it once its lease has expired (75 s after it died): prefect-drs cancel {execution_id}",
        )
    if waits_for_worker(execution_id):
        return ControlOutcome(
            ControlStatus.STORED,
            f"no process carries execution {execution_id} now; the cancel is stored, and the worker that resumes it "
            f"finalizes it; see prefect-drs status {execution_id}",
        )
    report = finalize_cancelled(execution_id, follow_jobs=True, observers=observers)
    if report is not None:
        return ControlOutcome(
            ControlStatus.ENDED,
            f"no process carried execution {execution_id}; it was finalized here: {report.status}",
            report,
        )
    where = "" if open_journal(execution_id).read() else " (it has not started, or its journal is on another machine)"
    return ControlOutcome(
        ControlStatus.STORED,
        f"no process carries execution {execution_id}{where}; the cancel is stored, and whoever carries the execution "
        f"next launches nothing",
    )


def pause_execution(execution_id: str, *, by: str) -> ControlOutcome:
    """Launch nothing more for now; running jobs continue.

    Raises:
        UsageError: no such execution, or it has ended.
    """
    with shared_client():
        _require_active(execution_id)
        request = submit(execution_id, ControlAction.PAUSE, by=by)
        carried = is_carried(execution_id)
    resume = f"resume with: prefect-drs resume {execution_id}"
    if not carried:
        return ControlOutcome(
            ControlStatus.STORED,
            f"no process carries execution {execution_id}; the pause is stored, and whoever carries it next launches "
            f"nothing until it is resumed; {resume}",
        )
    if wait_until_handled(execution_id, request, seconds=CONFIRM_SECONDS):
        return ControlOutcome(ControlStatus.CONFIRMED, f"execution {execution_id} is paused; {resume}")
    _require_active(execution_id)
    return ControlOutcome(
        ControlStatus.STORED,
        f"the pause of execution {execution_id} is stored, but its process has not confirmed it within "
        f"{CONFIRM_SECONDS:.0f} s: it may be dead or stuck; whoever carries the execution next launches "
        f"nothing; {resume}",
    )


def end_pause(execution_id: str, *, by: str) -> ControlOutcome | None:
    """End a pause: at once if a process carries the execution, otherwise for the process that carries it next.

    Returns:
        None if no process carries the execution and it is not paused: there is nothing to end.

    Raises:
        UsageError: no such execution.
    """
    carried = is_carried(execution_id)
    if not carried and not _is_paused(execution_id):
        return None
    request = submit(execution_id, ControlAction.RESUME, by=by)
    if carried and wait_until_handled(execution_id, request, seconds=CONFIRM_SECONDS):
        return ControlOutcome(
            ControlStatus.CONFIRMED,
            f"execution {execution_id} continues in the process that carries it; it is not paused",
        )
    return ControlOutcome(ControlStatus.STORED, f"the pause of execution {execution_id} is over")


def begin_resume(
    execution_id: str, *, by: str, take_over: bool = False, despite_cancel: bool = False
) -> ControlOutcome | None:
    """What comes before a process takes an execution up: it is refused where it may not be, and its pause ends.

    Args:
        execution_id: the execution.
        by: who resumes it.
        take_over: do not look for a process that carries it.
        despite_cancel: resume it although it was cancelled.

    Returns:
        The outcome where a process carries it already; None where one has to begin.

    Raises:
        UnknownExecutionError: no such execution.
        ExecutionStateError: it has not started, or was cancelled.
    """
    if not open_journal(execution_id).read():  # one that was begun without Prefect has a journal and no report yet
        read_report(execution_id)  # refuses an unknown execution
    if not despite_cancel:
        refuse_cancelled(execution_id)
    ended = None if take_over else end_pause(execution_id, by=by)
    return ended if ended is not None and ended.outcome is ControlStatus.CONFIRMED else None


def resume_execution(
    execution_id: str,
    *,
    by: str,
    deployment: str | None = None,
    foreground: bool = False,
    take_over: bool = False,
    despite_cancel: bool = False,
) -> ControlOutcome:
    """Resume an execution: in the process that carries it, by a deployment, or here.

    Args:
        execution_id: the execution.
        by: who resumes it.
        deployment: of the flow `resume-execution`; by default that of the settings, else the one that started it.
        foreground: resume it in this process, until it has ended.
        take_over: do not wait for the lease of another process; fence it.
        despite_cancel: resume it although it was cancelled.

    Raises:
        UnknownExecutionError: no such execution.
        ExecutionStateError: it was cancelled, or nothing can resume it elsewhere.
        NoDeploymentError: there is no such deployment.
        RecoveryNotCompletedError: with `foreground`: it ended otherwise than COMPLETED.
    """
    if (outcome := begin_resume(execution_id, by=by, take_over=take_over, despite_cancel=despite_cancel)) is not None:
        return outcome
    if foreground:
        report = compile_resume(execution_id)(take_over=take_over, despite_cancel=by if despite_cancel else None)
        return ControlOutcome(ControlStatus.ENDED, f"execution {execution_id} ended {report.status}", report)
    if name := deployment or PrefectDrsSettings().resume_deployment:
        parameters = {
            "execution_id": execution_id,
            "take_over": take_over,
            "despite_cancel": by if despite_cancel else None,
        }
        run = resume_by_deployment(find_deployment(name, RESUME_PARAMETERS), parameters)
        return ControlOutcome(
            ControlStatus.RESUMED, f"execution {execution_id} is resumed by flow run {run.id} of {name}"
        )
    by_own_run = not (take_over or despite_cancel)  # its flow has no parameters for these
    if by_own_run and waits_for_worker(execution_id):
        return ControlOutcome(
            ControlStatus.STORED, f"execution {execution_id} waits for a worker, which carries it on; its pause is over"
        )
    if by_own_run and is_carried(execution_id):  # slow, or dead for less than 75 s: its flow run is left alone
        return ControlOutcome(
            ControlStatus.STORED,
            f"a process holds execution {execution_id} and has not confirmed within {CONFIRM_SECONDS:.0f} s; the pause "
            "is over. If the process is dead, resume again once its lease has expired (75 s after it died)",
        )
    if not (by_own_run and retry_own_run(execution_id, by)):
        raise ExecutionStateError(
            f"execution {execution_id} cannot be resumed by a worker without a deployment of resume-execution: name it "
            "(deployment, or the setting PREFECT_DRS_RESUME_DEPLOYMENT), or resume it here (foreground)"
        )
    return ControlOutcome(
        ControlStatus.RESUMED, f"execution {execution_id} is resumed by a worker of the deployment that started it"
    )


def _is_paused(execution_id: str) -> bool:
    """Whether the execution is paused by its journal, or by a request that no process has handled yet."""
    state = state_of(open_journal(execution_id).read())
    if state is None:
        return False
    paused = state.paused
    for request in requests_of(execution_id).pending(state.handled):
        if isinstance(request, ControlRequest) and request.action is not ControlAction.CANCEL:
            paused = request.action is ControlAction.PAUSE
    return paused


def _require_active(execution_id: str) -> None:
    """Refuse to control an execution that has ended.

    Raises:
        UsageError: no such execution, it has ended, or it never started.
    """
    with prefect_client() as client:
        require_execution(client, execution_id)
        report = find_report(execution_id)
        if report is None:
            _require_started(client, execution_id)
        elif report.ended_at is not None and not is_about_to_run(execution_id):
            raise ExecutionStateError(
                f"execution {execution_id} has ended: {report.status} at {report.ended_at:%Y-%m-%d %H:%M:%S} UTC"
            )


def _require_started(client: SyncPrefectClient, execution_id: str) -> None:
    states = [run.state for run in all_flow_runs_of(client, execution_id)]
    if all(state is not None and state.is_final() for state in states):
        names = "; ".join(str(state.name) for state in states if state is not None)
        raise ExecutionStateError(
            f"execution {execution_id} has ended before it launched anything: its flow run is {names}"
        )
