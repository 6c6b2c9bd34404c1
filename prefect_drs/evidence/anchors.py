"""Anchors: signed statements of where a journal stood, and that it said just that.

In: a journal's head. Out: an `Anchor`: execution, number and hash of a record, time, key. Since each record has the
hash of the one before, an anchor fixes every record up to its own: whoever re-computes the chain without the key cannot
make the anchors fit again. An anchor with `closed` says that the execution has ended and that nothing follows; where it
was resumed or its instances were terminated afterwards, a later anchor closes it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from prefect_drs.evidence.signing import Signed, Signer, Statement
from prefect_drs.recovery.journal import PROBED, JournalHead, Storage

ANCHOR_TYPE = "prefect-drs/anchor/1"
ANCHOR_NAME = re.compile(r"anchor-(\d{8})\.json")


class AnchorStatement(Statement):
    """Where a journal stood.

    Args:
        execution_id: whose journal.
        record_number: its last record, from 1 on.
        record_hash: the SHA-256 of that record's bytes, as hex.
        closed: whether the execution had ended with that record.
        at: when it was signed (UTC), by the clock of the execution.
    """

    type: Literal["prefect-drs/anchor/1"]
    execution_id: str
    record_number: int
    record_hash: str
    closed: bool
    at: datetime


class Anchor(Signed[AnchorStatement]):
    """A signed anchor."""


def anchor_name(number: int) -> str:
    """The name of the anchor of a record, in the folder of its journal."""
    return f"anchor-{number:08d}.json"


def sign_anchor(signer: Signer, execution_id: str, head: JournalHead, *, closed: bool, at: datetime) -> bytes:
    """An anchor of a journal's head, as bytes. What the signer raises is raised."""
    return signer.sign(
        AnchorStatement(
            type=ANCHOR_TYPE,
            key_id=signer.public_key.key_id,
            key=signer.key,
            execution_id=execution_id,
            record_number=head.number,
            record_hash=head.record_hash,
            closed=closed,
            at=at,
        )
    )


def stored_anchors(storage: Storage, execution_id: str, records: int) -> dict[str, bytes]:
    """The anchors in the folder of a journal, by name.

    Args:
        storage: of the journal.
        execution_id: the folder.
        records: how many records the journal has: where the storage cannot list, anchors of these records, and of the
            next few, are asked for one by one.

    Raises:
        JournalUnavailableError: the storage cannot be read.
    """
    names = storage.listing(execution_id)
    candidates: Iterator[str] = (
        (anchor_name(number) for number in range(1, records + PROBED + 1))
        if names is None
        else (name for name in sorted(names) if ANCHOR_NAME.fullmatch(name))
    )
    found = ((name, storage.read(f"{execution_id}/{name}")) for name in candidates)
    return {name: content for name, content in found if content is not None}
