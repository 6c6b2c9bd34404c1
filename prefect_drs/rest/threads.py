"""The threads that sync operations run in: each kind in a bounded number of its own.

In: a sync function. Out: its value, in the event loop. Operations that read and operations that change something do not
wait for each other, and health, streams and records of requests wait for neither. The threads are daemons: a server
that ends does not wait for an operation that lasts for minutes, and whatever it was about is carried on as after a
crash. All threads share one client of the Prefect API, since a new one costs more than most requests.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from prefect_drs.orchestration.client import lasting_client
from prefect_drs.rest.errors import NotReadyError
from prefect_drs.rest.options import RestOptions

SHORT_READS = 4
"""Threads for health, streams of events and records of requests."""

_Value = TypeVar("_Value")
_Job = tuple[Callable[[], Any], "asyncio.Future[Any]"] | None


class Threads:
    """The threads of one process.

    Args:
        options: how many there are.
    """

    def __init__(self, options: RestOptions) -> None:
        self._reads = _Pool("read", options.threads, options.waiting)
        self._writes = _Pool("write", options.threads, options.waiting)
        self._short = _Pool("short", SHORT_READS, None)

    async def run(self, function: Callable[..., _Value], *arguments: Any, **named: Any) -> _Value:
        """Run an operation that reads.

        Raises:
            NotReadyError: too many wait for a thread already.
        """
        return await self._reads.run(partial(function, *arguments, **named))

    async def write(self, function: Callable[..., _Value], *arguments: Any, **named: Any) -> _Value:
        """Run an operation that may change something.

        Raises:
            NotReadyError: too many wait for a thread already.
        """
        return await self._writes.run(partial(function, *arguments, **named))

    async def read(self, function: Callable[..., _Value], *arguments: Any) -> _Value:
        """Run a short read; it does not wait for operations."""
        return await self._short.run(partial(function, *arguments))

    def close(self) -> None:
        """Let the threads end once they have nothing to do."""
        for pool in (self._reads, self._writes, self._short):
            pool.close()


class _Pool:
    """Threads that are started when they are needed, and end with the process."""

    def __init__(self, name: str, threads: int, waiting: int | None) -> None:
        self._name = f"drs-rest-{name}"
        self._most = threads
        self._waiting = waiting
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._started = 0
        self._busy = 0  # jobs that run or wait; counted in the event loop only

    async def run(self, function: Callable[[], _Value]) -> _Value:
        if self._waiting is not None and self._busy - self._most >= self._waiting:
            raise NotReadyError("the server has too many requests to work on; send this one again in a second")
        future: asyncio.Future[_Value] = asyncio.get_running_loop().create_future()
        self._busy += 1
        future.add_done_callback(self._ended)
        if self._busy > self._started < self._most:
            self._started += 1
            threading.Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()
        self._jobs.put((partial(copy_context().run, _with_client, function), future))
        return await future

    def close(self) -> None:
        """Let the threads end once they have nothing to do."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _ended(self, _: asyncio.Future[Any]) -> None:
        self._busy -= 1

    def _work(self) -> None:
        while True:
            if (job := self._jobs.get()) is None:
                return
            function, future = job
            value, error = None, None
            try:
                value = function()
            except BaseException as caught:
                error = caught
            try:
                future.get_loop().call_soon_threadsafe(_settle, future, value, error)
            except RuntimeError:  # the loop has ended, and with it whoever waited
                return


def _with_client(function: Callable[[], _Value]) -> _Value:
    with lasting_client():
        return function()


def _settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if future.done():  # whoever waited was cancelled
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
