"""Lists of the Prefect API that are longer than one answer may be: read page by page.

In: a function that reads one page from an offset. Out: the pages, each read when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

PAGE = 200
"""Entries in one answer: the Prefect API's own limit (`PREFECT_API_DEFAULT_LIMIT`)."""

_Entry = TypeVar("_Entry")


def pages(read: Callable[[int], Sequence[_Entry]], *, size: int = PAGE, offset: int = 0) -> Iterator[Sequence[_Entry]]:
    """The pages of a list, none of them empty.

    The list may change between two pages: an entry that was created meanwhile may shift others, so that one comes
    twice, and one that was deleted may hide another. Read all pages before you delete entries of the list.

    Args:
        read: reads the page that begins at an offset.
        size: entries that a page has at most; a shorter one is the last.
        offset: entries to leave out.
    """
    while page := read(offset):
        yield page
        if len(page) < size:
            return
        offset += len(page)


def entries(read: Callable[[int], Sequence[_Entry]], *, size: int = PAGE) -> Iterator[_Entry]:
    """The entries of all pages (see `pages`)."""
    for page in pages(read, size=size):
        yield from page
