"""Where a plan becomes a Prefect flow.

In: a Manifest and the name of one of its plans, or the id of an execution that was interrupted. Out: a `prefect.Flow`
that resolves the runbook (or reads it from the journal) and runs it by `prefect_drs.orchestration.flow.execute`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal, cast

from prefect import Flow, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.core.clock import Clock, configured_clock
from prefect_drs.core.errors import PreflightRefusedError, UsageError
from prefect_drs.core.escaping import markdown_paragraphs, prefect_flow_name, prefect_template
from prefect_drs.execution.events import Event
from prefect_drs.execution.replay import state_of
from prefect_drs.orchestration.accounts import open_sessions
from prefect_drs.orchestration.approvals.gate import PendingGate
from prefect_drs.orchestration.executions.claims import others_than
from prefect_drs.orchestration.executions.control_requests import requests_of
from prefect_drs.orchestration.executions.reports import RESUME_FLOW
from prefect_drs.orchestration.flow.execute import Options, current_execution_id, execute
from prefect_drs.orchestration.flow.finalize import run_as_placeholder
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.orchestration.storage.access_policy import has_access_policy
from prefect_drs.orchestration.storage.artifacts import publish_refusal
from prefect_drs.orchestration.storage.journal_places import journal_places
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.plan.advance import gates_of, refuse_in_advance
from prefect_drs.plan.graph import WaveGraph
from prefect_drs.plan.model import Manifest, RecoveryPlan
from prefect_drs.recovery.resume import Starter, require_not_cancelled
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook import OtherExecution, Runbook, resolve
from prefect_drs.runbook.approved import with_approval_findings
from prefect_drs.runbook.exclusions import parse_exclusions
from prefect_drs.runbook.points import LATEST_WORD, Points
from prefect_drs.runbook.waivers import parse_waivers


@dataclass(frozen=True, slots=True)
class Program:
    """What the program that compiles a flow contributes to its runs.

    Args:
        accounts: how to enter target accounts; None takes every saved TargetAccount block.
        observers: called with every event of an execution, in its process.
        on_waiting: called with each gate whose form is open, in its process.
        starter: who starts them; None: the flow run may say so.
    """

    accounts: tuple[AccountAccess, ...] | None
    observers: Sequence[Callable[[Event], None]]
    on_waiting: Callable[[PendingGate], None] | None
    starter: Starter | None = None

    def options(self, approved_by: str | None, gate_timeout_seconds: float | None, gates: str) -> Options:
        """The options of one run, from its parameters."""
        return Options(
            approved_by,
            gate_timeout(gate_timeout_seconds),
            observers=self.observers,
            on_waiting=self.on_waiting,
            suspend=gates == "suspend",
            starter=self.starter,
        )

    def execute(
        self, execution_id: str, plan_name: str, runbook: Callable[[Sessions, Clock], Runbook], options: Options
    ) -> RecoveryReport:
        """Run an execution in the running flow, with this program's accounts and the configured clock and journal."""
        sessions = open_sessions(self.accounts, session_name=f"prefect-drs-{execution_id}")
        clock = configured_clock()
        try:
            return execute(
                execution_id, lambda: runbook(sessions, clock), sessions, clock, open_journal(execution_id), options
            )
        except PreflightRefusedError as refused:
            publish_refusal(plan_name, refused)
            raise


def compile_plan(
    manifest: Manifest,
    plan: str | None = None,
    *,
    accounts: Iterable[AccountAccess] | None = None,
    observers: Sequence[Callable[[Event], None]] = (),
    on_waiting: Callable[[PendingGate], None] | None = None,
    starter: Starter | None = None,
) -> Flow[..., RecoveryReport]:
    """The flow of one recovery plan.

    Args:
        manifest: as returned by `load_manifest`, references resolved.
        plan: the plan's name; optional where the manifest has one plan.
        accounts: how to enter target accounts; by default every saved TargetAccount block.
        observers: called with every event of an execution, in its process.
        on_waiting: called with each gate whose form is open, in its process.
        starter: who starts the executions, for gates with `notStarter`; a name alone is not proven.

    Returns:
        A flow with the parameters `mode` (drill or recovery), `approved_by` (approves every gate in advance, in that
        name), `gate_timeout_seconds`, `at` (`latest`, or the time that no server's snapshot may be newer than),
        `snapshots` (snapshot ids by server), `waivers` (reasons, by the code of the waived finding), `exclude`
        (reasons, by excluded server) and `gates` (`hold` a process at them or `suspend` the run, which needs a
        deployment). It returns the RecoveryReport of a COMPLETED execution. A flow run that is retried continues
        from the state of AWS and the journal; where the execution had ended, only a person's retry tries again what
        failed.

    Raises:
        UsageError: the manifest has no such plan, or several and none was named.
    """
    program = Program(None if accounts is None else tuple(accounts), observers, on_waiting, starter)
    return _plan_flow(manifest, manifest.plan(plan), program)


def _plan_flow(manifest: Manifest, plan: RecoveryPlan, program: Program) -> Flow[..., RecoveryReport]:
    picture = f"```mermaid\n{WaveGraph.of(plan).mermaid()}\n```"

    @flow(
        name=prefect_flow_name(plan.plan_name),
        flow_run_name=prefect_template(plan.plan_name) + " {mode}",
        description=f"{markdown_paragraphs(plan.description or plan.plan_name)}\n\n{picture}",
        task_runner=threads_for(len(plan.waves)),
        persist_result=False,
    )
    def recovery_plan(
        mode: Literal["drill", "recovery"] = "drill",
        approved_by: str | None = None,
        gate_timeout_seconds: float | None = None,
        at: str = LATEST_WORD,
        snapshots: dict[str, str] | None = None,
        waivers: dict[str, str] | None = None,
        exclude: dict[str, str] | None = None,
        gates: Literal["hold", "suspend"] = "hold",
    ) -> RecoveryReport:
        if (placeholder := run_as_placeholder()) is not None:
            return cast("RecoveryReport", placeholder)
        if approved_by:
            refuse_in_advance(gates_of(plan))
        points, accepted, left_out = Points.parse(at, snapshots), parse_waivers(waivers), parse_exclusions(exclude)
        execution_id = current_execution_id()

        def runbook(sessions: Sessions, clock: Clock) -> Runbook:
            others = others_than(execution_id)
            return _resolve(manifest, plan, mode, sessions, clock, points, accepted, left_out, others)

        return program.execute(
            execution_id, plan.plan_name, runbook, program.options(approved_by, gate_timeout_seconds, gates)
        )

    return recovery_plan


def compile_resume(
    execution_id: str,
    *,
    accounts: Iterable[AccountAccess] | None = None,
    observers: Sequence[Callable[[Event], None]] = (),
    on_waiting: Callable[[PendingGate], None] | None = None,
    explicit: bool = True,
) -> Flow[..., RecoveryReport]:
    """The flow that resumes an interrupted execution from the state of AWS and its journal.

    An execution that had ended is tried again: what failed, was skipped or timed out. Servers that are LAUNCHED stay;
    waves that a person rejected stay rejected.

    Args:
        execution_id: the execution; its journal must be readable here.
        accounts: as in `compile_plan`.
        observers: called with every event, those of the past first.
        on_waiting: as in `compile_plan`.
        explicit: a person asks to resume: a cancelled execution is refused. Otherwise it is brought to its end.

    Returns:
        A flow with the parameters `approved_by`, `gate_timeout_seconds`, `take_over` (do not wait for the lease of
        another process; fence it), `despite_cancel` (the name of whoever resumes a cancelled execution; without a
        name it is refused) and `gates` as in `compile_plan`.

    Raises:
        UsageError: there is no journal of that execution here.
    """
    state = state_of(open_journal(execution_id).read())
    if state is None:
        raise UsageError(
            f"there is no journal of execution {execution_id} here; resume it where it ran, or keep journals "
            "on a block that all machines reach (PREFECT_DRS_JOURNAL)"
        )
    program = Program(None if accounts is None else tuple(accounts), observers, on_waiting)
    return _resume_flow(execution_id, state.runbook, program, explicit=explicit)


def _resume_flow(execution_id: str, runbook: Runbook, program: Program, *, explicit: bool) -> Flow[..., RecoveryReport]:
    @flow(
        name=RESUME_FLOW,
        flow_run_name=f"{RESUME_FLOW} {execution_id}",
        task_runner=threads_for(len(runbook.waves)),
        persist_result=False,
    )
    def resume_execution(
        approved_by: str | None = None,
        gate_timeout_seconds: float | None = None,
        take_over: bool = False,
        despite_cancel: str | None = None,
        gates: Literal["hold", "suspend"] = "hold",
    ) -> RecoveryReport:
        options = replace(
            program.options(approved_by, gate_timeout_seconds, gates),
            take_over=take_over,
            explicit=explicit,
            despite_cancel=despite_cancel or None,
        )
        return program.execute(execution_id, runbook.plan_name, lambda _sessions, _clock: runbook, options)

    return resume_execution


def refuse_cancelled(execution_id: str) -> None:
    """Refuse to resume a cancelled execution before any flow run is created for it.

    Raises:
        UsageError: a cancel is pending, or the execution ended by one; the message says who cancelled and when.
    """
    state = state_of(open_journal(execution_id).read())
    if state is not None:
        require_not_cancelled(state, requests_of(execution_id))


def threads_for(waves: int) -> TaskRunner[PrefectFuture[Any]]:
    """A task runner with a thread for each wave, since a wave that waits for its gate or a dependency holds one."""
    runner: Any = ThreadPoolTaskRunner(max_workers=waves + 1)  # its type is invariant in its futures
    return cast("TaskRunner[PrefectFuture[Any]]", runner)


def gate_timeout(seconds: float | None) -> timedelta:
    """How long gates wait: the given seconds, or those of the settings."""
    return timedelta(seconds=PrefectDrsSettings().gate_timeout_seconds if seconds is None else seconds)


@task(name="read the accounts", task_run_name="read the accounts", cache_policy=NO_CACHE, persist_result=False)
def _resolve(
    manifest: Manifest,
    plan: RecoveryPlan,
    mode: Literal["drill", "recovery"],
    sessions: Sessions,
    clock: Clock,
    points: Points,
    waivers: Mapping[str, str],
    exclude: Mapping[str, str],
    others: Collection[OtherExecution],
) -> Runbook:
    """The runbook of this execution, in a task of its own, so that the UI shows why the preflight refused it."""
    resolved = resolve(
        manifest,
        plan,
        mode=mode,
        sessions=sessions,
        clock=clock,
        points=points,
        waivers=waivers,
        exclude=exclude,
        others=others,
        journals=journal_places(),
    ).require_accepted()
    if any(wave.gate and wave.demand.roles for wave in resolved.waves):
        return with_approval_findings(resolved, has_policy=has_access_policy())
    return resolved
