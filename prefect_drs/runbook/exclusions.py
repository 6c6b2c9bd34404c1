"""Exclusions: a person leaves a server out of an execution, and says why, instead of editing the plan.

In: servers and reasons (`--exclude SERVER=REASON`), and who belongs to the plan's groups. Out: the same groups without
those servers, which are kept beside them with the reason. A server that DRS does not have any more can be left out by
the id or name that the manifest has for it. Nothing is read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from prefect_drs.core.errors import UsageError
from prefect_drs.plan.model import Manifest
from prefect_drs.runbook.model import ExcludedServer
from prefect_drs.runbook.preflight_input import Exclusion, Membership

NAMES_TOLD = 5  # servers of the plan that a message names where none is near
NEAR = 0.5  # how alike a name must be to be suggested (difflib's ratio)


def parse_exclusions(exclude: Mapping[str, str] | Iterable[str] | None) -> dict[str, str]:
    """Reasons by server, from `SERVER=REASON` texts or a mapping.

    Raises:
        UsageError: no server, no reason, or a server with two reasons; all that is wrong at once.
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
    """A server that may be left out: of which group, and by which names."""

    group: str
    server_id: str
    name: str
    names: frozenset[str]

    def __str__(self) -> str:
        return f"{self.name} ({self.server_id})" if self.name != self.server_id else self.server_id


def without_excluded(
    manifest: Manifest, memberships: Mapping[str, Membership], planned: Iterable[str], reasons: Mapping[str, str]
) -> dict[str, Membership]:
    """The memberships without the servers that are left out of the plan's groups.

    Args:
        manifest: whose names servers may be called by.
        memberships: by group name.
        planned: the names of the plan's groups.
        reasons: by server: its source server id, Name tag, hostname or instance id, or what the manifest calls it.

    Raises:
        UsageError: a server that the plan does not have, or a name that several bear; or no server would be left. What
            could not be read is not called unknown: it refuses the execution by itself.
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
            faults.append(f"--exclude {reference} stands for {', '.join(map(str, meant.values()))}; use an id")
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
    left_out = tuple(
        Exclusion(
            ExcludedServer(
                source_server_id=each.server_id, name=each.name, group=each.group, reason=reasons[each.server_id]
            ),
            each.names,
        )
        for each in candidates
        if each.group == membership.group.group_name and each.server_id in reasons
    )
    ids = {each.server.source_server_id for each in left_out}
    kept = tuple(server for server in membership.servers if server.source_server_id not in ids)
    return replace(membership, servers=kept, excluded=left_out)


def _suggestion(reference: str, candidates: Sequence[_Candidate]) -> str:
    """What may have been meant: the nearest names, or some that there are."""
    by_name = {name.casefold(): each for each in candidates for name in sorted(each.names)}
    near = get_close_matches(reference.casefold(), by_name, n=3, cutoff=NEAR)
    if near:
        return f"did you mean {' or '.join(dict.fromkeys(str(by_name[name]) for name in near))}?"
    some = ", ".join(str(each) for each in candidates[:NAMES_TOLD]) or "none"
    more = f" and {len(candidates) - NAMES_TOLD} more" if len(candidates) > NAMES_TOLD else ""
    return f"it has {some}{more}"
