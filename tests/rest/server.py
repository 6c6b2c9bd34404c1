"""A real server on a free port, in a thread of the test's process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prefect_drs.rest.app import build_app
from prefect_drs.rest.options import RestOptions
from prefect_drs.rest.server import RestServer, bind


class Running:
    """A server that answers at `url`."""

    def __init__(self, server: RestServer, url: str) -> None:
        self._server = server
        self.url = url

    def stop(self) -> None:
        """Tell it to end, as SIGTERM does."""
        self._server.handle_exit(signal.SIGTERM, None)


@contextmanager
def running_server(options: RestOptions) -> Iterator[Running]:
    """Serve, and end gracefully afterwards."""
    listener = bind("127.0.0.1", 0)
    app = build_app(options)
    server = RestServer(app, grace_seconds=10)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    running = Running(server, f"http://127.0.0.1:{listener.getsockname()[1]}")
    try:
        yield running
    finally:
        running.stop()
        thread.join(timeout=60)
        listener.close()
    assert not thread.is_alive()
