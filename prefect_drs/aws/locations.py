"""The accounts and regions that hold source servers: which to read, and what to report where reading failed.

In: accounts, regions, and what `aws.fan_out` found. Out: locations; the source servers of those that answered, and the
others as `Failure` (it should have answered) or `Skipped` (it has no source servers, and why). Whether DRS is
initialised in a location is not known before it is read: UninitializedAccountException says that it is not.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from prefect_drs.aws.drs import SourceServer, describe_source_servers
from prefect_drs.aws.errors import DrsNotInitializedError, RegionNotEnabledError, RoleAssumptionError
from prefect_drs.aws.fan_out import WITHOUT_SERVERS, fan_out
from prefect_drs.aws.location import Location
from prefect_drs.aws.regions import drs_regions, partition_of
from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.core.errors import AwsError, UsageError
from prefect_drs.core.models import FrozenModel

_SWITCHED_OFF = frozenset({"OptInRequired", "RegionDisabledException"})


class Failure(FrozenModel):
    """An account-region that did not answer, or refused; `region` None is the whole account."""

    account_id: str
    region: str | None
    operation: str
    code: str
    message: str
    remedy: str

    @classmethod
    def of(cls, error: AwsError, account_id: str, region: str | None) -> Failure:
        """From the error of the read."""
        return cls(
            account_id=account_id,
            region=region,
            operation=str(error.details.get("operation", "")),
            code=error.code,
            message=error.message,
            remedy=str(error.details.get("remedy", "")),
        )

    @property
    def place(self) -> str:
        """Account and region, for a person."""
        return f"{self.account_id}/{self.region or 'all regions'}"


class Skipped(FrozenModel):
    """What was skipped on purpose, and why; `servers`: how many source servers that concerns."""

    account_id: str
    region: str | None
    code: str
    reason: str
    servers: int = 0


@dataclass(frozen=True, slots=True)
class Fleet:
    """The source servers of all locations that answered, and a `Failure` or `Skipped` for each of the others."""

    servers: Mapping[Location, tuple[SourceServer, ...]]
    failures: tuple[Failure, ...]
    skipped: tuple[Skipped, ...]


def accounts_to_read(
    sessions: Sessions, known: Sequence[AccountAccess], wanted: Collection[str] = ()
) -> tuple[AccountAccess, ...]:
    """The accounts that are wanted, else all that are known, else the caller's own.

    Args:
        sessions: know the account of the caller's credentials.
        known: the accounts that are saved.
        wanted: account ids; one that is not known is entered by the role by convention.

    Raises:
        UsageError: an account id has not exactly 12 digits.
        AwsError: the caller's account could not be read.
    """
    by_id = {access.account_id: access for access in known}
    if wanted:
        return tuple(by_id.get(account) or AccountAccess(account) for account in dict.fromkeys(wanted))
    return tuple(known) or (AccountAccess(sessions.caller_account_by(drs_regions())),)


def locations_to_read(
    sessions: Sessions, accounts: Iterable[AccountAccess], regions: Collection[str] = ()
) -> tuple[Location, ...]:
    """Each account in each region of DRS, limited to the account's regions and to `regions`; the accounts alternate.

    Args:
        sessions: know the partition of an account.
        accounts: the accounts; one that names regions is read in those only.
        regions: only these; empty is all.

    Raises:
        UsageError: DRS is not in one of `regions`.
    """
    for region in regions:
        if region not in (there := drs_regions(partition_of(region))):
            raise UsageError(f"DRS is not in {region}; it is in {', '.join(there)}")
    with suppress(AwsError):  # read once, in a region whose STS answers; every location reports other errors itself
        sessions.caller_account_by(drs_regions())
    by_account = [
        [
            Location(access.account_id, region)
            for region in _regions_of(sessions, access)
            if not regions or region in regions
        ]
        for access in accounts
    ]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*by_account))
    return tuple(location for location in turns if location is not None)


def _regions_of(sessions: Sessions, access: AccountAccess) -> tuple[str, ...]:
    if access.regions:
        return access.regions
    try:
        return sessions.regions(access.account_id)
    except AwsError:
        return drs_regions()  # every location reports what is wrong with the credentials


def read_fleet(sessions: Sessions, locations: Sequence[Location], *, workers: int) -> Fleet:
    """All source servers of those locations, several at a time.

    An account whose role AWS denies is not read in further regions: roles are the same in all of them.

    Args:
        sessions: the way into the accounts.
        locations: the accounts and regions.
        workers: locations read at a time.
    """
    denied: dict[str, AwsError] = {}

    def read(location: Location) -> tuple[SourceServer, ...]:
        if (former := denied.get(location.account_id)) is not None:
            raise former
        try:
            return describe_source_servers(sessions, location)
        except RoleAssumptionError as error:
            if is_denied_role(error):
                denied[location.account_id] = error
            raise

    return fleet_of(fan_out(locations, read, workers=workers))


def fleet_of(answers: Mapping[Location, tuple[SourceServer, ...] | AwsError]) -> Fleet:
    """Sorts answers, failures, and locations without source servers. Pure."""
    servers: dict[Location, tuple[SourceServer, ...]] = {}
    failed: dict[Location, AwsError] = {}
    skipped: list[Skipped] = []
    for location, answer in sorted(answers.items(), key=lambda pair: pair[0]):
        if not isinstance(answer, AwsError):
            servers[location] = answer
        elif isinstance(answer, WITHOUT_SERVERS) or answer.aws_code in _SWITCHED_OFF:
            skipped.append(_without_servers(location, answer))
        else:
            failed[location] = answer
    return Fleet(servers, failures_of(failed), tuple(skipped))


def failures_of(errors: Mapping[Location, AwsError]) -> tuple[Failure, ...]:
    """One failure a location; a denied role is one failure of its whole account."""
    denied = {location.account_id: error for location, error in errors.items() if is_denied_role(error)}
    whole = [Failure.of(error, account_id, None) for account_id, error in denied.items()]
    single = [Failure.of(error, *location) for location, error in errors.items() if location.account_id not in denied]
    return tuple(sorted((*whole, *single), key=lambda failure: (failure.account_id, failure.region or "")))


def is_denied_role(error: AwsError) -> bool:
    """Whether AWS said that the role may not be assumed, or is not there."""
    return isinstance(error, RoleAssumptionError) and error.aws_code.startswith("AccessDenied")


def _without_servers(location: Location, error: AwsError) -> Skipped:
    if isinstance(error, DrsNotInitializedError):
        code, reason = DrsNotInitializedError.code, "DRS is not set up there"
    else:
        code, reason = RegionNotEnabledError.code, "the region is not enabled in this account"
    return Skipped(account_id=location.account_id, region=location.region, code=code, reason=reason)
