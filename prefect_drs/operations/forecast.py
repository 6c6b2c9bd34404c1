"""Forecast of a plan: how long a run would take, from the accounts or from the manifest alone.

In: a manifest, the accounts where they can be read, and the launch times that former executions recorded. Out: a
`PlanForecast`: timeline, RTO, critical path, what bounds it, and notes on what the forecast does not know. Changes
nothing, prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from prefect_drs.aws.drs import JOB_LIFETIME, describe_jobs, describe_source_servers
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import configured_clock
from prefect_drs.core.errors import AwsError, UsageError
from prefect_drs.forecast import (
    Forecast,
    ServerTraits,
    SimulatedWave,
    Spread,
    spreads,
    waves_of,
    waves_of_failback,
    waves_of_manifest,
)
from prefect_drs.forecast import forecast as simulate
from prefect_drs.forecast import forecast_json as simulation_json
from prefect_drs.operations.context import configured_sessions
from prefect_drs.operations.forecast_targets import TargetForecast, target_forecasts
from prefect_drs.orchestration.storage.duration_history import recorded_here
from prefect_drs.plan.failback_steps import failback_steps
from prefect_drs.plan.model import Manifest, RecoveryPlan, Wave, label_server
from prefect_drs.recovery.launch.packing import JobUsage, Limits
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.runbook.failback.fetch import origin_of

GIB = 2**30
NAMED_AT_MOST = 8  # servers that a note lists


@dataclass(frozen=True, slots=True)
class ForecastInput:
    """What a forecast is computed from.

    Args:
        source: `accounts` or `manifest`: where the servers are from.
        waves: the waves with their servers.
        traits: operating system and disk size, by source server id, where known.
        usage: the quota usage of other jobs now, by account and region.
        unknown_groups: groups whose servers are not known.
        notes: what the forecast cannot know, a line each.
        names: Name tags by source server id, where the accounts were read.
        groups: source server ids by group.
        origins: where a failback launches each server, by source server id.
    """

    source: str
    waves: tuple[SimulatedWave, ...]
    traits: Mapping[str, ServerTraits] = field(default_factory=dict)
    usage: Mapping[str, JobUsage] = field(default_factory=dict)
    unknown_groups: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def server_ids(self) -> list[str]:
        """The servers of all waves."""
        return [server for wave in self.waves for server in wave.server_ids]


@dataclass(frozen=True, slots=True)
class SlowServer:
    """The server of a wave that is expected to take longest.

    Args:
        wave_number: its wave, on the critical path.
        source_server_id: the server.
        name: as the plan's file names it, or else its Name tag; None where neither is known.
        seconds: the median that is expected of its launch.
    """

    wave_number: int
    source_server_id: str
    name: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class PlanForecast:
    """The forecast of a plan.

    Args:
        plan: the plan.
        result: the figures.
        input: what they were computed from.
        notes: what the forecast does not know, a line each.
        slowest: the slowest server of each wave on the critical path, where its servers differ.
        failback: whether it is the forecast of a failback; the waves of `plan` are its steps then.
    """

    plan: RecoveryPlan
    result: Forecast
    input: ForecastInput
    notes: tuple[str, ...]
    slowest: tuple[SlowServer, ...] = ()
    failback: bool = False

    @property
    def targets(self) -> tuple[TargetForecast, ...]:
        """The RTO targets of the plan and of its waves beside what is expected."""
        return target_forecasts(self.plan, self.result)

    def to_json(self) -> dict[str, Any]:
        """The forecast as camelCase JSON values; times in seconds from the start."""
        data = simulation_json(self.result)
        planned = {wave.wave_number: wave for wave in self.plan.waves}
        for wave in data["waves"]:
            known = planned[wave["waveNumber"]]
            wave["waveName"] = known.wave_name
            wave["dependsOnWaves"] = list(known.depends_on_waves)
            wave["pauseBeforeWave"] = known.pause_before_wave
        return {
            "planName": self.plan.plan_name,
            "failback": self.failback,
            "serversFrom": self.input.source,
            "unknownGroups": list(self.input.unknown_groups),
            "notes": list(self.notes),
            **data,
            "targets": [target.to_json() for target in self.targets],
            "slowestServers": [
                {
                    "waveNumber": slow.wave_number,
                    "sourceServerId": slow.source_server_id,
                    "name": slow.name,
                    "expectedSeconds": round(slow.seconds, 1),
                }
                for slow in self.slowest
            ],
        }


def forecast_plan(
    manifest: Manifest,
    plan: RecoveryPlan,
    *,
    exclude: Mapping[str, str],
    offline: bool,
    samples: int,
    seed: int,
    failback: bool = False,
) -> PlanForecast:
    """Forecast a run of a plan: a drill or recovery, or its failback.

    Args:
        manifest: the manifest.
        plan: one of its plans.
        exclude: servers that are left out, server to reason; needs the accounts.
        offline: use the servers that the manifest names, and do not ask AWS.
        samples: how many runs are simulated.
        seed: of the simulation.
        failback: forecast the failback, as if every server ran where it is recovered and did not replicate back yet.

    Raises:
        UsageError: options that contradict each other, or no server of the plan is known.
    """
    if offline and exclude:
        raise UsageError("--exclude needs the accounts' names of servers: leave out --offline")
    if samples < 1:
        raise UsageError(f"Invalid --samples {samples}: use 1 or more")
    known = input_of_manifest(manifest, plan) if offline else _input_of(manifest, plan, exclude, failback=failback)
    if not any(wave.servers for wave in known.waves):
        why = "; ".join(known.notes) or "its groups are empty"
        raise UsageError(f"no server of {plan.plan_name} is known: {why}")
    if failback:
        known = replace(known, waves=waves_of_failback(plan, known.groups, known.origins, known.traits))
    recorded = recorded_here()
    result = simulate(
        known.waves, recorded=recorded, traits=known.traits, usage=known.usage, samples=samples, seed=seed
    )
    unrecorded = [s for s in known.server_ids if not any(x > 0 for x in recorded.get(s, ()))]
    labels = [label_server(s, names_of(manifest, known, s)) for s in unrecorded[:NAMED_AT_MOST]]
    slowest = _slowest(manifest, known, result, spreads(known.server_ids, recorded, known.traits))
    shown = _steps_as_waves(plan) if failback else plan
    notes = [*known.notes, *_assumptions(shown, result, labels), *(_failback_assumptions(plan) if failback else [])]
    return PlanForecast(shown, result, known, tuple(notes), tuple(slowest), failback)


def _steps_as_waves(plan: RecoveryPlan) -> RecoveryPlan:
    """The plan with the steps of its failback as its waves; RTO targets are those of its recovery."""
    steps = tuple(
        Wave(
            wave_number=step.number,
            wave_name=step.name,
            groups=step.wave.groups if step.wave else (),
            depends_on_waves=step.after,
            pause_before_wave=step.gate,
            health_checks=step.wave.health_checks if step.wave else (),
        )
        for step in failback_steps(plan)
    )
    return plan.model_copy(update={"waves": steps, "rto_target": None})


def _failback_assumptions(plan: RecoveryPlan) -> list[str]:
    notes = [
        "as if no server replicated back yet: replication counts as 10 minutes and 20 s for each GiB of the largest "
        "server, in either direction"
    ]
    if plan.failback.stop_writes or plan.failback.hand_over:
        notes.append("the hooks of failback count as taking no time")
    return notes


def names_of(manifest: Manifest, known: ForecastInput, source_server_id: str) -> tuple[str, ...]:
    """A server's names in the plan's file, or else its Name tag."""
    tag = known.names.get(source_server_id, source_server_id)
    return manifest.written_names(source_server_id) or ((tag,) if tag != source_server_id else ())


def _slowest(
    manifest: Manifest, known: ForecastInput, result: Forecast, expected: Mapping[str, Spread]
) -> Iterator[SlowServer]:
    servers = {wave.wave_number: wave.server_ids for wave in known.waves}
    for number in result.critical_path:
        medians = {server: expected[server].median for server in servers[number]}
        if len(medians) == 1 or len(set(medians.values())) > 1:
            slow = max(medians, key=lambda server: medians[server])
            yield SlowServer(number, slow, ", ".join(names_of(manifest, known, slow)) or None, medians[slow])


def input_of_manifest(manifest: Manifest, plan: RecoveryPlan, why: str = "offline") -> ForecastInput:
    """The input from the manifest alone: the servers it names; a group selected by tags counts as empty."""
    found = waves_of_manifest(manifest, plan)
    notes = [f"{why}: the servers are those that the manifest names"]
    if found.by_tags:
        notes.append(
            f"only the accounts know which servers have the tags of {', '.join(found.by_tags)}; they count as 0"
        )
    if found.unresolved:
        names = ", ".join(found.unresolved)
        notes.append(f"no binding resolves {names}: give --bindings; their servers count as 0")
    unknown = tuple(dict.fromkeys((*found.by_tags, *found.unresolved)))
    groups = {group.group_name: group.source_server_ids for group in manifest.protection_groups}
    origins = {
        server_id: f"{group.account_id or 'own account'}/{manifest.source_region or 'origin'}"
        for group in manifest.protection_groups
        for server_id in group.source_server_ids
    }
    return ForecastInput(
        "manifest", found.waves, unknown_groups=unknown, notes=tuple(notes), groups=groups, origins=origins
    )


def _input_of(manifest: Manifest, plan: RecoveryPlan, exclude: Mapping[str, str], *, failback: bool) -> ForecastInput:
    """The input from the accounts; from the manifest, with a note, if they cannot be read and nothing is excluded."""
    sessions, clock = configured_sessions(), configured_clock()
    try:
        runbook = resolve(manifest, plan, mode="drill", sessions=sessions, clock=clock, exclude=exclude)
        unread = next((finding.message for finding in runbook.findings if finding.code == "UNCHECKED"), None)
        if unread is None:
            return _input_of_accounts(runbook, sessions, failback=failback)
    except AwsError as error:
        unread = error.message
    if exclude:
        raise UsageError(
            f"--exclude needs the accounts' names of servers, and the accounts could not be read: {unread}"
        )
    return input_of_manifest(manifest, plan, f"the accounts could not be read ({unread})")


def _input_of_accounts(runbook: Runbook, sessions: Sessions, *, failback: bool) -> ForecastInput:
    refused = () if failback else runbook.refusals  # those of a drill
    notes = [f"a run would be refused now: {finding.code}: {finding.message}" for finding in refused]
    traits: dict[str, ServerTraits] = {}
    groups: dict[str, tuple[str, ...]] = {}
    every = [server for wave in runbook.waves for server in wave.servers]
    origins = {server.source_server_id: server.location for server in every}
    for server in every:
        groups[server.group] = (*groups.get(server.group, ()), server.source_server_id)
    for location in runbook.locations:
        wanted = [server.source_server_id for server in every if server.location == location]
        for found in describe_source_servers(sessions, location, wanted):
            windows = "windows" in found.os.lower() if found.os else None
            traits[found.source_server_id] = ServerTraits(found.disk_bytes / GIB or None, windows)
            origins[found.source_server_id] = origin_of(found) or location
    places: Sequence[Location] = sorted(set(origins.values())) if failback else runbook.locations
    usage, busy = _usage(sessions, places)
    names = {server.source_server_id: server.name for server in every}
    named = {server_id: str(place) for server_id, place in origins.items()}
    return ForecastInput(
        "accounts", waves_of(runbook), traits, usage, notes=(*notes, *busy), names=names, groups=groups, origins=named
    )


def _usage(sessions: Sessions, locations: Sequence[Location]) -> tuple[dict[str, JobUsage], list[str]]:
    """The quota usage of other jobs, by account and region, and what is to be said of it.

    Raises:
        AwsError: jobs could not be read.
    """
    usage: dict[str, JobUsage] = {}
    notes: list[str] = []
    limits, since = Limits(), configured_clock().now() - JOB_LIFETIME
    for location in locations:
        active = [job for job in describe_jobs(sessions, location, since=since) if job.active]
        others = JobUsage(len(active), sum(len(job.servers) for job in active))
        if others.jobs >= limits.concurrent_jobs or others.servers >= limits.servers_in_jobs:
            notes.append(f"{location}: other jobs use a whole quota now; the forecast starts when they have ended")
        elif others.jobs:
            usage[str(location)] = others
            counted = f"{others.jobs} other job(s) with {others.servers} server(s)"
            notes.append(f"{location}: {counted} count for the whole time")
    return usage, notes


def _assumptions(plan: RecoveryPlan, result: Forecast, unrecorded: Sequence[str]) -> list[str]:
    notes = []
    if by_default := result.servers - result.recorded_servers:
        more = f" and {by_default - len(unrecorded)} more" if by_default > len(unrecorded) else ""
        notes.append(
            f"{by_default} of {result.servers} servers have no recorded launch and get the default; "
            f"drills record them: {', '.join(unrecorded)}{more}"
        )
    if any(wave.health_checks or wave.pre_wave or wave.post_wave for wave in plan.waves):
        notes.append("health checks and hooks count as taking no time")
    if any(wave.pause_before_wave for wave in plan.waves):
        notes.append("a gate counts as answered within 10 minutes (median), 19 in one case of ten")
    return notes
