"""Launch settings of single servers in stored groups: read, changed, changed in bulk, and static addresses checked.

In: a group, its servers, settings in the manifest's form. Out: a server's effective settings, each value with its
origin, and the account's current settings. A change is checked by the rules of a manifest and by the preflight's checks
of the account; all faults are reported at once, and nothing is stored if there is one. Nothing here writes to AWS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, JsonValue, model_validator

from prefect_drs.aws.launch_sync import Compared, compare_settings
from prefect_drs.core.errors import Fault
from prefect_drs.core.models import FrozenModel
from prefect_drs.estate.change import EstateChange, change_estate, rehearse_change
from prefect_drs.estate.errors import fault_json, refused
from prefect_drs.estate.model import DocumentKind, Estate, Upsert
from prefect_drs.estate.overlap import ServerReader
from prefect_drs.estate.rules import checked
from prefect_drs.estate.store import read_estate
from prefect_drs.operations.context import Context
from prefect_drs.operations.group_settings import (
    GroupServers,
    account_problems,
    as_faults,
    compare,
    plan_changes,
    read_group,
    recorded,
    targets_resolved,
)
from prefect_drs.operations.groups import Version, reading
from prefect_drs.operations.launch_config_answers import (
    ServerConfig,
    ServerConfigs,
    SettingDifference,
    TemplateVersion,
)
from prefect_drs.operations.models import GroupId, ServerId
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.orchestration.storage.settings_history import SettingsHistoryEntry

ADDRESS_WORDS = ("ADDRESS", "SUBNET", "STATIC_IP")
"""What the codes of faults that concern an address have in them."""


class ServerReference(FrozenModel):
    """A server of a stored group; the group by its id or name, the server by its DRS id."""

    group_id: GroupId
    server_id: ServerId


class ServerSettingsFields(FrozenModel):
    """Settings of one server: given values replace those it has, null removes a value.

    Args:
        server_id: its DRS id.
        use_group_defaults: true leaves the group's settings alone in force.
        launch_template: settings in the manifest's words.
    """

    server_id: ServerId
    use_group_defaults: bool | None = None
    launch_template: dict[str, JsonValue] | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> ServerSettingsFields:
        if self.use_group_defaults is None and self.launch_template is None:
            raise ValueError("give launchTemplate or useGroupDefaults")
        return self


class UpdateServer(ServerSettingsFields):
    """New settings of one server; with a version, only of that one of the group."""

    group_id: GroupId
    version: Version | None = None


class DeleteServer(ServerReference):
    """Whose settings are to go; with a version, only from that one of the group."""

    version: Version | None = None


class UpdateServers(FrozenModel):
    """New settings of many servers of a group, all or nothing."""

    group_id: GroupId
    servers: Annotated[tuple[ServerSettingsFields, ...], Field(min_length=1)]
    version: Version | None = None


class TryAddress(ServerReference):
    """A static address for a server; by default in the subnet that its settings have."""

    static_private_ip: str
    subnet_id: str | None = None


class TriedAddress(FrozenModel):
    """Whether the server could have the address, and all faults."""

    valid: bool
    faults: tuple[dict[str, JsonValue], ...]


# ---- operations --------------------------------------------------------------------------------------------------


@operation(kind=OperationKind.QUERY, permission="view_protection_groups")
def get_server_launch_config(context: Context, request: ServerReference) -> ServerConfig:
    """Return a server's launch settings, each value with its origin.

    Includes the differences from the account's current settings.

    Raises:
        NotStoredError: no such group, or the server does not belong to it.
        AwsError: DRS or EC2 could not be read.
    """
    group = read_group(read_estate(), request.group_id, reading(context))
    group.server(request.server_id)
    (config,) = _configs(context, group, [request.server_id])
    return config


@operation(kind=OperationKind.DATA, permission="modify_protection_groups")
def update_server_launch_config(context: Context, request: UpdateServer) -> ServerConfig:
    """Change one server's own launch settings in its stored group.

    Raises:
        EstateRefusedError: NOT_FOUND, VERSION_MISMATCH, ACTIVE_EXECUTION, or VALIDATION_ERROR with every fault.
        AwsError: the account could not be read.
    """
    readings = reading(context)
    read_group(read_estate(), request.group_id, readings).server(request.server_id)
    answer = _change(context, request.group_id, [request], request.version, "update_server_launch_config", readings)
    return answer.servers[0].model_copy(update={"history_error": answer.history_error})


@operation(kind=OperationKind.DATA, permission="modify_protection_groups")
def delete_server_launch_config(context: Context, request: DeleteServer) -> ServerConfig:
    """Delete one server's own launch settings, so that its group's apply.

    Raises:
        EstateRefusedError: NOT_FOUND (also where it has none), VERSION_MISMATCH, ACTIVE_EXECUTION.
        AwsError: the account could not be read.
    """
    readings = reading(context)
    group = read_group(read_estate(), request.group_id, readings)
    server = group.server(request.server_id)
    if _own(group.stored.definition, server.references) is None:
        raise refused(
            f"settings of {request.server_id} were not deleted",
            [Fault(group.place(request.server_id), 0, "NOT_FOUND", "it has no settings of its own in this group")],
        )
    answer = _change(
        context, request.group_id, [request.server_id], request.version, "delete_server_launch_config", readings
    )
    return answer.servers[0].model_copy(update={"history_error": answer.history_error})


@operation(kind=OperationKind.DATA, permission="modify_protection_groups")
def bulk_update_server_configs(context: Context, request: UpdateServers) -> ServerConfigs:
    """Change many servers' own launch settings, all or nothing.

    Reports every fault of all of them.

    Raises:
        EstateRefusedError: as `update_server_launch_config`; a server or a static address twice among the faults.
        AwsError: the account could not be read.
    """
    return _change(
        context, request.group_id, request.servers, request.version, "bulk_update_server_configs", reading(context)
    )


@operation(kind=OperationKind.QUERY, permission="view_protection_groups")
def validate_static_ip(context: Context, request: TryAddress) -> TriedAddress:
    """Check whether a server could have a static address, and list all faults.

    The address must be IPv4 and private, in the subnet, not reserved, not in use, and assigned to no other server of
    the stored estate. Stores nothing.

    Raises:
        NotStoredError: no such group, or the server does not belong to it.
        AwsError: the account could not be read.
    """
    readings = reading(context)
    read_group(read_estate(), request.group_id, readings).server(request.server_id)
    settings: dict[str, JsonValue] = {"staticPrivateIp": request.static_private_ip}
    if request.subnet_id is not None:
        settings["subnetId"] = request.subnet_id
    tried = ServerSettingsFields(server_id=request.server_id, launch_template=settings, use_group_defaults=False)
    _, faults = _examined(context, request.group_id, [tried], None, readings)
    concerned = [fault for fault in faults if any(word in fault.code for word in ADDRESS_WORDS)]
    return TriedAddress(valid=not concerned, faults=tuple(fault_json(fault) for fault in concerned))


# ---- changing ----------------------------------------------------------------------------------------------------

Editing = ServerSettingsFields | str
"""New settings of a server, or the id of one whose settings go."""


def _change(
    context: Context,
    reference: str,
    edits: Sequence[Editing],
    version: int | None,
    action: str,
    readings: ServerReader,
) -> ServerConfigs:
    what = f"launch settings of group {reference!r} were not changed"
    rehearsed, faults = _examined(context, reference, edits, version, readings)
    if faults:
        raise refused(what, faults)
    before = read_group(rehearsed.before, reference, readings)
    at = context.clock.now()
    change = change_estate(
        lambda estate: [_put(estate, reference, edits, version, readings)],
        by=context.caller,
        at=at,
        servers=readings,
        what=what,
    )
    after = read_group(change.after, before.stored.id, readings)
    servers = [_server_id(edit) for edit in edits]
    entries = {
        server: SettingsHistoryEntry(at=at, by=context.caller, action=action, source=after.stored.id, changes=changes)
        for server in servers
        if (changes := plan_changes(before, after, server))
    }
    return ServerConfigs(
        servers=_configs(context, after, servers),
        version=after.stored.version,
        history_error=recorded(after, entries),
    )


def _examined(
    context: Context, reference: str, edits: Sequence[Editing], version: int | None, readings: ServerReader
) -> tuple[EstateChange, list[Fault]]:
    """What the change would do, and every fault: those of the request, of the estate's rules and of the account."""
    estate = read_estate()
    group = read_group(estate, reference, readings)
    faults = list(_faults_of(group, edits))
    known = [edit for edit in edits if _server_id(edit) in group.servers]
    rehearsed = rehearse_change(
        lambda now: [_put(now, reference, known, version, readings)],
        by=context.caller,
        at=context.clock.now(),
        servers=readings,
    )
    faults += rehearsed.refusals
    if checked(rehearsed.after).manifest is not None:
        after = read_group(rehearsed.after, group.stored.id, readings)
        wanted = after.wanted(dict.fromkeys(map(_server_id, known)))
        compared = compare(context.sessions, after, wanted)
        faults += as_faults(after, account_problems(context.sessions, after, compared))
        faults += _unread(after, compared)
    return rehearsed, faults


def _unread(group: GroupServers, compared: Mapping[str, Compared]) -> Iterable[Fault]:
    """Servers whose launch configuration the account does not have."""
    for each, one in compared.items():
        if one.error is not None:
            yield Fault(group.place(each), 0, one.error.code, one.error.message)


def _faults_of(group: GroupServers, edits: Sequence[Editing]) -> Iterable[Fault]:
    """What is wrong with the request itself: servers that are not the group's, or that are given twice."""
    servers = [_server_id(edit) for edit in edits]
    for server in dict.fromkeys(servers):
        if server not in group.servers:
            absence = group.absence(server)
            yield Fault(group.place(server), 0, absence.code, absence.message)
        if servers.count(server) > 1:
            yield Fault(group.place(server), 0, "DUPLICATE_SERVER", f"{server} is given twice; give it once")


def _put(
    estate: Estate, reference: str, edits: Iterable[Editing], version: int | None, readings: ServerReader
) -> Upsert:
    stored = estate.find(DocumentKind.GROUP, reference)
    servers = read_group(estate, reference, readings).servers
    entries = [dict(entry) for entry in stored.definition.get("servers") or ()]
    for edit in edits:
        names = servers[_server_id(edit)].references if _server_id(edit) in servers else (_server_id(edit),)
        former = _own({"servers": entries}, names)
        entries = [entry for entry in entries if entry is not former]
        if isinstance(edit, ServerSettingsFields):
            entries.append(_edited(former or {"sourceServerId": edit.server_id}, edit))
    definition = {**stored.definition, "servers": entries}
    return Upsert(
        DocumentKind.GROUP, {word: value for word, value in definition.items() if value != []}, stored.id, version
    )


def _edited(former: Mapping[str, Any], edit: ServerSettingsFields) -> dict[str, Any]:
    given = edit.launch_template or {}
    settings = {**(former.get("launchTemplate") or {}), **given}
    entry = {**former, "launchTemplate": {word: value for word, value in settings.items() if value is not None}}
    if edit.use_group_defaults is not None:
        entry["useGroupDefaults"] = edit.use_group_defaults
    return entry


def _own(definition: Mapping[str, Any], references: Iterable[str]) -> dict[str, Any] | None:
    """The entry of a group's definition that is of the server known by any of these names."""
    names = set(references)
    for entry in definition.get("servers") or ():
        if names & {entry.get(word) for word in ("sourceServerId", "instanceId", "name")}:
            found: dict[str, Any] = entry
            return found
    return None


def _server_id(edit: Editing) -> str:
    return edit if isinstance(edit, str) else edit.server_id


# ---- showing -----------------------------------------------------------------------------------------------------


def _configs(context: Context, group: GroupServers, server_ids: Iterable[str]) -> tuple[ServerConfig, ...]:
    wanted = targets_resolved(context.sessions, group, group.wanted(dict.fromkeys(server_ids)))
    compared = compare_settings(context.sessions, group.location, wanted)
    for failure in (one.error for one in compared.values() if one.error is not None):
        raise failure
    return tuple(_config(group, each, compared[each]) for each in wanted)


def _config(group: GroupServers, server_id: str, one: Compared) -> ServerConfig:
    server = group.servers[server_id]
    return ServerConfig(
        group_id=group.stored.id,
        group_name=group.stored.name,
        version=group.stored.version,
        server_id=server_id,
        name=server.name,
        account_id=group.location.account_id,
        region=group.location.region,
        effective=group.effective(server, one.launch_state),
        own=_own(group.stored.definition, server.references),
        in_sync=not one.changes,
        differences=tuple(map(SettingDifference.of, one.changes)),
        template=TemplateVersion.of(one.launch_state),
    )
