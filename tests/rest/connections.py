"""The addresses that this process connects to, or looks up: recorded by an audit hook of Python."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Address = tuple[str, int]
_recorders: list[set[Address]] = []
_hooked: list[bool] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _recorders or event not in {"socket.connect", "socket.getaddrinfo"}:
        return
    address = arguments[1] if event == "socket.connect" else arguments
    if isinstance(address, tuple) and len(address) >= 2:
        for recorder in _recorders:
            recorder.add((str(address[0]), int(address[1] or 0)))


@contextmanager
def connections() -> Iterator[set[Address]]:
    """Record hosts and ports within the block, of all threads."""
    if not _hooked:
        sys.addaudithook(_hear)  # for good: Python has no way to remove one
        _hooked.append(True)
    found: set[Address] = set()
    _recorders.append(found)
    try:
        yield found
    finally:
        _recorders.remove(found)
