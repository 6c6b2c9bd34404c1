"""A bundle: what is in it, and that the same execution gives the same bytes."""

from __future__ import annotations

import io
import json
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from prefect_drs.evidence.bundle import DamagedEvidenceError, write_bundle
from prefect_drs.evidence.keys import KeyRing
from prefect_drs.evidence.verification import NOT_GIVEN, ONLY_CHAIN, UNSIGNED, verify_bundle, verify_journal
from tests.evidence.drilled import EXECUTION, anchors_in, bundle, evidence, records_in, ring, signer


def test_an_honest_bundle_holds(drilled: Path) -> None:
    result = verify_bundle(bundle(drilled), ring())
    assert (result.intact, result.faults, result.notes, result.closed) == (True, (), (), True)
    assert result.execution_id == EXECUTION
    assert result.records == result.anchored_records == len(records_in(drilled))
    assert result.anchors == len(anchors_in(drilled)) > 5


def test_the_same_execution_gives_the_same_bytes(drilled: Path) -> None:
    assert bundle(drilled) == bundle(drilled)


def test_any_zip_tool_reads_it_and_the_manifest_has_the_digest_of_every_other_member(drilled: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle(drilled))) as archive:
        assert archive.testzip() is None
        members = {name: archive.read(name) for name in archive.namelist()}
        last = max(json.loads(record)["events"][-1]["at"] for record in records_in(drilled))
        assert {info.date_time[:5] for info in archive.infolist()} == {
            (int(last[:4]), int(last[5:7]), int(last[8:10]), int(last[11:13]), int(last[14:16]))
        }
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100600}
    manifest = json.loads(members["manifest.json"])
    listed = {member["name"]: member["sha256"] for member in manifest["members"]}
    assert listed == {
        name: sha256(content).hexdigest()
        for name, content in members.items()
        if name not in {"manifest.json", "signature.json"}
    }
    assert [members[name] for name in sorted(members) if name.startswith("journal/")] == records_in(drilled)


def test_it_has_the_plan_the_runbook_the_decisions_and_the_report_of_the_journal(drilled: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle(drilled))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    plan = json.loads(members["plan.json"])
    assert [each["planName"] for each in plan["recoveryPlans"]] == ["plan"]
    digest = sha256(members["plan.json"].rstrip(b"\n")).hexdigest()
    execution = json.loads(members["manifest.json"])["execution"]
    assert (execution["planDigest"], execution["bindingsDigest"]) == (digest, None)
    assert (execution["status"], execution["mode"]) == ("COMPLETED", "drill")
    runbook = json.loads(members["runbook.json"])
    assert runbook["source"] == {"planDigest": digest, "bindingsDigest": None}
    decisions = json.loads(members["approvals.json"])
    assert [(each["kind"], each["waveNumber"]) for each in decisions] == [("GateAsked", 2), ("GateAnswered", 2)]
    assert decisions[1]["by"] == "tester"
    record = json.loads(members[f"journal/{decisions[1]['record']:08d}.json"])
    assert record["events"][0]["kind"] == "GateAnswered"
    assert json.loads(members["report.json"])["status"] == "COMPLETED"


def test_without_a_key_it_is_as_good_as_its_chain_and_says_so(drilled: Path) -> None:
    made = write_bundle(evidence(records_in(drilled), (), None))
    assert not made.closed
    result = verify_bundle(made.content, KeyRing())
    assert (result.intact, result.notes) == (True, (UNSIGNED, ONLY_CHAIN))
    told = {fault.code for fault in verify_bundle(made.content, ring()).faults}
    assert told == {"NOT_SIGNED", "NO_ANCHORS"}


def test_without_a_public_key_the_bundles_own_are_used_which_proves_nothing_and_is_said(drilled: Path) -> None:
    result = verify_bundle(bundle(drilled), KeyRing())
    assert (result.intact, result.notes) == (True, (NOT_GIVEN,))


def test_a_bundle_of_another_key_is_not_accepted(drilled: Path) -> None:
    result = verify_bundle(bundle(drilled), ring(2))
    assert not result.intact
    first = result.faults[0]
    assert (first.code, first.member, first.field) == ("UNKNOWN_KEY", "signature.json", "statement.keyId")


def test_no_evidence_is_made_of_a_journal_that_does_not_hold(drilled: Path) -> None:
    records = records_in(drilled)
    del records[4]
    with pytest.raises(DamagedEvidenceError, match=r"journal/00000005.json: record 5: previous: CHAIN_BROKEN"):
        write_bundle(evidence(records, (), None))


def test_an_execution_that_has_not_ended_is_not_closed_unless_that_is_accepted(drilled: Path) -> None:
    records = records_in(drilled)[:-3]
    anchors = [content for content in anchors_in(drilled).values() if anchored_record(content) <= len(records)]
    made = write_bundle(evidence(records, anchors, signer())).content
    (fault,) = verify_bundle(made, ring()).faults
    assert (fault.code, fault.member, fault.record) == ("NOT_CLOSED", f"journal/{len(records):08d}.json", len(records))
    accepted = verify_bundle(made, ring(), allow_open=True)
    assert (accepted.intact, accepted.closed) == (True, False)
    assert "is not closed" in accepted.notes[0]


def test_what_is_no_bundle_is_said_to_be_none() -> None:
    for content in (b"", b"PK\x05\x06" + b"\0" * 18, b"PK\x03\x04", b"not a zip" * 100, b"PK\x03\x04" + b"\xff" * 5000):
        result = verify_bundle(content, ring())
        assert not result.intact
        assert "NOT_A_BUNDLE" in {fault.code for fault in result.faults}


def test_a_journal_in_place_holds_by_its_anchors_or_by_its_chain_alone(drilled: Path) -> None:
    records = dict(enumerate(records_in(drilled), 1))
    anchors = {f"{EXECUTION}/{name}": content for name, content in anchors_in(drilled).items()}
    assert verify_journal(EXECUTION, records, anchors, ring()).intact
    unchecked = verify_journal(EXECUTION, records, anchors, KeyRing())
    assert unchecked.intact
    assert "the anchors were not checked" in unchecked.notes[0]
    alone = verify_journal(EXECUTION, records, {}, KeyRing())
    assert (alone.intact, alone.notes) == (True, (ONLY_CHAIN,))
    (other,) = verify_journal("exec-2", records, {}, KeyRing()).faults
    assert (other.code, other.member) == ("JOURNAL_OF_ANOTHER", "exec-2/00000001.json")


def anchored_record(anchor: bytes) -> int:
    return int(json.loads(anchor)["statement"]["recordNumber"])
