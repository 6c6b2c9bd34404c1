"""Two stores for journals: what happens where one of them is away, and who is fenced where somebody goes on alone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prefect_drs.coordination.mirror import MirroredStorage
from prefect_drs.execution.events import CancelAsked, Event
from prefect_drs.recovery.journal import FencedError, FolderStorage, JournalUnavailableError, StoredJournal
from prefect_drs.simulator import StepClock

AT = datetime(2030, 1, 1, tzinfo=UTC)


class Store(FolderStorage):
    """A folder that answers errors while it is away."""

    away = False
    asked = 0
    hangs: StepClock | None = None

    def _look(self) -> None:
        self.asked += 1
        if self.away:
            if self.hangs is not None:
                self.hangs.advance(60.0)
            raise JournalUnavailableError("this store answers 503")

    def read(self, name: str) -> bytes | None:
        self._look()
        return super().read(name)

    def create(self, name: str, content: bytes) -> bool:
        self._look()
        return super().create(name, content)

    def listing(self, folder: str) -> Collection[str]:
        self._look()
        return super().listing(folder)

    def replace(self, name: str, content: bytes) -> None:
        self._look()
        super().replace(name, content)


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


def test_messages_and_claims_that_a_process_owed_are_copied_by_the_next_one_that_writes_there(
    first: Store, mirror: Store
) -> None:
    mirror.away = True
    died = MirroredStorage(first, mirror)
    assert died.create("exec-1/request-00000001.json", b"a cancel")
    assert died.create("claims/claim-00000001.json", b"a claim")
    died.replace("exec-1/process.json", b"its mark")
    mirror.away = False
    journal(first, mirror).append([asked("a")])
    MirroredStorage(first, mirror).create("claims/claim-00000001.released", b"")
    assert mirror.read("exec-1/request-00000001.json") == b"a cancel"
    assert mirror.read("claims/claim-00000001.json") == b"a claim"
    assert mirror.read("exec-1/process.json") is None  # an old mark is worth nothing there


def test_a_journal_that_went_on_in_the_mirror_is_not_continued_in_the_first_store(first: Store, mirror: Store) -> None:
    both = journal(first, mirror)
    both.append([asked("a")])
    mirror.away = True
    both.append([asked("b")])
    mirror.away = False
    journal(mirror).append([asked("who goes on with the mirror")])
    with pytest.raises(FencedError):  # as long as the mirror's, but another one
        journal(first, mirror).append([asked("c")])
    assert journal(mirror).read() == (asked("a"), asked("who goes on with the mirror"))


@pytest.mark.parametrize("name", ["exec-1/request-00000001.json", "claims/claim-00000001.json"])
def test_where_somebody_goes_on_with_the_mirror_no_message_and_no_claim_is_taken_for_stored(
    first: Store, mirror: Store, name: str
) -> None:
    mirror.create(name, b"of somebody who goes on with the mirror")
    with pytest.raises(JournalUnavailableError, match="somebody goes on with the mirror alone"):
        MirroredStorage(first, mirror).create(name, b"ours")
    later = name.replace("1.json", "2.json")
    with pytest.raises(JournalUnavailableError, match="somebody goes on with the mirror alone"):
        MirroredStorage(first, mirror).create(later, b"ours, later")
    assert mirror.read(later) is None


def test_a_mirror_that_hangs_is_asked_twice_a_minute_and_not_at_each_object(first: Store, mirror: Store) -> None:
    clock = StepClock(AT)
    storage = MirroredStorage(first, mirror, clock)
    mirror.away, mirror.hangs = True, clock
    for number in range(20):
        assert storage.create(f"exec-1/request-{number + 1:08d}.json", b"x")
    assert mirror.asked == 1
    clock.advance(31.0)
    assert storage.create("exec-1/request-00000021.json", b"x")
    assert mirror.asked == 2
    mirror.away = False
    clock.advance(31.0)
    assert storage.create("exec-1/request-00000022.json", b"x")
    assert len(mirror.listing("exec-1")) == 22


def test_a_mirror_that_is_named_later_gets_the_claims_that_count(first: Store, mirror: Store) -> None:
    for number in range(1, 21):
        first.create(f"claims/claim-{number:08d}.json", b"a claim")
        if number not in {7, 20}:
            first.create(f"claims/claim-{number:08d}.released", b"")
    mirror.create("claims/claim-00000003.json", b"a claim")
    MirroredStorage(first, mirror).create("claims/claim-00000021.json", b"a claim")
    names = [f"claim-{number:08d}.json" for number in (3, 7, 20, 21)]
    assert sorted(mirror.listing("claims")) == sorted([*names, "claim-00000003.released"])
