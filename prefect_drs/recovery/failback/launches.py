"""The launches of a failback in one account-region.

Where a recovery instance originates in EC2, the source server that replicates back is launched there by
`StartRecovery`; a machine outside AWS is launched by `StartFailbackLaunch` (see `prefect_drs.aws.failback`). Both make
a launch job, whose servers are followed by `launchStatus` like those of any other. The engine knows each server by the
source server id of the plan; only here the other ids are used.

Must never: launch a server whose data has not arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from prefect_drs.aws.drs import READY_STATES, Job, ParticipatingServer, RecoveryInstance, SourceServer, start_recovery
from prefect_drs.aws.failback import start_failback_launch
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.execution.state import ExecutionState
from prefect_drs.plan.duration import parse_duration
from prefect_drs.recovery.launch.launches import Launches
from prefect_drs.runbook import RunbookServer

READY_TO_LAUNCH = "FAILBACK_READY_FOR_LAUNCH"

_Known = TypeVar("_Known", SourceServer, RecoveryInstance, ParticipatingServer)


class FailbackLaunches(Launches):
    """Launches servers back.

    Args:
        sessions: the way in.
        location: the account and region that the servers are launched in.
        state: the execution; it knows the source servers that replicate back.
    """

    def __init__(self, sessions: Sessions, location: Location, state: ExecutionState) -> None:
        launched = [
            (wave, server) for wave in state.runbook.waves if wave.action == "launch" for server in wave.servers
        ]
        here = [(wave, server) for wave, server in launched if server.location == location]
        self._servers: dict[str, RunbookServer] = {server.source_server_id: server for _, server in here}
        self._max_lag = {server.source_server_id: wave.max_lag for wave, server in here}
        self._state = state
        drill = any(server.way_back is not None and server.way_back.drill for _, server in here)
        super().__init__(sessions, location, is_drill=drill)

    def _outside_aws(self, server_id: str) -> bool:
        way_back = self._servers[server_id].way_back
        return way_back is not None and way_back.outside_aws

    def drs_id(self, server_id: str) -> str:
        """The id of the source server that DRS launches for it."""
        return server_id if self._outside_aws(server_id) else self._state.ways_back.get(server_id, server_id)

    def _known(self, found: Iterable[_Known]) -> tuple[_Known, ...]:
        """DRS's answers by the ids of the runbook; of other servers as they are."""
        ours = {self.drs_id(server_id): server_id for server_id in self._servers}
        return tuple(
            replace(each, source_server_id=ours.get(each.source_server_id, each.source_server_id)) for each in found
        )

    def jobs(self, since: datetime) -> tuple[Job, ...]:
        """Everybody's jobs there since a time."""
        return tuple(replace(job, servers=self._known(job.servers)) for job in super().jobs(since))

    def source_servers(self, server_ids: Sequence[str]) -> tuple[SourceServer, ...]:
        """The source servers that are launched for those servers."""
        return self._known(super().source_servers([self.drs_id(server_id) for server_id in server_ids]))

    def recovery_instances(self, server_ids: Sequence[str]) -> tuple[RecoveryInstance, ...]:
        """The recovery instances that failback launches made of those servers; outside AWS, those that fail back."""
        return self._known(super().recovery_instances([self.drs_id(server_id) for server_id in server_ids]))

    def together(self, server_ids: Sequence[str]) -> tuple[str, ...]:
        """Servers that one call may launch: all outside AWS, or none of them."""
        outside = self._outside_aws(server_ids[0])
        return tuple(server_id for server_id in server_ids if self._outside_aws(server_id) is outside)

    def not_ready(self, sources: Sequence[SourceServer]) -> dict[str, str]:
        """Why servers are not to be launched now: their replication back has stalled, or lags too far behind."""
        reasons: dict[str, str] = {}
        outside = [source.source_server_id for source in sources if self._outside_aws(source.source_server_id)]
        ready = {
            instance.source_server_id
            for instance in (super().recovery_instances(outside) if outside else ())
            if instance.failback_state == READY_TO_LAUNCH
        }
        for source in sources:
            server_id = source.source_server_id
            if server_id in outside:
                if server_id not in ready:
                    reasons[server_id] = "its Failback Client is not ready for launch"
            elif source.replication_state not in READY_STATES:
                reasons[server_id] = (
                    f"its replication back is {source.replication_state}: what was written last is not there"
                )
            elif (problem := lag_problem(source.lag, self._max_lag[server_id])) is not None:
                reasons[server_id] = problem
        return reasons

    def without_points(self, snapshots: Mapping[str, str | None]) -> dict[str, str]:
        """Nothing: a failback launches the latest state."""
        del snapshots
        return {}

    def start(self, snapshots: Mapping[str, str | None], tags: Mapping[str, str]) -> Job:
        """The one call that launches."""
        if self._outside_aws(next(iter(snapshots))):
            instances = {server_id: self._instance(server_id) for server_id in snapshots}
            return start_failback_launch(self.sessions, self.location, instances, tags=tags)
        servers = {self._state.ways_back[server_id]: None for server_id in snapshots}
        job = start_recovery(self.sessions, self.location, servers, is_drill=self._is_drill, tags=tags)
        return replace(job, servers=self._known(job.servers))

    def _instance(self, server_id: str) -> str:
        way_back = self._servers[server_id].way_back
        if way_back is None:
            raise ValueError(f"{server_id} has no way back")  # the runbook of a failback gives each server one
        return way_back.recovery_instance_id


def lag_problem(lag: str | None, allowed: str | None) -> str | None:
    """Why a server's lag is too large; None where it is not, or no limit is set."""
    if allowed is None or lag is None:
        return None
    behind, limit = parse_duration(lag), parse_duration(allowed)
    if behind is None:
        return f"DRS reports its lag as {lag!r}, which is no duration"
    return (
        f"its replication back lags {lag} behind; {allowed} is allowed"
        if limit is not None and behind > limit
        else None
    )
