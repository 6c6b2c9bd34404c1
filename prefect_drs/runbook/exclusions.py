"""Exclusions: a person leaves a server out of an execution, with a reason, instead of editing the plan.

In: servers and reasons (`--exclude SERVER=REASON`), and the members of the plan's groups. Out: the same groups without
those servers, which are listed in `excluded` with the reason. A server that DRS no longer has can be excluded by its id
or its name in the manifest. Pure: no call is made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from prefect_drs.core.errors import UsageError
from prefect_drs.plan.model import Manifest
from prefect_drs.runbook.model import ExcludedServer
from prefect_drs.runbook.preflight_input import Exclusion, Membership

NAMES_LISTED = 5  # servers of the plan that a message lists where no name is similar
SIMILAR = 0.5  # how similar a name must be to be suggested (difflib's ratio)


def parse_exclusions(exclude: Mapping[str, str] | Iterable[str] | None) -> dict[str, str]:
    """Reasons by server, from `SERVER=REASON` texts or a mapping.

    Raises:
        UsageError: no server, no reason, or a server with two reasons; one message lists all faults.
    """
    pairs = exclude.items() if isinstance(exclude, Mapping) else (text.partition("=")[::2] for text in exclude or ())
    reasons: dict[str, str] = {}
    faults: list[str] = []
    for server, reason in ((server.strip(), reason.strip()) for server, reason in pairs):
        if not server:
            faults.append(f"--exclude ={reason}: name the server, as in --exclude db1='disk failed'")
        elif not reason:
            faults.append(f"say why {server} is left out, as in --exclude {server}='disk failed'")
        elif reasons.setdefault(server, reason) != reason:
            faults.append(f"--exclude names {server} twice, with {reasons[server]!r} and {reason!r}")
    if faults:
        raise UsageError("\n".join(faults))
    return reasons


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A server that may be excluded: its group and its names."""

    group: str
    server_id: str
    name: str
    names: frozenset[str]

    def __str__(self) -> str:
        return f"{self.name} ({self.server_id})" if self.name != self.server_id else self.server_id


def without_excluded(
    manifest: Manifest, memberships: Mapping[str, Membership], planned: Iterable[str], reasons: Mapping[str, str]
) -> dict[str, Membership]:
    """The memberships without the excluded servers.

    Args:
        manifest: has names for servers.
        memberships: by group name.
        planned: the names of the plan's groups.
        reasons: by server: its source server id, Name tag, hostname or instance id, or its name in the manifest.

    Raises:
        UsageError: the plan does not have the server, several servers have the name, or no server would be left. Where
            a group could not be read, an unknown name is no error: the unread group refuses the execution.
    """
    if not reasons:
        return dict(memberships)
    groups = [memberships[name] for name in planned]
    candidates = list(_candidates(manifest, groups))
    chosen: dict[str, str] = {}
    faults: list[str] = []
    for reference, reason in reasons.items():
        meant = {each.server_id: each for each in candidates if reference in each.names}
        if len(meant) > 1:
            faults.append(f"--exclude {reference} matches {', '.join(map(str, meant.values()))}; use an id")
        elif not meant and all(group.read for group in groups):
            faults.append(f"--exclude {reference}: the plan has no such server; {_suggestion(reference, candidates)}")
        chosen |= dict.fromkeys(meant, reason)
    if candidates and {each.server_id for each in candidates} <= chosen.keys():
        faults.append("--exclude leaves out every server of the plan: nothing would be launched")
    if faults:
        raise UsageError("\n".join(faults))
    return {name: _without(membership, candidates, chosen) for name, membership in memberships.items()}


def _candidates(manifest: Manifest, groups: Sequence[Membership]) -> Iterator[_Candidate]:
    for membership in groups:
        there = {server.source_server_id: server for server in membership.servers}
        for server_id in dict.fromkeys((*membership.group.source_server_ids, *there)):
            server = there.get(server_id)
            written = manifest.written_names(server_id)
            own = (server.name, server.hostname, server.instance_id) if server else ()
            name = server.name if server else next(iter(written), server_id)
            names = frozenset(filter(None, (server_id, *written, *own)))
            yield _Candidate(membership.group.group_name, server_id, name, names)


def _without(membership: Membership, candidates: Sequence[_Candidate], reasons: Mapping[str, str]) -> Membership:
    excluded = tuple(
        Exclusion(
            ExcludedServer(
                source_server_id=each.server_id, name=each.name, group=each.group, reason=reasons[each.server_id]
            ),
            each.names,
        )
        for each in candidates
        if each.group == membership.group.group_name and each.server_id in reasons
    )
    ids = {each.server.source_server_id for each in excluded}
    servers = tuple(server for server in membership.servers if server.source_server_id not in ids)
    return replace(membership, servers=servers, excluded=excluded)


def _suggestion(reference: str, candidates: Sequence[_Candidate]) -> str:
    """The most similar names, or some of the plan's servers."""
    by_name = {name.casefold(): each for each in candidates for name in sorted(each.names)}
    similar = get_close_matches(reference.casefold(), by_name, n=3, cutoff=SIMILAR)
    if similar:
        return f"did you mean {' or '.join(dict.fromkeys(str(by_name[name]) for name in similar))}?"
    some = ", ".join(str(each) for each in candidates[:NAMES_LISTED]) or "none"
    more = f" and {len(candidates) - NAMES_LISTED} more" if len(candidates) > NAMES_LISTED else ""
    return f"it has {some}{more}"
