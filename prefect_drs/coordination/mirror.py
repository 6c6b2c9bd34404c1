"""Two stores for journals: the first one decides, the second one has a copy of everything.

In: two storages. Out: one. An object is created in the first store, whose refusal is the fence, then in the mirror,
before whoever writes goes on. So a process that goes on with the mirror as its only store, because the first is gone,
fences the one that wrote to both: its next object finds its name taken in the mirror.

Without the first store nothing is written, and a process stops before its next launch. Without the mirror a process
goes on; what is owed is copied, in order, before the next object once the mirror answers. What a process that died owed
is copied by the next one that writes to the same journal.

Must never: write to the mirror what the first store does not have; overwrite an object in either.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Collection
from itertools import count, takewhile

from prefect_drs.recovery.journal import NUMBERED, Archive, JournalUnavailableError

_logger = logging.getLogger("prefect_drs.coordination.mirror")


class MirroredStorage:
    """A storage with a mirror. Safe to share between threads.

    Args:
        first: decides which objects there are.
        mirror: gets a copy of each object that this process creates or replaces.
    """

    def __init__(self, first: Archive, mirror: Archive) -> None:
        self._first, self._mirror = first, mirror
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
            False where either has the name with other content: somebody else writes here.

        Raises:
            JournalUnavailableError: the first store cannot be written. Where only the mirror cannot, the copy is owed.
        """
        if not self._first.create(name, content):
            return False
        with self._lock:
            self._owed.append((name, content))
            return self._pay()

    def _pay(self) -> bool:
        """Copy what is owed, in order; False where the mirror has a name with other content."""
        missing = len(self._owed) > 1
        while self._owed:
            name, content = self._owed[0]
            try:
                if not self._catch_up(name.partition("/")[0], name) or not self._copied(name, content):
                    return False
            except JournalUnavailableError as error:
                if not missing:
                    _logger.warning(
                        "the mirror of the journals is away (%s); its copies are made once it answers", error
                    )
                return True
            self._owed.popleft()
        if missing:
            _logger.warning("the mirror of the journals answers again: it has all copies")
        return True

    def _copied(self, name: str, content: bytes) -> bool:
        """Copy an object; False where the mirror has the name with other content."""
        return self._mirror.create(name, content) or self._mirror.read(name) == content

    def _catch_up(self, folder: str, until: str) -> bool:
        """Copy what a former process owed of a folder, once for each; False as of `_copied`.

        Args:
            folder: of a journal.
            until: the object that this process is about to copy.
        """
        if folder in self._complete:
            return True
        names = self._first.listing(folder)
        if names is None:  # then only the numbered objects can be found
            numbered = (f"{number:08d}.json" for number in count(1))
            names = list(takewhile(lambda each: self._first.read(f"{folder}/{each}") is not None, numbered))
        there = frozenset(self._mirror.listing(folder) or ())
        for name in sorted(f"{folder}/{each}" for each in names if each not in there):
            if name >= until or not NUMBERED.fullmatch(name.rpartition("/")[2]):
                continue
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
