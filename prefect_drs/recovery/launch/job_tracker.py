"""The jobs of one execution in one account-region: those that DRS has, and the launches whose answer is missing.

In: DRS's jobs, reading by reading. Out: events for what changed. AWS is the truth about launches: a job that carries
this execution's tag belongs to it, whatever the journal says. Where no answer came, the servers are in no other launch
until the job is found by its tags, or is certainly not there. Nothing here launches.

The state of servers and requests is the execution's, and changes by events only. What is kept here beside it is AWS's
view of each job as last read, and since when a job or an answer is missing; a new process starts both anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from prefect_drs.aws.drs import (
    FINAL_LAUNCH_STATUSES,
    Job,
    ParticipatingServer,
    SourceServer,
    describe_job_log,
)
from prefect_drs.execution.events import Event, JobEnded, JobRefused, JobStarted, ServerStatus
from prefect_drs.execution.records import LaunchJob, LaunchRequest
from prefect_drs.execution.state import ServerState, WaveRun
from prefect_drs.recovery.launch.launches import Launches
from prefect_drs.recovery.launch.lost_answers import UNSEEN, LostAnswers
from prefect_drs.recovery.options import ExecutionContext
from prefect_drs.recovery.waves import LiveWave

EXECUTION_TAG = "prefect-drs:execution"
PLAN_TAG = "prefect-drs:plan"
WAVE_TAG = "prefect-drs:wave"
BATCH_TAG = "prefect-drs:batch"

LAUNCH_TYPES = frozenset({"LAUNCH"})

OUTCOME_UNKNOWN = (
    "the job is over and DRS does not say whether this server was launched, so it is not launched again: look for its "
    "instance in EC2"
)


class JobTracker:
    """What is known of the execution's jobs there.

    Args:
        launches: how servers are launched in its account and region.
        execution: the execution; its state names the jobs and requests of former processes.
        waves: all waves of the execution, by number.
    """

    def __init__(self, launches: Launches, execution: ExecutionContext, waves: Mapping[int, LiveWave]) -> None:
        location = launches.location
        self._launches = launches
        self._location = location
        self._execution = execution
        self._sessions = execution.ports.sessions
        self._clock = execution.ports.clock
        self._state = execution.state
        self._waves = waves
        self.jobs = {
            job.job_id: _as_last_known(job) for job in execution.state.jobs.values() if job.location == location
        }
        self._lost = LostAnswers(launches, self._clock, self.requests)
        self._unseen: dict[str, datetime] = {}  # since when an active job of ours is in no reading
        self._unassigned: set[str] = set()  # jobs of ours in the last reading that do not say whom they launch
        self._noted: list[Event] = []  # what a reading found, recorded together

    @property
    def requests(self) -> tuple[LaunchRequest, ...]:
        """The launches there that were requested and not answered yet."""
        return tuple(each for each in tuple(self._state.requests.values()) if each.location == self._location)

    @property
    def busy(self) -> bool:
        """Whether a job of this execution is not known to be over."""
        return bool(self.requests) or any(job.active for job in tuple(self.jobs.values()))

    def has_launched(self, job_id: str, server_id: str) -> bool:
        """Whether it is a job of this execution, and known to launch that server."""
        job = self.jobs.get(job_id)
        return job is not None and any(server.source_server_id == server_id for server in job.servers)

    def record_noted(self) -> None:
        """Record what the reading found so far, in one journal object."""
        noted, self._noted = self._noted, []
        if noted:
            self._execution.record(*noted)

    def match(self, jobs: Sequence[Job]) -> None:
        """Take a reading of all jobs there: find ours, and follow them.

        Raises:
            AwsError: the log of a job that failed could not be read; what was noted until then is to be recorded.
        """
        followed: set[str] = set()
        self._unassigned.clear()
        for job in jobs:
            if job.job_id in followed:  # on two pages of one reading: the state must hold what the first one said
                self.record_noted()
            followed.add(job.job_id)
            known = self.jobs.get(job.job_id)
            ours = job.tags.get(EXECUTION_TAG) == self._state.execution_id and job.type in LAUNCH_TYPES
            if not (ours if known is None else known.active):  # one that is known needs no tags, and is followed once
                continue
            if (wave := self._wave_of(known or job)) is None:
                if not job.servers:
                    self._unassigned.add(job.job_id)
                continue  # of no wave of ours: its servers count as in a job of somebody else
            job = self._completed(wave, job, known)  # noqa: PLW2901 - what DRS left out is what was requested
            if known is None and not job.servers:
                self._unassigned.add(job.job_id)  # a later reading may say more; no lost answer is given up until then
                continue
            if known is None:
                self.found(job)
                self.jobs[job.job_id] = replace(job, status="PENDING")  # found once, even if following it fails now
            self._follow(wave, job)
            self.jobs[job.job_id] = job

    def _wave_of(self, job: Job) -> WaveRun | None:
        """The wave of a job, by its tag; where somebody changed that, the one wave that has all of its servers."""
        number = job.tags.get(WAVE_TAG, "")
        if number.isdecimal() and int(number) in self._state.waves:
            return self._state.waves[int(number)]
        servers = {server.source_server_id for server in job.servers}
        waves = [wave for wave in self._state.waves.values() if servers and servers <= wave.servers.keys()]
        return waves[0] if len(waves) == 1 else None

    def _completed(self, wave: WaveRun, job: Job, known: Job | None) -> Job:
        """The job with the tags that it was started with, and with every server in it, also those that DRS left out."""
        reported = {server.source_server_id: server for server in job.servers}
        request = None if known is not None else self._request_of(wave, job)
        batch = request.batch if request else (known or job).tags.get(BATCH_TAG, "") or job.job_id
        followed = [server_id for server_id, run in wave.servers.items() if run.job_id == job.job_id]
        ids = dict.fromkeys(
            (*(i for i in reported if i in wave.servers), *followed, *(request.server_ids if request else ()))
        )
        return replace(
            job,
            servers=tuple(reported.get(i) or ParticipatingServer(i, "PENDING", None) for i in ids),
            tags={**job.tags, WAVE_TAG: str(wave.number), BATCH_TAG: batch},
        )

    def _request_of(self, wave: WaveRun, job: Job) -> LaunchRequest | None:
        """The request that a job is the answer to: by its batch tag, or by its servers where the tag was changed."""
        if (request := self._state.requests.get(job.tags.get(BATCH_TAG, ""))) and request.location == self._location:
            return request
        servers = {server.source_server_id for server in job.servers}
        return next(
            (each for each in self.requests if each.wave_number == wave.number and servers & set(each.server_ids)), None
        )

    def found(self, job: Job) -> None:
        """Record a job of ours that is new to us: just started, or started by a call whose answer was lost.

        Recorded at once, since what becomes of its servers is judged by the state that this leads to.
        """
        self._noted.append(
            JobStarted(
                at=self._clock.now(),
                wave_number=int(job.tags[WAVE_TAG]),
                batch=job.tags[BATCH_TAG],
                job_id=job.job_id,
                account_id=self._location.account_id,
                region=self._location.region,
                server_ids=tuple(server.source_server_id for server in job.servers),
                started_at=job.started_at,
            )
        )
        self.record_noted()

    def _follow(self, wave: WaveRun, job: Job, reasons: Mapping[str, str] | None = None) -> None:
        """Note what changed in a job since the last reading. `reasons`: why servers failed; by default its log says."""
        for server in job.servers:
            run = wave.servers[server.source_server_id]  # `_completed` leaves no others in
            if run.job_id != job.job_id or run.state.final:
                continue
            status = _status_of(server, job)
            if status == run.launch_status:
                continue
            error = None
            if status in FINAL_LAUNCH_STATUSES and status != "LAUNCHED":
                reasons = self._reasons(job) if reasons is None else reasons
                if (why := reasons.get(server.source_server_id)) is None and server.launch_status != status:
                    why = OUTCOME_UNKNOWN
                    self._waves[wave.number].exhausted.add(server.source_server_id)
                error = f"{why or 'DRS gives no reason'} (job {job.job_id})"
            self._noted.append(
                ServerStatus(
                    at=self._clock.now(),
                    wave_number=wave.number,
                    source_server_id=server.source_server_id,
                    launch_status=status,
                    job_id=job.job_id,
                    recovery_instance_id=server.recovery_instance_id,
                    error=error,
                )
            )
        former = self.jobs.get(job.job_id)
        if not job.active and (former is None or former.active):
            self._noted.append(
                JobEnded(at=self._clock.now(), job_id=job.job_id, ended_at=job.ended_at or self._clock.now())
            )

    def _reasons(self, job: Job) -> dict[str, str]:
        """Why servers did not come up, by source server id, from the job's log; its last entry counts."""
        return {
            item.source_server_id: f"{item.event}: {item.raw_error}" if item.raw_error else item.event
            for item in describe_job_log(self._sessions, self._location, job.job_id)
            if item.source_server_id and (item.raw_error or item.event.endswith(("FAIL", "FAILED", "SKIPPED")))
        }

    def settle_lost(self, jobs: Sequence[Job]) -> None:
        """Release the servers of launches whose answer was lost and that certainly started no job.

        Raises:
            AwsError: the source servers could not be read.
        """
        assigned = [job for job in jobs if job.job_id not in self._unassigned]
        for request, reason in self._lost.without_a_job(self.requests, assigned, self._unassigned):
            self.release(request, reason)

    def settle_unseen(self, jobs: Sequence[Job]) -> None:
        """Decide about jobs of ours that are in no reading for long: deleted, as DRS allows (`DeleteJob`).

        What the recovery instances, or the source server's last launch, say counts; where neither says that a server
        was launched, it fails by name and is not launched again.

        Raises:
            AwsError: DRS could not be reached.
        """
        now, visible = self._clock.now(), {job.job_id for job in jobs}
        missing = [job for job in self.jobs.values() if job.active and job.job_id not in visible]
        self._unseen = {job.job_id: self._unseen.get(job.job_id, now) for job in missing}
        gone = [job for job in missing if now - self._unseen[job.job_id] >= UNSEEN]
        if not gone:
            return
        ids = [server.source_server_id for job in gone for server in job.servers]
        sources = {s.source_server_id: s for s in self._launches.source_servers(ids)}
        instances = {
            (each.job_id, each.source_server_id): each.recovery_instance_id
            for each in self._launches.recovery_instances(ids)
        }
        for job in gone:
            servers = tuple(_as_it_ended(server, job, sources, instances) for server in job.servers)
            self._end_unseen(replace(job, status="COMPLETED", servers=servers))

    def _end_unseen(self, job: Job) -> None:
        """A job that was deleted is over; its servers that were not launched are not launched again."""
        wave = self._waves[int(job.tags[WAVE_TAG])]
        ids = [server.source_server_id for server in job.servers]
        why = f"job {job.job_id} is not in DRS any more, and DRS has no recovery instance of it"
        self._follow(wave.run, job, dict.fromkeys(ids, why))
        self.jobs[job.job_id] = job
        self.record_noted()
        for server_id in ids:
            run = wave.servers[server_id]
            if run.state is ServerState.FAILED and run.job_id == job.job_id:
                wave.exhausted.add(server_id)

    def release(self, request: LaunchRequest, reason: str) -> None:
        """Note that the request certainly started no job: its servers may be put in another."""
        self._noted.append(
            JobRefused(at=self._clock.now(), wave_number=request.wave_number, batch=request.batch, reason=reason)
        )


def _as_last_known(job: LaunchJob) -> Job:
    """A job that a former process started; the first reading says how it stands."""
    return Job(
        job_id=job.job_id,
        type="LAUNCH",
        status="PENDING" if job.ended_at is None else "COMPLETED",
        initiated_by="",
        started_at=job.started_at,
        ended_at=None,
        servers=tuple(ParticipatingServer(server_id, "PENDING", None) for server_id in job.server_ids),
        tags={BATCH_TAG: job.batch, WAVE_TAG: str(job.wave_number)},
    )


def _status_of(server: ParticipatingServer, job: Job) -> str:
    """The server's `launchStatus`; FAILED where the job is over and never launched it."""
    if not job.active and server.launch_status not in FINAL_LAUNCH_STATUSES:
        return "FAILED"
    return server.launch_status


def _as_it_ended(
    server: ParticipatingServer,
    job: Job,
    sources: Mapping[str, SourceServer],
    instances: Mapping[tuple[str | None, str], str],
) -> ParticipatingServer:
    """How a server of a job that was deleted came out, as its recovery instance or its last launch tells."""
    source = sources.get(server.source_server_id)
    instance = instances.get((job.job_id, server.source_server_id))
    last = source is not None and source.last_launch_job_id == job.job_id
    if instance is None and last and source is not None and source.last_launch_status == "LAUNCHED":
        instance = source.recovery_instance_id
    status = "LAUNCHED" if instance is not None else "FAILED"
    return ParticipatingServer(server.source_server_id, status, instance)
