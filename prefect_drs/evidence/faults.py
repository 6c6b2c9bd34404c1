"""What a verification finds: faults with their place, and what was checked.

In: what the checks yield. Out: frozen values that serialise to JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from prefect_drs.core.models import FrozenModel

_NUMBER = re.compile(r"(\d{8})(?:-\d+)?\.json\Z")


class EvidenceFault(FrozenModel):
    """Something that does not hold.

    Args:
        code: stable, upper snake case.
        member: the member of the bundle, or the object in the journal's storage; empty for the whole.
        record: the number of the journal's record that it is about, from 1 on.
        field: the field that does not hold, where it is one.
        message: what is wrong, one line.
    """

    code: str
    member: str
    record: int | None = None
    field: str | None = None
    message: str

    def __str__(self) -> str:
        record = f"record {self.record}" if self.record is not None else None
        where = ": ".join(part for part in (self.member, record, self.field) if part)
        return f"{where}: {self.code}: {self.message}" if where else f"{self.code}: {self.message}"


class Verification(FrozenModel):
    """What was verified, and with what result.

    Args:
        execution_id: the execution; empty where the bundle does not say.
        intact: nothing was found that does not hold.
        faults: everything that does not hold, in the order of the checks.
        notes: what was not checked, or checked with less than it could be, in sentences.
        records: records of the journal.
        anchors: valid anchors of it.
        anchored_records: the records that anchors cover, from the first on.
        closed: the last record is anchored as the end of the execution.
        keys: ids of the keys whose signatures were checked.
    """

    execution_id: str
    intact: bool
    faults: tuple[EvidenceFault, ...]
    notes: tuple[str, ...]
    records: int
    anchors: int
    anchored_records: int
    closed: bool
    keys: tuple[str, ...]


def record_of(name: str) -> int | None:
    """The record that a journal object, or an anchor of it, is about, by its name."""
    found = _NUMBER.search(name)
    return int(found[1]) if found and name.startswith(("journal/", "anchors/")) else None


def unique(faults: Iterable[EvidenceFault]) -> tuple[EvidenceFault, ...]:
    """The faults, each once."""
    return tuple(dict.fromkeys(faults))
