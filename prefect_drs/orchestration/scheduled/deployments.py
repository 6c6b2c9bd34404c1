"""Tag sync as a deployment: its schedule, which is derived from the settings, its status, and an immediate run.

In: changes of the settings. Out: the new settings, the created flow run, the status. The deployment has no settings of
its own: its schedule is written from the settings block when the settings change and after every run, since `prefect
deploy` removes a schedule that is not in its file.

Must never: create a run while another one waits to start, or interrupt a running one.
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
_NOT_STARTED = [StateType.SCHEDULED, StateType.PENDING]
_DEPLOY = "`prefect deploy -n tag-sync/scheduled` registers it"


class TagSyncState(enum.StrEnum):
    """The status of tag sync: the first of these that applies."""

    RUNNING = "RUNNING"
    DISABLED = "DISABLED"
    NOT_DEPLOYED = "NOT_DEPLOYED"
    NOT_SCHEDULED = "NOT_SCHEDULED"
    NEVER_RUN = "NEVER_RUN"
    FAILED = "FAILED"
    COMPLETED = "COMPLETED"


class TagSyncStatus(FrozenModel):
    """The answer of `get_tag_sync_status`; counts and errors are those of the last complete synchronisation.

    Args:
        note: what the user should do; may be empty.
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
    """The result of a request for a run: the flow run, and whether this request created it."""

    flow_run_id: UUID | None
    started: bool
    note: str


class TagSyncUpdate(FrozenModel):
    """The settings after a change, and the run for it; None if nothing changed or tag sync is not enabled."""

    settings: dict[str, Any]
    changed: bool
    next_scheduled_sync: datetime | None
    run: TagSyncTrigger | None


def get_tag_sync_settings() -> dict[str, Any]:
    """The settings, camelCase: enabled, schedule (hours), tagFilters, tagMappings, removeTags, copyTags, accounts,
    regions.

    Raises:
        UsageError: the saved settings are no longer valid.
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
    """Change settings, update the deployment's schedule, and start one synchronisation with the new settings.

    Args:
        enabled: whether tag sync runs on its schedule.
        schedule_hours: interval in hours, 1 to 24.
        include, exclude: patterns of tag keys.
        mappings: EC2 key → DRS key; replaces all mappings.
        remove: remove target keys of mappings whose tag the instance no longer has.
        copy_tags: switch copyTags on where it is off.
        accounts, regions: only these; an empty list removes the restriction.

    Arguments that are None change nothing.

    Raises:
        UsageError: a setting is invalid; nothing is changed.
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
    run = _start_with_new_settings() if changed and settings.enabled else None
    return TagSyncUpdate(settings=settings.as_json(), changed=changed, next_scheduled_sync=_next(settings), run=run)


def trigger_tag_sync() -> TagSyncTrigger:
    """Create a run of the deployment now, unless a synchronisation is running.

    Raises:
        UsageError: there is no deployment.
    """
    if is_running():
        return TagSyncTrigger(flow_run_id=None, started=False, note="a tag sync is running; no run was started")
    with prefect_client() as client:
        deployment = _deployment(client)
        if deployment is None:
            raise UsageError(
                f"this Prefect API has no deployment {DEPLOYMENT}: {_DEPLOY}; or synchronise here: prefect-drs tag-sync"
            )
        return _start(client, deployment)


def get_tag_sync_status() -> TagSyncStatus:
    """The status of tag sync: the last synchronisation, the next one, and what the user should do.

    Raises:
        UsageError: the saved settings are no longer valid.
    """
    settings = load_settings()
    stored = read_latest(LAST_KEY)
    last = stored.data if stored is not None else {}
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
    """Set the deployment's schedule to that of the settings; return whether there is a deployment.

    A schedule that already matches is not changed, so that its times stay the same.
    """
    with prefect_client() as client:
        deployment = _deployment(client)
        if deployment is None:
            return False
        there = client.read_deployment_schedules(deployment.id)
        if _has_schedule(there, settings):
            return True
        for schedule in there:
            client.delete_deployment_schedule(deployment.id, schedule.id)
        interval = IntervalSchedule(interval=timedelta(hours=settings.schedule_hours), anchor_date=datetime.now(UTC))
        client.create_deployment_schedules(
            deployment.id, [DeploymentScheduleCreate(schedule=interval, active=settings.enabled)]
        )
        # An update without changes: Prefect schedules the runs of a deployment that was just updated within seconds,
        # those of others within a minute.
        client.update_deployment(deployment.id, DeploymentUpdate(paused=deployment.paused))
    return True


def _has_schedule(schedules: list[DeploymentSchedule], settings: TagSyncSettings) -> bool:
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
        return TagSyncState.DISABLED, "tag sync runs only on request: set enabled to run it on its schedule"
    with prefect_client() as client:
        deployment = _deployment(client)
        if deployment is None:
            return TagSyncState.NOT_DEPLOYED, f"this Prefect API has no deployment {DEPLOYMENT}: {_DEPLOY}"
        if deployment.paused or not _has_schedule(client.read_deployment_schedules(deployment.id), settings):
            if deployment.paused:
                return TagSyncState.NOT_SCHEDULED, "the deployment is paused: resume it in the UI"
            return (
                TagSyncState.NOT_SCHEDULED,
                "the deployment does not have the schedule of the settings; run it, or `prefect-drs setup`, to set it",
            )
    if not last:
        return TagSyncState.NEVER_RUN, ""
    if last.get("errors"):
        return TagSyncState.FAILED, "see errors for what to do"
    return TagSyncState.COMPLETED, ""


def _next(settings: TagSyncSettings) -> datetime | None:
    """The next scheduled time: that of the run that Prefect created, else the next time of the schedule."""
    if not settings.enabled:
        return None
    with prefect_client() as client:
        deployment = _deployment(client)
        if deployment is None or deployment.paused:
            return None
        scheduled = [run.expected_start_time for run in _runs_not_started(client, deployment) if run.auto_scheduled]
        if times := [at for at in scheduled if at is not None]:
            return min(times)
        for schedule in client.read_deployment_schedules(deployment.id):
            if schedule.active and isinstance(every := schedule.schedule, IntervalSchedule):
                anchor, seconds = every.anchor_date.timestamp(), every.interval.total_seconds()
                passed = (datetime.now(UTC).timestamp() - anchor) // seconds
                return datetime.fromtimestamp(anchor + (passed + 1) * seconds, UTC)
    return None


def _start_with_new_settings() -> TagSyncTrigger:
    """Create a run with the new settings, even while a run with the former settings is running."""
    with prefect_client() as client:
        deployment = _deployment(client)
        if deployment is None:
            note = f"saved; no run was started: this Prefect API has no deployment {DEPLOYMENT}: {_DEPLOY}"
            return TagSyncTrigger(flow_run_id=None, started=False, note=note)
        return _start(client, deployment)


def _start(client: SyncPrefectClient, deployment: DeploymentResponse) -> TagSyncTrigger:
    now = datetime.now(UTC)
    waiting = [
        run
        for run in _runs_not_started(client, deployment)
        if run.expected_start_time is not None and run.expected_start_time <= now and not run.parameters
    ]
    if waiting:
        return TagSyncTrigger(flow_run_id=waiting[0].id, started=False, note="another run already waits to start")
    run = client.create_flow_run_from_deployment(deployment.id)
    return TagSyncTrigger(flow_run_id=run.id, started=True, note="")


def _runs_not_started(client: SyncPrefectClient, deployment: DeploymentResponse) -> list[FlowRun]:
    """The deployment's runs that are Scheduled or Pending, earliest first."""
    return client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_NOT_STARTED))),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
    )


def _deployment(client: SyncPrefectClient) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound:
        return None
