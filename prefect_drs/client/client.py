"""`Client`: the operations of a REST server as typed methods.

In: parameters in Python's spelling. Out: the JSON values that `invoke` returns on the server, typed as dictionaries, or
a `PrefectDrsError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from prefect_drs.client.caller import UNSET
from prefect_drs.client.event_stream import ExecutionEvent, follow
from prefect_drs.client.generated import Operations
from prefect_drs.client.requests import request_of
from prefect_drs.client.transport import Token, Transport
from prefect_drs.core.clock import Clock

LOCAL = "http://127.0.0.1:8080"


class Client(Operations):
    """A client of `prefect-drs serve`. Threads may share one; close it, or use it as a context manager.

        with Client() as client:
            started = client.start_execution(plan_id="three-tier", execution_type="DRILL")
            for event in client.events(started["executionId"]):
                print(event.text)

    Args:
        url: the address of the server.
        token: a bearer token, or a function that returns a current one, called for each request. It is sent over
            HTTPS only, except to this machine.
        timeout: seconds to wait for an answer.
        retries: how often a request is sent again: after 429 and 503, as `Retry-After` says; after a lost connection
            where the request reads, or has an Idempotency-Key. Everything that starts something has one.
        clock: what pauses between two attempts are measured by.
        transport: httpx's transport, for a proxy or certificates of your own.

    Raises:
        UsageError: the address is no HTTP address, or the token would be sent over plain HTTP to another machine.
    """

    def __init__(
        self,
        url: str = LOCAL,
        *,
        token: Token | None = None,
        timeout: float = 60.0,
        retries: int = 5,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._transport = Transport(
            url, token=token, timeout=timeout, retries=retries, clock=clock, transport=transport
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.shown_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def call(
        self, operation: str, values: Mapping[str, Any] | None = None, *, idempotency_key: str | None = None
    ) -> Any:
        """Call an operation by its name; the method of that name does this with types.

        Args:
            operation: the operation.
            values: its parameters, by their names in JSON; those that are `UNSET` are left out.
            idempotency_key: of a request that starts something; one is made where none is given.

        Returns:
            JSON values.

        Raises:
            InvalidOperationError: there is no such operation.
            UsageError: a parameter is missing without which there is no address.
            RestError: the server refused the request, or failed; `code` says why, `status` is the HTTP status.
            ServerUnreachableError: the server cannot be reached, or did not answer in time.
        """
        given = {name: value for name, value in (values or {}).items() if value is not UNSET}
        return self._transport.answer(request_of(operation, given), idempotency_key)

    def events(self, execution_id: str, *, last_event_id: int | None = None) -> Iterator[ExecutionEvent]:
        """Follow an execution: its events in order, each once, until it has ended.

        A lost connection is made again, and the events go on after the last one. They go on as well where
        `last_event_id` is the `id` of an event that was received before, by any process.

        Args:
            execution_id: its id, a unique beginning of it, or `latest`.
            last_event_id: the events after this one; all by default.

        Raises:
            RestError: there is no such execution, or its journal is not there.
            ServerUnreachableError: the server cannot be reached any more.
        """
        return follow(self._transport, execution_id, last_event_id or 0)
