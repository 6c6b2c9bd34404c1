"""The journal: every decision and outcome of an execution, appended in order and never changed.

In: events. Out: the same events, to whoever asks, after a restart too. The engine writes an intent before it acts and
an outcome after, so a process that dies between the two leaves a question the next one can look into, never a secret.

A stored journal is a chain of small objects, `<execution>/00000001.json` and so on, each with the SHA-256 of the one
before. An object is only ever created, never overwritten. That is also the fence between two processes that carry out
the same execution: whoever is second to write a number has been overtaken, is told so by `FencedError`, and stops
before its next launch, since every launch is preceded by its intent.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Protocol

from prefect_drs.errors import PrefectDrsError
from prefect_drs.private_files import create_file, make_folder
from prefect_drs.report.events import EVENT, Event

FIRST = "00000001.json"  # every journal's first object


class Journal(Protocol):
    """Where events are kept."""

    def read(self) -> tuple[Event, ...]:
        """All events so far, in order."""
        ...

    def append(self, events: Iterable[Event]) -> None:
        """Keep these, in order; they are safe when this returns."""
        ...


class FencedError(PrefectDrsError):
    """Another process has taken this execution over; this one must do nothing more for it."""

    code: ClassVar[str] = "EXECUTION_TAKEN_OVER"


class JournalDamagedError(PrefectDrsError):
    """The journal's chain is broken: what it says cannot be relied on."""

    code: ClassVar[str] = "JOURNAL_DAMAGED"


class MemoryJournal:
    """A journal that lives as long as its process."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def read(self) -> tuple[Event, ...]:
        """All events so far, in order."""
        return tuple(self._events)

    def append(self, events: Iterable[Event]) -> None:
        """Keep these, in order."""
        self._events.extend(events)


class Storage(Protocol):
    """Named objects that can be created once and read."""

    def read(self, name: str) -> bytes | None:
        """The object's content; None where it certainly does not exist."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Create the object whole or not at all; False where the name is taken."""
        ...


class Archive(Storage, Protocol):
    """A storage that can tell which journals it holds."""

    def newest(self, limit: int) -> tuple[str, ...]:
        """The ids of at most `limit` executions, those that began last first; none where it cannot tell."""
        ...


class FolderStorage:
    """Objects as files under a folder; creation is atomic on any POSIX or Windows file system.

    Args:
        folder: made on the first write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        """The file's content; None where there is none."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def create(self, name: str, content: bytes) -> bool:
        """Write a file beside it, then link it to its name, which fails where the name is taken."""
        path = self._folder / name
        make_folder(path.parent)
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        with create_file(draft) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        return True

    def newest(self, limit: int) -> tuple[str, ...]:
        """The ids of the executions whose journals began last."""
        began: list[tuple[float, str]] = []
        for first in self._folder.glob(f"*/{FIRST}"):
            with suppress(FileNotFoundError):
                began.append((first.stat().st_mtime, first.parent.name))
        return tuple(name for _, name in sorted(began, reverse=True)[:limit])


def _one_line(fault: Exception) -> str:
    return " ".join(str(fault).split())[:200]


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

    def _name(self, number: int) -> str:
        return f"{self._execution_id}/{number:08d}.json"

    def read(self) -> tuple[Event, ...]:
        """All events so far; from then on this process writes after them.

        Raises:
            JournalDamagedError: an object is not what the chain says.
        """
        events: list[Event] = []
        number, tip = 0, ""
        while (content := self._storage.read(self._name(number + 1))) is not None:
            number += 1
            try:
                entry = json.loads(content)
                if entry["previous"] != tip:
                    raise ValueError("it does not follow from the one before")
                events.extend(EVENT.validate_python(event) for event in entry["events"])
            except (ValueError, KeyError, TypeError) as fault:
                raise JournalDamagedError(
                    f"journal object {self._name(number)} cannot be relied on: {_one_line(fault)}; "
                    "restore it from a backup, or start a new execution after looking at DRS's jobs"
                ) from None
            tip = hashlib.sha256(content).hexdigest()
        if self._storage.read(self._name(number + 2)) is not None:
            raise JournalDamagedError(
                f"journal object {self._name(number + 1)} is missing, but there are later ones; restore it from a "
                "backup, or start a new execution after looking at DRS's jobs"
            )
        self._length, self._tip = number, tip
        return tuple(events)

    def append(self, events: Iterable[Event]) -> None:
        """Add one object with these events.

        Raises:
            FencedError: another process wrote here since this one last read or wrote.
        """
        entry = {
            "previous": self._tip,
            "holder": self._holder,
            "events": [event.model_dump(mode="json", by_alias=True) for event in events],
        }
        content = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()
        if not self._storage.create(self._name(self._length + 1), content):
            raise FencedError(
                f"execution {self._execution_id} was taken over by another process; this one stops and launches nothing"
            )
        self._length += 1
        self._tip = hashlib.sha256(content).hexdigest()
