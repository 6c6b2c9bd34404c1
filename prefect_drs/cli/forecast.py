"""`forecast`: how long a plan would take, told before it begins.

In: a manifest, the accounts where they can be read, and what former executions recorded. Out: timeline, RTO, critical
path and what bounds it, on stdout; what the forecast does not know, on stderr. Nothing is changed anywhere.
"""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from prefect_drs.cli.manifests import Strict, read_manifest
from prefect_drs.cli.output import say_json, tell
from prefect_drs.core.errors import AwsError, UsageError

if TYPE_CHECKING:
    from prefect_drs.aws.sessions import Sessions
    from prefect_drs.forecast import ServerTraits, SimulatedWave
    from prefect_drs.plan.model import Manifest, RecoveryPlan
    from prefect_drs.recovery.launch.packing import JobUsage
    from prefect_drs.runbook import Runbook

GIB = 2**30


@dataclass(frozen=True, slots=True)
class ForecastSource:
    """What a forecast goes by.

    Args:
        source: `accounts` or `manifest`: where the servers are from.
        waves: the waves with their servers.
        traits: operating system and disk size, by source server id, where known.
        usage: what others' jobs hold now, by account and region.
        unknown_groups: groups whose servers are not known.
        notes: what the forecast cannot know, a line each.
    """

    source: str
    waves: tuple[SimulatedWave, ...]
    traits: Mapping[str, ServerTraits] = field(default_factory=dict)
    usage: Mapping[str, JobUsage] = field(default_factory=dict)
    unknown_groups: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def forecast(
    file: Path,
    /,
    *,
    plan: str | None = None,
    bindings: Path | None = None,
    exclude: Annotated[list[str] | None, Parameter(negative="")] = None,
    offline: Annotated[bool, Parameter(negative="")] = False,
    samples: int = 100,
    seed: int = 1,
    strict: Strict = False,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")] = False,
) -> None:
    """Tell the expected timeline, the RTO (P50 and P90), the critical path and what bounds it. Changes nothing.

    Parameters
    ----------
    file
        A manifest, JSON or YAML; `estate:` is what is stored.
    plan
        The plan's name; may be left out where the manifest has one.
    bindings
        File that maps the manifest's names to real ids.
    exclude
        SERVER=REASON: a server that is left out; repeatable. Needs the accounts.
    offline
        Do not ask AWS: go by the servers that the manifest names. Groups selected by tags count as empty.
    samples
        How many courses are played; 100 give the median to about 1 %.
    seed
        The same seed and the same knowledge give the same forecast.
    strict
        Warnings about the plan are faults.
    json
        Print the forecast as JSON.
    """
    from prefect_drs.cli.console import console
    from prefect_drs.cli.forecast_view import forecast_view
    from prefect_drs.forecast import forecast as play
    from prefect_drs.forecast import forecast_json
    from prefect_drs.orchestration.storage.duration_history import recorded_here
    from prefect_drs.runbook.exclusions import parse_exclusions

    left_out = parse_exclusions(exclude)
    if offline and left_out:
        raise UsageError("--exclude goes by what the accounts call servers: leave out --offline")
    if samples < 1:
        raise UsageError(f"--samples {samples}: a forecast needs at least one")
    manifest = read_manifest(file, bindings, plan=plan, strict=strict, rehearsal=offline)
    chosen = manifest.plan(plan)
    estate = estate_of_manifest(manifest, chosen) if offline else _estate(manifest, chosen, left_out)
    if not any(wave.servers for wave in estate.waves):
        why = "; ".join(estate.notes) or "its groups are empty"
        raise UsageError(f"no server of {chosen.plan_name} is known: {why}")
    result = play(
        estate.waves,
        recorded=recorded_here(),
        traits=estate.traits,
        usage=estate.usage,
        samples=samples,
        seed=seed,
    )
    notes = (*estate.notes, *_notes(chosen, result.servers - result.recorded_servers, result.servers))
    if json:
        say_json(jsonlib.dumps(_as_json(forecast_json(result), chosen, estate, notes), indent=2, ensure_ascii=False))
    else:
        console().print(forecast_view(result, chosen))
        sys.stdout.flush()
        for note in notes:
            tell(f"note: {note}")


def _as_json(
    data: dict[str, Any], plan: RecoveryPlan, estate: ForecastSource, notes: tuple[str, ...]
) -> dict[str, Any]:
    known = {wave.wave_number: wave for wave in plan.waves}
    for wave in data["waves"]:
        planned = known[wave["waveNumber"]]
        wave["waveName"] = planned.wave_name
        wave["dependsOnWaves"] = list(planned.depends_on_waves)
        wave["pauseBeforeWave"] = planned.pause_before_wave
    return {
        "planName": plan.plan_name,
        "serversFrom": estate.source,
        "unknownGroups": list(estate.unknown_groups),
        "notes": list(notes),
        **data,
    }


def _notes(plan: RecoveryPlan, by_default: int, servers: int) -> list[str]:
    notes = []
    if by_default:
        notes.append(f"{by_default} of {servers} servers were never recorded and go by the default; drills record them")
    if any(wave.health_checks or wave.pre_wave or wave.post_wave for wave in plan.waves):
        notes.append("health checks and hooks count as taking no time")
    if any(wave.pause_before_wave for wave in plan.waves):
        notes.append("a gate counts as answered within 10 minutes (median), 19 in one case of ten")
    return notes


def _estate(manifest: Manifest, plan: RecoveryPlan, exclude: Mapping[str, str]) -> ForecastSource:
    """From the accounts; from the manifest, with a word, where they cannot be read and nobody is left out."""
    from prefect_drs.cli.run import _sessions
    from prefect_drs.core.clock import configured_clock
    from prefect_drs.runbook import resolve

    sessions, clock = _sessions(), configured_clock()
    try:
        runbook = resolve(manifest, plan, mode="drill", sessions=sessions, clock=clock, exclude=exclude)
        unread = next((finding.message for finding in runbook.findings if finding.code == "UNCHECKED"), None)
        if unread is None:
            return _estate_of_accounts(runbook, sessions)
    except AwsError as error:
        unread = error.message
    if exclude:
        raise UsageError(f"--exclude goes by what the accounts call servers, and they could not be read: {unread}")
    return estate_of_manifest(manifest, plan, f"the accounts could not be read ({unread})")


def _estate_of_accounts(runbook: Runbook, sessions: Sessions) -> ForecastSource:
    from prefect_drs.aws.drs import JOB_LIFETIME, describe_jobs, describe_source_servers
    from prefect_drs.core.clock import configured_clock
    from prefect_drs.forecast import ServerTraits, waves_of
    from prefect_drs.recovery.launch.packing import JobUsage, Limits

    notes = [f"a run would be refused now: {finding.code}: {finding.message}" for finding in runbook.refusals]
    traits: dict[str, ServerTraits] = {}
    usage: dict[str, JobUsage] = {}
    limits, since = Limits(), configured_clock().now() - JOB_LIFETIME
    for location in runbook.locations:
        wanted = [s.source_server_id for wave in runbook.waves for s in wave.servers if s.location == location]
        for server in describe_source_servers(sessions, location, wanted):
            windows = "windows" in server.os.lower() if server.os else None
            traits[server.source_server_id] = ServerTraits(server.disk_bytes / GIB or None, windows)
        active = [job for job in describe_jobs(sessions, location, since=since) if job.active]
        held = JobUsage(len(active), sum(len(job.servers) for job in active))
        if held.jobs >= limits.concurrent_jobs or held.servers >= limits.servers_in_jobs:
            notes.append(f"{location}: other jobs hold a whole quota now; the forecast begins when they have ended")
        elif held.jobs:
            usage[str(location)] = held
            notes.append(f"{location}: {held.jobs} other job(s) with {held.servers} server(s) count for the whole time")
    return ForecastSource("accounts", waves_of(runbook), traits, usage, notes=tuple(notes))


def estate_of_manifest(manifest: Manifest, plan: RecoveryPlan, why: str = "offline") -> ForecastSource:
    """What the manifest alone tells: the servers it names; a group selected by tags counts as empty."""
    from prefect_drs.forecast import waves_of_manifest

    told = waves_of_manifest(manifest, plan)
    notes = [f"{why}: the servers are those that the manifest names"]
    if told.by_tags:
        carry = f"which servers carry the tags of {', '.join(told.by_tags)} only the accounts know"
        notes.append(f"{carry}; they count as none")
    if told.unresolved:
        notes.append(f"nothing resolves {', '.join(told.unresolved)}: give --bindings; their servers count as none")
    unknown = tuple(dict.fromkeys((*told.by_tags, *told.unresolved)))
    return ForecastSource("manifest", told.waves, unknown_groups=unknown, notes=tuple(notes))
