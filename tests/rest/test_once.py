"""One key, one request carried out: across servers and restarts; and requests that take longer than a client waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.operations import Context
from prefect_drs.orchestration.storage import kept_requests
from prefect_drs.orchestration.storage.kept_requests import (
    PREFIX,
    RequestClaim,
    RequestState,
    StoredRequest,
    claim_request,
    find_request,
    finish_request,
    forget_old_requests,
    forget_request,
    read_answer,
    renew_claim,
)
from prefect_drs.rest.app import build_app
from prefect_drs.rest.idempotency import Call, Requests, caller_digest
from prefect_drs.rest.options import RestOptions
from prefect_drs.rest.threads import Threads
from tests.operations.estate import Stored
from tests.rest.conftest import LOCAL

pytestmark = pytest.mark.usefixtures("prefect_server")


def claim(request_id: str) -> RequestClaim | StoredRequest:
    return claim_request(request_id, operation="sync", caller=caller_digest("ada"), fingerprint="f")


def claimed() -> RequestClaim:
    made = claim(uuid4().hex)
    assert isinstance(made, RequestClaim)
    return made


def server(**options: Any) -> Requests:
    """What one server process holds of requests."""
    chosen = RestOptions(caller="ada", **options)
    return Requests(chosen, Threads(chosen))


def call(key: str | None, mark: str = "f", caller: str = "ada") -> Call:
    return Call(caller, "sync_launch_configs", mark, key)


class Work:
    """What a request does, counted."""

    def __init__(self, *, fail: bool = False) -> None:
        self.done = 0
        self.fail = fail
        self.held: asyncio.Event | None = None

    async def __call__(self) -> Response:
        self.done += 1
        await asyncio.sleep(0)
        if self.held is not None:
            await self.held.wait()
        if self.fail:
            raise PrefectDrsError("no")
        return JSONResponse({"number": self.done}, 202, {"Location": "/x"})


# ---- records -----------------------------------------------------------------------------------------------------


def test_a_record_holds_an_answer_of_any_length() -> None:
    made = claimed()
    answer = b"".join(uuid4().bytes.hex().encode() for _ in range(2000))  # does not compress well
    finish_request(made, RequestState.SUCCEEDED, status=200, headers={"etag": '"1"'}, answer=answer)
    found = claim(made.request_id)
    assert isinstance(found, StoredRequest)
    assert found.record.chunks >= 5
    assert (read_answer(found), found.record.status, found.record.headers) == (answer, 200, {"etag": '"1"'})
    assert forget_request(found)
    assert not forget_request(found)
    assert not [name for name in names() if made.request_id in name]


def test_an_answer_that_is_too_long_is_not_kept_but_that_it_was_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_requests, "MOST_CHUNKS", 0)
    made = claimed()
    finish_request(made, RequestState.SUCCEEDED, status=200, headers={}, answer=b"{}")
    found = find_request(made.request_id)
    assert found is not None
    assert (found.record.state, read_answer(found)) == (RequestState.SUCCEEDED, None)


def test_a_claim_that_is_not_renewed_is_lost_and_one_process_only_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = claimed()
    first = claim(made.request_id)
    assert isinstance(first, StoredRequest)
    assert not first.is_lost
    monkeypatch.setattr(kept_requests, "LOST_SECONDS", -5.0)
    lost = claim(made.request_id)
    assert isinstance(lost, StoredRequest)
    assert lost.is_lost
    assert [forget_request(lost), forget_request(lost)] == [True, False]
    assert isinstance(claim(made.request_id), RequestClaim)
    assert not renew_claim(made), "the former holder learns that it has lost it"


def test_old_records_are_forgotten_and_those_that_are_carried_out_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_old_requests(0)
    running, older, newer = claimed(), claimed(), claimed()
    for each in (older, newer):
        finish_request(each, RequestState.SUCCEEDED, status=200, headers={}, answer=b"{}")
    forget_old_requests(1)
    assert set(names()) & of(running, older, newer) == of(running, newer)
    monkeypatch.setattr(kept_requests, "KEEP", timedelta(seconds=-5))
    forget_old_requests(10)
    assert set(names()) & of(running, older, newer) == of(running)


def test_a_variable_that_somebody_changed_is_no_answer() -> None:
    made = claimed()
    with get_client(sync_client=True) as client:
        path = {"id": made.variable_id}
        client.request("PATCH", "/variables/{id}", path_params=path, json={"value": {"state": "?"}})
    found = find_request(made.request_id)
    assert found is not None
    assert found.record.state is RequestState.FAILED


def of(*claims: RequestClaim) -> set[str]:
    return {PREFIX + each.request_id for each in claims}


def names() -> list[str]:
    body = {"variables": {"name": {"like_": PREFIX}}}
    with get_client(sync_client=True) as client:
        return [each["name"] for each in client.request("POST", "/variables/filter", json=body).json()]


# ---- requests with a key -----------------------------------------------------------------------------------------


def test_requests_with_one_key_to_two_servers_at_the_same_time_are_carried_out_once() -> None:
    work, key = Work(), uuid4().hex

    async def run() -> list[Response]:
        servers = [server(), server()]
        return await asyncio.gather(*(servers[n % 2].carry_out(call(key), work) for n in range(20)))

    responses = asyncio.run(run())
    assert work.done == 1
    assert {bytes(each.body) for each in responses} == {b'{"number":1}'}
    assert {(each.status_code, each.headers["location"]) for each in responses} == {(202, "/x")}
    assert [each.headers.get("Idempotency-Replayed") for each in responses].count(None) == 1


def test_a_server_that_was_started_again_knows_the_answer() -> None:
    work, key = Work(), uuid4().hex
    for _ in range(3):
        response = asyncio.run(server().carry_out(call(key), work))
        assert bytes(response.body) == b'{"number":1}'
    assert work.done == 1
    assert response.headers["Idempotency-Replayed"] == "true"


def test_a_key_is_of_one_caller_and_one_request_and_a_failed_one_is_forgotten() -> None:
    key = uuid4().hex

    def send(given: Call, work: Work) -> Response:
        return asyncio.run(server().carry_out(given, work))

    with pytest.raises(PrefectDrsError, match="no"):
        send(call(key), Work(fail=True))
    send(call(key, "other"), Work())
    with pytest.raises(PrefectDrsError) as refused:
        send(call(key, "f"), Work())
    assert refused.value.code == "CONFLICT_ERROR"
    assert send(call(key, "f", "bob"), Work()).status_code == 202
    with pytest.raises(PrefectDrsError, match="visible ASCII"):
        send(call("two words"), Work())


def test_a_request_whose_server_died_is_carried_out_when_it_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    key, work = uuid4().hex, Work()

    async def die() -> None:
        work.held = asyncio.Event()
        task = asyncio.ensure_future(server().carry_out(call(key), work))
        while not work.done:
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(die())
    monkeypatch.setattr(kept_requests, "LOST_SECONDS", -5.0)
    work.held = None
    assert bytes(asyncio.run(server().carry_out(call(key), work)).body) == b'{"number":2}'


# ---- requests that take long -------------------------------------------------------------------------------------


def long_request(work: Work, key: str | None) -> tuple[Response, Response | None, str]:
    """Send a request that takes longer than a client waits: its first answer, that of a repetition, its id."""

    async def run() -> tuple[Response, Response | None, str]:
        requests = server(patience_seconds=0.05)
        work.held = asyncio.Event()
        first = await requests.carry_out(call(key), work)
        request_id = first.headers["Location"].removeprefix("/requests/")
        assert first.status_code == 202
        again = None if key is None else await server(patience_seconds=0.6).carry_out(call(key), work)
        running = find_request(request_id)
        assert running is not None
        assert (running.record.state, running.is_lost) == (RequestState.RUNNING, False)
        work.held.set()
        assert await requests.settle(30) == 0
        return first, again, request_id

    return asyncio.run(run())


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("fail", [True, False])
def test_a_request_that_takes_long_is_answered_at_once_and_tells_later_what_became_of_it(
    fail: bool, keyed: bool
) -> None:
    work, key = Work(fail=fail), uuid4().hex if keyed else None
    first, again, request_id = long_request(work, key)
    if again is not None:
        assert again.headers["Location"] == first.headers["Location"]
    assert work.done == 1
    with TestClient(build_app(RestOptions(caller="ada")), base_url=LOCAL) as client:
        told = client.get(first.headers["Location"]).json()
        assert (told["requestId"], told["operation"]) == (request_id, "sync_launch_configs")
        if fail:
            assert (told["status"], told["error"]["message"]) == ("FAILED", "no")
        else:
            assert (told["status"], told["statusCode"], told["answer"]) == ("SUCCEEDED", 202, {"number": 1})
    with TestClient(build_app(RestOptions(caller="bob")), base_url=LOCAL) as client:
        assert client.get(first.headers["Location"]).status_code == 404
        assert client.get("/requests/none").status_code == 404


def test_a_failed_request_that_a_client_was_told_of_can_be_sent_again() -> None:
    work, key = Work(fail=True), uuid4().hex
    long_request(work, key)
    work.fail, work.held = False, None
    assert bytes(asyncio.run(server().carry_out(call(key), work)).body) == b'{"number":2}'


def test_a_server_that_ends_does_not_wait_for_an_operation_that_lasts(stored: Stored) -> None:
    began, go_on = threading.Event(), threading.Event()

    def last(context: Context, request: Any) -> dict[str, str]:
        began.set()
        go_on.wait(60)
        return {}

    app = build_app(RestOptions(caller="ada", patience_seconds=0.05, settle_seconds=0.05))
    service = app.state.service

    def write(function: Callable[..., Any], *arguments: Any, **named: Any) -> Awaitable[Any]:
        return service.threads._writes.run(lambda: last(Context(), None))

    service.threads.write = write
    at = datetime.now(UTC)
    with TestClient(app, base_url=LOCAL) as client:
        answer = client.post("/protection-groups/sync-launch-configs", json={})
        assert (answer.status_code, answer.json()["status"]) == (202, "RUNNING")
        assert client.get(answer.headers["Location"]).json()["status"] == "RUNNING"
        assert client.get("/recovery-plans").status_code == 200, "reads do not wait for it"
        assert began.is_set()
    assert datetime.now(UTC) - at < timedelta(seconds=30)
    go_on.set()
