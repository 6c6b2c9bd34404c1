"""The accounts and regions of an operation: those that a request names, or all known ones.

In: what a request names. Out: accounts, and `Location`s. A request may also name an account that is not saved, as a
plan may: its role has the conventional name.
"""

from __future__ import annotations

from collections.abc import Iterable

from prefect_drs.aws.fan_out import WITHOUT_SERVERS
from prefect_drs.aws.location import Location
from prefect_drs.aws.regions import drs_regions, partition_of
from prefect_drs.core.errors import AwsError, UsageError
from prefect_drs.core.models import FrozenModel
from prefect_drs.operations.context import Context


class RegionState(FrozenModel):
    """How an account-region answered: `OK`, or the code of the failure with its reason and remedy."""

    account_id: str
    region: str
    status: str
    message: str | None = None
    remedy: str | None = None


def region_state(location: Location, answer: object) -> RegionState:
    """How an account-region answered."""
    if not isinstance(answer, AwsError):
        return RegionState(account_id=location.account_id, region=location.region, status="OK")
    return RegionState(
        account_id=location.account_id,
        region=location.region,
        status=answer.code,
        message=answer.message,
        remedy=answer.details.get("remedy"),
    )


def has_no_servers(answer: object) -> bool:
    """Whether that answer means that there is no server, so that a count stays complete."""
    return isinstance(answer, WITHOUT_SERVERS)


def accounts_within(context: Context, account_id: str | None) -> tuple[str, ...]:
    """The given account, or all saved target accounts and the caller's own.

    Raises:
        AwsError: the caller's own account could not be read.
    """
    if account_id is not None:
        return (account_id,)
    saved = [access.account_id for access in context.sessions.accounts]
    return tuple(sorted({*saved, context.sessions.caller_account_id}))


def locations_within(
    context: Context, accounts: Iterable[str], region: str | None = None, regions: Iterable[str] = ()
) -> tuple[Location, ...]:
    """Those accounts in the given region or regions, or in all regions of each account.

    Raises:
        UsageError: DRS is not available in a given region.
    """
    named = [region] if region is not None else list(regions)
    for each in named:
        check_region(each)
    return tuple(Location(account, each) for account in accounts for each in named or context.sessions.regions(account))


def check_region(region: str) -> None:
    """Refuse a region without DRS.

    Raises:
        UsageError: DRS is not available there, or botocore knows no such region.
    """
    available = drs_regions(partition_of(region))
    if region not in available:
        raise UsageError(f"DRS is not in {region}; it is in {', '.join(available) or 'no region of that partition'}")
