"""The operations on the data replication of source servers, and its scheduled events.

The state machine is `replication.Replication`. Each start and stop begins a new generation; events of an earlier
generation are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from . import event_bus
from .durations import initial_sync, replication_step
from .event_bus import STALLED_CHANGE
from .exceptions import ConflictException, ValidationException
from .identifiers import generator
from .paging import answer_page
from .replication import INITIATION_STEPS, PointInTime, ReplicationState, ebs_snapshots
from .scope import Scope
from .source_servers import SourceServer
from .store import BusyServers, Store
from .wire import Params, Wire, parse_time, wire_time

POINT_EVERY = 600
"""Seconds from one point in time to the next, at most (the MINUTE rule of AWS's policy)."""
NOT_REPLICATING = frozenset({ReplicationState.STOPPED, ReplicationState.DISCONNECTED})


@dataclass(slots=True)
class DataReplication:
    """Starts, stops and stalls replication, and lists its points in time."""

    _scope: Scope
    _servers: Store[SourceServer]
    _busy: BusyServers
    _told_until: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._scope.handle(
            replication_step=self._end_step,
            replication_synced=self._end_sync,
            replication_continuous=self._become_continuous,
        )

    def disconnect_source_server(self, params: Params) -> Wire:
        """DisconnectSourceServer: ends replication permanently and deletes its points in time.

        The model: a source server that has a recovery instance cannot be disconnected.
        """
        server = self._idle(params)
        if server.recovery_instance_id:
            raise _conflict(server, f"has the recovery instance {server.recovery_instance_id}.")
        self._end(server, ReplicationState.DISCONNECTED)
        return server.wire(self._scope.now())

    def start_replication(self, params: Params) -> Wire:
        """StartReplication of a server that was stopped."""
        server = self._idle(params)
        if server.replication.state not in NOT_REPLICATING:
            raise _conflict(server, f"is replicating already ({server.replication.state}).")
        self.initiate(server)
        return {"sourceServer": server.wire(self._scope.now())}

    def stop_replication(self, params: Params) -> Wire:
        """StopReplication: deletes the points in time with the staging disks."""
        server = self._idle(params)
        if server.replication.state in NOT_REPLICATING:
            raise _conflict(server, f"is not replicating ({server.replication.state}).")
        self._end(server, ReplicationState.STOPPED)
        return {"sourceServer": server.wire(self._scope.now())}

    def _idle(self, params: Params) -> SourceServer:
        server = self._servers.one(params["sourceServerID"])
        self._busy.refuse(server.server_id)
        return server

    def _end(self, server: SourceServer, state: ReplicationState) -> None:
        server.replication.move(state, self._scope.now())
        server.replication.generation += 1
        server.replication.spans = []

    def retry_data_replication(self, params: Params) -> Wire:
        """RetryDataReplication: only of a server that is stalled, disconnected or stopped."""
        server = self._servers.one(params["sourceServerID"])
        state = server.replication.state
        if state is ReplicationState.STALLED:
            self.resume(server)
        elif state in NOT_REPLICATING:
            self.initiate(server)
        else:
            raise ValidationException(f"Source server {server.server_id} is {state}: there is nothing to retry.")
        return server.wire(self._scope.now())

    def describe_recovery_snapshots(self, params: Params) -> Wire:
        """DescribeRecoverySnapshots of one server: between two times, oldest or newest first."""
        server_id = params["sourceServerID"]
        server = self._servers.get(server_id)
        filters = params.get("filters") or {}
        points = server.points_in_time(self._scope.seed, self._scope.now()) if server else []
        if since := filters.get("fromDateTime"):
            points = [point for point in points if point.at >= parse_time(since)]
        if until := filters.get("toDateTime"):
            points = [point for point in points if point.at <= parse_time(until)]
        if params.get("order") == "DESC":
            points.reverse()
        disks = len(server.disks) if server else 0

        def wire(point: PointInTime) -> Wire:
            return {
                "snapshotID": point.snapshot_id,
                "sourceServerID": server_id,
                "expectedTimestamp": wire_time(point.at),
                "timestamp": wire_time(point.at),
                "ebsSnapshots": ebs_snapshots(server_id, self._scope.seed, point.at, disks),
            }

        return answer_page("DescribeRecoverySnapshots", params, points, wire)

    def tell_points_in_time(self) -> None:
        """Tell EventBridge of the points in time that were taken since the last call and still exist."""
        now = self._scope.now()
        newest = int(now.timestamp()) // POINT_EVERY * POINT_EVERY
        told, self._told_until = self._told_until, newest
        if told is None or told >= newest or not event_bus.has_rules(*self._scope.place):
            return
        taken = [
            (point.at, server.arn, point.snapshot_id)
            for server in self._servers.values()
            if not server.extended
            for point in server.points_in_time(self._scope.seed, now)
            if point.at.timestamp() > told
        ]
        for at, arn, snapshot_id in sorted(taken):
            event_bus.put_event(
                *self._scope.place, at, event_bus.POINT_TAKEN, arn, state="SUCCEEDED", snapshot_id=snapshot_id
            )

    def initiate(self, server: SourceServer) -> None:
        """Enter INITIATING and schedule the first step."""
        now = self._scope.now()
        server.replication.generation += 1
        server.replication.move(ReplicationState.INITIATING, now)
        server.replication.started_at = now
        server.replication.step = 0
        self._begin_step(now, server)

    def stall(self, server: SourceServer, error: str = "AGENT_NOT_SEEN") -> None:
        """Stall replication from now on: the lag grows."""
        self._scope.advance()
        server.replication.generation += 1
        server.replication.move(ReplicationState.STALLED, self._scope.now(), error=error)
        self._scope.emit(STALLED_CHANGE, server.arn, state="STALLED")

    def resume(self, server: SourceServer) -> None:
        """Make a stalled server rescan and catch up."""
        self._scope.advance()
        now = self._scope.now()
        server.replication.generation += 1
        server.replication.move(ReplicationState.RESCAN, now)
        self._scope.emit(STALLED_CHANGE, server.arn, state="NOT_STALLED")
        rng = generator(self._scope.seed, "rescan", server.server_id, server.replication.generation)
        self._schedule(now, initial_sync(rng, server.disk_bytes) / 10, "replication_continuous", server)

    def _schedule(self, at: datetime, seconds: float, event: str, server: SourceServer) -> None:
        self._scope.schedule(at + timedelta(seconds=seconds), event, server.server_id, server.replication.generation)

    def _begin_step(self, at: datetime, server: SourceServer) -> None:
        replication = server.replication
        rng = generator(self._scope.seed, "step", server.server_id, replication.generation, replication.step)
        self._schedule(at, replication_step(rng), "replication_step", server)

    def _living(self, server_id: str, generation: int) -> SourceServer | None:
        server = self._servers.get(server_id)
        return server if server and server.replication.generation == generation else None

    def _end_step(self, at: datetime, server_id: str, generation: int) -> None:
        """One initiation step is done; after the last, the first copy begins."""
        server = self._living(server_id, generation)
        if server is None:
            return
        server.replication.step += 1
        if server.replication.step < len(INITIATION_STEPS):
            self._begin_step(at, server)
            return
        seconds = initial_sync(generator(self._scope.seed, "sync", server_id, generation), server.disk_bytes)
        server.replication.move(ReplicationState.INITIAL_SYNC, at)
        server.replication.synced_at = at + timedelta(seconds=seconds)
        self._schedule(at, seconds, "replication_synced", server)

    def _end_sync(self, at: datetime, server_id: str, generation: int) -> None:
        """The first copy is done; its snapshot is taken."""
        server = self._living(server_id, generation)
        if server:
            server.replication.move(ReplicationState.CREATING_SNAPSHOT, at)
            self._schedule(at, 60, "replication_continuous", server)

    def _become_continuous(self, at: datetime, server_id: str, generation: int) -> None:
        """Replication is continuous: the server is ready for recovery."""
        server = self._living(server_id, generation)
        if server:
            server.replication.move(ReplicationState.CONTINUOUS, at)


def _conflict(server: SourceServer, state: str) -> ConflictException:
    return ConflictException(f"Source server {server.server_id} {state}", "SourceServer", server.server_id)
