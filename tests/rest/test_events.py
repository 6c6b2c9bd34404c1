"""The events of an execution as a stream: all of them, from where a client left off, while they happen, to the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from starlette.testclient import TestClient

from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.rest.app import build_app
from prefect_drs.rest.options import RestOptions
from tests.rest.conftest import LOCAL
from tests.rest.server import running_server
from tests.rig import WaveSpec, simulated_aws

QUICK = RestOptions(caller="ada", event_poll_seconds=0.01)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Journals in a folder of the test, and no Prefect API."""
    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def drilled() -> str:
    """An execution that has ended; its id."""
    execution = str(uuid4())
    with simulated_aws() as rig:
        runbook = rig.runbook({1: WaveSpec(1), 2: WaveSpec(1, after=(1,))})
        rig.run(rig.engine(runbook, execution, open_journal(execution)))
    return execution


def parsed(text: str) -> list[dict]:
    """The events of a stream, each with the fields of its data, and its own id and kind as `id` and `event`."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append({**json.loads(fields["data"]), "id": int(fields["id"]), "event": fields["event"]})
    return found


def test_a_stream_holds_every_event_of_the_journal_in_order(client: TestClient, drilled: str):
    answer = client.get(f"/executions/{drilled}/events")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    events = parsed(answer.text)
    journal = open_journal(drilled).read()
    assert [(e["sequence"], e["event"]) for e in events] == [(n, e.kind) for n, e in enumerate(journal, 1)]
    assert events[0]["executionId"] == drilled
    assert "runbook" not in events[0]
    assert events[-1]["text"] == "execution COMPLETED"
    assert any("w1-000 (s-" in (event["text"] or "") for event in events)  # names of servers, not only ids


def test_a_client_that_reconnects_gets_what_it_has_not(client: TestClient, drilled: str):
    whole = parsed(client.get(f"/executions/{drilled}/events").text)
    rest = client.get(f"/executions/{drilled}/events", headers={"Last-Event-ID": str(len(whole) - 2)})
    assert parsed(rest.text) == whole[-2:]


def test_a_client_that_has_all_is_told_not_to_reconnect(client: TestClient, drilled: str):
    last = parsed(client.get(f"/executions/{drilled}/events").text)[-1]["id"]
    assert client.get(f"/executions/{drilled}/events", headers={"Last-Event-ID": str(last)}).status_code == 204


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "²"])
def test_an_id_that_is_none_is_refused(client: TestClient, drilled: str, last: str):
    answer = client.get(f"/executions/{drilled}/events", headers={"Last-Event-ID": last.encode()})
    assert answer.status_code == 400


def test_an_unknown_execution_has_no_stream(client: TestClient):
    answer = client.get(f"/executions/{uuid4()}/events")
    assert (answer.status_code, answer.json()["error"]) == (404, "NOT_FOUND")


def test_streams_are_counted_and_limited(drilled: str):
    with TestClient(build_app(RestOptions(streams=0)), base_url=LOCAL) as client:
        assert client.get(f"/executions/{drilled}/events").status_code == 429
    with TestClient(build_app(RestOptions(streams=1)), base_url=LOCAL) as client:
        for _ in range(3):  # each is over when the next one begins
            assert client.get(f"/executions/{drilled}/events").status_code == 200
        assert client.get(f"/executions/{uuid4()}/events").status_code == 404
        assert "prefect_drs_event_streams 0.0" in client.get("/metrics").text


def blocks(lines: Iterator[str]) -> Iterator[dict]:
    text = ""
    for line in lines:
        text += line + "\n"
        if not line:
            yield from parsed(text)
            text = ""


def test_events_arrive_while_they_happen_and_the_stream_ends_with_the_execution(drilled: str):
    events = open_journal(drilled).read()
    running = str(uuid4())
    journal = open_journal(running)
    journal.append(events[:2])
    with running_server(QUICK) as server, httpx.stream("GET", f"{server.url}/executions/{running}/events") as answer:
        received = blocks(answer.iter_lines())
        assert [next(received)["id"] for _ in range(2)] == [1, 2]
        journal.append(events[2:4])
        assert [next(received)["id"] for _ in range(2)] == [3, 4]
        journal.append(events[4:])
        assert [event["id"] for event in received] == list(range(5, len(events) + 1))


def test_a_server_that_ends_ends_its_streams(drilled: str):
    running = str(uuid4())
    open_journal(running).append(open_journal(drilled).read()[:1])
    with running_server(QUICK) as server, httpx.stream("GET", f"{server.url}/executions/{running}/events") as answer:
        received = blocks(answer.iter_lines())
        assert next(received)["event"] == "ExecutionStarted"
        server.stop()
        assert list(received) == []


def test_a_quiet_stream_says_that_it_is_there(drilled: str):
    running = str(uuid4())
    open_journal(running).append(open_journal(drilled).read()[:1])
    options = RestOptions(event_poll_seconds=0.01, heartbeat_seconds=0.0)
    with running_server(options) as server, httpx.stream("GET", f"{server.url}/executions/{running}/events") as answer:
        assert any(line.startswith(":") for line in answer.iter_lines())
