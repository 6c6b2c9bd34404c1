"""One question asked in many accounts and regions at once; each answers, or says why not.

In: places and a reading function. Out: for each place its answer, or the `AwsError` that came instead. A place that
fails never hides another. It must never turn a failure into an empty answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from prefect_drs.aws.errors import CredentialsError, DrsNotInitializedError, RegionNotEnabledError
from prefect_drs.aws.location import Location
from prefect_drs.aws.parallel import each
from prefect_drs.aws.sessions import DEFAULT_WORKERS
from prefect_drs.core.errors import AwsError

Answer = TypeVar("Answer")

WITHOUT_SERVERS = (DrsNotInitializedError, RegionNotEnabledError)
"""What AWS answers where there can be no source server at all."""

_DISABLED_REGION_CODES = frozenset({"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"})


def survey(
    locations: Iterable[Location], read: Callable[[Location], Answer], *, workers: int = DEFAULT_WORKERS
) -> dict[Location, Answer | AwsError]:
    """Ask everywhere side by side.

    A region that an account has not enabled does not know the account's credentials. So where the same account's
    credentials work in another region, `CredentialsError` becomes `RegionNotEnabledError`.

    Args:
        locations: where; each is asked once.
        read: asks in one place; may raise `AwsError`.
        workers: how many are asked at a time.

    Returns:
        The answers and failures by place, in the order given.
    """

    def ask(location: Location) -> Answer | AwsError:
        try:
            return read(location)
        except AwsError as error:
            return error

    places = tuple(dict.fromkeys(locations))
    return _with_disabled_regions(dict(zip(places, each(ask, places, min(workers, len(places))), strict=True)))


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
