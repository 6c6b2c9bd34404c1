"""The operations of `prefect_drs.operations.executions` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import (
    ControlReport,
    ExecutionStatus,
    NotificationsReport,
    RecoveryReport,
    RunbookFinding,
    RunningRequest,
    TargetReport,
    WaveReport,
)


class ControlAnswer(TypedDict):
    """What became of a control request."""

    executionId: str
    outcome: str
    message: str
    report: RecoveryReport | None


class ExecutionAnswer(TypedDict):
    """The report of an execution, the process that carries it, and what it waits for."""

    executionId: str
    planName: str
    mode: Literal["drill", "recovery", "failback"]
    status: ExecutionStatus
    startedAt: str
    endedAt: str | None
    achievedRtoSeconds: float | None
    achievedRpoSeconds: float | None
    waves: list[WaveReport]
    findings: list[RunbookFinding]
    notifications: NotificationsReport
    atGatesSeconds: float
    gatesOpenSince: str | None
    paused: ControlReport | None
    cancelled: ControlReport | None
    terminated: ControlReport | None
    simulatedTime: bool
    targets: list[TargetReport]
    executionType: str
    initiatedBy: str | None
    process: ProcessReport
    waitingFor: list[Waiting]
    link: str | None
    message: str | None


class ExecutionsAnswer(TypedDict):
    """Executions in the order of the request."""

    executions: list[ListedExecution]
    more: bool
    nextToken: str | None


class ListedExecution(TypedDict):
    """An execution in a list. `execution_type`: DRILL or RECOVERY."""

    executionId: str
    planName: str
    mode: Literal["drill", "recovery", "failback"]
    status: ExecutionStatus
    startedAt: str
    endedAt: str | None
    servers: int
    launched: int
    seenAt: str | None
    executionType: str


class ProcessReport(TypedDict):
    """The process that carries the execution."""

    alive: bool
    lastSeenAt: str | None


class Waiting(TypedDict):
    """One thing that an execution waits for."""

    kind: Literal["approval", "pause", "process"] | Literal["quota", "job", "settings", "other"]
    what: str
    waveNumber: int | None
    since: str | None
    until: str | None
    command: str
    link: str | None


class ExecutionsOperations(Caller):
    """Calls the operations."""

    def cancel_execution(
        self,
        execution_id: str,
        *,
        by: str | Unset | None = UNSET,
        reason: str | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> ControlAnswer | RunningRequest:
        """Launch nothing more, follow running DRS jobs to their end, and close open gates."""
        return self.call(
            "cancel_execution",
            {"executionId": execution_id, "by": by, "reason": reason},
            idempotency_key=idempotency_key,
        )

    def get_execution(self, execution_id: str) -> ExecutionAnswer:
        """Return an execution's report, the process that carries it, and what it waits for."""
        return self.call("get_execution", {"executionId": execution_id})

    def list_executions(
        self,
        *,
        execution_id: str | Unset = UNSET,
        status: ExecutionStatus | Sequence[ExecutionStatus] | Unset = UNSET,
        plan_name: str | Unset = UNSET,
        execution_type: Literal["DRILL", "RECOVERY"] | Unset = UNSET,
        started_after: datetime | str | Unset = UNSET,
        started_before: datetime | str | Unset = UNSET,
        sort: Literal[
            "startedAt",
            "-startedAt",
            "endedAt",
            "-endedAt",
            "planName",
            "-planName",
            "status",
            "-status",
            "executionType",
            "-executionType",
        ]
        | Unset = UNSET,
        next_token: str | Unset = UNSET,
        limit: int | Unset = UNSET,
        offset: int | Unset = UNSET,
    ) -> ExecutionsAnswer:
        """List executions, the newest first, by id, status, plan, type and time."""
        return self.call(
            "list_executions",
            {
                "executionId": execution_id,
                "status": status,
                "planName": plan_name,
                "executionType": execution_type,
                "startedAfter": started_after,
                "startedBefore": started_before,
                "sort": sort,
                "nextToken": next_token,
                "limit": limit,
                "offset": offset,
            },
        )

    def iterate_executions(
        self,
        *,
        execution_id: str | Unset = UNSET,
        status: ExecutionStatus | Sequence[ExecutionStatus] | Unset = UNSET,
        plan_name: str | Unset = UNSET,
        execution_type: Literal["DRILL", "RECOVERY"] | Unset = UNSET,
        started_after: datetime | str | Unset = UNSET,
        started_before: datetime | str | Unset = UNSET,
        sort: Literal[
            "startedAt",
            "-startedAt",
            "endedAt",
            "-endedAt",
            "planName",
            "-planName",
            "status",
            "-status",
            "executionType",
            "-executionType",
        ]
        | Unset = UNSET,
        limit: int | Unset = UNSET,
    ) -> Iterator[ListedExecution]:
        """Iterate over all that `list_executions` lists; a page of `limit` is read when it is needed."""
        return self._items(
            "list_executions",
            "executions",
            {
                "executionId": execution_id,
                "status": status,
                "planName": plan_name,
                "executionType": execution_type,
                "startedAfter": started_after,
                "startedBefore": started_before,
                "sort": sort,
                "limit": limit,
            },
        )

    def pause_execution(
        self, execution_id: str, *, by: str | Unset | None = UNSET, idempotency_key: str | None = None
    ) -> ControlAnswer | RunningRequest:
        """Launch nothing more for now; running jobs continue."""
        return self.call("pause_execution", {"executionId": execution_id, "by": by}, idempotency_key=idempotency_key)

    def resume_execution(
        self,
        execution_id: str,
        *,
        by: str | Unset | None = UNSET,
        deployment: str | Unset | None = UNSET,
        take_over: bool | Unset = UNSET,
        despite_cancel: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> ControlAnswer | RunningRequest:
        """Resume an execution that was paused or interrupted, or retry what failed of it."""
        return self.call(
            "resume_execution",
            {
                "executionId": execution_id,
                "by": by,
                "deployment": deployment,
                "takeOver": take_over,
                "despiteCancel": despite_cancel,
            },
            idempotency_key=idempotency_key,
        )
