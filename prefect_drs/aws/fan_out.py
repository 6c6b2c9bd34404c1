"""One read in many accounts and regions in parallel.

In: locations and a function that reads one of them. Out: for each location its answer, or the `AwsError` that was
raised. A location that fails hides no other, and a failure never becomes an empty answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from prefect_drs.aws.errors import CredentialsError, DrsNotInitializedError, RegionNotEnabledError
from prefect_drs.aws.location import Location
from prefect_drs.aws.parallel import map_by_key
from prefect_drs.aws.sessions import DEFAULT_WORKERS
from prefect_drs.core.errors import AwsError

Answer = TypeVar("Answer")

WITHOUT_SERVERS = (DrsNotInitializedError, RegionNotEnabledError)
"""The errors of an account and region that cannot have source servers."""

_DISABLED_REGION_CODES = frozenset({"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"})


def fan_out(
    locations: Iterable[Location], read: Callable[[Location], Answer], *, workers: int = DEFAULT_WORKERS
) -> dict[Location, Answer | AwsError]:
    """Read every location in parallel.

    A region that an account has not enabled does not know the account's credentials. So where the same account's
    credentials work in another region, `CredentialsError` becomes `RegionNotEnabledError`.

    Args:
        locations: each is read once.
        read: reads one location; may raise `AwsError`.
        workers: locations read at a time.

    Returns:
        The answers and failures by location, in the order given.
    """

    def attempt(location: Location) -> Answer | AwsError:
        try:
            return read(location)
        except AwsError as error:
            return error

    return _with_disabled_regions(map_by_key(attempt, locations, workers))


def _with_disabled_regions(found: Mapping[Location, Answer | AwsError]) -> dict[Location, Answer | AwsError]:
    entered = {
        location.account_id
        for location, answer in found.items()
        if not isinstance(answer, AwsError) or isinstance(answer, DrsNotInitializedError)
    }
    return {
        location: _region_not_enabled(answer, location)
        if isinstance(answer, CredentialsError)
        and answer.aws_code in _DISABLED_REGION_CODES
        and location.account_id in entered
        else answer
        for location, answer in found.items()
    }


def _region_not_enabled(error: AwsError, location: Location) -> RegionNotEnabledError:
    remedy = f"enable {location.region} in account {location.account_id} (account settings), or leave it out"
    return RegionNotEnabledError(
        f"{location.region} does not know credentials of account {location.account_id} that work in other regions "
        f"({error.aws_code}); {remedy}",
        **{**error.details, "remedy": remedy},
    )
