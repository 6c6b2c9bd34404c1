"""The jobs of one execution in one account-region: those that DRS has, and the launches whose answer is missing.

In: what DRS's jobs say, reading by reading. Out: how the servers stand, events that tell what changed, and the launches
that were asked for and not answered. AWS is the truth about launches: a job that carries this execution's tag belongs
to it, whatever the journal remembers. Where no answer came, the servers are held back until the job is found by its
tags, or is certainly not there. Nothing here launches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from prefect_drs.aws.drs import (
    FINAL_LAUNCH_STATUSES,
    Job,
    ParticipatingServer,
    SourceServer,
    describe_job_log,
    describe_recovery_instances,
    describe_source_servers,
)
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.recovery.waves import ServerState, WaveRun
from prefect_drs.report.events import Event, JobEnded, JobRefused, JobRequested, JobStarted, ServerStatus

EXECUTION_TAG = "prefect-drs:execution"
PLAN_TAG = "prefect-drs:plan"
WAVE_TAG = "prefect-drs:wave"
BATCH_TAG = "prefect-drs:batch"

VISIBILITY = timedelta(minutes=2)  # how long a job may be missing from DescribeJobs after a lost answer
SKEW = timedelta(minutes=10)  # how far this machine's clock and AWS's may be apart
UNSEEN = timedelta(minutes=10)  # how long a job may be missing from DescribeJobs before its servers are looked at
LAUNCH_TYPES = frozenset({"LAUNCH"})


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """A launch that was asked for and not answered yet. `missed_since`: from when on its job is looked for in vain."""

    wave: WaveRun
    batch: str
    server_ids: tuple[str, ...]
    asked_at: datetime
    missed_since: datetime


class JobTracker:
    """What is known of the execution's jobs there.

    Args:
        location: the account and region.
        sessions: the way in.
        clock: the time.
        execution_id: what the jobs are tagged with.
        waves: all waves of the execution, by number.
    """

    def __init__(
        self,
        location: Location,
        sessions: Sessions,
        clock: Clock,
        execution_id: str,
        waves: Mapping[int, WaveRun],
    ) -> None:
        self._location = location
        self._sessions = sessions
        self._clock = clock
        self._execution_id = execution_id
        self._waves = waves
        self.jobs: dict[str, Job] = {}
        self.requests: dict[str, LaunchRequest] = {}
        self._noted: list[Event] = []  # what a reading found, written together
        self._unseen: dict[str, datetime] = {}  # since when an active job of ours is in no reading

    @property
    def busy(self) -> bool:
        """Whether a job of this execution is not known to be over."""
        return bool(self.requests) or any(job.active for job in self.jobs.values())

    def take_noted(self) -> list[Event]:
        """The events that are not written yet; whoever takes them writes them."""
        noted, self._noted = self._noted, []
        return noted

    def note(self, event: Event) -> None:
        """Let an event be written with the others."""
        self._noted.append(event)

    def adopt_request(self, event: JobRequested) -> None:
        """Take over a launch that a former process asked for and whose answer the journal does not hold.

        The former process's clock may be off: unless its request is old by any clock, the wait for it begins now.
        """
        now = self._clock.now()
        missed_since = event.at if now - event.at > SKEW + VISIBILITY else now
        self.hold(LaunchRequest(self._waves[event.wave_number], event.batch, event.server_ids, event.at, missed_since))

    def adopt_job(self, event: JobStarted, *, over: bool) -> None:
        """Take over a job that a former process started; the first reading says how it stands."""
        self.jobs[event.job_id] = Job(
            job_id=event.job_id,
            type="LAUNCH",
            status="COMPLETED" if over else "PENDING",
            initiated_by="",
            started_at=event.started_at,
            ended_at=None,
            servers=tuple(ParticipatingServer(server_id, "PENDING", None) for server_id in event.server_ids),
            tags={BATCH_TAG: event.batch, WAVE_TAG: str(event.wave_number)},
        )

    def match(self, jobs: Sequence[Job]) -> None:
        """Take a reading of all jobs there: find ours, and follow them.

        Raises:
            AwsError: the log of a job that failed could not be read; what was found until then is kept.
        """
        for job in jobs:
            known = self.jobs.get(job.job_id)
            ours = job.tags.get(EXECUTION_TAG) == self._execution_id and job.type in LAUNCH_TYPES
            if not (ours if known is None else known.active):  # one that is known needs no tags, and is followed once
                continue
            if (wave := self._wave_of(known or job)) is None:
                continue  # of no wave of ours: its servers count as held by somebody else
            job = self._whole(wave, job, known)  # noqa: PLW2901 - what DRS left out is what was asked for
            if known is None:
                self.found(wave, job)
                self.jobs[job.job_id] = replace(job, status="PENDING")  # found once, even if following it fails now
            self._follow(wave, job)
            self.jobs[job.job_id] = job

    def _wave_of(self, job: Job) -> WaveRun | None:
        """The wave of a job, by its tag; where somebody changed that, the one wave that has all of its servers."""
        number = job.tags.get(WAVE_TAG, "")
        if number.isdecimal() and int(number) in self._waves:
            return self._waves[int(number)]
        servers = {server.source_server_id for server in job.servers}
        waves = [wave for wave in self._waves.values() if servers and servers <= wave.servers.keys()]
        return waves[0] if len(waves) == 1 else None

    def _whole(self, wave: WaveRun, job: Job, known: Job | None) -> Job:
        """The job with the tags that it was started with, and with every server that is in it, told by DRS or not."""
        told = {server.source_server_id: server for server in job.servers}
        batch = (known or job).tags.get(BATCH_TAG, "")
        if known is None and batch not in self.requests:  # its tag was changed or taken: by its servers, then
            asked = (r for r in self.requests.values() if r.wave is wave and told.keys() & set(r.server_ids))
            batch = next((request.batch for request in asked), batch or job.job_id)
        request = self.requests.get(batch) if known is None else None
        its_own = [server_id for server_id, run in wave.servers.items() if run.job_id == job.job_id]
        ids = dict.fromkeys(
            (*(i for i in told if i in wave.servers), *its_own, *(request.server_ids if request else ()))
        )
        return replace(
            job,
            servers=tuple(told.get(i) or ParticipatingServer(i, "PENDING", None) for i in ids),
            tags={**job.tags, WAVE_TAG: str(wave.number), BATCH_TAG: batch},
        )

    def found(self, wave: WaveRun, job: Job) -> None:
        """A job of ours that is new to us: just started, or started by a call whose answer was lost."""
        batch = job.tags[BATCH_TAG]
        self.requests.pop(batch, None)
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
                account_id=self._location.account_id,
                region=self._location.region,
                server_ids=server_ids,
                started_at=job.started_at,
            )
        )

    def _follow(self, wave: WaveRun, job: Job, reasons: dict[str, str] | None = None) -> None:
        """Note what changed in a job since the last reading. `reasons`: why servers failed; by default its log says."""
        former = self.jobs.get(job.job_id)
        for server in job.servers:
            run = wave.servers[server.source_server_id]  # `_whole` leaves no others in
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
            for item in describe_job_log(self._sessions, self._location, job.job_id)
            if item.source_server_id and (item.raw_error or item.event.endswith(("FAIL", "FAILED", "SKIPPED")))
        }

    def settle_lost(self, jobs: Sequence[Job]) -> None:
        """Decide about launches whose answer was lost and that still show in no reading.

        Raises:
            AwsError: the source servers could not be read.
        """
        now = self._clock.now()
        overdue = [request for request in self.requests.values() if now - request.missed_since >= VISIBILITY]
        if not overdue:
            return
        visible = {job.job_id for job in jobs}
        ids = [server_id for request in overdue for server_id in request.server_ids]
        servers = {
            server.source_server_id: server for server in describe_source_servers(self._sessions, self._location, ids)
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
                self.release(request, f"no answer came, and no job was there {VISIBILITY} later")
            elif now - request.missed_since >= UNSEEN:  # whoever's it was, it was deleted: each launch looks at that
                self.release(request, f"no answer came, and job {hidden[0].last_launch_job_id} is not in DRS any more")

    def settle_unseen(self, jobs: Sequence[Job]) -> None:
        """Decide about jobs of ours that are in no reading for long: deleted, as DRS allows (`DeleteJob`).

        What the recovery instances, or the source server's last launch, say counts; where neither tells that a server
        was launched, it fails by name and is not launched again.

        Raises:
            AwsError: DRS could not be asked.
        """
        now, visible = self._clock.now(), {job.job_id for job in jobs}
        missing = [job for job in self.jobs.values() if job.active and job.job_id not in visible]
        self._unseen = {job.job_id: self._unseen.get(job.job_id, now) for job in missing}
        gone = [job for job in missing if now - self._unseen[job.job_id] >= UNSEEN]
        if not gone:
            return
        ids = [server.source_server_id for job in gone for server in job.servers]
        sources = {s.source_server_id: s for s in describe_source_servers(self._sessions, self._location, ids)}
        instances = {
            (each.job_id, each.source_server_id): each.recovery_instance_id
            for each in describe_recovery_instances(self._sessions, self._location, ids)
        }
        for job in gone:
            servers = tuple(_as_it_ended(server, job, sources, instances) for server in job.servers)
            wave = self._waves[int(job.tags[WAVE_TAG])]
            told = f"job {job.job_id} is not in DRS any more, and DRS has no recovery instance of it"
            ended = replace(job, status="COMPLETED", servers=servers)
            self._follow(wave, ended, dict.fromkeys((server.source_server_id for server in servers), told))
            self.jobs[job.job_id] = ended
            for server in servers:
                run = wave.servers[server.source_server_id]
                if run.state is ServerState.FAILED and run.job_id == job.job_id:
                    run.exhausted = True

    def hold(self, request: LaunchRequest) -> None:
        """A launch is being asked for: its servers are in no other until it is answered, or certainly started none."""
        self.requests[request.batch] = request
        for server_id in request.server_ids:
            request.wave.servers[server_id].state = ServerState.REQUESTED

    def release(self, request: LaunchRequest, reason: str) -> None:
        """The request certainly started no job: its servers may be put in another."""
        del self.requests[request.batch]
        for server_id in request.server_ids:
            request.wave.servers[server_id].state = ServerState.READY
        self._noted.append(
            JobRefused(at=self._clock.now(), wave_number=request.wave.number, batch=request.batch, reason=reason)
        )


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
