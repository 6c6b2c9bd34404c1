"""The operations of `prefect_drs.operations.deletion` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset


class DeletedExecution(TypedDict):
    """What was deleted of an execution."""

    executionId: str
    flowRuns: int
    artifacts: int
    journalObjects: int | None


class DeletedExecutions(TypedDict):
    """What was deleted, and what was kept although it has ended."""

    deleted: list[DeletedExecution]
    kept: list[KeptExecution]
    deletedCount: int
    more: bool
    nextToken: str | None


class KeptExecution(TypedDict):
    """An execution that was not deleted, and why."""

    executionId: str
    reason: str


class DeletionOperations(Caller):
    """Calls the operations."""

    def delete_executions(
        self,
        *,
        execution_ids: Sequence[str] | Unset = UNSET,
        all_finished: bool | Unset = UNSET,
        finished_before: datetime | str | Unset = UNSET,
        next_token: str | Unset = UNSET,
        leave_instances: bool | Unset = UNSET,
    ) -> DeletedExecutions:
        """Delete executions that have ended: their flow runs, artifacts and journals."""
        return self.call(
            "delete_executions",
            {
                "executionIds": execution_ids,
                "allFinished": all_finished,
                "finishedBefore": finished_before,
                "nextToken": next_token,
                "leaveInstances": leave_instances,
            },
        )
