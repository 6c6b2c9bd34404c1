"""Quotas and capacity as the preflight tells them, at their very edges."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from prefect_drs.aws.drs import Job, ParticipatingServer, SourceServer
from prefect_drs.aws.location import Location
from prefect_drs.runbook.model import RunbookServer, RunbookWave
from prefect_drs.runbook.preflight_input import PreflightInput
from prefect_drs.runbook.rules import RULES

HERE = Location("222222222222", "us-west-2")
STAGING = Location("333333333333", "us-west-2")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULE = {rule.code: rule for rule in RULES}


def source(number: int, staging: str | None = None, state: str = "CONTINUOUS") -> SourceServer:
    return SourceServer(
        source_server_id=f"s-{number}",
        arn="",
        name=f"server {number}",
        hostname="",
        instance_id=None,
        tags={},
        replication_state=state,
        lag=None,
        recovery_instance_id=None,
        last_launch_job_id=None,
        last_launch_at=None,
        last_launch_status="",
        staging_account_id=staging,
        os="",
        disk_bytes=0,
    )


def told(servers: dict[Location, Iterable[SourceServer]]) -> list[str]:
    situation = PreflightInput(mode="drill", now=NOW, servers={place: tuple(there) for place, there in servers.items()})
    return [finding.message for finding in RULE["CAPACITY"](situation)]


@pytest.mark.parametrize(
    ("count", "level"), [(239, None), (240, "INFO"), (250, "WARNING"), (279, "WARNING"), (280, "CRITICAL")]
)
def test_replicating_servers_are_told_from_80_percent_on(count: int, level: str | None) -> None:
    expected = [f"{level}: {HERE} has {count} of 300 replicating servers"] if level else []
    assert told({HERE: map(source, range(count))}) == expected


@pytest.mark.parametrize(
    ("count", "level"), [(3199, None), (3200, "INFO"), (3600, "WARNING"), (3999, "WARNING"), (4000, "CRITICAL")]
)
def test_source_servers_are_told_from_80_percent_on(count: int, level: str | None) -> None:
    stopped = (source(number, state="STOPPED") for number in range(count))
    assert told({HERE: stopped}) == ([f"{level}: {HERE} has {count} of 4000 source servers"] if level else [])


def test_servers_that_a_staging_account_replicates_count_there() -> None:
    extended = [source(number, STAGING.account_id) for number in range(250)]
    assert told({HERE: extended}) == [
        f"WARNING: staging account {STAGING} replicates 250 of 300 replicating servers for the accounts of this plan "
        "alone"
    ]
    own = [source(number) for number in range(1000, 1280)]
    assert told({HERE: extended, STAGING: own}) == [f"CRITICAL: {STAGING} has 280 of 300 replicating servers"]


def wave(servers: int) -> RunbookWave:
    return RunbookWave(
        wave_number=1,
        wave_name="all",
        depends_on_waves=(),
        gate=False,
        servers=tuple(
            RunbookServer(
                source_server_id=f"s-{number}",
                name=str(number),
                account_id=HERE.account_id,
                region=HERE.region,
                group="g",
                replication_state="CONTINUOUS",
                lag=None,
                recovery_instance_id=None,
                settings={},
                changes=(),
            )
            for number in range(servers)
        ),
    )


def job(number: int, servers: int, status: str = "STARTED") -> Job:
    taking_part = tuple(ParticipatingServer(f"x-{number}-{each}", "PENDING", None) for each in range(servers))
    return Job(f"job-{number}", "LAUNCH", status, "", NOW, None, taking_part, {})


@pytest.mark.parametrize(
    ("servers", "jobs", "waits"),
    [
        (500, [], False),
        (501, [], True),
        (400, [job(1, 100)], False),
        (401, [job(1, 100)], True),
        (401, [job(1, 100, "COMPLETED")], False),
        (1, [job(number, 1) for number in range(19)], False),
        (101, [job(number, 1) for number in range(19)], True),
    ],
)
def test_a_wave_that_does_not_fit_at_once_is_told_and_never_refused(servers: int, jobs: list[Job], waits: bool) -> None:
    situation = PreflightInput(mode="drill", now=NOW, waves=(wave(servers),), jobs={HERE: jobs})
    found = list(RULE["JOBS_MUST_WAIT"](situation))
    assert bool(found) is waits
    assert all(finding.severity == "INFO" for finding in found)
