"""Points in time on the simulator: which snapshot a server is launched from, and how old its data was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from prefect_drs.aws.drs import describe_recovery_instances
from prefect_drs.aws.location import Location
from prefect_drs.aws.snapshots import describe_snapshots
from prefect_drs.core.errors import UsageError
from prefect_drs.plan.model import Manifest
from prefect_drs.recovery.journal import MemoryJournal
from prefect_drs.report.model import ExecutionStatus, ServerReport
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.runbook.points import LATEST, Points
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec, simulated_aws

HERE = Location(ACCOUNT, REGION)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with simulated_aws() as rig:
        yield rig


def resolved(rig: Rig, manifest: Manifest, points: Points = LATEST) -> Runbook:
    plan = manifest.plan(None)
    return resolve(manifest, plan, mode="drill", sessions=rig.sessions, clock=rig.clock, points=points)


def operations(rig: Rig) -> list[str]:
    return [call.operation for call in rig.sandbox.calls]


def codes(runbook: Runbook) -> list[str]:
    return [finding.code for finding in runbook.refusals]


def test_each_server_is_launched_from_its_newest_snapshot_that_is_not_after_the_time(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(3), 2: WaveSpec(2, after=(1,))})
    at = rig.clock.now() - timedelta(hours=5, minutes=17)
    runbook = resolved(rig, manifest, Points(at))
    servers = [server for wave in runbook.waves for server in wave.servers]
    for server in servers:
        there = describe_snapshots(rig.sessions, HERE, server.source_server_id)
        newest = max((s for s in there if s.at <= at), key=lambda s: s.at)
        assert (server.snapshot_id, server.snapshot_at) == (newest.snapshot_id, newest.at)

    report = rig.run(rig.engine(runbook))

    assert report.status is ExecutionStatus.COMPLETED
    instances = describe_recovery_instances(rig.sessions, HERE, [s.source_server_id for s in servers])
    held = {instance.source_server_id: instance.point_in_time for instance in instances}
    assert held == {server.source_server_id: server.snapshot_at for server in servers}
    launched = [server for wave in report.waves for server in wave.servers]
    assert {s.source_server_id: s.point_in_time for s in launched} == held
    ages = [(report.started_at - point).total_seconds() for point in held.values() if point]
    assert sorted(s.rpo_seconds or 0 for s in launched) == pytest.approx(sorted(ages))
    assert report.achieved_rpo_seconds == pytest.approx(max(ages))
    assert '"achievedRpoSeconds": ' in report.to_json()


def test_a_latest_drill_reads_no_snapshot_and_reports_the_age_of_its_data_at_each_launch(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(2), 2: WaveSpec(1, after=(1,))})
    report = rig.run(rig.engine(runbook))
    servers: list[ServerReport] = [server for wave in report.waves for server in wave.servers]
    assert all(server.point_in_time is not None for server in servers)
    assert all(server.rpo_seconds is not None and 0 <= server.rpo_seconds < 300 for server in servers)
    assert report.achieved_rpo_seconds == max(server.rpo_seconds or 0 for server in servers)
    seen = operations(rig)
    assert "DescribeRecoverySnapshots" not in seen
    assert seen.count("DescribeRecoveryInstances") == 1


def test_a_server_without_a_snapshot_that_old_refuses_and_the_oldest_there_is_is_named(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(1)})
    server_id = manifest.protection_groups[0].source_server_ids[0]
    oldest = describe_snapshots(rig.sessions, HERE, server_id)[-1]
    runbook = resolved(rig, manifest, Points(oldest.at - timedelta(days=400)))
    assert codes(runbook) == ["NO_SNAPSHOT"]
    assert oldest.snapshot_id in runbook.refusals[0].message
    assert f"{oldest.at:%Y-%m-%dT%H:%M:%SZ}" in runbook.refusals[0].message


def test_snapshots_named_for_single_servers_go_before_the_time(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(2)})
    first, second = manifest.protection_groups[0].source_server_ids
    older = describe_snapshots(rig.sessions, HERE, first)[-1]
    runbook = resolved(rig, manifest, Points(rig.clock.now(), {"w1-000": older.snapshot_id}))
    by_id = {server.source_server_id: server.snapshot_id for server in runbook.wave(1).servers}
    assert by_id[first] == older.snapshot_id
    assert by_id[second] == describe_snapshots(rig.sessions, HERE, second)[0].snapshot_id
    assert not runbook.refusals


def test_a_snapshot_of_nobody_and_one_that_is_gone_refuse(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(1)})
    gone = "pit-" + "0" * 17
    runbook = resolved(rig, manifest, Points(None, {"w1-000": gone, "elsewhere": gone}))
    assert sorted(codes(runbook)) == ["SNAPSHOT_NAMES_NO_SERVER", "SNAPSHOT_NOT_FOUND"]


def test_a_snapshot_for_a_name_that_two_servers_bear_refuses(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(1, regions=(REGION, "us-east-1"))})
    snapshot = describe_snapshots(rig.sessions, HERE, manifest.protection_groups[0].source_server_ids[0])[0]
    runbook = resolved(rig, manifest, Points(None, {"w1-000": snapshot.snapshot_id}))
    assert "SNAPSHOT_NAMES_NO_SERVER" in codes(runbook)
    assert "use an id" in runbook.refusals[0].message


@pytest.mark.parametrize("state", ["INITIAL_SYNC", "RESCAN"])
def test_a_server_that_syncs_anew_may_be_launched_from_an_older_snapshot_only(rig: Rig, state: str) -> None:
    manifest = rig.manifest({1: WaveSpec(1)})
    backend = rig.sandbox.backend(ACCOUNT, REGION)
    server = backend.seed_source_server(
        hostname="syncing",
        ram_bytes=2**32,
        cpus=2,
        disks=[{"deviceName": "/dev/sda1", "bytes": 2**35}],
        replication_state=state,
        has_snapshots=True,
        lag="PT2H",
    )
    group = manifest.protection_groups[0].model_copy(update={"source_server_ids": (server.server_id,)})
    manifest = manifest.model_copy(update={"protection_groups": (group,)})
    assert codes(resolved(rig, manifest)) == ["NOT_REPLICATING"]
    assert "--at" in resolved(rig, manifest).refusals[0].message

    runbook = resolved(rig, manifest, Points(rig.clock.now()))

    assert not runbook.refusals
    report = rig.run(rig.engine(runbook))
    assert report.status is ExecutionStatus.COMPLETED
    assert report.waves[0].servers[0].point_in_time == runbook.wave(1).servers[0].snapshot_at
    assert (report.achieved_rpo_seconds or 0) >= 2 * 3600


def test_a_snapshot_that_expires_before_its_launch_fails_its_server_and_is_told(rig: Rig) -> None:
    runbook = resolved(rig, rig.manifest({1: WaveSpec(2)}), Points(rig.clock.now()))
    rig.clock.advance(30 * 86400)  # a gate was waited at for that long
    report = rig.run(rig.engine(runbook))
    assert report.status is ExecutionStatus.FAILED
    assert rig.jobs() == []
    assert all("no longer there" in (server.error or "") for server in report.waves[0].servers)


def test_snapshots_that_cannot_be_read_refuse(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(1)})
    rig.sandbox.faults.add(
        {
            "kind": "operation",
            "operation": "DescribeRecoverySnapshots",
            "effect": "error",
            "code": "AccessDeniedException",
        }
    )
    runbook = resolved(rig, manifest, Points(rig.clock.now()))
    assert codes(runbook) == ["UNCHECKED"]


def test_a_report_says_that_it_does_not_know_the_age_of_data_that_drs_does_not_tell(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(1)})
    rig.sandbox.faults.add(
        {
            "kind": "operation",
            "operation": "DescribeRecoveryInstances",
            "effect": "error",
            "code": "AccessDeniedException",
        }
    )
    report = rig.run(rig.engine(runbook, journal=MemoryJournal()))
    assert report.status is ExecutionStatus.COMPLETED
    assert report.waves[0].servers[0].point_in_time is None
    assert report.achieved_rpo_seconds is None


def test_a_time_that_is_still_to_come_is_wrong_usage(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(1)})
    with pytest.raises(UsageError, match="still to come"):
        resolved(rig, manifest, Points(rig.clock.now() + timedelta(minutes=1)))


def test_what_a_person_writes_is_read() -> None:
    pit = "pit-0123456789abcdef0"
    assert Points.parse() == LATEST
    assert Points.parse("2026-05-01T14:00:00+02:00").at == datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert Points.parse("latest", [f"db=1={pit}"]).snapshots == {"db=1": pit}
    assert Points.parse("latest", {"db1": pit}).snapshots == {"db1": pit}


@pytest.mark.parametrize(
    ("at", "snapshots", "said"),
    [
        ("yesterday", [], "latest, or a time"),
        ("2026-05-01T12:00:00", [], "zone"),
        ("latest", ["db1"], "name a server"),
        ("latest", ["db1=snap-1"], "name a server"),
        ("latest", ["db1=pit-0123456789abcdef0", "db1=pit-0123456789abcdef1"], "twice"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(at: str, snapshots: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Points.parse(at, snapshots)
