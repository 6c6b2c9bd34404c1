"""Rules for prepared instances that need no account."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.plan.read.draft import Draft, DraftGroup, DraftPrepared, DraftSettings
from prefect_drs.plan.read.finding import Place, PlanFinding, quote
from prefect_drs.plan.rules.forms import INSTANCE_ID, not_bound

_WAYS = "instanceId, tag, table or fromBindings: true"


def _prepared(draft: Draft) -> Iterator[tuple[DraftGroup, DraftSettings, DraftPrepared]]:
    """Every `launchIntoInstance`, with the settings that hold it."""
    for group in draft.groups:
        for settings in group.settings():
            if settings.prepared is not None:
                yield group, settings, settings.prepared


def prepared_instances_are_named_in_one_way(draft: Draft) -> Iterator[PlanFinding]:
    """A prepared instance is named by its id, by a tag, by a table or by the bindings; by one of them."""
    for _, _, prepared in _prepared(draft):
        at, given = prepared.entry.at, prepared.given
        if len(given) != 1:
            several = f"has {', '.join(given)}; keep one" if given else f"names no instance; give it {_WAYS}"
            yield PlanFinding(at, "PREPARED_INSTANCE_UNCLEAR", f"launchIntoInstance {several}")
        elif given != ("tag",) and prepared.entry.values.get("value") is not None:
            message = "value is that of a tag, and launchIntoInstance has no tag; add the tag, or remove the value"
            yield PlanFinding(prepared.entry.place("value"), "PREPARED_INSTANCE_UNCLEAR", message)
        elif given[0] in {"table", "fromBindings"} and not prepared.table:
            missing = (
                "the bindings have no preparedInstances for this account and region; bind the name of each server to "
                "the id of its instance"
                if given == ("fromBindings",)
                else "table is empty; give it the id of each server's instance"
            )
            code = "PREPARED_INSTANCES_UNBOUND" if given == ("fromBindings",) else "EMPTY_VALUE"
            yield PlanFinding(prepared.entry.place(given[0]), code, missing)


def prepared_instances_are_well_formed(draft: Draft) -> Iterator[PlanFinding]:
    """Each prepared instance is an EC2 instance id, once bindings have been applied."""
    problem = "which is no EC2 instance id (i- and 8 or 17 hexadecimal digits)"
    for _, _, prepared in _prepared(draft):
        for name in prepared.instances():
            if not INSTANCE_ID.fullmatch(name.real):
                yield not_bound(name, "preparedInstances", "INVALID_PREPARED_INSTANCE", problem)


def prepared_instances_are_of_servers(draft: Draft) -> Iterator[PlanFinding]:
    """A group cannot have one prepared instance: its servers would all be launched into it."""
    for group in draft.groups:
        prepared = group.config.prepared if group.config is not None else None
        if prepared is not None and prepared.of_one_server:
            yield PlanFinding(
                prepared.entry.at,
                "PREPARED_INSTANCE_ON_GROUP",
                f"group {quote(group.label)} cannot have one prepared instance, all its servers would be launched into "
                "it; move it to the launchTemplate of one server, or name the instances by tag (without a value), "
                "table or fromBindings",
            )


def prepared_instances_are_given_once(draft: Draft) -> Iterator[PlanFinding]:
    """No two servers of one account and region have the same prepared instance, in whichever groups they are."""
    first: dict[object, tuple[Place, str]] = {}
    for group, prepared, server, instance, at in _pairs(draft):
        key = (*group.where, instance)
        place, other = first.setdefault(key, (at, server))
        if (place, other) != (at, server) and other != server:
            yield PlanFinding(
                at,
                "DUPLICATE_PREPARED_INSTANCE",
                f"instance {instance} is that of server {quote(other)} and of server {quote(server)}; prepare one for "
                "each",
                first=place if place != prepared.entry.at else None,
            )


def _pairs(draft: Draft) -> Iterator[tuple[DraftGroup, DraftPrepared, str, str, Place]]:
    """Every server with an instance by id: the server's name, the instance, and its place."""
    for group in draft.groups:
        if group.config is not None and group.config.prepared is not None:
            for server, instance in group.config.prepared.table:
                yield group, group.config.prepared, server.real, instance.real, instance.at
        for entry in group.entries:
            prepared = entry.settings.prepared if entry.settings is not None else None
            if prepared is None or entry.uses_group_defaults:
                continue
            server_name = (entry.server.real if entry.server else None) or entry.label
            if prepared.instance is not None:
                yield group, prepared, server_name, prepared.instance.real, prepared.instance.at
            for server, instance in prepared.table:
                if server.real == server_name:
                    yield group, prepared, server.real, instance.real, instance.at


def prepared_instances_exclude_copies(draft: Draft) -> Iterator[PlanFinding]:
    """A prepared instance keeps its address, tags and type.

    Source: AWS DRS user guide, "Launch into source instance": "Transfer server tags and Copy private IP must be
    deactivated".
    """
    for _, settings, prepared in _prepared(draft):
        for field in ("copyPrivateIp", "copyTags"):
            if settings.entry.get(field, bool):
                yield _contradiction(settings, prepared, field, "true", "false")
        method = settings.entry.text("targetInstanceTypeRightSizingMethod")
        if method in {"BASIC", "IN_AWS"}:
            yield _contradiction(settings, prepared, "targetInstanceTypeRightSizingMethod", method, "NONE")


def _contradiction(
    settings: DraftSettings, prepared: DraftPrepared, field: str, value: str, remedy: str
) -> PlanFinding:
    return PlanFinding(
        settings.entry.place(field),
        "PREPARED_INSTANCE_CONTRADICTION",
        f"{field} is {value}, but launchIntoInstance keeps the instance as it is; write {remedy}, or remove it",
        first=prepared.entry.at,
    )
