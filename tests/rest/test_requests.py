"""What a request may be: its host and origin, its body, its parameters; and what an error is."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from prefect_drs.rest.app import build_app
from prefect_drs.rest.options import RestOptions
from tests.rest.conftest import LOCAL


def fault_fields(answer) -> list[str]:
    return [fault["field"] for fault in answer.json()["details"]["faults"]]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "u@127.0.0.1", "127.0.0.1:x"]
)
def test_a_foreign_host_is_refused(client: TestClient, host: str):
    answer = client.get("/health", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]) == (403, "FOREIGN_ORIGIN")


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1", "[::1]:8080", "LOCALHOST"])
def test_this_machine_is_served_by_each_of_its_names(client: TestClient, host: str):
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_web_page_of_another_origin_is_refused(client: TestClient, headers: dict[str, str]):
    answer = client.post("/drs/tag-sync", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (403, "FOREIGN_ORIGIN")
    assert "access-control-allow-origin" not in answer.headers


def test_a_page_of_this_server_is_served(client: TestClient):
    assert client.get("/health", headers={"Origin": LOCAL, "Sec-Fetch-Site": "same-origin"}).status_code == 200


@pytest.mark.parametrize("declared", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_not_declared_as_json_is_refused(client: TestClient, declared: str):
    answer = client.post("/recovery-plans", content="{}", headers={"Content-Type": declared})
    assert (answer.status_code, answer.json()["error"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"name": "\\ud800"}',
        b'{"name": "a\\u0000"}',
        b'{"name": NaN}',
        b'{"name": 1e999}',
        b'{"name": ' + b"9" * 30 + b"}",
        b'{"name": 1, "name": 2}',
        b'{"name": ' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"9" * 10_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_no_object_of_plain_values_is_refused(client: TestClient, body: bytes):
    answer = client.post("/recovery-plans", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_body_that_is_too_long_is_refused_before_it_is_read(streamed: bool):
    with TestClient(build_app(RestOptions(body_bytes=100)), base_url=LOCAL) as client:
        content = iter([b"x" * 60] * 2) if streamed else b"x" * 101
        answer = client.post("/recovery-plans", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (413, "BODY_TOO_LARGE")


def test_all_faults_of_a_body_are_told_at_once_without_its_values(client: TestClient):
    answer = client.put("/config/tag-sync", json={"enabled": "sesame", "schedule": "open", "regoins": ["sesame"]})
    assert answer.status_code == 400
    assert sorted(fault_fields(answer)) == ["enabled", "regoins", "schedule"]
    assert "sesame" not in answer.text
    assert "regions" in answer.text  # what was meant


def test_all_faults_of_a_list_are_told_at_once(client: TestClient):
    answer = client.get("/protection-groups?limit=0&sort=colour&nextToken=x&size=3")
    assert sorted(fault_fields(answer)) == ["limit", "nextToken", "size", "sort"]


def test_a_parameter_that_is_missing_is_named(client: TestClient):
    answer = client.get("/ec2/subnets")
    assert (answer.status_code, answer.json()["error"], fault_fields(answer)) == (400, "MISSING_PARAMETER", ["region"])


def test_a_query_beside_a_body_is_refused(client: TestClient):
    answer = client.post("/recovery-plans?name=x", json={"waves": []})
    assert (answer.status_code, fault_fields(answer)) == (400, ["name"])


def test_a_body_may_repeat_the_path_but_not_contradict_it(client: TestClient):
    answer = client.put("/recovery-plans/one", json={"planId": "two", "version": 1, "name": "x"})
    assert (answer.status_code, fault_fields(answer)) == (400, ["planId"])


def test_an_unknown_path_is_not_found(client: TestClient):
    answer = client.get("/protection-group")
    assert (answer.status_code, answer.json()["error"]) == (404, "NOT_FOUND")


def test_a_method_that_a_path_does_not_have_is_answered_with_those_it_has(client: TestClient):
    answer = client.put("/protection-groups/resolve/")
    assert answer.status_code == 404
    answer = client.patch("/recovery-plans/one")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "DELETE, GET, PUT")


def test_a_request_keeps_its_id_and_gets_one_where_it_has_none(client: TestClient):
    assert client.get("/health", headers={"X-Request-Id": "my-7"}).headers["X-Request-Id"] == "my-7"
    made = client.get("/health").headers["X-Request-Id"]
    assert len(made) == 32
    assert client.get("/health", headers={"X-Request-Id": "two words"}).headers["X-Request-Id"] != "two words"


def test_an_error_has_one_form(client: TestClient):
    answer = client.get("/nowhere")
    assert set(answer.json()) == {"error", "message", "details"}
    assert answer.headers["Content-Type"] == "application/json"


def test_a_failure_of_the_server_names_the_request_and_no_reason(client: TestClient, caplog: pytest.LogCaptureFixture):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret reason")

    client.app.state.service.in_thread = fail
    answer = client.get("/accounts/current", headers={"X-Request-Id": "my-8"})
    assert answer.status_code == 500
    assert "secret reason" not in answer.text
    assert json.loads(answer.text)["details"] == {"requestId": "my-8"}
    assert "secret reason" in caplog.text


def test_another_spelling_of_what_the_path_gives_does_not_override_it(client: TestClient):
    answer = client.post("/executions/x/gates/1/approve", json={"wave": 2})
    assert (answer.status_code, fault_fields(answer)) == (400, ["wave"])


def test_a_plan_is_not_run_in_the_process_of_the_server(client: TestClient):
    answer = client.post("/recovery-plans/p/execute", json={"executionType": "DRILL", "foreground": True})
    assert (answer.status_code, fault_fields(answer)) == (400, ["foreground"])


def test_a_file_of_the_server_is_not_read_for_a_caller(client: TestClient):
    answer = client.post("/plans/validate", json={"manifest": "/etc/passwd"})
    assert (answer.status_code, answer.json()["error"]) == (400, "INVALID_PARAMETER")
    assert "root:" not in answer.text


def test_a_plan_is_validated_without_being_stored(client: TestClient):
    answer = client.post("/plans/validate", json={"manifest": {"schemaVersion": "1.1", "protectionGroups": []}})
    assert answer.status_code == 200
    assert answer.json()["valid"] is False
