"""From an operation and its values to a request: the route, escaped names, the query, the version, the key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from prefect_drs.client.requests import request_of
from prefect_drs.core.errors import PrefectDrsError


def parts(operation: str, values: dict[str, Any]) -> tuple[Any, ...]:
    made = request_of(operation, values)
    return made.method, made.path, dict(made.query), made.body


def test_names_in_a_path_are_escaped():
    assert request_of("get_protection_group", {"groupId": "a/b ?#ü"}).path == "/protection-groups/a%2Fb%20%3F%23%C3%BC"


@pytest.mark.parametrize(
    ("values", "path", "body"),
    [
        ({"planId": "p", "mode": "DRILL"}, "/recovery-plans/p/execute", {"mode": "DRILL"}),
        ({"deployment": "a/b"}, "/executions", {"deployment": "a/b"}),
    ],
)
def test_the_route_is_the_one_whose_path_has_its_values(values, path, body):
    assert parts("start_execution", values) == ("POST", path, {}, body)


def test_a_list_of_ids_is_sent_in_a_body_where_there_is_a_route_for_it():
    assert parts("delete_executions", {"executionIds": ("a", "b")}) == (
        "POST",
        "/executions/delete",
        {},
        {"executionIds": ["a", "b"]},
    )


def test_a_query_repeats_lists_and_pairs_and_leaves_out_nothing_else():
    made = request_of("get_drs_source_servers", {"region": "r", "tags": {"tier": "x=y", "b": "1"}, "accountId": None})
    assert made.query == (("region", "r"), ("tags", "tier=x=y"), ("tags", "b=1"))
    at = datetime(2026, 11, 29, tzinfo=UTC)
    made = request_of("list_executions", {"status": ["FAILED", "PARTIAL"], "startedAfter": at})
    assert made.query == (
        ("status", "FAILED"),
        ("status", "PARTIAL"),
        ("startedAfter", "2026-11-29T00:00:00+00:00"),
    )


def test_a_null_in_a_body_is_sent():
    made = request_of("update_protection_group", {"groupId": "g", "version": 3, "description": None})
    assert (made.body, made.headers) == ({"description": None}, {"If-Match": '"3"'})


def test_the_version_of_a_deletion_is_a_precondition():
    made = request_of("delete_recovery_plan", {"planId": "p", "version": 2})
    assert (made.query, made.headers) == ((), {"If-Match": '"2"'})


@pytest.mark.parametrize(
    ("operation", "values", "takes"),
    [
        ("approve_gate", {"executionId": "e", "waveNumber": 1}, True),
        ("create_recovery_plan", {"name": "p"}, True),
        ("validate_manifest", {}, False),
        ("get_execution", {"executionId": "e"}, False),
        ("delete_recovery_plan", {"planId": "p"}, False),
    ],
)
def test_what_starts_or_creates_something_takes_a_key(operation, values, takes):
    assert request_of(operation, values).takes_key is takes


@pytest.mark.parametrize("values", [{}, {"executionId": ""}, {"executionId": None}])
def test_without_its_id_a_thing_has_no_address(values):
    with pytest.raises(PrefectDrsError, match="get_execution needs executionId"):
        request_of("get_execution", values)
