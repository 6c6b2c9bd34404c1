"""Carries out a step of a failback for the servers of a wave: read, judge, record the intent, call once, read again.

In: a wave that does not launch. Out: events. None of the calls takes an idempotency token: before each, DRS is read,
and the intent is in the journal; after one whose answer was lost, nothing is called for that server until `VISIBILITY`
has passed and a reading shows that it has no effect. A cancel or a pause that is stored is honoured before each call.

Must never: call while a cancel or a pause is in force; take what could not be read for done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from prefect_drs.aws.drs import terminate_recovery_instances
from prefect_drs.aws.errors import ConflictError, NotFoundError
from prefect_drs.aws.failback import disconnect_recovery_instance, reverse_replication, stop_replication
from prefect_drs.aws.location import Location
from prefect_drs.aws.parallel import map_parallel
from prefect_drs.core.errors import AwsError
from prefect_drs.execution.events import (
    Event,
    ReplicationReversed,
    ServerStatus,
    StepAsked,
    WaveDelayed,
    WritesStopped,
)
from prefect_drs.execution.state import ServerRun, WaveRun
from prefect_drs.recovery.failback.reading import Reading, pair_of, way_back
from prefect_drs.recovery.failback.recorded_times import RecordedTimes
from prefect_drs.recovery.failback.steps import DISCONNECT, REVERSE, STOP, TERMINATE, step_of
from prefect_drs.recovery.failback.verdict import Call, Done, Fail, Verdict, Wait
from prefect_drs.recovery.launch.launch_errors import passes
from prefect_drs.recovery.launch.lost_answers import VISIBILITY
from prefect_drs.recovery.options import ExecutionContext

LOOK_EVERY = 30.0  # seconds between two looks while replication goes on
SOON = 10.0  # seconds until the next look after a call
CALLS_AT_ONCE = 50  # servers whose calls are sent under one intent; a cancel waits for them
STUCK_PATIENCE = timedelta(hours=1)  # how long replication may be stalled, or lag, before the server fails
UNREAD_PATIENCE = timedelta(hours=6)  # how long DRS may not be readable before the servers fail
CALL_PATIENCE = timedelta(hours=1)  # how long a call may be refused for a reason that may pass, or have no effect

Allowed = Callable[[], AbstractContextManager[bool]]
"""Held while calls are sent; yields whether they may be."""


@dataclass(slots=True)
class Called:
    """A call that had no effect yet. `first_at`: when it was sent first; `error`: why it was refused last."""

    operation: str
    first_at: datetime
    error: str = ""


class StepRunner:
    """Runs the step of one wave.

    Args:
        execution: the execution.
        wave: the wave; its action is not `launch`.
        allowed: held while calls are sent.
    """

    def __init__(self, execution: ExecutionContext, wave: WaveRun, allowed: Allowed) -> None:
        self._execution = execution
        self._sessions = execution.ports.sessions
        self._clock = execution.ports.clock
        self._wave = wave
        self._allowed = allowed
        self._times = RecordedTimes(wave, self._clock.now())
        self._step = step_of(execution.state, wave, self._times)
        self._look_at: datetime | None = None
        self._stuck: dict[str, datetime] = {}  # since when a server is stuck
        self._called: dict[str, Called] = {}  # the call that a server waits for the effect of
        self._unread: dict[tuple[Location, Location], datetime] = {}  # since when its place cannot be read
        self._noted: set[str] = set()
        self._failures = 0
        self._jitter = execution.options.jitter(f"step {wave.number}")

    def step(self) -> float | None:
        """Do what can be done now; seconds until the next look, None where the step is over for every server."""
        if self._wave.settled:
            return None
        now = self._clock.now()
        if self._look_at is not None and now < self._look_at:
            return (self._look_at - now).total_seconds()
        wait = min((self._look(pair, runs) for pair, runs in self._open().items()), default=LOOK_EVERY)
        if self._wave.settled:
            return None
        self._look_at = self._clock.now() + timedelta(seconds=wait)
        return wait

    def _open(self) -> dict[tuple[Location, Location], list[ServerRun]]:
        """The servers that the step is not over for, by where they are and come from."""
        found: dict[tuple[Location, Location], list[ServerRun]] = {}
        for run in self._wave.servers.values():
            if not run.state.final:
                found.setdefault(pair_of(run.server), []).append(run)
        return found

    def _look(self, pair: tuple[Location, Location], runs: Sequence[ServerRun]) -> float:
        """One look at the servers of one pair of account-regions; seconds until the next."""
        now = self._clock.now()
        try:
            reading = self._step.read(self._sessions, runs)
        except AwsError as error:
            return self._not_read(pair, runs, error, now)
        self._unread.pop(pair, None)
        self._failures = 0
        if self._wave.wave.action == "catch-up" and self._wave.writes_stopped_at is None:
            self._execution.record(self._writes_stopped(now))
        verdicts = {run.server.source_server_id: self._step.judge(run, reading, now) for run in runs}
        events = [
            event for run in runs for event in self._events(run, reading, verdicts[run.server.source_server_id], now)
        ]
        if events:
            self._execution.record(*events)
        calls = [run for run in runs if self._may_call(run, verdicts[run.server.source_server_id], now)]
        for first in range(0, len(calls), CALLS_AT_ONCE):
            some = calls[first : first + CALLS_AT_ONCE]
            self._call_together({run.server.source_server_id: verdicts[run.server.source_server_id] for run in some})
        return SOON if calls else LOOK_EVERY

    def _not_read(
        self, pair: tuple[Location, Location], runs: Sequence[ServerRun], error: AwsError, now: datetime
    ) -> float:
        """DRS could not be read: nothing is known, so nothing is done; servers fail only after long."""
        since = self._unread.setdefault(pair, now)
        self._note((), f"{pair[0]} or {pair[1]} cannot be read: {error.message}", now)
        if now - since >= UNREAD_PATIENCE:
            why = f"DRS could not be read for {UNREAD_PATIENCE}: {error.message}"
            self._execution.record(*(self._status(run, "FAILED", now, error=why) for run in runs))
        self._failures += 1
        return self._execution.options.policy.backoff(self._failures, self._jitter)

    def _writes_stopped(self, now: datetime) -> WritesStopped:
        """The lag of every server now, as far as it can be read: what would be lost without waiting for it."""
        lags: dict[str, str] = {}
        for runs in self._open().values():
            try:
                reading = self._step.read(self._sessions, runs)
            except AwsError:
                continue
            for run in runs:
                source = (
                    reading.instance(run.server)
                    if way_back(run.server).outside_aws
                    else reading.replicating(run.server)
                )
                if source is not None and source.lag is not None:
                    lags[run.server.source_server_id] = source.lag
        return WritesStopped(at=now, wave_number=self._wave.number, lags=lags)

    def _events(self, run: ServerRun, reading: Reading, verdict: Verdict, now: datetime) -> list[Event]:
        """What a verdict changes, beyond calls."""
        server_id, events = run.server.source_server_id, self._found(run, reading, now)
        if not isinstance(verdict, Call):
            self._called.pop(server_id, None)
        stuck = isinstance(verdict, Wait) and verdict.stuck
        if not stuck:
            self._stuck.pop(server_id, None)
        match verdict:
            case Done(status, instance):
                events.append(self._status(run, status, now, instance=instance))
            case Fail(error):
                events.append(self._status(run, "FAILED", now, error=error))
            case Wait(status, note):
                if stuck and now - self._stuck.setdefault(server_id, now) >= STUCK_PATIENCE:
                    why = f"{note or status} for {STUCK_PATIENCE}; repair its replication, then resume the execution"
                    return [*events, self._status(run, "FAILED", now, error=why)]
                if status != run.launch_status:
                    events.append(self._status(run, status, now))
                if note:
                    self._note((server_id,), note, now)
            case Call(operation):
                called = self._called.get(server_id)
                if called is not None and called.operation == operation and now - called.first_at >= CALL_PATIENCE:
                    why = called.error or f"{operation} has had no effect for {CALL_PATIENCE}"
                    events.append(self._status(run, "FAILED", now, error=f"{why}; resume the execution to try again"))
        return events

    def _found(self, run: ServerRun, reading: Reading, now: datetime) -> list[Event]:
        """The source server that replicates it back, where the journal does not know it."""
        if self._wave.wave.action != "protect" or way_back(run.server).outside_aws:
            return []
        back, known = reading.replicating(run.server), self._execution.state.ways_back.get(run.server.source_server_id)
        if back is None or back.source_server_id == known:
            return []
        return [self._reversed(run, back.source_server_id, now)]

    def _reversed(self, run: ServerRun, replicating: str, now: datetime) -> ReplicationReversed:
        forward = self._wave.wave.action == "reprotect"
        where = way_back(run.server).location if forward else run.server.location
        return ReplicationReversed(
            at=now,
            wave_number=self._wave.number,
            source_server_id=run.server.source_server_id,
            replicating_server_id=replicating,
            account_id=where.account_id,
            region=where.region,
        )

    def _status(
        self, run: ServerRun, status: str, now: datetime, *, instance: str | None = None, error: str = ""
    ) -> ServerStatus:
        return ServerStatus(
            at=now,
            wave_number=self._wave.number,
            source_server_id=run.server.source_server_id,
            launch_status=status,
            recovery_instance_id=instance,
            error=error or None,
        )

    def _note(self, server_ids: tuple[str, ...], reason: str, now: datetime) -> None:
        """Record once why servers wait."""
        if (key := f"{server_ids} {reason}") not in self._noted:
            self._noted.add(key)
            self._execution.record(
                WaveDelayed(
                    at=now, wave_number=self._wave.number, source_server_ids=server_ids, reason=reason, cause="other"
                )
            )

    # Calls

    def _may_call(self, run: ServerRun, verdict: Verdict, now: datetime) -> bool:
        """Whether a call is due: not while the effect of the same call may still be unseen."""
        if run.state.final or not isinstance(verdict, Call):
            return False
        asked_at = self._times.asked_at(run)
        if run.asked is None or asked_at is None:
            return True
        return run.asked[0] != verdict.operation or now - asked_at >= VISIBILITY

    def _call_together(self, verdicts: Mapping[str, Verdict]) -> None:
        """Send the calls of some servers, each once, under one intent for each operation."""
        by_operation: dict[str, dict[str, str]] = {}
        for server_id, verdict in verdicts.items():
            if isinstance(verdict, Call):
                by_operation.setdefault(verdict.operation, {})[server_id] = verdict.target
        for operation, targets in by_operation.items():
            with self._allowed() as allowed:
                if not allowed:
                    return
                number, ids = self._wave.number, tuple(targets)
                self._execution.record(
                    StepAsked(at=self._clock.now(), wave_number=number, call=operation, source_server_ids=ids)
                )
                self._note_calls(operation, ids)
                if operation == TERMINATE:
                    self._terminate(targets)
                else:
                    workers = self._execution.options.workers
                    map_parallel(partial(self._call_one, operation), targets.items(), workers)

    def _note_calls(self, operation: str, server_ids: Sequence[str]) -> None:
        now = self._clock.now()
        for server_id in server_ids:
            if (called := self._called.get(server_id)) is None or called.operation != operation:
                self._called[server_id] = Called(operation, now)

    def _call_one(self, operation: str, item: tuple[str, str]) -> None:
        """One call for one server: its source server id, and the id that DRS is called with."""
        server_id, target = item
        run = self._wave.servers[server_id]
        try:
            replicating = self._send(operation, run, target)
        except AwsError as error:
            self._refused_call(run, error)
            return
        if replicating is not None:
            self._execution.record(self._reversed(run, replicating, self._clock.now()))

    def _send(self, operation: str, run: ServerRun, target: str) -> str | None:
        """Call DRS; of ReverseReplication, the id of the source server that replicates from then on.

        Raises:
            AwsError: refused, or no answer came.
        """
        recovered, origin = pair_of(run.server)
        match operation:
            case _ if operation == REVERSE:
                where = origin if self._wave.wave.action == "reprotect" else recovered
                return reverse_replication(self._sessions, where, target)
            case _ if operation == STOP:
                stop_replication(self._sessions, origin, target)
            case _ if operation == DISCONNECT:
                disconnect_recovery_instance(self._sessions, recovered, target)
        return None

    def _terminate(self, targets: Mapping[str, str]) -> None:
        """One job for the instances of each account-region."""
        by_location: dict[Location, dict[str, str]] = {}
        for server_id, target in targets.items():
            by_location.setdefault(pair_of(self._wave.servers[server_id].server)[0], {})[server_id] = target
        for location, there in by_location.items():
            try:
                terminate_recovery_instances(self._sessions, location, list(there.values()))
            except AwsError as error:
                for server_id in there:
                    self._refused_call(self._wave.servers[server_id], error)

    def _refused_call(self, run: ServerRun, error: AwsError) -> None:
        """A call was refused, or its answer was lost: what it did is read before anything is called again."""
        server_id, now = run.server.source_server_id, self._clock.now()
        if passes(error) or isinstance(error, ConflictError | NotFoundError):
            self._called[server_id].error = error.message
            self._note((server_id,), error.message, now)
            return
        self._execution.record(self._status(run, "FAILED", now, error=error.message))
