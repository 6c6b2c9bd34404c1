"""The steps of a failback as waves: protect, stop writes, launch wave by wave, protect forward, clean up.

In: a plan and the ways back of its servers. Out: waves in an order that the engine carries out: those of
`plan.failback_steps`, with servers, checks and hooks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefect_drs.aws.location import Location
from prefect_drs.plan.approval import ANY
from prefect_drs.plan.failback_steps import CATCH_UP, FIRST_LAUNCH, FailbackStep, failback_steps
from prefect_drs.plan.model import LaunchSettings, RecoveryPlan, Retry, Wave
from prefect_drs.runbook.checks import resolve_checks
from prefect_drs.runbook.failback.candidates import Candidate
from prefect_drs.runbook.failback.originals import Original
from prefect_drs.runbook.members import Members
from prefect_drs.runbook.model import RunbookServer, RunbookWave
from prefect_drs.runbook.preflight_input import Membership, ResolutionError
from prefect_drs.runbook.waves import names_of, servers_needed

_NEW_INSTANCE = Original(LaunchSettings(), (), None)


@dataclass(frozen=True, slots=True)
class FailbackWaves:
    """The waves, and the errors found while they were resolved."""

    waves: tuple[RunbookWave, ...]
    errors: tuple[ResolutionError, ...]


def failback_waves(
    plan: RecoveryPlan,
    members: Members,
    candidates: Mapping[str, Candidate],
    originals: Mapping[str, Original],
    *,
    drill: bool,
) -> FailbackWaves:
    """The waves of a failback.

    Args:
        plan: the plan.
        members: its servers.
        candidates: their ways back, by source server id; servers without one are in no wave.
        originals: the instances that they are launched into, by source server id.
        drill: a rehearsal with a drill's instances: nothing is protected forward, since production still runs in the
            origin (AWS, "Performing a drill" of failback-failover-region-region).
    """
    own = bool(plan.failback_waves)
    planned = failback_steps(plan, drill=drill)
    launches: list[RunbookWave] = []
    errors: list[ResolutionError] = []
    for step in planned:
        if step.wave is not None:
            wave, wrong = _launch_wave(step, step.wave, members, candidates, originals, own=own)
            launches.append(wave)
            errors += wrong
    plain = {"settings": _NEW_INSTANCE.settings, "changes": (), "prepared": None}  # a step launches nothing
    servers = tuple(server.model_copy(update=plain) for wave in launches for server in wave.servers)
    hooks, found = _hooks(plan, [candidate.location for candidate in candidates.values()])
    launched = {wave.wave_number: wave for wave in launches}
    healthy = sum(wave.min_healthy or 0 for wave in launches)
    waves = [launched.get(step.number) or _step(step, plan, servers, hooks, healthy=healthy) for step in planned]
    return FailbackWaves(tuple(waves), (*errors, *found))


def _launch_wave(
    step: FailbackStep,
    wave: Wave,
    members: Members,
    candidates: Mapping[str, Candidate],
    originals: Mapping[str, Original],
    *,
    own: bool,
) -> tuple[RunbookWave, tuple[ResolutionError, ...]]:
    """A wave that launches. Hooks and gates of a plan's own waves belong to its recovery, and are left out."""
    groups = [members.memberships[name] for name in wave.groups]
    servers = tuple(_server(candidate, each, originals) for each in groups for candidate in _of(each, candidates))
    excluded = [exclusion for each in groups for exclusion in each.excluded]
    kept = wave if own else wave.model_copy(update={"pre_wave": (), "post_wave": ()})
    ids = {name: server.source_server_id for each in groups for server in each.servers for name in names_of(server)}
    locations = sorted({server.location for server in servers})
    checks = resolve_checks(kept, ids, locations, excluded={name for each in excluded for name in each.names})
    needed = servers_needed(wave, len(servers) + len(excluded))
    return RunbookWave(
        wave_number=step.number,
        wave_name=step.name,
        depends_on_waves=step.after,
        gate=step.gate,
        approval=(wave.approval or ANY) if step.gate else ANY,
        servers=servers,
        on_server_failure=wave.on_server_failure,
        min_healthy=min(len(servers), needed),
        excluded=tuple(exclusion.server for exclusion in excluded),
        max_lag=wave.max_lag,
        retry=Retry(attempts=wave.retry.attempts),
        health_checks=checks.health_checks,
        pre_wave=checks.pre_wave,
        post_wave=checks.post_wave,
    ), checks.errors


def _of(membership: Membership, candidates: Mapping[str, Candidate]) -> list[Candidate]:
    ids = [server.source_server_id for server in membership.servers]
    return [candidates[server_id] for server_id in ids if server_id in candidates]


def _server(candidate: Candidate, membership: Membership, originals: Mapping[str, Original]) -> RunbookServer:
    server, back = candidate.server, candidate.reversed_server
    original = originals.get(server.source_server_id, _NEW_INSTANCE)
    return RunbookServer(
        source_server_id=server.source_server_id,
        name=server.name,
        account_id=candidate.launch.account_id,
        region=candidate.launch.region,
        group=membership.group.group_name,
        replication_state=back.replication_state if back else "NOT_STARTED",
        lag=back.lag if back else None,
        recovery_instance_id=candidate.way_back.recovery_instance_id,
        settings=original.settings,
        changes=original.changes,
        prepared=original.prepared,
        last_launch_job_id=server.last_launch_job_id
        if candidate.way_back.outside_aws
        else (back.last_launch_job_id if back else None),
        way_back=candidate.way_back,
    )


def _hooks(plan: RecoveryPlan, locations: Sequence[Location]) -> tuple[dict[str, Any], list[ResolutionError]]:
    """The hooks of the plan's `failback`, in the account and region of the recovery unless they name their own."""
    hooks: dict[str, Any] = {}
    errors: list[ResolutionError] = []
    for number, name in ((CATCH_UP, "stop_writes"), (FIRST_LAUNCH, "hand_over")):
        wave = Wave(wave_number=number, wave_name=name, groups=(), pre_wave=getattr(plan.failback, name))
        checks = resolve_checks(wave, {}, sorted(set(locations)))
        hooks[name] = checks.pre_wave
        errors += checks.errors
    return hooks, errors


def _step(
    step: FailbackStep,
    plan: RecoveryPlan,
    servers: tuple[RunbookServer, ...],
    hooks: Mapping[str, tuple[Any, ...]],
    *,
    healthy: int,
) -> RunbookWave:
    """A step for all servers. Those after the launches are for the `healthy` that the launches need at least."""
    after_launches = step.action in {"reprotect", "clean-up"}
    needed = healthy if after_launches else len(servers)
    fields: dict[str, Any] = {"on_server_failure": "continue"} if needed < len(servers) else {}
    if not after_launches:
        fields["max_lag"] = plan.max_lag
    if step.action == "clean-up":
        fields["clean_up"] = plan.failback.clean_up
    return RunbookWave(
        wave_number=step.number,
        wave_name=step.name,
        depends_on_waves=step.after,
        gate=step.gate,
        approval=plan.approval if step.gate else ANY,
        servers=servers,
        min_healthy=needed,
        action=step.action,
        pre_wave={"catch-up": hooks["stop_writes"], "reprotect": hooks["hand_over"]}.get(step.action, ()),
        **fields,
    )
