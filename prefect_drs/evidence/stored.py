"""A journal as it is stored: the bytes of its records and anchors.

In: a storage and an execution. Out: bytes. Nothing is judged here: a record that is missing or damaged is left to the
checks. Anchors are read before records, so that in a journal that is written meanwhile no anchor is newer than the last
record; one that is says that records were deleted.
"""

from __future__ import annotations

from dataclasses import dataclass

from prefect_drs.aws.parallel import map_parallel
from prefect_drs.evidence.anchors import stored_anchors
from prefect_drs.recovery.journal import NUMBERED, PROBED, Storage

READERS = 16


@dataclass(frozen=True)
class StoredEvidence:
    """The bytes of a journal.

    Args:
        records: by number.
        anchors: by where they are, relative to the storage.
    """

    records: dict[int, bytes]
    anchors: dict[str, bytes]


def read_stored(storage: Storage, execution_id: str) -> StoredEvidence:
    """Read a journal; empty where there is none.

    Raises:
        JournalUnavailableError: the storage cannot be read.
    """
    before = {} if storage.listing(execution_id) is not None else _probed(storage, execution_id, {})
    anchors = stored_anchors(storage, execution_id, max(before, default=0))
    named = {f"{execution_id}/{name}": content for name, content in anchors.items()}
    names = storage.listing(execution_id)
    if names is None:
        return StoredEvidence(_probed(storage, execution_id, before), named)
    numbers = sorted(int(found[1]) for name in names if (found := NUMBERED.fullmatch(name)))
    contents = map_parallel(lambda number: storage.read(_record(execution_id, number)), numbers, READERS)
    return StoredEvidence(
        {number: content for number, content in zip(numbers, contents, strict=True) if content is not None}, named
    )


def _record(execution_id: str, number: int) -> str:
    return f"{execution_id}/{number:08d}.json"


def _probed(storage: Storage, execution_id: str, records: dict[int, bytes]) -> dict[int, bytes]:
    """The records that follow, asked for one by one, where a storage cannot list."""
    found = dict(records)
    number, misses = max(found, default=0), 0
    while misses <= PROBED:
        number += 1
        content = storage.read(_record(execution_id, number))
        misses = 0 if content is not None else misses + 1
        if content is not None:
            found[number] = content
    return found
