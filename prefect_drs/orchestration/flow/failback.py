"""Where the failback of a plan becomes a Prefect flow: the flow of a plan with another runbook.

In: a Manifest, the name of one of its plans, and the id of the execution that recovered it, where one is named. Out: a
`prefect.Flow` that resolves the runbook of the failback and runs it by `prefect_drs.orchestration.flow.execute`. It is
resumed by `compile_resume`, like any other execution.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal, cast

from prefect import Flow, flow, task
from prefect.cache_policies import NO_CACHE

from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import UsageError
from prefect_drs.core.escaping import markdown_paragraphs, prefect_flow_name, prefect_template
from prefect_drs.execution.events import Event
from prefect_drs.execution.view import report_of
from prefect_drs.orchestration.approvals.gate import PendingGate
from prefect_drs.orchestration.executions.claims import others_than
from prefect_drs.orchestration.executions.reports import find_report
from prefect_drs.orchestration.flow.compile import Program, threads_for
from prefect_drs.orchestration.flow.execute import current_execution_id
from prefect_drs.orchestration.flow.finalize import run_as_placeholder
from prefect_drs.orchestration.storage.access_policy import has_access_policy
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.plan.advance import failback_gates_of, refuse_in_advance
from prefect_drs.plan.model import Manifest, RecoveryPlan
from prefect_drs.recovery.resume import Starter
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook import OtherExecution, Runbook
from prefect_drs.runbook.approved import with_approval_findings
from prefect_drs.runbook.exclusions import parse_exclusions
from prefect_drs.runbook.failback import resolve_failback
from prefect_drs.runbook.failback.candidates import Recovered

STEPS = 4
"""Waves of a failback beside those that launch."""


def compile_failback(
    manifest: Manifest,
    plan: str | None = None,
    *,
    accounts: Iterable[AccountAccess] | None = None,
    observers: Sequence[Callable[[Event], None]] = (),
    on_waiting: Callable[[PendingGate], None] | None = None,
    starter: Starter | None = None,
) -> Flow[..., RecoveryReport]:
    """The flow that fails the servers of a plan back.

    Args:
        manifest: as returned by `load_manifest`, references resolved.
        plan: the plan's name; optional where the manifest has one plan.
        accounts: how to enter target accounts, and those that the servers came from; by default every saved
            TargetAccount block.
        observers: called with every event of an execution, in its process.
        on_waiting: called with each gate whose form is open, in its process.
        starter: who starts the executions, for gates with `notStarter`; a name alone is not proven.

    Returns:
        A flow with the parameters `execution` (the id of the execution that recovered the servers; without, each
        server's one running recovery instance fails back), `approved_by`, `gate_timeout_seconds`, `exclude` and `gates`
        as of `compile_plan`.

    Raises:
        UsageError: the manifest has no such plan, or several and none was named.
    """
    program = Program(None if accounts is None else tuple(accounts), observers, on_waiting, starter)
    return _failback_flow(manifest, manifest.plan(plan), program)


def _failback_flow(manifest: Manifest, plan: RecoveryPlan, program: Program) -> Flow[..., RecoveryReport]:
    @flow(
        name=prefect_flow_name(plan.plan_name),
        flow_run_name=prefect_template(plan.plan_name) + " failback",
        description=markdown_paragraphs(f"Failback of {plan.description or plan.plan_name}"),
        task_runner=threads_for(max(len(plan.waves), len(plan.failback_waves)) + STEPS),
        persist_result=False,
    )
    def failback_plan(
        execution: str | None = None,
        approved_by: str | None = None,
        gate_timeout_seconds: float | None = None,
        exclude: dict[str, str] | None = None,
        gates: Literal["hold", "suspend"] = "hold",
    ) -> RecoveryReport:
        if (placeholder := run_as_placeholder()) is not None:
            return cast("RecoveryReport", placeholder)
        if approved_by:
            refuse_in_advance(failback_gates_of(plan))
        left_out, execution_id = parse_exclusions(exclude), current_execution_id()

        def runbook(sessions: Sessions, clock: Clock) -> Runbook:
            recovered = recovered_by(execution) if execution else None
            return _resolve(manifest, plan, sessions, clock, recovered, left_out, others_than(execution_id))

        options = program.options(approved_by, gate_timeout_seconds, gates)
        return program.execute(execution_id, plan.plan_name, runbook, options)

    return failback_plan


def recovered_by(execution_id: str) -> Recovered:
    """What an execution launched, from its journal or, where that is not here, from its report.

    Raises:
        UsageError: there is no such execution, it has not ended, or it is a failback itself.
    """
    events = open_journal(execution_id).read()
    report = report_of(events) if events else find_report(execution_id)
    if report is None:
        raise UsageError(f"there is no execution {execution_id} here; list them: prefect-drs status")
    return recovered_in(report)


def recovered_in(report: RecoveryReport) -> Recovered:
    """What an execution launched, from its report.

    Raises:
        UsageError: it has not ended, or is a failback itself.
    """
    execution_id = report.execution_id
    if report.mode == "failback":
        raise UsageError(f"execution {execution_id} is a failback: name the execution that recovered the servers")
    if report.ended_at is None:
        raise UsageError(f"execution {execution_id} is {report.status}: wait for its end, then fail back")
    jobs: dict[str, set[str]] = {}
    for job in (job for wave in report.waves for job in wave.jobs):
        for server_id in job.server_ids:
            jobs.setdefault(server_id, set()).add(job.job_id)
    return Recovered(execution_id, {server_id: frozenset(ids) for server_id, ids in jobs.items()})


@task(name="read the accounts", task_run_name="read the accounts", cache_policy=NO_CACHE, persist_result=False)
def _resolve(
    manifest: Manifest,
    plan: RecoveryPlan,
    sessions: Sessions,
    clock: Clock,
    recovered: Recovered | None,
    exclude: Mapping[str, str],
    others: Collection[OtherExecution],
) -> Runbook:
    """The runbook of this failback, in a task of its own, so that the UI shows why it was refused."""
    resolved = resolve_failback(
        manifest, plan, sessions=sessions, clock=clock, recovered=recovered, exclude=exclude, others=others
    ).require_accepted()
    if any(wave.gate and wave.demand.roles for wave in resolved.waves):
        return with_approval_findings(resolved, has_policy=has_access_policy())
    return resolved
