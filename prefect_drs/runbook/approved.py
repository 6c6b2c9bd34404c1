"""What an approval approves: the digest of a wave's part of the runbook.

In: a runbook and a wave. Out: the SHA-256 of its canonical JSON, as hex: mode, servers with account and region,
settings, changes and snapshots, hooks, checks, policies, and what the gate demands. What DRS reported of a server
beside these (replication state, lag, its last launch) is left out: it changes nothing that is done.
Fields at their default are left out too, so that a release with a new field gives the digest that the approvers saw.
"""

from __future__ import annotations

from typing import Any

from prefect_drs.core.canonical import digest
from prefect_drs.runbook.model import FindingSeverity, Runbook, RunbookFinding

_OBSERVED = {"servers": {"__all__": {"replication_state", "lag", "recovery_instance_id", "last_launch_job_id"}}}


def approved_document(runbook: Runbook, wave_number: int) -> dict[str, Any]:
    """What the digest of a wave is made of, as JSON values."""
    wave = runbook.wave(wave_number)
    shown = wave.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_OBSERVED)
    return {"planName": runbook.plan_name, "mode": runbook.mode, "wave": shown}


def approved_digest(runbook: Runbook, wave_number: int) -> str:
    """The digest that an approval of a wave is bound to."""
    return digest(approved_document(runbook, wave_number))


def with_approval_findings(runbook: Runbook, *, has_policy: bool) -> Runbook:
    """The runbook, with a finding for each gate that demands roles which nobody can have.

    Args:
        runbook: as resolved.
        has_policy: whether there is an access policy.
    """
    lacking = [wave for wave in runbook.waves if wave.gate and wave.demand.roles and not has_policy]
    found = tuple(
        RunbookFinding(
            code="APPROVAL_ROLES_WITHOUT_POLICY",
            severity=FindingSeverity.INFO,
            message=f"the gate of wave {wave.wave_number} ({wave.wave_name}) demands {wave.demand.text}, and there is "
            "no access policy that gives anybody a role: only break-glass passes it; store one (set_access_policy)",
        )
        for wave in lacking
    )
    return runbook.model_copy(update={"findings": (*runbook.findings, *found)}) if found else runbook
