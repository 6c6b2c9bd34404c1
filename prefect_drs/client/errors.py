"""The errors of the client.

PrefectDrsError
├── RestError               the server refused a request, or failed; has its code, details and HTTP status
└── ServerUnreachableError  the server cannot be reached, or did not answer in time
"""

from __future__ import annotations

from typing import Any

from prefect_drs.core.errors import UNREACHABLE, PrefectDrsError

UNREADABLE = "UNREADABLE_ANSWER"


class RestError(PrefectDrsError):
    """The server's answer was an error. `code`, `message` and `details` are those that `invoke` raises there.

    Args:
        code: the stable code, such as NOT_FOUND.
        message: one line for people.
        details: values for programs, by their names in JSON.
        status: the HTTP status.
        request_id: the id by which the server's log names the request; empty where it gave none.
    """

    code: str  # type: ignore[misc]  # each has its own

    def __init__(self, code: str, message: str, details: dict[str, Any], *, status: int, request_id: str = "") -> None:
        super().__init__(message, **details)
        self.code = code
        self.status = status
        self.request_id = request_id

    @property
    def faults(self) -> list[dict[str, Any]]:
        """The faults of the request, each with `field` and `message`; empty where the error has none."""
        found = self.details.get("faults")
        return [fault for fault in found if isinstance(fault, dict)] if isinstance(found, list) else []


class ServerUnreachableError(PrefectDrsError):
    """The server cannot be reached, or its answer did not come in time. Whether it acted is not known."""

    code = "SERVER_UNREACHABLE"
    exit_code = UNREACHABLE
