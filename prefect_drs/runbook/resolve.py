"""The resolved form of a plan: exactly which servers, which settings change from what to what, which jobs and gates.

In: a Manifest's plan and what the accounts hold now (read through `reading`). Out: a `Runbook`, plain data that
serialises to JSON; a dry run prints it, an execution carries it out, two of them can be compared. Reading changes
nothing in any account, and what could not be checked is a finding that refuses the execution, never a silence.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prefect_drs.aws.current_settings import current_settings
from prefect_drs.aws.drs import SourceServer
from prefect_drs.aws.launch_configuration import LaunchState, changes
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import UsageError
from prefect_drs.plan.effective import effective
from prefect_drs.plan.graph import WaveGraph
from prefect_drs.plan.model import LaunchSettings, Manifest, ProtectionGroup, RecoveryMode, RecoveryPlan, Wave
from prefect_drs.runbook import fetch, occupancy
from prefect_drs.runbook.checks import checks_without, resolve_checks
from prefect_drs.runbook.exclusions import without_excluded
from prefect_drs.runbook.model import PlannedChange, Runbook, RunbookServer, RunbookWave
from prefect_drs.runbook.points import LATEST, Choice, Points, SnapshotRequest, choose, misnamed
from prefect_drs.runbook.preflight_input import (
    Exclusion,
    Membership,
    OtherExecution,
    PreflightInput,
    ResolutionError,
    Unread,
)
from prefect_drs.runbook.rules import preflight
from prefect_drs.runbook.waivers import waived


@dataclass(slots=True)
class _Resolution:
    """What is known of a plan's servers while it is resolved."""

    plan: RecoveryPlan
    memberships: Mapping[str, Membership]
    states: Mapping[str, LaunchState]
    choices: Mapping[str, Choice]
    complaints: list[ResolutionError] = field(default_factory=list)


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
) -> Runbook:
    """Read the accounts and work out what an execution of `plan` would do now. Changes nothing.

    Args:
        manifest: where the plan's groups are.
        plan: one of its plans.
        mode: a drill leaves what runs; a recovery replaces former recovery instances.
        sessions: the way into the accounts.
        clock: the time, which bounds how far back active jobs are looked for.
        points: what the servers are launched from; by default each one's latest state.
        waivers: findings by code that a person lets pass, each with the reason.
        exclude: servers that are left out, each with the reason: by source server id, Name tag, hostname or instance
            id, or by what the manifest calls them.
        others: executions that have not ended, but for the one this is resolved for.

    Raises:
        UsageError: the point in time that was asked for is still to come; `exclude` names a server that the plan does
            not have, or leaves none.
        AwsError: the caller's own identity could not be read. What fails in one account or region is a finding.
    """
    now = clock.now()
    if points.at is not None and points.at > now:
        raise UsageError(f"--at {points.at:%Y-%m-%dT%H:%M:%SZ} is still to come; it is {now:%Y-%m-%dT%H:%M:%SZ}")
    graph = WaveGraph.of(plan)
    planned = dict.fromkeys(name for wave in plan.waves for name in wave.groups)
    own = sessions.caller_account_by(manifest.group(name).region for name in planned)
    at = {group.group_name: Location(group.account_id or own, group.region) for group in manifest.protection_groups}
    estates = fetch.read_estates(sessions, sorted({at[name] for name in planned}), now)
    memberships = {
        group.group_name: _membership(group, at[group.group_name], estates)
        for group in manifest.protection_groups
        if group.group_name in planned or at[group.group_name] in estates.there
    }
    memberships = without_excluded(manifest, memberships, planned, exclude or {})
    wanted: dict[Location, dict[str, None]] = defaultdict(dict)
    for name in planned:
        wanted[at[name]].update(dict.fromkeys(server.source_server_id for server in memberships[name].servers))
    states, unread_states = fetch.read_states(sessions, {place: tuple(ids) for place, ids in wanted.items() if ids})
    complaints: list[ResolutionError] = []
    choices, unread_choices = _choices(sessions, points, [memberships[name] for name in planned], complaints)
    resolution = _Resolution(plan, memberships, states, choices, complaints)
    waves = tuple(_wave(graph, graph.wave(number), resolution) for number in graph.order)
    places = {server.location for wave in waves for server in wave.servers if server.source_server_id in states}
    occupancies = occupancy.read_instances(sessions, places)
    sources = {server.source_server_id: server for each in memberships.values() for server in each.servers}
    landings = tuple(fetch.landings_of(waves, states, mode=mode, sources=sources, occupancies=occupancies))
    facts = fetch.read_networks(sessions, landings, occupancies, others)
    snapshots, snapshots_unread, unread_snapshots = fetch.read_snapshots(sessions, waves, now)
    findings = preflight(
        PreflightInput(
            mode=mode,
            now=now,
            waves=waves,
            memberships=tuple(memberships.values()),
            planned=frozenset(planned),
            servers={place: estate.servers for place, estate in estates.there.items()},
            jobs={place: estate.jobs for place, estate in estates.there.items()},
            landings=landings,
            facts=facts,
            occupancies=occupancy.read_quotas(sessions, occupancies, landings, facts),
            encryptions=occupancy.read_encryptions(sessions, landings, states),
            snapshots=snapshots,
            snapshots_unread=snapshots_unread,
            standings=fetch.read_standings(sessions, waves, estates.there),
            others=tuple(others),
            unread=(*estates.unread, *unread_states, *unread_choices, *unread_snapshots),
            complaints=tuple(complaints),
        )
    )
    return Runbook(
        plan_name=plan.plan_name,
        mode=mode,
        waves=waves,
        findings=waived(findings, waivers or {}),
        notify=plan.notify,
        resolved_at=now,
    )


def _membership(group: ProtectionGroup, location: Location, estates: fetch.LocationInventories) -> Membership:
    """Who belongs to the group now: the named ids that are there, or all that carry every selection tag."""
    estate = estates.there.get(location)
    if estate is None:
        return Membership(group, location, (), read=False)
    if group.server_selection_tags:
        tags = group.server_selection_tags.items()
        return Membership(group, location, tuple(server for server in estate.servers if tags <= server.tags.items()))
    by_id = {server.source_server_id: server for server in estate.servers}
    return Membership(group, location, tuple(by_id[wanted] for wanted in group.source_server_ids if wanted in by_id))


def _choices(
    sessions: Sessions, points: Points, memberships: Sequence[Membership], complaints: list[ResolutionError]
) -> tuple[dict[str, Choice], list[Unread]]:
    """What each server is launched from, by source server id; without an entry, its latest state."""
    asked = {
        server.source_server_id: SnapshotRequest(
            server.source_server_id,
            each.location,
            f"{server.name} ({server.source_server_id}) in {each.location}",
            frozenset(filter(None, (server.source_server_id, server.name, server.hostname, server.instance_id))),
        )
        for each in memberships
        for server in each.servers
    }
    complaints.extend(
        ResolutionError("SNAPSHOT_NAMES_NO_SERVER", message) for message in misnamed(points, tuple(asked.values()))
    )
    chosen = choose(sessions, asked.values(), points)
    unread: list[Unread] = []
    for server_id, choice in chosen.items():
        if choice.snapshot is not None:
            continue
        location = asked[server_id].location
        if choice.code == "UNCHECKED":
            unread.append(Unread(location, choice.message, server_id))
        else:
            complaints.append(ResolutionError(choice.code, choice.message, location, server_id))
    return chosen, unread


def _server(membership: Membership, server: SourceServer, resolution: _Resolution) -> RunbookServer:
    group, location = membership.group, membership.location
    names = server.references
    settings = group.settings_for(*names)
    state = resolution.states.get(server.source_server_id)
    held = current_settings(state) if state is not None else LaunchSettings()
    choice = resolution.choices.get(server.source_server_id)
    chosen: dict[str, Any] = {}
    if choice is not None and choice.snapshot is not None:
        chosen = {"snapshot_id": choice.snapshot.snapshot_id, "snapshot_at": choice.snapshot.at}
    return RunbookServer(
        source_server_id=server.source_server_id,
        name=server.name,
        account_id=location.account_id,
        region=location.region,
        group=group.group_name,
        replication_state=server.replication_state,
        lag=server.lag,
        recovery_instance_id=server.recovery_instance_id,
        settings=settings,
        changes=tuple(
            PlannedChange(part=change.part, field=change.field, before=change.before, after=change.after)
            for change in (changes(state, settings) if state is not None else ())
        ),
        effective=effective(group, *names, account=held),
        last_launch_job_id=server.last_launch_job_id,
        **chosen,
    )


def _wave(graph: WaveGraph, wave: Wave, resolution: _Resolution) -> RunbookWave:
    groups = [resolution.memberships[name] for name in wave.groups]
    names = {
        known: server.source_server_id
        for each in groups
        for server in each.servers
        for known in (server.name, server.hostname, server.instance_id, server.source_server_id)
        if known
    }
    home = sorted({each.location for each in groups})
    excluded = [exclusion for each in groups for exclusion in each.excluded]
    checks = resolve_checks(checks_without(wave, frozenset().union(*(e.names for e in excluded))), names, home)
    resolution.complaints.extend(ResolutionError(each.code, each.message, home[0]) for each in checks.refusals)
    servers = tuple(_server(each, server, resolution) for each in groups for server in each.servers)
    needed = _needed(wave, len(servers) + len(excluded))
    if excluded and len(servers) < needed:
        resolution.complaints.append(_against_policy(wave, excluded, len(servers), needed, home[0]))
    return RunbookWave(
        wave_number=wave.wave_number,
        wave_name=wave.wave_name,
        depends_on_waves=tuple(graph.dependencies(wave.wave_number)),
        gate=wave.pause_before_wave,
        servers=servers,
        on_server_failure=wave.on_server_failure,
        min_healthy=min(len(servers), needed),
        excluded=tuple(exclusion.server for exclusion in excluded),
        max_lag=wave.max_lag or resolution.plan.max_lag,
        retry=wave.retry,
        health_checks=checks.health_checks,
        pre_wave=checks.pre_wave,
        post_wave=checks.post_wave,
    )


def _against_policy(
    wave: Wave, excluded: Sequence[Exclusion], left: int, needed: int, location: Location
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


def _needed(wave: Wave, servers: int) -> int:
    """How many of a wave's servers must be up for it to count as COMPLETED; `servers`: those left out included."""
    if wave.on_server_failure == "fail":
        return servers
    if wave.min_healthy is not None:
        return min(servers, wave.min_healthy)
    if wave.min_healthy_percent is not None:
        return math.ceil(servers * wave.min_healthy_percent / 100)
    return min(servers, 1)
