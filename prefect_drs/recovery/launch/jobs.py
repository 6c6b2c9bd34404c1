"""Launch jobs of one execution in one account-region: when to read them, when and how to start them, and never twice.

In: servers that are ready and room under the quotas. Out: events. `StartRecovery` has no idempotency token, so the
order is fixed: read DRS's jobs, note the intent in the journal, ask once, note the outcome. What DRS's jobs say is kept
in the `JobTracker`; what becomes of servers that DRS refuses is told by `LaunchErrors`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from prefect_drs.aws.drs import (
    JOB_LIFETIME,
    Job,
    describe_jobs,
    describe_recovery_instances,
    describe_source_servers,
    start_recovery,
)
from prefect_drs.aws.errors import ThrottledError, is_ambiguous
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import AwsError
from prefect_drs.core.escaping import aws_tag_value
from prefect_drs.recovery.launch.job_tracker import (
    BATCH_TAG,
    EXECUTION_TAG,
    PLAN_TAG,
    SKEW,
    VISIBILITY,
    WAVE_TAG,
    JobTracker,
    LaunchRequest,
)
from prefect_drs.recovery.launch.launch_errors import LaunchErrors
from prefect_drs.recovery.launch.lookahead import InFlight
from prefect_drs.recovery.launch.packing import JobStart, JobUsage
from prefect_drs.recovery.launch.polling import PollPolicy, RunningJob
from prefect_drs.recovery.waves import ServerRun, ServerState, WaveRun
from prefect_drs.report.events import JobRequested, JobStarted, ServerStatus, WaveDelayed

FRESH = timedelta(seconds=15)  # how old a reading may be that a launch rests on
FOREIGN_PATIENCE = timedelta(hours=12)  # how long a server is waited for that is in a job of somebody else
STALE = timedelta(seconds=30)  # how old an intent may be when its call is sent; a process that slept sends it no more


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
        knows_last_launches: whether the runbook holds each server's last launch before this execution.
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
        knows_last_launches: bool,
        policy: PollPolicy,
        chance: random.Random,
        expected: Mapping[str, float],
    ) -> None:
        self.location = location
        self._sessions = sessions
        self._clock = clock
        self._record = record
        self._execution_id = execution_id
        self._plan_name = plan_name
        self._is_drill = is_drill
        self._waves = waves
        self._started_at = started_at
        self._knows_last_launches = knows_last_launches
        self._since = started_at - JOB_LIFETIME
        self._policy = policy
        self._chance = chance
        self._expected = expected
        self._book = JobTracker(location, sessions, clock, execution_id, waves)
        self._refusals = LaunchErrors(location, sessions, clock)
        self._active: tuple[Job, ...] = ()  # everybody's active jobs, as last read
        self._foreign: dict[str, datetime] = {}  # since when a server waits for a job of somebody else
        self._read_at: datetime | None = None
        self._seen_at: datetime | None = None  # when the last reading that succeeded was asked for
        self._failures = 0
        self._not_before = started_at
        self.last_error = ""

    # What others ask

    @property
    def busy(self) -> bool:
        """Whether a job of this execution is not known to be over."""
        return self._book.busy

    @property
    def usage(self) -> JobUsage:
        """The quotas in use there: everybody's active jobs, and launches whose answer is still unknown."""
        servers = [server.source_server_id for job in self._active for server in job.servers]
        asked = [server_id for request in self._book.requests.values() for server_id in request.server_ids]
        return JobUsage(
            jobs=len(self._active) + len(self._book.requests),
            servers=len(servers) + len(asked),
            busy=frozenset(servers) | frozenset(asked) | self._refusals.left_out,
        )

    def in_flight(self, seconds: Callable[[str], float]) -> tuple[InFlight, ...]:
        """Everybody's active jobs, as far as one can foresee how long they still take.

        Args:
            seconds: that the launch of a server is expected to take, by its source server id.
        """
        now = self._clock.now()
        return tuple(
            InFlight(
                wave_number=int(ours.tags[WAVE_TAG]) if (ours := self._book.jobs.get(job.job_id)) else None,
                servers=len(job.servers),
                age=(now - job.started_at).total_seconds(),
                expected=max((seconds(server.source_server_id) for server in job.servers), default=None),
            )
            for job in self._active
        )

    @property
    def own(self) -> JobUsage:
        """What of that is held by this execution."""
        servers = [server for job in self._book.jobs.values() if job.active for server in job.servers]
        asked = [server_id for request in self._book.requests.values() for server_id in request.server_ids]
        jobs = sum(job.active for job in self._book.jobs.values()) + len(self._book.requests)
        return JobUsage(jobs=jobs, servers=len(servers) + len(asked))

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
        jobs = [job for job in self._active if wanting or job.job_id in self._book.jobs]
        running = [RunningJob((now - job.started_at).total_seconds(), self._seconds_expected(job)) for job in jobs]
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
            self._book.match(jobs)
            self._book.settle_lost(jobs)
            self._book.settle_unseen(jobs)
        except AwsError as error:
            self._back_off(error)
            return
        finally:
            self._write_noted()
        self._read_at, self._seen_at = self._clock.now(), asked_at
        self._failures = 0
        visible = {job.job_id for job in jobs}
        unseen = [job for job in self._book.jobs.values() if job.active and job.job_id not in visible]
        self._active = (*(job for job in jobs if job.active), *unseen)
        self._look_for_foreign()

    def _window(self) -> datetime:
        """How far back a reading looks, so that it does not grow with the hours: to the first job that is not over.

        What was over at the last reading is over for good; what that reading could not see yet is no older than it by
        more than clocks differ and a job stays hidden.
        """
        if self._seen_at is None:
            return self._since
        started = [job.started_at for job in self._active]
        asked = [request.asked_at - SKEW for request in self._book.requests.values()]
        return max(self._since, min([self._seen_at - SKEW - VISIBILITY, *started, *asked]))

    def _write_noted(self) -> None:
        if noted := self._book.take_noted():
            self._record(*noted)

    def adopt_request(self, event: JobRequested) -> None:
        """Take over a launch that a former process asked for and whose answer the journal does not hold."""
        self._book.adopt_request(event)

    def adopt_job(self, event: JobStarted, *, over: bool) -> None:
        """Take over a job that a former process started; the first reading says how it stands."""
        self._book.adopt_job(event, over=over)

    def _look_for_foreign(self) -> None:
        """Tell once which servers wait for a job of somebody else, and wait no longer than launches ever last."""
        now = self._clock.now()
        held = {
            server.source_server_id: job.job_id
            for job in self._active
            if job.job_id not in self._book.jobs
            for server in job.servers
        }
        self._foreign = {server_id: since for server_id, since in self._foreign.items() if server_id in held}
        for wave in self._waves.values() if held else ():
            new: dict[str, list[str]] = {}
            for server_id in wave.ready_servers(self.location):
                if (job_id := held.get(server_id)) is None:
                    continue
                if server_id not in self._foreign:
                    self._foreign[server_id] = now
                    new.setdefault(job_id, []).append(server_id)
                elif now - self._foreign[server_id] > FOREIGN_PATIENCE:
                    told = f"job {job_id} of somebody else has held it for {FOREIGN_PATIENCE}; see what it does in DRS"
                    self.fail(wave, wave.servers[server_id], told)
            for job_id, server_ids in sorted(new.items()):
                self._delayed(wave, server_ids, f"in job {job_id} of somebody else, which is waited for")

    def _delayed(self, wave: WaveRun, server_ids: Sequence[str], reason: str) -> None:
        self._record(
            WaveDelayed(
                at=self._clock.now(),
                wave_number=wave.number,
                source_server_ids=tuple(sorted(server_ids)),
                reason=reason,
            )
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
        try:
            servers = self._not_launched_elsewhere(wave, self._refusals.together(start.servers))
        except AwsError as error:
            self._back_off(error)
            return False
        if not servers:
            return True
        now = self._clock.now()
        request = LaunchRequest(wave, wave.next_batch(), servers, now, now)
        self._record(
            JobRequested(
                at=request.asked_at,
                wave_number=wave.number,
                batch=request.batch,
                account_id=self.location.account_id,
                region=self.location.region,
                server_ids=request.server_ids,
            )
        )
        self._book.hold(request)
        if self._clock.now() - request.asked_at > STALE:
            self._read_at = None
            self._book.release(request, "not sent: this process was held up between the intent and the call")
            self._write_noted()
            return False
        asked = {server_id: wave.servers[server_id].snapshot_id for server_id in request.server_ids}
        try:
            job = start_recovery(
                self._sessions,
                self.location,
                asked,
                is_drill=self._is_drill,
                tags={
                    EXECUTION_TAG: self._execution_id,
                    PLAN_TAG: aws_tag_value(self._plan_name),
                    WAVE_TAG: str(wave.number),
                    BATCH_TAG: request.batch,
                },
            )
        except AwsError as error:
            if not isinstance(error, ThrottledError):
                self._read_at = None  # look again before anything more is launched here
            if not is_ambiguous(error):
                self._refused(request, asked, error)
            self._back_off(error)
            self._write_noted()
            return False
        self._book.found(wave, job)
        self._write_noted()
        self._book.jobs[job.job_id] = job
        self._active = (*self._active, job)
        self._failures = 0
        return True

    def _not_launched_elsewhere(self, wave: WaveRun, server_ids: Sequence[str]) -> tuple[str, ...]:
        """The servers that nobody else has launched since the preflight; the others fail by name.

        A launch of somebody else (another Prefect API, the console) is known by the server's last launch
        (`lifeCycle.lastLaunch`): a job that neither the preflight saw nor this execution started. It counts where its
        recovery instance stands; a launch that came to nothing, or was terminated since, is no obstacle.

        Raises:
            AwsError: DRS could not be asked.
        """
        foreign = {
            source.source_server_id: source
            for source in describe_source_servers(self._sessions, self.location, server_ids)
            if source.last_launch_job_id is not None
            and source.last_launch_job_id not in self._book.jobs
            and source.last_launch_job_id != wave.servers[source.source_server_id].server.last_launch_job_id
            and (self._knows_last_launches or self._is_recent(source.last_launch_at))
        }
        if not foreign:
            return tuple(server_ids)
        standing = {
            (each.source_server_id, each.job_id): each.recovery_instance_id
            for each in describe_recovery_instances(self._sessions, self.location, list(foreign))
        }
        for server_id, source in foreign.items():
            if (instance := standing.get((server_id, source.last_launch_job_id))) is None:
                continue
            run = wave.servers[server_id]
            run.exhausted = True
            self.fail(
                wave,
                run,
                f"not launched: job {source.last_launch_job_id} of somebody else has launched it since the preflight "
                f"as {instance}; look at that instance, terminate it where it is not wanted, then resume the execution",
            )
        return tuple(each for each in server_ids if wave.servers[each].state is ServerState.READY)

    def _is_recent(self, launched_at: datetime | None) -> bool:
        """Whether a launch may be later than the preflight; for runbooks of 0.1.0, which do not hold last launches."""
        return launched_at is None or launched_at >= self._started_at - SKEW

    def _refused(self, request: LaunchRequest, asked: Mapping[str, str | None], error: AwsError) -> None:
        self._book.release(request, error.message)
        self._write_noted()
        verdict = self._refusals.judge(asked, error)
        for server_id, told in verdict.failed.items():
            self.fail(request.wave, request.wave.servers[server_id], told)
        for server_id, told in verdict.left_out.items():
            self._delayed(request.wave, [server_id], told)

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
