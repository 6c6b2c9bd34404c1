"""Stored protection groups: created, read, changed, deleted; and which servers a selection of tags holds now.

In: groups as operations write them, which is the manifest's form with the operations' own words for some fields. Out:
the same with the group's id, version and servers. Every change goes through `estate.change`, by the rules
of a manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, model_validator

from prefect_drs.core.errors import AwsError
from prefect_drs.core.models import FrozenModel
from prefect_drs.estate.change import Editing, EstateChange, change_estate
from prefect_drs.estate.errors import fault_json
from prefect_drs.estate.model import Delete, DocumentKind, Estate, Stored, Upsert
from prefect_drs.estate.overlap import ServerReader
from prefect_drs.estate.rules import valid_manifest
from prefect_drs.estate.store import read_estate
from prefect_drs.operations.context import Context
from prefect_drs.operations.group_settings import record_stored
from prefect_drs.operations.models import EmptyRequest, GroupId, GroupLaunchSettings, NewGroupName
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.orchestration.storage.audit_log import AuditChange
from prefect_drs.plan.model import ProtectionGroup

Mode = Literal["explicit", "tags"]
Version = Annotated[int, Field(ge=1)]

WORDS = {"name": "groupName", "launchConfiguration": "launchConfig"}
"""What operations call some fields of a manifest's group."""
SELECTIONS = {"explicit": "sourceServerIds", "tags": "serverSelectionTags"}


class GroupFields(FrozenModel):
    """A group as operations write it. Values are checked by the manifest's rules, which name all faults at once."""

    description: JsonValue = None
    region: JsonValue = None
    account_id: JsonValue = None
    server_selection_mode: Mode | None = None
    server_selection_tags: JsonValue = None
    source_server_ids: JsonValue = None
    launch_configuration: GroupLaunchSettings = None
    servers: JsonValue = None

    @model_validator(mode="after")
    def _mode_agrees(self) -> GroupFields:
        mode = self.server_selection_mode
        for other, field in SELECTIONS.items():
            given = self.server_selection_tags if other == "tags" else self.source_server_ids
            if mode is not None and other != mode and given:
                raise ValueError(f"serverSelectionMode is {mode}, but {field} is given")
        return self

    def definition(self, former: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The group in the manifest's form: what is given over `former`; null takes a field away."""
        given = self.model_dump(
            by_alias=True, exclude_unset=True, exclude={"group_id", "version", "server_selection_mode"}
        )
        values = {**(former or {}), **{WORDS.get(field, field): value for field, value in given.items()}}
        for field, other in (("sourceServerIds", "serverSelectionTags"), ("serverSelectionTags", "sourceServerIds")):
            if given.get(field) and other not in given:
                values.pop(other, None)  # a selection replaces the former one
        return {field: value for field, value in values.items() if value is not None}


class CreateGroup(GroupFields):
    """A new group."""

    name: NewGroupName
    region: JsonValue


class UpdateGroup(GroupFields):
    """Changes to a group: given fields replace the former ones, null removes a field.

    Args:
        group_id: the group's id, or its name.
        version: the version that the changes were made from.
        name: a new name; the plans that name the group follow.
    """

    group_id: GroupId
    version: Version
    name: NewGroupName = None

    @model_validator(mode="after")
    def _changes_something(self) -> UpdateGroup:
        if not self.model_fields_set - {"group_id", "version", "server_selection_mode"}:
            raise ValueError("nothing to change is given")
        return self


class GroupReference(FrozenModel):
    """A group, by its id or name."""

    group_id: GroupId


class DeleteGroup(GroupReference):
    """A group to delete; with a version, only that one."""

    version: Version | None = None


class Selection(FrozenModel):
    """Tags, all of which a server must carry, in a region of an account (the caller's own where none is given)."""

    region: str
    account_id: str | None = None
    server_selection_tags: Annotated[dict[str, str], Field(min_length=1)]


class GroupAnswer(FrozenModel):
    """A stored group. `source_server_ids`: its current servers; null, with the reason, if they could not be read."""

    group_id: str
    name: str
    description: str | None
    region: str
    account_id: str | None
    server_selection_mode: Mode
    server_selection_tags: dict[str, str]
    source_server_ids: tuple[str, ...] | None
    server_count: int | None
    resolution_error: str | None = None
    launch_configuration: dict[str, JsonValue]
    servers: tuple[dict[str, JsonValue], ...]
    recovery_plans: tuple[str, ...]
    version: int
    created_at: datetime
    updated_at: datetime
    updated_by: str
    warnings: tuple[dict[str, JsonValue], ...] = ()
    history_error: str | None = None


class GroupsAnswer(FrozenModel):
    """All stored groups, by name."""

    protection_groups: tuple[GroupAnswer, ...]


class MatchingServer(FrozenModel):
    """A server that a selection holds. `protection_groups`: the stored groups that hold it already."""

    source_server_id: str
    name: str
    hostname: str
    replication_state: str
    tags: dict[str, str]
    protection_groups: tuple[str, ...]


class SelectionAnswer(FrozenModel):
    """Who a selection holds now."""

    region: str
    account_id: str
    server_selection_tags: dict[str, str]
    servers: tuple[MatchingServer, ...]
    server_count: int


class DeletedAnswer(FrozenModel):
    """What was deleted."""

    id: str
    name: str
    deleted: bool = True


@operation(kind=OperationKind.DATA, permission="create_protection_groups")
def create_protection_group(context: Context, request: CreateGroup) -> GroupAnswer:
    """Store a protection group: servers by ids or by tags, and their launch settings.

    Raises:
        EstateRefusedError: ALREADY_EXISTS, SERVER_CONFLICT (with both groups' names), or VALIDATION_ERROR; all faults.
        AwsError: which servers carry the tags could not be read.
    """
    readings = reading(context)
    edits = [Upsert(DocumentKind.GROUP, request.definition())]
    change = change_stored(context, lambda _: edits, "the protection group was not created", readings)
    return _answer_of(change, readings)


@operation(kind=OperationKind.DATA, permission="modify_protection_groups")
def update_protection_group(context: Context, request: UpdateGroup) -> GroupAnswer:
    """Change a stored protection group, from the version that was read.

    Raises:
        EstateRefusedError: as `create_protection_group`; NOT_FOUND, VERSION_MISMATCH, ACTIVE_EXECUTION.
        AwsError: which servers carry the tags could not be read.
    """

    def edit(estate: Estate) -> list[Upsert]:
        group = estate.find(DocumentKind.GROUP, request.group_id)
        return [Upsert(DocumentKind.GROUP, request.definition(group.definition), group.id, request.version)]

    readings = reading(context)
    what = f"protection group {request.group_id!r} was not changed"
    change = change_stored(context, edit, what, readings)
    history_error = record_stored(change, "update_protection_group", readings)
    return _answer_of(change, readings).model_copy(update={"history_error": history_error})


@operation(kind=OperationKind.DATA, permission="delete_protection_groups")
def delete_protection_group(context: Context, request: DeleteGroup) -> DeletedAnswer:
    """Delete a stored protection group that no plan names.

    Raises:
        EstateRefusedError: NOT_FOUND, IN_USE (with the plans' names), VERSION_MISMATCH, ACTIVE_EXECUTION.
    """
    return delete(context, DocumentKind.GROUP, request.group_id, request.version)


def delete(context: Context, kind: DocumentKind, reference: str, version: int | None) -> DeletedAnswer:
    """Delete a stored group or plan."""
    (step,) = change_stored(
        context,
        lambda estate: [Delete(kind, estate.find(kind, reference).id, version)],
        f"{kind} {reference!r} was not deleted",
    ).steps
    return DeletedAnswer(id=step.subject.id, name=step.subject.name)


def change_stored(context: Context, edit: Editing, what: str, readings: ServerReader | None = None) -> EstateChange:
    """Change the estate in the caller's name, now; `what` begins the message of a refusal."""
    change = change_estate(
        edit, by=context.caller, at=context.clock.now(), servers=readings or reading(context), what=what
    )
    for step in change.steps:
        before, after = (side and dict(side.definition) for side in (step.before, step.after))
        context.changes.append(AuditChange(what=f"{step.subject.kind} {step.subject.id}", before=before, after=after))
    return change


@operation(kind=OperationKind.QUERY, permission="view_protection_groups")
def get_protection_group(context: Context, request: GroupReference) -> GroupAnswer:
    """Return a stored protection group with its current servers.

    Raises:
        NotStoredError: no group has that id or name.
    """
    estate = read_estate()
    return _answer(estate.find(DocumentKind.GROUP, request.group_id), estate, reading(context))


@operation(kind=OperationKind.QUERY, permission="view_protection_groups")
def list_protection_groups(context: Context, request: EmptyRequest) -> GroupsAnswer:
    """List all stored protection groups with their current servers."""
    estate, readings = read_estate(), reading(context)
    return GroupsAnswer(protection_groups=tuple(_answer(group, estate, readings) for group in estate.groups))


@operation(kind=OperationKind.QUERY, permission="view_protection_groups")
def resolve_protection_group_tags(context: Context, request: Selection) -> SelectionAnswer:
    """List the servers that have all of these tags, and the stored groups they belong to.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    readings = reading(context)
    group = ProtectionGroup(
        group_name="",
        region=request.region,
        account_id=request.account_id,
        server_selection_tags=request.server_selection_tags,
    )
    location = readings.location(group)
    holders: dict[str, list[str]] = {}
    for other in valid_manifest(read_estate()).protection_groups:
        if readings.location(other) == location:
            for server_id in readings.members(other):
                holders.setdefault(server_id, []).append(other.group_name)
    servers = tuple(
        MatchingServer(
            source_server_id=server.source_server_id,
            name=server.name,
            hostname=server.hostname,
            replication_state=server.replication_state,
            tags=dict(server.tags),
            protection_groups=tuple(holders.get(server.source_server_id, ())),
        )
        for server in readings.matching(location, request.server_selection_tags)
    )
    return SelectionAnswer(
        region=location.region,
        account_id=location.account_id,
        server_selection_tags=request.server_selection_tags,
        servers=servers,
        server_count=len(servers),
    )


def reading(context: Context) -> ServerReader:
    """The way to the servers, opened only where an operation needs it."""
    return ServerReader(lambda: context.sessions)


def _answer_of(change: EstateChange, readings: ServerReader) -> GroupAnswer:
    group = next(
        step.after for step in change.steps if step.after is not None and step.after.kind is DocumentKind.GROUP
    )
    answer = _answer(group, change.after, readings)
    return answer.model_copy(update={"warnings": tuple(fault_json(fault) for fault in change.warnings)})


def _answer(stored: Stored, estate: Estate, readings: ServerReader) -> GroupAnswer:
    definition = stored.definition
    tags = definition.get("serverSelectionTags") or {}
    members: tuple[str, ...] | None = tuple(definition.get("sourceServerIds") or ())
    unread: str | None = None
    if tags:
        group = ProtectionGroup(
            group_name=stored.name,
            region=definition.get("region") or "",
            account_id=definition.get("accountId"),
            server_selection_tags=tags,
        )
        try:
            members = readings.members(group)
        except AwsError as error:
            members, unread = None, error.message
    return GroupAnswer(
        group_id=stored.id,
        name=stored.name,
        description=definition.get("description"),
        region=definition.get("region") or "",
        account_id=definition.get("accountId"),
        server_selection_mode="tags" if tags else "explicit",
        server_selection_tags=tags,
        source_server_ids=members,
        server_count=None if members is None else len(members),
        resolution_error=unread,
        launch_configuration=definition.get("launchConfig") or {},
        servers=tuple(definition.get("servers") or ()),
        recovery_plans=tuple(plan.name for plan in estate.plans_of(stored)),
        version=stored.version,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        updated_by=stored.updated_by,
    )
