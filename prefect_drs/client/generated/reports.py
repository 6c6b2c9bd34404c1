"""The operations of `prefect_drs.operations.reports` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Literal, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import ExecutionStatus, WaveStatus

Cause = Literal[
    "dependencies",
    "gate",
    "pause",
    "cancel",
    "no process",
    "hooks",
    "launch settings",
    "foreign job",
    "refused by DRS",
    "quota",
    "launch",
    "retry",
    "checks",
    "ended",
    "engine",
]


IncidentKind = Literal[
    "waiver",
    "exclusion",
    "server",
    "job",
    "delay",
    "check",
    "gate",
    "pause",
    "cancel",
    "process",
    "control request",
    "notification",
    "termination",
    "target",
]


class ExplainAnswer(TypedDict):
    """Why an execution took as long as it did: in sentences, and the timeline of all waits."""

    executionId: str
    explanation: Explanation
    timeline: Timeline | None
    waveTimeline: WaveTimeline | None


class Explanation(TypedDict):
    """The whole answer. `others`: one sentence for each wave that did not decide when the execution ended."""

    summary: list[str]
    paragraphs: list[Paragraph]
    others: list[str]


class GateTimeline(TypedDict):
    """A gate that was opened. `answered_at` and `decision` are None while it waits; `until`: its deadline."""

    waveNumber: int
    askedAt: str
    until: str | None
    answeredAt: str | None
    decision: str | None
    by: str
    comment: str


class Incident(TypedDict):
    """Something that did not go as planned, and what was done about it (empty if nothing was)."""

    kind: IncidentKind
    at: str
    waveNumber: int | None
    what: str
    action: str


class Line(TypedDict):
    """A wait as a sentence."""

    at: str
    took: str
    cause: Cause
    text: str


class Paragraph(TypedDict):
    """A wave or a server: its title, its waits, and sentences about servers that differ."""

    title: str
    lines: list[Line]
    notes: list[str]


class ReportAnswer(TypedDict):
    """A report as a document: its text, and its media type."""

    executionId: str
    format: str
    mediaType: str
    document: str


class ServerTimeline(TypedDict):
    """A server from its wave's beginning to its last status. `waits` is empty if its wave has not begun."""

    sourceServerId: str
    name: str
    launchStatus: str
    waits: list[Wait]


class Timeline(TypedDict):
    """An execution."""

    executionId: str
    planName: str
    mode: str
    status: ExecutionStatus
    startedAt: str
    until: str
    over: bool
    waves: list[WaveTimeline]
    deciding: list[int]
    simulatedTime: bool
    interruptions: list[Wait]
    incidents: list[Incident]


class Wait(TypedDict):
    """A stretch of time with one cause."""

    cause: Cause
    start: str
    end: str
    text: str


class WaveTimeline(TypedDict):
    """A wave."""

    waveNumber: int
    waveName: str
    status: WaveStatus
    dependsOnWaves: list[int]
    waits: list[Wait]
    servers: list[ServerTimeline]
    decidedBy: str | None
    gates: list[GateTimeline]


class ReportsOperations(Caller):
    """Calls the operations."""

    def explain_execution(
        self, execution_id: str, *, wave: int | str | Unset = UNSET, server: str | Unset = UNSET
    ) -> ExplainAnswer:
        """Say in sentences what an execution, a wave or a server waited for, and for how long."""
        return self.call("explain_execution", {"executionId": execution_id, "wave": wave, "server": server})

    def get_execution_report(
        self, execution_id: str, *, format: Literal["html", "markdown", "json"] | Unset = UNSET
    ) -> ReportAnswer:
        """Return an execution's report as one HTML document, Markdown or JSON."""
        return self.call("get_execution_report", {"executionId": execution_id, "format": format})
