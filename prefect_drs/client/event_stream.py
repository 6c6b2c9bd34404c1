"""The events of an execution, followed over lost connections to its end.

In: an execution, and the id of the last event that is known. Out: events in order, each once. The server's stream is
server-sent events (WHATWG HTML, 9.2); it is read by line feeds alone, since names in events may hold other characters
that Python takes for ends of lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from prefect_drs.client.errors import RestError
from prefect_drs.client.transport import LATER, Transport

EVENTS_PATH = "/executions/{}/events"
PAUSE_SECONDS = 5.0


class ExecutionEvent(NamedTuple):
    """An event of an execution.

    Args:
        id: its number in the journal, from 1; `events` goes on after it.
        kind: such as `WaveStarted`.
        text: the line that a log shows of it; None where it is not shown.
        data: its fields, by their names in JSON.
    """

    id: int
    kind: str
    text: str | None
    data: dict[str, Any]


def follow(transport: Transport, execution_id: str, last_event_id: int) -> Iterator[ExecutionEvent]:
    """The events after `last_event_id`, until the execution has ended.

    Raises:
        RestError: there is no such execution, or the server refused.
        ServerUnreachableError: the connection was lost and could not be made again.
    """
    path = EVENTS_PATH.format(quote(execution_id, safe=""))
    last, failed = last_event_id, 0
    while True:
        before = last
        try:
            with transport.stream(path, last) as response:
                if response.status_code == httpx.codes.NO_CONTENT:
                    return
                for event in events_of(response.iter_bytes()):
                    if event.id > last:
                        last, failed = event.id, 0
                        yield event
        except httpx.TransportError as error:
            if failed == transport.retries:
                raise transport.unreachable(error) from None
            transport.pause(failed)
            failed += 1
        except RestError as error:
            if error.status not in LATER or failed == transport.retries:
                raise
            transport.clock.wait(PAUSE_SECONDS)
            failed += 1
        else:
            if last == before:  # the server ended a stream without news: it restarts, or cannot read the journal
                transport.clock.wait(PAUSE_SECONDS)


def events_of(chunks: Iterable[bytes]) -> Iterator[ExecutionEvent]:
    """The events in the bytes of a stream; an event that is not complete is left out."""
    fields: dict[str, str] = {}
    for line in _lines(chunks):
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        if "id" in fields and "data" in fields:
            data = json.loads(fields["data"])
            yield ExecutionEvent(int(fields["id"]), fields.get("event", ""), data.get("text"), data)
        fields = {}


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    unread = b""
    for chunk in chunks:
        *lines, unread = (unread + chunk).split(b"\n")
        for line in lines:
            yield line.decode("utf-8").removesuffix("\r")
