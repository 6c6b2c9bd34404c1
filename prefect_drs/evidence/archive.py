"""The file of a bundle: a ZIP archive in one canonical form, so that every byte of it can be checked.

In: members by name, and a date. Out: bytes. The same members give the same bytes: stored without compression, in the
order of their names, all with one date, no extra fields, comments or data descriptors (APPNOTE.TXT 6.3.10, sections
4.3.7, 4.3.12 and 4.3.16). Any ZIP tool reads it. `zipfile` is not used: its bytes may differ between releases of
Python.

Reading is the reverse: the members are read, the archive is written again from them, and both are compared. Sizes and
names are in the file twice, so that after damage to one of the two the other still tells what is where.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from prefect_drs.core.errors import PrefectDrsError

MANIFEST = "manifest.json"
MOST_MEMBERS = 0xFFFF - 1  # without ZIP64
MOST_BYTES = 0xFFFFFFFF - 1
FAULTS_SHOWN = 5
END = "end of central directory"
ALTERED = "it was altered: its CRC-32 is that of other content"
VERSION, UNIX, MODE, UTF8 = 20, 3 << 8, 0o100600 << 16, 0x0800


class _Part(NamedTuple):
    """A structure of the format: its layout, and what its fields are called."""

    layout: struct.Struct
    fields: tuple[str, ...]

    def spans(self, start: int, place: str) -> Iterator[_Span]:
        at = start
        for code, name in zip(self.layout.format[1:].replace("4s", "s"), self.fields, strict=True):
            size = 4 if code == "s" else struct.calcsize(f"<{code}")
            yield _Span(at, at + size, place, name)
            at += size


class _Span(NamedTuple):
    start: int
    end: int
    place: str
    field: str


_COMMON = ("version needed", "flags", "method", "time", "date", "crc-32", "compressed size", "size", "name length")
_LOCAL = _Part(struct.Struct("<4sHHHHHIIIHH"), ("signature", *_COMMON, "extra length"))
_CENTRAL = _Part(
    struct.Struct("<4sHHHHHHIIIHHHHHII"),
    (
        "signature",
        "version made by",
        *_COMMON,
        "extra length",
        "comment length",
        "disk",
        "internal attributes",
        "external attributes",
        "offset",
    ),
)
_END = _Part(
    struct.Struct("<4sHHHHIIH"),
    ("signature", "disk", "directory's disk", "entries here", "entries", "size", "offset", "comment length"),
)


class EvidenceTooLargeError(PrefectDrsError):
    """The evidence is larger than one archive may be."""

    code = "EVIDENCE_TOO_LARGE"


class _Entry(NamedTuple):
    name: bytes
    content: bytes
    crc: int
    time: int
    date: int


class ArchiveFault(NamedTuple):
    """Something in the file that is not what its members say.

    `member`: whose header or content it is; empty for the end of the file. `field`: what of it.
    """

    member: str
    field: str
    message: str


class Archive(NamedTuple):
    """What a file holds: the members that could be read, its date, and what is wrong with it."""

    members: dict[str, bytes]
    at: tuple[int, int]
    faults: tuple[ArchiveFault, ...]


def dos_time(at: datetime) -> tuple[int, int]:
    """A time as ZIP stores it: time and date, two seconds exact, from 1980 on."""
    year = min(max(at.year, 1980), 2107)
    return at.hour << 11 | at.minute << 5 | at.second // 2, (year - 1980) << 9 | at.month << 5 | at.day


def write_archive(members: Mapping[str, bytes], at: datetime) -> bytes:
    """The archive of these members.

    Args:
        members: contents by ASCII name.
        at: the date of every member.

    Raises:
        EvidenceTooLargeError: they are more than 65,534, or 4 GiB together.
    """
    time, date = dos_time(at)
    entries = [
        _Entry(name.encode("ascii"), content, zlib.crc32(content), time, date)
        for name, content in sorted(members.items())
    ]
    if len(entries) > MOST_MEMBERS or sum(len(entry.content) + 512 for entry in entries) > MOST_BYTES:
        raise EvidenceTooLargeError(
            f"the evidence has {len(entries):,} members and is larger than one ZIP archive may be; "
            "keep the journal itself, and check it with `prefect-drs verify EXECUTION`"
        )
    return _written(entries)


def read_archive(content: bytes) -> Archive:
    """Read an archive, and find everything in it that is not canonical. Raises nothing, whatever the file is."""
    readings = []
    for read in (_by_directory, _by_headers):
        if entries := read(content):
            readings.append(_weighed(entries, content))
            if not readings[-1][1].faults:
                return readings[-1][1]
    if not readings:
        return Archive({}, (0, 0), (ArchiveFault("", END, "this is not a bundle: it has no readable members"),))
    return min(readings, key=lambda reading: reading[0])[1]


def _written(entries: Sequence[_Entry]) -> bytes:
    local, directory, offset = [], [], 0
    for entry in entries:
        common = (VERSION, UTF8, 0, entry.time, entry.date, entry.crc, len(entry.content), len(entry.content))
        header = _LOCAL.layout.pack(b"PK\x03\x04", *common, len(entry.name), 0) + entry.name
        record = _CENTRAL.layout.pack(b"PK\x01\x02", UNIX | VERSION, *common, len(entry.name), 0, 0, 0, 0, MODE, offset)
        local += [header, entry.content]
        directory.append(record + entry.name)
        offset += len(header) + len(entry.content)
    central = b"".join(directory)
    end = _END.layout.pack(b"PK\x05\x06", 0, 0, len(entries), len(entries), len(central), offset, 0)
    return b"".join([*local, central, end])


def _spans(entries: Sequence[_Entry]) -> Iterator[_Span]:
    """Where everything is in the archive of these entries."""
    at = 0
    for entry in entries:
        name = entry.name.decode(errors="replace")
        yield from _LOCAL.spans(at, name)
        at += _LOCAL.layout.size
        yield _Span(at, at + len(entry.name), name, "name")
        at += len(entry.name)
        yield _Span(at, at + len(entry.content), name, "content")
        at += len(entry.content)
    for entry in entries:
        name = entry.name.decode(errors="replace")
        yield from _CENTRAL.spans(at, name)
        at += _CENTRAL.layout.size
        yield _Span(at, at + len(entry.name), name, "name")
        at += len(entry.name)
    yield from _END.spans(at, "")


def _by_directory(content: bytes) -> list[_Entry]:
    """The entries that the central directory lists; none where it cannot be read."""
    end = len(content) - _END.layout.size
    if end < 0:
        return []
    signature, _, _, _, count, size, at, _ = _END.layout.unpack_from(content, end)
    if signature != b"PK\x05\x06" or at + size != end:
        return []
    entries = []
    for _ in range(count):
        if at + _CENTRAL.layout.size > end:
            return []
        fields = _CENTRAL.layout.unpack_from(content, at)
        time, date, crc, length = fields[5:9]
        name_length, offset = fields[10], fields[16]
        name = content[at + _CENTRAL.layout.size :][:name_length] if name_length < end else b""
        start = offset + _LOCAL.layout.size + name_length
        entries.append(_Entry(name, content[start : start + length], crc, time, date))
        at += _CENTRAL.layout.size + name_length
    return entries


def _by_headers(content: bytes) -> list[_Entry]:
    """The entries whose headers follow each other from the beginning of the file on."""
    entries, at = [], 0
    while content[at : at + 4] == b"PK\x03\x04" and at + _LOCAL.layout.size <= len(content):
        fields = _LOCAL.layout.unpack_from(content, at)
        time, date, crc, length, name_length = fields[4], fields[5], fields[6], fields[7], fields[9]
        start = at + _LOCAL.layout.size + name_length
        name = content[at + _LOCAL.layout.size : start]
        entries.append(_Entry(name, content[start : start + length], crc, time, date))
        at = start + length
    return entries


def _weighed(entries: Sequence[_Entry], content: bytes) -> tuple[tuple[int, int], Archive]:
    """What the file holds if these are its entries, and how much of it then does not fit."""
    (time, date), _ = Counter((entry.time, entry.date) for entry in entries).most_common(1)[0]
    dated = [entry._replace(time=time, date=date) for entry in entries]
    members = {entry.name.decode(errors="replace"): entry.content for entry in entries}
    faults: dict[tuple[str, str], ArchiveFault] = {}
    for entry in dated:
        if zlib.crc32(entry.content) != entry.crc:
            name = entry.name.decode(errors="replace")
            faults[name, "content"] = ArchiveFault(name, "content", ALTERED)
    canonical = _written(dated)
    if canonical != content:
        for span in _spans(dated):
            if canonical[span.start : span.end] != content[span.start : span.end]:
                why = "it is not what the members of this archive give"
                faults.setdefault((span.place, span.field), ArchiveFault(span.place, span.field, why))
        if len(content) > len(canonical):
            why = f"{len(content) - len(canonical)} bytes follow the end"
            faults["", "trailing bytes"] = ArchiveFault("", "trailing bytes", why)
    names = [entry.name for entry in dated]
    if names != sorted(set(names)):
        faults["", "order"] = ArchiveFault("", "order", "the members are not in the order of their names, each once")
    weight = len(faults) + abs(len(content) - len(canonical))
    return (weight, _unlisted(members)), Archive(members, (time, date), tuple(faults.values())[:FAULTS_SHOWN])


def _unlisted(members: Mapping[str, bytes]) -> int:
    """How many members the manifest does not list, and the other way round."""
    try:
        listed = {str(member["name"]) for member in json.loads(members[MANIFEST])["members"]}
    except (KeyError, TypeError, ValueError, RecursionError):
        return len(members)
    return len(listed ^ members.keys())
