"""All accounts in all regions where DRS is set up: which places to ask, and what is told of those that do not answer.

In: accounts, regions to keep to, what `aws.fan_out` found. Out: places; the source servers of those that answered, and
the others as `Failure` (it should have answered) or `Skipped` (there is nothing to ask, and why). Where DRS is set up
is found out by asking: UninitializedAccountException says that it is not.
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
        """From the error that came instead of an answer."""
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
        """Where, for a person."""
        return f"{self.account_id}/{self.region or 'all regions'}"


class Skipped(FrozenModel):
    """What was passed by on purpose, and why; `servers` where it concerns source servers."""

    account_id: str
    region: str | None
    code: str
    reason: str
    servers: int = 0


@dataclass(frozen=True, slots=True)
class Fleet:
    """The source servers of all places that answered, and what is told of the others."""

    servers: Mapping[Location, tuple[SourceServer, ...]]
    failures: tuple[Failure, ...]
    skipped: tuple[Skipped, ...]


def accounts_to_ask(
    sessions: Sessions, known: Sequence[AccountAccess], wanted: Collection[str] = ()
) -> tuple[AccountAccess, ...]:
    """The accounts that are asked for, else all that are known, else the caller's own.

    Args:
        sessions: tell whose the caller's credentials are.
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


def places_to_ask(
    sessions: Sessions, accounts: Iterable[AccountAccess], regions: Collection[str] = ()
) -> tuple[Location, ...]:
    """Each account in each region that DRS has, as far as the account and `regions` let; the accounts take turns.

    Args:
        sessions: tell the partition of an account.
        accounts: the accounts; one that names regions keeps to them.
        regions: keep to these; empty is all.

    Raises:
        UsageError: DRS is not in one of `regions`.
    """
    for region in regions:
        if region not in (there := drs_regions(partition_of(region))):
            raise UsageError(f"DRS is not in {region}; it is in {', '.join(there)}")
    with suppress(AwsError):  # asked once, in a region whose STS answers; what is wrong otherwise, each place will say
        sessions.caller_account_by(drs_regions())
    asked = [
        [
            Location(access.account_id, region)
            for region in _regions_of(sessions, access)
            if not regions or region in regions
        ]
        for access in accounts
    ]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*asked))
    return tuple(place for place in turns if place is not None)


def _regions_of(sessions: Sessions, access: AccountAccess) -> tuple[str, ...]:
    if access.regions:
        return access.regions
    try:
        return sessions.regions(access.account_id)
    except AwsError:
        return drs_regions()  # whatever is wrong with its credentials, each place will say so


def read_fleet(sessions: Sessions, places: Sequence[Location], *, workers: int) -> Fleet:
    """All source servers of those places, several at a time.

    An account whose role AWS denies is asked no further: roles are the same in all regions.

    Args:
        sessions: the way into the accounts.
        places: where to ask.
        workers: readings at a time.
    """
    denied: dict[str, AwsError] = {}

    def read(place: Location) -> tuple[SourceServer, ...]:
        if (former := denied.get(place.account_id)) is not None:
            raise former
        try:
            return describe_source_servers(sessions, place)
        except RoleAssumptionError as error:
            if is_denied_role(error):
                denied[place.account_id] = error
            raise

    return fleet_of(fan_out(places, read, workers=workers))


def fleet_of(answers: Mapping[Location, tuple[SourceServer, ...] | AwsError]) -> Fleet:
    """Answers, failures and what is no failure, apart. Pure."""
    servers: dict[Location, tuple[SourceServer, ...]] = {}
    failed: dict[Location, AwsError] = {}
    skipped: list[Skipped] = []
    for place, answer in sorted(answers.items(), key=lambda pair: pair[0]):
        if not isinstance(answer, AwsError):
            servers[place] = answer
        elif isinstance(answer, WITHOUT_SERVERS) or answer.aws_code in _SWITCHED_OFF:
            skipped.append(_without_servers(place, answer))
        else:
            failed[place] = answer
    return Fleet(servers, failures_of(failed), tuple(skipped))


def failures_of(errors: Mapping[Location, AwsError]) -> tuple[Failure, ...]:
    """One failure an account-region; that of a denied role stands for its whole account."""
    denied = {place.account_id: error for place, error in errors.items() if is_denied_role(error)}
    whole = [Failure.of(error, account_id, None) for account_id, error in denied.items()]
    single = [Failure.of(error, *place) for place, error in errors.items() if place.account_id not in denied]
    return tuple(sorted((*whole, *single), key=lambda failure: (failure.account_id, failure.region or "")))


def is_denied_role(error: AwsError) -> bool:
    """Whether AWS said that the role may not be assumed, or is not there."""
    return isinstance(error, RoleAssumptionError) and error.aws_code.startswith("AccessDenied")


def _without_servers(place: Location, error: AwsError) -> Skipped:
    if isinstance(error, DrsNotInitializedError):
        code, reason = DrsNotInitializedError.code, "DRS is not set up there"
    else:
        code, reason = RegionNotEnabledError.code, "the region is not enabled in this account"
    return Skipped(account_id=place.account_id, region=place.region, code=code, reason=reason)
