"""Launch jobs of one execution in one account-region: read them, match them, start them, and never twice.

In: servers that are ready and room under the quotas. Out: events. `StartRecovery` has no idempotency token, so the
order is fixed: read DRS's jobs, note the intent in the journal, ask once, note the outcome. Where no answer came, the
servers are held back until the job is found by its tags, or is certainly not there. AWS is the truth about launches:
a job that carries this execution's tag belongs to it, whatever the journal remembers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from prefect_drs.aws.drs import (
    FINAL_LAUNCH_STATUSES,
    JOB_LIFETIME,
    Job,
    ParticipatingServer,
    describe_job_log,
    describe_jobs,
    describe_source_servers,
    find_snapshot,
    start_recovery,
)
from prefect_drs.aws.errors import (
    ConflictError,
    CredentialsError,
    QuotaExceededError,
    ThrottledError,
    UnreachableError,
    is_ambiguous,
)
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.clock import Clock
from prefect_drs.errors import AwsError, PrefectDrsError
from prefect_drs.recovery.packing import JobStart, Usage
from prefect_drs.recovery.watch import PollPolicy, Running
from prefect_drs.recovery.waves import ServerRun, ServerState, WaveRun
from prefect_drs.report.events import Event, JobEnded, JobRefused, JobRequested, JobStarted, ServerStatus

EXECUTION_TAG = "prefect-drs:execution"
PLAN_TAG = "prefect-drs:plan"
WAVE_TAG = "prefect-drs:wave"
BATCH_TAG = "prefect-drs:batch"

FRESH = timedelta(seconds=15)  # how old a reading may be that a launch rests on
VISIBILITY = timedelta(minutes=2)  # how long a job may be missing from DescribeJobs after a lost answer
STALE = timedelta(seconds=30)  # how old an intent may be when its call is sent; a process that slept sends it no more
SKEW = timedelta(minutes=10)  # how far this machine's clock and AWS's may be apart
LAUNCH_TYPES = frozenset({"LAUNCH"})
# Refusals that pass by themselves; everything else that DRS refuses is the input's fault and fails the servers.
PASSING_REFUSALS = (ConflictError, QuotaExceededError, ThrottledError, CredentialsError, UnreachableError)


def passes(error: PrefectDrsError) -> bool:
    """Whether what failed so may go well later, with nothing changed by anybody."""
    return isinstance(error, PASSING_REFUSALS) or is_ambiguous(error)


@dataclass(frozen=True, slots=True)
class _Request:
    """A launch that was asked for and not answered yet. `missed_since`: from when on its job is looked for in vain."""

    wave: WaveRun
    batch: str
    server_ids: tuple[str, ...]
    asked_at: datetime
    missed_since: datetime


class LocationJobs:
    """The jobs of one execution in one account-region, and how DRS stands there.

    Args:
        location: the account and region.
        sessions: the way in.
        clock: the time.
        record: writes events to the journal; they are safe when this returns.
        execution_id: what the jobs are tagged with.
        plan_name: likewise.
        is_drill: whether launches are drills.
        waves: all waves of the execution, by number.
        started_at: when the execution began; no job of it is older.
        policy: how often to look.
        chance: jitter.
        expected: seconds that a server's launch is expected to take, by source server id, where known.
    """

    def __init__(
        self,
        location: Location,
        sessions: Sessions,
        clock: Clock,
        record: Callable[..., None],
        *,
        execution_id: str,
        plan_name: str,
        is_drill: bool,
        waves: Mapping[int, WaveRun],
        started_at: datetime,
        policy: PollPolicy,
        chance: random.Random,
        expected: Mapping[str, float],
    ) -> None:
        self.location = location
        self._sessions = sessions
        self._clock = clock
        self._record = record
        self._noted: list[Event] = []  # what a reading found, written together
        self._execution_id = execution_id
        self._plan_name = plan_name
        self._is_drill = is_drill
        self._waves = waves
        self._since = started_at - JOB_LIFETIME
        self._policy = policy
        self._chance = chance
        self._expected = expected
        self._known: dict[str, Job] = {}  # this execution's jobs
        self._active: tuple[Job, ...] = ()  # everybody's active jobs, as last read
        self._requests: dict[str, _Request] = {}
        self._read_at: datetime | None = None
        self._seen_at: datetime | None = None  # when the last reading that succeeded was asked for
        self._failures = 0
        self._not_before = started_at
        self.last_error = ""

    # What others ask

    @property
    def busy(self) -> bool:
        """Whether a job of this execution is not known to be over."""
        return bool(self._requests) or any(job.active for job in self._known.values())

    @property
    def usage(self) -> Usage:
        """The quotas in use there: everybody's active jobs, and launches whose answer is still unknown."""
        servers = [server.source_server_id for job in self._active for server in job.servers]
        asked = [server_id for request in self._requests.values() for server_id in request.server_ids]
        return Usage(
            jobs=len(self._active) + len(self._requests),
            servers=len(servers) + len(asked),
            busy=frozenset(servers) | frozenset(asked),
        )

    def may_launch(self) -> bool:
        """Whether a reading is at hand that a launch may rest on."""
        now = self._clock.now()
        return self._read_at is not None and now - self._read_at <= FRESH and now >= self._not_before

    def seconds_to_next(self, *, wanting: bool) -> float | None:
        """Seconds until the next reading is due; None where nothing there is of interest.

        Args:
            wanting: whether servers there wait to be launched.
        """
        if not (self.busy or wanting):
            return None
        now = self._clock.now()
        backoff = (self._not_before - now).total_seconds()
        if self._read_at is None or (wanting and not self.busy and now - self._read_at > FRESH):
            return max(0.0, backoff)
        # Foreign jobs matter only while somebody waits for what they hold.
        jobs = [job for job in self._active if wanting or job.job_id in self._known]
        running = [Running((now - job.started_at).total_seconds(), self._seconds_expected(job)) for job in jobs]
        due = self._policy.interval(running) - (now - self._read_at).total_seconds()
        return max(0.0, due, backoff)

    def _seconds_expected(self, job: Job) -> float | None:
        """What its slowest server is expected to take; None where one of them is not known."""
        known = [self._expected.get(server.source_server_id) for server in job.servers] if self._expected else [None]
        return None if None in known else max((seconds for seconds in known if seconds is not None), default=None)

    # Reading

    def read(self) -> None:
        """One reading of all jobs there: match what was asked for, note what changed, settle lost answers."""
        asked_at = self._clock.now()
        try:
            jobs = describe_jobs(self._sessions, self.location, since=self._window())
            self._match(jobs)
            self._settle_lost(jobs)
        except AwsError as error:
            self._back_off(error)
            return
        finally:
            self._write_noted()
        self._read_at, self._seen_at = self._clock.now(), asked_at
        self._failures = 0
        visible = {job.job_id for job in jobs}
        unseen = [job for job in self._known.values() if job.active and job.job_id not in visible]
        self._active = (*(job for job in jobs if job.active), *unseen)

    def _window(self) -> datetime:
        """How far back a reading looks, so that it does not grow with the hours: to the first job that is not over.

        What was over at the last reading is over for good; what that reading could not see yet is no older than it by
        more than clocks differ and a job stays hidden.
        """
        if self._seen_at is None:
            return self._since
        started = [job.started_at for job in self._active]
        asked = [request.asked_at - SKEW for request in self._requests.values()]
        return max(self._since, min([self._seen_at - SKEW - VISIBILITY, *started, *asked]))

    def _write_noted(self) -> None:
        noted, self._noted = self._noted, []
        if noted:
            self._record(*noted)

    def adopt_request(self, event: JobRequested) -> None:
        """Take over a launch that a former process asked for and whose answer the journal does not hold.

        The former process's clock may be off: unless its request is old by any clock, the wait for it begins now.
        """
        now = self._clock.now()
        missed_since = event.at if now - event.at > SKEW + VISIBILITY else now
        self._hold(_Request(self._waves[event.wave_number], event.batch, event.server_ids, event.at, missed_since))

    def adopt_job(self, event: JobStarted, *, over: bool) -> None:
        """Take over a job that a former process started; the first reading says how it stands."""
        self._known[event.job_id] = Job(
            job_id=event.job_id,
            type="LAUNCH",
            status="COMPLETED" if over else "PENDING",
            initiated_by="",
            started_at=event.started_at,
            ended_at=None,
            servers=tuple(ParticipatingServer(server_id, "PENDING", None) for server_id in event.server_ids),
            tags={BATCH_TAG: event.batch, WAVE_TAG: str(event.wave_number)},
        )

    def _match(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job.tags.get(EXECUTION_TAG) != self._execution_id or job.type not in LAUNCH_TYPES:
                continue
            known = self._known.get(job.job_id)
            if known is not None and not known.active:
                continue  # followed to its end
            wave = self._waves[int(job.tags[WAVE_TAG])]
            if known is None:
                self._found(wave, job)
                self._known[job.job_id] = replace(job, status="PENDING")  # found once, even if following it fails now
            self._follow(wave, job)
            self._known[job.job_id] = job

    def _found(self, wave: WaveRun, job: Job) -> None:
        """A job of ours that is new to us: just started, or started by a call whose answer was lost."""
        batch = job.tags[BATCH_TAG]
        self._requests.pop(batch, None)
        server_ids = tuple(server.source_server_id for server in job.servers)
        for server_id in server_ids:
            run = wave.servers[server_id]
            run.state, run.job_id = ServerState.IN_JOB, job.job_id
            run.attempts += 1
        self._noted.append(
            JobStarted(
                at=self._clock.now(),
                wave_number=wave.number,
                batch=batch,
                job_id=job.job_id,
                account_id=self.location.account_id,
                region=self.location.region,
                server_ids=server_ids,
                started_at=job.started_at,
            )
        )

    def _follow(self, wave: WaveRun, job: Job) -> None:
        """Note what changed in a job since the last reading."""
        former = self._known.get(job.job_id)
        reasons: dict[str, str] | None = None
        for server in job.servers:
            run = wave.servers[server.source_server_id]
            if run.job_id != job.job_id or run.state.final:
                continue
            status = server.launch_status
            if not job.active and status not in FINAL_LAUNCH_STATUSES:
                status = "FAILED"  # the job is over and never launched it
            if status == run.launch_status:
                continue
            error = ""
            if status == "LAUNCHED":
                run.state = ServerState.LAUNCHED
            elif status in FINAL_LAUNCH_STATUSES:
                reasons = self._reasons(job) if reasons is None else reasons
                told = reasons.get(server.source_server_id, "DRS gives no reason")
                error = f"{told} (job {job.job_id})"
                run.state = ServerState.FAILED
            run.launch_status, run.error = status, error
            run.recovery_instance_id = server.recovery_instance_id
            self._noted.append(
                ServerStatus(
                    at=self._clock.now(),
                    wave_number=wave.number,
                    source_server_id=server.source_server_id,
                    launch_status=status,
                    job_id=job.job_id,
                    recovery_instance_id=server.recovery_instance_id,
                    error=error or None,
                )
            )
        if not job.active and (former is None or former.active):
            self._noted.append(
                JobEnded(at=self._clock.now(), job_id=job.job_id, ended_at=job.ended_at or self._clock.now())
            )

    def _reasons(self, job: Job) -> dict[str, str]:
        """Why servers did not come up, by source server id, from the job's log; the last word of it counts."""
        return {
            item.source_server_id: f"{item.event}: {item.raw_error}" if item.raw_error else item.event
            for item in describe_job_log(self._sessions, self.location, job.job_id)
            if item.source_server_id and (item.raw_error or item.event.endswith(("FAIL", "FAILED", "SKIPPED")))
        }

    def _settle_lost(self, jobs: Sequence[Job]) -> None:
        """Decide about launches whose answer was lost and that still show in no reading."""
        now = self._clock.now()
        overdue = [request for request in self._requests.values() if now - request.missed_since >= VISIBILITY]
        if not overdue:
            return
        visible = {job.job_id for job in jobs}
        ids = [server_id for request in overdue for server_id in request.server_ids]
        servers = {
            server.source_server_id: server for server in describe_source_servers(self._sessions, self.location, ids)
        }
        for request in overdue:
            hidden = [
                server
                for server_id in request.server_ids
                if (server := servers.get(server_id)) is not None
                and server.last_launch_job_id is not None
                and server.last_launch_job_id not in visible
                and server.last_launch_at is not None
                and server.last_launch_at >= request.asked_at - SKEW
            ]
            if not hidden:
                self._release(request, f"no answer came, and no job was there {VISIBILITY} later")

    def _hold(self, request: _Request) -> None:
        self._requests[request.batch] = request
        for server_id in request.server_ids:
            request.wave.servers[server_id].state = ServerState.REQUESTED

    def _release(self, request: _Request, reason: str) -> None:
        """The request certainly started no job: its servers may be put in another."""
        del self._requests[request.batch]
        for server_id in request.server_ids:
            request.wave.servers[server_id].state = ServerState.READY
        self._noted.append(
            JobRefused(at=self._clock.now(), wave_number=request.wave.number, batch=request.batch, reason=reason)
        )

    def _back_off(self, error: AwsError) -> None:
        self._failures += 1
        self.last_error = error.message
        wait = self._policy.backoff(self._failures, self._chance)
        self._not_before = self._clock.now() + timedelta(seconds=wait)

    # Launching

    def launch(self, start: JobStart) -> bool:
        """Start one job, asked for exactly once. False where nothing more should be asked for before a new reading."""
        wave = self._waves[start.wave_number]
        now = self._clock.now()
        request = _Request(wave, wave.next_batch(), start.servers, now, now)
        self._record(
            JobRequested(
                at=request.asked_at,
                wave_number=wave.number,
                batch=request.batch,
                account_id=self.location.account_id,
                region=self.location.region,
                server_ids=start.servers,
            )
        )
        self._hold(request)
        if self._clock.now() - request.asked_at > STALE:
            self._read_at = None
            self._release(request, "not sent: this process was held up between the intent and the call")
            self._write_noted()
            return False
        try:
            job = start_recovery(
                self._sessions,
                self.location,
                {server_id: wave.servers[server_id].snapshot_id for server_id in start.servers},
                is_drill=self._is_drill,
                tags={
                    EXECUTION_TAG: self._execution_id,
                    PLAN_TAG: self._plan_name,
                    WAVE_TAG: str(wave.number),
                    BATCH_TAG: request.batch,
                },
            )
        except AwsError as error:
            if not isinstance(error, ThrottledError):
                self._read_at = None  # look again before anything more is launched here
            if not is_ambiguous(error):
                self._refused(request, error)
            self._back_off(error)
            self._write_noted()
            return False
        self._found(wave, job)
        self._write_noted()
        self._known[job.job_id] = job
        self._active = (*self._active, job)
        self._failures = 0
        return True

    def _refused(self, request: _Request, error: AwsError) -> None:
        self._release(request, error.message)
        if isinstance(error, ConflictError):
            self._fail_expired(request)
        if isinstance(error, PASSING_REFUSALS):
            return
        for server_id in request.server_ids:
            self.fail(request.wave, request.wave.servers[server_id], error.message)

    def _fail_expired(self, request: _Request) -> None:
        """A chosen snapshot may expire while a gate is waited at; a conflict of that kind does not pass."""
        for server_id in request.server_ids:
            run = request.wave.servers[server_id]
            if run.snapshot_id is None:
                continue
            try:
                found = find_snapshot(self._sessions, self.location, server_id, run.snapshot_id)
            except AwsError:
                return  # not known: it is asked for once more
            if found is None:
                told = f"its snapshot {run.snapshot_id} is no longer there; start again from another point in time"
                self.fail(request.wave, run, told)

    def fail(self, wave: WaveRun, run: ServerRun, error: str) -> None:
        """A server cannot be launched at all."""
        run.state, run.launch_status, run.error = ServerState.FAILED, "FAILED", error
        self._record(
            ServerStatus(
                at=self._clock.now(),
                wave_number=wave.number,
                source_server_id=run.server.source_server_id,
                launch_status="FAILED",
                error=error,
            )
        )
