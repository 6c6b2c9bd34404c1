"""HTTP requests of the client: identity, timeouts, and what is sent again.

In: requests. Out: answers as JSON values, or a `RestError` or `ServerUnreachableError`. A request is sent again where
that is safe:

- the server refused it for now (429, 503), after the seconds of `Retry-After`;
- the connection could not be made;
- the connection was lost and the request only reads, or has an Idempotency-Key.

Must never: show a token, follow a redirect with one, or send one over plain HTTP to another machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import httpx

from prefect_drs.client.errors import UNREADABLE, RestError, ServerUnreachableError
from prefect_drs.client.requests import RestRequest
from prefect_drs.core.clock import Clock, WallClock
from prefect_drs.core.errors import UsageError
from prefect_drs.core.loopback import is_loopback

CONNECT_SECONDS = 10.0
LONGEST_PAUSE = 60.0
FIRST_PAUSE, LONGEST_OWN_PAUSE = 0.5, 8.0
LATER = frozenset({429, 503})
KEY, LAST_EVENT_ID = "Idempotency-Key", "Last-Event-ID"

Token = str | Callable[[], str]


class Transport:
    """Connections to one server.

    Args:
        url: the address of the server.
        token: a bearer token, or a function that returns a current one; called for each request.
        timeout: seconds to wait for an answer.
        retries: how often a request is sent again.
        clock: what pauses are measured by.
        transport: the connections; httpx's own by default.

    Raises:
        UsageError: the address is no HTTP address, or a token would be sent over plain HTTP to another machine.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None,
        timeout: float,
        retries: int,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.shown_url = _checked(url, has_token=token is not None)
        self.retries = retries
        self.clock = clock or WallClock()
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            auth=None if token is None else _Bearer(token),
            timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS),
            headers={"Accept": "application/json"},
            follow_redirects=False,
            transport=transport,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def answer(self, request: RestRequest, key: str | None = None) -> Any:
        """Send a request; the JSON values of its answer.

        Args:
            request: the request.
            key: its Idempotency-Key; made where it takes one and none is given.

        Raises:
            RestError: the answer is an error.
            ServerUnreachableError: there is no answer.
        """
        headers = dict(request.headers)
        if request.takes_key:
            headers[KEY] = key or uuid4().hex
        built = self._http.build_request(
            request.method, request.path, params=request.query or None, json=request.body, headers=headers
        )
        repeatable = request.method == "GET" or request.takes_key
        for sent in range(self.retries + 1):
            last = sent == self.retries
            try:
                response = self._http.send(built)
            except httpx.TransportError as error:
                if last or not (repeatable or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)):
                    raise self.unreachable(error) from None
                self.pause(sent)
                continue
            if response.status_code not in LATER or last:
                return _value_of(response)
            self.pause(sent, response)
        raise AssertionError("the last attempt answers or raises")

    @contextmanager
    def stream(self, path: str, last_event_id: int) -> Iterator[httpx.Response]:
        """Open a stream of events, and close it afterwards.

        Raises:
            RestError: the answer is an error.
            httpx.TransportError: there is no answer, or the connection was lost.
        """
        headers = {"Accept": "text/event-stream", **({LAST_EVENT_ID: str(last_event_id)} if last_event_id else {})}
        with self._http.stream("GET", path, headers=headers) as response:
            if response.status_code >= httpx.codes.BAD_REQUEST:
                response.read()
                raise error_of(response)
            yield response

    def pause(self, sent: int, response: httpx.Response | None = None) -> None:
        """Wait before a request is sent again: as long as the answer says, else longer each time."""
        seconds = None if response is None else _retry_after(response)
        if seconds is None:
            seconds = min(LONGEST_OWN_PAUSE, FIRST_PAUSE * 2**sent) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads
        self.clock.wait(seconds)

    def unreachable(self, error: httpx.TransportError) -> ServerUnreachableError:
        """The error of a connection that could not be made, or was lost."""
        what = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "cannot be reached"
        return ServerUnreachableError(
            f"the server {self.shown_url} {what} ({type(error).__name__}); is `prefect-drs serve` running there?"
        )


class _Bearer(httpx.Auth):
    """Adds the token to each request. Its text is in no attribute that a repr shows."""

    def __init__(self, token: Token) -> None:
        self._current = token if callable(token) else lambda: token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._current()}"
        yield request


def _checked(url: str, *, has_token: bool) -> str:
    """The address without a user's name and password, to be shown."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme not in {"http", "https"} or not host:
        raise UsageError("the address of a server begins with http:// or https://, such as http://127.0.0.1:8080")
    if has_token and parts.scheme == "http" and not is_loopback(host):
        raise UsageError("a token is sent over https:// only, except to this machine")
    shown = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme, shown if port is None else f"{shown}:{port}", parts.path.rstrip("/"), "", ""))


def _value_of(response: httpx.Response) -> Any:
    if not response.is_success:
        raise error_of(response)
    try:
        return response.json()
    except ValueError:
        raise _unreadable(response) from None


def error_of(response: httpx.Response) -> RestError:
    """The error that an answer tells of."""
    try:
        body = response.json()
        code, message, details = body["error"], body["message"], body["details"]
    except (ValueError, KeyError, TypeError):
        return _unreadable(response)
    if not (isinstance(code, str) and isinstance(message, str) and isinstance(details, dict)):
        return _unreadable(response)
    return RestError(code, message, details, status=response.status_code, request_id=_request_id(response))


def _unreadable(response: httpx.Response) -> RestError:
    text = f"the answer (HTTP {response.status_code}) is not that of a prefect-drs server: check its address"
    return RestError(UNREADABLE, text, {}, status=response.status_code, request_id=_request_id(response))


def _request_id(response: httpx.Response) -> str:
    return str(response.headers.get("X-Request-Id", ""))


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return min(LONGEST_PAUSE, float(text)) if text.isascii() and text.isdigit() else None
