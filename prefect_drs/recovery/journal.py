"""The journal: every decision and outcome of an execution, appended in order and never changed.

In: events. Out: the same events, after a restart too. The engine writes an intent before it acts and an outcome after,
so that after a process died between the two the next one knows what to look for in AWS.

A stored journal is a chain of small objects, `<execution>/00000001.json` and so on, each with the SHA-256 of the one
before and a checksum of itself. An object is only ever created, never overwritten. That is also the fence between two
processes that carry out the same execution: the second one to write a number gets a `FencedError` and stops before its
next launch, since every launch is preceded by its intent. A journal that could not be written takes no more events from
this process, so that nothing is launched whose intent is not stored.
"""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.core.private_files import create_file, make_folder
from prefect_drs.execution.events import Event
from prefect_drs.recovery.journal_record import (
    RESTORE,
    UnreliableRecordError,
    one_line,
    open_record,
    record_hash,
    sealed_record,
)

__all__ = [
    "Archive",
    "FencedError",
    "FolderStorage",
    "Journal",
    "JournalDamagedError",
    "JournalHead",
    "JournalUnavailableError",
    "MemoryJournal",
    "Storage",
    "StoredJournal",
    "one_line",
]

AUDIT_FOLDER = "audit"
"""The folder beside the journals that holds the audit log; it is no journal."""
CLAIMS_FOLDER = "claims"
"""The folder beside the journals that holds the claims of servers; it is no journal."""
RESERVED_FOLDERS = frozenset({AUDIT_FOLDER, CLAIMS_FOLDER})

FIRST = "00000001.json"  # every journal's first object
PROBED = 8  # numbers after the last object that are looked at where a storage cannot list
NUMBERED = re.compile(r"(\d{8})\.json")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})  # link(2): what a file system without them says
_ELSEWHERE = "name another place with PREFECT_DRS_HOME or PREFECT_DRS_JOURNAL"


class Journal(Protocol):
    """Where events are stored."""

    def read(self) -> tuple[Event, ...]:
        """All events so far, in order."""
        ...

    def append(self, events: Iterable[Event]) -> None:
        """Store these, in order; they are safe when this returns."""
        ...


class FencedError(PrefectDrsError):
    """Another process has taken this execution over; this one must do nothing more for it."""

    code: ClassVar[str] = "EXECUTION_TAKEN_OVER"


class JournalDamagedError(PrefectDrsError):
    """The journal's chain is broken: what it says cannot be relied on."""

    code: ClassVar[str] = "JOURNAL_DAMAGED"


class JournalUnavailableError(PrefectDrsError):
    """The journal's storage cannot be read or written; the message says where, why and what to do."""

    code: ClassVar[str] = "JOURNAL_UNAVAILABLE"


class JournalHead(NamedTuple):
    """The last record of a stored journal: its number, from 1 on (0: none), and the SHA-256 of its bytes, as hex."""

    number: int
    record_hash: str


class MemoryJournal:
    """A journal that lives as long as its process."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def read(self) -> tuple[Event, ...]:
        """All events so far, in order."""
        return tuple(self._events)

    def append(self, events: Iterable[Event]) -> None:
        """Store these, in order."""
        self._events.extend(events)


class Storage(Protocol):
    """Named objects that can be created once and read. Failures raise `JournalUnavailableError`.

    `atomic`: an object is created whole or not at all, even where its process dies meanwhile.
    """

    @property
    def atomic(self) -> bool:
        """Whether no half-written object can exist."""
        ...

    def read(self, name: str) -> bytes | None:
        """The object's content; None where it certainly does not exist."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Create the object; False where the name is taken by other content."""
        ...

    def listing(self, folder: str) -> Collection[str] | None:
        """The names of the objects in a folder, without it; None where this storage cannot list."""
        ...


class Archive(Storage, Protocol):
    """A storage that can list its journals."""

    def newest(self, limit: int) -> tuple[str, ...]:
        """The ids of at most `limit` executions, those that began last first; none where it cannot list."""
        ...

    def replace(self, name: str, content: bytes) -> None:
        """Write an object, whether or not it exists: what nobody relies on, such as when a process was last seen."""
        ...

    def delete(self, folder: str) -> int | None:
        """Delete a whole journal, that of an execution which nobody carries any more; None where it cannot delete.

        Returns:
            How many objects were deleted.
        """
        ...


class FolderStorage:
    """Objects as files under a folder; creation is atomic on any POSIX or Windows file system.

    Args:
        folder: made on the first write. Files and new folders are readable by their owner only.
    """

    atomic = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        """The file's content; None where there is none.

        Raises:
            JournalUnavailableError: it is there, or may be, and cannot be read.
        """
        path = self._folder / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error) from None

    def create(self, name: str, content: bytes) -> bool:
        """Write a draft beside it, then link it to its name, which fails where the name is taken.

        Raises:
            JournalUnavailableError: it cannot be written; neither the file nor a draft is left behind.
        """
        path = self._folder / name
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        linking = False
        try:
            try:
                make_folder(path.parent)
                with create_file(draft) as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                linking = True
                os.link(draft, path)
            finally:
                with suppress(OSError):
                    draft.unlink()
        except OSError as error:
            if linking and isinstance(error, FileExistsError):
                return False
            raise _unwritable(path, error, linking=linking) from None
        return True

    def replace(self, name: str, content: bytes) -> None:
        """Write a draft beside it, then rename it.

        Raises:
            JournalUnavailableError: it cannot be written.
        """
        path = self._folder / name
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            make_folder(path.parent)
            with create_file(draft) as file:
                file.write(content)
            draft.replace(path)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            raise _unwritable(path, error, linking=False) from None

    def listing(self, folder: str) -> Collection[str]:
        """The names of the files in a folder; none where there is no such folder.

        Raises:
            JournalUnavailableError: the folder cannot be read.
        """
        try:
            return [entry.name for entry in (self._folder / folder).iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(self._folder / folder, error) from None

    def newest(self, limit: int) -> tuple[str, ...]:
        """The ids of the executions whose journals began last."""
        began: list[tuple[float, str]] = []
        for first in self._folder.glob(f"*/{FIRST}"):
            with suppress(FileNotFoundError):
                began.append((first.stat().st_mtime, first.parent.name))
        return tuple(name for _, name in sorted(began, reverse=True)[:limit])

    def delete(self, folder: str) -> int:
        """Delete the files of a folder, the first entry last, and the folder.

        Raises:
            JournalUnavailableError: a file cannot be deleted.
        """
        names = sorted(self.listing(folder), reverse=True)
        try:
            for name in names:
                (self._folder / folder / name).unlink(missing_ok=True)
            if names:
                (self._folder / folder).rmdir()
        except OSError as error:
            raise _unwritable(self._folder / folder, error, linking=False) from None
        return len(names)


def _unreadable(path: Path, error: OSError) -> JournalUnavailableError:
    return JournalUnavailableError(
        f"the journal cannot be read: {path}: {error.strerror or error}; "
        f"make it readable for this user, or {_ELSEWHERE}"
    )


def _unwritable(path: Path, error: OSError, *, linking: bool) -> JournalUnavailableError:
    if error.errno in _FULL:
        remedy = f"free space there, or {_ELSEWHERE}"
    elif linking and error.errno in _NO_LINKS:
        remedy = f"that file system has no hard links, which journals need; {_ELSEWHERE}"
    elif error.errno in _NOT_ALLOWED:
        remedy = f"make it writable for this user, or {_ELSEWHERE}"
    else:
        remedy = f"correct that, or {_ELSEWHERE}"
    where = error.filename if error.filename and not str(error.filename).startswith(str(path.parent)) else path
    return JournalUnavailableError(f"the journal cannot be written: {where}: {error.strerror or error}; {remedy}")


class StoredJournal:
    """A journal in a storage, hash-chained.

    Args:
        storage: where the objects are.
        execution_id: the folder they are in.
        holder: who writes, for people who read the objects.
    """

    def __init__(self, storage: Storage, execution_id: str, holder: str = "") -> None:
        self._storage = storage
        self._execution_id = execution_id
        self._holder = holder
        self._length = 0
        self._tip = ""
        self._failure = ""

    @property
    def head(self) -> JournalHead:
        """The last record that this process has read or written."""
        return JournalHead(self._length, self._tip)

    def _name(self, number: int) -> str:
        return f"{self._execution_id}/{number:08d}.json"

    def read(self) -> tuple[Event, ...]:
        """All events so far; from then on this process writes after them.

        Raises:
            JournalDamagedError: an object is missing, or not what the chain says.
            JournalUnavailableError: the storage cannot be read.
        """
        events, self._length, self._tip = self._after(0, "")
        self._failure = ""
        return events

    def _after(self, number: int, tip: str) -> tuple[tuple[Event, ...], int, str]:
        """Events after an object with that number and hash; number and hash of the last one."""
        events: list[Event] = []
        while True:
            while (content := self._storage.read(self._name(number + 1))) is not None:
                number += 1
                try:
                    events.extend(open_record(content, tip))
                except UnreliableRecordError as fault:
                    raise self._damaged(number, fault) from None
                tip = record_hash(content)
            if not (later := self._later_than(number)):
                break
            if later > number + 1 and self._storage.read(self._name(number + 1)) is None:
                raise JournalDamagedError(
                    f"journal object {self._name(number + 1)} is missing, but there are later ones; {RESTORE}"
                )
        return tuple(events), number, tip

    def _later_than(self, number: int) -> int | None:
        """The lowest number of an object after that one; another process may write on while this one reads."""
        names = self._storage.listing(self._execution_id)
        if names is not None:
            numbers = (int(found[1]) for name in names if (found := NUMBERED.fullmatch(name)))
            return min((found for found in numbers if found > number), default=None)
        probed = range(number + 2, number + 2 + PROBED)
        return next((later for later in probed if self._storage.read(self._name(later)) is not None), None)

    def _damaged(self, number: int, fault: UnreliableRecordError) -> JournalDamagedError:
        remedy = fault.remedy
        torn = not self._storage.atomic and str(fault).startswith(("it is cut off", "it is empty"))
        if torn and self._later_than(number) is None:
            remedy = (
                "it is the last one: where its process died while it wrote, nothing was done that rests on it; then "
                f"delete it and go on with `prefect-drs resume {self._execution_id}`. Otherwise {RESTORE}"
            )
        return JournalDamagedError(f"journal object {self._name(number)} cannot be relied on: {fault}; {remedy}")

    def append(self, events: Iterable[Event]) -> None:
        """Add one object with these events.

        Raises:
            FencedError: another process wrote here since this one last read or wrote.
            JournalUnavailableError: it could not be written, now or before; only reading it anew opens it again.
        """
        if self._failure:
            raise JournalUnavailableError(self._failure)
        entry = {
            "previous": self._tip,
            "holder": self._holder,
            "events": [event.model_dump(mode="json", by_alias=True) for event in events],
        }
        content = sealed_record(entry)
        try:
            created = self._storage.create(self._name(self._length + 1), content)
        except JournalUnavailableError as error:
            then = f"go on with `prefect-drs resume {self._execution_id}`" if self._length else "start again"
            self._failure = f"{error.message}; then {then} (nothing is launched without a journal)"
            raise JournalUnavailableError(self._failure) from None
        except Exception as error:  # whatever it is, what was written is not known
            self._failure = f"the journal cannot be written: {one_line(error)}"
            raise
        if not created:
            raise FencedError(
                f"execution {self._execution_id} was taken over by another process; this one stops and launches nothing"
            )
        self._length += 1
        self._tip = record_hash(content)
