"""The parts of a bundle that follow from the journal alone: plan, runbook, approvals, report.

In: a journal's events. Out: documents by name. A verification makes them again and compares them, so that a bundle
cannot say in a report what its journal does not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from prefect_drs.core.canonical import canonical_json
from prefect_drs.execution.events import (
    ApprovalAttempted,
    ApprovalCounted,
    CancelAsked,
    CancelOverridden,
    Event,
    ExecutionResumed,
    ExecutionStarted,
    GateAnswered,
    GateAsked,
    GlassBroken,
    PauseAsked,
    PauseEnded,
    TerminationAsked,
)
from prefect_drs.execution.view import report_of
from prefect_drs.runbook import Runbook, runbook_json

BY_PEOPLE = (
    GateAsked,
    ApprovalCounted,
    ApprovalAttempted,
    GlassBroken,
    GateAnswered,
    PauseAsked,
    PauseEnded,
    CancelAsked,
    CancelOverridden,
    ExecutionResumed,
    TerminationAsked,
)
"""The decisions of people. Each is written with all its fields, so that the proof of an approval is in it where the
journal has one."""


def journal_views(events: Sequence[Event], records: Sequence[int]) -> dict[str, bytes]:
    """The documents, by their names in a bundle.

    Args:
        events: of the journal.
        records: the number of the record that each event is in.
    """
    runbook = runbook_of(events)
    views = {
        "runbook.json": _document(runbook_json(runbook)),
        "approvals.json": _document(
            [
                {"record": record, **event.model_dump(mode="json", by_alias=True)}
                for event, record in zip(events, records, strict=True)
                if isinstance(event, BY_PEOPLE)
            ]
        ),
        "report.json": report_of(events).to_json().encode() + b"\n",
    }
    if runbook.source is not None:
        views["plan.json"] = canonical_json(runbook.source.document) + b"\n"
    return views


def execution_facts(events: Sequence[Event]) -> dict[str, Any]:
    """What a manifest says of the execution, as JSON values."""
    report, source = report_of(events), runbook_of(events).source
    facts = report.model_dump(mode="json", by_alias=True)
    return {
        **{key: facts[key] for key in ("executionId", "planName", "mode", "status", "startedAt", "endedAt")},
        "planDigest": source.plan_digest if source else None,
        "bindingsDigest": source.bindings_digest if source else None,
    }


def runbook_of(events: Sequence[Event]) -> Runbook:
    """The runbook that the execution began with."""
    return next(event.runbook for event in events if isinstance(event, ExecutionStarted))


def _document(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"
