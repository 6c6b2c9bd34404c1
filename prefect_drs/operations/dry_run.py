"""Dry run: the runbook that a drill, recovery or failback would begin with.

In: a manifest, a plan of it and the options of the run. Out: a `Runbook`, with every finding of the preflight. Reads
the accounts and, where a Prefect API is configured, the other executions. Changes nothing, prints nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from prefect.settings import PREFECT_API_URL

from prefect_drs.core.clock import configured_clock
from prefect_drs.operations.context import configured_sessions
from prefect_drs.orchestration.executions.claims import others_than
from prefect_drs.orchestration.executions.names import named_execution
from prefect_drs.orchestration.flow.failback import recovered_by
from prefect_drs.orchestration.storage.access_policy import has_access_policy
from prefect_drs.orchestration.storage.journal_places import journal_places
from prefect_drs.plan.model import Manifest, RecoveryMode, RecoveryPlan
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.runbook.approved import with_approval_findings
from prefect_drs.runbook.failback import resolve_failback
from prefect_drs.runbook.points import Points


def dry_run(
    manifest: Manifest,
    plan: RecoveryPlan,
    *,
    mode: RecoveryMode,
    points: Points,
    waivers: Mapping[str, str],
    exclude: Mapping[str, str],
) -> Runbook:
    """Resolve a plan against the accounts as a run does at its start.

    Args:
        manifest: the manifest.
        plan: one of its plans.
        mode: `drill` or `recovery`.
        points: the snapshots to launch from.
        waivers: findings that are let pass, code to reason.
        exclude: servers that are left out, server to reason.

    Raises:
        AwsError: the caller's own account could not be read.
        PrefectDrsError: the claims of other executions could not be read.
    """
    resolved = resolve(
        manifest,
        plan,
        mode=mode,
        sessions=configured_sessions(),
        clock=configured_clock(),
        points=points,
        waivers=waivers,
        exclude=exclude,
        others=others_than(None) if PREFECT_API_URL.value() else (),
        journals=journal_places(blocks=bool(PREFECT_API_URL.value())),
    )
    if any(wave.gate and wave.demand.roles for wave in resolved.waves):
        return with_approval_findings(resolved, has_policy=has_access_policy())
    return resolved


def dry_run_failback(
    manifest: Manifest, plan: RecoveryPlan, *, execution: str | None, exclude: Mapping[str, str]
) -> Runbook:
    """Resolve the failback of a plan against the accounts as a failback does at its start.

    Args:
        manifest: the manifest.
        plan: one of its plans.
        execution: the execution that recovered the servers; None: what runs now.
        exclude: servers that are left out, server to reason.

    Raises:
        AwsError: the caller's own account could not be read.
        PrefectDrsError: the claims of other executions could not be read, or there is no such execution.
    """
    return resolve_failback(
        manifest,
        plan,
        sessions=configured_sessions(),
        clock=configured_clock(),
        recovered=recovered_by(named_execution(execution)) if execution else None,
        exclude=exclude,
        others=others_than(None) if PREFECT_API_URL.value() else (),
    )
