"""The waves of a runbook: exact servers with their settings, checks and hooks, and the servers a wave needs.

In: a plan, its members, their settings and snapshots. Out: the waves in the order of the plan's graph, and what makes
one of them impossible (`ResolutionError`). Pure: no call is made here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prefect_drs.aws.drs import SourceServer
from prefect_drs.aws.location import Location
from prefect_drs.plan.approval import ANY
from prefect_drs.plan.graph import WaveGraph
from prefect_drs.plan.model import RecoveryPlan, Wave
from prefect_drs.runbook.checks import resolve_checks
from prefect_drs.runbook.members import MemberKey, Members
from prefect_drs.runbook.model import PlannedChange, PreparedIdentity, RunbookServer, RunbookWave
from prefect_drs.runbook.points import SnapshotChoice
from prefect_drs.runbook.preflight_input import Exclusion, Membership, ResolutionError
from prefect_drs.runbook.prepared_target import FoundTarget
from prefect_drs.runbook.server_settings import ServerSettings


@dataclass(frozen=True, slots=True)
class ResolvedWaves:
    """The waves, each after those it depends on, and the errors found while they were resolved."""

    waves: tuple[RunbookWave, ...]
    errors: tuple[ResolutionError, ...]


def resolve_waves(
    plan: RecoveryPlan,
    members: Members,
    settings: Mapping[MemberKey, ServerSettings],
    changes: Mapping[MemberKey, tuple[PlannedChange, ...]],
    snapshots: Mapping[str, SnapshotChoice],
    prepared: Mapping[MemberKey, FoundTarget],
) -> ResolvedWaves:
    """The waves of a plan.

    Args:
        plan: one plan.
        members: the servers of its groups.
        settings: of every server of the plan.
        changes: of those servers whose launch configuration could be read.
        snapshots: by source server id, for servers that are not launched from their latest state.
        prepared: the instances that servers are launched into.
    """
    graph = WaveGraph.of(plan)
    servers = _servers(members, settings, changes, snapshots, prepared)
    resolved = [_wave(graph, number, plan, members, servers) for number in graph.order]
    return ResolvedWaves(
        tuple(wave for wave, _ in resolved), tuple(error for _, errors in resolved for error in errors)
    )


def _servers(
    members: Members,
    settings: Mapping[MemberKey, ServerSettings],
    changes: Mapping[MemberKey, tuple[PlannedChange, ...]],
    snapshots: Mapping[str, SnapshotChoice],
    prepared: Mapping[MemberKey, FoundTarget],
) -> dict[MemberKey, RunbookServer]:
    return {
        key: RunbookServer(
            source_server_id=server.source_server_id,
            name=server.name,
            account_id=members.memberships[key.group_name].location.account_id,
            region=members.memberships[key.group_name].location.region,
            group=group.group_name,
            replication_state=server.replication_state,
            lag=server.lag,
            recovery_instance_id=server.recovery_instance_id,
            settings=settings[key].planned,
            changes=changes.get(key, ()),
            effective=settings[key].effective,
            last_launch_job_id=server.last_launch_job_id,
            prepared=_identity(prepared.get(key)),
            **_snapshot(snapshots.get(server.source_server_id)),
        )
        for key, group, server in members
    }


def _identity(found: FoundTarget | None) -> PreparedIdentity | None:
    if found is None or found.instance_id is None:
        return None
    if found.instance is None:
        return PreparedIdentity(instance_id=found.instance_id)
    known = found.instance.identity
    return PreparedIdentity(
        instance_id=known.instance_id, private_ip=known.private_ip, network_interface_id=known.network_interface_id
    )


def _snapshot(choice: SnapshotChoice | None) -> dict[str, Any]:
    if choice is None or choice.snapshot is None:
        return {}
    return {"snapshot_id": choice.snapshot.snapshot_id, "snapshot_at": choice.snapshot.at}


def _wave(
    graph: WaveGraph, number: int, plan: RecoveryPlan, members: Members, servers: Mapping[MemberKey, RunbookServer]
) -> tuple[RunbookWave, list[ResolutionError]]:
    wave = graph.wave(number)
    groups = [members.memberships[name] for name in wave.groups]
    locations = sorted({each.location for each in groups})
    excluded = [exclusion for each in groups for exclusion in each.excluded]
    launched = tuple(servers[key] for key in _keys(groups))
    needed = servers_needed(wave, len(launched) + len(excluded))
    errors: list[ResolutionError] = []
    if excluded and len(launched) < needed:
        errors.append(_too_few_left(wave, excluded, len(launched), needed, locations[0]))
    checks = resolve_checks(
        wave, _ids_by_name(groups), locations, excluded={name for each in excluded for name in each.names}
    )
    return RunbookWave(
        wave_number=wave.wave_number,
        wave_name=wave.wave_name,
        depends_on_waves=graph.dependencies(number),
        gate=wave.pause_before_wave,
        approval=(wave.approval or plan.approval) if wave.pause_before_wave else ANY,
        servers=launched,
        on_server_failure=wave.on_server_failure,
        min_healthy=min(len(launched), needed),
        excluded=tuple(exclusion.server for exclusion in excluded),
        max_lag=wave.max_lag or plan.max_lag,
        rto_target=wave.rto_target,
        rpo_target=wave.rpo_target,
        retry=wave.retry,
        health_checks=checks.health_checks,
        pre_wave=checks.pre_wave,
        post_wave=checks.post_wave,
    ), [*errors, *checks.errors]


def _keys(groups: Collection[Membership]) -> Iterator[MemberKey]:
    for each in groups:
        for server in each.servers:
            yield MemberKey(each.group.group_name, server.source_server_id)


def _ids_by_name(groups: Collection[Membership]) -> dict[str, str]:
    """Source server ids by every name that a check may give a server."""
    return {name: server.source_server_id for each in groups for server in each.servers for name in names_of(server)}


def names_of(server: SourceServer) -> Iterator[str]:
    """All names that a check may give the server."""
    names = (server.name, server.hostname, server.instance_id, server.source_server_id)
    return (name for name in names if name)


def servers_needed(wave: Wave, servers: int) -> int:
    """How many servers must be up for the wave to be COMPLETED, of `servers`, the excluded ones included."""
    if wave.on_server_failure == "fail":
        return servers
    if wave.min_healthy is not None:
        return min(servers, wave.min_healthy)
    if wave.min_healthy_percent is not None:
        return math.ceil(servers * wave.min_healthy_percent / 100)
    return min(servers, 1)


def _too_few_left(
    wave: Wave, excluded: Collection[Exclusion], left: int, needed: int, location: Location
) -> ResolutionError:
    names = ", ".join(f"{each.server.name} ({each.server.source_server_id})" for each in excluded)
    policy = "all of its servers (onServerFailure: fail)" if wave.on_server_failure == "fail" else f"{needed} server(s)"
    return ResolutionError(
        "EXCLUSION_AGAINST_POLICY",
        f"wave {wave.wave_number} ({wave.wave_name}) in {location} demands {policy}, and without {names} {left} of "
        f"{left + len(excluded)} are left; leave fewer out, or waive it with a reason: "
        "--waive EXCLUSION_AGAINST_POLICY='...'",
        location,
    )
