"""Whether servers that do not replicate have a snapshot to launch from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from prefect_drs.aws.drs import READY_STATES
from prefect_drs.aws.location import Location
from prefect_drs.aws.parallel import map_parallel
from prefect_drs.aws.sessions import Sessions
from prefect_drs.aws.snapshots import newest_snapshot
from prefect_drs.core.errors import AwsError
from prefect_drs.runbook.model import RunbookServer, RunbookWave
from prefect_drs.runbook.points import READERS
from prefect_drs.runbook.preflight_input import Unread

SNAPSHOTS_READ = 25  # servers an account and region whose snapshots are read, a call each


@dataclass(frozen=True, slots=True)
class SnapshotPresence:
    """Whether servers that may have no snapshot have one.

    Args:
        by_server: whether there is one, by source server id.
        not_read: how many more such servers an account and region has, whose snapshots were not read.
        unread: servers whose snapshots could not be read.
    """

    by_server: Mapping[str, bool]
    not_read: Mapping[Location, int]
    unread: tuple[Unread, ...]


def read_snapshots(sessions: Sessions, waves: Iterable[RunbookWave], now: datetime) -> SnapshotPresence:
    """Whether servers that may have no snapshot have one.

    A server that replicates, or whose lag DRS reports, has one; so has one whose snapshot a person chose. The others
    are read, 25 an account and region, since that takes a call each.
    """
    doubtful: dict[Location, list[RunbookServer]] = defaultdict(list)
    for wave in waves:
        for server in wave.servers:
            if server.replication_state not in READY_STATES and not server.lag and not server.snapshot_id:
                doubtful[server.location].append(server)
    chosen = [server for servers in doubtful.values() for server in servers[:SNAPSHOTS_READ]]

    def read(server: RunbookServer) -> bool | AwsError:
        try:
            return newest_snapshot(sessions, server.location, server.source_server_id, now) is not None
        except AwsError as error:
            return error

    found: dict[str, bool] = {}
    unread: list[Unread] = []
    for server, answer in zip(chosen, map_parallel(read, chosen, READERS), strict=True):
        if isinstance(answer, AwsError):
            message = f"{server.name} ({server.source_server_id}) in {server.location}: {answer.message}"
            unread.append(Unread(server.location, message, server.source_server_id))
        else:
            found[server.source_server_id] = answer
    more = {location: len(servers) - SNAPSHOTS_READ for location, servers in doubtful.items()}
    return SnapshotPresence(found, {location: count for location, count in more.items() if count > 0}, tuple(unread))
