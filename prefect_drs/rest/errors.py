"""Errors of the REST face: the HTTP status of each code, and the errors that only HTTP knows.

In: a `PrefectDrsError`. Out: its status, and `{"error": CODE, "message": …, "details": {…}}`. A 5xx says that this
service, Prefect or AWS failed; what a caller can correct is a 4xx.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field

from prefect_drs.core.errors import PrefectDrsError

STATUS: dict[str, int] = {
    "VALIDATION_ERROR": 400,
    "INVALID_INVOCATION": 400,
    "MISSING_PARAMETER": 400,
    "INVALID_PARAMETER": 400,
    "UNAUTHENTICATED": 401,
    "AUTHORIZATION_ERROR": 403,
    "ROLE_ASSUMPTION_FAILED": 403,
    "FOREIGN_ORIGIN": 403,
    "INVALID_OPERATION": 404,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "ALREADY_EXISTS": 409,
    "IN_USE": 409,
    "SERVER_CONFLICT": 409,
    "CONFLICT_ERROR": 409,
    "ACTIVE_EXECUTION": 409,
    "VERSION_MISMATCH": 409,  # 412 where the version came with If-Match
    "INVALID_REPLICATION_STATE": 409,
    "WAVE_SIZE_EXCEEDED": 409,
    "QUOTA_EXCEEDED": 409,
    "DRS_NOT_INITIALIZED": 409,
    "REGION_NOT_ENABLED": 409,
    "PREFLIGHT_REFUSED": 409,
    "EXECUTION_ERROR": 409,
    "EVIDENCE_TOO_LARGE": 409,
    "STANDS_ASIDE": 409,
    "EXECUTION_TAKEN_OVER": 409,
    "BODY_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "TOO_MANY_REQUESTS": 429,
    "INTERNAL_ERROR": 500,
    "EXECUTION_INTERRUPTED": 500,
    "JOURNAL_DAMAGED": 500,
    "DRS_SERVICE_ERROR": 502,
    "UNREADABLE_ANSWER": 502,
    "INVENTORY_INCOMPLETE": 502,
    "TAG_SYNC_INCOMPLETE": 502,
    "CREDENTIALS_ERROR": 503,
    "THROTTLED": 503,
    "AWS_UNREACHABLE": 503,
    "PREFECT_UNREACHABLE": 503,
    "PROOF_UNAVAILABLE": 503,
    "JOURNAL_UNAVAILABLE": 503,
    "NOT_READY": 503,
}
"""The HTTP status of each error code."""

PRECONDITION_FAILED = 412
RETRY_SECONDS = 1
"""`Retry-After` of a 429 or 503 that knows no better."""


class ErrorFault(BaseModel):
    """One fault of a request: the field, and what is wrong with it."""

    field: str
    message: str


class ErrorBody(BaseModel):
    """The body of every answer that is an error."""

    error: str = Field(description="The stable code of the error.", examples=["NOT_FOUND"])
    message: str = Field(description="One line for people: what happened and what to do.")
    details: dict[str, Any] = Field(description="Values for programs; `faults` lists the faults of a request.")


class ForeignOriginError(PrefectDrsError):
    """The request came from a web page of another origin, or names a host that is not this machine."""

    code = "FOREIGN_ORIGIN"


class PathNotFoundError(PrefectDrsError):
    """No route has this path."""

    code = "NOT_FOUND"


class MethodNotAllowedError(PrefectDrsError):
    """The path has no route of this method."""

    code = "METHOD_NOT_ALLOWED"


class BodyTooLargeError(PrefectDrsError):
    """The body is longer than this server accepts."""

    code = "BODY_TOO_LARGE"


class UnsupportedMediaTypeError(PrefectDrsError):
    """The body is not declared as JSON."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class TooManyRequestsError(PrefectDrsError):
    """The caller, or all callers together, sent more requests than allowed.

    Args:
        message: what was exceeded.
        retry_after: after how many seconds a request will be accepted.
    """

    code = "TOO_MANY_REQUESTS"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message, retryAfterSeconds=retry_after)
        self.retry_after = retry_after


class NotReadyError(PrefectDrsError):
    """The service is starting, ending, or what it needs cannot be reached."""

    code = "NOT_READY"


def status_of(code: str, *, conditional: bool = False) -> int:
    """The HTTP status of an error's code. `conditional`: the request had If-Match."""
    if conditional and code == "VERSION_MISMATCH":
        return PRECONDITION_FAILED
    return STATUS.get(code, HTTPStatus.INTERNAL_SERVER_ERROR)
