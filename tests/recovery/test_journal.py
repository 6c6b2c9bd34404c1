"""The journal on files: what was appended is read back in order, damage is found, and of two writers one is fenced."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from prefect_drs.execution.events import Event, JobEnded, JobRequested, WaveEnded, WaveStarted
from prefect_drs.recovery.journal import (
    FencedError,
    FolderStorage,
    Journal,
    JournalDamagedError,
    MemoryJournal,
    StoredJournal,
)
from prefect_drs.report.model import RecoveryReport
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
EXECUTION = "exec-1"


def wave_started(number: int) -> WaveStarted:
    return WaveStarted(at=NOON + timedelta(minutes=number), wave_number=number)


def requested(batch: str) -> JobRequested:
    return JobRequested(
        at=NOON, wave_number=1, batch=batch, account_id=ACCOUNT, region=REGION, server_ids=("s-1", "s-2")
    )


def stored(folder: Path, holder: str = "") -> StoredJournal:
    return StoredJournal(FolderStorage(folder), EXECUTION, holder)


def objects(folder: Path) -> list[Path]:
    return sorted((folder / EXECUTION).iterdir())


@pytest.mark.parametrize("kind", ["in memory", "on files"])
def test_events_come_back_as_they_were_in_the_order_they_were_appended(kind: str, tmp_path: Path) -> None:
    journal: Journal = MemoryJournal() if kind == "in memory" else stored(tmp_path)
    assert journal.read() == ()
    events: list[Event] = [
        wave_started(1),
        requested("1.1"),
        JobEnded(at=NOON, job_id="drsjob-1", ended_at=NOON),
        WaveEnded(at=NOON, wave_number=1, status="FAILED", reason="Zürich → «nicht» erreichbar\n"),
    ]
    journal.append(events[:1])
    journal.append(events[1:])
    assert journal.read() == tuple(events)


def test_another_process_reads_the_same_and_writes_on(tmp_path: Path) -> None:
    stored(tmp_path).append([wave_started(1)])
    later = stored(tmp_path)
    assert later.read() == (wave_started(1),)
    later.append([wave_started(2)])
    assert stored(tmp_path).read() == (wave_started(1), wave_started(2))


def test_objects_are_numbered_name_their_holder_and_leave_no_drafts(tmp_path: Path) -> None:
    journal = stored(tmp_path, holder="host-a pid 17")
    for number in range(1, 4):
        journal.append([wave_started(number)])
    assert [path.name for path in objects(tmp_path)] == [f"{number:08d}.json" for number in (1, 2, 3)]
    assert {json.loads(path.read_bytes())["holder"] for path in objects(tmp_path)} == {"host-a pid 17"}


def test_executions_in_one_folder_do_not_meet(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    one, other = StoredJournal(storage, "exec-1"), StoredJournal(storage, "exec-2")
    one.append([wave_started(1)])
    other.append([wave_started(2)])
    assert (one.read(), other.read()) == ((wave_started(1),), (wave_started(2),))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.replace(b'"waveNumber":1', b'"waveNumber":9'),  # changed, and still well-formed
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content.replace(b'"WaveStarted"', b'"WaveInvented"'),
        lambda content: b"[1, 2]",
        lambda content: b"\xff\xfe",
    ],
    ids=["changed", "cut off", "empty", "unknown event", "another form", "not UTF-8"],
)
def test_a_damaged_object_is_found_and_named(damage: object, tmp_path: Path) -> None:
    journal = stored(tmp_path)
    for number in (1, 2, 3):
        journal.append([wave_started(number)])
    first = objects(tmp_path)[0]
    first.write_bytes(damage(first.read_bytes()))  # type: ignore[operator]
    with pytest.raises(JournalDamagedError, match=rf"(?s){EXECUTION}/0000000[12]\.json cannot be relied on.*backup"):
        stored(tmp_path).read()


def test_objects_that_changed_places_are_found(tmp_path: Path) -> None:
    journal = stored(tmp_path)
    for number in (1, 2, 3):
        journal.append([wave_started(number)])
    _, second, third = objects(tmp_path)
    second_content = second.read_bytes()
    second.write_bytes(third.read_bytes())
    third.write_bytes(second_content)
    with pytest.raises(JournalDamagedError, match=r"00000002\.json"):
        stored(tmp_path).read()


def test_of_two_that_carry_out_one_execution_the_second_to_write_is_fenced_and_writes_nothing(tmp_path: Path) -> None:
    former, successor = stored(tmp_path, "former"), stored(tmp_path, "successor")
    former.append([wave_started(1)])
    successor.read()
    successor.append([requested("1.1")])
    with pytest.raises(FencedError, match=f"execution {EXECUTION} was taken over"):
        former.append([requested("1.1")])
    assert stored(tmp_path).read() == (wave_started(1), requested("1.1"))
    with pytest.raises(FencedError):  # and it stays so
        former.append([requested("1.2")])


def test_of_many_that_write_at_the_same_moment_one_gets_through(tmp_path: Path) -> None:
    writers = [stored(tmp_path, f"writer {number}") for number in range(16)]

    def write(journal: StoredJournal) -> bool:
        try:
            journal.append([wave_started(1)])
        except FencedError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(write, writers)) == 1
    assert len(objects(tmp_path)) == 1


def test_an_engine_that_was_overtaken_launches_nothing_more(rig: Rig, tmp_path: Path) -> None:
    runbook = rig.runbook({1: WaveSpec(2)})
    engine = rig.engine(runbook, EXECUTION, stored(tmp_path))
    successor = stored(tmp_path)
    successor.read()
    successor.append([wave_started(1)])
    with pytest.raises(FencedError):
        rig.run(engine)
    assert rig.jobs() == []


def test_a_whole_drill_is_in_its_journal_and_folds_into_the_same_report(rig: Rig, tmp_path: Path) -> None:
    from prefect_drs.execution.view import report_of

    report: RecoveryReport = rig.run(
        rig.engine(rig.runbook({1: WaveSpec(2), 2: WaveSpec(1, (1,))}), EXECUTION, stored(tmp_path))
    )
    assert report_of(stored(tmp_path).read()) == report
