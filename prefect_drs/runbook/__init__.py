"""The resolved form of a plan: exact servers, settings, jobs and gates of one execution.

`resolve` makes a `Runbook` (`model`) from a plan and what the accounts have. Its steps, in order:

- `scope`, `fetch.inventories` and `members`: which servers the plan's groups have now;
- `fetch.launch_states` and `server_settings`: their current settings, effective settings, and changes;
- `prepared`: the prepared instances that servers are launched into;
- `points` (snapshots), `exclusions` and `checks` (health checks and hooks), which `waves` puts together;
- `previews`, `fetch` and `preflight`: what the preflight's `rules` look at; `waivers` let findings pass.

`launch_settings`, `machines` and `prepared_checks` check settings against an account, for the rules and for operations
alike.
"""

from prefect_drs.runbook.model import (
    ExcludedServer,
    FindingSeverity,
    PlannedChange,
    PreparedIdentity,
    Runbook,
    RunbookFinding,
    RunbookServer,
    RunbookWave,
    done_word,
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
    "PreparedIdentity",
    "Runbook",
    "RunbookFinding",
    "RunbookServer",
    "RunbookWave",
    "done_word",
    "resolve",
    "runbook_json",
]
