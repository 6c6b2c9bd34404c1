"""The resolved form of a plan: exactly which servers, which settings change from what to what, which jobs and gates.

In: a Manifest's plan and what the accounts hold now (read through `prefect_drs.aws`). Out: a `Runbook`, plain data
that serialises to JSON; a dry run prints it, an execution carries it out, two of them can be compared. Reading changes
nothing in any account, and what could not be checked is a finding that refuses the execution, never a silence.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefect_drs.aws.drs import JOB_LIFETIME, Job, SourceServer, describe_jobs, describe_source_servers
from prefect_drs.aws.launch_configuration import changes, read_launch_states
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.clock import Clock
from prefect_drs.errors import AwsError, UsageError
from prefect_drs.graph import WaveGraph
from prefect_drs.plan.model import (
    LaunchSettings,
    Manifest,
    ProtectionGroup,
    RecoveryMode,
    RecoveryPlan,
    Wave,
)
from prefect_drs.runbook.checks import resolve_checks
from prefect_drs.runbook.model import Change, Finding, FindingSeverity, Runbook, RunbookServer, RunbookWave, refuse
from prefect_drs.runbook.points import LATEST, Asked, Choice, Points, choose, misnamed
from prefect_drs.runbook.preflight import Situation, preflight
from prefect_drs.runbook.waivers import waived


@dataclass(slots=True)
class _LocationReading:
    """What one account-region holds, as far as the plan needs it."""

    servers: tuple[SourceServer, ...] = ()
    jobs: tuple[Job, ...] = ()
    failure: AwsError | None = None


def resolve(
    manifest: Manifest,
    plan: RecoveryPlan,
    *,
    mode: RecoveryMode,
    sessions: Sessions,
    clock: Clock,
    points: Points = LATEST,
    waivers: Mapping[str, str] | None = None,
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

    Raises:
        UsageError: the point in time that was asked for is still to come.
        AwsError: the caller's own identity could not be read. What fails in one account or region is a finding.
    """
    graph = WaveGraph.of(plan)
    groups = {name: manifest.group(name) for wave in plan.waves for name in wave.groups}
    own = sessions.caller_account_by(group.region for group in groups.values())
    at = {name: Location(group.account_id or own, group.region) for name, group in groups.items()}
    findings: list[Finding] = []
    readings = {location: _read(sessions, location, clock, findings) for location in sorted(set(at.values()))}
    members = {name: _members(group, at[name], readings[at[name]], findings) for name, group in groups.items()}
    changed = _changes(sessions, groups, at, members, findings)
    chosen = _choices(sessions, points, at, members, clock, findings)
    waves = tuple(
        _wave(graph, wave, groups, at, members, changed, chosen, findings)
        for wave in (graph.wave(number) for number in graph.order)
    )
    jobs = {location: reading.jobs for location, reading in readings.items()}
    findings.extend(preflight(Situation(waves, jobs, mode, sessions)))
    return Runbook(
        plan_name=plan.plan_name,
        mode=mode,
        waves=waves,
        findings=waived(findings, waivers or {}),
        notify=plan.notify,
    )


def _read(sessions: Sessions, location: Location, clock: Clock, findings: list[Finding]) -> _LocationReading:
    try:
        return _LocationReading(
            servers=describe_source_servers(sessions, location),
            jobs=describe_jobs(sessions, location, since=clock.now() - JOB_LIFETIME),
        )
    except AwsError as error:
        findings.append(refuse("UNCHECKED", f"{location}: {error.message}", location))
        return _LocationReading(failure=error)


def _members(
    group: ProtectionGroup, location: Location, reading: _LocationReading, findings: list[Finding]
) -> tuple[SourceServer, ...]:
    """Who belongs to the group now: the named ids, or all that carry every selection tag."""
    if reading.failure is not None:
        return ()
    if group.server_selection_tags:
        wanted = group.server_selection_tags.items()
        members = tuple(server for server in reading.servers if wanted <= server.tags.items())
        if not members:
            tags = ", ".join(f"{key}={value}" for key, value in wanted)
            findings.append(
                refuse(
                    "NO_SERVER_MATCHES",
                    f"group {group.group_name}: no source server in {location} carries {tags}; "
                    "tag them in DRS (or run tag sync), or change serverSelectionTags",
                    location,
                )
            )
        return members
    by_id = {server.source_server_id: server for server in reading.servers}
    for missing in (wanted for wanted in group.source_server_ids if wanted not in by_id):
        findings.append(
            refuse(
                "SERVER_NOT_FOUND",
                f"group {group.group_name}: DRS has no source server {missing} in {location} "
                f"({len(by_id)} there); check its id, account and region",
                location,
                missing,
            )
        )
    return tuple(by_id[wanted] for wanted in group.source_server_ids if wanted in by_id)


def _settings(group: ProtectionGroup, server: SourceServer) -> LaunchSettings:
    names = (server.source_server_id, server.instance_id, server.tags.get("Name"))
    return group.settings_for(*(name for name in names if name))


def _changes(
    sessions: Sessions,
    groups: Mapping[str, ProtectionGroup],
    at: Mapping[str, Location],
    members: Mapping[str, Sequence[SourceServer]],
    findings: list[Finding],
) -> dict[str, tuple[Change, ...]]:
    """Each server's settings that differ from what its account holds, by source server id."""
    wanted: dict[Location, dict[str, LaunchSettings]] = defaultdict(dict)
    for name, group in groups.items():
        for server in members[name]:
            wanted[at[name]][server.source_server_id] = _settings(group, server)
    found: dict[str, tuple[Change, ...]] = {}
    for location, settings in sorted(wanted.items()):
        try:
            states = read_launch_states(sessions, location.account_id, location.region, tuple(settings))
        except AwsError as error:
            findings.append(refuse("UNCHECKED", f"{location}: {error.message}", location))
            continue
        for unread in sorted(settings.keys() - states.keys()):
            told = f"{location}: the launch configuration of {unread} could not be read; check that DRS has it"
            findings.append(refuse("UNCHECKED", told, location, unread))
        for server_id, state in states.items():
            found[server_id] = tuple(
                Change(part=change.part, field=change.field, before=change.before, after=change.after)
                for change in changes(state, settings[server_id])
            )
    return found


def _choices(
    sessions: Sessions,
    points: Points,
    at: Mapping[str, Location],
    members: Mapping[str, Sequence[SourceServer]],
    clock: Clock,
    findings: list[Finding],
) -> dict[str, Choice]:
    """What each server is launched from, by source server id; without an entry, its latest state."""
    if points.at is not None and points.at > clock.now():
        raise UsageError(
            f"--at {points.at:%Y-%m-%dT%H:%M:%SZ} is still to come; it is {clock.now():%Y-%m-%dT%H:%M:%SZ}"
        )
    asked = {
        server.source_server_id: Asked(
            server.source_server_id,
            at[name],
            f"{server.name} ({server.source_server_id}) in {at[name]}",
            frozenset(filter(None, (server.source_server_id, server.name, server.hostname, server.instance_id))),
        )
        for name, group in members.items()
        for server in group
    }
    findings.extend(
        Finding(code="SNAPSHOT_NAMES_NO_SERVER", severity=FindingSeverity.REFUSES, message=message)
        for message in misnamed(points, asked.values())
    )
    chosen = choose(sessions, asked.values(), points)
    findings.extend(
        refuse(choice.code, choice.message, asked[server_id].location, server_id)
        for server_id, choice in chosen.items()
        if choice.snapshot is None
    )
    return chosen


def _snapshot(choice: Choice | None) -> dict[str, Any]:
    if choice is None or choice.snapshot is None:
        return {}
    return {"snapshot_id": choice.snapshot.snapshot_id, "snapshot_at": choice.snapshot.at}


def _wave(
    graph: WaveGraph,
    wave: Wave,
    groups: Mapping[str, ProtectionGroup],
    at: Mapping[str, Location],
    members: Mapping[str, Sequence[SourceServer]],
    changed: Mapping[str, tuple[Change, ...]],
    chosen: Mapping[str, Choice],
    findings: list[Finding],
) -> RunbookWave:
    names = {
        known: server.source_server_id
        for group in wave.groups
        for server in members[group]
        for known in (server.name, server.hostname, server.instance_id, server.source_server_id)
        if known
    }
    home = sorted({at[group] for group in wave.groups})
    checks = resolve_checks(wave, names, home)
    findings.extend(refuse(refusal.code, refusal.message, home[0]) for refusal in checks.refusals)
    return RunbookWave(
        wave_number=wave.wave_number,
        wave_name=wave.wave_name,
        depends_on_waves=tuple(graph.dependencies(wave.wave_number)),
        gate=wave.pause_before_wave,
        servers=tuple(
            RunbookServer(
                source_server_id=server.source_server_id,
                name=server.name,
                account_id=at[name].account_id,
                region=at[name].region,
                group=name,
                replication_state=server.replication_state,
                lag=server.lag,
                recovery_instance_id=server.recovery_instance_id,
                settings=_settings(groups[name], server),
                changes=changed.get(server.source_server_id, ()),
                **_snapshot(chosen.get(server.source_server_id)),
            )
            for name in wave.groups
            for server in members[name]
        ),
        on_server_failure=wave.on_server_failure,
        min_healthy=_needed(wave, sum(len(members[name]) for name in wave.groups)),
        retry=wave.retry,
        health_checks=checks.health_checks,
        pre_wave=checks.pre_wave,
        post_wave=checks.post_wave,
    )


def _needed(wave: Wave, servers: int) -> int:
    """How many of a wave's servers must be up for it to count as COMPLETED."""
    if wave.on_server_failure == "fail":
        return servers
    if wave.min_healthy is not None:
        return min(servers, wave.min_healthy)
    if wave.min_healthy_percent is not None:
        return math.ceil(servers * wave.min_healthy_percent / 100)
    return min(servers, 1)
