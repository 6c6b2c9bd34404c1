"""Serve the REST face: bind the socket, answer requests, and end gracefully.

In: an address. Out: nothing; returns when the server was told to end (SIGINT, SIGTERM). Until requests carry identities
and there is a policy of who may do what, the server binds to this machine's loopback only: whoever reaches it acts as
the user who started it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from fastapi import FastAPI

from prefect_drs.core.errors import UsageError
from prefect_drs.rest.app import build_app
from prefect_drs.rest.log import request_id
from prefect_drs.rest.options import RestOptions

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE_SECONDS = 30
KEEP_ALIVE_SECONDS = 20
CONNECTIONS = 1000
HIGHEST_PORT = 65535
SWITCH_SECONDS = 0.0005
"""How long the event loop waits for a thread that computes, each time it comes back from a socket; Python: 5 ms."""


class RestServer(uvicorn.Server):
    """uvicorn's server, which ends streams of events too when it is told to end, and then returns."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
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


def bind(host: str, port: int) -> socket.socket:
    """A listening socket on this machine's loopback; port 0 takes a free one.

    Raises:
        UsageError: the address is not of the loopback, the port is no port, or it is taken.
    """
    if not 0 <= port <= HIGHEST_PORT:
        raise UsageError(f"invalid --port {port}: use 0 to {HIGHEST_PORT}")
    address = _loopback(host)
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


def _loopback(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address({"localhost": "127.0.0.1"}.get(host, host.strip("[]")))
    except ValueError:
        address = None
    if address is None or not address.is_loopback or str(address) not in {"127.0.0.1", "::1"}:
        raise UsageError(
            f"--host {host} is refused: without an access policy, whoever reaches the server acts as you, so it binds "
            "to 127.0.0.1, localhost or ::1 only; reach it from elsewhere through an SSH tunnel "
            "(ssh -L 8080:127.0.0.1:8080)"
        )
    return address


def serve(host: str, port: int, say: Callable[[str], None], options: RestOptions | None = None) -> None:
    """Serve until SIGINT or SIGTERM; requests that are being answered then are finished first.

    Args:
        host: the address to bind to.
        port: the port; 0 takes a free one.
        say: called with a line for people once requests are accepted, and when the server ends.
        options: limits, clock and caller.

    Raises:
        UsageError: see `bind`.
    """
    listener = bind(host, port)
    with contextlib.closing(listener):
        app = build_app(options)
        _log_to_stderr()
        config = uvicorn.Config(
            app,
            access_log=False,  # the guard logs each request, without its query
            log_config=None,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        shown = f"[{host.strip('[]')}]" if ":" in host else host
        say(f"serving http://{shown}:{listener.getsockname()[1]} (OpenAPI: /openapi.json); Ctrl-C ends it")
        sys.setswitchinterval(SWITCH_SECONDS)
        RestServer(config, app).run(sockets=[listener])
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
