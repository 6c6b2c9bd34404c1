"""Delete executions that have ended: what Prefect and the journal storage keep of them.

In: executions, or all that ended before a time. Out: what was deleted of each. Nothing in AWS changes: an execution
whose recovery instances are still there is refused, since nothing could terminate them by its id afterwards, unless the
caller says that they stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import AliasChoices, AwareDatetime, Field, model_validator

from prefect_drs.core.errors import ExecutionStateError, PrefectDrsError
from prefect_drs.core.models import FrozenModel
from prefect_drs.execution.view import report_of
from prefect_drs.operations import status
from prefect_drs.operations.context import Context
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.orchestration.client import require_configured
from prefect_drs.orchestration.executions.carriers import is_carried
from prefect_drs.orchestration.executions.claims import others_than
from prefect_drs.orchestration.executions.deletion import DeletedExecution, delete_execution
from prefect_drs.orchestration.executions.names import named_execution
from prefect_drs.orchestration.executions.reports import find_report, unknown_execution
from prefect_drs.orchestration.flow.deployed import find_started
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.report.model import RecoveryReport

AT_MOST = 100
"""Executions that one call deletes."""
LOOKED_AT = 500
"""Executions that one call looks at: each costs some requests."""


class ExecutionActiveError(PrefectDrsError):
    """The execution has not ended; nothing was deleted."""

    code = "ACTIVE_EXECUTION"
    exit_code = 2


class DeleteExecutions(FrozenModel):
    """Executions to delete: some, or all that have ended.

    Args:
        execution_ids: ids, or unique beginnings of them. Also accepted as `executionIds` or `ids`.
        all_finished: all that have ended, in batches: a call deletes at most 100 and looks at 500. Those with standing
            instances are left, unless `leave_instances`.
        next_token: of the former batch's answer: the batch goes on after it.
        finished_before: of these, only those that ended before this time.
        leave_instances: delete executions too whose recovery instances were not terminated; the instances stay.
    """

    execution_ids: Annotated[
        tuple[str, ...], Field(max_length=AT_MOST, validation_alias=AliasChoices("executionIds", "ids"))
    ] = ()
    all_finished: bool = False
    finished_before: AwareDatetime | None = None
    next_token: Annotated[str | None, Field(min_length=1)] = None
    leave_instances: bool = False

    @model_validator(mode="after")
    def _names_some(self) -> DeleteExecutions:
        if bool(self.execution_ids) == self.all_finished:
            raise ValueError("give either executionIds or allFinished")
        if self.finished_before is not None and not self.all_finished:
            raise ValueError("finishedBefore is for allFinished")
        if self.next_token is not None:
            if not self.all_finished:
                raise ValueError("nextToken is for allFinished")
            Position.of(self.next_token)
        return self


class KeptExecution(FrozenModel):
    """An execution that was not deleted, and why."""

    execution_id: str
    reason: str


class DeletedExecutions(FrozenModel):
    """What was deleted, and what was kept although it has ended.

    `more`: call again for the rest, with `next_token` to go on after those that were kept.
    """

    deleted: tuple[DeletedExecution, ...]
    kept: tuple[KeptExecution, ...]
    deleted_count: int
    more: bool
    next_token: str | None = None


@operation(kind=OperationKind.EXECUTION, permission="terminate_instances")
def delete_executions(context: Context, request: DeleteExecutions) -> DeletedExecutions:
    """Delete executions that have ended: their flow runs, artifacts and journals.

    Where executions are named, all of them are checked before the first is deleted.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        ExecutionActiveError: one has not ended.
        ExecutionStateError: the recovery instances of one were not terminated.
        JournalUnavailableError: a journal could not be deleted.
    """
    require_configured()
    if not request.all_finished:
        named = tuple(dict.fromkeys(named_execution(name) for name in request.execution_ids))
        for execution_id in named:
            _require_deletable(execution_id, leave_instances=request.leave_instances)
        return _answer([delete_execution(execution_id) for execution_id in named], [], None)
    kept: list[KeptExecution] = []
    chosen: list[str] = []  # nothing is deleted before all are chosen: a deletion would shift the list
    last: Position | None = None
    for position in _ended(request):
        if len(chosen) == AT_MOST or len(chosen) + len(kept) == LOOKED_AT:
            break
        last = position
        try:
            _require_deletable(position.execution_id, leave_instances=request.leave_instances)
        except (ExecutionStateError, ExecutionActiveError) as refused:
            kept.append(KeptExecution(execution_id=position.execution_id, reason=refused.message))
        else:
            chosen.append(position.execution_id)
    else:
        last = None  # there are no others
    return _answer([delete_execution(execution_id) for execution_id in chosen], kept, last)


class Position(NamedTuple):
    """A place in the list of executions, the newest first."""

    started_at: datetime
    execution_id: str

    @classmethod
    def of(cls, token: str) -> Position:
        """The place of a token.

        Raises:
            ValueError: it is no token.
        """
        at, _, execution_id = token.partition("/")
        try:
            place = cls(datetime.fromisoformat(at), str(UUID(execution_id)))
        except ValueError:
            place = None
        if place is None or place.started_at.tzinfo is None:
            raise ValueError("nextToken is not a token that this operation gave out")
        return place

    @property
    def token(self) -> str:
        """The place, as a caller gives it back."""
        return f"{self.started_at.isoformat()}/{self.execution_id}"


def _ended(request: DeleteExecutions) -> Iterator[Position]:
    """The executions that have ended and may be of this batch."""
    before = request.finished_before
    after = None if request.next_token is None else Position.of(request.next_token)
    for summary in status.all_executions():
        place = Position(summary.started_at, summary.execution_id)
        # of those that started in the same moment, some may be looked at twice; none is left out
        if after is not None and (place == after or place.started_at > after.started_at):
            continue
        if summary.ended_at is not None and (before is None or summary.ended_at < before):
            yield place


def _answer(deleted: list[DeletedExecution], kept: list[KeptExecution], last: Position | None) -> DeletedExecutions:
    """The answer of a batch; `last` is where it ended, if there may be others after it."""
    return DeletedExecutions(
        deleted=tuple(deleted),
        kept=tuple(kept),
        deleted_count=len(deleted),
        more=last is not None,
        next_token=None if last is None else last.token,
    )


def _require_deletable(execution_id: str, *, leave_instances: bool) -> None:
    report = _report(execution_id)
    ended_at: datetime | None = None
    if report is not None:
        ended_at = report.ended_at
    elif (started := find_started(execution_id)) is not None:  # it launched nothing, or a deletion stopped in between
        ended_at = started.ended_at
    else:
        raise unknown_execution(execution_id)
    if ended_at is None or is_carried(execution_id) or status.is_about_to_run(execution_id):
        raise ExecutionActiveError(
            f"execution {execution_id} has not ended: cancel it before it is deleted", execution_id=execution_id
        )
    if report is None and any(other.execution_id == execution_id for other in others_than(None)):
        raise ExecutionActiveError(
            f"execution {execution_id} has claimed servers and has no report: it may have launched some; resume or "
            "cancel it where its journal is",
            execution_id=execution_id,
        )
    standing = [] if report is None else _standing(report)
    if standing and not leave_instances:
        raise ExecutionStateError(
            f"{len(standing)} recovery instance(s) of execution {execution_id} were not terminated: terminate them "
            "(terminate_instances), or say that they stay (leaveInstances)",
            execution_id=execution_id,
            recovery_instance_ids=standing,
        )


def _report(execution_id: str) -> RecoveryReport | None:
    if events := open_journal(execution_id).read():
        return report_of(events)
    return find_report(execution_id)


def _standing(report: RecoveryReport) -> list[str]:
    """The instances of the report that nobody is known to have terminated."""
    return [
        server.recovery_instance_id
        for wave in report.waves
        for server in wave.servers
        if server.recovery_instance_id is not None and server.terminated_at is None
    ]
