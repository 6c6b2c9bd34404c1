"""JSON lines: the items of an answer's list, one in each line, for a caller that accepts `application/x-ndjson`.

In: a request and an answer. Out: a response, or None where the caller wants JSON. An answer that says that there are
`more` items has the header `X-More: true`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

LINES_TYPE = "application/x-ndjson"
MORE_HEADER = "X-More"


def json_lines(items: Iterable[Any]) -> bytes:
    """The items, one in each line."""
    return b"".join(to_json(item) + b"\n" for item in items)


def lines_response(request: Request, field: str, answer: Any) -> Response | None:
    """The response with the items of a field as lines; None where the caller did not ask for lines."""
    accepted = {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")}
    if LINES_TYPE not in accepted:
        return None
    headers = {MORE_HEADER: "true"} if answer.get("more") else None
    return Response(json_lines(answer[field]), headers=headers, media_type=LINES_TYPE)
