"""Whoever changes evidence is found, with the place of the change.

`python -m benchmarks.evidence` does the same with 1,000 changes on a drill of 1,000 servers.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from prefect_drs.evidence.archive import read_archive, write_archive
from prefect_drs.evidence.bundle import write_bundle
from prefect_drs.evidence.keys import KeyRing
from prefect_drs.evidence.verification import verify_bundle, verify_journal
from prefect_drs.recovery.journal import FolderStorage, StoredJournal
from tests.evidence.drilled import EXECUTION, anchors_in, bundle, evidence, records_in, ring, signer
from tests.evidence.forgeries import Layout, recompute
from tests.evidence.test_bundle import anchored_record


def test_every_changed_byte_is_found_at_its_place(drilled: Path) -> None:
    honest = bundle(drilled)
    layout, chance = Layout(honest), random.Random(1)
    for number in range(100):
        changed = layout.change(chance)
        result = verify_bundle(changed.content, ring() if number % 2 else KeyRing())
        assert result.faults, changed[1:]
        first = result.faults[0]
        assert (first.member, first.field, first.record) == changed[2:], (changed.at, first)


def test_every_recomputed_chain_is_found_in_place_with_the_records_that_were_changed(drilled: Path) -> None:
    chance = random.Random(2)
    records = records_in(drilled)
    anchors = {f"{EXECUTION}/{name}": content for name, content in anchors_in(drilled).items()}
    for _ in range(20):
        forged = recompute(records, chance)
        numbered = dict(enumerate(forged.records, 1))
        assert verify_journal(EXECUTION, numbered, {}, KeyRing()).intact, "the chain alone does not show it"
        first = verify_journal(EXECUTION, numbered, anchors, ring()).faults[0]
        assert first.code == "CHAIN_RECOMPUTED"
        covering = min(number for number in map(anchored_record, anchors.values()) if number >= forged.changed)
        assert first.record == covering
        before = max((n for n in map(anchored_record, anchors.values()) if n < forged.changed), default=0)
        assert first.message.startswith(f"records {before + 1} to {covering} are not those that were signed")


def test_a_recomputed_chain_without_its_later_anchors_is_not_closed(drilled: Path) -> None:
    forged = recompute(records_in(drilled), random.Random(3))
    kept = {n: c for n, c in anchors_in(drilled).items() if anchored_record(c) < forged.changed}
    assert kept
    faults = verify_journal(EXECUTION, dict(enumerate(forged.records, 1)), kept, ring()).faults
    assert [fault.code for fault in faults] == ["NOT_CLOSED"]
    assert f"records {max(map(anchored_record, kept.values())) + 1} to {len(forged.records)} have no anchor" in str(
        faults[0]
    )


@pytest.mark.parametrize("signed_by", [None, 2], ids=["unsigned", "signed by another key"])
def test_a_forged_bundle_is_found_however_it_is_signed(drilled: Path, signed_by: int | None) -> None:
    chance = random.Random(4)
    for keep_anchors in (True, False):
        forged = recompute(records_in(drilled), chance)
        anchors = list(anchors_in(drilled).values()) if keep_anchors else []
        made = write_bundle(evidence(forged.records, anchors, signer(signed_by) if signed_by else None)).content
        faults = verify_bundle(made, ring()).faults
        expected = "UNKNOWN_KEY" if signed_by else "NOT_SIGNED"
        assert (faults[0].code, faults[0].member) == (expected, "signature.json")
        assert faults[1].code == ("CHAIN_RECOMPUTED" if keep_anchors else "NO_ANCHORS")


def test_a_forged_bundle_with_the_honest_signature_is_found(drilled: Path) -> None:
    honest = read_archive(bundle(drilled)).members
    forged = recompute(records_in(drilled), random.Random(5))
    made = write_bundle(evidence(forged.records, list(anchors_in(drilled).values()), signer(2)))
    members = {**read_archive(made.content).members, "signature.json": honest["signature.json"]}
    faults = verify_bundle(rewritten(drilled, members), ring()).faults
    assert (faults[0].code, faults[0].member) == ("MANIFEST_ALTERED", "manifest.json")


@pytest.mark.parametrize("deleted", [1, 2, 7])
def test_a_deleted_tail_is_found(drilled: Path, deleted: int) -> None:
    records, anchors = records_in(drilled), anchors_in(drilled)
    rest = dict(enumerate(records[:-deleted], 1))
    (first, *_) = verify_journal(EXECUTION, rest, anchors, ring()).faults
    assert (first.code, first.record) == ("TAIL_MISSING", len(rest) + 1)
    assert "were deleted: the journal had" in first.message
    fitting = {name: content for name, content in anchors.items() if anchored_record(content) <= len(rest)}
    (open_end,) = verify_journal(EXECUTION, rest, fitting, ring()).faults
    assert (open_end.code, open_end.record) == ("NOT_CLOSED", len(rest))


def test_a_missing_record_is_named(drilled: Path) -> None:
    records = dict(enumerate(records_in(drilled), 1))
    del records[6]
    faults = verify_journal(EXECUTION, records, anchors_in(drilled), ring()).faults
    assert (faults[0].code, faults[0].member, faults[0].record) == ("RECORD_MISSING", "exec-1/00000006.json", 6)


def test_a_record_that_was_changed_in_place_is_named_with_its_field(drilled: Path) -> None:
    records = dict(enumerate(records_in(drilled), 1))
    records[9] = records[9].replace(b'"holder":"test"', b'"holder":"tost"')
    faults = verify_journal(EXECUTION, records, {}, KeyRing()).faults
    assert [(f.code, f.member, f.record, f.field) for f in faults] == [
        ("RECORD_ALTERED", "exec-1/00000009.json", 9, "checksum"),
        ("CHAIN_BROKEN", "exec-1/00000010.json", 10, "previous"),
    ]


def test_anchors_of_another_execution_are_named(drilled: Path) -> None:
    records, anchors = dict(enumerate(records_in(drilled), 1)), anchors_in(drilled)
    faults = verify_journal("exec-2", records, anchors, ring()).faults
    assert {fault.code for fault in faults} >= {"ANCHOR_OF_ANOTHER", "JOURNAL_OF_ANOTHER"}


def test_a_member_that_is_removed_added_renamed_or_replaced_is_named(drilled: Path) -> None:
    honest = read_archive(bundle(drilled)).members

    def first(members: Mapping[str, bytes]) -> tuple[str, str]:
        fault = verify_bundle(rewritten(drilled, members), ring()).faults[0]
        return fault.code, fault.member

    without = {name: content for name, content in honest.items() if name != "jobs.json"}
    assert first(without) == ("MEMBER_MISSING", "jobs.json")
    assert first({**honest, "more.json": b"{}"}) == ("MEMBER_UNKNOWN", "more.json")
    assert first({**without, "jabs.json": honest["jobs.json"]}) == ("MEMBER_MISSING", "jobs.json")
    assert first({**honest, "report.html": b"other"}) == ("MEMBER_ALTERED", "report.html")
    assert first({**honest, "approvals.json": b"[]\n"}) == ("MEMBER_ALTERED", "approvals.json")
    assert first({n: c for n, c in honest.items() if n != "manifest.json"}) == ("NOT_A_BUNDLE", "manifest.json")


def test_a_report_that_says_what_the_journal_does_not_is_found_even_if_it_is_signed(drilled: Path) -> None:
    made = evidence(records_in(drilled), list(anchors_in(drilled).values()), signer())
    lying = {**made.documents, "report.json": b'{"status":"COMPLETED"}\n', "approvals.json": b"[]\n"}
    content = write_bundle(replace(made, documents=lying)).content
    faults = verify_bundle(content, ring()).faults
    assert [(fault.code, fault.member) for fault in faults] == [
        ("VIEW_ALTERED", "approvals.json"),
        ("VIEW_ALTERED", "report.json"),
    ]


def test_bytes_after_the_end_and_another_order_are_found(drilled: Path) -> None:
    honest = bundle(drilled)
    (fault, *_) = verify_bundle(honest + b"\0", ring()).faults
    assert (fault.code, fault.field) == ("ARCHIVE_ALTERED", "trailing bytes")
    assert not verify_bundle(honest[:-1], ring()).intact
    assert not verify_bundle(honest[: len(honest) // 2], ring()).intact


def rewritten(drilled: Path, members: Mapping[str, bytes]) -> bytes:
    """A canonical archive of other members, with the date of the honest one."""
    last = max(event.at for event in StoredJournal(FolderStorage(drilled), EXECUTION).read())
    return write_archive(members, last)
