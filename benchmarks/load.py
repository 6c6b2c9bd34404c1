"""An open-loop load of HTTP requests, as a process of its own.

    python -m benchmarks.load URL --rate 200 --seconds 60 --path /executions --path /gates …

In: a server, paths, a rate. Out: one JSON object on stdout. Requests begin on a fixed schedule, whether former ones
have been answered or not, and take the paths in turn over keep-alive connections. A latency is measured from the
scheduled time to the last byte of the answer, so that a server that stalls makes every request late that it holds up,
and a client that falls behind shows in the figures instead of sparing the server (Tene, "How NOT to measure latency").
Every other request of a path sends the ETag that it got last, as a page that is shown does. An error is anything but
200 or 304.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30.0


@dataclass
class Load:
    """What came of the requests: latencies in seconds by path, statuses, and how late the client itself began."""

    latencies: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)
    received: int = 0
    etags: dict[str, str] = field(default_factory=dict)

    def figures(self, seconds: float) -> dict[str, object]:
        """The summary, times in milliseconds."""
        everything = [each for found in self.latencies.values() for each in found]
        return {
            "requests": len(everything) + sum(self.errors.values()),
            "seconds": round(seconds, 1),
            "errors": dict(self.errors),
            "statuses": dict(self.statuses),
            "megabytes": round(self.received / 1e6, 1),
            "all": _milliseconds(everything),
            "clientLate": _milliseconds(self.late),
            "paths": {path: _milliseconds(found) for path, found in sorted(self.latencies.items())},
        }


def _milliseconds(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    if not ordered:
        return {}
    at = {f"p{per:g}": ordered[min(len(ordered) - 1, int(len(ordered) * per / 100))] for per in (50, 95, 99)}
    return {name: round(1000 * value, 1) for name, value in {**at, "max": ordered[-1]}.items()}


class Connections:
    """Keep-alive connections to one server: the one that was used last is used again first.

    httpcore's pool takes 7 ms of CPU a request with 200 connections, and then measures itself.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, path: str, headers: str) -> tuple[int, str | None, int]:
        """One request: status, ETag, bytes of the body."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():  # the server closes those that were idle for long
                break
            writer.close()
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port, limit=2**24)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n{headers}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        length = int(fields.get("content-length", "0"))
        if length:
            await reader.readexactly(length)
        self._idle.append((reader, writer))
        return int(head[0].split()[1]), fields.get("etag"), length

    def close(self) -> None:
        """Close those that are idle."""
        for _, writer in self._idle:
            writer.close()


async def send_load(url: str, paths: Sequence[str], rate: float, seconds: float) -> Load:
    """Send `rate` requests a second for `seconds`, and wait for their answers."""
    load = Load(latencies={path: [] for path in paths})
    connections = Connections(url)
    began = time.perf_counter()
    waiting: set[asyncio.Task[None]] = set()
    for number in range(int(rate * seconds)):
        at = began + number / rate
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        load.late.append(time.perf_counter() - at)
        conditional = number // len(paths) % 2 == 1
        task = asyncio.create_task(_send(connections, paths[number % len(paths)], at, load, conditional))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    if waiting:
        await asyncio.wait(waiting)
    connections.close()
    return load


async def _send(connections: Connections, path: str, at: float, load: Load, conditional: bool) -> None:
    etag = load.etags.get(path)
    headers = f"If-None-Match: {etag}\r\n" if conditional and etag else ""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            status, etag, length = await connections.get(path, headers)
    except Exception as error:
        load.errors[type(error).__name__] += 1
        return
    load.statuses[str(status)] += 1
    load.received += length
    if status not in {200, 304}:
        load.errors[str(status)] += 1
        return
    load.latencies[path].append(time.perf_counter() - at)
    if etag is not None:
        load.etags[path] = etag


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load")
    parser.add_argument("url")
    parser.add_argument("--path", action="append", required=True, help="may be given more than once")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    cpu, began = time.process_time(), time.perf_counter()
    load = asyncio.run(send_load(options.url, options.path, options.rate, options.seconds))
    figures = load.figures(time.perf_counter() - began)
    print(json.dumps({**figures, "clientCpuSeconds": round(time.process_time() - cpu, 1)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
