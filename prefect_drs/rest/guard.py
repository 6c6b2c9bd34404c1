"""What every request passes before it reaches an endpoint, and what every response gets.

In: an ASGI application. Out: the same application behind these rules: the Host header names this machine (otherwise a
web page could reach the server by DNS rebinding), no web page of another origin sends requests, each request but those
for health has a token that proves who sends it (where there is an access policy), each caller keeps to its limit; each
request has an id, a line in the log and a place in the metrics. A request id is taken from `X-Request-Id` where that is
a plain word, and made otherwise. Neither log nor metrics hold values of a request, and no part of a token.
"""

from __future__ import annotations

import math
import re
import uuid
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.core.escaping import one_line
from prefect_drs.identity import Identity, NotProvenError
from prefect_drs.operations.invocation import error_body
from prefect_drs.orchestration.storage.access_policy import PolicyVersion
from prefect_drs.rest.authentication import bearer_token, challenge_of
from prefect_drs.rest.errors import (
    RETRY_SECONDS,
    ForeignOriginError,
    NotReadyError,
    TooManyRequestsError,
    status_of,
)
from prefect_drs.rest.log import LOGGER, request_id
from prefect_drs.rest.service import Sender, Service

REQUEST_ID = "X-Request-Id"
UNKNOWN_ROUTE = "(no route)"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN = frozenset({"/health", "/ready"})
"""Paths that need no token."""
UNLIMITED = frozenset({*OPEN, "/metrics"})
_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SAME_SITE = frozenset({"same-origin", "none"})


class Guard:
    """The ASGI application behind the rules.

    Args:
        app: the application.
        service: limits, metrics, caller.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID, "")
        identity = given if _ID.fullmatch(given) else uuid.uuid4().hex
        token = request_id.set(identity)
        scope.setdefault("state", {})["sender"] = sender = Sender(self._service.options.caller, None, _peer_of(scope))
        began = self._service.options.now()
        statuses: list[int] = []

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                _complete(MutableHeaders(scope=message), identity)
            await send(message)

        self._service.metrics.in_flight.inc()
        try:
            try:
                scope["state"]["sender"] = sender = await self._admitted(scope, headers)
            except Exception as refusal:
                if isinstance(refusal, NotProvenError) and self._service.denials.take(sender.peer) == 0.0:
                    await self._service.read(self._service.record_denial, sender, scope, refusal)
                if not isinstance(refusal, PrefectDrsError):
                    LOGGER.error("request %s failed", identity, exc_info=refusal)
                await error_response(refusal)(scope, receive, identified)
            else:
                await self._app(scope, receive, identified)
        finally:
            self._service.metrics.in_flight.dec()
            self._record(scope, statuses[-1] if statuses else 0, self._service.options.now() - began, sender)
            request_id.reset(token)

    async def _admitted(self, scope: Scope, headers: Headers) -> Sender:
        """Who sends a request.

        Raises:
            PrefectDrsError: it comes from a web page, there is no valid token, or too many were sent.
        """
        options, peer = self._service.options, _peer_of(scope)
        if (foreign := foreign_request(headers, any_host=options.any_host)) is not None:
            raise foreign
        if scope["path"] in OPEN:
            return Sender(options.caller, None, peer)
        policies = options.policies
        policy = policies.current() if policies.is_fresh else await self._service.read(policies.current)
        if policy is None:
            if options.requires_policy:
                raise NotReadyError("there is no access policy, and this server works with one only")
            sender = Sender(options.caller, None, peer)
        else:
            identity = await self._identity(bearer_token(headers), peer, policy)
            sender = Sender(identity.name, identity, peer)
        if scope["path"] not in UNLIMITED:
            self._limit(sender.name)
        return sender

    async def _identity(self, token: str, peer: str, policy: PolicyVersion) -> Identity:
        authentication = self._service.authentication
        known = None if self._service.options.single_use else authentication.known(token, peer, policy)
        if known is not None:
            return known
        if (wait := self._service.unverified.take(peer)) > 0.0:  # each costs a request to STS
            raise TooManyRequestsError("too many new tokens from this address; wait and retry", retry_after=wait)
        return await self._service.read(authentication.verify, token, peer, policy)

    def _limit(self, caller: str) -> None:
        wait = self._service.rate.take(caller)
        if wait > 0.0:
            self._service.metrics.limited.inc()
            per_second = self._service.options.requests_per_second
            raise TooManyRequestsError(f"more than {per_second:g} requests a second; wait and retry", retry_after=wait)

    def _record(self, scope: Scope, status: int, seconds: float, sender: Sender) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
        method = scope["method"] if scope["method"] in {"GET", "POST", "PUT", "DELETE"} else "other"
        self._service.metrics.answered(method, route, status, seconds)
        LOGGER.info("%s %s %s %.0f ms caller %s", method, route, status, seconds * 1000, one_line(sender.name))


def foreign_request(headers: Headers, *, any_host: bool = False) -> ForeignOriginError | None:
    """The refusal of a request for another host, or from a web page of another origin.

    Args:
        headers: of the request.
        any_host: accept any host name: the server has an address that others reach.
    """
    hosts = headers.getlist("host")
    host = _host_of(f"//{hosts[0]}") if len(hosts) == 1 else None
    if host is None or not (any_host or host in LOCAL_HOSTS):
        return ForeignOriginError("the Host header must name this machine: localhost, 127.0.0.1 or [::1]")
    origins = headers.getlist("origin")
    if any(origin not in {f"http://{hosts[0]}", f"https://{hosts[0]}"} for origin in origins):
        return ForeignOriginError("requests from web pages of another origin are refused")
    if headers.get("sec-fetch-site", "none") not in _SAME_SITE:
        return ForeignOriginError("requests from web pages of another site are refused")
    return None


def _peer_of(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _host_of(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    plain = parts.username is None and not (parts.path or parts.query or parts.fragment)
    return parts.hostname if plain else None


def error_response(error: Exception, *, conditional: bool = False) -> JSONResponse:
    """The response of an error; of one that is not the package's own, it has the kind and the request's id only.

    Args:
        error: the error.
        conditional: the request had If-Match.
    """
    body = error_body(error)
    status = status_of(body["error"], conditional=conditional)
    headers = {}
    if isinstance(error, NotProvenError) and status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = challenge_of(error)
    elif isinstance(error, TooManyRequestsError):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_SECONDS)
    elif status == HTTPStatus.INTERNAL_SERVER_ERROR:
        body["details"] = {**body["details"], "requestId": request_id.get()}
    return JSONResponse(body, status, headers)


def _complete(headers: MutableHeaders, identity: str) -> None:
    headers[REQUEST_ID] = identity
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Cache-Control", "no-store")
