"""DRS capacity: source servers and replicating servers of an account and region, against their quotas.

In: `DescribeSourceServers` of an account-region. Out: counts, and how near they are to the quotas. Reads only.

A server that an account replicates itself counts against that account's 300; an extended one counts against the 300
of its *staging* account, and only against the 4,000 source servers of the account it is extended into (AWS DRS user
guide, "Service quotas" and "Using multiple staging accounts").
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prefect_drs.aws.drs import SourceServer, describe_source_servers
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions

NOT_REPLICATING_STATES = frozenset({"STOPPED", "DISCONNECTED"})  # all others count against the 300


class CapacityLevel(enum.StrEnum):
    """How near a quota is, the least urgent first."""

    OK = "OK"
    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota of an account and region, and the counts from which it is reported.

    Args:
        name: what it limits.
        limit: servers.
        info: servers from which the level is INFO.
        warning: servers from which it is WARNING.
        critical: servers from which it is CRITICAL.
        adjustable: whether AWS raises it on request.
    """

    name: str
    limit: int
    info: int
    warning: int
    critical: int
    adjustable: bool

    def level(self, used: int) -> CapacityLevel:
        """The level of so many servers."""
        if used >= self.critical:
            return CapacityLevel.CRITICAL
        if used >= self.warning:
            return CapacityLevel.WARNING
        return CapacityLevel.INFO if used >= self.info else CapacityLevel.OK


REPLICATING_SERVERS = Quota("replicating servers", 300, info=240, warning=250, critical=280, adjustable=False)
SOURCE_SERVERS = Quota("source servers", 4000, info=3200, warning=3600, critical=4000, adjustable=True)


def share_level(used: int, limit: int) -> CapacityLevel:
    """The level by share alone: INFO from 80 %, WARNING from 90 %, CRITICAL from 100 % of the limit."""
    if used >= limit:
        return CapacityLevel.CRITICAL
    if used * 10 >= limit * 9:
        return CapacityLevel.WARNING
    return CapacityLevel.INFO if used * 10 >= limit * 8 else CapacityLevel.OK


@dataclass(frozen=True, slots=True)
class QuotaUsage:
    """How much of a quota is used."""

    quota: Quota
    used: int

    @property
    def available(self) -> int:
        """Servers that still fit."""
        return max(0, self.quota.limit - self.used)

    @property
    def percent(self) -> float:
        """The share that is used, in percent with one decimal."""
        return round(100 * self.used / self.quota.limit, 1)

    @property
    def level(self) -> CapacityLevel:
        """How near the limit is."""
        return self.quota.level(self.used)


@dataclass(frozen=True, slots=True)
class RegionCapacity:
    """What counts against the quotas of one account-region.

    Args:
        location: the account and region.
        source_servers: all, extended ones too.
        replicating: those that this account replicates itself.
        extended: of the extended ones, how many replicate in each staging account.
        states: how many are in each replication state.
    """

    location: Location
    source_servers: int = 0
    replicating: int = 0
    extended: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, int] = field(default_factory=dict)

    @property
    def usages(self) -> tuple[QuotaUsage, QuotaUsage]:
        """The replicating servers, and the source servers, against their quotas."""
        return QuotaUsage(REPLICATING_SERVERS, self.replicating), QuotaUsage(SOURCE_SERVERS, self.source_servers)

    @property
    def extended_servers(self) -> int:
        """Replicating servers that are extended from staging accounts."""
        return sum(self.extended.values())


def staging_account_of(server: SourceServer, account_id: str) -> str | None:
    """The staging account that replicates a server of `account_id`; None where that account does it itself."""
    return server.staging_account_id if server.staging_account_id not in {None, account_id} else None


def count_capacity(location: Location, servers: Iterable[SourceServer]) -> RegionCapacity:
    """Count all source servers of an account-region. Makes no call."""
    states: Counter[str] = Counter()
    extended: Counter[str] = Counter()
    replicating = 0
    for server in servers:
        states[server.replication_state] += 1
        if server.replication_state in NOT_REPLICATING_STATES:
            continue
        if staging := staging_account_of(server, location.account_id):
            extended[staging] += 1
        else:
            replicating += 1
    return RegionCapacity(
        location=location,
        source_servers=states.total(),
        replicating=replicating,
        extended=dict(sorted(extended.items())),
        states=dict(sorted(states.items())),
    )


def read_capacity(sessions: Sessions, location: Location) -> RegionCapacity:
    """Count the source servers of an account-region; one `DescribeSourceServers` a page of servers.

    Raises:
        AwsError: DRS refused or could not be reached; `aws.fan_out.WITHOUT_SERVERS` are the kinds that mean "none".
    """
    return count_capacity(location, describe_source_servers(sessions, location))


@dataclass(frozen=True, slots=True)
class CapacityConflict:
    """A quota of an account-region that is at 80 % or beyond."""

    location: Location
    quota: Quota
    used: int
    level: CapacityLevel
    message: str


def capacity_conflicts(capacities: Iterable[RegionCapacity]) -> Iterator[CapacityConflict]:
    """The quotas that are used by 80 % or more, by `share_level`; several a location where several are."""
    for capacity in capacities:
        for usage in capacity.usages:
            level = share_level(usage.used, usage.quota.limit)
            if level is not CapacityLevel.OK:
                yield CapacityConflict(
                    capacity.location, usage.quota, usage.used, level, _told(capacity.location, usage)
                )


def _told(location: Location, usage: QuotaUsage) -> str:
    quota = usage.quota
    remedy = (
        "ask AWS for a higher quota, or recover into another account or region"
        if quota.adjustable
        else "the quota cannot be raised: replicate further servers in a staging account and extend them"
    )
    return f"{location} has {usage.used} of {quota.limit} {quota.name} ({usage.percent} %); {remedy}"
