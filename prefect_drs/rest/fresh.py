"""Answers of reads that are used more than once within a second, so that many readers cost as much as one.

In: a read with its parameters, and a function that answers it. Out: the answer, with an ETag of its content and its
`Age`. An answer is given again for `FRESH_SECONDS`, or for as long as it took to make it several times over, so that
no read takes more than a fixed share of the machine. Then it is made anew beside, and readers still get the former one,
but none whose reading began more than `USABLE_SECONDS` ago. Reads of the same at the same time share one answer.

No answer outlives a change that came through this server: whatever was begun before a change was acknowledged is not
given to who reads after it. A change by another process is seen after `USABLE_SECONDS` at the latest.

Must never: be asked by an operation; whatever is decided (a start, a termination, a version) is read anew.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple, cast

from starlette.requests import Request
from starlette.responses import Response

FRESH_SECONDS = 1.0
SHARE = 4.0
"""An answer is made anew after so many times as long as it took to be made."""
SLOWEST_SECONDS = 2.0
"""But after so long at the latest."""
USABLE_SECONDS = 5.0
"""No answer that is given is of a reading that began earlier."""
BESIDE = 2
"""Answers that are made at the same time while nobody waits for them: more would only hold up the event loop."""
MOST_ANSWERS = 500
"""Different reads whose answers are held."""
NOT_MODIFIED = 304
REVALIDATE = "private, no-cache"
"""A client may keep the answer, and asks each time whether it is still that one (RFC 9111, 5.2.2.4)."""


@dataclass
class _Entry:
    """The last answer of a read, and the next one where it is being made. `changes`: how many there were before."""

    response: Response | None = None
    changes: int = 0
    began: float = 0.0
    renew_at: float = 0.0
    next: _Making | None = None


class _Making(NamedTuple):
    """An answer that is being made."""

    answer: asyncio.Future[Response]
    changes: int


class FreshAnswers:
    """The answers of one process. Used in one event loop only.

    Args:
        now: monotonic time in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._changes = 0
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._making: set[asyncio.Task[None]] = set()
        self._beside = asyncio.Semaphore(BESIDE)

    def changed(self) -> None:
        """Something was changed, or may have been: no answer of before is given again."""
        self._changes += 1

    async def answer(self, key: Hashable, make: Callable[[], Awaitable[Response]]) -> Response:
        """The answer of a read.

        Args:
            key: the read, its parameters and its caller.
            make: makes the answer; what it raises is raised to all who wait for it.
        """
        now = self._now()
        entry = self._entries.setdefault(key, _Entry())
        self._entries.move_to_end(key)
        usable = entry.response is not None and entry.changes == self._changes and now - entry.began < USABLE_SECONDS
        if not usable or now >= entry.renew_at:
            if entry.next is None or entry.next.changes != self._changes:
                self._start(entry, make, beside=usable)
            if not usable and entry.next is not None:
                return _copy(await asyncio.shield(entry.next.answer), 0.0)
        while len(self._entries) > MOST_ANSWERS:
            self._entries.popitem(last=False)
        return _copy(cast("Response", entry.response), now - entry.began)

    def _start(self, entry: _Entry, make: Callable[[], Awaitable[Response]], *, beside: bool) -> None:
        making = entry.next = _Making(asyncio.get_running_loop().create_future(), self._changes)
        work = self._make(entry, making, make)
        task = asyncio.ensure_future(self._one_of_few(work) if beside else work)
        self._making.add(task)  # the loop holds tasks weakly; whoever asked first may be cancelled
        task.add_done_callback(self._making.discard)

    async def _one_of_few(self, work: Awaitable[None]) -> None:
        async with self._beside:
            await work

    async def _make(self, entry: _Entry, making: _Making, make: Callable[[], Awaitable[Response]]) -> None:
        began = self._now()
        try:
            response = await make()
        except BaseException as error:
            if entry.next is making:
                entry.next = None
                entry.renew_at = self._now() + FRESH_SECONDS
            if not isinstance(error, Exception):
                making.answer.cancel()
                raise
            making.answer.set_exception(error)
            making.answer.exception()  # where nobody waits any more, it is no unhandled one
            return
        if "etag" not in response.headers:
            response.headers["ETag"] = f'"{hashlib.blake2b(bytes(response.body), digest_size=16).hexdigest()}"'
        response.headers["Cache-Control"] = REVALIDATE
        if entry.next is making:
            ended = self._now()
            entry.response, entry.changes, entry.began, entry.next = response, making.changes, began, None
            entry.renew_at = ended + min(SLOWEST_SECONDS, max(FRESH_SECONDS, SHARE * (ended - began)))
        making.answer.set_result(response)


def _copy(response: Response, age: float) -> Response:
    """A response of one request, which adds headers of its own."""
    copy = Response(status_code=response.status_code)
    copy.body, copy.raw_headers = response.body, [*response.raw_headers, (b"age", str(int(age)).encode())]
    return copy


def conditional(request: Request, response: Response) -> Response:
    """The response, or 304 where the client has it already (RFC 9110, 13.1.2)."""
    etag, given = response.headers.get("etag"), request.headers.get("if-none-match")
    if etag is None or given is None:
        return response
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    if etag not in tags and "*" not in tags:
        return response
    headers = {name: response.headers[name] for name in ("etag", "cache-control") if name in response.headers}
    return Response(status_code=NOT_MODIFIED, headers=headers)
