"""The operations on what an execution did: its report as a document, and why it took as long as it did.

In: an execution. Out: a document, or sentences with the timeline that they come from. Reads the execution's journal.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from prefect_drs.core.models import FrozenModel
from prefect_drs.operations.context import Context
from prefect_drs.operations.execution_report import execution_document, execution_timeline
from prefect_drs.operations.executions import ExecutionReference
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.orchestration.executions.names import named_execution
from prefect_drs.report.timeline import Timeline, WaveTimeline
from prefect_drs.report.why import Explanation, explain

MEDIA_TYPES = {"html": "text/html", "markdown": "text/markdown", "json": "application/json"}


class ReportRequest(ExecutionReference):
    """An execution, and the form of its report. HTML needs the execution's journal."""

    format: Literal["html", "markdown", "json"] = "markdown"


class ReportAnswer(FrozenModel):
    """A report as a document: its text, and its media type."""

    execution_id: str
    format: str
    media_type: str
    document: str


class ExplainRequest(ExecutionReference):
    """An execution, or one of its waves or servers.

    Args:
        wave: number or name of a wave. Also accepted as `waveNumber`.
        server: name or source server id of a server. Also accepted as `sourceServerId`.
    """

    wave: Annotated[
        int | str | None, Field(union_mode="left_to_right", validation_alias=AliasChoices("wave", "waveNumber"))
    ] = None
    server: Annotated[str | None, Field(validation_alias=AliasChoices("server", "sourceServerId"))] = None


class ExplainAnswer(FrozenModel):
    """Why an execution took as long as it did: in sentences, and the timeline of all waits.

    `timeline`: of the execution, or `wave_timeline` of the wave that was asked for.
    """

    execution_id: str
    explanation: Explanation
    timeline: Timeline | None
    wave_timeline: WaveTimeline | None


@operation(kind=OperationKind.EXECUTION, permission="view_executions")
def get_execution_report(context: Context, request: ReportRequest) -> ReportAnswer:
    """Return an execution's report as one HTML document, Markdown or JSON.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        UsageError: it has not started, or HTML is wanted and its journal is not here.
    """
    execution_id = named_execution(request.execution_id)
    return ReportAnswer(
        execution_id=execution_id,
        format=request.format,
        media_type=MEDIA_TYPES[request.format],
        document=execution_document(execution_id, request.format),
    )


@operation(kind=OperationKind.EXECUTION, permission="view_executions")
def explain_execution(context: Context, request: ExplainRequest) -> ExplainAnswer:
    """Say in sentences what an execution, a wave or a server waited for, and for how long.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        UsageError: it has not started, its journal is not here, or it has no such wave or server.
    """
    execution_id = named_execution(request.execution_id)
    timeline = execution_timeline(execution_id)
    wave = None if request.wave is None else str(request.wave)
    return ExplainAnswer(
        execution_id=execution_id,
        explanation=explain(timeline, wave=wave, server=request.server),
        timeline=timeline if wave is None else None,
        wave_timeline=None if wave is None else timeline.named_wave(wave),
    )
