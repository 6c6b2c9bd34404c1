"""One question in many places: every place answers for itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from prefect_drs.aws.drs import describe_source_servers
from prefect_drs.aws.errors import CredentialsError, DrsNotInitializedError, RegionNotEnabledError
from prefect_drs.aws.fan_out import fan_out
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError
from prefect_drs.simulator import Sandbox, mock_drs

ACCOUNT = "123456789012"
HERE, THERE, ELSEWHERE = (Location(ACCOUNT, region) for region in ("eu-west-1", "us-east-1", "ap-east-1"))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with mock_drs(default_images=False) as sandbox:
        yield sandbox


def ask(*locations: Location) -> dict[Location, Any]:
    sessions = Sessions()
    return fan_out(locations, lambda location: describe_source_servers(sessions, location))


def unknown_credentials(region: str) -> dict[str, Any]:
    return {"kind": "operation", "operation": "*", "effect": "error", "region": region, "code": "AuthFailure"}


def test_a_place_that_fails_hides_no_other(sandbox: Sandbox) -> None:
    sandbox.backend(*HERE).initialize_service()
    found = ask(THERE, HERE)
    assert list(found) == [THERE, HERE]
    assert isinstance(found[THERE], DrsNotInitializedError)
    assert found[HERE] == ()


def test_a_region_that_does_not_know_credentials_which_work_elsewhere_is_not_enabled(sandbox: Sandbox) -> None:
    sandbox.backend(*HERE).initialize_service()
    sandbox.faults.add(unknown_credentials(ELSEWHERE.region))
    answer = ask(HERE, ELSEWHERE)[ELSEWHERE]
    assert isinstance(answer, RegionNotEnabledError)
    assert "enable ap-east-1 in account 123456789012" in answer.message


def test_credentials_that_work_nowhere_are_told_as_such(sandbox: Sandbox) -> None:
    sandbox.faults.extend([unknown_credentials(HERE.region), unknown_credentials(ELSEWHERE.region)])
    assert [type(answer) for answer in ask(HERE, ELSEWHERE).values()] == [CredentialsError, CredentialsError]


def test_what_is_no_failure_of_aws_is_raised(sandbox: Sandbox) -> None:
    def broken(location: Location) -> None:
        raise ZeroDivisionError(location)

    with pytest.raises(ZeroDivisionError):
        fan_out([HERE, THERE], broken)


def test_every_failure_carries_its_remedy_for_programs(sandbox: Sandbox) -> None:
    (error,) = ask(THERE).values()
    assert isinstance(error, AwsError)
    assert "initialise DRS" in error.details["remedy"]


def test_nowhere_is_an_empty_answer(sandbox: Sandbox) -> None:
    assert ask() == {}
