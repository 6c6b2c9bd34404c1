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
import hashlib
import json
import os
import re
import uuid
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import ValidationError

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.core.private_files import create_file, make_folder
from prefect_drs.execution.events import STORED_EVENT, Event

FIRST = "00000001.json"  # every journal's first object
PROBED = 8  # numbers after the last object that are looked at where a storage cannot list
_NUMBERED = re.compile(r"(\d{8})\.json")
_SEAL = re.compile(rb',"checksum":"([0-9a-f]{64})"\}\Z')
_PARTS = {"previous", "holder", "events"}
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})  # link(2): what a file system without them says
_ELSEWHERE = "name another place with PREFECT_DRS_HOME or PREFECT_DRS_JOURNAL"
_RESTORE = "restore it from a backup, or start a new execution after looking at DRS's jobs"


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


def one_line(fault: BaseException) -> str:
    """An exception in at most 200 characters of one line, without the values that a validation error quotes."""
    if isinstance(fault, ValidationError):
        first = fault.errors(include_url=False, include_input=False)[0]
        said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    else:
        said = str(fault) or type(fault).__name__
    return " ".join(said.split())[:200]


def _sealed(entry: dict[str, Any]) -> bytes:
    """The bytes of an object: the entry as JSON, and as its last member the SHA-256 of the entry without it."""
    body = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()
    return body[:-1] + f',"checksum":"{hashlib.sha256(body).hexdigest()}"}}'.encode()


class _UnreliableError(Exception):
    """Why an object is not reliable, and what to do."""

    def __init__(self, why: str, remedy: str = _RESTORE) -> None:
        super().__init__(why)
        self.remedy = remedy


def _opened(content: bytes, previous: str) -> list[Event]:
    """The events of an object that follows the one with that hash.

    Objects of releases before checksums have none; one that was altered is found by the hash in its successor.

    Raises:
        _UnreliableError: it is not what the chain says.
    """
    if not content:
        raise _UnreliableError("it is empty")
    seal = _SEAL.search(content)
    if seal and hashlib.sha256(content[: seal.start()] + b"}").hexdigest().encode() != seal[1]:
        raise _UnreliableError("it was altered: its checksum is that of other content")
    try:
        entry = json.loads(content.decode())
    except (ValueError, RecursionError) as fault:
        cut = "" if content.endswith(b"}") else "it is cut off: "
        raise _UnreliableError(f"{cut}{one_line(fault)}") from None
    _require_form(entry, sealed=seal is not None)
    if entry["previous"] != previous:
        raise _UnreliableError("it does not follow from the one before")
    try:
        return [STORED_EVENT.validate_python(event) for event in entry["events"]]
    except ValidationError as fault:
        if seal:  # it is as it was written: a newer release wrote what this one cannot read
            remedy = "it was written by a newer release: upgrade prefect-drs to the one that began this execution"
            raise _UnreliableError(one_line(fault), remedy) from None
        raise _UnreliableError(one_line(fault)) from None


def _require_form(entry: object, *, sealed: bool) -> None:
    """Refuse JSON that is no journal object. An object with a checksum may have further members, of a newer release."""
    members = set(entry) if isinstance(entry, dict) else set()
    events = entry["events"] if isinstance(entry, dict) and "events" in members else None
    if not members >= _PARTS or not isinstance(events, list) or (not sealed and members != _PARTS):
        raise _UnreliableError("it has not the form of a journal object")


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
                    events.extend(_opened(content, tip))
                except _UnreliableError as fault:
                    raise self._damaged(number, fault) from None
                tip = hashlib.sha256(content).hexdigest()
            if not (later := self._later_than(number)):
                break
            if later > number + 1 and self._storage.read(self._name(number + 1)) is None:
                raise JournalDamagedError(
                    f"journal object {self._name(number + 1)} is missing, but there are later ones; {_RESTORE}"
                )
        return tuple(events), number, tip

    def _later_than(self, number: int) -> int | None:
        """The lowest number of an object after that one; another process may write on while this one reads."""
        names = self._storage.listing(self._execution_id)
        if names is not None:
            numbers = (int(found[1]) for name in names if (found := _NUMBERED.fullmatch(name)))
            return min((found for found in numbers if found > number), default=None)
        probed = range(number + 2, number + 2 + PROBED)
        return next((later for later in probed if self._storage.read(self._name(later)) is not None), None)

    def _damaged(self, number: int, fault: _UnreliableError) -> JournalDamagedError:
        remedy = fault.remedy
        torn = not self._storage.atomic and str(fault).startswith(("it is cut off", "it is empty"))
        if torn and self._later_than(number) is None:
            remedy = (
                "it is the last one: where its process died while it wrote, nothing was done that rests on it; then "
                f"delete it and go on with `prefect-drs resume {self._execution_id}`. Otherwise {_RESTORE}"
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
        content = _sealed(entry)
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
        self._tip = hashlib.sha256(content).hexdigest()
