"""Points in time: which snapshot each server is launched from, where the latest state is not what is wanted.

In: what was asked for (a time, or snapshots by server) and the servers of a plan. Out: for each server its snapshot, or
the fault that keeps it from having one. Only what was asked for is read: `latest` makes no call. It never takes a
snapshot newer than the time that was asked for: what is on it may be what is being fled from.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prefect_drs.aws.drs import Snapshot, find_snapshot, newest_snapshot, oldest_snapshot
from prefect_drs.aws.location import Location
from prefect_drs.aws.parallel import each
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError, UsageError

READERS = 8  # DescribeRecoverySnapshots is a call a server
SNAPSHOT_ID = re.compile(r"pit-[0-9a-zA-Z]{17}")  # botocore's RecoverySnapshotID
LATEST_WORD = "latest"


@dataclass(frozen=True, slots=True)
class Points:
    """What to launch from.

    Args:
        at: the newest snapshot not after this time (UTC); None for the latest state.
        snapshots: snapshot ids by server: source server id, name, hostname or instance id. They go before `at`.
    """

    at: datetime | None = None
    snapshots: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, at: str = LATEST_WORD, snapshots: Mapping[str, str] | Iterable[str] | None = None) -> Points:
        """From what a person writes.

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


LATEST = Points()


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """A server as far as choosing its snapshot goes. `label`: how messages call it; `names`: what may stand for it."""

    server_id: str
    location: Location
    label: str
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Choice:
    """A server's snapshot, or why there is none: a finding's code and message."""

    snapshot: Snapshot | None = None
    code: str = ""
    message: str = ""


def misnamed(points: Points, servers: Collection[SnapshotRequest]) -> list[str]:
    """What is wrong with the servers that snapshots were named for: no such server, or several of that name."""
    faults = []
    for name, snapshot_id in points.snapshots.items():
        meant = [server.label for server in servers if name in server.names]
        if len(meant) != 1:
            what = f"stands for {', '.join(meant)}; use an id" if meant else "is no server of this plan"
            faults.append(f"snapshot {snapshot_id} is asked for {name!r}, which {what}")
    return faults


def choose(sessions: Sessions, servers: Collection[SnapshotRequest], points: Points) -> dict[str, Choice]:
    """The snapshot of each server that has one named, and of all others where `points` has a time; by server id.

    What could not be read is a choice without a snapshot, of code UNCHECKED.
    """
    named = {
        server.server_id: snapshot_id
        for server in servers
        for name, snapshot_id in points.snapshots.items()
        if name in server.names
    }
    wanted = [server for server in servers if points.at is not None or server.server_id in named]
    if not wanted:
        return {}
    choices = each(lambda server: _choose(sessions, server, points.at, named.get(server.server_id)), wanted, READERS)
    return {server.server_id: choice for server, choice in zip(wanted, choices, strict=True)}


def _choose(sessions: Sessions, server: SnapshotRequest, at: datetime | None, snapshot_id: str | None) -> Choice:
    try:
        if snapshot_id is not None or at is None:
            return _named(sessions, server, snapshot_id or "")
        snapshot = newest_snapshot(sessions, server.location, server.server_id, at)
        if snapshot is not None:
            return Choice(snapshot)
        oldest = oldest_snapshot(sessions, server.location, server.server_id)
    except AwsError as error:
        return Choice(code="UNCHECKED", message=f"{server.label}: its snapshots could not be read: {error.message}")
    there = (
        f"the oldest there is, {oldest.snapshot_id}, is of {_shown(oldest.at)}; ask for that time or a later one"
        if oldest
        else "it has none at all"
    )
    return Choice(code="NO_SNAPSHOT", message=f"{server.label} has no snapshot from {_shown(at)} or before; {there}")


def _named(sessions: Sessions, server: SnapshotRequest, snapshot_id: str) -> Choice:
    found = find_snapshot(sessions, server.location, server.server_id, snapshot_id)
    if found is not None:
        return Choice(found)
    return Choice(
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
