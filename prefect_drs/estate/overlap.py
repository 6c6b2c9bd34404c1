"""Which servers belong to a group today, and groups that hold the same one: what only the accounts can tell.

In: groups, and the way into the accounts. Out: their members, and conflicts. An account-region is read once, and only
where a group by tags is concerned. What cannot be read raises; nothing is taken for free of conflicts unread.
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
class Readings:
    """The source servers of each account-region, read when they are first asked for.

    Args:
        open: gives the way into the accounts; called when it is first needed.
    """

    open: Callable[[], Sessions]
    _read: dict[Location, tuple[SourceServer, ...]] = field(default_factory=dict, repr=False)

    def location(self, group: ProtectionGroup) -> Location:
        """Where a group is; its account may be the caller's own.

        Raises:
            AwsError: that one could not be told.
        """
        return Location(group.account_id or self.open().caller_account_by([group.region]), group.region)

    def servers(self, location: Location) -> tuple[SourceServer, ...]:
        """All source servers there; none where DRS was never initialised.

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
        """The servers there that carry all of these tags; none where there are no tags.

        Raises:
            AwsError: as `servers`.
        """
        return tuple(server for server in self.servers(location) if tags and tags.items() <= server.tags.items())

    def members(self, group: ProtectionGroup) -> tuple[str, ...]:
        """The ids of the servers that belong to a group now. Only a group by tags asks its account; its ids are sorted.

        Raises:
            AwsError: as `servers`.
        """
        if not group.server_selection_tags:
            return group.source_server_ids
        found = self.matching(self.location(group), group.server_selection_tags)
        return tuple(sorted(server.source_server_id for server in found))


def conflicts(
    readings: Readings, changed: Iterable[ProtectionGroup], every: Sequence[ProtectionGroup]
) -> Iterator[Fault]:
    """Servers that a changed group and another one both hold today, where one of the two goes by tags.

    Args:
        readings: the way to the servers.
        changed: the groups to look at.
        every: all groups; two by ids are left to the rules of the manifest.

    Raises:
        AwsError: an account could not be read.
    """
    told: set[frozenset[str]] = set()
    for group in changed:
        for other in every:
            pair = frozenset({group.group_name, other.group_name})
            by_tags = group.server_selection_tags or other.server_selection_tags
            if other is group or pair in told or not by_tags or group.region != other.region:
                continue
            if readings.location(group) != readings.location(other):
                continue
            told.add(pair)
            if both := sorted(set(readings.members(group)) & set(readings.members(other))):
                yield Fault(
                    f"groups.{group.group_name}",
                    0,
                    "SERVER_CONFLICT",
                    f"groups {group.group_name!r} ({_selection(group)}) and {other.group_name!r} ({_selection(other)}) "
                    f"both hold {listed(both)} today; a server is in one group: change one selection or the tags",
                )


def _selection(group: ProtectionGroup) -> str:
    if not group.server_selection_tags:
        return "by ids"
    return "tags " + ", ".join(f"{key}={value}" for key, value in group.server_selection_tags.items())
