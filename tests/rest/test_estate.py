"""Groups, plans and accounts over REST: what is created, found, changed from a version, paged and deleted."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.operations.estate import Stored
from tests.rig import ACCOUNT, REGION


@pytest.fixture
def groups(stored: Stored) -> list[str]:
    """Three stored groups; their names."""
    names = ["alpha", "beta", "gamma"]
    for name in names:
        stored.group(name)
    return names


def test_an_operation_answers_what_it_answers_elsewhere(client: TestClient, stored: Stored):
    answer = client.get("/accounts/current")
    assert (answer.status_code, answer.json()) == (200, stored.op("get_current_account_id"))
    assert answer.json() == {"accountId": ACCOUNT}


def test_a_parameter_of_the_query_reaches_the_operation(client: TestClient, stored: Stored):
    answer = client.get("/ec2/subnets", params={"region": REGION})
    assert (answer.status_code, answer.json()) == (200, stored.op("get_ec2_subnets", {"region": REGION}))
    assert answer.json()["subnets"]


def test_a_group_is_created_found_changed_and_deleted(client: TestClient, stored: Stored):
    body = {"name": "web", "region": REGION, "sourceServerIds": stored.servers("w1")}
    created = client.post("/protection-groups", json=body)
    assert (created.status_code, created.headers["ETag"]) == (201, '"1"')
    place = created.headers["Location"]
    assert place == f"/protection-groups/{created.json()['groupId']}"
    assert client.get(place).json() == stored.op("get_protection_group", {"groupId": "web"})
    changed = client.put(place, json={"description": "x"}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert changed.json()["updatedBy"] == "ada"
    assert client.delete(place, headers={"If-Match": '"2"'}).status_code == 200
    assert client.get(place).status_code == 404


@pytest.mark.parametrize("tag", ['"7"', 'W/"1"', '"other"', '"7", "8"', '"0"'])
def test_a_change_from_another_version_fails_its_precondition(
    client: TestClient, stored: Stored, groups: list[str], tag: str
):
    for answer in (
        client.put("/protection-groups/alpha", json={"description": "x"}, headers={"If-Match": tag}),
        client.delete("/protection-groups/alpha", headers={"If-Match": tag}),
    ):
        assert (answer.status_code, answer.json()["error"]) == (412, "VERSION_MISMATCH")
    assert stored.op("get_protection_group", {"groupId": "alpha"})["version"] == 1


@pytest.mark.parametrize("tag", ["*", '"1"', '"7", "1"'])
def test_a_change_from_the_stored_version_is_made(client: TestClient, stored: Stored, groups: list[str], tag: str):
    answer = client.put("/protection-groups/alpha", json={"description": "x"}, headers={"If-Match": tag})
    assert answer.status_code == 200


def test_a_stale_version_in_the_body_is_a_conflict(client: TestClient, stored: Stored, groups: list[str]):
    answer = client.put("/protection-groups/alpha", json={"description": "x", "version": 7})
    assert (answer.status_code, answer.json()["error"]) == (409, "VERSION_MISMATCH")


def test_a_change_without_a_version_is_refused(client: TestClient, stored: Stored, groups: list[str]):
    answer = client.put("/protection-groups/alpha", json={"description": "x"})
    assert (answer.status_code, answer.json()["error"]) == (400, "MISSING_PARAMETER")


def test_a_version_that_contradicts_if_match_is_refused(client: TestClient, stored: Stored, groups: list[str]):
    answer = client.put(
        "/protection-groups/alpha", json={"description": "x", "version": 1}, headers={"If-Match": '"2"'}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("sort", ["name", "-name", "-createdAt", "serverCount"])
def test_the_pages_of_a_list_are_the_list(client: TestClient, stored: Stored, groups: list[str], sort: str):
    found, token = [], None
    while True:
        page = client.get(
            "/protection-groups", params={"limit": 2, "sort": sort, **({"nextToken": token} if token else {})}
        )
        assert page.status_code == 200
        assert page.json()["totalCount"] == 3
        found += [group["name"] for group in page.json()["protectionGroups"]]
        token = page.json()["nextToken"]
        if token is None:
            break
    assert sorted(found) == groups
    if sort.endswith("name"):
        assert found == sorted(groups, reverse=sort.startswith("-"))


def test_what_is_deleted_between_two_pages_moves_nothing(client: TestClient, stored: Stored, groups: list[str]):
    first = client.get("/protection-groups?limit=2").json()
    stored.op("delete_protection_group", {"groupId": "alpha"})
    second = client.get("/protection-groups", params={"limit": 2, "nextToken": first["nextToken"]}).json()
    assert [group["name"] for group in second["protectionGroups"]] == ["gamma"]


def test_a_list_is_filtered(client: TestClient, stored: Stored, groups: list[str]):
    assert client.get("/protection-groups?name=beta").json()["totalCount"] == 1
    assert client.get("/protection-groups?region=eu-west-1").json()["totalCount"] == 0


def test_a_token_belongs_to_its_order(client: TestClient, stored: Stored, groups: list[str]):
    token = client.get("/protection-groups?limit=1").json()["nextToken"]
    assert client.get("/protection-groups", params={"sort": "-name", "nextToken": token}).status_code == 400


def test_faults_of_the_estate_have_their_codes(client: TestClient, stored: Stored, groups: list[str]):
    again = client.post(
        "/protection-groups", json={"name": "ALPHA", "region": REGION, "sourceServerIds": stored.servers("w9")}
    )
    assert (again.status_code, again.json()["error"]) == (409, "ALREADY_EXISTS")
    stored.plan("p", "alpha")
    used = client.delete("/protection-groups/alpha")
    assert (used.status_code, used.json()["error"]) == (409, "IN_USE")
    empty = client.post("/recovery-plans", json={"name": "q", "waves": []})
    assert (empty.status_code, empty.json()["error"]) == (400, "VALIDATION_ERROR")


def test_the_same_key_creates_once(client: TestClient, stored: Stored):
    body = {"name": "web", "region": REGION, "sourceServerIds": stored.servers("w1")}
    first, second = (
        client.post("/protection-groups", json=body, headers={"Idempotency-Key": "key-1"}) for _ in range(2)
    )
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.headers["Location"] == first.headers["Location"]
    other = client.post("/protection-groups", json={**body, "name": "x"}, headers={"Idempotency-Key": "key-1"})
    assert (other.status_code, other.json()["error"]) == (409, "CONFLICT_ERROR")


def test_the_service_is_ready_where_prefect_answers(client: TestClient, stored: Stored):
    assert client.get("/ready").status_code == 200
