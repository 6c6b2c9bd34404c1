"""One record of a stored journal: its bytes, and what they hold.

In: the events of one write, and the hash of the record before. Out: the bytes of an object; and back. A record has the
SHA-256 of the one before (`previous`), and as its last member a checksum of itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from pydantic import ValidationError

from prefect_drs.execution.events import STORED_EVENT, Event

RESTORE = "restore it from a backup, or start a new execution after looking at DRS's jobs"
_SEAL = re.compile(rb',"checksum":"([0-9a-f]{64})"\}\Z')
_PARTS = {"previous", "holder", "events"}


def record_hash(content: bytes) -> str:
    """The SHA-256 of a record's bytes, as hex: what the next record has as `previous`."""
    return hashlib.sha256(content).hexdigest()


def one_line(fault: BaseException) -> str:
    """An exception in at most 200 characters of one line, without the values that a validation error quotes."""
    if isinstance(fault, ValidationError):
        first = fault.errors(include_url=False, include_input=False)[0]
        said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    else:
        said = str(fault) or type(fault).__name__
    return " ".join(said.split())[:200]


def sealed_record(entry: dict[str, Any]) -> bytes:
    """The bytes of an object: the entry as JSON, and as its last member the SHA-256 of the entry without it."""
    body = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()
    return body[:-1] + f',"checksum":"{hashlib.sha256(body).hexdigest()}"}}'.encode()


class UnreliableRecordError(Exception):
    """Why an object is not reliable, and what to do.

    `field`: the member of the object that does not hold, such as `previous` or `events.3.kind`; empty for the whole.
    """

    def __init__(self, why: str, remedy: str = RESTORE, *, field: str = "") -> None:
        super().__init__(why)
        self.remedy = remedy
        self.field = field


def record_holder(content: bytes) -> str:
    """Who wrote a record, as it says; empty where it does not."""
    try:
        entry = json.loads(content.decode())
    except (ValueError, RecursionError):
        return ""
    return str(entry.get("holder", "")) if isinstance(entry, dict) else ""


def open_record(content: bytes, previous: str) -> list[Event]:
    """The events of an object that follows the one with that hash.

    Objects of releases before checksums have none; one that was altered is found by the hash in its successor.

    Raises:
        UnreliableRecordError: it is not what the chain says.
    """
    if not content:
        raise UnreliableRecordError("it is empty")
    seal = _SEAL.search(content)
    if seal and hashlib.sha256(content[: seal.start()] + b"}").hexdigest().encode() != seal[1]:
        raise UnreliableRecordError("it was altered: its checksum is that of other content", field="checksum")
    try:
        entry = json.loads(content.decode())
    except (ValueError, RecursionError) as fault:
        cut = "" if content.endswith(b"}") else "it is cut off: "
        raise UnreliableRecordError(f"{cut}{one_line(fault)}") from None
    _require_form(entry, sealed=seal is not None)
    if entry["previous"] != previous:
        raise UnreliableRecordError("it does not follow from the one before", field="previous")
    return [_event(event, number, sealed=seal is not None) for number, event in enumerate(entry["events"])]


def _event(stored: object, number: int, *, sealed: bool) -> Event:
    try:
        return STORED_EVENT.validate_python(stored)
    except ValidationError as fault:
        remedy = RESTORE
        if sealed:  # it is as it was written: a newer release wrote what this one cannot read
            remedy = "it was written by a newer release: upgrade prefect-drs to the one that began this execution"
        raise UnreliableRecordError(one_line(fault), remedy, field=f"events.{number}") from None


def _require_form(entry: object, *, sealed: bool) -> None:
    """Refuse JSON that is no journal object. An object with a checksum may have further members, of a newer release."""
    members = set(entry) if isinstance(entry, dict) else set()
    events = entry["events"] if isinstance(entry, dict) and "events" in members else None
    if not members >= _PARTS or not isinstance(events, list) or (not sealed and members != _PARTS):
        raise UnreliableRecordError("it has not the form of a journal object")
