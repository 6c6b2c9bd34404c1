"""What somebody may do to evidence: change a byte, re-compute the chain, delete the end. Each with the place of it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from prefect_drs.evidence.archive import _by_directory, _spans
from prefect_drs.evidence.faults import record_of
from prefect_drs.recovery.journal_record import record_hash, sealed_record


class ChangedByte(NamedTuple):
    """A file with one other byte, and where that is: the member, the field of its header or `content`, its record."""

    content: bytes
    at: int
    member: str
    field: str
    record: int | None


class Layout:
    """Where everything is in an honest bundle."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._spans = list(_spans(_by_directory(content)))

    def change(self, chance: random.Random) -> ChangedByte:
        """Change any byte to any other. Headers are small beside the contents: every second change is in one."""
        if chance.random() < 0.5:
            at = chance.randrange(len(self._content))
        else:
            span = chance.choice([each for each in self._spans if each.field != "content"])
            at = chance.randrange(span.start, span.end)
        place = next(each for each in self._spans if each.start <= at < each.end)
        other = (self._content[at] + chance.randrange(1, 256)) % 256
        changed = self._content[:at] + bytes([other]) + self._content[at + 1 :]
        return ChangedByte(changed, at, place.place, place.field, record_of(place.place))


class Recomputed(NamedTuple):
    """A journal that was changed at a record, its chain computed again from there on."""

    records: list[bytes]
    changed: int


def recompute(records: Sequence[bytes], chance: random.Random) -> Recomputed:
    """Change the time of an event, or the name of a person or process, in a record; then make the chain whole again."""
    changed = chance.randrange(1, len(records) + 1)
    forged = list(records[: changed - 1])
    for number, content in enumerate(records[changed - 1 :], changed):
        entry = json.loads(content)
        entry.pop("checksum")
        if number == changed:
            _change(entry, chance)
        entry["previous"] = record_hash(forged[-1]) if forged else ""
        forged.append(sealed_record(entry))
    return Recomputed(forged, changed)


def _change(entry: dict[str, object], chance: random.Random) -> None:
    events = entry["events"]
    assert isinstance(events, list)
    event = chance.choice(events)
    if "by" in event:
        event["by"] = "Mallory"
    elif chance.random() < 0.5:
        event["at"] = (datetime.fromisoformat(event["at"]) + timedelta(seconds=1)).isoformat()
    else:
        entry["holder"] = "another host"
