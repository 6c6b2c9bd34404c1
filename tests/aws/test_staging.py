"""Staging accounts on the simulated DRS: found, trusted or not, and servers extended once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prefect_drs.aws.errors import PermissionDeniedError
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.aws.staging import (
    ExtensionState,
    extend_source_servers,
    list_extensible_source_servers,
    list_staging_accounts,
)
from prefect_drs.simulator import Sandbox, mock_drs
from prefect_drs.simulator.drs.source_servers import QUOTA_SOURCE_SERVERS
from tests.aws.test_capacity import HERE, STAGING, seed


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with mock_drs(default_images=False) as sandbox:
        sandbox.backend(*HERE).initialize_service()
        yield sandbox


def extend(*, dry_run: bool = False) -> list[ExtensionState]:
    return [one.state for one in extend_source_servers(Sessions(), HERE, STAGING, dry_run=dry_run)]


def creations(sandbox: Sandbox) -> int:
    return [call.operation for call in sandbox.calls].count("CreateExtendedSourceServer")


def test_every_missing_server_is_extended_once_and_a_second_time_none(sandbox: Sandbox) -> None:
    seed(sandbox, STAGING, 3)
    assert extend() == [ExtensionState.EXTENDED] * 3
    assert extend() == []
    assert creations(sandbox) == 3
    assert list_staging_accounts(Sessions(), HERE) == (STAGING,)
    assert len(sandbox.backend(*HERE).servers) == 3


def test_a_dry_run_tells_and_writes_nothing(sandbox: Sandbox) -> None:
    seed(sandbox, STAGING, 2)
    assert extend(dry_run=True) == [ExtensionState.PLANNED] * 2
    assert creations(sandbox) == 0
    assert list_staging_accounts(Sessions(), HERE) == ()


def test_an_extended_server_has_the_tags_that_groups_are_selected_by(sandbox: Sandbox) -> None:
    (server,) = seed(sandbox, STAGING, 1)
    sandbox.backend(STAGING, HERE.region).servers[server].tags.update({"tier": "db", "aws:owned": "x"})
    (extension,) = extend_source_servers(Sessions(), HERE, STAGING)
    assert extension.source_server_id is not None
    assert sandbox.backend(*HERE).servers[extension.source_server_id].tags["tier"] == "db"


def test_a_server_that_drs_refuses_ends_no_other(sandbox: Sandbox) -> None:
    seed(sandbox, STAGING, 3)
    refusal = {"kind": "operation", "operation": "CreateExtendedSourceServer", "effect": "error", "times": 1}
    sandbox.faults.add({**refusal, "code": "ValidationException", "message": "not this one"})
    found = extend_source_servers(Sessions(), HERE, STAGING)
    assert [one.state for one in found] == [ExtensionState.FAILED, ExtensionState.EXTENDED, ExtensionState.EXTENDED]
    assert found[0].error is not None
    assert "not this one" in found[0].error.message
    assert extend() == [ExtensionState.EXTENDED]


def test_a_server_that_was_extended_although_the_answer_was_lost_counts_as_extended(sandbox: Sandbox) -> None:
    seed(sandbox, STAGING, 2)
    sandbox.faults.add(
        {"kind": "operation", "operation": "CreateExtendedSourceServer", "effect": "lose-answer", "times": 1}
    )
    assert extend() == [ExtensionState.EXTENDED] * 2
    assert len(sandbox.backend(*HERE).servers) == 2


def test_a_used_up_quota_leaves_the_rest_untried(sandbox: Sandbox) -> None:
    seed(sandbox, STAGING, 4)
    target = sandbox.backend(*HERE)
    (own,) = seed(sandbox, HERE.account_id, 1)
    for number in range(QUOTA_SOURCE_SERVERS - 2):
        target.servers[f"filler-{number}"] = target.servers[own]
    assert extend() == [
        ExtensionState.EXTENDED,
        ExtensionState.FAILED,
        ExtensionState.NOT_TRIED,
        ExtensionState.NOT_TRIED,
    ]
    assert creations(sandbox) == 2


def test_a_staging_account_that_does_not_trust_the_target_is_told_with_where_to_name_it(sandbox: Sandbox) -> None:
    seed(sandbox, STAGING, 1)
    sandbox.backend(STAGING, HERE.region).trusted_accounts = ()
    with pytest.raises(PermissionDeniedError, match="trusted accounts of DRS in eu-west-1") as refused:
        list_extensible_source_servers(Sessions(), HERE, STAGING)
    assert refused.value.details["staging_account_id"] == STAGING


def test_more_servers_than_a_page_can_all_be_extended(sandbox: Sandbox) -> None:
    seed(sandbox, STAGING, 210)
    assert len(list_extensible_source_servers(Sessions(), HERE, STAGING)) == 210


def test_a_staging_account_serves_each_region_by_itself(sandbox: Sandbox) -> None:
    seed(sandbox, STAGING, 1)
    elsewhere = Location(HERE.account_id, "us-east-1")
    sandbox.backend(*elsewhere).initialize_service()
    sandbox.backend(STAGING, elsewhere.region).initialize_service()
    assert list_extensible_source_servers(Sessions(), elsewhere, STAGING) == ()
