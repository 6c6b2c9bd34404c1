"""The resolved form of a plan: exact servers, settings, jobs and gates of one execution.

`model` is the data, `resolve` makes it from a plan and what the accounts hold (`reading`), `rules` say what refuses it:
they look at a `situation` that was read before. `launch_settings` are the checks of settings against an account,
`points` chooses snapshots, `checks` places health checks and hooks, `waivers` let findings pass.
"""

from prefect_drs.runbook.model import (
    ExcludedServer,
    FindingSeverity,
    PlannedChange,
    Runbook,
    RunbookFinding,
    RunbookServer,
    RunbookWave,
    runbook_json,
)
from prefect_drs.runbook.preflight_input import OtherExecution, PendingLaunch
from prefect_drs.runbook.resolve import resolve

__all__ = [
    "ExcludedServer",
    "FindingSeverity",
    "OtherExecution",
    "PendingLaunch",
    "PlannedChange",
    "Runbook",
    "RunbookFinding",
    "RunbookServer",
    "RunbookWave",
    "resolve",
    "runbook_json",
]
