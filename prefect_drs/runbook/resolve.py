"""Resolve a plan: exactly which servers, which settings change from what to what, which jobs, gates and findings.

In: one plan of a manifest and the way into the accounts. Out: a `Runbook`, plain data that serialises to JSON; a dry
run prints it, an execution carries it out, two of them can be compared. Resolving changes nothing in any account, and
what could not be checked is a finding that refuses the execution.

The steps, each one function over all servers:

1. `scope_of`: the accounts and regions of the groups; `read_inventories` reads their source servers and jobs.
2. `find_members`: the servers that belong to the groups.
3. `read_states` and `current_settings_of`: the launch settings that the account has for them.
4. `effective_settings`: the plan's settings laid over those.
5. `find_prepared` and `with_targets`: the prepared instances that servers are launched into.
6. `planned_changes`: the launch settings that the plan changes.
7. `choose_snapshots` and `resolve_waves`: the waves with their servers, checks and hooks.
8. `read_preflight` and `findings_of`: what the rules look at, and what they find.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.plan.model import Manifest, RecoveryMode, RecoveryPlan
from prefect_drs.runbook.fetch.inventories import read_inventories
from prefect_drs.runbook.fetch.launch_states import read_states
from prefect_drs.runbook.journal_place import JournalPlace
from prefect_drs.runbook.members import find_members
from prefect_drs.runbook.model import PlanSource, Runbook
from prefect_drs.runbook.points import LATEST, Points, choose_snapshots
from prefect_drs.runbook.preflight import Resolution, read_preflight
from prefect_drs.runbook.preflight_input import OtherExecution
from prefect_drs.runbook.prepared import find_prepared, with_targets
from prefect_drs.runbook.rules import findings_of
from prefect_drs.runbook.scope import scope_of
from prefect_drs.runbook.server_settings import current_settings_of, effective_settings, planned_changes
from prefect_drs.runbook.waivers import waived
from prefect_drs.runbook.waves import resolve_waves


def resolve(
    manifest: Manifest,
    plan: RecoveryPlan,
    *,
    mode: RecoveryMode,
    sessions: Sessions,
    clock: Clock,
    points: Points = LATEST,
    waivers: Mapping[str, str] | None = None,
    exclude: Mapping[str, str] | None = None,
    others: Collection[OtherExecution] = (),
    journals: Sequence[JournalPlace] = (),
) -> Runbook:
    """Read the accounts and work out what an execution of `plan` would do now. Changes nothing.

    Args:
        manifest: has the plan's groups.
        plan: one of its plans.
        mode: a drill leaves running instances; a recovery replaces former recovery instances.
        sessions: the way into the accounts.
        clock: the time, which bounds how far back active jobs are read.
        points: what the servers are launched from; by default each server's latest state.
        waivers: reasons by the code of the finding that a person accepts.
        exclude: reasons by the server that is left out (see `exclusions`).
        others: executions that have not ended, without the one this is resolved for.
        journals: where the journal of the execution would be, its mirror among them.

    Raises:
        UsageError: `points` is in the future; `exclude` names a server that the plan does not have, or leaves none.
        AwsError: the caller's own identity could not be read. What fails in one account or region is a finding.
    """
    now = clock.now()
    points.require_past(now)
    scope = scope_of(manifest, plan, sessions)
    inventories = read_inventories(sessions, scope.planned_locations, now)
    members = find_members(manifest, scope, inventories, exclude or {})
    states = read_states(sessions, members.ids_by_location)
    snapshots = choose_snapshots(sessions, members.of_plan, points, manifest)
    settings = effective_settings(members, current_settings_of(states.by_server))
    prepared = find_prepared(sessions, members, settings, states.by_server, inventories)
    settings = with_targets(settings, prepared.by_server)
    changes = planned_changes(settings, states.by_server)
    resolved = resolve_waves(plan, members, settings, changes, snapshots.by_server, prepared.by_server)
    preflight = read_preflight(
        sessions,
        Resolution(mode, now, inventories, members, states, snapshots, resolved, prepared, plan),
        others,
        journals,
    )
    return Runbook(
        plan_name=plan.plan_name,
        mode=mode,
        waves=resolved.waves,
        findings=waived(findings_of(preflight), waivers or {}),
        notify=plan.notify,
        resolved_at=now,
        rto_target=plan.rto_target,
        rpo_target=plan.rpo_target,
        source=PlanSource.of(manifest, plan),
    )
