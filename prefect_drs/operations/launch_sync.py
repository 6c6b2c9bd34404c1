"""Launch settings of stored groups brought to their accounts, how far these have drifted, and who changed what when.

In: stored groups. Out: server by server what differs, what was written, or why it could not be. A server whose settings
the account does not allow is not written. Only what differs is written, so a second sync makes no call that writes.
Nothing is written for a group that an execution uses which has not ended.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from pydantic import Field, JsonValue

from prefect_drs.aws.launch_sync import Compared, SyncState, write_settings
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.core.models import FrozenModel
from prefect_drs.estate.errors import EstateRefusedError, refused
from prefect_drs.estate.model import DocumentKind, Estate, EstateEdit
from prefect_drs.estate.overlap import ServerReader
from prefect_drs.estate.rules import under_execution, valid_manifest
from prefect_drs.estate.store import read_estate
from prefect_drs.operations.context import Context
from prefect_drs.operations.group_settings import (
    NOTHING,
    GroupServers,
    account_problems,
    compare,
    problem_text,
    read_group,
    recorded,
    targets_resolved,
)
from prefect_drs.operations.groups import GroupReference, reading
from prefect_drs.operations.launch_config_answers import SettingDifference, TemplateVersion
from prefect_drs.operations.launch_configs import ServerReference
from prefect_drs.operations.models import GroupId
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.executions.reports import active_reports
from prefect_drs.orchestration.storage.settings_history import ChangedSetting, SettingsHistoryEntry, read_history

HISTORY_AT_MOST = 200
REFUSED_BY_THE_ACCOUNT = "SETTINGS_NOT_ALLOWED"


class GroupState(enum.StrEnum):
    """How a group's account compares with its settings, the best state first."""

    IN_SYNC = "IN_SYNC"
    WRITTEN = "WRITTEN"
    DRIFTED = "DRIFTED"
    FAILED = "FAILED"


class ApplyRequest(FrozenModel):
    """A stored group, some of its servers where they are given, and whether to tell only."""

    group_id: GroupId
    server_ids: tuple[str, ...] | None = None
    dry_run: bool = False


class SyncRequest(FrozenModel):
    """Stored groups by id or name; by default all. `dry_run` only reports."""

    group_ids: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    dry_run: bool = False


class HistoryRequest(ServerReference):
    """A server, and how many entries of its history at most."""

    limit: Annotated[int, Field(ge=1, le=HISTORY_AT_MOST)] = 50


class ServerSync(FrozenModel):
    """One server: what differs, or was written; `template`: the version that its account launches from."""

    server_id: str
    name: str
    status: SyncState
    changes: tuple[SettingDifference, ...]
    template: TemplateVersion | None
    error: str | None
    message: str | None


class GroupSync(FrozenModel):
    """One group. `error`: why none of it could be looked at or written; `history_error`: as in other answers."""

    group_id: str
    group_name: str
    status: GroupState
    counts: dict[str, int]
    servers: tuple[ServerSync, ...]
    error: str | None = None
    message: str | None = None
    history_error: str | None = None


class SyncAnswer(FrozenModel):
    """Several groups."""

    dry_run: bool
    status: GroupState
    groups: tuple[GroupSync, ...]


class HistoryEntry(FrozenModel):
    """What was done to a server: by whom, as claimed, in which operation or execution, from what to what."""

    timestamp: datetime
    user: str
    action: str
    source: str
    changes: tuple[dict[str, JsonValue], ...]


class HistoryAnswer(FrozenModel):
    """A server's history, the newest first."""

    group_id: str
    server_id: str
    history: tuple[HistoryEntry, ...]


# ---- operations --------------------------------------------------------------------------------------------------


@operation(kind=OperationKind.DATA, permission="modify_protection_groups")
def apply_launch_configs(context: Context, request: ApplyRequest) -> GroupSync:
    """Write a stored group's launch settings to its account, only what differs.

    Raises:
        EstateRefusedError: NOT_FOUND, or ACTIVE_EXECUTION.
        AwsError: the account could not be read.
    """
    estate, readings = read_estate(), reading(context)
    group = read_group(estate, request.group_id, readings)
    for server_id in request.server_ids or ():
        group.server(server_id)
    _refuse_in_use(estate, group)
    return _synced(context, group, request.server_ids, dry_run=request.dry_run, action="apply_launch_configs")


@operation(kind=OperationKind.DATA, permission="modify_protection_groups")
def sync_launch_configs(context: Context, request: SyncRequest) -> SyncAnswer:
    """Write the launch settings of several stored groups, or all, to their accounts.

    A group that fails does not stop the others.

    Raises:
        NotStoredError: a group that is named is not there.
    """
    estate, readings = read_estate(), reading(context)
    chosen = [estate.find(DocumentKind.GROUP, each).id for each in request.group_ids or ()] or [
        g.id for g in estate.groups
    ]
    groups = tuple(_sync(context, estate, readings, each, dry_run=request.dry_run) for each in dict.fromkeys(chosen))
    return SyncAnswer(
        dry_run=request.dry_run,
        status=_worst(group.status for group in groups),
        groups=groups,
    )


@operation(kind=OperationKind.QUERY, permission="view_protection_groups")
def get_launch_config_status(context: Context, request: GroupReference) -> GroupSync:
    """Report how an account has drifted from a stored group's launch settings.

    Server by server: from what to what, and since which version of its launch template. Writes nothing.

    Raises:
        NotStoredError: there is no such group.
        AwsError: the account could not be read.
    """
    group = read_group(read_estate(), request.group_id, reading(context))
    wanted = targets_resolved(context.sessions, group, group.wanted())
    return _group_sync(group, _with_missing(group, compare(context.sessions, group, wanted)))


@operation(kind=OperationKind.QUERY, permission="view_protection_groups")
def get_server_config_history(context: Context, request: HistoryRequest) -> HistoryAnswer:
    """List who changed a server's launch settings, when, and from what to what.

    Operations and executions alike.

    Raises:
        NotStoredError: there is no such group.
        AwsError: the caller's own account could not be read.
    """
    estate = read_estate()
    stored = estate.find(DocumentKind.GROUP, request.group_id)
    location = reading(context).location(valid_manifest(estate).group(stored.name))
    return HistoryAnswer(
        group_id=stored.id,
        server_id=request.server_id,
        history=tuple(
            HistoryEntry(
                timestamp=entry.at,
                user=entry.by,
                action=entry.action,
                source=entry.source,
                changes=tuple(change.model_dump(mode="json", by_alias=True) for change in entry.changes),
            )
            for entry in read_history(location, request.server_id, limit=request.limit)
        ),
    )


# ---- syncing -----------------------------------------------------------------------------------------------------


def _sync(context: Context, estate: Estate, readings: ServerReader, group_id: str, *, dry_run: bool) -> GroupSync:
    try:
        group = read_group(estate, group_id, readings)
        _refuse_in_use(estate, group)
        return _synced(context, group, None, dry_run=dry_run, action="sync_launch_configs")
    except PrefectDrsError as error:
        return GroupSync(
            group_id=group_id,
            group_name=estate.find(DocumentKind.GROUP, group_id).name,
            status=GroupState.FAILED,
            counts={},
            servers=(),
            error=error.code,
            message=error.message,
        )


def _synced(
    context: Context, group: GroupServers, server_ids: Sequence[str] | None, *, dry_run: bool, action: str
) -> GroupSync:
    wanted = targets_resolved(context.sessions, group, group.wanted(server_ids))
    compared = compare(context.sessions, group, wanted)
    found = account_problems(context.sessions, group, compared)
    judged = {
        each: replace(one, state=SyncState.FAILED, error=_not_allowed(group, each, map(problem_text, found[each])))
        if each in found
        else one
        for each, one in compared.items()
    }
    if dry_run:
        return _group_sync(group, _with_missing(group, judged, server_ids))
    written = write_settings(context.sessions, group.location, wanted, judged)
    at = context.clock.now()
    entries = {
        each: SettingsHistoryEntry(
            at=at, by=context.caller, action=action, source=group.stored.id, changes=_changed(one)
        )
        for each, one in written.items()
        if one.state is SyncState.WRITTEN
    }
    answer = _group_sync(group, _with_missing(group, written, server_ids))
    return answer.model_copy(update={"history_error": recorded(group, entries)})


def _changed(one: Compared) -> tuple[ChangedSetting, ...]:
    return tuple(
        ChangedSetting(part=change.part, field=change.field, before=change.before, after=change.after)
        for change in one.changes
    )


def _not_allowed(group: GroupServers, server_id: str, problems: Iterable[str]) -> PrefectDrsError:
    return EstateRefusedError(
        f"{group.servers[server_id].name} ({server_id}) in {group.location} was not written: {'; '.join(problems)}",
        reason=REFUSED_BY_THE_ACCOUNT,
    )


def _refuse_in_use(estate: Estate, group: GroupServers) -> None:
    """Refuse to write settings of servers that an execution may be launching.

    Raises:
        EstateRefusedError: ACTIVE_EXECUTION.
    """
    with prefect_client() as client:
        active = active_reports(client)
    step = EstateEdit(group.stored, group.stored)
    faults = list(under_execution(estate, [step], active, lambda stored: tuple(group.servers)))
    if faults:
        raise refused(f"launch settings of group {group.stored.name!r} were not written", faults)


def _with_missing(
    group: GroupServers, compared: Mapping[str, Compared], server_ids: Sequence[str] | None = None
) -> dict[str, Compared]:
    """All servers of the group: also those that it says nothing of, and those that DRS does not have."""
    silent = {
        each: Compared(each, SyncState.IN_SYNC)
        for each, settings in group.wanted(server_ids).items()
        if settings == NOTHING
    }
    missing = {
        each: Compared(each, SyncState.FAILED, error=group.absence(each))
        for each in (group.missing if server_ids is None else ())
    }
    return {**compared, **silent, **missing}


def _group_sync(group: GroupServers, compared: Mapping[str, Compared]) -> GroupSync:
    states = Counter(one.state for one in compared.values())
    return GroupSync(
        group_id=group.stored.id,
        group_name=group.stored.name,
        status=_worst(GroupState(state) for state in states),
        counts={state: states[state] for state in SyncState},
        servers=tuple(_server_sync(group, one) for _, one in sorted(compared.items())),
    )


def _server_sync(group: GroupServers, one: Compared) -> ServerSync:
    server = group.servers.get(one.source_server_id)
    return ServerSync(
        server_id=one.source_server_id,
        name=server.name if server else one.source_server_id,
        status=one.state,
        changes=tuple(map(SettingDifference.of, one.changes)),
        template=TemplateVersion.of(one.launch_state),
        error=one.error.code if one.error else None,
        message=one.error.message if one.error else None,
    )


def _worst(states: Iterable[GroupState]) -> GroupState:
    return max(states, key=list(GroupState).index, default=GroupState.IN_SYNC)
