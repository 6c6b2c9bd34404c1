"""Idempotency-Key: a request that is sent again gets the answer of the first one, and starts nothing twice.

In: a caller, a key and a fingerprint of the request. Out: the first request's answer. Requests with the same key at the
same time wait for the first. A request that was refused or failed is forgotten, so that it can be sent again.

The answers are kept in this process. `start_execution` is handed the key as well, and its flow run bears it, so that
one key starts one execution across processes and restarts.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from starlette.responses import Response

from prefect_drs.core.errors import KeyReusedError
from prefect_drs.operations.invocation import InvalidRequestError

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class _Kept(NamedTuple):
    fingerprint: str
    answer: asyncio.Future[Response]


class Answers:
    """The answers of requests that had a key. Used in one event loop only.

    Args:
        most: answers that are kept; the oldest are forgotten first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    async def once(
        self, caller: str, key: str, fingerprint: str, answer: Callable[[], Awaitable[Response]]
    ) -> Response:
        """The answer of the first request with this key; `answer` makes it where this is the first.

        Raises:
            InvalidRequestError: the key has another form.
            KeyReusedError: the key belongs to another request.
            PrefectDrsError: what the first request raised, to those who waited for it as well.
        """
        if not _KEY.fullmatch(key):
            fault = {"field": HEADER, "message": "is 1 to 255 visible ASCII characters"}
            raise InvalidRequestError(f"{HEADER} {fault['message']}", faults=[fault])
        kept = self._kept.get((caller, key))
        if kept is not None:
            if kept.fingerprint != fingerprint:
                raise KeyReusedError(f"this {HEADER} was used for another request; make a new key for a new request")
            return _replayed(await asyncio.shield(kept.answer))
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._kept[caller, key] = _Kept(fingerprint, future)
        try:
            response = await answer()
        except BaseException as error:
            del self._kept[caller, key]
            if isinstance(error, Exception):
                future.set_exception(error)
                future.exception()  # where nobody waits, it is no unhandled one
            else:
                future.cancel()
            raise
        future.set_result(response)
        self._forget_oldest()
        return response

    def _forget_oldest(self) -> None:
        for name in list(self._kept)[: max(0, len(self._kept) - self._most)]:
            if self._kept[name].answer.done():
                del self._kept[name]


def fingerprint(method: str, path: str, values: Mapping[str, Any]) -> str:
    """What makes two requests the same: method, path and parameters, independent of their order."""
    text = json.dumps([method, path, values], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _replayed(response: Response) -> Response:
    again = Response(bytes(response.body), response.status_code)
    again.raw_headers = [(n, v) for n, v in response.raw_headers if n.lower() != b"content-length"]
    again.headers["content-length"] = str(len(response.body))
    again.headers[REPLAYED] = "true"
    return again
