"""Serve the REST face: bind the socket, answer requests, and end gracefully.

In: an address. Out: nothing; returns when the server was told to end (SIGINT, SIGTERM). Without an access policy the
server binds to this machine's loopback only: whoever reaches it acts as the user who started it. With one it binds
elsewhere too, with TLS, or behind a proxy that ends TLS: a token is worth as much as a password while it counts.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import uvicorn
from fastapi import FastAPI

from prefect_drs.core.errors import UsageError
from prefect_drs.rest.app import build_app
from prefect_drs.rest.log import request_id
from prefect_drs.rest.options import RestOptions

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE_SECONDS = 30
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open: longer than clients and load balancers keep theirs (an AWS Application Load
Balancer: 60 s), so that none is closed just as a request is sent on it."""
CONNECTIONS = 1000
HIGHEST_PORT = 65535
SWITCH_SECONDS = 0.0005
"""How long the event loop waits for a thread that computes, each time it comes back from a socket; Python: 5 ms."""


class Exposure(NamedTuple):
    """How a server on an address that others reach is protected.

    Args:
        tls_cert: the file of the certificate chain, in PEM.
        tls_key: the file of its key.
        behind_proxy: a proxy in front ends TLS.
    """

    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read tokens."""
        return self.behind_proxy or self.tls_cert is not None

    def check(self) -> None:
        """Check that the files go together.

        Raises:
            UsageError: one is missing or cannot be used.
        """
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UsageError("--tls-cert and --tls-key go together: give both")
        if self.tls_cert is None or self.tls_key is None:
            return
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.tls_cert, self.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(f"--tls-cert and --tls-key cannot be used: {error}") from None


PRIVATE = Exposure()


class RestServer(uvicorn.Server):
    """uvicorn's server, which ends streams of events too when it is told to end, and then returns.

    Args:
        app: what it serves.
        exposure: TLS.
        grace_seconds: how long requests may take to end after it was told to end.
    """

    def __init__(self, app: FastAPI, exposure: Exposure = PRIVATE, *, grace_seconds: int = GRACE_SECONDS) -> None:
        config = uvicorn.Config(
            app,
            access_log=False,  # the guard logs each request, without its query
            log_config=None,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=grace_seconds,
            ssl_certfile=exposure.tls_cert,
            ssl_keyfile=exposure.tls_key,
        )
        super().__init__(config)
        self._stopping = app.state.service.stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second SIGINT ends at once. Called by Python between two steps of the event loop."""
        super().handle_exit(sig, frame)
        self._stopping.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while serving; uvicorn's own method sends them again afterwards, which would be fatal."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        former = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def is_local(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    address = _address(host)
    return address is not None and str(address) in {"127.0.0.1", "::1"}


def bind(host: str, port: int, *, anywhere: bool = False) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Args:
        host: the address.
        port: the port.
        anywhere: whether the address may be one that others reach.

    Raises:
        UsageError: the address is none, or not of the loopback where it must be; the port is no port, or it is taken.
    """
    if not 0 <= port <= HIGHEST_PORT:
        raise UsageError(f"invalid --port {port}: use 0 to {HIGHEST_PORT}")
    address = _address(host)
    if address is None or not (anywhere or is_local(host)):
        raise UsageError(
            f"--host {host} is refused: without an access policy, whoever reaches the server acts as you, so it binds "
            "to 127.0.0.1, localhost or ::1 only; reach it from elsewhere through an SSH tunnel "
            "(ssh -L 8080:127.0.0.1:8080), or set an access policy (prefect-drs op set_access_policy)"
        )
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(address), port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise UsageError(f"{host} port {port} cannot be used: {error.strerror}; choose another --port") from None
    return listener


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address({"localhost": "127.0.0.1"}.get(host, host.strip("[]")))
    except ValueError:
        return None


def protected(host: str, options: RestOptions, exposure: Exposure, say: Callable[[str], None]) -> RestOptions:
    """The options for an address, after the check of what protects it; says who may call.

    Args:
        host: the address.
        options: as the user wants them.
        exposure: TLS, or a proxy.
        say: called with a line for people.

    Raises:
        UsageError: others reach the address, and there is no access policy, or tokens could be read on the way.
        PrefectUnreachableError: the access policy cannot be read.
    """
    policy = options.policies.current()
    if policy is None:
        if not is_local(host):
            bind(host, 0)  # refuses it
        say("no access policy: every caller of this machine acts as you (docs/access.md)")
        return options
    say(f"version {policy.version} of the access policy is in force: each request needs a token (prefect-drs token)")
    if not is_local(host) and not exposure.is_private:
        raise UsageError(
            f"--host {host}: tokens could be read on the way: give --tls-cert and --tls-key, or --behind-proxy where a "
            "proxy in front ends TLS"
        )
    # What was in force when the server began is never taken for absent: all versions may have been deleted.
    return replace(options, requires_policy=True, any_host=not is_local(host))


def serve(
    host: str,
    port: int,
    say: Callable[[str], None],
    options: RestOptions | None = None,
    exposure: Exposure = PRIVATE,
) -> None:
    """Serve until SIGINT or SIGTERM; requests that are being answered then are finished first.

    Args:
        host: the address to bind to.
        port: the port; 0 takes a free one.
        say: called with a line for people once requests are accepted, and when the server ends.
        options: limits, clock and caller.
        exposure: TLS, or a proxy in front.

    Raises:
        UsageError: see `bind` and `protected`.
        PrefectUnreachableError: the access policy cannot be read.
    """
    options = protected(host, options or RestOptions(), exposure, say)
    listener = bind(host, port, anywhere=options.any_host)
    with contextlib.closing(listener):
        app = build_app(options)
        _log_to_stderr()
        scheme = "http" if exposure.tls_cert is None else "https"
        shown = f"[{host.strip('[]')}]" if ":" in host else host
        say(f"serving {scheme}://{shown}:{listener.getsockname()[1]} (OpenAPI: /openapi.json); Ctrl-C ends it")
        sys.setswitchinterval(SWITCH_SECONDS)
        RestServer(app, exposure).run(sockets=[listener])
    say("the server has ended")


class _WithRequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


def _log_to_stderr() -> None:
    """Log the requests, and warnings of the package, on stderr with the id of the request."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_WithRequestId())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s request %(request_id)s %(name)s: %(message)s"))
    logger = logging.getLogger("prefect_drs")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
