"""Records of operations in the audit log, and the operation that reads them.

In: a context, an operation, its request, its outcome. Out: a record. Recorded are all changes, all control of
executions, and everything that was denied; reads only where the setting `PREFECT_DRS_AUDIT_READS` says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from prefect_drs.core.errors import PrefectDrsError, UsageError
from prefect_drs.core.models import FrozenModel
from prefect_drs.identity import NotProvenError
from prefect_drs.identity.policy import AuthorizationError
from prefect_drs.operations.context import Context
from prefect_drs.operations.registry import Operation, OperationKind, operation
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.orchestration.storage.audit_log import AuditOutcome, AuditRecord

Moment = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))]
NAMED = ("plan_id", "plan_name", "group_id", "execution_id", "wave", "account_id", "target_account_id", "server_id")
DENIED = (AuthorizationError, NotProvenError)
DAYS = 7
MOST_DAYS = 366
LONGEST_NAME = 256


class AuditQuery(FrozenModel):
    """Which records.

    Args:
        since: from this time on, at most 366 days before `until`; by default a week before it.
        until: before this time; by default now.
        who: only of this name.
        operation: only of this operation.
        outcome: only of this outcome.
        execution_id: only those that name this execution.
        limit: at most this many, the newest.
    """

    since: Moment | None = None
    until: Moment | None = None
    who: str | None = None
    operation: str | None = None
    outcome: AuditOutcome | None = None
    execution_id: str | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000


class AuditAnswer(FrozenModel):
    """Records, the newest first. `more`: there are older ones in that time."""

    records: tuple[AuditRecord, ...]
    more: bool


@operation(kind=OperationKind.QUERY, permission="view_audit_log")
def get_audit_log(context: Context, request: AuditQuery) -> AuditAnswer:
    """Return who did, or was denied, what, the newest first.

    Raises:
        UsageError: the time is longer than 366 days.
        AuditUnavailableError, JournalUnavailableError: the storage of the journals cannot be listed or read.
    """
    until = request.until or context.real_clock.now() + timedelta(seconds=1)
    since = request.since or until - timedelta(days=DAYS)
    if until - since > timedelta(days=MOST_DAYS):  # each day is a folder that is listed
        raise UsageError(f"since is more than {MOST_DAYS} days before until: ask for one year at a time")
    matching = (record for record in context.audit.read(since, until) if _is_meant(record, request))
    found = tuple(islice(matching, request.limit + 1))
    return AuditAnswer(records=found[: request.limit], more=len(found) > request.limit)


@contextmanager
def audited(context: Context, chosen: Operation) -> Iterator[Recording]:
    """Record what becomes of a call in the block.

    Args:
        context: the caller's.
        chosen: the operation.
    """
    recording = Recording(context)
    try:
        yield recording
    except PrefectDrsError as error:
        outcome = AuditOutcome.DENIED if isinstance(error, DENIED) else AuditOutcome.FAILED
        recording.store(chosen, outcome, error)
        raise
    except BaseException as error:
        recording.store(chosen, AuditOutcome.FAILED, error)
        raise
    recording.store(chosen, AuditOutcome.DONE)


class Recording:
    """A call that is being carried out. `context` and `request` are set as they become known."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.request: Any = None

    def store(self, chosen: Operation, outcome: AuditOutcome, error: BaseException | None = None) -> None:
        """Store its record, if it is one that is kept."""
        if outcome is not AuditOutcome.DENIED and is_read(chosen) and not PrefectDrsSettings().audit_reads:
            return
        context = self.context
        context.audit.record(
            AuditRecord(
                at=context.real_clock.now(),
                who=context.caller,
                identity=context.identity,
                operation=chosen.name,
                permission=chosen.permission,
                outcome=outcome,
                error=getattr(error, "code", "INTERNAL_ERROR") if error is not None else "",
                reason=error.reason.value if isinstance(error, NotProvenError) else "",
                origin=context.origin,
                named=_named(self.request),
                changes=tuple(context.changes),
            )
        )


def is_read(chosen: Operation) -> bool:
    """Whether an operation changes nothing."""
    return chosen.kind is OperationKind.QUERY or chosen.permission.startswith("view_")


def _named(request: Any) -> dict[str, str]:
    values = ((name, getattr(request, name, None)) for name in NAMED)
    return {name: str(value)[:LONGEST_NAME] for name, value in values if isinstance(value, str | int)}


def _is_meant(record: AuditRecord, query: AuditQuery) -> bool:
    return (
        (query.who is None or record.who == query.who)
        and (query.operation is None or record.operation == query.operation)
        and (query.outcome is None or record.outcome is query.outcome)
        and (query.execution_id is None or record.named.get("execution_id") == query.execution_id)
    )
