"""The flow `tag-sync` on a real Prefect server: settings, artifacts, one at a time, status, schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect import State
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun

from prefect_drs.core.errors import UsageError
from prefect_drs.flows import tag_sync
from prefect_drs.orchestration.executions.lease import hold, limit_name
from prefect_drs.orchestration.scheduled.deployments import (
    TagSyncState,
    apply_schedule,
    get_tag_sync_settings,
    get_tag_sync_status,
    trigger_tag_sync,
    update_tag_sync_settings,
)
from prefect_drs.orchestration.scheduled.settings import TagSyncSettings, save_settings
from prefect_drs.orchestration.scheduled.tag_sync import LOCK, TagSyncBusyError, TagSyncIncompleteError
from prefect_drs.tag_sync import TagSyncResult
from tests.rig import REGION
from tests.scheduled.conftest import artifacts
from tests.tag_sync.conftest import Estate

OTHER = "222222222222"


def run(**parameters: Any) -> State[Any]:
    return tag_sync(regions=[REGION], return_state=True, **parameters)  # type: ignore[call-overload, no-any-return]


def deployed() -> str:
    """The deployment, registered without a schedule as `prefect deploy` leaves it: its id."""
    return str(tag_sync.to_deployment(name="scheduled").apply())


def runs_of(deployment: str) -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        answer = client.request("POST", "/flow_runs/filter", json={"deployments": {"id": {"any_": [deployment]}}})
    return FlowRun.model_validate_list(answer.json())


def schedules_of(deployment: str) -> list[tuple[timedelta, bool]]:
    with get_client(sync_client=True) as client:
        there = client.read_deployment_schedules(deployment)  # type: ignore[arg-type]
    return [(schedule.schedule.interval, schedule.active) for schedule in there]  # type: ignore[union-attr]


def test_the_flow_uses_the_saved_settings_and_reports_in_artifacts(site: Estate) -> None:
    save_settings(TagSyncSettings(regions=[REGION], mappings={"Environment": "DR-Environment"}, exclude=["Cost*"]))
    server = site.pair({"Name": "a|b", "Environment": "prod", "CostCentre": "1"})
    result = tag_sync()
    assert site.tags(server) == {"Name": "a|b", "DR-Environment": "prod"}
    assert result.regions == (REGION,)
    (changes,), (status,) = artifacts("tag-sync-changes"), artifacts("tag-sync-status")
    assert "DR-Environment | — | prod" in changes["data"]
    assert "a\\|b" in changes["data"]
    assert "Tag sync: complete" in status["data"]
    assert changes["flow_run_id"] == status["flow_run_id"]


def test_the_second_run_uses_the_cache_of_the_first_one(site: Estate) -> None:
    save_settings(TagSyncSettings(regions=[REGION]))
    site.pair({"Name": "a"})
    tag_sync()
    second = tag_sync()
    assert second.writes == 0
    assert "drs:GetLaunchConfiguration" not in second.calls
    assert len(artifacts("tag-sync-memory")) == 1
    assert "Nothing" in artifacts("tag-sync-changes")[0]["data"]


def test_a_failure_ends_the_run_failed_with_its_result_and_the_artifact_names_it(site: Estate) -> None:
    site.pair({"Name": "a"})
    site.server(None, account=OTHER)
    state = run(accounts=["123456789012", OTHER])
    assert state.is_failed()
    incomplete = state.result(raise_on_failure=False)
    assert isinstance(incomplete, TagSyncIncompleteError)
    assert incomplete.result.servers_changed == 1
    page = artifacts("tag-sync-status")[0]["data"]
    assert "**not complete**" in page
    assert f"**{OTHER}/all regions**: ROLE_ASSUMPTION_FAILED: cannot enter account" in page


def test_a_sync_beside_one_that_runs_ends_cancelled_with_the_reason_and_does_nothing(site: Estate) -> None:
    server = site.pair({"Name": "a"})
    with hold(limit_name(LOCK), timedelta(seconds=5), TagSyncBusyError("")):
        assert get_tag_sync_status().status is TagSyncState.RUNNING
        state = run()
        assert run(dry_run=True).is_completed()
    assert state.is_cancelled()
    assert "another tag sync is running" in str(state.message)
    assert site.tags(server) == {}


def test_a_dry_run_is_reported_and_changes_neither_status_nor_cache(site: Estate) -> None:
    server = site.pair({"Name": "a"})
    result: TagSyncResult = run(dry_run=True).result()
    assert (result.dry_run, result.tags_synchronized, result.writes) == (True, 1, 0)
    assert site.tags(server) == {}
    assert "What would change" in artifacts("tag-sync-changes")[0]["data"]
    assert artifacts("tag-sync-memory") == artifacts("tag-sync-last") == []


def test_the_status_is_that_of_the_last_complete_sync(site: Estate) -> None:
    save_settings(TagSyncSettings(regions=[REGION]))
    site.pair({"Name": "a", "b": "c"})
    assert get_tag_sync_status().last_sync_time is None
    whole = tag_sync()
    run()  # of one region, by parameter
    status = get_tag_sync_status()
    assert status.last_sync_time == whole.ended_at
    assert (status.servers_processed, status.tags_synchronized, status.errors) == (1, 2, ())


def test_the_status_says_what_to_do(site: Estate) -> None:
    save_settings(TagSyncSettings(regions=[REGION]))
    status = get_tag_sync_status()
    assert (status.status, status.next_scheduled_sync) == (TagSyncState.NOT_DEPLOYED, None)
    assert "prefect deploy" in status.note
    deployed()
    assert get_tag_sync_status().status is TagSyncState.NOT_SCHEDULED
    apply_schedule(TagSyncSettings(regions=[REGION]))
    assert get_tag_sync_status().status is TagSyncState.NEVER_RUN
    site.pair({"Name": "full"}, {f"own-{number}": "" for number in range(50)})
    assert tag_sync(return_state=True).is_failed()
    status = get_tag_sync_status()
    assert status.status is TagSyncState.FAILED
    assert "TAG_LIMIT_EXCEEDED" in status.errors[0]
    update_tag_sync_settings(enabled=False)
    assert get_tag_sync_status().status is TagSyncState.DISABLED


def test_a_change_of_settings_moves_the_schedule_and_starts_exactly_one_run(prefect_api: None) -> None:
    deployment = deployed()
    assert schedules_of(deployment) == []
    before = datetime.now(UTC)
    update = update_tag_sync_settings(schedule_hours=4, exclude=["Cost*"])
    assert schedules_of(deployment) == [(timedelta(hours=4), True)]
    assert update.run is not None
    assert update.run.started
    assert update.next_scheduled_sync is not None
    assert timedelta(hours=3.9) < update.next_scheduled_sync - before < timedelta(hours=4.1)
    begun = [run for run in runs_of(deployment) if not run.auto_scheduled]
    assert [run.id for run in begun] == [update.run.flow_run_id]
    assert get_tag_sync_settings()["schedule"] == 4


def test_another_change_before_that_run_has_started_creates_no_second_run(prefect_api: None) -> None:
    deployment = deployed()
    first = update_tag_sync_settings(schedule_hours=4).run
    second = update_tag_sync_settings(schedule_hours=5).run
    third = trigger_tag_sync()
    assert first is not None
    assert second is not None
    assert {second.flow_run_id, third.flow_run_id} == {first.flow_run_id}
    assert not second.started
    assert len([run for run in runs_of(deployment) if not run.auto_scheduled]) == 1


def test_no_run_is_started_where_nothing_changed_or_it_is_switched_off(prefect_api: None) -> None:
    deployment = deployed()
    assert update_tag_sync_settings(schedule_hours=1).run is None
    off = update_tag_sync_settings(enabled=False)
    assert (off.run, off.next_scheduled_sync) == (None, None)
    assert schedules_of(deployment) == [(timedelta(hours=1), False)]
    assert [run for run in runs_of(deployment) if not run.auto_scheduled] == []


def test_a_refused_change_changes_nothing(prefect_api: None) -> None:
    deployed()
    update_tag_sync_settings(schedule_hours=4)
    with pytest.raises(UsageError, match="the settings were not changed"):
        update_tag_sync_settings(schedule_hours=36, include=["x"])
    assert get_tag_sync_settings()["schedule"] == 4
    assert get_tag_sync_settings()["tagFilters"]["include"] == []


def test_a_change_while_a_sync_runs_is_followed_by_a_run_and_a_mere_request_is_not(prefect_api: None) -> None:
    deployment = deployed()
    with hold(limit_name(LOCK), timedelta(seconds=5), TagSyncBusyError("")):
        requested = trigger_tag_sync()
        changed = update_tag_sync_settings(schedule_hours=2).run
    assert (requested.started, requested.flow_run_id) == (False, None)
    assert "is running" in requested.note
    assert changed is not None
    assert changed.started
    assert len([run for run in runs_of(deployment) if not run.auto_scheduled]) == 1


def test_without_a_deployment_settings_are_saved_and_a_request_says_what_to_do(prefect_api: None) -> None:
    update = update_tag_sync_settings(schedule_hours=3)
    assert update.run is not None
    assert not update.run.started
    assert "prefect deploy" in update.run.note
    with pytest.raises(UsageError, match="prefect-drs tag-sync"):
        trigger_tag_sync()


def test_a_run_restores_the_schedule_of_the_deployment(site: Estate) -> None:
    save_settings(TagSyncSettings(regions=[REGION], schedule_hours=6))
    deployment = deployed()
    tag_sync()
    assert schedules_of(deployment) == [(timedelta(hours=6), True)]


def test_a_schedule_that_matches_is_not_changed(prefect_api: None) -> None:
    deployed()
    update_tag_sync_settings(schedule_hours=7)
    before = get_tag_sync_status().next_scheduled_sync
    apply_schedule(TagSyncSettings(schedule_hours=7))
    assert get_tag_sync_status().next_scheduled_sync == before
