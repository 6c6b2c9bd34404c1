"""The resolved form of a plan: exact servers, settings, jobs and gates of one execution.

`model` is the data, `resolve` makes it from a plan and what the accounts hold, `preflight` says what refuses it;
`points` chooses snapshots, `checks` places health checks and hooks.
"""

from prefect_drs.runbook.model import (
    Change,
    Finding,
    FindingSeverity,
    Runbook,
    RunbookServer,
    RunbookWave,
    runbook_json,
)
from prefect_drs.runbook.resolve import resolve

__all__ = [
    "Change",
    "Finding",
    "FindingSeverity",
    "Runbook",
    "RunbookServer",
    "RunbookWave",
    "resolve",
    "runbook_json",
]
