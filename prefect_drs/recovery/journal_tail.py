"""The end of a stored journal that another process may be writing: its events, and later those that came since.

In: a storage and an execution. Out: events. Reads only.
"""

from __future__ import annotations

from prefect_drs.execution.events import Event
from prefect_drs.recovery.journal import StoredJournal


class JournalTail(StoredJournal):
    """A journal that is followed while it grows."""

    def read_more(self) -> tuple[Event, ...]:
        """The events since the last read. Asks the storage for one object where there is nothing new.

        Raises:
            JournalDamagedError, JournalUnavailableError: as `read`.
        """
        if self._storage.read(self._name(self._length + 1)) is None:
            return ()
        events, self._length, self._tip = self._after(self._length, self._tip)
        return events
