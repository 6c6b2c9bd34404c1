"""The preflight: everything its rules look at, read from the accounts before any rule runs.

In: what resolving found (`Resolution`). Out: a `PreflightInput`. The reads are those of `fetch`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from prefect_drs.aws.sessions import Sessions
from prefect_drs.plan.model import RecoveryMode, RecoveryPlan
from prefect_drs.plan.targets import TargetKind, targets_of
from prefect_drs.runbook.fetch.encryption import read_encryptions
from prefect_drs.runbook.fetch.inventories import LocationInventories
from prefect_drs.runbook.fetch.launch_states import LaunchStates
from prefect_drs.runbook.fetch.networks import read_networks
from prefect_drs.runbook.fetch.occupancy import read_instances, read_quotas
from prefect_drs.runbook.fetch.permissions import read_permissions
from prefect_drs.runbook.fetch.snapshots import read_snapshots
from prefect_drs.runbook.journal_place import JournalPlace
from prefect_drs.runbook.members import Members
from prefect_drs.runbook.points import SnapshotChoices
from prefect_drs.runbook.preflight_input import OtherExecution, PreflightInput
from prefect_drs.runbook.prepared import FoundTargets
from prefect_drs.runbook.prepared_launches import prepared_launches
from prefect_drs.runbook.previews import launch_previews
from prefect_drs.runbook.waves import ResolvedWaves


@dataclass(frozen=True, slots=True)
class Resolution:
    """The results of the steps that resolve a plan."""

    mode: RecoveryMode
    now: datetime
    inventories: LocationInventories
    members: Members
    states: LaunchStates
    snapshots: SnapshotChoices
    resolved: ResolvedWaves
    prepared: FoundTargets
    plan: RecoveryPlan


def read_preflight(
    sessions: Sessions,
    resolution: Resolution,
    others: Collection[OtherExecution],
    journals: Sequence[JournalPlace],
) -> PreflightInput:
    """Read what the rules look at.

    Args:
        sessions: the way into the accounts.
        resolution: what is known of the plan so far.
        others: executions that have not ended.
        journals: where the journal would be.
    """
    inventories, members, states = resolution.inventories, resolution.members, resolution.states.by_server
    waves = resolution.resolved.waves
    locations = {server.location for wave in waves for server in wave.servers if server.source_server_id in states}
    instances = read_instances(sessions, locations)
    previews = tuple(
        launch_previews(waves, states, mode=resolution.mode, sources=members.sources, occupancies=instances)
    )
    facts = read_networks(sessions, previews, instances, others)
    snapshots = read_snapshots(sessions, waves, resolution.now)
    return PreflightInput(
        mode=resolution.mode,
        now=resolution.now,
        waves=waves,
        memberships=tuple(members.memberships.values()),
        planned=frozenset(members.planned),
        servers={location: inventory.servers for location, inventory in inventories.by_location.items()},
        jobs={location: inventory.jobs for location, inventory in inventories.by_location.items()},
        previews=previews,
        facts=facts,
        occupancies=read_quotas(sessions, instances, previews, facts),
        encryptions=read_encryptions(sessions, previews, states),
        snapshots=snapshots.by_server,
        snapshots_unread=snapshots.not_read,
        permissions=read_permissions(sessions, waves, inventories.by_location),
        others=tuple(others),
        unread=(
            *inventories.unread,
            *resolution.states.unread,
            *resolution.prepared.unread,
            *resolution.snapshots.unread,
            *snapshots.unread,
        ),
        rpo_targets=targets_of(resolution.plan, TargetKind.RPO),
        resolution_errors=(*resolution.snapshots.errors, *resolution.resolved.errors),
        prepared=tuple(prepared_launches(previews, resolution.prepared, facts, inventories)),
        drills_into_prepared=resolution.plan.drill_into_prepared_instances,
        journals=journals,
    )
