"""Two stores for journals: what happens where one of them is away, and who is fenced where somebody goes on alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from prefect_drs.coordination.mirror import MirroredStorage
from prefect_drs.execution.events import CancelAsked, Event
from prefect_drs.recovery.journal import FencedError, FolderStorage, JournalUnavailableError, StoredJournal

AT = datetime(2030, 1, 1, tzinfo=UTC)


class Store(FolderStorage):
    """A folder that answers errors while it is away."""

    away = False

    def _look(self) -> None:
        if self.away:
            raise JournalUnavailableError("this store answers 503")

    def read(self, name: str) -> bytes | None:
        self._look()
        return super().read(name)

    def create(self, name: str, content: bytes) -> bool:
        self._look()
        return super().create(name, content)


@pytest.fixture
def first(tmp_path: Path) -> Store:
    return Store(tmp_path / "first")


@pytest.fixture
def mirror(tmp_path: Path) -> Store:
    return Store(tmp_path / "mirror")


def asked(by: str) -> Event:
    return CancelAsked(at=AT, by=by)


def journal(*stores: Store) -> StoredJournal:
    storage = MirroredStorage(*stores) if len(stores) > 1 else stores[0]
    opened = StoredJournal(storage, "exec-1")
    opened.read()
    return opened


def test_both_stores_have_the_same_journal(first: Store, mirror: Store) -> None:
    both = journal(first, mirror)
    both.append([asked("a")])
    both.append([asked("b")])
    assert journal(first).read() == journal(mirror).read() == (asked("a"), asked("b"))


def test_without_its_first_store_nothing_is_written_anywhere(first: Store, mirror: Store) -> None:
    both = journal(first, mirror)
    both.append([asked("a")])
    first.away = True
    with pytest.raises(JournalUnavailableError):
        both.append([asked("b")])
    first.away = False
    with pytest.raises(JournalUnavailableError, match="nothing is launched without a journal"):
        both.append([asked("b")])  # this process has lost sight of the journal
    assert journal(first).read() == journal(mirror).read() == (asked("a"),)


def test_without_its_mirror_a_process_goes_on_and_copies_what_is_owed_in_order(
    first: Store, mirror: Store, caplog: pytest.LogCaptureFixture
) -> None:
    both = journal(first, mirror)
    mirror.away = True
    for by in "abc":
        both.append([asked(by)])
    mirror.away = False
    both.append([asked("d")])
    assert journal(mirror).read() == journal(first).read() == tuple(map(asked, "abcd"))
    assert caplog.text.count("is away") == 1
    assert caplog.text.count("it has all copies") == 1


def test_whoever_goes_on_with_the_mirror_alone_fences_the_process_that_writes_to_both(
    first: Store, mirror: Store
) -> None:
    both = journal(first, mirror)
    both.append([asked("a")])
    alone = journal(mirror)  # on a machine that does not reach the first store
    alone.append([asked("who goes on with the mirror")])
    with pytest.raises(FencedError):
        both.append([asked("b")])


def test_a_process_that_owes_copies_is_fenced_when_the_mirror_answers_again(first: Store, mirror: Store) -> None:
    both = journal(first, mirror)
    both.append([asked("a")])
    mirror.away = True
    both.append([asked("b")])
    mirror.away = False
    journal(mirror).append([asked("who goes on with the mirror")])
    with pytest.raises(FencedError):
        both.append([asked("c")])
    with pytest.raises(FencedError):
        both.append([asked("d")])


def test_what_a_process_that_died_owed_is_copied_by_the_next_one(first: Store, mirror: Store) -> None:
    died = journal(first, mirror)
    died.append([asked("a")])
    mirror.away = True
    died.append([asked("b")])
    mirror.away = False
    journal(first, mirror).append([asked("c")])
    assert journal(mirror).read() == journal(first).read() == tuple(map(asked, "abc"))
