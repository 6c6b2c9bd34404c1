"""How the engine launches in one account-region, and reads its launches back: by the source server ids of the runbook.

In: ids of the runbook's servers. Out: DRS's answers with the same ids. A recovery launches those source servers
themselves. A failback launches the source servers that replicate back, which have ids of their own, or machines outside
AWS by their recovery instances; see `recovery.failback.launches`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from prefect_drs.aws.drs import (
    Job,
    RecoveryInstance,
    SourceServer,
    describe_jobs,
    describe_recovery_instances,
    describe_source_servers,
    start_recovery,
)
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.aws.snapshots import find_snapshot, oldest_snapshot


class Launches:
    """The launches of a recovery or drill in one account-region.

    Args:
        sessions: the way in.
        location: the account and region.
        is_drill: whether a launch is a drill's.
    """

    def __init__(self, sessions: Sessions, location: Location, *, is_drill: bool) -> None:
        self.sessions = sessions
        self.location = location
        self._is_drill = is_drill

    def drs_id(self, server_id: str) -> str:
        """The id of the source server that DRS launches for a server of the runbook; its launch settings count."""
        return server_id

    def jobs(self, since: datetime) -> tuple[Job, ...]:
        """Everybody's jobs there since a time.

        Raises:
            AwsError: DRS refused or could not be reached.
        """
        return describe_jobs(self.sessions, self.location, since=since)

    def source_servers(self, server_ids: Sequence[str]) -> tuple[SourceServer, ...]:
        """The source servers that are launched for those servers; one that is not there is not in the answer.

        Raises:
            AwsError: DRS refused or could not be reached.
        """
        return describe_source_servers(self.sessions, self.location, server_ids)

    def recovery_instances(self, server_ids: Sequence[str]) -> tuple[RecoveryInstance, ...]:
        """The recovery instances of those servers.

        Raises:
            AwsError: DRS refused or could not be reached.
        """
        return describe_recovery_instances(self.sessions, self.location, server_ids)

    def together(self, server_ids: Sequence[str]) -> tuple[str, ...]:
        """Servers that one call may launch; the rest wait for the next one."""
        return tuple(server_ids)

    def not_ready(self, sources: Sequence[SourceServer]) -> dict[str, str]:
        """Why servers are not to be launched now, by source server id: a state that passes. Of a recovery: none.

        Args:
            sources: of the servers, as just read.

        Raises:
            AwsError: DRS refused or could not be reached.
        """
        del sources
        return {}

    def without_points(self, snapshots: Mapping[str, str | None]) -> dict[str, str]:
        """Why servers cannot be launched from their point in time any more, by source server id.

        Raises:
            AwsError: DRS refused or could not be reached.
        """
        failed: dict[str, str] = {}
        for server_id, snapshot_id in snapshots.items():
            if snapshot_id is not None:  # it may expire while a gate is waited at
                if find_snapshot(self.sessions, self.location, server_id, snapshot_id) is None:
                    failed[server_id] = (
                        f"its snapshot {snapshot_id} is no longer there; start again from another point in time"
                    )
            elif len(snapshots) == 1 and oldest_snapshot(self.sessions, self.location, server_id) is None:
                failed[server_id] = f"DRS keeps no point in time of {server_id} any more: it was disconnected"
        return failed

    def start(self, snapshots: Mapping[str, str | None], tags: Mapping[str, str]) -> Job:
        """The one call that launches.

        Args:
            snapshots: source server id → snapshot id, None for the latest point in time.
            tags: of the job.

        Raises:
            AwsError: refused, or no answer came.
        """
        return start_recovery(self.sessions, self.location, snapshots, is_drill=self._is_drill, tags=tags)
