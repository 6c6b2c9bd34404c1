"""The steps of a failback as waves: protect, stop writes, launch wave by wave, protect forward, clean up.

In: a plan and the ways back of its servers. Out: waves in an order that the engine carries out. The launches are in the
plan's `failbackWaves`, or in its waves with every dependency turned around: what was recovered last fails back first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefect_drs.aws.location import Location
from prefect_drs.plan.approval import ANY
from prefect_drs.plan.graph import WaveGraph
from prefect_drs.plan.model import LaunchSettings, RecoveryPlan, Retry, Wave
from prefect_drs.runbook.checks import resolve_checks
from prefect_drs.runbook.failback.candidates import Candidate
from prefect_drs.runbook.members import Members
from prefect_drs.runbook.model import RunbookServer, RunbookWave
from prefect_drs.runbook.preflight_input import Membership, ResolutionError
from prefect_drs.runbook.waves import names_of, servers_needed

PROTECT, CATCH_UP, FIRST_LAUNCH = 1, 2, 3
"""The numbers of the first two waves, and of the first that launches."""


@dataclass(frozen=True, slots=True)
class FailbackWaves:
    """The waves, and the errors found while they were resolved."""

    waves: tuple[RunbookWave, ...]
    errors: tuple[ResolutionError, ...]


def failback_waves(
    plan: RecoveryPlan, members: Members, candidates: Mapping[str, Candidate], *, drill: bool
) -> FailbackWaves:
    """The waves of a failback.

    Args:
        plan: the plan.
        members: its servers.
        candidates: their ways back, by source server id; servers without one are in no wave.
        drill: a rehearsal with a drill's instances: nothing is protected forward, since production still runs in the
            origin (AWS, "Performing a drill" of failback-failover-region-region).
    """
    own = bool(plan.failback_waves)
    graph = WaveGraph.of(plan.model_copy(update={"waves": plan.failback_waves}) if own else plan)
    order = graph.order if own else tuple(reversed(graph.order))
    numbers = {number: FIRST_LAUNCH + position for position, number in enumerate(order)}
    launches: list[RunbookWave] = []
    errors: list[ResolutionError] = []
    for number in order:
        before = graph.dependencies(number) if own else graph.dependents(number)
        after = tuple(sorted(numbers[each] for each in before)) or (CATCH_UP,)
        wave, wrong = _launch_wave(graph.wave(number), numbers[number], after, members, candidates, own=own)
        launches.append(wave)
        errors += wrong
    servers = tuple(server for wave in launches for server in wave.servers)
    hooks, found = _hooks(plan, [candidate.location for candidate in candidates.values()])
    lag = plan.max_lag
    steps = [
        _step(PROTECT, "Protect in the other direction", "protect", (), servers, max_lag=lag),
        _step(
            CATCH_UP,
            "Stop writes",
            "catch-up",
            (PROTECT,),
            servers,
            max_lag=lag,
            gate=True,
            approval=plan.approval,
            pre_wave=hooks["stop_writes"],
        ),
        *launches,
        *_closing(plan, launches, servers, hooks["hand_over"], drill=drill),
    ]
    return FailbackWaves(tuple(steps), (*errors, *found))


def _launch_wave(
    wave: Wave,
    number: int,
    after: tuple[int, ...],
    members: Members,
    candidates: Mapping[str, Candidate],
    *,
    own: bool,
) -> tuple[RunbookWave, tuple[ResolutionError, ...]]:
    """A wave that launches. Hooks and gates of a plan's own waves belong to its recovery, and are left out."""
    groups = [members.memberships[name] for name in wave.groups]
    servers = tuple(_server(candidate, each) for each in groups for candidate in _of(each, candidates))
    excluded = [exclusion for each in groups for exclusion in each.excluded]
    kept = wave if own else wave.model_copy(update={"pre_wave": (), "post_wave": ()})
    ids = {name: server.source_server_id for each in groups for server in each.servers for name in names_of(server)}
    locations = sorted({server.location for server in servers})
    checks = resolve_checks(kept, ids, locations, excluded={name for each in excluded for name in each.names})
    needed = servers_needed(wave, len(servers) + len(excluded))
    return RunbookWave(
        wave_number=number,
        wave_name=wave.wave_name if own else f"Fail back: {wave.wave_name}",
        depends_on_waves=after,
        gate=own and wave.pause_before_wave,
        approval=(wave.approval or ANY) if own and wave.pause_before_wave else ANY,
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


def _server(candidate: Candidate, membership: Membership) -> RunbookServer:
    server, back = candidate.server, candidate.reversed_server
    return RunbookServer(
        source_server_id=server.source_server_id,
        name=server.name,
        account_id=candidate.launch.account_id,
        region=candidate.launch.region,
        group=membership.group.group_name,
        replication_state=back.replication_state if back else "NOT_STARTED",
        lag=back.lag if back else None,
        recovery_instance_id=candidate.way_back.recovery_instance_id,
        settings=LaunchSettings(),
        changes=(),
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


def _closing(
    plan: RecoveryPlan,
    launches: Sequence[RunbookWave],
    servers: tuple[RunbookServer, ...],
    hand_over: tuple[Any, ...],
    *,
    drill: bool,
) -> list[RunbookWave]:
    """What follows the launches: a gate at which traffic is handed over, forward protection, clean-up."""
    numbers = [wave.wave_number for wave in launches]
    last = tuple(n for n in numbers if not any(n in wave.depends_on_waves for wave in launches))
    healthy = sum(wave.min_healthy or 0 for wave in launches)
    policy: dict[str, Any] = {"min_healthy": healthy, "approval": plan.approval, "gate": True}
    if healthy < len(servers):
        policy["on_server_failure"] = "continue"
    number, steps = max(numbers, default=CATCH_UP) + 1, []
    if plan.failback.protect_forward and not drill:
        name = "Hand over and protect forward"
        steps.append(_step(number, name, "reprotect", last, servers, pre_wave=hand_over, **policy))
        last, number = (number,), number + 1
    if plan.failback.clean_up != "keep":
        steps.append(_step(number, "Clean up", "clean-up", last, servers, clean_up=plan.failback.clean_up, **policy))
    return steps


def _step(
    number: int, name: str, action: str, after: tuple[int, ...], servers: tuple[RunbookServer, ...], **fields: Any
) -> RunbookWave:
    values: dict[str, Any] = {
        "wave_number": number,
        "wave_name": name,
        "depends_on_waves": after,
        "gate": False,
        "servers": servers,
        "min_healthy": len(servers),
        "action": action,
        **fields,
    }
    return RunbookWave(**values)
