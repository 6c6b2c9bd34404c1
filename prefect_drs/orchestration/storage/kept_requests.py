"""Requests that are carried out once: who began one, and its answer, where every process of a Prefect API sees it.

In: the id of a request. Out: a claim on it, or the record of the process that claimed it first. A record is the Prefect
variable `prefect-drs-request-ID`: the server's database refuses a name that exists, so of several processes exactly one
claims a request. A variable holds 5,000 characters; a longer answer continues in further variables, which are written
before the record says that they are there.

A process that carries a request out renews its claim. A claim that was not renewed for `LOST_SECONDS`, by the Prefect
server's clock, is of a process that died: whoever deletes it may claim the request anew, and one process only succeeds
in that. Records are deleted after a day, or when there are too many.

Must never: hold a caller's key or name in clear; give two processes the claim on one request, unless the first died.
"""

from __future__ import annotations

import base64
import enum
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import PrefectHTTPStatusError
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.paging import PAGE, entries

PREFIX = "prefect-drs-request-"
TAGS = ["prefect-drs"]
KEEP = timedelta(days=1)
"""How long a record is kept."""
LOST_SECONDS = 60.0
"""A claim that was not renewed for so long is of a process that died."""
RENEW_SECONDS = 15.0
"""How often a claim is renewed."""
CHUNK = 4000
"""Characters of an answer in one variable; the rest of 5,000 is for the other fields."""
MOST_CHUNKS = 250
"""Variables that one answer may take: about 4 MB of JSON."""


class RequestState(enum.StrEnum):
    """The state of a request. RUNNING also where its process died: see `StoredRequest.is_lost`."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class RequestRecord(BaseModel):
    """A request and what became of it.

    Args:
        operation: its operation.
        caller: a digest of who sent it.
        fingerprint: a digest of the request.
        state: its state.
        began_at: when it was claimed (UTC).
        ended_at: when it ended; None while it has not.
        status: the HTTP status of its answer.
        headers: those of the answer that are kept.
        chunks: further variables that the answer continues in.
        attempt: part of their names.
        answer: the answer as JSON, compressed: its beginning. None where it was too long to be kept.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    operation: str
    caller: str
    fingerprint: str
    state: RequestState = RequestState.RUNNING
    began_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    status: int = 0
    headers: dict[str, str] = {}
    chunks: int = 0
    attempt: str = ""
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class RequestClaim:
    """The right to carry a request out, until it is not renewed any more."""

    request_id: str
    variable_id: str
    record: RequestRecord


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A record as it is stored. `is_lost`: its process died while it carried the request out."""

    request_id: str
    variable_id: str
    record: RequestRecord
    is_lost: bool
    is_expired: bool


def claim_request(request_id: str, *, operation: str, caller: str, fingerprint: str) -> RequestClaim | StoredRequest:
    """Claim a request, or read the record of whoever claimed it first.

    Args:
        request_id: 32 hexadecimal digits.
        operation: its operation.
        caller: a digest of who sent it.
        fingerprint: a digest of the request.

    Raises:
        PrefectUnreachableError, PrefectHTTPStatusError: the Prefect API did not store it; nothing may be carried out.
    """
    record = RequestRecord(
        operation=operation,
        caller=caller,
        fingerprint=fingerprint,
        began_at=datetime.now(UTC),
        attempt=uuid4().hex[:8],
    )
    with prefect_client() as client:
        while True:
            if (variable_id := _create(client, request_id, record)) is not None:
                return RequestClaim(request_id, variable_id, record)
            if (stored := _read(client, request_id)) is None:
                continue  # deleted meanwhile
            if stored.record.attempt == record.attempt:  # our request succeeded, but its answer was lost
                return RequestClaim(request_id, stored.variable_id, record)
            return stored


def renew_claim(claim: RequestClaim) -> bool:
    """Tell that the process still carries the request out; False where another one has claimed it meanwhile."""
    with prefect_client() as client:
        return _write(client, claim.variable_id, claim.record)


def finish_request(
    claim: RequestClaim, state: RequestState, *, status: int, headers: dict[str, str], answer: bytes
) -> None:
    """Keep the answer of a request."""
    text = base64.b64encode(zlib.compress(answer, 9)).decode("ascii")
    chunks = [text[at : at + CHUNK] for at in range(0, len(text), CHUNK)] or [""]
    is_kept = len(chunks) <= MOST_CHUNKS
    record = claim.record.model_copy(
        update={
            "state": state,
            "ended_at": datetime.now(UTC),
            "status": status,
            "headers": headers,
            "chunks": len(chunks) - 1 if is_kept else 0,
            "answer": chunks[0] if is_kept else None,
        }
    )
    with prefect_client() as client:
        for number, chunk in enumerate(chunks[1:] if is_kept else (), 1):
            body = {"name": _chunk_name(claim.request_id, record, number), "value": chunk, "tags": TAGS}
            client.request("POST", "/variables/", json=body)
        _write(client, claim.variable_id, record)


def find_request(request_id: str) -> StoredRequest | None:
    """The record of a request; None where there is none, or no more."""
    with prefect_client() as client:
        return _read(client, request_id)


def read_answer(stored: StoredRequest) -> bytes | None:
    """The answer of a request; None where it is not kept."""
    record = stored.record
    if record.answer is None:
        return None
    parts = [record.answer]
    with prefect_client() as client:
        for number in range(1, record.chunks + 1):
            chunk = _variable(client, _chunk_name(stored.request_id, record, number))
            if chunk is None:
                return None
            parts.append(str(chunk[0]["value"]))
    return zlib.decompress(base64.b64decode("".join(parts)))


def forget_request(stored: StoredRequest | RequestClaim) -> bool:
    """Delete a record, so that the request can be claimed anew; False where another process did."""
    with prefect_client() as client:
        deleted = _delete(client, stored.variable_id)
        for number in range(1, stored.record.chunks + 1) if deleted else ():
            if (chunk := _variable(client, _chunk_name(stored.request_id, stored.record, number))) is not None:
                _delete(client, str(chunk[0]["id"]))
    return deleted


def forget_old_requests(most: int) -> int:
    """Delete the records that are older than `KEEP`, and the oldest of more than `most`; their number."""
    with prefect_client() as client:
        found = list(_all(client))
        names = sorted(
            ((each["created"], each["name"]) for each in found if _is_record(each["name"])), reverse=True
        )  # the newest first; times in one format compare as text
        old_names = {name for _, name in names[most:]}
        now = datetime.now(UTC)
        old = [
            each
            for each in found
            if now - datetime.fromisoformat(each["created"]) > KEEP or each["name"][:_RECORD_NAME] in old_names
        ]
        return sum(_delete(client, each["id"]) for each in old if not _is_running(each, now))


_RECORD_NAME = len(PREFIX) + 32


def _is_record(name: str) -> bool:
    return len(name) == _RECORD_NAME


def _is_running(variable: dict[str, Any], now: datetime) -> bool:
    """Whether a process may still carry the request out."""
    value = variable["value"]
    running = isinstance(value, dict) and value.get("state") == RequestState.RUNNING
    return running and now - datetime.fromisoformat(variable["updated"]) < timedelta(seconds=2 * LOST_SECONDS)


def _all(client: SyncPrefectClient) -> Iterator[dict[str, Any]]:
    def read(offset: int) -> list[dict[str, Any]]:
        body = {"variables": {"name": {"like_": PREFIX}}, "sort": "NAME_ASC", "limit": PAGE, "offset": offset}
        page: list[dict[str, Any]] = client.request("POST", "/variables/filter", json=body).json()
        return page

    return (each for each in entries(read) if each["name"].startswith(PREFIX))


def _chunk_name(request_id: str, record: RequestRecord, number: int) -> str:
    return f"{PREFIX}{request_id}-{record.attempt}-{number:03d}"


def _create(client: SyncPrefectClient, request_id: str, record: RequestRecord) -> str | None:
    """Create the record: the id of its variable; None if there is one."""
    body = {"name": PREFIX + request_id, "value": record.model_dump(mode="json"), "tags": TAGS}
    try:
        return str(client.request("POST", "/variables/", json=body).json()["id"])
    except PrefectHTTPStatusError as error:
        if error.response.status_code == HTTPStatus.CONFLICT:
            return None
        raise


def _read(client: SyncPrefectClient, request_id: str) -> StoredRequest | None:
    found = _variable(client, PREFIX + request_id)
    if found is None:
        return None
    variable, now = found
    updated = datetime.fromisoformat(variable["updated"])
    created = datetime.fromisoformat(variable["created"])
    try:
        record = RequestRecord.model_validate(variable["value"])
    except ValidationError:  # somebody changed it: nothing can be said of that request any more
        record = RequestRecord(operation="", caller="", fingerprint="", state=RequestState.FAILED, began_at=created)
    lost = record.state is RequestState.RUNNING and (now - updated).total_seconds() > LOST_SECONDS
    return StoredRequest(request_id, str(variable["id"]), record, lost, now - created > KEEP)


def _variable(client: SyncPrefectClient, name: str) -> tuple[dict[str, Any], datetime] | None:
    """A variable, and the time of the server that answered; None where there is no such variable."""
    try:
        answer = client.request("GET", "/variables/name/{name}", path_params={"name": name})
    except PrefectHTTPStatusError as error:
        if error.response.status_code == HTTPStatus.NOT_FOUND:
            return None
        raise
    variable: dict[str, Any] = answer.json()
    return variable, _server_time(answer)


def _server_time(answer: httpx.Response) -> datetime:
    try:
        return parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError):
        return datetime.now(UTC)


def _write(client: SyncPrefectClient, variable_id: str, record: RequestRecord) -> bool:
    """Write a record; False where it was deleted."""
    body = {"value": record.model_dump(mode="json")}
    try:
        client.request("PATCH", "/variables/{id}", path_params={"id": variable_id}, json=body)
    except PrefectHTTPStatusError as error:
        if error.response.status_code == HTTPStatus.NOT_FOUND:
            return False
        raise
    return True


def _delete(client: SyncPrefectClient, variable_id: str) -> bool:
    """Delete a variable; False where it was deleted."""
    try:
        client.request("DELETE", "/variables/{id}", path_params={"id": variable_id})
    except PrefectHTTPStatusError as error:
        if error.response.status_code == HTTPStatus.NOT_FOUND:
            return False
        raise
    return True
