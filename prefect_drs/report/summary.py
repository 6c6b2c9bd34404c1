"""The summary of an execution: what a list of executions shows of each, small however many servers it has.

In: a report. Out: an `ExecutionSummary`, which is stored beside the report.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

from prefect_drs.core.models import FrozenModel
from prefect_drs.plan.model import ExecutionMode
from prefect_drs.report.model import ExecutionStatus, RecoveryReport


class ExecutionSummary(FrozenModel):
    """An execution in a list. `launched`: how many of its `servers` were launched.

    `seen_at`: when the process that carried it last said so, in real time (UTC); None in those of former releases.
    """

    execution_id: str
    plan_name: str
    mode: ExecutionMode
    status: ExecutionStatus
    started_at: datetime
    ended_at: datetime | None
    servers: int
    launched: int
    seen_at: datetime | None = None

    @classmethod
    def of(cls, report: RecoveryReport, seen_at: datetime | None = None) -> Self:
        """The summary of a report."""
        return cls(
            execution_id=report.execution_id,
            plan_name=report.plan_name,
            mode=report.mode,
            status=report.status,
            started_at=report.started_at,
            ended_at=report.ended_at,
            servers=report.server_count,
            launched=report.launched_count,
            seen_at=seen_at,
        )
