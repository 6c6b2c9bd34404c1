"""A wave's checks and hooks as a runbook holds them: servers by id, hooks with their place, callables that are there.

In: a plan's wave, how its servers are called and where its groups are. Out: the checks, and why an execution must be
refused. Found out before anything is launched, since a check that cannot be made would fail a wave that is up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TypeVar

from prefect_drs.aws.location import Location
from prefect_drs.plan.checks import (
    ENTRY_POINT_GROUP,
    Check,
    CheckModel,
    Hook,
    PlacedModel,
    PythonCheck,
    check_name,
    check_type,
    hook_places,
)
from prefect_drs.plan.model import Wave

C = TypeVar("C", bound=CheckModel)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a check of a wave cannot be made."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class WaveChecks:
    """A wave's checks, resolved, and what refuses the execution."""

    health_checks: tuple[Check, ...]
    pre_wave: tuple[Hook, ...]
    post_wave: tuple[Hook, ...]
    refusals: tuple[Refusal, ...]


def checks_without(wave: Wave, excluded: Collection[str]) -> Wave:
    """The wave without the servers that are left out in its health checks; a check of nobody else goes.

    Args:
        wave: as planned.
        excluded: every name that a server goes by that is left out.
    """
    kept = []
    for check in wave.health_checks:
        servers = tuple(reference for reference in check.servers if reference not in excluded)
        if servers or not check.servers:
            kept.append(check.model_copy(update={"servers": servers}))
    return wave.model_copy(update={"health_checks": tuple(kept)})


def resolve_checks(wave: Wave, servers: Mapping[str, str], home: Sequence[Location]) -> WaveChecks:
    """The checks of one wave.

    Args:
        wave: as planned.
        servers: source server id by every name that a server of the wave goes by.
        home: where the wave's groups are.
    """
    refusals = [
        Refusal(code, f"wave {wave.wave_number} ({wave.wave_name}): {message}")
        for code, message in (
            *_unknown_servers(wave, servers),
            *_hooks_without_place((*wave.pre_wave, *wave.post_wave), home),
            *_missing_callables((*wave.health_checks, *wave.pre_wave, *wave.post_wave)),
        )
    ]
    return WaveChecks(
        tuple(_with_servers(check, servers) for check in wave.health_checks),
        tuple(_placed(hook, home) for hook in wave.pre_wave),
        tuple(_placed(hook, home) for hook in wave.post_wave),
        tuple(refusals),
    )


def _with_servers(check: C, servers: Mapping[str, str]) -> C:
    ids = dict.fromkeys(servers[reference] for reference in check.servers if reference in servers)
    return check.model_copy(update={"servers": tuple(ids)})


def _placed(hook: C, home: Sequence[Location]) -> C:
    if not isinstance(hook, PlacedModel) or not home:
        return hook
    accounts, regions = hook_places(home, hook.account_id, hook.region)
    return hook.model_copy(update={"account_id": min(accounts), "region": min(regions)})


def _unknown_servers(wave: Wave, servers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for position, check in enumerate(wave.health_checks, start=1):
        name = check_name(check.name, check.type, position)
        for reference in check.servers:
            if reference not in servers:
                yield (
                    "CHECK_NAMES_NO_SERVER",
                    f"health check {name} is of server {reference!r}, which is not in the wave; correct its servers",
                )


def _hooks_without_place(hooks: Sequence[CheckModel], home: Sequence[Location]) -> Iterator[tuple[str, str]]:
    for hook in hooks:
        if not isinstance(hook, PlacedModel) or not home:
            continue
        accounts, regions = hook_places(home, hook.account_id, hook.region)
        if len(accounts) > 1 or len(regions) > 1:
            there = ", ".join(map(str, home))
            yield (
                "HOOK_WITHOUT_PLACE",
                f"hook {hook.name or check_type(hook)} could run in {there}; give it accountId and region",
            )


def _missing_callables(checks: Sequence[CheckModel]) -> Iterator[tuple[str, str]]:
    wanted = {check.entry_point for check in checks if isinstance(check, PythonCheck)}
    if not wanted:
        return
    there = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    for name in sorted(wanted - there):
        yield (
            "CHECK_NOT_INSTALLED",
            f"no package here has the entry point {name!r} in group {ENTRY_POINT_GROUP} "
            f"(there are: {', '.join(sorted(there)) or 'none'}); install it where the flow runs",
        )
