"""The servers that belong to a plan's protection groups now.

In: a plan's scope, and the source servers of its accounts and regions. Out: `Members`. Pure: no call is made here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from prefect_drs.aws.drs import SourceServer
from prefect_drs.aws.location import Location
from prefect_drs.plan.model import Manifest, ProtectionGroup
from prefect_drs.runbook.exclusions import without_excluded
from prefect_drs.runbook.fetch.inventories import LocationInventories
from prefect_drs.runbook.preflight_input import Membership
from prefect_drs.runbook.scope import PlanScope


class MemberKey(NamedTuple):
    """A server in a protection group. Tags may select one server for two groups; each group gives it settings."""

    group_name: str
    source_server_id: str


@dataclass(frozen=True, slots=True)
class Members:
    """Protection groups with their servers.

    Args:
        memberships: by group name: the plan's groups, and others whose account and region was read.
        planned: the names of the plan's groups, in the order of its waves.
    """

    memberships: Mapping[str, Membership]
    planned: tuple[str, ...]

    @property
    def of_plan(self) -> tuple[Membership, ...]:
        """The plan's groups, in the order of its waves."""
        return tuple(self.memberships[name] for name in self.planned)

    @property
    def sources(self) -> dict[str, SourceServer]:
        """The servers of all groups, by source server id."""
        return {server.source_server_id: server for each in self.memberships.values() for server in each.servers}

    @property
    def ids_by_location(self) -> dict[Location, tuple[str, ...]]:
        """The ids of the plan's servers by account and region, each once."""
        found: dict[Location, dict[str, None]] = defaultdict(dict)
        for each in self.of_plan:
            found[each.location].update(dict.fromkeys(server.source_server_id for server in each.servers))
        return {location: tuple(ids) for location, ids in found.items() if ids}

    def __iter__(self) -> Iterator[tuple[MemberKey, ProtectionGroup, SourceServer]]:
        """Every server of every group of the plan."""
        for each in self.of_plan:
            for server in each.servers:
                yield MemberKey(each.group.group_name, server.source_server_id), each.group, server


def find_members(
    manifest: Manifest, scope: PlanScope, inventories: LocationInventories, exclude: Mapping[str, str]
) -> Members:
    """The servers of the groups, without those that a person leaves out.

    Args:
        manifest: with the groups.
        scope: where the groups are.
        inventories: the source servers of those accounts and regions.
        exclude: reasons by server; see `without_excluded`.

    Raises:
        UsageError: `exclude` names a server that the plan does not have, or leaves none.
    """
    memberships = {
        group.group_name: _membership(group, scope.locations[group.group_name], inventories)
        for group in manifest.protection_groups
        if group.group_name in scope.planned or scope.locations[group.group_name] in inventories.by_location
    }
    return Members(without_excluded(manifest, memberships, scope.planned, exclude), scope.planned)


def _membership(group: ProtectionGroup, location: Location, inventories: LocationInventories) -> Membership:
    """A group with the servers of its ids, or with all that carry every one of its selection tags."""
    inventory = inventories.by_location.get(location)
    if inventory is None:
        return Membership(group, location, (), read=False)
    if group.server_selection_tags:
        tags = group.server_selection_tags.items()
        # A server that replicates back has its machine's tags, too: it is launched by a failback only.
        forward = (server for server in inventory.servers if server.direction != "FAILBACK")
        return Membership(group, location, tuple(server for server in forward if tags <= server.tags.items()))
    by_id = {server.source_server_id: server for server in inventory.servers}
    return Membership(group, location, tuple(by_id[wanted] for wanted in group.source_server_ids if wanted in by_id))
