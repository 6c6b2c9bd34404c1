"""Requests that change something: carried out once for one Idempotency-Key, and answered within seconds.

In: a call and a function that carries it out. Out: its response; or 202 with `Location: /requests/ID` where it takes
longer than a client waits, and is carried out beside. What becomes of it is in its record, which every server process
of the same Prefect API reads (`orchestration.storage.kept_requests`).

A request with a key has a record from its beginning: requests with the same key, also to other servers, wait for the
first and get its answer. One that was refused or failed is forgotten, so that it can be sent again. A request whose
server died is carried out anew when it is sent again, at the earliest `LOST_SECONDS` later; every operation either
bears that, or refuses what was done already.

Must never: begin a request whose key could not be stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

from starlette.responses import JSONResponse, Response

from prefect_drs.core.errors import KeyReusedError, PrefectDrsError
from prefect_drs.operations.invocation import InvalidRequestError, error_body
from prefect_drs.orchestration.client import UNREACHABLE
from prefect_drs.orchestration.storage.kept_requests import (
    RENEW_SECONDS,
    RequestClaim,
    RequestState,
    StoredRequest,
    claim_request,
    finish_request,
    forget_old_requests,
    forget_request,
    read_answer,
    renew_claim,
)
from prefect_drs.rest.errors import status_of
from prefect_drs.rest.log import LOGGER
from prefect_drs.rest.options import RestOptions
from prefect_drs.rest.threads import Threads

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
REQUESTS_PATH = "/requests"
KEPT_HEADERS = ("location", "etag")
POLL_SECONDS = 0.25
"""How often a request that another server carries out is looked at."""
PRUNE_SECONDS = 600.0
"""How often old records are looked for."""
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Call(NamedTuple):
    """A request that changes something.

    Args:
        caller: who sent it.
        operation: its operation.
        fingerprint: what makes two requests the same (`fingerprint`).
        key: its Idempotency-Key.
    """

    caller: str
    operation: str
    fingerprint: str
    key: str | None


@dataclass
class _Running:
    """A request that this process carries out, or waits for. `told`: a client was told to look for its record."""

    call: Call
    task: asyncio.Task[Response]
    told: bool = False


Answer = Callable[[], Awaitable[Response]]


class Requests:
    """The requests that one process carries out. Used in one event loop only.

    Args:
        options: patience, and how many records are kept.
        threads: for the calls of Prefect.
    """

    def __init__(self, options: RestOptions, threads: Threads) -> None:
        self._options = options
        self._threads = threads
        self._running: dict[str, _Running] = {}
        self._beside: set[asyncio.Task[Any]] = set()  # the loop holds tasks weakly
        self._prune_at = options.now()

    async def carry_out(self, call: Call, answer: Answer) -> Response:
        """The response of a call; `answer` carries it out, where it is the first one with its key.

        Raises:
            InvalidRequestError: the key has another form.
            KeyReusedError: the key belongs to another request.
            PrefectUnreachableError: the key could not be stored; nothing was carried out.
            PrefectDrsError: what the first request raised, to those who waited for it as well.
        """
        if call.key is None:
            running = _Running(call, self._task(answer()))
            return await self._patiently(uuid4().hex, running)
        if not _KEY.fullmatch(call.key):
            fault = {"field": HEADER, "message": "is 1 to 255 visible ASCII characters"}
            raise InvalidRequestError(f"{HEADER} {fault['message']}", faults=[fault])
        request_id = _digest(call.caller, call.key)[:32]
        first = self._running.get(request_id)
        if first is None:
            running = self._running[request_id] = _Running(call, self._task(self._once(request_id, call, answer)))
            running.task.add_done_callback(lambda _: self._running.pop(request_id, None))
            return await self._patiently(request_id, running)
        if first.call.fingerprint != call.fingerprint:
            raise _reused()
        response = await self._patiently(request_id, first)
        return _again(response) if first.task.done() else response

    async def settle(self, seconds: float) -> int:
        """Wait until nothing is carried out any more, `seconds` at most; the number of requests that still are."""
        if self._beside:
            await asyncio.wait(self._beside, timeout=seconds)
        return sum(not task.done() for task in self._beside)

    def _task(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # it is told to whoever waits
        return task

    async def _patiently(self, request_id: str, running: _Running) -> Response:
        """The response of a request, or where to look for it, after as long as a client waits."""
        done, _ = await asyncio.wait({running.task}, timeout=self._options.patience_seconds)
        if done:
            return running.task.result()
        if running.call.key is None:
            try:
                claimed = await self._claim(request_id, running.call)
            except UNREACHABLE:  # without a record there is nowhere to look
                return await asyncio.shield(running.task)
            if isinstance(claimed, RequestClaim):
                self._task(self._keep(claimed, running.task))
        running.told = True
        place = f"{REQUESTS_PATH}/{request_id}"
        body = {"requestId": request_id, "operation": running.call.operation, "status": RequestState.RUNNING}
        return JSONResponse({**body, "location": place}, 202, {"Location": place})

    async def _once(self, request_id: str, call: Call, answer: Answer) -> Response:
        """Carry a request out, or wait for the server that does."""
        waited = False
        while isinstance(found := await self._claim(request_id, call), StoredRequest):
            record = found.record
            if record.state is RequestState.FAILED and waited:
                return await self._kept(found)  # this is the request that failed, and not a new one
            if record.state is RequestState.FAILED or found.is_lost or found.is_expired:
                await self._threads.read(forget_request, found)  # of several servers, one claims it then
                continue
            if record.fingerprint != call.fingerprint:
                raise _reused()
            if record.state is RequestState.SUCCEEDED:
                return await self._kept(found)
            waited = True
            await asyncio.sleep(POLL_SECONDS)
        task: asyncio.Task[Response] = self._task(answer())
        await self._keep(found, task)
        return task.result()

    async def _claim(self, request_id: str, call: Call) -> RequestClaim | StoredRequest:
        if self._options.now() >= self._prune_at:
            self._prune_at = self._options.now() + PRUNE_SECONDS
            self._task(self._threads.read(forget_old_requests, self._options.answers_kept))
        return await self._threads.read(_claimed, request_id, call)

    async def _keep(self, claim: RequestClaim, task: asyncio.Task[Response]) -> None:
        """Renew the claim until the task has ended, then keep its answer."""
        while not (await asyncio.wait({task}, timeout=RENEW_SECONDS))[0]:
            try:
                await self._threads.read(renew_claim, claim)
            except UNREACHABLE as error:
                LOGGER.warning("the claim on request %s could not be renewed: %s", claim.request_id, error)
        if task.cancelled():
            return
        try:
            if (failure := task.exception()) is None:
                await self._threads.read(_finish, claim, RequestState.SUCCEEDED, task.result())
            elif self._is_told(claim.request_id):
                await self._threads.read(_finish, claim, RequestState.FAILED, _failure(failure))
            else:
                await self._threads.read(forget_request, claim)
        except UNREACHABLE as lost:
            LOGGER.warning("the answer of request %s could not be kept: %s", claim.request_id, lost)

    def _is_told(self, request_id: str) -> bool:
        """Whether a client looks for the record; that of a request without a key is made for nothing else."""
        running = self._running.get(request_id)
        return running is None or running.told

    async def _kept(self, found: StoredRequest) -> Response:
        content = await self._threads.read(read_answer, found)
        if content is None:
            raise KeyReusedError(
                "the request with this key was carried out, and its answer is too long to be kept: read what it changed"
            )
        response = Response(content, found.record.status, found.record.headers, "application/json")
        return _again(response)


def fingerprint(method: str, path: str, values: Mapping[str, Any]) -> str:
    """What makes two requests the same: method, path and parameters, independent of their order."""
    text = json.dumps([method, path, values], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def caller_digest(caller: str) -> str:
    """What a record holds of the caller."""
    return _digest("caller", caller)[:32]


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _claimed(request_id: str, call: Call) -> RequestClaim | StoredRequest:
    return claim_request(
        request_id, operation=call.operation, caller=caller_digest(call.caller), fingerprint=call.fingerprint
    )


def _finish(claim: RequestClaim, state: RequestState, response: Response) -> None:
    headers = {name: value for name in KEPT_HEADERS if (value := response.headers.get(name)) is not None}
    finish_request(claim, state, status=response.status_code, headers=headers, answer=bytes(response.body))


def _failure(error: BaseException) -> Response:
    if not isinstance(error, PrefectDrsError):
        LOGGER.error("a request that a client was told to look for failed", exc_info=error)
    body = error_body(error if isinstance(error, Exception) else RuntimeError())
    return JSONResponse(body, status_of(body["error"]))


def _reused() -> KeyReusedError:
    return KeyReusedError(f"this {HEADER} was used for another request; make a new key for a new request")


def _again(response: Response) -> Response:
    again = Response(bytes(response.body), response.status_code)
    again.raw_headers = [(n, v) for n, v in response.raw_headers if n.lower() != b"content-length"]
    again.headers["content-length"] = str(len(response.body))
    again.headers[REPLAYED] = "true"
    return again
