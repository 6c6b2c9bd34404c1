"""The life of a job: the events that bring each server through cleanup, snapshot, conversion and launch.

JOB_START
  each server: CLEANUP_START, CLEANUP_END
               SNAPSHOT_START, SNAPSHOT_END        or USING_PREVIOUS_SNAPSHOT
               CONVERSION_START, CONVERSION_END    not with recoveryMode FAST
               LAUNCH_START                        (there is no LAUNCH_END: see launchStatus)
  or SERVER_SKIPPED, CLEANUP_FAIL, SNAPSHOT_FAIL, CONVERSION_FAIL, LAUNCH_FAILED
JOB_END, or JOB_CANCEL after 24 hours

Other resources use the hooks of `JobRuns`: network jobs have their own start, failback launches happen in another
region, and launch actions and recovery plans continue after a job's result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from . import environment
from .durations import job_end, job_start, termination
from .event_bus import LAUNCH_RESULT
from .identifiers import generator
from .jobs import Job, JobRegister, JobStatus, LaunchStatus, Participant
from .launching import LaunchError, LaunchPlan, launch, place_of
from .recovery_instances import RecoveryInstance, RecoveryInstances
from .scope import Scope
from .source_servers import SourceServer
from .store import Store

GIVEN_UP_AFTER = timedelta(hours=24)
"""DRS gives a job up after a day."""
STAGES = ("cleanup", "snapshot", "conversion", "launch")
START_EVENTS = {stage: f"{stage.upper()}_START" for stage in STAGES}
END_EVENTS = {"cleanup": "CLEANUP_END", "snapshot": "SNAPSHOT_END", "conversion": "CONVERSION_END"}
FAIL_EVENTS = {
    "cleanup": "CLEANUP_FAIL",
    "snapshot": "SNAPSHOT_FAIL",
    "conversion": "CONVERSION_FAIL",
    "launch": "LAUNCH_FAILED",
}
FAILS_AT = 0.6
"""A stage that fails does so after this part of its time."""


def internal_error(error: Exception) -> str:
    """What the job's log says of an error that is not AWS's, but of the simulator or of moto."""
    return f"InternalError: {type(error).__name__}: {error}"


OfJob = Callable[[datetime, Job], None]
OfParticipant = Callable[[datetime, Job, Participant], None]


@dataclass(slots=True)
class JobRuns:
    """Runs jobs.

    Attributes:
        starters: alternative starts of a job, by `initiatedBy`; the default runs the stages of its servers.
        launchers: alternative launches of a server, by `initiatedBy`; the default creates a recovery instance here. May
            raise LaunchError.
        on_settled: called when a server of a job has reached its final status.
        on_completed: called when a job is COMPLETED.
    """

    _scope: Scope
    _register: JobRegister
    _servers: Store[SourceServer]
    _instances: RecoveryInstances
    starters: dict[str, OfJob] = field(default_factory=dict, init=False)
    launchers: dict[str, OfParticipant] = field(default_factory=dict, init=False)
    on_settled: list[OfParticipant] = field(default_factory=list, init=False)
    on_completed: list[OfJob] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._scope.handle(
            job_started=self._start,
            job_ended=self._end,
            job_given_up=self._give_up,
            stage=self._begin_stage,
            stage_ended=self._end_stage_or_fail,
            stage_failed=self._fail_stage,
            terminated=self._terminate_or_fail,
        )

    def begin(self, job: Job) -> None:
        """Start a new job."""
        self._register.add(job)
        self._schedule(job.created_at, self.pending_seconds(job.job_id), "job_started", job.job_id)
        self._scope.schedule(job.created_at + GIVEN_UP_AFTER, "job_given_up", job.job_id)

    def pending_seconds(self, job_id: str) -> float:
        """How long a job stays PENDING."""
        return job_start(generator(self._scope.seed, "job-start", job_id))

    def _schedule(self, at: datetime, seconds: float, event: str, *args: Any) -> None:
        self._scope.schedule(at + timedelta(seconds=seconds), event, *args)

    def _start(self, at: datetime, job_id: str) -> None:
        """The job leaves PENDING; each server begins its first stage."""
        job = self._register.active(job_id)
        if job is None:
            return
        job.status = JobStatus.STARTED
        job.note(at, "JOB_START")
        if starter := self.starters.get(job.initiated_by):
            starter(at, job)
            return
        for participant in job.participants.values():
            participant.started_at = at
            if job.kind == "TERMINATE":
                participant.status = LaunchStatus.IN_PROGRESS
                seconds = termination(generator(self._scope.seed, "terminate", participant.instance_id))
                self._schedule(at, seconds, "terminated", job_id, participant.instance_id)
            elif participant.skipped:
                job.note(at, "SERVER_SKIPPED", sourceServerID=participant.server_id)
                self._settle(at, job, participant, LaunchStatus.FAILED)
            else:
                participant.status = LaunchStatus.IN_PROGRESS
                self._begin_stage(at, job_id, participant.server_id, 0)
        self._end_if_over(at, job)

    def _begin_stage(self, at: datetime, job_id: str, server_id: str, index: int) -> None:
        found = self._running(job_id, server_id)
        if found is None:
            return
        job, participant = found
        stage = STAGES[index]
        if stage == "snapshot" and participant.chosen_snapshot:
            job.note(at, "USING_PREVIOUS_SNAPSHOT", sourceServerID=server_id)
            self._begin_stage(at, job_id, server_id, index + 1)
            return
        seconds = float(getattr(participant.seconds, stage))
        if stage == "conversion" and not seconds:
            self._begin_stage(at, job_id, server_id, index + 1)
            return
        job.note(at, START_EVENTS[stage], **self._stage_data(job, participant, stage))
        server = self._servers.get(server_id)
        names = server.names if server else (server_id,)
        fault = environment.current().stage_fault(*self._scope.place, server=names, stage=stage, mode=job.mode)
        if fault is None:
            self._schedule(at, seconds, "stage_ended", job_id, server_id, index)
        elif not fault.hangs:
            self._schedule(at, seconds * FAILS_AT, "stage_failed", job_id, server_id, index, fault.message)

    def _end_stage_or_fail(self, at: datetime, job_id: str, server_id: str, index: int) -> None:
        """End a stage; an exception of the simulator or of moto fails the server, so that no job hangs."""
        try:
            self._end_stage(at, job_id, server_id, index)
        except Exception as error:
            self._fail_stage(at, job_id, server_id, index, internal_error(error))
            self._end_what_is_over(at, job_id)

    def _terminate_or_fail(self, at: datetime, job_id: str, instance_id: str) -> None:
        """End a recovery instance; an exception fails it, so that no job hangs."""
        try:
            self._terminate(at, job_id, instance_id)
        except Exception:
            if found := self._running(job_id, instance_id):
                self._settle(at, *found, LaunchStatus.FAILED)
            self._end_what_is_over(at, job_id)

    def _end_what_is_over(self, at: datetime, job_id: str) -> None:
        if job := self._register.active(job_id):
            self._end_if_over(at, job)

    def _end_stage(self, at: datetime, job_id: str, server_id: str, index: int) -> None:
        found = self._running(job_id, server_id)
        if found is None:
            return
        job, participant = found
        stage = STAGES[index]
        if stage == "launch":
            self._launch(at, job, participant)
            self._end_if_over(at, job)
            return
        if stage == "cleanup":
            self._clean_up(job, server_id)
        job.note(at, END_EVENTS[stage], **self._stage_data(job, participant, stage))
        self._begin_stage(at, job_id, server_id, index + 1)

    def _fail_stage(self, at: datetime, job_id: str, server_id: str, index: int, text: str) -> None:
        found = self._running(job_id, server_id)
        if found is None:
            return
        job, participant = found
        job.note(at, FAIL_EVENTS[STAGES[index]], sourceServerID=server_id, rawError=text)
        self._settle(at, job, participant, LaunchStatus.FAILED)
        self._end_if_over(at, job)

    def _terminate(self, at: datetime, job_id: str, instance_id: str) -> None:
        """Terminate a recovery instance and remove it from DRS; one that EC2 protects stays, and has FAILED."""
        found = self._running(job_id, instance_id)
        if found is None:
            return
        job, participant = found
        if self._instances.protected(instance_id):
            self._settle(at, job, participant, LaunchStatus.FAILED)
        else:
            self._instances.forget(instance_id, terminate=True)
            self._settle(at, job, participant, LaunchStatus.TERMINATED)
        self._end_if_over(at, job)

    def _end(self, at: datetime, job_id: str) -> None:
        job = self._register.active(job_id)
        if job is not None:
            self.end(at, job)

    def end(self, at: datetime, job: Job) -> None:
        """The job is COMPLETED."""
        job.note(at, "JOB_END")
        self._complete(at, job)

    def _give_up(self, at: datetime, job_id: str) -> None:
        """Fail all unfinished servers: the job is 24 hours old."""
        job = self._register.active(job_id)
        if job is None:
            return
        for participant in job.participants.values():
            if participant.status in {LaunchStatus.PENDING, LaunchStatus.IN_PROGRESS}:
                self._settle(at, job, participant, LaunchStatus.FAILED)
        job.note(at, "JOB_CANCEL")
        self._complete(at, job)

    def _running(self, job_id: str, key: str) -> tuple[Job, Participant] | None:
        job = self._register.active(job_id)
        participant = job.participants.get(key) if job else None
        if job is None or participant is None or participant.status is not LaunchStatus.IN_PROGRESS:
            return None
        return job, participant

    def _stage_data(self, job: Job, participant: Participant, stage: str) -> dict[str, Any]:
        data: dict[str, Any] = {"sourceServerID": participant.server_id}
        if stage == "conversion":
            made_for = (job.job_id, participant.server_id, "conversion")
            data["conversionServerID"] = self._scope.identifier("i-", *made_for)
        return data

    def _clean_up(self, job: Job, server_id: str) -> None:
        """Terminate the server's former recovery instance for a recovery; a drill keeps it.

        One that is launched into again stays in EC2.
        """
        server = self._servers.get(server_id)
        if server is None or job.initiated_by != "START_RECOVERY":
            return
        former = self._instances.former(server)
        if former is not None:
            again = (plan := job.participants[server_id].plan) is not None and plan.into_instance == former.instance_id
            self._instances.forget(former.instance_id, terminate=not again)

    def _launch(self, at: datetime, job: Job, participant: Participant) -> None:
        """Launch a server, or fail as EC2 does."""
        try:
            self.launchers.get(job.initiated_by, self._launch_here)(at, job, participant)
        except LaunchError as refusal:
            job.note(at, "LAUNCH_FAILED", sourceServerID=participant.server_id, rawError=str(refusal))
            self._settle(at, job, participant, LaunchStatus.FAILED)
        else:
            self._settle(at, job, participant, LaunchStatus.LAUNCHED)

    def _launch_here(self, at: datetime, job: Job, participant: Participant) -> None:
        """Create the recovery instance.

        Raises:
            LaunchError: EC2 refused it.
        """
        plan = participant.plan
        if plan is None:
            raise LaunchError(f"The launch of {participant.server_id} was not planned.")
        place = self._scope.place
        self._check_capacity(plan)
        ec2_instance = launch(plan, place, at, self._scope.seed, *place, plan.server_id, participant.attempt)
        participant.instance_id = ec2_instance.id
        server = self._servers.get(participant.server_id)
        instance = RecoveryInstance(
            instance_id=ec2_instance.id,
            arn=self._scope.arn("recovery-instance", ec2_instance.id),
            job_id=job.job_id,
            server_id=participant.server_id,
            is_drill=job.drill,
            point_in_time=participant.point_in_time or at,
            launched_at=at,
            origin_zone=server.source_zone if server else None,
            origin_aws=bool(server and server.source_account),
        )
        self._instances.add(instance, ec2_instance)

    def _check_capacity(self, plan: LaunchPlan) -> None:
        place = self._scope.place
        instance_type, zone = place_of(plan, *place)
        if environment.current().lacks_capacity(*place, instance_type=instance_type, zone=zone):
            raise LaunchError(
                f"InsufficientInstanceCapacity: We currently do not have sufficient {instance_type} "
                f"capacity in the Availability Zone you requested ({zone})."
            )

    def _settle(self, at: datetime, job: Job, participant: Participant, status: LaunchStatus) -> None:
        """Set the final status of a job's server."""
        participant.status = status
        participant.ended_at = at
        server = self._servers.get(participant.server_id)
        if server and server.last_launch and server.last_launch.job_id == job.job_id:
            server.last_launch.status = status.value
            server.last_launch_result = "SUCCEEDED" if status is LaunchStatus.LAUNCHED else "FAILED"
            self._scope.emit(
                LAUNCH_RESULT,
                server.arn,
                state=f"RECOVERY_LAUNCH_{server.last_launch_result}",
                job_id=job.job_id,
                is_drill=str(job.drill).upper(),
            )
        for listener in self.on_settled:
            listener(at, job, participant)

    def _end_if_over(self, at: datetime, job: Job) -> None:
        if job.is_over():
            seconds = job_end(generator(self._scope.seed, "job-end", job.job_id)) + job.extra_seconds
            self._schedule(at, seconds, "job_ended", job.job_id)

    def _complete(self, at: datetime, job: Job) -> None:
        self._register.complete(at, job)
        for listener in self.on_completed:
            listener(at, job)
