"""Start and resume executions in this process, without Prefect.

In: a plan and the options of the run, or an execution. Out: its RecoveryReport, however it ended.

Must never: ask a Prefect API; start a plan whose servers another execution has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from prefect_drs.coordination.carry_out import Options, Ways, carry_out
from prefect_drs.coordination.claims import StoredClaims
from prefect_drs.coordination.gate import WaitingGate
from prefect_drs.coordination.messages import MessageBox, StoredRequests
from prefect_drs.coordination.process import last_mark
from prefect_drs.core.clock import WallClock
from prefect_drs.core.ids import execution_id as new_execution_id
from prefect_drs.execution.events import Event
from prefect_drs.execution.view import report as report_view
from prefect_drs.operations.approvals import starter_of
from prefect_drs.operations.context import Context
from prefect_drs.operations.standalone.control import end_pause
from prefect_drs.operations.standalone.setting import sessions_of, stored, stored_state, ways_of
from prefect_drs.orchestration.client import refused_prefect
from prefect_drs.orchestration.flow.failback import recovered_in
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.orchestration.storage.duration_history import expected_durations, recorded_here
from prefect_drs.orchestration.storage.journal_places import journal_places
from prefect_drs.orchestration.storage.journal_storage import holder
from prefect_drs.plan.advance import failback_gates_of, gates_of
from prefect_drs.plan.model import Manifest, RecoveryMode, RecoveryPlan
from prefect_drs.recovery.resume import Start, require_not_cancelled
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.runbook.approved import with_approval_findings
from prefect_drs.runbook.failback import resolve_failback
from prefect_drs.runbook.failback.candidates import Recovered
from prefect_drs.runbook.points import Points


@dataclass(frozen=True, slots=True)
class Faces:
    """What a face shows while an execution runs.

    Args:
        observe: called with every event.
        waiting: called with each gate that begins to wait.
        tell: called with a line about what does not work without Prefect.
    """

    observe: Callable[[Event], None]
    waiting: Callable[[WaitingGate], None]
    tell: Callable[[str], None]


def start_here(
    manifest: Manifest,
    plan: RecoveryPlan,
    *,
    mode: RecoveryMode,
    points: Points,
    waivers: Mapping[str, str],
    exclude: Mapping[str, str],
    by: str,
    approve: bool,
    faces: Faces,
) -> RecoveryReport:
    """Run a plan in this process, without Prefect.

    Args:
        manifest: as loaded.
        plan: one of its plans.
        mode: `drill` or `recovery`.
        points: the snapshots to launch from.
        waivers: findings that are let pass, code to reason.
        exclude: servers that are left out, server to reason.
        by: who starts it.
        approve: approve every gate in advance, in that name.
        faces: what is told meanwhile.

    Raises:
        UsageError: gates cannot be approved in advance, or the journals' storage is a block.
        PreflightRefusedError: what the accounts hold does not allow it, or another execution has its servers.
        AwsError, JournalUnavailableError: AWS or the storage cannot be reached.
    """

    def resolved(execution_id: str, ways: Ways) -> Runbook:
        found = resolve(
            manifest,
            plan,
            mode=mode,
            sessions=ways.sessions,
            clock=ways.clock,
            points=points,
            waivers=waivers,
            exclude=exclude,
            others=StoredClaims(ways.storage, with_prefect=False).others_than(execution_id),
            journals=journal_places(blocks=False),
        )
        return with_approval_findings(found.require_accepted(), has_policy=False)

    with refused_prefect():
        start = Start(holder=holder(), starter=starter_of(Context(), by, gates_of(plan)))
        return _begin(resolved, start, by if approve else None, faces)


def fail_back_here(
    manifest: Manifest,
    plan: RecoveryPlan,
    *,
    execution: str | None,
    exclude: Mapping[str, str],
    by: str,
    approve: bool,
    faces: Faces,
) -> RecoveryReport:
    """Fail the servers of a plan back in this process, without Prefect.

    Args:
        manifest: as loaded.
        plan: one of its plans.
        execution: the id of the execution that recovered the servers; None: each server's one running instance.
        exclude: servers that are left out, server to reason.
        by: who starts it.
        approve: approve every gate in advance, in that name.
        faces: what is told meanwhile.

    Raises:
        UsageError, PreflightRefusedError, AwsError, JournalUnavailableError: as of `start_here`.
    """

    def resolved(execution_id: str, ways: Ways) -> Runbook:
        found = resolve_failback(
            manifest,
            plan,
            sessions=ways.sessions,
            clock=ways.clock,
            recovered=_recovered_by(execution) if execution else None,
            exclude=exclude,
            others=StoredClaims(ways.storage, with_prefect=False).others_than(execution_id),
        )
        return with_approval_findings(found.require_accepted(), has_policy=False)

    with refused_prefect():
        start = Start(holder=holder(), starter=starter_of(Context(), by, failback_gates_of(plan)))
        return _begin(resolved, start, by if approve else None, faces)


def _begin(
    resolved: Callable[[str, Ways], Runbook], start: Start, approved_by: str | None, faces: Faces
) -> RecoveryReport:
    execution_id = new_execution_id(WallClock().now())
    ways = ways_of(execution_id, sessions_of(execution_id), faces.tell)
    return carry_out(execution_id, lambda: resolved(execution_id, ways), ways, _options(start, approved_by, faces))


def resume_here(
    execution_id: str, *, by: str, approve: bool, take_over: bool, despite_cancel: bool, faces: Faces
) -> RecoveryReport | None:
    """Carry an execution on in this process, without Prefect, whoever carried it before.

    Args:
        execution_id: the execution; its journal is in the storage that the settings name.
        by: who resumes it.
        approve: approve every gate that is still ahead, in that name.
        take_over: do not wait for a process that carries it; fence it.
        despite_cancel: go on although it was cancelled.
        faces: what is told meanwhile.

    Returns:
        Its report; None where a process carries it, which goes on after its pause.

    Raises:
        UnknownExecutionError: there is no journal of it.
        ExecutionStateError: it was cancelled, or its recovery instances were terminated.
        ExecutionBusyError: another process carries it.
        FencedError: another process has taken it over meanwhile.
    """
    with refused_prefect():
        state, storage = stored_state(execution_id), stored()
        if not despite_cancel:
            require_not_cancelled(state, StoredRequests(MessageBox(storage, execution_id)))
        mark = last_mark(storage, execution_id)
        if end_pause(execution_id, by=by) and not take_over and mark is not None and mark.alive(WallClock().now()):
            return None
        ways = ways_of(execution_id, sessions_of(execution_id), faces.tell)
        start = Start(explicit=True, despite_cancel=by if despite_cancel else None, holder=holder())
        options = _options(start, by if approve else None, faces, take_over=take_over)
        return carry_out(execution_id, lambda: state.runbook, ways, options)


def _options(start: Start, approved_by: str | None, faces: Faces, *, take_over: bool = False) -> Options:
    recorded = recorded_here(blocks=False)
    return Options(
        start=start,
        approved_by=approved_by,
        gate_timeout=timedelta(seconds=PrefectDrsSettings().gate_timeout_seconds),
        take_over=take_over,
        observers=(faces.observe,),
        on_waiting=faces.waiting,
        recorded=recorded,
        expected=expected_durations(recorded),
    )


def _recovered_by(execution_id: str) -> Recovered:
    """What an execution launched, by its journal.

    Raises:
        UsageError: there is no such execution, it has not ended, or it is a failback itself.
    """
    return recovered_in(report_view(stored_state(execution_id)))
