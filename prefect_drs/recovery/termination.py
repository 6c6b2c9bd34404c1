"""Terminating the recovery instances of one execution: only those that it launched, and only once it is over.

In: what `recovery.instances` found of an execution, sessions, a clock, and a recorder of events. Out: a
`TerminationResult`, an outcome for each instance. `TerminateRecoveryInstances` has no idempotency token, so an
intent is recorded before each call, the call is sent once, and after a lost answer jobs and instances are read for
`VISIBILITY` before it is sent again. An instance that another process (or person) terminates already is only followed,
so that calling this twice is harmless. Nothing here knows Prefect.

Limits: 200 instances in one call (botocore's model of `TerminateRecoveryInstances`); 100 servers in one job, 20 jobs
and 500 servers at once, one active job a server (AWS General Reference, DRS quotas). A batch stays under all of them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from prefect_drs.aws.drs import (
    JOB_LIFETIME,
    Job,
    describe_jobs,
    describe_recovery_instances,
    terminate_recovery_instances,
)
from prefect_drs.aws.errors import is_ambiguous
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import AwsError
from prefect_drs.execution.events import Event, InstancesTerminated, TerminationAsked, TerminationStarted
from prefect_drs.recovery.instances import GONE, Found, TerminationTarget
from prefect_drs.recovery.launch.launch_errors import PASSING_REFUSALS
from prefect_drs.recovery.launch.lost_answers import VISIBILITY
from prefect_drs.recovery.launch.packing import Limits

LOOK_EVERY = 10.0  # seconds between two looks at DRS while instances are being terminated
LONGEST_PAUSE = 160.0  # seconds before the next request after temporary errors
PATIENCE = timedelta(hours=1)


class TerminationOutcome(enum.StrEnum):
    """What became of an instance. UNKNOWN: not settled when patience ran out."""

    TERMINATED = "TERMINATED"
    ALREADY_GONE = "ALREADY_GONE"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class InstanceResult:
    """What became of one instance; `job_id` is the TERMINATE job, `error` says why it is still there."""

    target: TerminationTarget
    outcome: TerminationOutcome
    job_id: str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class TerminationResult:
    """What became of all instances of an execution."""

    found: Found
    instances: tuple[InstanceResult, ...]

    @property
    def left(self) -> tuple[InstanceResult, ...]:
        """Those that are, or may be, still there."""
        return tuple(i for i in self.instances if i.outcome in {TerminationOutcome.FAILED, TerminationOutcome.UNKNOWN})

    @property
    def exit_code(self) -> int:
        """What the command line ends with: 0 all gone, 3 some are left."""
        return 3 if self.left else 0

    def to_json(self) -> dict[str, Any]:
        """The result as camelCase JSON values."""
        return {
            "executionId": self.found.report.execution_id,
            "planName": self.found.report.plan_name,
            "mode": self.found.report.mode,
            "status": "PARTIAL" if self.left else "TERMINATED",
            "instances": [
                {
                    "recoveryInstanceId": result.target.recovery_instance_id,
                    "sourceServerId": result.target.source_server_id,
                    "name": result.target.name,
                    "accountId": result.target.location.account_id,
                    "region": result.target.location.region,
                    "outcome": result.outcome,
                    **({"jobId": result.job_id} if result.job_id else {}),
                    **({"error": result.error} if result.error else {}),
                }
                for result in self.instances
            ],
            "leftAlone": [
                {
                    "recoveryInstanceId": instance.recovery_instance_id,
                    "sourceServerId": instance.source_server_id,
                    "launchedByJobId": instance.job_id,
                }
                for instance in self.found.left_alone
            ],
            "preparedKept": [_target_json(target) for target in self.found.prepared],
            "failingBack": [_target_json(target) for target in self.found.failing_back],
        }


def _target_json(target: TerminationTarget) -> dict[str, str]:
    return {
        "recoveryInstanceId": target.recovery_instance_id,
        "sourceServerId": target.source_server_id,
        "name": target.name,
        "accountId": target.location.account_id,
        "region": target.location.region,
    }


def unanswered_in(events: Iterable[Event]) -> dict[str, datetime]:
    """The instances whose termination a former process requested and got no answer for, and when."""
    unanswered: dict[str, datetime] = {}
    for event in events:
        match event:
            case TerminationAsked():
                unanswered |= dict.fromkeys(event.recovery_instance_ids, event.at)
            case TerminationStarted() | InstancesTerminated():
                for instance_id in event.recovery_instance_ids:
                    unanswered.pop(instance_id, None)
            case _:
                pass
    return unanswered


def terminate(
    found: Found,
    sessions: Sessions,
    clock: Clock,
    record: Callable[[Event], None],
    *,
    by: str,
    unanswered: Mapping[str, datetime] | None = None,
    limits: Limits | None = None,
    patience: timedelta = PATIENCE,
) -> TerminationResult:
    """Terminate the instances that are there, and wait until they are gone.

    Args:
        found: what `find_instances` found just now.
        sessions: the way into the accounts.
        clock: the time.
        record: stores an event; it is safe when this returns. Its errors end the termination before the next call.
        by: who asks.
        unanswered: from `unanswered_in`, where a former process may have sent a request.
        limits: DRS's quotas; AWS's defaults where None.
        patience: when to stop waiting; what is not gone by then is UNKNOWN.
    """
    by_location: dict[Location, list[TerminationTarget]] = {}
    for target in found.standing:
        by_location.setdefault(target.location, []).append(target)
    places = [
        _Place(location, sessions, clock, record, by, limits or Limits(), targets, unanswered or {})
        for location, targets in sorted(by_location.items())
    ]
    until = clock.now() + patience
    while True:
        for place in places:
            if place.open:
                place.tick()
        if not any(place.open for place in places):
            break
        if clock.now() >= until:
            for place in places:
                place.give_up()
            break
        clock.wait(LOOK_EVERY)
    results = [result for place in places for result in place.results]
    results += [InstanceResult(target, TerminationOutcome.ALREADY_GONE) for target in found.gone]
    return TerminationResult(found, tuple(results))


@dataclass(slots=True)
class _Place:
    """The instances of one account-region while they are being terminated."""

    location: Location
    sessions: Sessions
    clock: Clock
    record: Callable[[Event], None]
    by: str
    limits: Limits
    targets: Sequence[TerminationTarget]
    unanswered_before: Mapping[str, datetime]
    results: list[InstanceResult] = field(default_factory=list)
    open: dict[str, TerminationTarget] = field(init=False)
    _unanswered: dict[str, datetime] = field(init=False)
    _jobs: dict[str, str] = field(default_factory=dict)  # instance -> the TERMINATE job it is in
    _before: set[str] | None = None  # TERMINATE jobs that were over before this began
    _last_error: str = ""
    _refusals: int = 0
    _not_before: datetime | None = None  # no request is sent sooner, after a temporary error
    _since: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.open = {target.recovery_instance_id: target for target in self.targets}
        self._unanswered = {i: at for i, at in self.unanswered_before.items() if i in self.open}
        self._since = self.clock.now() - JOB_LIFETIME

    def tick(self) -> None:
        """Read jobs and instances, settle those that are over, and request the others that nobody terminates yet."""
        try:
            jobs = describe_jobs(self.sessions, self.location, since=self._since)
            servers = sorted({target.source_server_id for target in self.open.values()})
            instances = describe_recovery_instances(self.sessions, self.location, servers)
        except AwsError as error:
            self._last_error = error.message
            if not isinstance(error, PASSING_REFUSALS) and not is_ambiguous(error):
                self._settle(tuple(self.open), TerminationOutcome.FAILED, error.message)
            return
        terminations = [job for job in jobs if job.type == "TERMINATE"]
        if self._before is None:
            self._before = {job.job_id for job in terminations if not job.active}
        standing = {i.recovery_instance_id for i in instances if i.state not in GONE}
        self._note_jobs([job for job in terminations if job.job_id not in self._before], standing)
        self._settle(tuple(i for i in self.open if i not in standing), TerminationOutcome.TERMINATED)
        self._release()
        self._ask(jobs)

    def give_up(self) -> None:
        """Patience ran out."""
        for instance_id in tuple(self.open):
            job = self._jobs.get(instance_id)
            waiting = f"job {job} has not ended" if job else self._last_error or "another job holds its source server"
            self._settle(
                (instance_id,), TerminationOutcome.UNKNOWN, f"{waiting}; look again: terminate may be called twice"
            )

    def _settle(self, instance_ids: Sequence[str], outcome: TerminationOutcome, error: str = "") -> None:
        if outcome is TerminationOutcome.TERMINATED and instance_ids:
            self._record(InstancesTerminated, recovery_instance_ids=tuple(instance_ids))
        for instance_id in instance_ids:
            target = self.open.pop(instance_id)
            self._unanswered.pop(instance_id, None)
            self.results.append(InstanceResult(target, outcome, self._jobs.get(instance_id), error))

    def _record(
        self, kind: type[TerminationAsked | TerminationStarted | InstancesTerminated], **values: object
    ) -> None:
        where = {"account_id": self.location.account_id, "region": self.location.region}
        self.record(kind.model_validate({"at": self.clock.now(), **where, **values}))

    def _note_jobs(self, terminations: Sequence[Job], standing: set[str]) -> None:
        """Which of our instances are in which TERMINATE job, and which of those jobs ended without effect."""
        now = self.clock.now()
        for job in sorted(terminations, key=lambda job: job.started_at):
            named = {server.recovery_instance_id: server for server in job.servers if server.recovery_instance_id}
            nameless = {server.source_server_id: server for server in job.servers if not server.recovery_instance_id}
            inside = {
                instance_id: named.get(instance_id) or nameless[target.source_server_id]
                for instance_id, target in self.open.items()
                if instance_id in named or target.source_server_id in nameless
            }
            new = tuple(instance_id for instance_id in inside if self._jobs.get(instance_id) != job.job_id)
            if new:
                self._started(job, new)
            if job.active:
                continue
            for instance_id, server in inside.items():
                late = now - (job.ended_at or now) >= VISIBILITY
                if instance_id in standing and (server.launch_status == "FAILED" or late):
                    self._settle(
                        (instance_id,),
                        TerminationOutcome.FAILED,
                        f"job {job.job_id} ended ({server.launch_status}), but the instance is still there; "
                        "see the job's log, and whether EC2 termination protection is on",
                    )

    def _started(self, job: Job, instance_ids: tuple[str, ...]) -> None:
        self._record(TerminationStarted, job_id=job.job_id, recovery_instance_ids=instance_ids)
        for instance_id in instance_ids:
            self._jobs[instance_id] = job.job_id
            self._unanswered.pop(instance_id, None)

    def _release(self) -> None:
        """A call whose job is not seen for `VISIBILITY`, with its instances still there, was not carried out."""
        now = self.clock.now()
        self._unanswered = {i: at for i, at in self._unanswered.items() if now - at < VISIBILITY}

    def _ask(self, jobs: Sequence[Job]) -> None:
        active = [job for job in jobs if job.active]
        busy = {server.source_server_id for job in active for server in job.servers}
        waiting = [
            i
            for i, target in self.open.items()
            if i not in self._jobs and i not in self._unanswered and target.source_server_id not in busy
        ]
        free_jobs = self.limits.concurrent_jobs - len(active)
        free = self.limits.servers_in_jobs - sum(len(job.servers) for job in active)
        if self._not_before is not None and self.clock.now() < self._not_before:
            return
        while waiting and free_jobs > 0 and free > 0:
            batch = self._batch(waiting, min(self.limits.servers_per_job, free))
            self._record(TerminationAsked, by=self.by, recovery_instance_ids=batch)
            try:
                job = terminate_recovery_instances(self.sessions, self.location, batch)
            except AwsError as error:
                self._not_started(batch, error)
                return
            self._refusals = 0
            self._started(job, batch)
            taken = {self.open[i].source_server_id for i in batch}
            waiting = [i for i in waiting if self.open[i].source_server_id not in taken]
            free_jobs, free = free_jobs - 1, free - len(batch)

    def _not_started(self, batch: tuple[str, ...], error: AwsError) -> None:
        """The call was refused, or its answer was lost: then its job is looked for."""
        self._last_error = error.message
        if is_ambiguous(error):
            self._unanswered |= dict.fromkeys(batch, self.clock.now())
        elif isinstance(error, PASSING_REFUSALS):
            self._refusals += 1
            later = min(LONGEST_PAUSE, LOOK_EVERY * 2.0**self._refusals)
            self._not_before = self.clock.now() + timedelta(seconds=later)
        else:
            self._settle(batch, TerminationOutcome.FAILED, error.message)

    def _batch(self, waiting: Sequence[str], size: int) -> tuple[str, ...]:
        """The next instances to terminate together, each of another source server: one job a server."""
        batch: dict[str, str] = {}
        for instance_id in waiting:
            batch.setdefault(self.open[instance_id].source_server_id, instance_id)
        return tuple(list(batch.values())[:size])
