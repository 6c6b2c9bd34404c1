"""Logs of DRS jobs are read within a known time, whatever AWS does."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.operations.job_logs import NOT_IN_TIME, READERS, read_job_logs
from prefect_drs.report.model import JobReport, WaveReport, WaveStatus
from tests.rig import ACCOUNT, REGION

AT = datetime(2030, 1, 1, tzinfo=UTC)
JOBS = 40


def jobs() -> list[tuple[WaveReport, JobReport]]:
    wave = WaveReport(
        wave_number=1,
        wave_name="web",
        status=WaveStatus.COMPLETED,
        reason="",
        started_at=AT,
        ended_at=AT,
        depends_on_waves=(),
        jobs=(),
        servers=(),
    )
    return [
        (wave, JobReport(job_id=f"j-{n}", region=REGION, account_id=ACCOUNT, server_ids=(), started_at=AT, ended_at=AT))
        for n in range(JOBS)
    ]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket of this machine that never answers; with credentials, and no wait for others."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "of-a-test")
    with socket.create_server(("127.0.0.1", 0), backlog=JOBS) as listener:
        yield listener


def sessions(listener: socket.socket) -> Sessions:
    """Sessions whose only account is at this socket."""
    endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    return Sessions([AccountAccess(ACCOUNT, endpoint_url=endpoint)], attempts=1)


def test_a_region_that_does_not_answer_is_not_asked_for_each_job(silent: socket.socket) -> None:
    way = sessions(silent)
    silent.close()
    logs = read_job_logs(way, jobs())
    assert [log.job_id for log in logs] == [f"j-{n}" for n in range(JOBS)]
    assert {log.status for log in logs} == {"AWS_UNREACHABLE"}
    assert len({log.message for log in logs}) <= READERS, "the others have the reason of one that was asked"


def test_logs_that_do_not_come_in_time_are_named_as_missing(silent: socket.socket) -> None:
    logs = read_job_logs(sessions(silent), jobs(), patience=0.1)
    assert [log.job_id for log in logs] == [f"j-{n}" for n in range(JOBS)]
    assert {log.status for log in logs} == {NOT_IN_TIME}
    assert all(log.message and "took longer than 0.1 s" in log.message for log in logs)
