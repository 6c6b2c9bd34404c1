"""The checks of a journal: its chain, and its anchors.

In: the bytes of records and anchors. Out: every fault with its place. The chain alone finds accidents and careless
changes; it can be re-computed by whoever can write the journal. The anchors find that too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prefect_drs.evidence.anchors import Anchor, AnchorStatement
from prefect_drs.evidence.faults import EvidenceFault
from prefect_drs.evidence.keys import KeyRing
from prefect_drs.evidence.signing import UnsignedError, open_signed
from prefect_drs.execution.events import Event
from prefect_drs.recovery.journal_record import UnreliableRecordError, open_record, record_hash


@dataclass(frozen=True)
class Chain:
    """A checked chain.

    Args:
        hashes: the SHA-256 of each record's bytes, in order.
        events: of the records, in order; of a chain with faults, those that could be read.
        event_records: the number of the record that each event is in.
        faults: what does not hold.
    """

    hashes: tuple[str, ...]
    events: tuple[Event, ...]
    event_records: tuple[int, ...]
    faults: tuple[EvidenceFault, ...]


def check_chain(records: Mapping[int, bytes], member: Callable[[int], str]) -> Chain:
    """Check that the records follow each other from the first on, and can be read.

    Args:
        records: bytes by number.
        member: what a record is called, by its number.
    """
    hashes: list[str] = []
    events: list[tuple[Event, int]] = []
    faults: list[EvidenceFault] = []
    previous = ""
    for number in range(1, max(records, default=0) + 1):
        if (content := records.get(number)) is None:
            faults.append(_fault("RECORD_MISSING", member(number), number, None, "it is missing; there are later ones"))
            hashes.append("")
            continue
        try:
            events += [(event, number) for event in open_record(content, previous)]
        except UnreliableRecordError as fault:
            code = "CHAIN_BROKEN" if fault.field == "previous" else "RECORD_ALTERED"
            faults.append(_fault(code, member(number), number, fault.field or None, str(fault)))
        previous = record_hash(content)
        hashes.append(previous)
    if not records:
        faults.append(_fault("RECORD_MISSING", member(1), 1, None, "there is no journal"))
    return Chain(tuple(hashes), tuple(e for e, _ in events), tuple(n for _, n in events), tuple(faults))


@dataclass(frozen=True)
class Anchoring:
    """What the anchors of a journal say.

    Args:
        valid: the anchors that are signed by a known key and fit the journal, by record.
        faults: what does not hold.
    """

    valid: tuple[AnchorStatement, ...]
    faults: tuple[EvidenceFault, ...]

    @property
    def covered(self) -> int:
        """The last record that an anchor covers; 0 where there is none."""
        return self.valid[-1].record_number if self.valid else 0

    def closes(self, records: int) -> bool:
        """Whether the last record is anchored as the end of the execution."""
        return any(anchor.closed and anchor.record_number == records for anchor in self.valid)


def check_anchors(
    execution_id: str,
    chain: Chain,
    anchors: Mapping[str, bytes],
    ring: KeyRing,
    member: Callable[[int], str],
) -> Anchoring:
    """Check the anchors of a journal, and the journal against them.

    Args:
        execution_id: whose journal it is.
        chain: the journal.
        anchors: bytes by what they are called.
        ring: the public keys that may have signed them.
        member: what a record is called, by its number.
    """
    signed: list[tuple[str, AnchorStatement]] = []
    faults: list[EvidenceFault] = []
    for name, content in anchors.items():
        try:
            signed.append((name, open_signed(content, Anchor, ring)))
        except UnsignedError as fault:
            faults.append(_fault(fault.code, name, None, fault.field or None, str(fault)))
    valid: list[AnchorStatement] = []
    for name, anchor in sorted(signed, key=lambda each: each[1].record_number):
        if anchor.execution_id != execution_id:
            why = f"it is an anchor of execution {anchor.execution_id}"
            faults.append(_fault("ANCHOR_OF_ANOTHER", name, anchor.record_number, "statement.executionId", why))
        elif (misfit := _misfit(anchor, chain, valid[-1].record_number if valid else 0, member)) is not None:
            faults.append(misfit)
        else:
            valid.append(anchor)
    return Anchoring(tuple(valid), tuple(faults))


def _misfit(anchor: AnchorStatement, chain: Chain, covered: int, member: Callable[[int], str]) -> EvidenceFault | None:
    """Why a journal is not the one that was anchored."""
    number, there = anchor.record_number, len(chain.hashes)
    at = f"{anchor.at:%Y-%m-%d %H:%M:%S} UTC"
    if number > there:
        missing = f"records {there + 1} to {number}" if number > there + 1 else f"record {number}"
        why = f"{missing} of the journal's end were deleted: the journal had {number} records at {at}"
        return _fault("TAIL_MISSING", member(number), there + 1, None, why)
    if number < 1 or chain.hashes[number - 1] != anchor.record_hash:
        why = (
            f"records {covered + 1} to {number} are not those that were signed at {at}: the journal was changed and "
            "its chain computed again"
        )
        return _fault("CHAIN_RECOMPUTED", member(number), number, "recordHash", why)
    return None


def _fault(code: str, member: str, record: int | None, field: str | None, message: str) -> EvidenceFault:
    return EvidenceFault(code=code, member=member, record=record, field=field, message=message)
