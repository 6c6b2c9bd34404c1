"""The point-in-time snapshots of source servers: what a server can be launched from.

In: `Sessions`, a `Location` and a source server id. Out: `Snapshot`s, or an `AwsError`. Reads only, page by page: who
looks for one snapshot reads no further than it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from prefect_drs.aws.drs import drs_text, instant
from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.sessions import Sessions

if TYPE_CHECKING:
    from prefect_drs.aws.location import Location


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A point in time a server can be launched from."""

    snapshot_id: str
    source_server_id: str
    at: datetime


def describe_snapshots(sessions: Sessions, location: Location, source_server_id: str) -> tuple[Snapshot, ...]:
    """The points in time of one server, the newest first.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    return tuple(iterate_snapshots(sessions, location, source_server_id))


def iterate_snapshots(
    sessions: Sessions,
    location: Location,
    source_server_id: str,
    *,
    until: datetime | None = None,
    newest_first: bool = True,
) -> Iterator[Snapshot]:
    """The points in time of one server, page by page as they are taken from the iterator.

    Args:
        until: leaves out those that DRS expected after that time.
        newest_first: the order.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    filters: dict[str, Any] = {} if until is None else {"filters": {"toDateTime": drs_text(until)}}
    with aws_call("DescribeRecoverySnapshots", location.account_id, location.region, server=source_server_id):
        paginator = sessions.client("drs", **location._asdict()).get_paginator("describe_recovery_snapshots")
        pages = paginator.paginate(sourceServerID=source_server_id, order="DESC" if newest_first else "ASC", **filters)
        for page in pages:
            for item in page["items"]:
                taken = item.get("timestamp") or item["expectedTimestamp"]
                yield Snapshot(item["snapshotID"], item["sourceServerID"], instant(taken))


def newest_snapshot(sessions: Sessions, location: Location, source_server_id: str, until: datetime) -> Snapshot | None:
    """The newest point in time of a server that is not after `until`; None where there is none.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    there = iterate_snapshots(sessions, location, source_server_id, until=until)
    return next((snapshot for snapshot in there if snapshot.at <= until), None)


def oldest_snapshot(sessions: Sessions, location: Location, source_server_id: str) -> Snapshot | None:
    """The oldest point in time of a server that DRS still has.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    return next(iterate_snapshots(sessions, location, source_server_id, newest_first=False), None)


def find_snapshot(sessions: Sessions, location: Location, source_server_id: str, snapshot_id: str) -> Snapshot | None:
    """A server's point in time of that id; None where DRS does not have it (any more).

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    there = iterate_snapshots(sessions, location, source_server_id)
    return next((snapshot for snapshot in there if snapshot.snapshot_id == snapshot_id), None)
