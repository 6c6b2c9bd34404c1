"""The replication of one source server: its state machine, its lag and its points in time.

In: transitions (start, stop, stall, …) and their time. Out: `dataReplicationInfo`, and the existing snapshots. Points
in time are not stored: they are computed from the periods of continuous replication and AWS's default policy (every 10
minutes for an hour, every hour for a day, every day for 7 days).

    STOPPED -> INITIATING -> INITIAL_SYNC -> CREATING_SNAPSHOT -> CONTINUOUS
                                                                   |-> STALLED, PAUSED: lag grows
                                                                   |-> DISCONNECTED: no lag, no disks
    STALLED -> RESCAN -> CONTINUOUS
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .identifiers import identifier
from .wire import dropping_none, wire_duration, wire_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ReplicationState(enum.StrEnum):
    """`DataReplicationState` of the model."""

    STOPPED = "STOPPED"
    INITIATING = "INITIATING"
    INITIAL_SYNC = "INITIAL_SYNC"
    BACKLOG = "BACKLOG"
    CREATING_SNAPSHOT = "CREATING_SNAPSHOT"
    CONTINUOUS = "CONTINUOUS"
    PAUSED = "PAUSED"
    RESCAN = "RESCAN"
    STALLED = "STALLED"
    DISCONNECTED = "DISCONNECTED"


INITIATION_STEPS = (
    "WAIT",
    "CREATE_SECURITY_GROUP",
    "LAUNCH_REPLICATION_SERVER",
    "BOOT_REPLICATION_SERVER",
    "AUTHENTICATE_WITH_SERVICE",
    "DOWNLOAD_REPLICATION_SOFTWARE",
    "CREATE_STAGING_DISKS",
    "ATTACH_STAGING_DISKS",
    "PAIR_REPLICATION_SERVER_WITH_AGENT",
    "CONNECT_AGENT_TO_REPLICATION_SERVER",
    "START_DATA_TRANSFER",
)
"""In the order in which the service takes them (`DataReplicationInitiationStepName`)."""

LAGGING = frozenset(
    {ReplicationState.STALLED, ReplicationState.PAUSED, ReplicationState.RESCAN, ReplicationState.BACKLOG}
)
REPLICATING = frozenset(ReplicationState) - {ReplicationState.STOPPED, ReplicationState.DISCONNECTED}
"""States that count against the 300 replicating servers."""

DEFAULT_PIT_POLICY: tuple[dict[str, Any], ...] = (
    {"ruleID": 1, "units": "MINUTE", "interval": 10, "retentionDuration": 60, "enabled": True},
    {"ruleID": 2, "units": "HOUR", "interval": 1, "retentionDuration": 24, "enabled": True},
    {"ruleID": 3, "units": "DAY", "interval": 1, "retentionDuration": 7, "enabled": True},
)
_UNIT_SECONDS = {"MINUTE": 60, "HOUR": 3600, "DAY": 86400}


@dataclass(frozen=True, slots=True)
class PointInTime:
    """One recovery snapshot."""

    snapshot_id: str
    at: datetime


@dataclass(slots=True)
class Replication:
    """The replication state of one source server.

    Args:
        state: the current state.
        since: when it entered the state.
        base_lag: the lag at `since`.
        spans: the periods of continuous replication: `(from, to)`, `to` None for the current one.
        step: the number of finished initiation steps, while INITIATING.
        synced_at: when INITIAL_SYNC will end, while it runs.
        error: `DataReplicationErrorString`, while STALLED or DISCONNECTED.
        generation: incremented by each start and stop, so that events of earlier generations are ignored.
    """

    state: ReplicationState
    since: datetime
    base_lag: timedelta = timedelta(0)
    spans: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    step: int = len(INITIATION_STEPS)
    started_at: datetime | None = None
    synced_at: datetime | None = None
    error: str | None = None
    generation: int = 0

    def lag(self, now: datetime) -> timedelta | None:
        """The age of the newest replicated data; None if nothing was replicated yet."""
        if self.state in LAGGING:
            return self.base_lag + (now - self.since)
        if self.state in {ReplicationState.CONTINUOUS, ReplicationState.CREATING_SNAPSHOT}:
            return self.base_lag
        return None

    def move(self, state: ReplicationState, at: datetime, *, error: str | None = None) -> None:
        """Enter `state` at `at`, and update the lag and the periods of continuous replication."""
        if state is self.state:
            self.error = error
            return
        lag = self.lag(at) or timedelta(0)
        if self.state is ReplicationState.CONTINUOUS and self.spans and self.spans[-1][1] is None:
            self.spans[-1] = (self.spans[-1][0], at - self.base_lag)
        if state is ReplicationState.CONTINUOUS:
            self.spans.append((at, None))
            lag = timedelta(0)
        self.state, self.since, self.base_lag, self.error = state, at, lag, error

    def points_in_time(
        self, server_id: str, seed: int, now: datetime, policy: tuple[dict[str, Any], ...] = DEFAULT_PIT_POLICY
    ) -> list[PointInTime]:
        """The snapshots that exist at `now`, oldest first."""
        stamps: set[int] = set()
        for rule in policy:
            if not rule.get("enabled", True):
                continue
            step = rule["interval"] * _UNIT_SECONDS[rule["units"]]
            keep = rule["retentionDuration"] * _UNIT_SECONDS[rule["units"]]
            newest = int((now - EPOCH).total_seconds()) // step * step
            stamps.update(range(newest, newest - keep, -step))
        found = []
        for stamp in sorted(stamps):
            at = EPOCH + timedelta(seconds=stamp)
            if any(start <= at and (end is None or at <= end) and at <= now for start, end in self.spans):
                found.append(PointInTime(identifier("pit-", seed, server_id, stamp), at))
        return found

    def newest_point(self, now: datetime) -> datetime | None:
        """The newest data that can be launched, or None."""
        if not self.spans:
            return None
        return self.spans[-1][1] or now - self.base_lag

    def wire(self, disks: list[dict[str, Any]], zone: str, now: datetime) -> dict[str, Any]:
        """`DataReplicationInfo`."""
        lag = self.lag(now)
        initiation: dict[str, Any] | None = None
        if self.started_at is not None:
            initiation = {
                "startDateTime": wire_time(self.started_at),
                "steps": [{"name": name, "status": self._step_status(i)} for i, name in enumerate(INITIATION_STEPS)],
            }
        return dropping_none(
            {
                "dataReplicationState": self.state.value,
                "lagDuration": None if lag is None else wire_duration(lag),
                "etaDateTime": wire_time(self.synced_at) if self.synced_at and self.synced_at > now else None,
                "replicatedDisks": [self._disk(disk, lag, now) for disk in disks],
                "dataReplicationInitiation": initiation,
                "dataReplicationError": {"error": self.error} if self.error else None,
                "stagingAvailabilityZone": zone,
            }
        )

    def _step_status(self, index: int) -> str:
        if index < self.step:
            return "SUCCEEDED"
        if index == self.step and self.state is ReplicationState.INITIATING:
            return "IN_PROGRESS"
        return "NOT_STARTED"

    def _disk(self, disk: dict[str, Any], lag: timedelta | None, now: datetime) -> dict[str, Any]:
        total = 0 if self.state is ReplicationState.DISCONNECTED else disk["bytes"]
        done = total
        if self.state in {ReplicationState.STOPPED, ReplicationState.INITIATING}:
            done = 0
        elif self.state is ReplicationState.INITIAL_SYNC and self.synced_at:
            whole = (self.synced_at - self.since).total_seconds()
            done = int(total * min(1.0, max(0.0, (now - self.since).total_seconds() / whole))) if whole else total
        backlog = min(total, int(lag.total_seconds()) * 1024**2) if lag and self.state in LAGGING else 0
        return {
            "deviceName": disk["deviceName"],
            "totalStorageBytes": total,
            "replicatedStorageBytes": done,
            "rescannedStorageBytes": 0,
            "backloggedStorageBytes": backlog,
            "volumeStatus": "REGULAR",
        }


def ebs_snapshots(server_id: str, seed: int, at: datetime, disks: int) -> list[str]:
    """The EBS snapshots of one point in time, one per disk."""
    return [identifier("snap-", seed, server_id, at.isoformat(), number) for number in range(disks)]
