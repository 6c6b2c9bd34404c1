"""The current servers of groups, and servers that belong to two groups: read from the accounts.

In: groups, and sessions. Out: their members, and conflicts. An account-region is read at most once, and only for a
group that selects by tags. A failed read raises an error: groups that were not read never count as free of conflicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prefect_drs.aws.drs import SourceServer, describe_source_servers
from prefect_drs.aws.errors import DrsNotInitializedError
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import Fault
from prefect_drs.plan.model import ProtectionGroup
from prefect_drs.plan.read.finding import listed


@dataclass
class ServerReader:
    """Reads the source servers of account-regions, each when it is first needed.

    Args:
        open: returns the sessions; called at the first read.
    """

    open: Callable[[], Sessions]
    _read: dict[Location, tuple[SourceServer, ...]] = field(default_factory=dict, repr=False)

    def location(self, group: ProtectionGroup) -> Location:
        """The account and region of a group; by default the caller's own account.

        Raises:
            AwsError: the caller's account could not be determined.
        """
        return Location(group.account_id or self.open().caller_account_by([group.region]), group.region)

    def servers(self, location: Location) -> tuple[SourceServer, ...]:
        """All source servers of an account-region; none if DRS is not initialised.

        Raises:
            AwsError: DRS refused or could not be reached.
        """
        if location not in self._read:
            try:
                self._read[location] = describe_source_servers(self.open(), location)
            except DrsNotInitializedError:
                self._read[location] = ()
        return self._read[location]

    def matching(self, location: Location, tags: Mapping[str, str]) -> tuple[SourceServer, ...]:
        """The servers that have all of these tags; none if `tags` is empty.

        Raises:
            AwsError: as `servers`.
        """
        return tuple(server for server in self.servers(location) if tags and tags.items() <= server.tags.items())

    def members(self, group: ProtectionGroup) -> tuple[str, ...]:
        """The ids of a group's current servers. Only a group that selects by tags is read; its ids are sorted.

        Raises:
            AwsError: as `servers`.
        """
        if not group.server_selection_tags:
            return group.source_server_ids
        found = self.matching(self.location(group), group.server_selection_tags)
        return tuple(sorted(server.source_server_id for server in found))


def conflicts(
    servers: ServerReader, changed: Iterable[ProtectionGroup], every: Sequence[ProtectionGroup]
) -> Iterator[Fault]:
    """Servers that belong to a changed group and to another one, if at least one of them selects by tags.

    Args:
        servers: reads the source servers.
        changed: the groups to check.
        every: all groups; the rules of the manifest check two groups that select by ids.

    Raises:
        AwsError: an account could not be read.
    """
    compared: set[frozenset[str]] = set()
    for group in changed:
        for other in every:
            pair = frozenset({group.group_name, other.group_name})
            by_tags = group.server_selection_tags or other.server_selection_tags
            if other is group or pair in compared or not by_tags or group.region != other.region:
                continue
            if servers.location(group) != servers.location(other):
                continue
            compared.add(pair)
            if both := sorted(set(servers.members(group)) & set(servers.members(other))):
                yield Fault(
                    f"groups.{group.group_name}",
                    0,
                    "SERVER_CONFLICT",
                    f"groups {group.group_name!r} ({_selection(group)}) and {other.group_name!r} ({_selection(other)}) "
                    f"both select {listed(both)}; a server may be in one group only: change one selection or the tags",
                )


def _selection(group: ProtectionGroup) -> str:
    if not group.server_selection_tags:
        return "by ids"
    return "tags " + ", ".join(f"{key}={value}" for key, value in group.server_selection_tags.items())
