"""`/requests/{requestId}`: what became of a request that was answered 202, since it took long.

In: the id of a request, from its `Location`. Out: its state, and its answer or error once it has ended. The record is
that of `orchestration.storage.kept_requests`, so that any server process of the same Prefect API tells it.

Must never: tell a request to anyone but its caller.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from prefect_drs.core.models import FrozenModel
from prefect_drs.orchestration.storage.kept_requests import RequestState, StoredRequest, find_request, read_answer
from prefect_drs.rest.endpoints import Endpoint
from prefect_drs.rest.errors import PathNotFoundError
from prefect_drs.rest.idempotency import caller_digest
from prefect_drs.rest.service import Service, sender_of

_ID = re.compile(r"[0-9a-f]{32}")


class RunningRequest(FrozenModel):
    """The answer of a request that takes long: where to look for its own answer."""

    request_id: str
    operation: str
    status: Literal["RUNNING"]
    location: str = Field(description="The path to ask, as in the header Location.")


class RequestStatus(FrozenModel):
    """What became of a request.

    `status`: RUNNING, SUCCEEDED, FAILED, or LOST: the server that carried it out ended before; send it again.
    `status_code`: the HTTP status that it would have been answered with. `answer`: its answer, of a request that
    SUCCEEDED; `error`: of one that FAILED.
    """

    request_id: str
    operation: str
    status: Literal["RUNNING", "SUCCEEDED", "FAILED", "LOST"]
    started_at: datetime
    ended_at: datetime | None = None
    status_code: int | None = None
    answer: Any = None
    error: Any = None


def request_endpoint(service: Service) -> Endpoint:
    """The endpoint of the requests of a caller."""

    async def answer(request: Request) -> Response:
        request_id = request.path_params["requestId"]
        if not _ID.fullmatch(request_id):
            raise _unknown()
        status = await service.read(_status_of, request_id, caller_digest(sender_of(request).name))
        return JSONResponse(status.model_dump(mode="json", by_alias=True))

    return answer


def _unknown() -> PathNotFoundError:
    return PathNotFoundError("there is no such request, or none any more: its record is kept for a day")


def _status_of(request_id: str, caller: str) -> RequestStatus:
    found = find_request(request_id)
    if found is None or found.record.caller != caller:
        raise _unknown()
    record = found.record
    return RequestStatus(
        request_id=request_id,
        operation=record.operation,
        status="LOST" if found.is_lost else record.state.value,
        started_at=record.began_at,
        ended_at=record.ended_at,
        status_code=record.status or None,
        answer=_content(found) if record.state is RequestState.SUCCEEDED else None,
        error=_content(found) if record.state is RequestState.FAILED else None,
    )


def _content(found: StoredRequest) -> Any:
    content = read_answer(found)
    return None if content is None else json.loads(content)
