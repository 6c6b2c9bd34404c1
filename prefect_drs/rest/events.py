"""The events of an execution as server-sent events (WHATWG HTML, 9.2).

In: an execution, and `Last-Event-ID` from a client that reconnects. Out: a stream that begins after that event and ends
with the execution. The id of an event is its number in the journal, so that a stream goes on exactly where it broke
off, also after a restart of this server. A client that has all events of an execution that has ended gets 204, which
tells an `EventSource` not to reconnect.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.operations import find_operation
from prefect_drs.operations.access import admit
from prefect_drs.operations.event_stream import EventTail, NumberedEvent
from prefect_drs.operations.executions import ExecutionReference
from prefect_drs.operations.invocation import InvalidRequestError
from prefect_drs.rest.endpoints import Endpoint
from prefect_drs.rest.errors import TooManyRequestsError
from prefect_drs.rest.log import LOGGER, request_id
from prefect_drs.rest.service import Sender, Service, sender_of

CONTENT_TYPE = "text/event-stream"
LAST_EVENT_ID = "Last-Event-ID"
RETRY_SECONDS = 5.0
REPORT_PATIENCE = 30.0
"""Seconds that a stream stays open after the last event, for the report to be published."""
NO_CONTENT = 204
LONG = {"runbook", "proof"}
"""Fields of events that are not sent: a runbook of thousands of servers is a document of its own, and the proofs of
approvals are the journal's alone."""


def events_endpoint(service: Service) -> Endpoint:
    """The endpoint of the events of an execution."""

    async def events(request: Request) -> Response:
        await service.read(_admit, service, sender_of(request), request.path_params["executionId"])
        after = _last_event(request.headers.get(LAST_EVENT_ID))
        if service.streams >= service.options.streams:
            text = f"{service.streams} streams of events are open, as many as this server allows"
            raise TooManyRequestsError(text, retry_after=RETRY_SECONDS)
        service.streams += 1
        service.metrics.streams.inc()
        try:
            tail = await service.read(EventTail, request.path_params["executionId"])
            first = [each for each in await service.read(tail.read) if each.sequence > after]
        except BaseException:
            _closed(service)
            raise
        if tail.has_ended and not first:
            _closed(service)
            return Response(status_code=NO_CONTENT)
        return _Stream(service, tail, first, after)

    return events


def _admit(service: Service, sender: Sender, execution: str) -> None:
    admission = admit(service.context(sender), find_operation("get_execution"))
    admission.check(ExecutionReference(execution_id=execution))


class _Stream(StreamingResponse):
    """The response; whatever ends it, the stream is counted as closed once."""

    def __init__(self, service: Service, tail: EventTail, first: list[NumberedEvent], after: int) -> None:
        super().__init__(_chunks(service, tail, first, after), media_type=CONTENT_TYPE)
        self._service = service

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        try:
            await super().__call__(scope, receive, send)
        finally:
            _closed(self._service)


async def _chunks(service: Service, tail: EventTail, events: list[NumberedEvent], after: int) -> AsyncIterator[str]:
    options = service.options
    said_at = options.now()
    yield f"retry: {int(RETRY_SECONDS * 1000)}\n\n"
    while True:
        for each in events:
            if each.sequence > after:
                yield event_text(each)
                said_at = options.now()
        if service.stopping.is_set() or (tail.has_ended and await _is_over(service, tail, said_at)):
            return
        if options.now() - said_at >= options.heartbeat_seconds:
            yield ": still running\n\n"
            said_at = options.now()
        with suppress(TimeoutError):
            await asyncio.wait_for(service.stopping.wait(), options.event_poll_seconds)
        try:
            events = await service.read(tail.read)
        except PrefectDrsError:
            LOGGER.exception("request %s: the stream ends, since the journal cannot be read", request_id.get())
            return


async def _is_over(service: Service, tail: EventTail, told_at: float) -> bool:
    """Whether the report has the end that the journal has: then `get_execution` agrees with what the stream told.

    The report is published a moment after the last event, or never where the process died in between.
    """
    if service.options.now() - told_at >= REPORT_PATIENCE:
        return True
    try:
        return await service.read(tail.is_reported)
    except PrefectDrsError:
        LOGGER.exception("request %s: the stream ends, since the report cannot be read", request_id.get())
        return True


def event_text(numbered: NumberedEvent) -> str:
    """One event as a server-sent event: its id, its kind, and its fields as JSON in one line."""
    event = numbered.event
    values = {
        "sequence": numbered.sequence,
        **event.model_dump(mode="json", by_alias=True, exclude=LONG),
        "text": numbered.text,
    }
    data = json.dumps(values, ensure_ascii=False)  # escapes line ends, so that the data is one line
    return f"id: {numbered.sequence}\nevent: {event.kind}\ndata: {data}\n\n"


def _closed(service: Service) -> None:
    service.streams -= 1
    service.metrics.streams.dec()


def _last_event(header: str | None) -> int:
    if header is None or header == "":
        return 0
    if not (header.isascii() and header.isdigit() and len(header) < 18):
        fault = {"field": LAST_EVENT_ID, "message": "is the id of an event: a number"}
        raise InvalidRequestError(f"{LAST_EVENT_ID} {fault['message']}", faults=[fault])
    return int(header)
