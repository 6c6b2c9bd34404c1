"""Turns on a real Prefect server: one at a time, counted, let go, and no hindrance where Prefect is away."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from prefect_drs.aws.location import Location
from tests.conftest import PrefectServer, free_port

if TYPE_CHECKING:
    from prefect_drs.orchestration.executions.quota_sharing import PrefectQuotaSharing

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def location() -> Location:
    return Location(uuid.uuid4().hex[:12], "eu-west-1")


def while_prefect_answers(scenario: Callable[[Callable[[], PrefectQuotaSharing]], None]) -> None:
    """Play it until Prefect answered each request: a busy server answers 503, with which an execution goes on alone."""
    from prefect_drs.orchestration.executions.quota_sharing import PrefectQuotaSharing

    for _ in range(10):
        told: list[str] = []
        try:
            scenario(lambda: PrefectQuotaSharing(tell=told.append))  # noqa: B023 - called in this turn of the loop only
        except AssertionError:
            if not told:
                raise
        else:
            return
    pytest.fail("Prefect was too busy ten times")


def test_one_execution_at_a_time_has_the_turn(location: Location) -> None:
    while_prefect_answers(lambda sharing: one_at_a_time(location, sharing))


def one_at_a_time(location: Location, sharing: Callable[[], PrefectQuotaSharing]) -> None:
    elsewhere = location._replace(region="eu-west-2")
    with sharing() as first, sharing() as second:
        turn = first.take(location)
        assert turn is not None
        with turn:
            assert second.take(location) is None
            other = second.take(elsewhere)
            assert other is not None
            with other:
                pass
        again = second.take(location)
        assert again is not None
        with again:
            assert first.take(location) is None


def test_those_who_want_are_counted_until_they_want_no_more_or_end(location: Location) -> None:
    while_prefect_answers(lambda sharing: counted(location, sharing))


def counted(location: Location, sharing: Callable[[], PrefectQuotaSharing]) -> None:
    with sharing() as first:
        assert first.want(location, wanted=True) == 1
        with sharing() as second:
            assert second.want(location, wanted=True) == 2
        with sharing() as third:
            assert third.want(location, wanted=True) == 2
            assert first.want(location, wanted=False) == 1
            with sharing() as fourth:
                assert fourth.want(location, wanted=True) == 2


def test_where_prefect_is_away_an_execution_goes_on_alone_and_says_so_once(
    location: Location, prefect_server: PrefectServer
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from prefect_drs.orchestration.executions.quota_sharing import PrefectQuotaSharing

    told: list[str] = []
    with (
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}),
        PrefectQuotaSharing(tell=told.append) as turns,
    ):
        assert turns.want(location, wanted=True) == 1
        for _ in range(3):
            turn = turns.take(location)
            assert turn is not None
            with turn:
                assert not turns.shared
    assert len(told) == 1
    assert "Prefect did not answer" in told[0]


def test_slots_that_a_restarted_server_has_forgotten_are_not_counted_for_executions(location: Location) -> None:
    from prefect.client.orchestration import get_client

    from prefect_drs.orchestration.executions.quota_sharing import PrefectQuotaSharing

    with PrefectQuotaSharing(holders=lambda _: 2) as turns:
        assert turns.want(location, wanted=True) == 1
        with get_client(sync_client=True) as client:  # slots without a lease: nobody ever gives them back
            name = f"prefect-drs-{location.account_id}-{location.region}-waiting"
            client.request("POST", "/v2/concurrency_limits/increment", json={"names": [name], "slots": 5})
        with PrefectQuotaSharing(holders=lambda _: 2) as second:
            assert second.want(location, wanted=True) == 2
