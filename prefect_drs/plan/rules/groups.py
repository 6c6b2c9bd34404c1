"""Rules for protection groups: names, accounts and regions, and servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prefect_drs.plan.read.draft import Draft
from prefect_drs.plan.read.finding import Place, PlanFinding, choices, quote
from prefect_drs.plan.rules.forms import (
    ACCOUNT_ID,
    INSTANCE_ID,
    REGION,
    SOURCE_SERVER_ID,
    impossible_tags,
    not_bound,
)

GROUP_NAME_AT_MOST = 64


def group_names_are_unique(draft: Draft) -> Iterator[PlanFinding]:
    """No two groups share a name; case does not count."""
    first: dict[str, Place] = {}
    for group in draft.groups:
        if group.name is None:
            continue
        at = group.entry.place("groupName")
        key = group.name.casefold()
        if key in first:
            yield PlanFinding(
                at, "DUPLICATE_GROUP_NAME", f"two groups are named {quote(group.name)}; rename one", first=first[key]
            )
        first.setdefault(key, at)


def group_ids_are_unique(draft: Draft) -> Iterator[PlanFinding]:
    """No two groups share a `groupId`."""
    first: dict[str, Place] = {}
    for group in draft.groups:
        if group.group_id is None:
            continue
        at = group.entry.place("groupId")
        if group.group_id in first:
            yield PlanFinding(
                at,
                "DUPLICATE_GROUP_ID",
                f"two groups have the id {quote(group.group_id)}; give each its own",
                first=first[group.group_id],
            )
        first.setdefault(group.group_id, at)


def group_names_are_short(draft: Draft) -> Iterator[PlanFinding]:
    """A group's name has at most 64 characters, as `create_protection_group` has it."""
    for group in draft.groups:
        if group.name and len(group.name) > GROUP_NAME_AT_MOST:
            yield PlanFinding(
                group.entry.place("groupName"),
                "NAME_TOO_LONG",
                f"group name {quote(group.name)} has {len(group.name)} characters; use {GROUP_NAME_AT_MOST} at most",
            )


def regions_are_well_formed(draft: Draft) -> Iterator[PlanFinding]:
    """A group's region has the form of an AWS region."""
    for group in draft.groups:
        if group.region is not None and not REGION.fullmatch(group.region):
            yield PlanFinding(
                group.entry.place("region"),
                "INVALID_REGION",
                f"{quote(group.region)} is no AWS region; write it like us-west-2",
            )


def accounts_have_12_digits(draft: Draft) -> Iterator[PlanFinding]:
    """A group's account is 12 digits, once bindings have been applied."""
    for group in draft.groups:
        if group.account is not None and not ACCOUNT_ID.fullmatch(group.account.real):
            yield not_bound(group.account, "accounts", "INVALID_ACCOUNT_ID", "which is no AWS account id (12 digits)")


def servers_come_from_ids_or_tags(draft: Draft) -> Iterator[PlanFinding]:
    """A group has `sourceServerIds` or `serverSelectionTags`: not both, not neither."""
    for group in draft.groups:
        if group.servers and group.selection_tags:
            yield PlanFinding(
                group.entry.place("serverSelectionTags"),
                "IDS_AND_TAGS",
                f"group {quote(group.label)} has both sourceServerIds and serverSelectionTags; keep one of them",
                first=group.entry.place("sourceServerIds"),
            )
        elif not group.servers and not group.selection_tags and not _misread(group.entry.values):
            hint = " (servers[] only holds settings)" if group.entries else ""
            yield PlanFinding(
                group.entry.at,
                "EMPTY_GROUP",
                f"group {quote(group.label)} has no servers: give it sourceServerIds or serverSelectionTags{hint}",
            )


def _misread(values: object) -> bool:
    """Whether the servers were given, but in a form that could not be read: that is a fault already."""
    return isinstance(values, dict) and any(
        name in values and values[name] is None for name in ("sourceServerIds", "serverSelectionTags")
    )


def source_server_ids_are_well_formed(draft: Draft) -> Iterator[PlanFinding]:
    """Each server id has DRS's form, once bindings have been applied; EC2 instance ids have EC2's."""
    problem = "which is no DRS source server id (s- and 17 letters or digits)"
    for group in draft.groups:
        named = [*group.servers, *(entry.server for entry in group.entries if entry.server)]
        for name in named:
            if not SOURCE_SERVER_ID.fullmatch(name.real):
                yield not_bound(name, "sourceServers", "INVALID_SOURCE_SERVER_ID", problem)
        for entry in group.entries:
            if entry.instance_id is not None and not INSTANCE_ID.fullmatch(entry.instance_id):
                yield PlanFinding(
                    entry.entry.place("instanceId"),
                    "INVALID_INSTANCE_ID",
                    f"{quote(entry.instance_id)} is no EC2 instance id (i- and 8 or 17 hexadecimal digits); write the "
                    "real id, or bind it under sourceServers in a bindings file (--bindings)",
                    unbound=("sourceServers", entry.instance_id),
                )


def a_server_is_in_one_group_once(draft: Draft) -> Iterator[PlanFinding]:
    """A server is launched by one group.

    A real id is one server wherever it is written; a placeholder is one server for each account and region.
    """
    first: dict[object, tuple[Place, str]] = {}
    for group in draft.groups:
        for name in group.servers:
            key = name.real if SOURCE_SERVER_ID.fullmatch(name.real) else (*group.where, name.real)
            bound = "" if name.real == name.written else f" (bound to {name.real})"
            if key in first:
                place, other = first[key]
                where = "twice in" if other == group.label else f"in group {quote(other)} and in"
                code = "DUPLICATE_SERVER" if other == group.label else "SERVER_IN_TWO_GROUPS"
                yield PlanFinding(
                    name.at,
                    code,
                    f"server {quote(name.written)}{bound} is {where} group {quote(group.label)}; "
                    "a server is launched once: remove it from one place",
                    first=place,
                )
            first.setdefault(key, (name.at, group.label))


def tags_of_a_selection_are_possible(draft: Draft) -> Iterator[PlanFinding]:
    """`serverSelectionTags` are tags that AWS could have taken."""
    for group in draft.groups:
        at = group.entry.place("serverSelectionTags")
        yield from impossible_tags(group.selection_tags, at, what=f"group {quote(group.label)}")


def selections_do_not_overlap(draft: Draft) -> Iterator[PlanFinding]:
    """No two groups of an account and region select by tags of which one set contains the other: a server with the
    larger set would be in both. Whether other sets meet in one server is checked when the plan runs.
    """
    selecting = [group for group in draft.groups if group.selection_tags]
    for index, group in enumerate(selecting):
        wanted = group.selection_tags.items()
        for former in selecting[:index]:
            tags = former.selection_tags.items()
            if former.where == group.where and (tags <= wanted or wanted <= tags):
                yield PlanFinding(
                    group.entry.place("serverSelectionTags"),
                    "OVERLAPPING_SELECTIONS",
                    f"whoever is selected by group {quote(group.label if wanted >= tags else former.label)} is "
                    f"selected by group {quote(former.label if wanted >= tags else group.label)} too; a server is in "
                    "one group: add a tag that tells them apart",
                    first=former.entry.place("serverSelectionTags"),
                )


def server_entries_have_one_name(draft: Draft) -> Iterator[PlanFinding]:
    """An entry of `servers` is named by exactly one of `sourceServerId`, `instanceId` and `name`."""
    for group in draft.groups:
        for entry in group.entries:
            given = [field for field in ("sourceServerId", "instanceId", "name") if field in entry.entry.values]
            if not given:
                yield PlanFinding(
                    entry.entry.at,
                    "MISSING_FIELD",
                    f"a server of group {quote(group.label)} has no name: give it sourceServerId, instanceId or name "
                    "(its Name tag)",
                )
            elif len(given) > 1:
                yield PlanFinding(
                    entry.entry.place(given[1]),
                    "SERVER_NAMED_TWICE",
                    f"server {quote(entry.label)} is named by {' and '.join(given)}; keep one",
                )


def server_entries_are_members(draft: Draft) -> Iterator[PlanFinding]:
    """Settings for a server id are for a server of that group, where the group lists its ids."""
    for group in draft.groups:
        members = {name.real for name in group.servers}
        if not members:
            continue
        for entry in group.entries:
            if entry.server is not None and entry.server.real not in members:
                there = [name.written for name in group.servers]
                yield PlanFinding(
                    entry.server.at,
                    "SERVER_NOT_IN_GROUP",
                    f"settings for {quote(entry.server.written)}, which is not among the sourceServerIds of group "
                    f"{quote(group.label)}{choices(entry.server.written, there)}",
                )


def server_entries_are_unique(draft: Draft) -> Iterator[PlanFinding]:
    """A server has one entry in its group's `servers`."""
    for group in draft.groups:
        names: Iterable[tuple[str, str, Place]] = (
            (field, value, entry.entry.place(field))
            for entry in group.entries
            for field, value in (
                ("sourceServerId", entry.server.real if entry.server else None),
                ("instanceId", entry.instance_id),
                ("name", entry.name),
            )
            if value is not None
        )
        first: dict[tuple[str, str], Place] = {}
        for field, value, at in names:
            if (field, value) in first:
                yield PlanFinding(
                    at,
                    "DUPLICATE_SERVER_SETTINGS",
                    f"group {quote(group.label)} has settings for {quote(value)} twice; merge them into one entry",
                    first=first[field, value],
                )
            first.setdefault((field, value), at)
