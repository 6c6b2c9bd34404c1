"""Launch jobs of one execution in one account-region: when to read them, when and how to start them, and never twice.

In: servers that are ready and room under the quotas. Out: events. `StartRecovery` has no idempotency token, so the
order is fixed: read DRS's jobs, record the intent in the journal, call once, record the outcome. The `JobTracker`
follows DRS's jobs; `LaunchErrors` decides what becomes of servers that DRS refuses to launch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from prefect_drs.aws.drs import (
    JOB_LIFETIME,
    Job,
    SourceServer,
)
from prefect_drs.aws.errors import ThrottledError, is_ambiguous
from prefect_drs.core.errors import AwsError
from prefect_drs.core.escaping import aws_tag_value
from prefect_drs.execution.events import JobRequested, ServerStatus, WaveDelayed
from prefect_drs.execution.records import LaunchRequest
from prefect_drs.execution.state import ServerState
from prefect_drs.recovery.launch.job_tracker import (
    BATCH_TAG,
    EXECUTION_TAG,
    PLAN_TAG,
    WAVE_TAG,
    JobTracker,
)
from prefect_drs.recovery.launch.launch_errors import LaunchErrors, LaunchErrorVerdict
from prefect_drs.recovery.launch.launches import Launches
from prefect_drs.recovery.launch.lookahead import InFlight
from prefect_drs.recovery.launch.lost_answers import SKEW, VISIBILITY
from prefect_drs.recovery.launch.packing import JobStart, JobUsage
from prefect_drs.recovery.launch.polling import RunningJob
from prefect_drs.recovery.options import ExecutionContext
from prefect_drs.recovery.waves import LiveWave
from prefect_drs.report.model import DelayCause

FRESH = timedelta(seconds=15)  # how old a reading may be for a launch to rely on it
FOREIGN_PATIENCE = timedelta(hours=12)  # how long a server is waited for that is in a job of somebody else
STALE = timedelta(seconds=30)  # how old an intent may be when its call is sent; after a longer sleep it is not sent


class LocationJobs:
    """The jobs of one execution in one account-region, and the quota usage there.

    Args:
        launches: how servers are launched in its account and region.
        execution: the execution.
        waves: all waves of the execution, by number.
    """

    def __init__(self, launches: Launches, execution: ExecutionContext, waves: Mapping[int, LiveWave]) -> None:
        location = launches.location
        self.location = location
        self._launches = launches
        self._clock = execution.ports.clock
        self._record = execution.record
        self._state = execution.state
        self._waves = waves
        self._since = self._state.started_at - JOB_LIFETIME  # no job of the execution is older
        self._policy = execution.options.policy
        self._jitter = execution.options.jitter(str(location))
        self._expected = execution.options.expected
        self._limits = execution.options.limits
        self._tracker = JobTracker(launches, execution, waves)
        self._launch_errors = LaunchErrors(location, launches, self._clock)
        self._active: tuple[Job, ...] = ()  # everybody's active jobs, as last read
        self._foreign: dict[str, datetime] = {}  # since when a server waits for a job of somebody else
        self._read_at: datetime | None = None
        self._seen_at: datetime | None = None  # when the last reading that succeeded was requested
        self._failures = 0
        self._not_before = self._state.started_at
        self.last_error = ""

    # Queries

    def drs_id(self, server_id: str) -> str:
        """The id of the source server that DRS launches for a server of the runbook."""
        return self._launches.drs_id(server_id)

    @property
    def busy(self) -> bool:
        """Whether a job of this execution is not known to be over."""
        return self._tracker.busy

    @property
    def usage(self) -> JobUsage:
        """The quotas in use there: everybody's active jobs, and launches whose answer is still unknown."""
        servers = [server.source_server_id for job in self._active for server in job.servers]
        requested = [server_id for request in self._tracker.requests for server_id in request.server_ids]
        return JobUsage(
            jobs=len(self._active) + len(self._tracker.requests),
            servers=len(servers) + len(requested),
            busy=frozenset(servers) | frozenset(requested) | self._launch_errors.left_out,
        )

    def in_flight(self, seconds: Callable[[str], float]) -> tuple[InFlight, ...]:
        """Everybody's active jobs, with the time that they are expected to take.

        Args:
            seconds: the expected seconds of a server's launch, by its source server id.
        """
        now = self._clock.now()
        return tuple(
            InFlight(
                wave_number=int(ours.tags[WAVE_TAG]) if (ours := self._tracker.jobs.get(job.job_id)) else None,
                servers=len(job.servers),
                age=(now - job.started_at).total_seconds(),
                expected=max((seconds(server.source_server_id) for server in job.servers), default=None),
            )
            for job in self._active
        )

    @property
    def foreign(self) -> tuple[Job, ...]:
        """Active jobs that are not this execution's."""
        return tuple(job for job in self._active if job.job_id not in self._tracker.jobs)

    @property
    def own(self) -> JobUsage:
        """This execution's share of the quota usage."""
        servers = [server for job in self._tracker.jobs.values() if job.active for server in job.servers]
        requested = [server_id for request in self._tracker.requests for server_id in request.server_ids]
        jobs = sum(job.active for job in self._tracker.jobs.values()) + len(self._tracker.requests)
        return JobUsage(jobs=jobs, servers=len(servers) + len(requested))

    def may_launch(self) -> bool:
        """Whether the last reading is fresh enough for a launch to rely on it."""
        now = self._clock.now()
        return self._read_at is not None and now - self._read_at <= FRESH and now >= self._not_before

    def seconds_to_next(self, *, wanting: bool) -> float | None:
        """Seconds until the next reading is due; None where nothing there has to be read.

        Args:
            wanting: whether servers there wait to be launched.
        """
        if not (self.busy or wanting):
            return None
        now = self._clock.now()
        backoff = (self._not_before - now).total_seconds()
        if self._read_at is None or (wanting and not self.busy and now - self._read_at > FRESH):
            return max(0.0, backoff)
        # Foreign jobs matter only while a server waits for the quota that they use.
        jobs = [job for job in self._active if wanting or job.job_id in self._tracker.jobs]
        running = [RunningJob((now - job.started_at).total_seconds(), self._seconds_expected(job)) for job in jobs]
        due = self._policy.interval(running) - (now - self._read_at).total_seconds()
        return max(0.0, due, backoff)

    def _seconds_expected(self, job: Job) -> float | None:
        """The expected seconds of its slowest server; None where those of one server are not known."""
        known = [self._expected.get(server.source_server_id) for server in job.servers] if self._expected else [None]
        return None if None in known else max((seconds for seconds in known if seconds is not None), default=None)

    # Reading

    def read(self) -> None:
        """One reading of all jobs there: match requests, record what changed, settle lost answers."""
        asked_at = self._clock.now()
        try:
            jobs = self._launches.jobs(self._window())
            self._tracker.match(jobs)
            self._tracker.settle_lost(jobs)
            self._tracker.settle_unseen(jobs)
        except AwsError as error:
            self._back_off(error)
            return
        finally:
            self._tracker.record_noted()
        self._read_at, self._seen_at = self._clock.now(), asked_at
        self._failures = 0
        visible = {job.job_id for job in jobs}
        unseen = [job for job in self._tracker.jobs.values() if job.active and job.job_id not in visible]
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
        requested = [request.asked_at - SKEW for request in self._tracker.requests]
        return max(self._since, min([self._seen_at - SKEW - VISIBILITY, *started, *requested]))

    def _look_for_foreign(self) -> None:
        """Record once which servers wait for a job of somebody else; they wait no longer than launches ever last."""
        now = self._clock.now()
        foreign = {
            server.source_server_id: job.job_id
            for job in self._active
            if job.job_id not in self._tracker.jobs
            for server in job.servers
        }
        self._foreign = {server_id: since for server_id, since in self._foreign.items() if server_id in foreign}
        for wave in self._waves.values() if foreign else ():
            new: dict[str, list[str]] = {}
            for server_id in wave.ready_servers(self.location):
                if (job_id := foreign.get(server_id)) is None:
                    continue
                if server_id not in self._foreign:
                    self._foreign[server_id] = now
                    new.setdefault(job_id, []).append(server_id)
                elif now - self._foreign[server_id] > FOREIGN_PATIENCE:
                    why = f"it was in job {job_id} of somebody else for {FOREIGN_PATIENCE}; look at that job in DRS"
                    self.fail(wave, server_id, why)
            for job_id, server_ids in sorted(new.items()):
                self._delayed(
                    wave, "job", server_ids, f"in job {job_id} of somebody else; launched once that job has ended"
                )

    def note_full(self) -> None:
        """Record once for each wave that its servers wait because a quota is used up."""
        usage, limits = self.usage, self._limits
        if usage.jobs < limits.concurrent_jobs and usage.servers < limits.servers_in_jobs:
            return
        for wave in self._waves.values():
            key = f"quota {self.location}"
            if key not in wave.recorded_delays and wave.ready_servers(self.location):
                wave.recorded_delays.add(key)
                self._delayed(
                    wave,
                    "quota",
                    (),
                    f"the quotas of {self.location} are used up: DRS launches at most {limits.servers_in_jobs} servers "
                    f"in {limits.concurrent_jobs} jobs at once",
                )

    def _delayed(self, wave: LiveWave, cause: DelayCause, server_ids: Sequence[str], reason: str) -> None:
        self._record(
            WaveDelayed(
                at=self._clock.now(),
                wave_number=wave.number,
                source_server_ids=tuple(sorted(server_ids)),
                reason=reason,
                cause=cause,
            )
        )

    def _back_off(self, error: AwsError) -> None:
        self._failures += 1
        self.last_error = error.message
        wait = self._policy.backoff(self._failures, self._jitter)
        self._not_before = self._clock.now() + timedelta(seconds=wait)

    # Launching

    def launch(self, start: JobStart) -> bool:
        """Start one job, requested exactly once. False where nothing more should be requested before a new reading."""
        wave = self._waves[start.wave_number]
        try:
            together = self._launches.together(self._launch_errors.together(start.servers))
            servers = self._ready_to_launch(wave, together)
        except AwsError as error:
            self._back_off(error)
            return False
        if not servers:
            return True
        request = self._request(wave, servers)
        if self._clock.now() - request.asked_at > STALE:
            self._read_at = None
            self._tracker.release(request, "not sent: this process was suspended between the intent and the call")
            self._tracker.record_noted()
            return False
        snapshots = {server_id: wave.servers[server_id].snapshot_id for server_id in request.server_ids}
        try:
            job = self._start_recovery(request, snapshots)
        except AwsError as error:
            self._not_started(request, snapshots, error)
            return False
        self._tracker.found(job)
        self._tracker.jobs[job.job_id] = job
        self._active = (*self._active, job)
        self._failures = 0
        return True

    def _request(self, wave: LiveWave, server_ids: tuple[str, ...]) -> LaunchRequest:
        """Record the intent to launch those servers; from then on they are in no other request."""
        event = JobRequested(
            at=self._clock.now(),
            wave_number=wave.number,
            batch=wave.run.next_batch,
            account_id=self.location.account_id,
            region=self.location.region,
            server_ids=server_ids,
        )
        self._record(event)
        return self._state.requests[event.batch]

    def _start_recovery(self, request: LaunchRequest, snapshots: Mapping[str, str | None]) -> Job:
        """The one call that launches.

        Raises:
            AwsError: refused, or no answer came.
        """
        return self._launches.start(
            snapshots,
            tags={
                EXECUTION_TAG: self._state.execution_id,
                PLAN_TAG: aws_tag_value(self._state.runbook.plan_name),
                WAVE_TAG: str(request.wave_number),
                BATCH_TAG: request.batch,
            },
        )

    def _not_started(self, request: LaunchRequest, snapshots: Mapping[str, str | None], error: AwsError) -> None:
        """A launch was refused, or its answer was lost: then the job is looked for."""
        if not isinstance(error, ThrottledError):
            self._read_at = None  # read again before anything more is launched here
        if not is_ambiguous(error):
            self._refused(request, snapshots, error)
        self._back_off(error)

    def _ready_to_launch(self, wave: LiveWave, server_ids: Sequence[str]) -> tuple[str, ...]:
        """The servers that may be launched now: by nobody else launched since, and in a state that may be launched.

        Raises:
            AwsError: DRS could not be reached.
        """
        sources = self._launches.source_servers(server_ids)
        left = self._not_launched_elsewhere(wave, server_ids, sources)
        not_ready = self._launches.not_ready([each for each in sources if each.source_server_id in left])
        if not not_ready:
            return left
        self._leave_out(wave, self._launch_errors.leave_out(not_ready, "it was not ready for its launch for an hour"))
        return tuple(server_id for server_id in left if server_id not in not_ready)

    def _not_launched_elsewhere(
        self, wave: LiveWave, server_ids: Sequence[str], sources: Sequence[SourceServer]
    ) -> tuple[str, ...]:
        """The servers that nobody else has launched since the preflight; the others fail by name.

        A launch of somebody else (another Prefect API, the console) is known by the server's last launch
        (`lifeCycle.lastLaunch`): a job that neither the preflight saw nor this execution started. It counts where its
        recovery instance is there; a launch that failed, or was terminated since, does not. A job of this execution
        counts as somebody else's for a server that DRS never named in it.

        Raises:
            AwsError: DRS could not be reached.
        """
        foreign = {
            source.source_server_id: source
            for source in sources
            if source.last_launch_job_id is not None
            and not self._tracker.has_launched(source.last_launch_job_id, source.source_server_id)
            and source.last_launch_job_id != wave.servers[source.source_server_id].server.last_launch_job_id
            and (self._state.runbook.resolved_at is not None or self._is_recent(source.last_launch_at))
        }
        if not foreign:
            return tuple(server_ids)
        instances = {
            (each.source_server_id, each.job_id): each.recovery_instance_id
            for each in self._launches.recovery_instances(list(foreign))
        }
        for server_id, source in foreign.items():
            if (instance := instances.get((server_id, source.last_launch_job_id))) is None:
                continue
            wave.exhausted.add(server_id)
            self.fail(
                wave,
                server_id,
                f"not launched: job {source.last_launch_job_id} of somebody else has launched it since the preflight "
                f"as {instance}; look at that instance, terminate it where it is not wanted, then resume the execution",
            )
        return tuple(each for each in server_ids if wave.servers[each].state is ServerState.READY)

    def _is_recent(self, launched_at: datetime | None) -> bool:
        """Whether a launch may be later than the preflight; for runbooks of 0.1.0, which lack the last launches."""
        return launched_at is None or launched_at >= self._state.started_at - SKEW

    def _refused(self, request: LaunchRequest, snapshots: Mapping[str, str | None], error: AwsError) -> None:
        self._tracker.release(request, error.message)
        self._tracker.record_noted()
        wave = self._waves[request.wave_number]
        self._leave_out(wave, self._launch_errors.judge(snapshots, error))

    def _leave_out(self, wave: LiveWave, verdict: LaunchErrorVerdict) -> None:
        """Fail the servers of a verdict, and tell why the others of it wait."""
        for server_id, why in verdict.failed.items():
            self.fail(wave, server_id, why)
        for server_id, why in verdict.left_out.items():
            self._delayed(wave, "other", [server_id], why)

    def fail(self, wave: LiveWave, server_id: str, error: str) -> None:
        """Record that a server cannot be launched at all."""
        self._record(
            ServerStatus(
                at=self._clock.now(),
                wave_number=wave.number,
                source_server_id=server_id,
                launch_status="FAILED",
                error=error,
            )
        )
