"""The order of a list and the token of its next page.

In: the sort field, and the values of an item. Out: a key that orders values of any JSON type, and a token that holds
the position of an item by value, not by number: items that come or go between two pages are neither repeated nor lost.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple

_TYPES = (type(None), bool, int, float, str)  # the order of values of different types


class Position(NamedTuple):
    """Where an item stands in a list: its value of the sort field, and the value that is its own."""

    value: Any
    unique: Any


def sort_key(value: Any, unique: Any) -> tuple[Any, Any]:
    """The key of an item by its value of the sort field and by the value that is its own."""
    return _comparable(value), _comparable(unique)


def is_after(item: Position, last: Position, *, descending: bool) -> bool:
    """Whether an item comes after another one in the order of the list."""
    mine, former = sort_key(*item), sort_key(*last)
    return mine < former if descending else mine > former


def token_after(item: Position, sort: str) -> str:
    """The token of the page that begins after an item. `sort`: the sort field, with its sign."""
    text = json.dumps([sort, item.value, item.unique], ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position_of(token: str, sort: str) -> Position:
    """The position that a token holds.

    Raises:
        ValueError: it is no token of such a list, or it belongs to another order; the text says which.
    """
    try:
        given, value, unique = json.loads(
            base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        )
    except (ValueError, TypeError, binascii.Error, RecursionError):
        given = value = unique = None
    if given is None:
        raise ValueError("is not a token that this list gave out")
    if given != sort:
        raise ValueError("belongs to another order; give the same sort as before")
    return Position(value, unique)


def _comparable(value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
    if isinstance(value, str):
        return 4, value
    return (_TYPES.index(type(value)), value) if type(value) in _TYPES else (5, json.dumps(value, sort_keys=True))
