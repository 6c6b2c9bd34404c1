"""A wave's checks and hooks as a runbook has them: servers by id, hooks with account and region, installed callables.

In: a plan's wave, the names of its servers, and the accounts and regions of its groups. Out: the checks, and the errors
that refuse the execution. They are found before anything is launched: a check that cannot run would fail a wave whose
servers are up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
from prefect_drs.runbook.preflight_input import ResolutionError

C = TypeVar("C", bound=CheckModel)


@dataclass(frozen=True, slots=True)
class WaveChecks:
    """A wave's checks, resolved, and the errors that refuse the execution."""

    health_checks: tuple[Check, ...]
    pre_wave: tuple[Hook, ...]
    post_wave: tuple[Hook, ...]
    errors: tuple[ResolutionError, ...]


def resolve_checks(
    wave: Wave, servers: Mapping[str, str], locations: Sequence[Location], *, excluded: Collection[str] = ()
) -> WaveChecks:
    """The checks of one wave.

    Args:
        wave: as planned.
        servers: source server id by every name of a server of the wave.
        locations: the accounts and regions of the wave's groups, sorted.
        excluded: the names of servers that a person leaves out. A health check of only such servers is left out too.
    """
    found: list[tuple[str, str]] = []
    left = _without(wave.health_checks, excluded)
    health_checks = tuple(_of_servers(left, servers, found))
    found += _missing_callables((*left, *wave.pre_wave, *wave.post_wave))
    pre_wave = tuple(_placed(hook, locations, found) for hook in wave.pre_wave)
    post_wave = tuple(_placed(hook, locations, found) for hook in wave.post_wave)
    errors = tuple(
        ResolutionError(code, f"wave {wave.wave_number} ({wave.wave_name}): {message}", locations[0])
        for code, message in found
    )
    return WaveChecks(health_checks, pre_wave, post_wave, errors)


def _without(checks: Iterable[Check], excluded: Collection[str]) -> list[Check]:
    """The checks without excluded servers; a check that named only such servers is dropped."""
    left: list[Check] = []
    for check in checks:
        servers = tuple(reference for reference in check.servers if reference not in excluded)
        if servers or not check.servers:
            left.append(check.model_copy(update={"servers": servers}))
    return left


def _of_servers(checks: Iterable[C], servers: Mapping[str, str], found: list[tuple[str, str]]) -> Iterator[C]:
    """The checks with source server ids in `servers`; names of no server go to `found`."""
    for position, check in enumerate(checks, start=1):
        name = check_name(check.name, check_type(check), position)
        found += [
            (
                "CHECK_NAMES_NO_SERVER",
                f"health check {name} is of server {reference!r}, which is not in the wave; correct its servers",
            )
            for reference in check.servers
            if reference not in servers
        ]
        ids = dict.fromkeys(servers[reference] for reference in check.servers if reference in servers)
        yield check.model_copy(update={"servers": tuple(ids)})


def _placed(hook: C, locations: Sequence[Location], found: list[tuple[str, str]]) -> C:
    """A hook that calls an AWS service, with its account and region; an ambiguous one goes to `found`."""
    if not isinstance(hook, PlacedModel) or not locations:
        return hook
    accounts, regions = hook_places(locations, hook.account_id, hook.region)
    if len(accounts) > 1 or len(regions) > 1:
        there = ", ".join(map(str, locations))
        message = f"hook {hook.name or check_type(hook)} could run in {there}; give it accountId and region"
        found.append(("HOOK_WITHOUT_PLACE", message))
    return hook.model_copy(update={"account_id": min(accounts), "region": min(regions)})


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
