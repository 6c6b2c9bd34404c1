"""Tag sync as a deployment: its schedule made from the settings, how it stands, and a run at once.

In: changes of the settings. Out: the settings as they are then, the run that was asked for, the status. The deployment
holds no setting of its own: its schedule is written from the block, whenever the settings change and after every run,
since `prefect deploy` takes away a schedule that is not in its file.

Never starts a run beside one that is still waiting to begin; one that is running is left to end first.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import DeploymentSchedule, FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from prefect_drs.core.errors import UsageError
from prefect_drs.core.models import FrozenModel
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.scheduled.latest_artifact import read_latest
from prefect_drs.orchestration.scheduled.settings import TagSyncSettings, changed_settings, load_settings, save_settings
from prefect_drs.orchestration.scheduled.tag_sync import LAST_KEY, is_running

DEPLOYMENT = "tag-sync/scheduled"
_NOT_BEGUN = [StateType.SCHEDULED, StateType.PENDING]
_DEPLOY = "`prefect deploy -n tag-sync/scheduled` registers it"


class TagSyncState(enum.StrEnum):
    """How tag sync stands, the first that holds."""

    RUNNING = "RUNNING"
    DISABLED = "DISABLED"
    NOT_DEPLOYED = "NOT_DEPLOYED"
    NOT_SCHEDULED = "NOT_SCHEDULED"
    NEVER_RUN = "NEVER_RUN"
    FAILED = "FAILED"
    COMPLETED = "COMPLETED"


class TagSyncStatus(FrozenModel):
    """What `get_tag_sync_status` answers; the counts and errors are those of the last synchronisation of everything.

    Args:
        note: what to do, where something is to be done.
    """

    enabled: bool
    status: TagSyncState
    last_sync_time: datetime | None
    servers_processed: int
    tags_synchronized: int
    errors: tuple[str, ...]
    next_scheduled_sync: datetime | None
    note: str


class TagSyncTrigger(FrozenModel):
    """What came of asking for a run: the flow run that will do it, and whether it was made for this."""

    flow_run_id: UUID | None
    started: bool
    note: str


class TagSyncUpdate(FrozenModel):
    """The settings after a change, and the run that it asked for; none where nothing changed or it is not enabled."""

    settings: dict[str, Any]
    changed: bool
    next_scheduled_sync: datetime | None
    run: TagSyncTrigger | None


def get_tag_sync_settings() -> dict[str, Any]:
    """The settings, camelCase: enabled, schedule (hours), tagFilters, tagMappings, removeTags, copyTags, accounts,
    regions.

    Raises:
        UsageError: what is saved is no longer valid.
    """
    return load_settings().as_json()


def update_tag_sync_settings(
    *,
    enabled: bool | None = None,
    schedule_hours: int | None = None,
    include: list[str] | None = None,
    exclude: list[str] | None = None,
    mappings: dict[str, str] | None = None,
    remove: bool | None = None,
    copy_tags: bool | None = None,
    accounts: list[str] | None = None,
    regions: list[str] | None = None,
) -> TagSyncUpdate:
    """Change settings, bring the deployment's schedule in line, and have one synchronisation by the new ones at once.

    Args:
        enabled: whether it runs on its schedule.
        schedule_hours: every how many hours, 1 to 24.
        include, exclude: patterns of tag keys.
        mappings: EC2 key → DRS key; the whole of them.
        remove: take keys that mappings give away where the instance has no such tag any more.
        copy_tags: switch copyTags on where it is off.
        accounts, regions: keep to these; an empty list lifts that.

    What is None stays as it is.

    Raises:
        UsageError: a setting that cannot be, with its reason; nothing is changed then.
    """
    given = {
        "enabled": enabled,
        "schedule_hours": schedule_hours,
        "include": include,
        "exclude": exclude,
        "mappings": mappings,
        "remove": remove,
        "copy_tags": copy_tags,
        "accounts": accounts,
        "regions": regions,
    }
    former = load_settings()
    settings = changed_settings(former, {name: value for name, value in given.items() if value is not None})
    changed = settings.as_json() != former.as_json()
    if changed:
        save_settings(settings)
    apply_schedule(settings)
    run = _start_beside_a_running_one() if changed and settings.enabled else None
    return TagSyncUpdate(settings=settings.as_json(), changed=changed, next_scheduled_sync=_next(settings), run=run)


def trigger_tag_sync() -> TagSyncTrigger:
    """Have the deployment synchronise now, unless it is at it.

    Raises:
        UsageError: there is no deployment.
    """
    if is_running():
        return TagSyncTrigger(flow_run_id=None, started=False, note="a tag sync is running; no other was started")
    with prefect_client() as client:
        deployment = _deployment(client)
        if deployment is None:
            raise UsageError(
                f"this Prefect API has no deployment {DEPLOYMENT}: {_DEPLOY}; or synchronise here: prefect-drs tag-sync"
            )
        return _start(client, deployment)


def get_tag_sync_status() -> TagSyncStatus:
    """How tag sync stands: the last synchronisation, the next one, and what is to be done.

    Raises:
        UsageError: the saved settings are no longer valid.
    """
    settings = load_settings()
    kept = read_latest(LAST_KEY)
    last = kept.data if kept is not None else {}
    result = last.get("result") or {}
    status, note = _state(settings, last)
    return TagSyncStatus(
        enabled=settings.enabled,
        status=status,
        last_sync_time=last.get("endedAt"),
        servers_processed=result.get("serversProcessed", 0),
        tags_synchronized=result.get("tagsSynchronized", 0),
        errors=tuple(last.get("errors", ())),
        next_scheduled_sync=_next(settings),
        note=note,
    )


def apply_schedule(settings: TagSyncSettings) -> bool:
    """Make the deployment's schedule what the settings say; whether there is a deployment.

    A schedule that says so already keeps its times.
    """
    with prefect_client() as client:
        deployment = _deployment(client)
        if deployment is None:
            return False
        there = client.read_deployment_schedules(deployment.id)
        if _as_set(there, settings):
            return True
        for schedule in there:
            client.delete_deployment_schedule(deployment.id, schedule.id)
        interval = IntervalSchedule(interval=timedelta(hours=settings.schedule_hours), anchor_date=datetime.now(UTC))
        client.create_deployment_schedules(
            deployment.id, [DeploymentScheduleCreate(schedule=interval, active=settings.enabled)]
        )
        # An update that changes nothing: Prefect plans the runs of a deployment that was just updated within seconds,
        # those of others within a minute.
        client.update_deployment(deployment.id, DeploymentUpdate(paused=deployment.paused))
    return True


def _as_set(schedules: list[DeploymentSchedule], settings: TagSyncSettings) -> bool:
    """Whether the deployment has the schedule of the settings and no other."""
    if len(schedules) != 1:
        return False
    schedule = schedules[0].schedule
    hours = schedule.interval if isinstance(schedule, IntervalSchedule) else None
    return hours == timedelta(hours=settings.schedule_hours) and schedules[0].active == settings.enabled


def _state(settings: TagSyncSettings, last: dict[str, Any]) -> tuple[TagSyncState, str]:
    if is_running():
        return TagSyncState.RUNNING, ""
    if not settings.enabled:
        return TagSyncState.DISABLED, "it runs only when asked: set enabled to have it run on its schedule"
    with prefect_client() as client:
        deployment = _deployment(client)
        if deployment is None:
            return TagSyncState.NOT_DEPLOYED, f"this Prefect API has no deployment {DEPLOYMENT}: {_DEPLOY}"
        if deployment.paused or not _as_set(client.read_deployment_schedules(deployment.id), settings):
            lost = (
                "is paused: resume it in the UI" if deployment.paused else "does not have the schedule of the settings"
            )
            return (
                TagSyncState.NOT_SCHEDULED,
                f"the deployment {lost}; a run of it, or `prefect-drs setup`, mends that",
            )
    if not last:
        return TagSyncState.NEVER_RUN, ""
    if last.get("errors"):
        return TagSyncState.FAILED, "each of the errors says what to do"
    return TagSyncState.COMPLETED, ""


def _next(settings: TagSyncSettings) -> datetime | None:
    """When it runs next by its schedule: the run that Prefect has made for it, or else the schedule's own next time."""
    if not settings.enabled:
        return None
    with prefect_client() as client:
        deployment = _deployment(client)
        if deployment is None or deployment.paused:
            return None
        planned = [run.expected_start_time for run in _not_begun(client, deployment) if run.auto_scheduled]
        if times := [at for at in planned if at is not None]:
            return min(times)
        for schedule in client.read_deployment_schedules(deployment.id):
            if schedule.active and isinstance(every := schedule.schedule, IntervalSchedule):
                anchor, seconds = every.anchor_date.timestamp(), every.interval.total_seconds()
                passed = (datetime.now(UTC).timestamp() - anchor) // seconds
                return datetime.fromtimestamp(anchor + (passed + 1) * seconds, UTC)
    return None


def _start_beside_a_running_one() -> TagSyncTrigger:
    """A run by new settings: it waits for one that is running, since that one goes by the former settings."""
    with prefect_client() as client:
        deployment = _deployment(client)
        if deployment is None:
            note = f"saved; nothing runs, for this Prefect API has no deployment {DEPLOYMENT}: {_DEPLOY}"
            return TagSyncTrigger(flow_run_id=None, started=False, note=note)
        return _start(client, deployment)


def _start(client: SyncPrefectClient, deployment: DeploymentResponse) -> TagSyncTrigger:
    now = datetime.now(UTC)
    waiting = [
        run
        for run in _not_begun(client, deployment)
        if run.expected_start_time is not None and run.expected_start_time <= now and not run.parameters
    ]
    if waiting:
        return TagSyncTrigger(flow_run_id=waiting[0].id, started=False, note="a run was waiting to begin already")
    run = client.create_flow_run_from_deployment(deployment.id)
    return TagSyncTrigger(flow_run_id=run.id, started=True, note="")


def _not_begun(client: SyncPrefectClient, deployment: DeploymentResponse) -> list[FlowRun]:
    """The runs of the deployment that are planned or handed to a worker, the next first."""
    return client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_NOT_BEGUN))),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
    )


def _deployment(client: SyncPrefectClient) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound:
        return None
