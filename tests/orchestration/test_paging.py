"""Lists of several pages: every entry once, in order, and no request more than there are pages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.orchestration.paging import entries, pages


@given(st.integers(0, 30), st.integers(1, 7), st.integers(0, 30))
def test_pages_hold_every_entry_from_the_offset_on(length: int, size: int, offset: int) -> None:
    asked: list[int] = []

    def read(at: int) -> list[int]:
        asked.append(at)
        return list(range(length))[at : at + size]

    found = list(pages(read, size=size, offset=offset))
    assert [entry for page in found for entry in page] == list(range(length))[offset:]
    assert all(found)
    assert len(asked) <= len(found) + 1
    assert asked == sorted(set(asked))


def test_a_page_is_read_when_it_is_needed() -> None:
    asked: list[int] = []

    def read(at: int) -> list[int]:
        asked.append(at)
        return [at, at + 1]

    found = entries(read, size=2)
    assert [next(found), next(found)] == [0, 1]
    assert asked == [0]
