"""Pages with opaque tokens.

A token contains the operation, its query and the position of the next page, with a checksum. A token that was not
issued, or that is sent with another query, is a ValidationException, as on AWS.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from operator import methodcaller
from typing import Any, TypeVar

from .exceptions import ValidationException

DEFAULT_PAGE = 200
"""Items a page where `maxResults` is left out (the model names no default; the largest filters take 200)."""
LARGEST_PAGE = 1000
"""Items a page at most (`MaxResultsType` in the model)."""

T = TypeVar("T")


def _seal(operation: str, query: str, place: str) -> str:
    return hashlib.sha256(f"{operation}\x1f{query}\x1f{place}".encode()).hexdigest()[:16]


def _query_of(params: dict[str, Any]) -> str:
    rest = {key: value for key, value in params.items() if key not in {"nextToken", "maxResults"}}
    return json.dumps(rest, sort_keys=True) if rest else ""


def place_of(operation: str, params: dict[str, Any]) -> str | None:
    """The position of the page, or None for the first one.

    Raises:
        ValidationException: the token was not issued for this query.
    """
    token = params.get("nextToken")
    if not token:
        return None
    try:
        seal, place = base64.urlsafe_b64decode(token.encode()).decode().split(":", 1)
    except ValueError:
        seal, place = "", ""
    if seal != _seal(operation, _query_of(params), place):
        raise ValidationException("Invalid token.", fields={"nextToken": "The token is invalid or has expired"})
    return place


def token_for(operation: str, params: dict[str, Any], place: str) -> str:
    """An opaque token for the next page of this query, at `place`."""
    return base64.urlsafe_b64encode(f"{_seal(operation, _query_of(params), place)}:{place}".encode()).decode()


def page_size(params: dict[str, Any], default: int = DEFAULT_PAGE) -> int:
    """How many items this page may hold."""
    return int(min(params.get("maxResults") or default, LARGEST_PAGE))


def page(
    operation: str, params: dict[str, Any], items: Sequence[T], *, default: int = DEFAULT_PAGE
) -> tuple[Sequence[T], dict[str, str]]:
    """One page of `items`, and `{"nextToken": …}` if there are more."""
    start = int(place_of(operation, params) or 0)
    end = start + page_size(params, default)
    more = {"nextToken": token_for(operation, params, str(end))} if len(items) > end else {}
    return items[start:end], more


def answer_page(
    operation: str,
    params: dict[str, Any],
    items: Sequence[T],
    wire: Callable[[T], Any] = methodcaller("wire"),
    *,
    member: str = "items",
    default: int = DEFAULT_PAGE,
) -> dict[str, Any]:
    """The output of an operation that lists `items`; only the items of the page are converted to wire form."""
    found, more = page(operation, params, items, default=default)
    return {member: [wire(item) for item in found], **more}
