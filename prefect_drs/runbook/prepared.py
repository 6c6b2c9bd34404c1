"""Which prepared instance each server is launched into: found in the accounts, all servers at once.

In: for each server the choice of the plan, or the instance that its launch configuration names. Out: the instance that
is meant, as EC2 has it, or why there is none. Reads only. What could not be read is listed, which refuses an execution.

An id and a table name the instance directly. By tag, it is the one instance of the server's account and region that
carries the tag with that value; without a value, with the value that the source server's own tag has in DRS.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from prefect_drs.aws.drs import SourceServer
from prefect_drs.aws.launch_configuration import LaunchState
from prefect_drs.aws.location import Location
from prefect_drs.aws.prepared_instances import TargetInstance, find_by_tag, read_launch_into, read_targets
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.plan.prepared import PreparedInstance
from prefect_drs.runbook.fetch.inventories import LocationInventories
from prefect_drs.runbook.members import MemberKey, Members
from prefect_drs.runbook.preflight_input import Unread
from prefect_drs.runbook.prepared_target import WORD, FoundTarget
from prefect_drs.runbook.server_settings import ServerSettings

K = TypeVar("K", bound=Hashable)


class WantedTarget(NamedTuple):
    """A server that is launched into a prepared instance, and which one."""

    location: Location
    server: SourceServer
    choice: PreparedInstance


@dataclass(frozen=True, slots=True)
class FoundTargets:
    """The prepared instances of a plan's servers, by server.

    Args:
        by_server: of every server that is launched into one.
        claims: the servers that are launched into an instance, by account and region and instance id; other servers of
            that account and region than the plan's, too.
        unread: what could not be read.
    """

    by_server: Mapping[MemberKey, FoundTarget]
    claims: Mapping[tuple[Location, str], frozenset[str]]
    unread: tuple[Unread, ...] = ()


def find_prepared(
    sessions: Sessions,
    members: Members,
    settings: Mapping[MemberKey, ServerSettings],
    states: Mapping[str, LaunchState],
    inventories: LocationInventories,
) -> FoundTargets:
    """The prepared instances of a plan's servers; no call is made where no server has one.

    Args:
        sessions: the way into the accounts.
        members: the plan's servers.
        settings: what the plan gives them.
        states: their launch states by source server id; where the plan names no instance, the account's counts.
        inventories: the other servers of the accounts and regions, which may be launched into the same instances.
    """
    wanted: dict[MemberKey, WantedTarget] = {}
    for key, _, server in members:
        choice = settings[key].planned.launch_into_instance or _configured(states.get(key.source_server_id))
        if choice is not None:
            wanted[key] = WantedTarget(members.memberships[key.group_name].location, server, choice)
    found, unread = find_targets(sessions, wanted)
    claims: dict[tuple[Location, str], set[str]] = defaultdict(set)
    for key, target in found.items():
        if target.instance_id is not None:
            claims[wanted[key].location, target.instance_id].add(key.source_server_id)
    planned = {key.source_server_id for key, _, _ in members}
    locations = {each.location for each in wanted.values()}
    others = {
        location: [s.source_server_id for s in inventory.servers if s.source_server_id not in planned]
        for location, inventory in inventories.by_location.items()
        if location in locations
    }
    claimed, unread_others = read_claims(sessions, others)
    for place, servers in claimed.items():
        claims[place] |= servers
    return FoundTargets(found, {place: frozenset(ids) for place, ids in claims.items()}, (*unread, *unread_others))


def _configured(state: LaunchState | None) -> PreparedInstance | None:
    instance_id = state.configuration.launch_into_instance_id if state is not None else None
    return PreparedInstance.model_construct(instance_id=instance_id) if instance_id else None


def with_targets(
    settings: Mapping[MemberKey, ServerSettings], targets: Mapping[MemberKey, FoundTarget]
) -> dict[MemberKey, ServerSettings]:
    """The settings with the instances that were found in place of the choices."""
    return {key: _with_target(each, targets.get(key)) for key, each in settings.items()}


def _with_target(settings: ServerSettings, found: FoundTarget | None) -> ServerSettings:
    if found is None or found.instance_id is None or settings.planned.launch_into_instance is None:
        return settings
    told = settings.effective[WORD].model_copy(update={"value": found.instance_id})
    return replace(
        settings, planned=aimed(settings.planned, found.instance_id), effective={**settings.effective, WORD: told}
    )


def aimed(settings: LaunchSettings, instance_id: str) -> LaunchSettings:
    """The settings with that instance as the prepared one."""
    return settings.model_copy(update={"launch_into_instance": PreparedInstance(instance_id=instance_id)})


def find_targets(
    sessions: Sessions, wanted: Mapping[K, WantedTarget]
) -> tuple[dict[K, FoundTarget], tuple[Unread, ...]]:
    """The instances that those choices mean, and what could not be read."""
    by_location: dict[Location, dict[K, WantedTarget]] = defaultdict(dict)
    for key, each in wanted.items():
        by_location[each.location][key] = each
    found: dict[K, FoundTarget] = {}
    unread: list[Unread] = []
    for location, there in sorted(by_location.items(), key=lambda item: item[0]):
        try:
            found |= _find_in(sessions, location, there)
        except AwsError as error:
            unread.append(Unread(location, f"{location}: prepared instances could not be read: {error.message}"))
            found |= {key: FoundTarget(each.choice, read=False) for key, each in there.items()}
    missing = {key: each.instance_id for key, each in found.items() if each.read and each.instance is None}
    for location in sorted(by_location):
        ids = {i for key, i in missing.items() if i is not None and wanted[key].location != location}
        for key in _known_in(sessions, location, ids, missing):
            found[key] = replace(found[key], elsewhere=location)
    return found, tuple(unread)


def _known_in(
    sessions: Sessions, location: Location, ids: Collection[str], missing: Mapping[K, str | None]
) -> Iterable[K]:
    """The servers whose missing instance that account and region has: a hint, so that a failed read gives none."""
    try:
        there = read_targets(sessions, location, ids) if ids else {}
    except AwsError:
        return []
    return [key for key, instance_id in missing.items() if instance_id in there]


def _find_in(sessions: Sessions, location: Location, wanted: Mapping[K, WantedTarget]) -> dict[K, FoundTarget]:
    """The instances of one account and region.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    ids = {key: _named_id(each) for key, each in wanted.items() if each.choice.tag is None}
    instances = read_targets(sessions, location, {i for i in ids.values() if i is not None})
    values: dict[str, set[str]] = defaultdict(set)
    for each in wanted.values():
        if each.choice.tag is not None and (value := _tag_value(each)) is not None:
            values[each.choice.tag].add(value)
    tagged = {tag: find_by_tag(sessions, location, tag, of_tag) for tag, of_tag in sorted(values.items())}
    found: dict[K, FoundTarget] = {}
    for key, each in wanted.items():
        choice = each.choice
        if choice.tag is not None:
            value = _tag_value(each)
            found[key] = _by_tag(choice, value, tagged[choice.tag][value] if value is not None else [])
        elif (instance_id := ids[key]) is None:
            names = ", ".join(each.server.references)
            found[key] = FoundTarget(choice, unmatched=f"the table has no instance for it (looked for {names}); add it")
        else:
            found[key] = FoundTarget(choice, instance_id, instances.get(instance_id))
    return found


def _named_id(wanted: WantedTarget) -> str | None:
    table = wanted.choice.table
    if table is None:
        return wanted.choice.instance_id
    return next((table[name] for name in wanted.server.references if name in table), None)


def _tag_value(wanted: WantedTarget) -> str | None:
    """The value that the instance's tag must have; None where the server has no such tag to compare with."""
    if wanted.choice.value is not None:
        return wanted.choice.value
    return wanted.server.tags.get(wanted.choice.tag or "") or None


def _by_tag(choice: PreparedInstance, value: str | None, found: list[TargetInstance]) -> FoundTarget:
    if value is None:
        return FoundTarget(
            choice,
            unmatched=f"the source server has no tag {choice.tag} in DRS to compare with; give it one (prefect-drs "
            "tag-sync copies those of EC2), or name the instance by id",
        )
    if not found:
        return FoundTarget(
            choice, unmatched=f"no instance there carries the tag {choice.tag}={value}; tag the prepared one"
        )
    if len(found) > 1:
        return FoundTarget(choice, matches=tuple(sorted(target.instance_id for target in found)))
    return FoundTarget(choice, found[0].instance_id, found[0])


def read_claims(
    sessions: Sessions, servers: Mapping[Location, Collection[str]]
) -> tuple[dict[tuple[Location, str], frozenset[str]], tuple[Unread, ...]]:
    """Which of those servers are launched into which instance, as their launch configurations say.

    One GetLaunchConfiguration a server: it has no batch form.
    """
    claims: dict[tuple[Location, str], set[str]] = defaultdict(set)
    unread: list[Unread] = []
    for location, ids in sorted(servers.items()):
        try:
            for server_id, instance_id in read_launch_into(sessions, location, sorted(ids)).items():
                claims[location, instance_id].add(server_id)
        except AwsError as error:
            message = f"{location}: the instances that other servers are launched into could not be read"
            unread.append(Unread(location, f"{message}: {error.message}"))
    return {place: frozenset(found) for place, found in claims.items()}, tuple(unread)
