"""What former executions recorded: read from their journals, quickly or not at all."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from prefect_aws import AwsCredentials, S3Bucket

from prefect_drs.execution.events import Event, ExecutionResumed, JobEnded, JobStarted, ServerStatus
from prefect_drs.orchestration.storage.duration_history import expected_durations, launch_seconds, read_history
from prefect_drs.orchestration.storage.s3_journal import S3Storage
from prefect_drs.recovery.journal import FolderStorage, StoredJournal
from prefect_drs.recovery.launch.packing import Demand, JobUsage, pack

START = datetime(2026, 1, 1, tzinfo=UTC)
JOB = "drsjob-00000000000000001"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def job(*servers: str, begins: float = 0.0, job_id: str = JOB) -> JobStarted:
    return JobStarted(
        at=at(begins), wave_number=1, batch="1.1", job_id=job_id, account_id="111122223333", region="us-west-2",
        server_ids=servers, started_at=at(begins),
    )  # fmt: skip


def launched(server: str, seconds: float, status: str = "LAUNCHED", job_id: str = JOB) -> ServerStatus:
    return ServerStatus(
        at=at(seconds), wave_number=1, source_server_id=server, launch_status=status, job_id=job_id
    )  # fmt: skip


def written(folder: Path, execution_id: str, *events: Event, age: float = 0.0) -> None:
    StoredJournal(FolderStorage(folder), execution_id).append(events)
    first = folder / execution_id / "00000001.json"
    os.utime(first, (1e9 - age, 1e9 - age))


def test_a_launch_lasts_from_its_jobs_start_to_launched() -> None:
    events = [job("a", "b", "c"), launched("a", 600), launched("b", 900), launched("c", 700, "FAILED")]
    assert launch_seconds(events) == {"a": [600.0], "b": [900.0]}


def test_a_launch_never_lasts_longer_than_its_job() -> None:
    assert launch_seconds([job("a"), launched("a", 660), JobEnded(at=at(660), job_id=JOB, ended_at=at(640))]) == {
        "a": [640.0]
    }


def test_a_launch_whose_process_was_lost_is_not_counted_for_its_end_was_not_seen_in_time() -> None:
    resumed = ExecutionResumed(at=at(5000), by="another")
    again = job("b", begins=5000, job_id="drsjob-2")
    events = [job("a"), resumed, launched("a", 5001), again, launched("b", 5400, job_id="drsjob-2")]
    assert launch_seconds(events) == {"b": [400.0]}


def test_the_newest_launches_of_the_newest_journals_are_taken(tmp_path: Path) -> None:
    for number in range(6):
        written(tmp_path, f"exec-{number}", job("a"), launched("a", 100.0 + number), age=number)
    storage = FolderStorage(tmp_path)
    assert storage.newest(2) == ("exec-0", "exec-1")
    assert read_history(storage, executions=4, launches=3) == {"a": [100.0, 101.0, 102.0]}


def test_a_folder_that_is_not_there_has_no_history(tmp_path: Path) -> None:
    assert read_history(FolderStorage(tmp_path / "nowhere")) == {}


def test_a_damaged_journal_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written(tmp_path, "exec-old", job("a"), launched("a", 100), age=10)
    (tmp_path / "exec-new").mkdir()
    (tmp_path / "exec-new" / "00000001.json").write_text("{")
    assert read_history(FolderStorage(tmp_path)) == {"a": [100.0]}
    assert "exec-new" in caplog.text


def test_reading_stops_when_its_time_is_up(tmp_path: Path) -> None:
    for number in range(5):
        written(tmp_path, f"exec-{number}", job(f"s{number}"), launched(f"s{number}", 100), age=number)
    ticks = count()  # a second passes with each object that is read; a journal of one object takes three looks
    assert set(read_history(FolderStorage(tmp_path), within=7.0, now=lambda: float(next(ticks)))) == {"s0", "s1"}


def test_a_bucket_tells_its_newest_journals_by_their_ids_and_is_read_like_a_folder() -> None:
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="journals")
        credentials = AwsCredentials(
            aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1"
        )
        storage = S3Storage(S3Bucket(bucket_name="journals", bucket_folder="drs", credentials=credentials))
        for execution_id, seconds in (("0190-b", 200.0), ("0190-a", 100.0), ("0190-c", 300.0)):
            StoredJournal(storage, execution_id).append([job("a"), launched("a", seconds)])
        assert storage.newest(2) == ("0190-c", "0190-b")
        assert read_history(storage) == {"a": [300.0, 200.0, 100.0]}


def test_only_recorded_servers_are_expected_to_take_something() -> None:
    assert expected_durations({}) == {}
    expected = expected_durations({"a": [600.0, 600.0], "b": [1200.0, 1200.0]})
    assert expected == pytest.approx({"a": 600.0, "b": 1200.0})


@pytest.mark.parametrize("recorded", [{}, {"elsewhere": [700.0]}])
def test_a_wave_of_230_servers_none_of_which_was_recorded_stays_three_jobs(recorded: dict[str, list[float]]) -> None:
    servers = tuple(f"s{number}" for number in range(230))
    jobs = pack([Demand(1, servers, 1200.0, expected_durations(recorded) or None)], JobUsage())
    assert sorted(len(start.servers) for start in jobs) == [76, 77, 77]


def test_a_server_without_a_record_is_packed_with_the_slowest() -> None:
    known = {f"s{number}": [300.0] * 3 if number < 50 else [1800.0] * 3 for number in range(100)}
    jobs = pack([Demand(1, (*known, "new"), 1800.0, expected_durations(known))], JobUsage())
    assert "new" in jobs[0].servers
