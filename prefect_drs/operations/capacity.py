"""Capacity of DRS: the operations that count servers against quotas.

In: accounts and regions. Out: counts against the quotas, by account and region. A location that could not be read is
reported, and a total without it has `complete` false.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import Field

from prefect_drs.aws.capacity import (
    REPLICATING_SERVERS,
    SOURCE_SERVERS,
    CapacityLevel,
    QuotaUsage,
    RegionCapacity,
    capacity_conflicts,
    read_capacity,
)
from prefect_drs.aws.fan_out import fan_out
from prefect_drs.aws.location import Location
from prefect_drs.core.errors import AwsError
from prefect_drs.core.models import FrozenModel
from prefect_drs.operations.context import Context
from prefect_drs.operations.models import OptionalAccountId
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.operations.scope import RegionState, accounts_within, has_no_servers, locations_within, region_state

Readings = Mapping[Location, RegionCapacity | AwsError]


class CapacityRequest(FrozenModel):
    """An account (by default all that are known, or the caller's own) and a region (by default all)."""

    account_id: OptionalAccountId = None
    region: str | None = None


class AccountRequest(FrozenModel):
    """An account; by default the caller's own, or all if the operation says so."""

    account_id: OptionalAccountId = None


class RegionRequest(FrozenModel):
    """A region."""

    region: str


class AccountRegionRequest(FrozenModel):
    """A region of an account; by default of the caller's own."""

    account_id: OptionalAccountId = None
    region: str


class QuotaUse(FrozenModel):
    """Servers against a quota."""

    used: int
    limit: int
    available: int
    percent_used: float
    level: CapacityLevel


class RegionCapacityAnswer(RegionState):
    """An account-region: how it answered, and its counts; null if they could not be read."""

    level: CapacityLevel | None
    replicating_servers: QuotaUse | None = None
    source_servers: QuotaUse | None = None
    extended_servers: int | None = None
    staging_accounts: dict[str, int] = Field(default_factory=dict)
    replication_states: dict[str, int] = Field(default_factory=dict)


class CapacityAnswer(FrozenModel):
    """Several account-regions; those without servers and without errors are left out of `regions`.

    `level` is the highest one; `complete` is false if a location could not be read.
    """

    level: CapacityLevel
    complete: bool
    source_servers: int
    replicating_servers: int
    regions: tuple[RegionCapacityAnswer, ...]


class CombinedRegion(FrozenModel):
    """A region of a target account together with its staging accounts.

    `replicating_servers`: of all these accounts, against the sum of their 300s; `source_servers`: of the target
    account alone, whose 4,000 hold the extended ones too.
    """

    region: str
    replicating_servers: QuotaUse
    source_servers: QuotaUse
    accounts: tuple[RegionCapacityAnswer, ...]


class CombinedAccount(FrozenModel):
    """A target account with its staging accounts, region by region."""

    account_id: str
    staging_account_ids: tuple[str, ...]
    complete: bool
    level: CapacityLevel
    regions: tuple[CombinedRegion, ...]


class CombinedCapacity(FrozenModel):
    """Target accounts with their staging accounts."""

    accounts: tuple[CombinedAccount, ...]


class Conflict(FrozenModel):
    """A quota that is used by 80 % or more: INFO, WARNING from 90 %, CRITICAL from 100 %."""

    severity: CapacityLevel
    account_id: str
    region: str
    quota: str
    used: int
    limit: int
    percent_used: float
    message: str


class Conflicts(FrozenModel):
    """The conflicts, the highest level first, and the locations that could not be checked."""

    conflicts: tuple[Conflict, ...]
    unchecked: tuple[RegionState, ...]


# ---- operations --------------------------------------------------------------------------------------------------


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def get_drs_account_capacity(context: Context, request: AccountRegionRequest) -> RegionCapacityAnswer:
    """Count servers against the quotas of DRS in one account and region.

    Raises:
        AwsError: it could not be read; that DRS is not initialised or the region not enabled is an answer.
    """
    account_id = request.account_id or context.sessions.caller_account_id
    ((location, answer),) = _read(context, locations_within(context, [account_id], request.region)).items()
    if isinstance(answer, AwsError) and not has_no_servers(answer):
        raise answer
    return region_capacity(location, answer)


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def get_drs_account_capacity_all_regions(context: Context, request: AccountRequest) -> CapacityAnswer:
    """Count servers against the quotas of DRS in all regions of one account."""
    account_id = request.account_id or context.sessions.caller_account_id
    return _capacity(_read(context, locations_within(context, [account_id])))


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def get_drs_regional_capacity(context: Context, request: RegionRequest) -> CapacityAnswer:
    """Count servers against the quotas of DRS in one region of all known accounts.

    Staging accounts are included.
    """
    accounts = accounts_within(context, None)
    staging = [way.account_id for access in context.sessions.accounts for way in access.staging_accounts]
    locations = locations_within(context, sorted({*accounts, *staging}), request.region)
    return _capacity(_read(context, locations))


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def get_combined_capacity(context: Context, request: AccountRequest) -> CombinedCapacity:
    """Count servers of target accounts together with their staging accounts, by region.

    Of a staging account that could not be read, only the servers that it replicates for the target are counted.
    """
    saved = {access.account_id: access for access in context.sessions.accounts}
    found = []
    for account_id in accounts_within(context, request.account_id):
        access = saved.get(account_id)
        staging = tuple(way.account_id for way in access.staging_accounts) if access else ()
        regions = context.sessions.regions(account_id)
        readings = _read(context, locations_within(context, [account_id, *staging], regions=regions))
        found.append(_combined(account_id, staging, readings))
    return CombinedCapacity(accounts=tuple(found))


@operation(kind=OperationKind.QUERY, permission="view_accounts")
def get_drs_capacity_conflicts(context: Context, request: CapacityRequest) -> Conflicts:
    """List quotas of DRS that are used by 80 % or more, and what could not be checked."""
    readings = _read(context, locations_within(context, accounts_within(context, request.account_id), request.region))
    conflicts = [
        Conflict(
            severity=conflict.level,
            account_id=conflict.location.account_id,
            region=conflict.location.region,
            quota=conflict.quota.name,
            used=conflict.used,
            limit=conflict.quota.limit,
            percent_used=QuotaUsage(conflict.quota, conflict.used).percent,
            message=conflict.message,
        )
        for conflict in capacity_conflicts(_known(readings))
    ]
    order = list(CapacityLevel)
    return Conflicts(
        conflicts=tuple(sorted(conflicts, key=lambda one: (-order.index(one.severity), one.account_id, one.region))),
        unchecked=tuple(region_state(location, answer) for location, answer in readings.items() if _unknown(answer)),
    )


# ---- making answers ----------------------------------------------------------------------------------------------


def _read(context: Context, locations: Iterable[Location]) -> Readings:
    return fan_out(
        locations, lambda location: read_capacity(context.sessions, location), workers=context.sessions.workers
    )


def _known(readings: Readings) -> list[RegionCapacity]:
    return [answer for answer in readings.values() if isinstance(answer, RegionCapacity)]


def _unknown(answer: RegionCapacity | AwsError) -> bool:
    return isinstance(answer, AwsError) and not has_no_servers(answer)


def _reportable(answer: RegionCapacity | AwsError) -> bool:
    """Whether a location is worth reporting: it has servers, or could not be read."""
    return answer.source_servers > 0 if isinstance(answer, RegionCapacity) else _unknown(answer)


def _highest(levels: Iterable[CapacityLevel]) -> CapacityLevel:
    return max(levels, key=list(CapacityLevel).index, default=CapacityLevel.OK)


def _level(capacities: Iterable[RegionCapacity]) -> CapacityLevel:
    return _highest(usage.level for capacity in capacities for usage in capacity.usages)


def _capacity(readings: Readings) -> CapacityAnswer:
    known = _known(readings)
    return CapacityAnswer(
        level=_level(known),
        complete=not any(map(_unknown, readings.values())),
        source_servers=sum(capacity.source_servers for capacity in known),
        replicating_servers=sum(capacity.replicating for capacity in known),
        regions=tuple(region_capacity(where, answer) for where, answer in readings.items() if _reportable(answer)),
    )


def region_capacity(location: Location, answer: RegionCapacity | AwsError) -> RegionCapacityAnswer:
    """The answer for one account-region."""
    state = region_state(location, answer).model_dump()
    if _unknown(answer):
        return RegionCapacityAnswer(**state, level=None)
    capacity = answer if isinstance(answer, RegionCapacity) else RegionCapacity(location)
    replicating, source = capacity.usages
    return RegionCapacityAnswer(
        **state,
        level=_level([capacity]),
        replicating_servers=_use(replicating),
        source_servers=_use(source),
        extended_servers=capacity.extended_servers,
        staging_accounts=dict(capacity.extended),
        replication_states=dict(capacity.states),
    )


def _use(usage: QuotaUsage) -> QuotaUse:
    return QuotaUse(
        used=usage.used,
        limit=usage.quota.limit,
        available=usage.available,
        percent_used=usage.percent,
        level=usage.level,
    )


def _combined(account_id: str, staging: tuple[str, ...], readings: Readings) -> CombinedAccount:
    regions = []
    for region in dict.fromkeys(location.region for location in readings):
        here = {account: readings[Location(account, region)] for account in (account_id, *staging)}
        if any(map(_reportable, here.values())):
            regions.append(_combined_region(Location(account_id, region), here))
    return CombinedAccount(
        account_id=account_id,
        staging_account_ids=staging,
        complete=not any(map(_unknown, readings.values())),
        level=_highest(use.level for one in regions for use in (one.replicating_servers, one.source_servers)),
        regions=tuple(regions),
    )


def _combined_region(target: Location, here: Mapping[str, RegionCapacity | AwsError]) -> CombinedRegion:
    own = here[target.account_id]
    capacity = own if isinstance(own, RegionCapacity) else RegionCapacity(target)
    uses = {
        account: QuotaUsage(
            REPLICATING_SERVERS,
            answer.replicating if isinstance(answer, RegionCapacity) else capacity.extended.get(account, 0),
        )
        for account, answer in here.items()
        if not has_no_servers(answer)
    }
    used, limit = sum(use.used for use in uses.values()), REPLICATING_SERVERS.limit * len(uses)
    return CombinedRegion(
        region=target.region,
        replicating_servers=QuotaUse(
            used=used,
            limit=limit,
            available=sum(use.available for account, use in uses.items() if not _unknown(here[account])),
            percent_used=round(100 * used / limit, 1),
            level=_highest(use.level for use in uses.values()),  # accounts share no quota
        ),
        source_servers=_use(QuotaUsage(SOURCE_SERVERS, capacity.source_servers)),
        accounts=tuple(region_capacity(Location(account, target.region), answer) for account, answer in here.items()),
    )
