"""The client over a real server: errors, retries, pages, identity, events, and connections that are lost."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from prefect_drs import Client as PublicClient
from prefect_drs.client import Client, RestError, ServerUnreachableError
from prefect_drs.client.event_stream import events_of
from prefect_drs.core.errors import PrefectDrsError, UsageError
from prefect_drs.rest.options import RestOptions
from tests.rest.server import Running, running_server
from tests.rest.test_events import drilled, home

__all__ = ["drilled", "home"]

Answer = Callable[[httpx.Request], httpx.Response]


class Pauses:
    """A clock that remembers how long was waited, and waits for nothing."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def now(self) -> Any:
        raise NotImplementedError

    def wait(self, seconds: float, wake: object = None) -> None:
        self.seconds.append(seconds)


class Answers(httpx.BaseTransport):
    """Answers in turn; an exception is raised. Remembers the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def client_of(*answers: httpx.Response | Exception, **options: Any) -> tuple[Client, Answers, Pauses]:
    transport, pauses = Answers(*answers), Pauses()
    return Client(transport=transport, clock=pauses, **options), transport, pauses


LATER = {"error": "TOO_MANY_REQUESTS", "message": "wait", "details": {}}
STARTED = {"executionId": "e", "status": "PENDING"}
LOST = httpx.ReadError("lost")
REFUSED = httpx.ConnectError("refused")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running_server(RestOptions(caller="ada", event_poll_seconds=0.01)) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[Client]:
    with Client(server.url) as opened:
        yield opened


# ---- answers and errors ------------------------------------------------------------------------------------------


def test_a_method_answers_what_the_operation_answers(client: Client):
    assert client.get_user_permissions()["user"] == "ada"
    plan = client.show_plan(manifest=MANIFEST)
    assert [wave["waveName"] for wave in plan["waves"]] == ["all"]


MANIFEST = {
    "schemaVersion": "1.1",
    "protectionGroups": [{"groupName": "g", "region": "us-west-2", "sourceServerIds": ["s-00000000000000001"]}],
    "recoveryPlans": [
        {"planName": "p", "waves": [{"waveNumber": 1, "waveName": "all", "protectionGroupNames": ["g"]}]}
    ],
}


def test_an_error_has_the_code_the_faults_the_status_and_the_request_s_id(client: Client):
    with pytest.raises(PrefectDrsError) as refused:
        client.call("get_ec2_subnets", {"regoin": "secret"})
    error = refused.value
    assert isinstance(error, RestError)
    assert (error.code, error.status) == ("VALIDATION_ERROR", 400)
    assert sorted(fault["field"] for fault in error.faults) == ["region", "regoin"]
    assert len(error.request_id) == 32
    assert "secret" not in str(error)
    copied = pickle.loads(pickle.dumps(error))
    assert (copied.code, copied.status, copied.details) == (error.code, error.status, error.details)


def test_an_unknown_operation_is_refused_before_anything_is_sent(client: Client):
    with pytest.raises(PrefectDrsError, match="get_execution") as refused:
        client.call("get_executoin")
    assert refused.value.code == "INVALID_OPERATION"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>hello</html>"),
        httpx.Response(404, json={"detail": "Not Found"}),
        httpx.Response(502, text="Bad Gateway"),
        httpx.Response(302, headers={"Location": "https://elsewhere.example"}),
    ],
)
def test_an_answer_of_something_else_is_an_error_that_says_so(answer: httpx.Response):
    client, _, _ = client_of(answer)
    with pytest.raises(RestError, match="not that of a prefect-drs server") as refused:
        client.get_current_account_id()
    assert (refused.value.code, refused.value.status) == ("UNREADABLE_ANSWER", answer.status_code)


# ---- what is sent again ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_what_the_server_refuses_for_now_is_sent_again_when_it_says(status: int):
    later = httpx.Response(status, json=LATER, headers={"Retry-After": "7"})
    client, sent, pauses = client_of(later, httpx.Response(200, json={"accountId": "1"}))
    assert client.get_current_account_id() == {"accountId": "1"}
    assert (len(sent.requests), pauses.seconds) == (2, [7.0])


def test_a_server_that_refuses_for_too_long_is_an_error():
    client, sent, _ = client_of(*[httpx.Response(429, json=LATER) for _ in range(3)], retries=2)
    with pytest.raises(RestError) as refused:
        client.get_current_account_id()
    assert (refused.value.code, len(sent.requests)) == ("TOO_MANY_REQUESTS", 3)


def test_a_start_whose_answer_was_lost_is_sent_again_with_the_same_key():
    client, sent, pauses = client_of(LOST, LOST, httpx.Response(202, json=STARTED))
    assert client.start_execution(plan_id="p", execution_type="DRILL")["executionId"] == "e"
    keys = {request.headers["Idempotency-Key"] for request in sent.requests}
    assert (len(sent.requests), len(keys)) == (3, 1)
    assert 0 < pauses.seconds[0] <= 0.5
    assert pauses.seconds[1] <= 1.0


def test_each_start_has_a_key_of_its_own_and_a_caller_may_name_one():
    client, sent, _ = client_of(*[httpx.Response(202, json=STARTED) for _ in range(3)])
    for key in (None, None, "drill-7"):
        client.start_execution(plan_id="p", execution_type="DRILL", idempotency_key=key)
    first, second, third = (request.headers["Idempotency-Key"] for request in sent.requests)
    assert first != second
    assert third == "drill-7"


def test_a_change_whose_answer_was_lost_is_not_sent_again():
    client, sent, _ = client_of(LOST)
    with pytest.raises(ServerUnreachableError) as lost:
        client.update_recovery_plan("p", version=1, description="x")
    assert (lost.value.exit_code, len(sent.requests)) == (6, 1)


def test_a_change_that_never_reached_the_server_is_sent_again():
    client, sent, _ = client_of(REFUSED, httpx.Response(200, json={"version": 2}))
    assert client.update_recovery_plan("p", version=1, description="x")["version"] == 2
    assert [request.headers["If-Match"] for request in sent.requests] == ['"1"'] * 2


def test_no_server_is_one_line_that_names_it():
    client, _, _ = client_of(*[REFUSED] * 2, retries=1)
    with pytest.raises(ServerUnreachableError, match=r"http://127.0.0.1:8080 cannot be reached \(ConnectError\)"):
        client.get_current_account_id()


# ---- identity ----------------------------------------------------------------------------------------------------


def test_a_token_is_sent_with_each_request_and_shown_nowhere():
    numbers = count(1)
    client, sent, _ = client_of(
        *[httpx.Response(200, json={})] * 2, token=lambda: f"sesame-{next(numbers)}", url="http://localhost:8080"
    )
    client.get_current_account_id()
    client.get_current_account_id()
    assert [r.headers["Authorization"] for r in sent.requests] == ["Bearer sesame-1", "Bearer sesame-2"]
    assert "sesame" not in repr(client) + repr(vars(client)) + repr(vars(client._transport))


def test_an_address_is_shown_without_its_password():
    assert repr(Client("https://ada:sesame@drs.example:8443/base/")) == "Client('https://drs.example:8443/base')"


@pytest.mark.parametrize("url", ["http://drs.example", "http://10.0.0.7:8080"])
def test_a_token_is_not_sent_over_plain_http_to_another_machine(url: str):
    with pytest.raises(UsageError, match="https"):
        Client(url, token="sesame")


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://x", "http://", "http://x:port"])
def test_an_address_that_is_none_is_refused(url: str):
    with pytest.raises(UsageError, match="http://"):
        Client(url)


# ---- lists -------------------------------------------------------------------------------------------------------


def test_a_list_is_iterated_page_by_page():
    pages = [
        httpx.Response(200, json={"executions": [{"executionId": "a"}], "more": True, "nextToken": "t 1"}),
        httpx.Response(200, json={"executions": [{"executionId": "b"}], "more": False, "nextToken": None}),
    ]
    client, sent, _ = client_of(*pages)
    found = client.iterate_executions(limit=1, sort="planName")
    assert next(found)["executionId"] == "a"
    assert len(sent.requests) == 1
    assert [each["executionId"] for each in found] == ["b"]
    assert [dict(r.url.params) for r in sent.requests] == [
        {"limit": "1", "sort": "planName"},
        {"limit": "1", "sort": "planName", "nextToken": "t 1"},
    ]


# ---- events ------------------------------------------------------------------------------------------------------


def test_events_are_those_of_the_journal_to_the_end(server: Running, drilled: str):
    with PublicClient(server.url) as client:
        events = list(client.events(drilled))
        assert [event.id for event in events] == list(range(1, len(events) + 1))
        assert (events[0].kind, events[-1].kind) == ("ExecutionStarted", "ExecutionEnded")
        assert list(client.events(drilled, last_event_id=events[-3].id)) == events[-2:]


class Cut(httpx.BaseTransport):
    """Connections that are lost after so many bytes, each time."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._real = httpx.HTTPTransport()
        self.begun: list[str | None] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.begun.append(request.headers.get("Last-Event-ID"))
        response = self._real.handle_request(request)
        return httpx.Response(response.status_code, headers=response.headers, stream=_Cut(response, self._length))

    def close(self) -> None:
        self._real.close()


class _Cut(httpx.SyncByteStream):
    def __init__(self, response: httpx.Response, left: int) -> None:
        self._response = response
        self._left = left

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._response.stream:  # type: ignore[union-attr]
            yield chunk[: self._left]
            self._left -= len(chunk)
            if self._left <= 0:
                raise httpx.ReadError("cut")

    def close(self) -> None:
        self._response.close()


def test_over_lost_connections_each_event_comes_once(server: Running, drilled: str):
    with Client(server.url) as whole:
        events = list(whole.events(drilled))
    transport, pauses = Cut(2000), Pauses()
    with Client(server.url, transport=transport, clock=pauses) as client:
        assert list(client.events(drilled)) == events
    assert len(transport.begun) > 2
    assert transport.begun[0] is None
    assert all(max(0, seconds) <= 0.5 for seconds in pauses.seconds), "an event that came resets the pause"


def test_an_unknown_execution_has_no_events(client: Client, home: Path):
    with pytest.raises(RestError) as refused:
        next(client.events("00000000-0000-4000-8000-000000000000"))
    assert refused.value.code in {"NOT_FOUND", "PREFECT_UNREACHABLE"}


def test_a_name_may_hold_what_python_takes_for_the_end_of_a_line():
    data = '{"text": "a\u2028b\x85c", "sequence": 1}'
    stream = f"retry: 5000\n\nid: 1\nevent: WaveStarted\ndata: {data}\n\n: still running\n\nid: 2\n".encode()
    (event,) = events_of(stream[n : n + 1] for n in range(len(stream)))
    assert (event.id, event.kind, event.text) == (1, "WaveStarted", "a\u2028b\x85c")
