"""A journal is signed while it grows, and a recovery does not notice: neither of the signing nor of its failures."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prefect_drs.core.clock import WallClock
from prefect_drs.evidence import anchoring
from prefect_drs.evidence.anchoring import AnchoredJournal, Anchoring, AnchorSink
from prefect_drs.evidence.anchors import stored_anchors
from prefect_drs.evidence.signing import Signer
from prefect_drs.evidence.stored import read_stored
from prefect_drs.evidence.verification import verify_journal
from prefect_drs.execution.events import ControlRequestHandled, Event, ExecutionEnded, JobRequested
from prefect_drs.recovery.drivers import InlineExecutor
from prefect_drs.recovery.journal import FolderStorage, JournalUnavailableError, StoredJournal
from prefect_drs.report.model import ExecutionStatus
from tests.evidence.drilled import EXECUTION, WAVES, anchored, anchors_in, records_in, ring, signer
from tests.evidence.test_bundle import anchored_record
from tests.recovery.test_stored_journals import STORED
from tests.rig import Rig

AT = datetime(2030, 1, 1, tzinfo=UTC)


def handled(number: int) -> Event:
    return ControlRequestHandled(at=AT, request=str(number), outcome="known")


def journal(folder: Path, get_signer: Callable[[], Signer], reported: list[str], **how: object) -> AnchoredJournal:
    storage = FolderStorage(folder)
    sink = AnchorSink("the journal", lambda name, content: storage.create(f"{EXECUTION}/{name}", content))
    made = Anchoring(get_signer, (sink,), WallClock(), reported.append, **how)  # type: ignore[arg-type]
    return AnchoredJournal(StoredJournal(storage, EXECUTION), EXECUTION, made)


def test_every_decision_is_anchored_at_once_and_the_end_closes_the_journal(drilled: Path) -> None:
    anchors = {anchored_record(content): json.loads(content)["statement"] for content in anchors_in(drilled).values()}
    kinds = {}
    for number, record in enumerate(records_in(drilled), 1):
        kinds[number] = {event["kind"] for event in json.loads(record)["events"]}
    decided = {name.__name__ for name in anchoring.DECISIONS}
    assert anchors.keys() >= {number for number, found in kinds.items() if found & decided}
    assert {"JobRequested", "GateAnswered", "WaveEnded", "ExecutionEnded"} <= set().union(*kinds.values()) & decided
    assert [number for number, statement in anchors.items() if statement["closed"]] == [len(kinds)]
    assert {statement["executionId"] for statement in anchors.values()} == {EXECUTION}


def test_without_a_decision_every_so_many_records_are_anchored(tmp_path: Path) -> None:
    kept = journal(tmp_path, signer, [], every=5, executor=InlineExecutor())
    for number in range(12):
        kept.append([handled(number)])
    assert sorted(map(anchored_record, anchors_in(tmp_path).values())) == [5, 10]


def test_a_key_that_fails_stops_nothing_and_is_reported_once(rig: Rig, tmp_path: Path) -> None:
    reported: list[str] = []

    def refused() -> Signer:
        raise OSError("no such key")

    kept = journal(tmp_path, refused, reported, executor=InlineExecutor())
    report = rig.run(rig.engine(rig.runbook(WAVES), EXECUTION, kept))
    assert report.status is ExecutionStatus.COMPLETED
    (told,) = reported
    assert "the anchor of record 1 could not be signed: no such key; the recovery goes on" in told
    stored = read_stored(FolderStorage(tmp_path), EXECUTION)
    (fault,) = verify_journal(EXECUTION, stored.records, stored.anchors, ring()).faults
    assert fault.code == "NO_ANCHORS"


def test_a_key_that_fails_for_a_while_leaves_no_gap_since_the_next_anchor_covers_it(tmp_path: Path) -> None:
    reported: list[str] = []
    outage = [False]

    def flaky() -> Signer:
        def sign(message: bytes) -> bytes:
            if outage[0]:
                raise TimeoutError("KMS does not answer")
            return signer().sign_bytes(message)

        return Signer(signer().public_key, sign)

    kept = journal(tmp_path, flaky, reported, executor=InlineExecutor())
    kept.append([JobRequested(at=AT, wave_number=1, batch="a", account_id="1", region="r", server_ids=())])
    outage[0] = True
    for batch in "bc":
        kept.append([JobRequested(at=AT, wave_number=1, batch=batch, account_id="1", region="r", server_ids=())])
    outage[0] = False
    kept.append([ExecutionEnded(at=AT, status="COMPLETED")])
    assert sorted(map(anchored_record, anchors_in(tmp_path).values())) == [1, 4]
    assert len(reported) == 1
    stored = read_stored(FolderStorage(tmp_path), EXECUTION)
    assert verify_journal(EXECUTION, stored.records, stored.anchors, ring()).closed


def test_what_could_not_be_signed_at_the_end_is_said_to_have_no_anchor(tmp_path: Path) -> None:
    kept = journal(tmp_path, signer, [], executor=InlineExecutor())
    kept.append([JobRequested(at=AT, wave_number=1, batch="a", account_id="1", region="r", server_ids=())])
    plain = StoredJournal(FolderStorage(tmp_path), EXECUTION)
    plain.read()
    plain.append([ExecutionEnded(at=AT, status="COMPLETED")])
    stored = read_stored(FolderStorage(tmp_path), EXECUTION)
    fault = verify_journal(EXECUTION, stored.records, stored.anchors, ring()).faults[0]
    assert (fault.code, fault.record) == ("NOT_CLOSED", 2)
    assert "record 2 has no anchor" in fault.message


def test_a_sink_that_fails_does_not_keep_anchors_from_the_others(tmp_path: Path) -> None:
    reported: list[str] = []
    written: list[str] = []

    def full(name: str, content: bytes) -> None:
        raise JournalUnavailableError("the bucket is not there")

    sinks = (AnchorSink("s3-bucket/anchors", full), AnchorSink("here", lambda name, content: written.append(name)))
    how = Anchoring(signer, sinks, WallClock(), reported.append, every=1, executor=InlineExecutor())
    kept = AnchoredJournal(StoredJournal(FolderStorage(tmp_path), EXECUTION), EXECUTION, how)
    kept.append([handled(1)])
    kept.append([handled(2)])
    assert written == ["anchor-00000001.json", "anchor-00000002.json"]
    (told,) = reported
    assert "the anchor of record 1 is not in s3-bucket/anchors: the bucket is not there" in told


def test_an_append_does_not_wait_for_a_signature_and_newer_heads_replace_each_other(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Signer:
        def sign(message: bytes) -> bytes:
            begun.set()
            assert go_on.wait(60)
            return signer().sign_bytes(message)

        return Signer(signer().public_key, sign)

    kept = journal(tmp_path, slow, [], every=1)
    kept.append([handled(1)])
    assert begun.wait(60)
    for number in range(2, 9):
        kept.append([handled(number)])  # returns although the first signature is under way
    go_on.set()
    kept.append([ExecutionEnded(at=AT, status="COMPLETED")])  # waits for its anchor
    found = sorted(map(anchored_record, anchors_in(tmp_path).values()))
    assert found[0] == 1
    assert found[-1] == 9
    assert len(found) <= 4


def test_an_end_that_is_not_signed_in_time_is_reported_and_signed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchoring, "END_PATIENCE", 0.01)
    go_on, reported = threading.Event(), list[str]()

    def slow() -> Signer:
        assert go_on.wait(60)
        return signer()

    kept = journal(tmp_path, slow, reported)
    kept.append([ExecutionEnded(at=AT, status="COMPLETED")])
    assert "no signature in 0.01 s" in reported[0]
    go_on.set()
    kept._executor.shutdown(wait=True)  # type: ignore[attr-defined]
    assert len(anchors_in(tmp_path)) == 1


def test_a_resumed_execution_may_have_another_key_and_both_are_accepted_by_their_ids(rig: Rig, tmp_path: Path) -> None:
    former = rig.engine(rig.runbook(WAVES), EXECUTION, anchored(tmp_path, rig.clock))
    former.submit(1)
    for _ in range(3):
        rig.clock.wait(former.tick())
    report = rig.run(rig.engine(None, EXECUTION, anchored(tmp_path, rig.clock, seed=2)))
    assert report.status is ExecutionStatus.COMPLETED
    stored = read_stored(FolderStorage(tmp_path), EXECUTION)
    result = verify_journal(EXECUTION, stored.records, stored.anchors, ring(1, 2))
    assert (result.intact, result.closed) == (True, True)
    assert set(result.keys) == set(ring(1, 2).keys)
    unknown = verify_journal(EXECUTION, stored.records, stored.anchors, ring(2))
    assert {fault.code for fault in unknown.faults} == {"UNKNOWN_KEY"}


def test_a_journal_of_release_0_1_0_is_resumed_with_anchors(rig: Rig, tmp_path: Path) -> None:
    from tests.recovery import test_stored_journals as former

    shutil.copytree(STORED / "interrupted", tmp_path / EXECUTION)
    kept = anchored(tmp_path, rig.clock)
    former.today(rig, StoredJournal(FolderStorage(tmp_path), EXECUTION))
    records = len(records_in(tmp_path))
    rig.run(rig.engine(None, EXECUTION, kept))
    anchors = stored_anchors(FolderStorage(tmp_path), EXECUTION, 0)
    assert min(map(anchored_record, anchors.values())) == records + 1
    assert len(records_in(tmp_path)) > records


class Listless(FolderStorage):
    """A storage that cannot list."""

    def listing(self, folder: str) -> None:  # type: ignore[override]
        return None


def test_anchors_are_found_in_a_storage_that_cannot_list(drilled: Path) -> None:
    stored = read_stored(Listless(drilled), EXECUTION)
    assert list(stored.records.values()) == records_in(drilled)
    assert stored.anchors == {f"{EXECUTION}/{name}": content for name, content in anchors_in(drilled).items()}
