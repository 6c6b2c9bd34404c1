"""An HTTP/1.1 server with persistent connections, so that a sandbox can serve many calls per second.

In: a WSGI application. Out: a threaded server on one address; one thread serves each connection until the client closes
it. werkzeug's development server, which moto uses, closes every connection after one response, although botocore pools
its connections. The whole request is read before the application runs, and the whole response is written at once. This
suits AWS's small calls but not streams: use it only for a sandbox on a loopback address.

The application gets the connection's socket as `werkzeug.socket`, as from werkzeug's server: a fault that loses a
response closes the socket, and the client sees a broken connection.
"""

from __future__ import annotations

import contextlib
import io
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import unquote_to_bytes

from werkzeug.serving import DechunkedInput

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_BODY = 64 << 20


class KeepAliveHandler(BaseHTTPRequestHandler):
    """One connection: passes its requests to the server's application, one after another."""

    protocol_version = "HTTP/1.1"
    server: SandboxHTTPServer
    timeout: ClassVar[float] = 300.0
    disable_nagle_algorithm = True
    wbufsize = -1

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def handle(self) -> None:
        """Serve the connection until it ends or breaks."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def finish(self) -> None:
        """Release the connection, even if it is broken."""
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the request log records the calls."""

    def _serve(self) -> None:
        body = self._body()
        if body is None or self.server.is_closing:
            self.close_connection = True
            return
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            head[:] = [status, headers]
            return lambda _: None

        answer = self._run(self._environ(body), start_response)
        status, headers = head
        names = {name.lower() for name, _ in headers}
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        for name, value in headers:
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                self.send_header(name, value)
        if "date" not in names:
            self.send_header("Date", self.date_time_string())
        length = dict(headers).get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def _run(self, environ: WSGIEnvironment, start_response: StartResponse) -> bytes:
        chunks = self.server.application(environ, start_response)
        try:
            return b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()

    def _body(self) -> bytes | None:
        body = DechunkedInput(cast("IO[bytes]", self.rfile))
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(iter(lambda: body.read(1 << 20), b""))
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            self.send_error(400 if not length.isdigit() else 413)
            return None
        return self.rfile.read(int(length))

    def handle_expect_100(self) -> bool:
        """Request the body: botocore sends `Expect` before large bodies."""
        sent = super().handle_expect_100()
        self.wfile.flush()
        return sent

    def _environ(self, body: bytes) -> WSGIEnvironment:
        path, _, query = self.path.partition("?")
        if path.startswith(("http://", "https://")):
            path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "REQUEST_URI": self.path,
            "RAW_URI": self.path,
            "SERVER_NAME": self.server.host,
            "SERVER_PORT": str(self.server.server_port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "REMOTE_PORT": self.client_address[1],
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "werkzeug.socket": self.connection,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            if key not in {"CONTENT_TYPE", "CONTENT_LENGTH", "TRANSFER_ENCODING"} and "_" not in name:
                earlier = environ.get(f"HTTP_{key}")
                environ[f"HTTP_{key}"] = f"{earlier},{value}" if earlier else value
        return environ


class SandboxHTTPServer(ThreadingHTTPServer):
    """The server; `port` 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """

    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, application: WSGIApplication, host: str, port: int) -> None:
        self.application = application
        self.is_closing = False
        self.host = host
        super().__init__((host, port), KeepAliveHandler)

    def close(self) -> None:
        """Accept no more connections, and no more requests on open ones."""
        self.is_closing = True
        self.shutdown()

    def server_bind(self) -> None:
        """Bind without resolving the host's name, which may take seconds without a name server."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.host, int(self.server_address[1])
