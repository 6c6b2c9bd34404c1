"""Launch settings that cannot be written for the moment are waited for, told, and given up in the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from prefect_drs.aws.sessions import Sessions
from prefect_drs.execution.events import WaveDelayed
from prefect_drs.recovery.journal import MemoryJournal
from prefect_drs.report.model import ExecutionStatus
from tests.recovery.test_engine import statuses
from tests.recovery.test_refusals import bounded, errors, launched, servers
from tests.rig import Rig, WaveSpec

SETTINGS = {"copyTags": True}


@pytest.fixture
def storm(rig: Rig) -> Rig:
    rig.sessions = Sessions(attempts=1)
    return rig


def fault(effect: str, **more: Any) -> dict[str, Any]:
    return {"kind": "operation", "operation": "UpdateLaunchConfiguration", "effect": effect, **more}


def test_a_wave_whose_settings_are_throttled_says_so_once_and_completes(storm: Rig) -> None:
    runbook = storm.runbook({1: WaveSpec(3, settings=SETTINGS), 2: WaveSpec(1)})
    storm.sandbox.faults.add(fault("throttle", forSeconds=1800))
    journal = MemoryJournal()
    report = bounded(storm, runbook, journal)
    assert report.status is ExecutionStatus.COMPLETED
    assert [event.wave_number for event in journal.read() if isinstance(event, WaveDelayed)] == [1]
    assert "ThrottlingException" in report.waves[0].delays[0]
    asked = [call.at for call in storm.sandbox.calls if call.code == "ThrottlingException"]
    assert 20 < len(asked) < 200  # backed off, and not for ever


def test_settings_that_can_never_be_written_end_the_wave_within_hours(storm: Rig) -> None:
    runbook = storm.runbook({1: WaveSpec(2, settings=SETTINGS), 2: WaveSpec(1)})
    storm.sandbox.faults.add(fault("throttle"))
    report = bounded(storm, runbook)
    assert statuses(report) == {1: "FAILED", 2: "COMPLETED"}
    assert set(errors(report)) == set(servers(runbook))
    assert all("launch settings could not be written" in told for told in errors(report).values())
    assert report.ended_at is not None
    assert timedelta(hours=6) < report.ended_at - report.started_at < timedelta(hours=7)


def test_older_points_in_time_that_may_not_be_read_are_no_way_up_and_the_wave_ends(storm: Rig) -> None:
    policy = {"onServerFailure": "continue", "retry": {"attempts": 2, "snapshot": "previous"}}
    runbook = storm.runbook({1: WaveSpec(2, policy=policy)})
    bad, good = servers(runbook)
    storm.sandbox.faults.fail_server(bad)
    storm.sandbox.faults.add(
        {"kind": "operation", "operation": "DescribeRecoverySnapshots", "effect": "error",
         "code": "AccessDeniedException"}
    )  # fmt: skip
    report = bounded(storm, runbook)
    assert report.status is ExecutionStatus.PARTIAL
    assert launched(report) == {good}
    assert set(errors(report)) == {bad}
