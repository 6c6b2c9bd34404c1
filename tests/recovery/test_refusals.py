"""What DRS refuses for good ends, by name and with a reason; what passes is waited for, told once; the rest goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect_drs.execution.events import WaveDelayed
from prefect_drs.recovery.drivers import run_plainly
from prefect_drs.recovery.journal import MemoryJournal
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook import Runbook
from tests.recovery.test_engine import launches_a_server, statuses
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec

DAY = timedelta(days=1)


def gone(rig: Rig, server_id: str) -> None:
    """Somebody disconnects and deletes the source server."""
    drs = rig.sessions.client("drs", region=REGION)
    drs.disconnect_source_server(sourceServerID=server_id)
    drs.delete_source_server(sourceServerID=server_id)


def servers(runbook: Runbook, wave: int = 1) -> list[str]:
    return [server.source_server_id for server in runbook.wave(wave).servers]


def errors(report: RecoveryReport) -> dict[str, str]:
    return {s.source_server_id: s.error for wave in report.waves for s in wave.servers if s.error}


def launched(report: RecoveryReport) -> set[str]:
    return {s.source_server_id for wave in report.waves for s in wave.servers if s.launch_status == "LAUNCHED"}


def bounded(rig: Rig, runbook: Runbook, journal: MemoryJournal | None = None) -> RecoveryReport:
    """Carry the runbook out; a run that does not end within two days of AWS's time fails the test."""
    until = rig.clock.now() + 2 * DAY

    class Bounded:
        def now(self) -> Any:
            return rig.clock.now()

        def wait(self, seconds: float, wake: Any = None) -> None:
            assert rig.clock.now() < until, "it does not come to its end"
            rig.clock.wait(seconds, wake)

    return run_plainly(rig.engine(runbook, journal=journal), rig.answers, Bounded())


def test_a_server_deleted_after_the_preflight_fails_by_name_and_the_others_are_launched(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(3), 2: WaveSpec(1)})
    lost, *others = servers(runbook)
    gone(rig, lost)
    report = bounded(rig, runbook)
    assert statuses(report) == {1: "FAILED", 2: "COMPLETED"}
    assert "deleted after this execution had begun" in errors(report)[lost]
    assert launched(report) == {*others, *servers(runbook, 2)}
    assert launches_a_server(rig.jobs()) == {1}


def test_a_wave_with_settings_tells_the_deleted_server_alone(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(3, settings={"copyTags": True}, policy={"onServerFailure": "continue"})})
    lost, *others = servers(runbook)
    gone(rig, lost)
    report = bounded(rig, runbook)
    assert set(errors(report)) == {lost}
    assert launched(report) == set(others)


def test_a_server_without_any_point_in_time_left_fails_by_name(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(3)})
    lost, *others = servers(runbook)
    rig.sessions.client("drs", region=REGION).disconnect_source_server(sourceServerID=lost)
    report = bounded(rig, runbook)
    assert set(errors(report)) == {lost}
    assert launched(report) == set(others)


def test_a_refusal_that_names_nobody_is_narrowed_down_to_the_server_and_ends(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(9), 2: WaveSpec(2)})
    bad = servers(runbook)[4]

    def refuse(params: Any, **_: Any) -> None:
        if any(server["sourceServerID"] == bad for server in params.get("sourceServers", [])):
            rig.sandbox.faults.add(
                {"kind": "operation", "operation": "StartRecovery", "effect": "error", "code": "ValidationException",
                 "times": 1}
            )  # fmt: skip

    rig.sessions.client("drs", account_id=ACCOUNT, region=REGION, retrying=False).meta.events.register(
        "provide-client-params.drs.StartRecovery", refuse
    )
    report = bounded(rig, runbook)
    assert statuses(report) == {1: "FAILED", 2: "COMPLETED"}
    assert set(errors(report)) == {bad}
    assert "ValidationException" in errors(report)[bad]
    assert launched(report) == {*servers(runbook), *servers(runbook, 2)} - {bad}
    assert launches_a_server(rig.jobs()) == {1}


def test_a_conflict_that_nobody_sees_is_told_once_and_ends_within_hours(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(1)})
    rig.sandbox.faults.add(
        {"kind": "operation", "operation": "StartRecovery", "effect": "error", "code": "ConflictException"}
    )
    journal = MemoryJournal()
    report = bounded(rig, runbook, journal)
    assert statuses(report) == {1: "FAILED"}
    assert "has refused to launch it for 1:00:00" in errors(report)[servers(runbook)[0]]
    assert report.ended_at is not None
    assert report.ended_at - report.started_at < timedelta(hours=2)
    assert len(report.waves[0].delays) == 1


def test_a_server_in_a_job_of_somebody_else_is_waited_for_told_once_and_not_launched_a_second_time(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(3)})
    held, *others = servers(runbook)
    rig.sandbox.faults.add({"kind": "job", "slow": 6.0, "times": 1})
    drs = rig.sessions.client("drs", region=REGION)
    foreign = drs.start_recovery(sourceServers=[{"sourceServerID": held}], isDrill=True)["job"]["jobID"]
    journal = MemoryJournal()
    report = bounded(rig, runbook, journal)
    assert launched(report) == set(others)
    assert f"job {foreign} of somebody else has launched it since the preflight" in errors(report)[held]
    told = [event for event in journal.read() if isinstance(event, WaveDelayed)]
    assert [(event.source_server_ids, event.reason) for event in told] == [
        ((held,), f"in job {foreign} of somebody else; launched once that job has ended")
    ]
    assert report.waves[0].delays == (f"{held}: in job {foreign} of somebody else; launched once that job has ended",)


def test_a_server_that_a_job_of_somebody_else_never_lets_go_fails_after_half_a_day(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(2)})
    held, other = servers(runbook)
    rig.sandbox.faults.add({"kind": "job", "slow": 200.0, "times": 1})
    rig.sandbox.backend(ACCOUNT, REGION).call(
        "StartRecovery", {"sourceServers": [{"sourceServerID": held}], "isDrill": True}
    )
    report = bounded(rig, runbook)
    assert statuses(report) == {1: "FAILED"}
    assert "of somebody else for 12:00:00" in errors(report)[held]
    assert launched(report) == {other}
