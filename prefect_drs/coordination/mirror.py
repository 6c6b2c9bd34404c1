"""Two stores for journals: the first one decides, the second one has a copy of everything.

In: two storages. Out: one. An object is created in the first store, whose refusal is the fence, then in the mirror,
before whoever writes goes on. So a process that goes on with the mirror as its only store, because the first is gone,
fences the one that wrote to both: its next object finds its name taken in the mirror.

Without the first store nothing is written, and a process stops before its next launch. Without the mirror a process
goes on; what is owed is copied, in order, before the next object once the mirror answers. One that hangs is left alone
for half a minute, so that it does not hold up each launch. What a process that died owed is copied by
the next one that writes to the same folder: journals, messages and claims alike.

Must never: write to the mirror what the first store does not have; overwrite an object in either.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from itertools import count, takewhile

from prefect_drs.coordination.claims import FIRST_OPEN, over_and_unknown
from prefect_drs.coordination.process import MARK
from prefect_drs.core.clock import Clock, WallClock
from prefect_drs.recovery.journal import NUMBERED, Archive, JournalUnavailableError

REPLACED = frozenset({MARK, FIRST_OPEN.rpartition("/")[2]})
"""The names of the objects that are written over."""
KIND = re.compile(r"(\D*)\d{8}\.json")
HANGS = timedelta(seconds=3)
AWAY = timedelta(seconds=30)
"""How long a mirror is left alone that took longer than `HANGS` to fail."""

_logger = logging.getLogger("prefect_drs.coordination.mirror")


class MirroredStorage:
    """A storage with a mirror. Safe to share between threads.

    Args:
        first: decides which objects there are.
        mirror: gets a copy of each object that this process creates or replaces.
        clock: the machine's clock.
    """

    def __init__(self, first: Archive, mirror: Archive, clock: Clock | None = None) -> None:
        self._first, self._mirror, self._clock = first, mirror, clock or WallClock()
        self._is_away = False
        self._not_before: datetime | None = None
        self._lock = threading.Lock()
        self._owed: deque[tuple[str, bytes]] = deque()
        self._complete: set[str] = set()  # folders of which the mirror has all that former processes wrote

    @property
    def atomic(self) -> bool:
        """Whether no half-written object can exist in the first store."""
        return self._first.atomic

    @property
    def owed(self) -> int:
        """How many objects the mirror lacks, of those that this process created."""
        return len(self._owed)

    def read(self, name: str) -> bytes | None:
        """The object in the first store.

        Raises:
            JournalUnavailableError: the first store cannot be read.
        """
        return self._first.read(name)

    def create(self, name: str, content: bytes) -> bool:
        """Create the object in the first store, then in the mirror.

        Returns:
            False where the first store has the name with other content: somebody else writes here. Of an entry of a
            journal also where the mirror has.

        Raises:
            JournalUnavailableError: the first store cannot be written; or the mirror has other messages or claims, so
                that neither store has all of them. Where the mirror only does not answer, the copy is owed.
        """
        if not self._first.create(name, content):
            return False
        with self._lock:
            self._owed.append((name, content))
            copied = self._pay()
        if not copied and not NUMBERED.fullmatch(name.rpartition("/")[2]):
            raise JournalUnavailableError(
                f"{name} was stored, but the mirror of the journals has other objects than the first store: somebody "
                "goes on with the mirror alone. Name the mirror as PREFECT_DRS_JOURNAL, and another folder or nothing "
                "as PREFECT_DRS_JOURNAL_MIRROR"
            )
        return copied

    def _pay(self) -> bool:
        """Copy what is owed, in order; False where the mirror has a name with other content."""
        began = self._clock.now()
        if self._not_before is not None and began < self._not_before:
            return True
        while self._owed:
            name, content = self._owed[0]
            try:
                if not self._catch_up(name.partition("/")[0], name) or not self._copied(name, content):
                    return False
            except JournalUnavailableError as error:
                if not self._is_away:
                    _logger.warning(
                        "the mirror of the journals is away (%s); its copies are made once it answers", error
                    )
                now = self._clock.now()
                self._is_away, self._not_before = True, now + AWAY if now - began > HANGS else None
                return True
            self._owed.popleft()
        if self._is_away:
            _logger.warning("the mirror of the journals answers again: it has all copies")
        self._is_away, self._not_before = False, None
        return True

    def _copied(self, name: str, content: bytes) -> bool:
        """Copy an object; False where the mirror has the name with other content."""
        return self._mirror.create(name, content) or self._mirror.read(name) == content

    def _catch_up(self, folder: str, until: str) -> bool:
        """Copy what a former process owed of a folder, once for each; False as of `_copied`.

        Of each kind, the last object that both have is compared. An entry of a journal has the hash of the one before,
        so that where it is the same, both journals are the same so far.

        Args:
            folder: of a journal, or of claims.
            until: the object that this process is about to copy.
        """
        if folder in self._complete:
            return True
        names = self._first.listing(folder)
        if names is None:  # then only the numbered objects can be found
            numbered = (f"{number:08d}.json" for number in count(1))
            names = list(takewhile(lambda each: self._first.read(f"{folder}/{each}") is not None, numbered))
        there = frozenset(self._mirror.listing(folder) or ())
        common = {found[1]: each for each in sorted(there.intersection(names)) if (found := KIND.fullmatch(each))}
        missing = {each for each in names if each not in there and not each.startswith(".")} - REPLACED
        missing -= over_and_unknown(names, there)
        for name in _written_before(folder, missing.union(common.values()), until):
            content = self._first.read(name)
            if content is not None and not self._copied(name, content):
                return False
        self._complete.add(folder)
        return True

    def replace(self, name: str, content: bytes) -> None:
        """Write an object that nobody relies on, in both; a failure of the mirror changes nothing.

        Raises:
            JournalUnavailableError: the first store cannot be written.
        """
        self._first.replace(name, content)
        if self._owed:  # it is away, and is asked for at the next object
            return
        try:
            self._mirror.replace(name, content)
        except JournalUnavailableError as error:
            _logger.debug("the mirror lacks %s: %s", name, error)

    def listing(self, folder: str) -> Collection[str] | None:
        """The names of the objects in a folder of the first store."""
        return self._first.listing(folder)

    def newest(self, limit: int) -> tuple[str, ...]:
        """The newest executions in the first store."""
        return self._first.newest(limit)

    def delete(self, folder: str) -> int | None:
        """Delete a journal in both stores, in the mirror first, so that no copy outlives the original.

        Raises:
            JournalUnavailableError: a store cannot be reached; what is left can be deleted again.
        """
        self._mirror.delete(folder)
        return self._first.delete(folder)


def _written_before(folder: str, names: Iterable[str], until: str) -> list[str]:
    """The objects of a folder in order, without `until` and, where that is an entry of a journal, those after it."""
    is_entry = NUMBERED.fullmatch(until.rpartition("/")[2]) is not None
    before = (each for each in names if not (is_entry and NUMBERED.fullmatch(each) and f"{folder}/{each}" > until))
    return [name for name in sorted(f"{folder}/{each}" for each in before) if name != until]
