"""Points in time: the snapshot that each server is launched from, where a person asked for one.

In: what was asked for (a time, or snapshots by server) and the servers of a plan. Out: for each server its snapshot, or
the reason why it has none. `latest` makes no call. A snapshot newer than the requested time is never chosen: it may
hold the very damage that the recovery is meant to undo.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prefect_drs.aws.location import Location
from prefect_drs.aws.parallel import map_parallel
from prefect_drs.aws.sessions import Sessions
from prefect_drs.aws.snapshots import Snapshot, find_snapshot, newest_snapshot, oldest_snapshot
from prefect_drs.core.errors import AwsError, UsageError
from prefect_drs.plan.model import Manifest
from prefect_drs.runbook.preflight_input import Membership, ResolutionError, Unread

READERS = 8  # DescribeRecoverySnapshots is a call a server
SNAPSHOT_ID = re.compile(r"pit-[0-9a-zA-Z]{17}")  # botocore's RecoverySnapshotID
LATEST_WORD = "latest"
UNREAD = "UNCHECKED"
"""The code of a choice whose snapshots could not be read."""


@dataclass(frozen=True, slots=True)
class Points:
    """The points in time that a person asked for.

    Args:
        at: the newest snapshot not after this time (UTC); None for the latest state.
        snapshots: snapshot ids by server: source server id, name, hostname, instance id, or its name in the manifest.
            They go before `at`.
    """

    at: datetime | None = None
    snapshots: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, at: str = LATEST_WORD, snapshots: Mapping[str, str] | Iterable[str] | None = None) -> Points:
        """Parse what a person writes.

        Args:
            at: `latest`, or an ISO 8601 time with its zone.
            snapshots: snapshot ids by server, or `SERVER=pit-…` texts.

        Raises:
            UsageError: another form, a time without a zone, a server named twice.
        """
        named: dict[str, str] = {}
        pairs = snapshots.items() if isinstance(snapshots, Mapping) else map(_pair, snapshots or ())
        for server, snapshot in pairs:
            if not server or not SNAPSHOT_ID.fullmatch(snapshot):
                raise UsageError(f"--snapshot {server}={snapshot}: name a server and its snapshot, as in db1=pit-…")
            if named.setdefault(server, snapshot) != snapshot:
                raise UsageError(f"--snapshot names {server} twice, with {named[server]} and {snapshot}")
        return cls(None if at.strip().lower() == LATEST_WORD else _time(at), named)

    def require_past(self, now: datetime) -> None:
        """Refuse a time in the future.

        Raises:
            UsageError: `at` is later than `now`.
        """
        if self.at is not None and self.at > now:
            raise UsageError(f"--at {_shown(self.at)} is still to come; it is {_shown(now)}")


LATEST = Points()


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """A server whose snapshot may be chosen. `label`: its name in messages; `names`: what a person may call it."""

    server_id: str
    location: Location
    label: str
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class SnapshotChoice:
    """A server's snapshot, or why there is none: the code and message of a finding."""

    snapshot: Snapshot | None = None
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class SnapshotChoices:
    """The snapshots that were asked for.

    Args:
        by_server: by source server id; a server without an entry is launched from its latest state.
        errors: servers and snapshots that do not exist.
        unread: servers whose snapshots could not be read.
    """

    by_server: Mapping[str, SnapshotChoice]
    errors: tuple[ResolutionError, ...]
    unread: tuple[Unread, ...]


def choose_snapshots(
    sessions: Sessions, memberships: Iterable[Membership], points: Points, manifest: Manifest
) -> SnapshotChoices:
    """The snapshot of each server for which `points` names one, and of all servers where it has a time.

    Args:
        sessions: the way into the accounts.
        memberships: the plan's groups with their servers.
        points: what a person asked for.
        manifest: has names for servers.
    """
    requests = {
        server.source_server_id: SnapshotRequest(
            server.source_server_id,
            each.location,
            f"{server.name} ({server.source_server_id}) in {each.location}",
            frozenset(
                filter(
                    None,
                    (
                        server.source_server_id,
                        server.name,
                        server.hostname,
                        server.instance_id,
                        *manifest.written_names(server.source_server_id),
                    ),
                )
            ),
        )
        for each in memberships
        for server in each.servers
    }
    errors = [ResolutionError("SNAPSHOT_NAMES_NO_SERVER", text) for text in _misnamed(points, requests.values())]
    choices = _choices(sessions, requests.values(), points)
    unread: list[Unread] = []
    for server_id, choice in choices.items():
        location = requests[server_id].location
        if choice.code == UNREAD:
            unread.append(Unread(location, choice.message, server_id))
        elif choice.snapshot is None:
            errors.append(ResolutionError(choice.code, choice.message, location, server_id))
    return SnapshotChoices(choices, tuple(errors), tuple(unread))


def _misnamed(points: Points, requests: Collection[SnapshotRequest]) -> Iterator[str]:
    """Messages on names given with a snapshot that no server has, or that several have."""
    for name, snapshot_id in points.snapshots.items():
        meant = [request.label for request in requests if name in request.names]
        if len(meant) != 1:
            what = f"matches {', '.join(meant)}; use an id" if meant else "is no server of this plan"
            yield f"snapshot {snapshot_id} is given for {name!r}, which {what}"


def _choices(sessions: Sessions, requests: Collection[SnapshotRequest], points: Points) -> dict[str, SnapshotChoice]:
    named = {
        request.server_id: snapshot_id
        for request in requests
        for name, snapshot_id in points.snapshots.items()
        if name in request.names
    }
    wanted = [request for request in requests if points.at is not None or request.server_id in named]
    if not wanted:
        return {}
    chosen = map_parallel(
        lambda request: _choose(sessions, request, points.at, named.get(request.server_id)), wanted, READERS
    )
    return {request.server_id: choice for request, choice in zip(wanted, chosen, strict=True)}


def _choose(
    sessions: Sessions, server: SnapshotRequest, at: datetime | None, snapshot_id: str | None
) -> SnapshotChoice:
    try:
        if snapshot_id is not None or at is None:
            return _named(sessions, server, snapshot_id or "")
        snapshot = newest_snapshot(sessions, server.location, server.server_id, at)
        if snapshot is not None:
            return SnapshotChoice(snapshot)
        oldest = oldest_snapshot(sessions, server.location, server.server_id)
    except AwsError as error:
        return SnapshotChoice(code=UNREAD, message=f"{server.label}: its snapshots could not be read: {error.message}")
    there = (
        f"the oldest there is, {oldest.snapshot_id}, is of {_shown(oldest.at)}; ask for that time or a later one"
        if oldest
        else "it has none at all"
    )
    return SnapshotChoice(
        code="NO_SNAPSHOT", message=f"{server.label} has no snapshot from {_shown(at)} or before; {there}"
    )


def _named(sessions: Sessions, server: SnapshotRequest, snapshot_id: str) -> SnapshotChoice:
    found = find_snapshot(sessions, server.location, server.server_id, snapshot_id)
    if found is not None:
        return SnapshotChoice(found)
    return SnapshotChoice(
        code="SNAPSHOT_NOT_FOUND",
        message=f"{server.label} has no snapshot {snapshot_id}; it may have expired: "
        f"aws drs describe-recovery-snapshots --source-server-id {server.server_id} lists what there is",
    )


def _pair(text: str) -> tuple[str, str]:
    server, _, snapshot = text.rpartition("=")
    return server.strip(), snapshot.strip()


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"--at {text}: say latest, or a time such as 2026-05-01T12:00:00Z") from None
    if at.tzinfo is None:
        raise UsageError(f"--at {text}: a time needs its zone; append Z for UTC")
    return at.astimezone(UTC)


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
