"""The parts of the REST face by themselves: limits, pages, versions, addresses, metrics."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from prefect_drs.core.errors import UsageError
from prefect_drs.operations.page_tokens import Position, position_of
from prefect_drs.rest import paging
from prefect_drs.rest.app import build_app
from prefect_drs.rest.idempotency import fingerprint
from prefect_drs.rest.limits import RateLimit
from prefect_drs.rest.options import RestOptions
from prefect_drs.rest.routes import Route
from prefect_drs.rest.server import bind
from tests.rest.conftest import LOCAL


class Time:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_caller_may_send_a_burst_and_then_so_many_a_second():
    time = Time()
    limit = RateLimit(2.0, 3, time)
    assert [limit.take("ada") for _ in range(3)] == [0.0] * 3
    assert limit.take("ada") == 0.5
    assert limit.take("bob") == 0.0
    time.seconds = 0.5
    assert limit.take("ada") == 0.0
    assert limit.take("ada") > 0.0


@given(st.lists(st.floats(0, 5), max_size=60))
def test_no_caller_ever_sends_more_than_burst_and_rate_allow(pauses: list[float]):
    time = Time()
    limit, passed = RateLimit(1.0, 5, time), 0
    for pause in pauses:
        time.seconds += pause
        passed += limit.take("ada") == 0.0
    assert passed <= 5 + time.seconds


def test_requests_over_the_limit_are_refused_with_the_time_to_wait():
    time = Time()
    with TestClient(build_app(RestOptions(requests_per_second=0.1, burst=1, now=time)), base_url=LOCAL) as client:
        assert client.get("/nowhere").status_code == 404
        refused = client.get("/nowhere")
        assert (refused.status_code, refused.json()["error"]) == (429, "TOO_MANY_REQUESTS")
        assert 10 <= int(refused.headers["Retry-After"]) <= 11
        assert client.get("/health").status_code == 200
        time.seconds = 10.0
        assert client.get("/nowhere").status_code == 404


def test_a_fingerprint_does_not_depend_on_the_order_of_members():
    assert fingerprint("POST", "/x", {"a": 1, "b": 2}) == fingerprint("POST", "/x", {"b": 2, "a": 1})
    assert fingerprint("POST", "/x", {"a": 1}) != fingerprint("POST", "/x", {"a": True})


ITEMS = st.lists(
    st.fixed_dictionaries(
        {"kind": st.none() | st.integers(0, 3) | st.sampled_from(["a", "b"]), "id": st.uuids().map(str)}
    ),
    max_size=20,
    unique_by=lambda item: item["id"],
)


@given(ITEMS, st.integers(1, 5), st.booleans())
def test_pages_hold_every_item_once_and_in_order(items: list[dict], limit: int, descending: bool):
    route = Route("GET", "/x", "x", items="items", sort=("kind", "id"))
    found: list[dict] = []
    after: Position | None = None
    while True:
        got = paging.page(items, route, paging.PageRequest(limit, after, "kind", descending, {}))
        found += got.items
        assert got.total == len(items)
        if got.next_token is None:
            break
        after = position_of(got.next_token, "-kind" if descending else "kind")
    whole = paging.page(items, route, paging.PageRequest(100, None, "kind", descending, {})).items
    assert found == whole
    assert sorted(item["id"] for item in found) == sorted(item["id"] for item in items)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "", "127.0.0.2"])
def test_an_address_outside_of_this_machine_is_refused(host: str):
    with pytest.raises(UsageError, match="access policy"):
        bind(host, 0)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_refused(port: int):
    with pytest.raises(UsageError, match="--port"):
        bind("127.0.0.1", port)


def test_a_port_that_is_taken_is_named():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(UsageError, match="another --port"):
            bind("127.0.0.1", other.getsockname()[1])


def test_metrics_name_routes_and_no_values():
    with TestClient(build_app(RestOptions(caller="ada")), base_url=LOCAL) as client:
        client.put("/recovery-plans/secret-plan", json={})
        client.get("/secret-path")
        text = client.get("/metrics").text
    line = 'prefect_drs_http_requests_total{method="PUT",route="/recovery-plans/{planId}",status="400"} 1.0'
    assert line in text
    assert "secret" not in text
