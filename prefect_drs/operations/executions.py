"""The operations on executions: listed, read, paused, resumed, cancelled.

In: an execution's id, a unique beginning of it, or `latest`. Out: its report with what it waits for, or the outcome of
a control request. What each does is in `status` and `control`, which the command line calls too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

from pydantic import AliasChoices, AwareDatetime, BeforeValidator, Field, ValidationInfo, field_validator

from prefect_drs.core.models import FrozenModel
from prefect_drs.operations import control, status
from prefect_drs.operations.context import Context
from prefect_drs.operations.execution_order import NEWEST_FIRST, ExecutionOrder, after_page, next_token, ordered
from prefect_drs.operations.models import DeploymentName
from prefect_drs.operations.page_tokens import position_of
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.operations.run_options import OptionalMode
from prefect_drs.operations.starting import require_foreground
from prefect_drs.operations.status import LATEST
from prefect_drs.orchestration.client import require_configured, shared_client
from prefect_drs.orchestration.executions.names import named_execution
from prefect_drs.orchestration.executions.reports import unknown_execution
from prefect_drs.orchestration.flow.deployed import StartedRun, find_started
from prefect_drs.orchestration.ui_links import ui_link
from prefect_drs.report.model import ExecutionStatus, RecoveryReport
from prefect_drs.report.situation import ProcessReport, Waiting
from prefect_drs.report.summary import ExecutionSummary

MOST_LISTED = 200


def _upper(value: object) -> object:
    if isinstance(value, str):
        return (value.upper(),)
    return (
        tuple(each.upper() if isinstance(each, str) else each for each in value) if isinstance(value, list) else value
    )


class ExecutionReference(FrozenModel):
    """An execution: its id, a unique beginning of it, or `latest`."""

    execution_id: Annotated[str, Field(min_length=1)]


class ListExecutions(FrozenModel):
    """Filters and order of the list; by default the latest 50 of all.

    Args:
        execution_id: only the execution with this id; an id that nobody knows is no error, as its flow run may just
            begin.
        status: one status or several. Also accepted as `statuses`.
        plan_name: the name of the plan; case does not matter.
        mode: `executionType`: DRILL or RECOVERY; also accepted as `mode`.
        started_after: only those that started at or after this time. Also accepted as `startDate`.
        started_before: only those that started before this time. Also accepted as `endDate`.
        sort: the field to sort by, with `-` before it in descending order; by default the newest first. Another order
            reads all executions for each page.
        next_token: the token of the former page's answer; the list goes on after that page.
        limit: how many at most, 1 to 200.
        offset: how many of those that match are left out.
    """

    execution_id: Annotated[str, Field(min_length=1)] | None = None
    status: Annotated[
        tuple[ExecutionStatus, ...],
        BeforeValidator(_upper, json_schema_input_type=ExecutionStatus | list[ExecutionStatus]),
        Field(validation_alias=AliasChoices("status", "statuses")),
    ] = ()
    plan_name: str | None = None
    mode: OptionalMode = None
    started_after: Annotated[
        AwareDatetime | None, Field(validation_alias=AliasChoices("startedAfter", "startDate"))
    ] = None
    started_before: Annotated[
        AwareDatetime | None, Field(validation_alias=AliasChoices("startedBefore", "endDate"))
    ] = None
    sort: ExecutionOrder = NEWEST_FIRST
    next_token: str | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = LATEST
    offset: Annotated[int, Field(ge=0, le=100_000)] = 0

    @field_validator("next_token")
    @classmethod
    def _of_this_order(cls, token: str | None, info: ValidationInfo) -> str | None:
        if token is not None and "sort" in info.data:
            position_of(token, info.data["sort"])
        return token


class ListedExecution(ExecutionSummary):
    """An execution in a list. `execution_type`: DRILL or RECOVERY."""

    execution_type: str


class ExecutionsAnswer(FrozenModel):
    """Executions in the order of the request.

    `more`: whether others match beyond these; `next_token` leads to them, and is None where there are none.
    """

    executions: tuple[ListedExecution, ...]
    more: bool
    next_token: str | None


class ExecutionAnswer(RecoveryReport):
    """The report of an execution, the process that carries it, and what it waits for.

    An execution that has published no report has no waves: PENDING while its flow run waits for a worker, FAILED or
    CANCELLED where it ended before it launched anything; `message` says why, and `started_at` is when it was requested.

    Args:
        execution_type: DRILL or RECOVERY.
        initiated_by: who started it, as claimed; None where that is not known.
        process: the process that carries it.
        waiting_for: what it waits for; empty where nothing holds it up.
        link: its page in the Prefect UI.
        message: why it has no report.
    """

    execution_type: str
    initiated_by: str | None = None
    process: ProcessReport
    waiting_for: tuple[Waiting, ...] = ()
    link: str | None = None
    message: str | None = None


class PauseExecution(ExecutionReference):
    """An execution to pause. `by`: who pauses; by default the caller."""

    by: Annotated[str | None, Field(min_length=1)] = None


class CancelExecution(PauseExecution):
    """An execution to cancel, by whom, and why."""

    reason: str = ""


class ResumeExecution(PauseExecution):
    """An execution to resume.

    Args:
        deployment: the deployment of the flow `resume-execution` that resumes it, as FLOW/NAME; by default that of the
            setting PREFECT_DRS_RESUME_DEPLOYMENT, else the deployment that started the execution.
        foreground: resume it in this process, and answer when it has ended.
        take_over: do not wait for the lease of another process; fence it.
        despite_cancel: resume although the execution was cancelled.
    """

    deployment: DeploymentName | None = None
    foreground: bool = False
    take_over: bool = False
    despite_cancel: bool = False


class ControlAnswer(FrozenModel):
    """What became of a control request.

    `outcome`: CONFIRMED (in force from here on), ENDED (no process carried the execution; it was finalized here),
    STORED (the next process that carries the execution handles it before it launches anything), or RESUMED (a process
    begins to carry it). `report`: of an execution that ended here.
    """

    execution_id: str
    outcome: str
    message: str
    report: RecoveryReport | None = None


@operation(kind=OperationKind.EXECUTION, permission="view_executions")
def list_executions(context: Context, request: ListExecutions) -> ExecutionsAnswer:
    """List executions, the newest first, by id, status, plan, type and time."""
    require_configured()
    remaining = after_page(ordered(_matching(request), request.sort), request.sort, request.next_token)
    found = list(islice(remaining, request.offset, request.offset + request.limit + 1))
    page = found[: request.limit]
    more = len(found) > len(page)
    return ExecutionsAnswer(
        executions=tuple(ListedExecution(**_values(summary)) for summary in page),
        more=more,
        next_token=next_token(page[-1], request.sort) if more else None,
    )


@operation(kind=OperationKind.EXECUTION, permission="view_executions")
def get_execution(context: Context, request: ExecutionReference) -> ExecutionAnswer:
    """Return an execution's report, the process that carries it, and what it waits for.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
    """
    execution_id = execution_named(request.execution_id)
    with shared_client():
        situation, run = status.find_situation(execution_id), find_started(execution_id)
    if situation is None:
        if run is None:
            raise unknown_execution(execution_id)
        return _without_report(run)
    return ExecutionAnswer(
        **_values(situation.report),
        initiated_by=(run.initiated_by if run else "") or None,
        process=situation.process,
        waiting_for=situation.waiting_for,
        link=situation.link,
    )


@operation(kind=OperationKind.EXECUTION, permission="stop_recovery")
def pause_execution(context: Context, request: PauseExecution) -> ControlAnswer:
    """Launch nothing more for now; running jobs continue.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        ExecutionStateError: it has ended.
    """
    execution_id = execution_named(request.execution_id)
    return _answer(execution_id, control.pause_execution(execution_id, by=request.by or context.caller))


@operation(kind=OperationKind.EXECUTION, permission="start_recovery")
def resume_execution(context: Context, request: ResumeExecution) -> ControlAnswer:
    """Resume an execution that was paused or interrupted, or retry what failed of it.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        ExecutionStateError: it was cancelled, its instances were terminated, or no deployment can resume it.
        NoDeploymentError: there is no such deployment.
        RecoveryNotCompletedError: with `foreground`: it ended otherwise than COMPLETED.
    """
    execution_id = execution_named(request.execution_id)
    if request.foreground:
        require_foreground(context)
    outcome = control.resume_execution(
        execution_id,
        by=request.by or context.caller,
        deployment=request.deployment,
        foreground=request.foreground,
        take_over=request.take_over,
        despite_cancel=request.despite_cancel,
    )
    return _answer(execution_id, outcome)


@operation(kind=OperationKind.EXECUTION, permission="stop_recovery")
def cancel_execution(context: Context, request: CancelExecution) -> ControlAnswer:
    """Launch nothing more, follow running DRS jobs to their end, and close open gates.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        ExecutionStateError: it has ended.
    """
    execution_id = execution_named(request.execution_id)
    outcome = control.cancel_execution(execution_id, by=request.by or context.caller, reason=request.reason)
    return _answer(execution_id, outcome)


def execution_named(name: str) -> str:
    """The id of the execution that a request means.

    Raises:
        PrefectUnreachableError: no Prefect API is configured, or it cannot be reached.
        UnknownExecutionError: no execution is called so.
        UsageError: more than one is.
    """
    require_configured()
    return named_execution(name)


def _matching(request: ListExecutions) -> Iterator[ExecutionSummary]:
    for summary in status.all_executions():
        if (
            request.execution_id in {None, summary.execution_id}
            and (not request.status or summary.status in request.status)
            and (request.plan_name is None or summary.plan_name.casefold() == request.plan_name.casefold())
            and request.mode in {None, summary.mode}
            and _within(summary.started_at, request)
        ):
            yield summary


def _within(at: datetime, request: ListExecutions) -> bool:
    after, before = request.started_after, request.started_before
    return (after is None or at >= after) and (before is None or at < before)


def _values(summary: ExecutionSummary | RecoveryReport) -> dict[str, Any]:
    """The fields of a report or summary, its parts as they are, with `execution_type`."""
    values = {name: getattr(summary, name) for name in type(summary).model_fields}
    return {**values, "execution_type": summary.mode.upper()}


def _without_report(run: StartedRun) -> ExecutionAnswer:
    """An execution that has published no report, as its flow run tells of it."""
    waits: tuple[Waiting, ...] = ()
    if run.state_type in {"SCHEDULED", "PENDING"}:
        what = "a worker of its work pool, which has not begun with its flow run yet"
        waits = (Waiting(kind="process", what=what, since=run.created_at),)
    return ExecutionAnswer(
        execution_id=run.execution_id,
        plan_name=run.plan_name,
        mode=run.mode,
        execution_type=run.mode.upper(),
        status=status.status_of_started(run),
        started_at=run.created_at,
        ended_at=run.ended_at,
        achieved_rto_seconds=None,
        waves=(),
        initiated_by=run.initiated_by or None,
        process=ProcessReport(alive=run.state_type == "RUNNING", last_seen_at=None),
        waiting_for=waits,
        link=ui_link(run.execution_id),
        message=" ".join(filter(None, (f"its flow run is {run.state}", run.message))),
    )


def _answer(execution_id: str, outcome: control.ControlOutcome) -> ControlAnswer:
    return ControlAnswer(
        execution_id=execution_id, outcome=outcome.outcome, message=outcome.message, report=outcome.report
    )
