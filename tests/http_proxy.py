"""A small HTTP proxy on 127.0.0.1 before a real endpoint: passes requests on, and fails those it is told to.

A `Fault` fits a request by its method and a part of its path, or the `whole` of it. It may be refused before it arrives
(`refuse`), stay without an answer until the client hangs up (`swallow`), or be carried out and its answer lost (`lose`)
or cut short (`cut`).
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

Effect = Literal["refuse", "swallow", "lose", "cut"]


@dataclass
class Fault:
    """What goes wrong with requests, and how often."""

    method: str
    effect: Effect
    path: str = ""
    whole: bool = False
    times: int = 1
    status: int = 500
    code: str = "InternalError"
    hits: int = 0


@dataclass
class Proxy:
    """The proxy: its address, its faults, the requests that came, and the size of their answers."""

    upstream: str
    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    received: int = 0  # bytes of all answers
    lock: threading.Lock = field(default_factory=threading.Lock)

    def plant(self, method: str, effect: Effect, **fault: Any) -> Fault:
        """Let some requests fail."""
        self.faults.append(Fault(method, effect, **fault))
        return self.faults[-1]

    def hit(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets."""
        with self.lock:
            for fault in self.faults:
                fits = fault.path == path if fault.whole else fault.path in path
                if fault.method == method and fits and fault.hits < fault.times:
                    fault.hits += 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._pass_on
        raise AttributeError(name)

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.hit(self.command, self.path)
        if fault is not None and fault.effect == "refuse":
            told = f"<Error><Code>{fault.code}</Code><Message>as planted</Message></Error>".encode()
            self._answer(fault.status, {"Content-Type": "application/xml"}, told)
            return
        if fault is not None and fault.effect == "swallow":
            self.connection.recv(1)
            self.close_connection = True
            return
        upstream = http.client.HTTPConnection(urlsplit(self.proxy.upstream).netloc, timeout=30)
        hop = {"connection", "expect", "keep-alive", "transfer-encoding"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in hop}
        upstream.request(self.command, self.path, body, headers | {"Host": urlsplit(self.proxy.upstream).netloc})
        answer = upstream.getresponse()
        content = answer.read()
        self.proxy.received += len(content)
        upstream.close()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in hop | {"content-length"}}
        if fault is not None and fault.effect == "lose":
            self.proxy.requests.append((self.command, self.path, answer.status))
            self.close_connection = True
            return
        cut = len(content) // 2 if fault is not None else len(content)
        self._answer(answer.status, kept, content, cut)

    def _answer(self, status: int, headers: dict[str, str], content: bytes, cut: int | None = None) -> None:
        self.proxy.requests.append((self.command, self.path, status))
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:cut])
        if cut is not None and cut < len(content):
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def http_proxy(upstream: str) -> Iterator[Proxy]:
    """Run one before that endpoint."""
    proxy = Proxy(upstream)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
