"""Who changed which launch settings when, on a real Prefect server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from prefect_drs.aws.location import Location
from prefect_drs.execution.events import Event
from prefect_drs.execution.view import report_of
from prefect_drs.orchestration.storage.settings_history import (
    RECORDS_A_PAGE,
    ChangedSetting,
    SettingsHistoryEntry,
    SettingsRecorder,
    history_key,
    read_history,
    record_changes,
)
from tests.rig import Rig, WaveSpec, simulated_aws

HERE = Location("222222222222", "eu-west-1")
T0 = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)


def entry(number: int = 0, **more: object) -> SettingsHistoryEntry:
    values = {
        "at": T0 + timedelta(minutes=number),
        "by": "ada",
        "action": "update_server_launch_config",
        "source": "group-1",
        "changes": (ChangedSetting(part="plan", field="instanceType", before=None, after=f"m6i.{number}"),),
    }
    return SettingsHistoryEntry.model_validate({**values, **more})


def artifacts() -> list[object]:
    with get_client(sync_client=True) as client:
        chosen = ArtifactFilter(key=ArtifactFilterKey(any_=[history_key(HERE)]))
        return list(client.read_artifacts(artifact_filter=chosen, limit=200))


@pytest.fixture(autouse=True)
def no_history(prefect_server: object) -> Iterator[None]:
    yield
    with get_client(sync_client=True) as client:
        for location in (HERE, Location("123456789012", "us-west-2")):
            chosen = ArtifactFilter(key=ArtifactFilterKey(any_=[history_key(location)]))
            for artifact in client.read_artifacts(artifact_filter=chosen, limit=200):
                client.delete_artifact(artifact.id)


def test_a_server_s_history_is_its_own_and_the_newest_comes_first() -> None:
    record_changes(HERE, {"s-1": entry(1), "s-2": entry(1)})
    record_changes(HERE, {"s-1": entry(2)})
    assert [found.changes[0].after for found in read_history(HERE, "s-1", limit=10)] == ["m6i.2", "m6i.1"]
    assert [found.at for found in read_history(HERE, "s-2", limit=10)] == [T0 + timedelta(minutes=1)]
    assert read_history(HERE, "s-3", limit=10) == ()
    assert read_history(HERE._replace(region="us-east-1"), "s-1", limit=10) == ()


def test_a_limit_gives_the_newest_entries_and_reads_no_further() -> None:
    for number in range(4):
        record_changes(HERE, {"s-1": entry(number)})
    assert [found.changes[0].after for found in read_history(HERE, "s-1", limit=2)] == ["m6i.3", "m6i.2"]


def test_a_record_that_was_written_twice_counts_once() -> None:
    record_changes(HERE, {"s-1": entry(1)})
    record_changes(HERE, {"s-1": entry(1)})
    assert len(read_history(HERE, "s-1", limit=10)) == 1


def test_nothing_is_recorded_where_nothing_changed() -> None:
    record_changes(HERE, {})
    assert artifacts() == []


def test_a_history_is_read_over_its_pages_and_bounded() -> None:
    for number in range(RECORDS_A_PAGE + 6):
        record_changes(HERE, {"s-1": entry(number)}, retain=RECORDS_A_PAGE + 3)
    found = read_history(HERE, "s-1", limit=500)
    assert len(artifacts()) == len(found) == RECORDS_A_PAGE + 3
    assert found[-1].at == T0 + timedelta(minutes=3)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with simulated_aws() as made:
        yield made


def test_what_a_drill_writes_is_in_the_history_of_each_server_from_what_to_what(rig: Rig) -> None:
    runbook = rig.runbook({0: WaveSpec(servers=2, settings={"copyTags": True, "instanceType": "m6i.large"})})
    events: list[Event] = []
    with SettingsRecorder("execution-1", "ada") as recorder:
        engine = rig.engine(runbook, observers=(recorder.observe, events.append))
        assert rig.run(engine).status == "COMPLETED"
    server = runbook.waves[0].servers[0]
    (told,) = read_history(server.location, server.source_server_id, limit=10)
    assert (told.by, told.action, told.source) == ("ada", "drill", "execution-1")
    assert {(one.part, one.field, one.before, one.after) for one in told.changes} == {
        (one.part, one.field, one.before, one.after) for one in server.changes
    }
    assert report_of(events).status == "COMPLETED"


def test_a_drill_that_prefect_runs_records_what_it_wrote_under_who_approved_it() -> None:
    from prefect_drs.orchestration.flow.compile import compile_plan

    with simulated_aws(speed=600) as rig:
        manifest = rig.manifest({1: WaveSpec(servers=1, settings={"copyTags": True})})
        report = compile_plan(manifest)(mode="drill", approved_by="grace")
    (server,) = manifest.protection_groups[0].source_server_ids
    (told,) = read_history(Location("123456789012", "us-west-2"), server, limit=10)
    assert (told.by, told.action, told.source) == ("grace", "drill", report.execution_id)
    assert told.changes == (ChangedSetting(part="drs", field="copyTags", before=False, after=True),)
