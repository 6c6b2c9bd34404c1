"""The members of the plan's groups: every group has its servers, and a server is in one group."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.runbook.preflight_input import Membership, PreflightInput
from prefect_drs.runbook.rules.rule import Observation, rule


def _planned(preflight: PreflightInput) -> Iterator[Membership]:
    return (each for each in preflight.memberships if each.group.group_name in preflight.planned and each.read)


@rule(
    "SERVER_NOT_FOUND",
    what="DRS has no source server of that id in the group's account and region",
    remedy="correct the id, the group's account and region, or the bindings",
)
def servers_exist(preflight: PreflightInput) -> Iterator[Observation]:
    """Every server that a group names is a source server of its account and region."""
    for each in _planned(preflight):
        found = {server.source_server_id for server in each.servers}
        found |= {exclusion.server.source_server_id for exclusion in each.excluded}
        for missing in (wanted for wanted in each.group.source_server_ids if wanted not in found):
            yield Observation(
                f"group {each.group.group_name}: DRS has no source server {missing} in {each.location} "
                f"({len(preflight.servers.get(each.location, ()))} there); check its id, account and region",
                each.location,
                missing,
            )


@rule(
    "NO_SERVER_MATCHES",
    what="no source server carries all tags of a group's selection",
    remedy="tag the servers in DRS (or run tag sync), or change `serverSelectionTags`",
)
def selections_find_servers(preflight: PreflightInput) -> Iterator[Observation]:
    """A selection by tags finds a server."""
    for each in _planned(preflight):
        if each.group.server_selection_tags and not each.servers and not each.excluded:
            tags = ", ".join(f"{key}={value}" for key, value in each.group.server_selection_tags.items())
            yield Observation(
                f"group {each.group.group_name}: no source server in {each.location} carries {tags}; "
                "tag them in DRS (or run tag sync), or change serverSelectionTags",
                each.location,
            )


@rule(
    "SERVER_IN_TWO_GROUPS",
    what="two groups of the manifest, by their tags or ids, hold a server of the plan",
    remedy="a server is launched once, by one group: add a tag that tells the groups apart, or take it out of one",
)
def a_server_is_in_one_group(preflight: PreflightInput) -> Iterator[Observation]:
    """A server that the plan launches is in one group of the manifest."""
    holders: dict[str, list[Membership]] = {}
    for each in preflight.memberships:
        for server in each.servers:
            holders.setdefault(server.source_server_id, []).append(each)
    waves: dict[str, list[int]] = {}
    names: dict[str, str] = {}
    for wave, launched in preflight.launched():
        waves.setdefault(launched.source_server_id, []).append(wave.wave_number)
        names[launched.source_server_id] = launched.name
    for server_id, groups in holders.items():
        if len(groups) < 2 or server_id not in waves:
            continue
        numbers = sorted(set(waves[server_id]))
        where = " and in ".join(f"wave {number}" for number in numbers)
        yield Observation(
            f"{names[server_id]} ({server_id}) in {groups[0].location} is in groups "
            f"{' and '.join(each.group.group_name for each in groups)} (in {where}); "
            "a server is launched once: take it out of one group",
            groups[0].location,
            server_id,
        )
