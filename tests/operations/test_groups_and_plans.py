"""Stored groups and plans: the rules of a manifest over all that is stored, versions, and who is using what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from prefect_drs.errors import PrefectDrsError
from tests.operations.estate import REGION, Stored


def refusal(stored: Stored, name: str, body: dict[str, Any]) -> PrefectDrsError:
    with pytest.raises(PrefectDrsError) as refused:
        stored.op(name, body)
    return refused.value


def test_a_group_is_stored_with_its_id_version_and_servers(stored: Stored) -> None:
    ids = stored.servers("db1", "db2")
    made = stored.op(
        "create_protection_group",
        {
            "name": "Database",
            "region": REGION,
            "serverSelectionMode": "explicit",
            "sourceServerIds": ids,
            "launchConfiguration": {"instanceType": "r7a.large"},
            "servers": [{"sourceServerId": ids[0], "launchTemplate": {"instanceType": "r7a.xlarge"}}],
        },
    )
    assert (made["version"], made["sourceServerIds"], made["serverCount"], made["updatedBy"]) == (1, ids, 2, "ada")
    assert stored.op("get_protection_group", {"groupId": made["groupId"]}) == made
    assert stored.op("get_protection_group", {"groupId": "DATABASE"}) == made
    assert stored.op("list_protection_groups") == {"protectionGroups": [made]}


def test_fifty_parallel_updates_from_one_version_and_one_wins(stored: Stored) -> None:
    group = stored.group("Database")

    def update(number: int) -> Any:
        body = {"groupId": group["groupId"], "version": 1, "description": f"by {number}"}
        try:
            return stored.op("update_protection_group", body, by=f"writer {number}")["updatedBy"]
        except PrefectDrsError as error:
            return error.code, error.details["givenVersion"], error.details["currentVersion"]

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(update, range(50)))
    (winner,) = [answer for answer in answers if answer != ("VERSION_MISMATCH", 1, 2)]
    after = stored.op("get_protection_group", {"groupId": group["groupId"]})
    assert (after["version"], after["updatedBy"]) == (2, winner)
    assert after["description"] == winner.replace("writer", "by")
