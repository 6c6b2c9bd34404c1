"""The life of a job: the events that bring each server through cleanup, snapshot, conversion and launch.

JOB_START
  each server: CLEANUP_START, CLEANUP_END
               SNAPSHOT_START, SNAPSHOT_END        or USING_PREVIOUS_SNAPSHOT
               CONVERSION_START, CONVERSION_END    but with recoveryMode FAST
               LAUNCH_START                        (there is no LAUNCH_END: launchStatus tells)
  or SERVER_SKIPPED, CLEANUP_FAIL, SNAPSHOT_FAIL, CONVERSION_FAIL, LAUNCH_FAILED
JOB_END, or JOB_CANCEL after 24 hours
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ..faults import CapacityFault, ServerFault
from .durations import job_end, job_start, termination
from .event_bus import LAUNCH_RESULT
from .identifiers import generator
from .jobs import Job, JobStatus, LaunchStatus, Participant
from .launching import LaunchError, launch, subnet_of
from .recovery_instances import RecoveryInstance, RecoveryInstancesBackend

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


class JobRunsBackend(RecoveryInstancesBackend):
    """Carries jobs out."""

    def begin_job(self, job: Job) -> None:
        """Put a new job on its way."""
        self.jobs[job.job_id] = job
        self.job_order.append(job)
        self.active_jobs[job.job_id] = job
        for participant in job.participants.values():
            self.busy_servers[participant.server_id] = job.job_id
        started_at = job.created_at + timedelta(seconds=self.pending_seconds(job.job_id))
        self.schedule(started_at, "job_started", job.job_id)
        self.schedule(job.created_at + GIVEN_UP_AFTER, "job_given_up", job.job_id)

    def pending_seconds(self, job_id: str) -> float:
        """How long a job stays PENDING."""
        return job_start(generator(self.runtime.seed, "job-start", job_id))

    def on_job_started(self, at: datetime, job_id: str) -> None:
        """The job leaves PENDING; each server begins its first stage."""
        job = self.active_jobs.get(job_id)
        if job is None:
            return
        job.status = JobStatus.STARTED
        job.note(at, "JOB_START")
        for participant in job.participants.values():
            participant.started_at = at
            if job.kind == "TERMINATE":
                participant.status = LaunchStatus.IN_PROGRESS
                rng = generator(self.runtime.seed, "terminate", participant.instance_id)
                self.schedule(at + timedelta(seconds=termination(rng)), "terminated", job_id, participant.instance_id)
            elif participant.skipped:
                job.note(at, "SERVER_SKIPPED", sourceServerID=participant.server_id)
                self.settle(at, job, participant, LaunchStatus.FAILED)
            else:
                participant.status = LaunchStatus.IN_PROGRESS
                self.on_stage(at, job_id, participant.server_id, 0)
        self._end_if_over(at, job)

    def on_stage(self, at: datetime, job_id: str, server_id: str, index: int) -> None:
        """A server begins a stage."""
        found = self._running(job_id, server_id)
        if found is None:
            return
        job, participant = found
        stage = STAGES[index]
        if stage == "snapshot" and participant.chosen_snapshot:
            job.note(at, "USING_PREVIOUS_SNAPSHOT", sourceServerID=server_id)
            self.on_stage(at, job_id, server_id, index + 1)
            return
        seconds = float(getattr(participant.seconds, stage))
        if stage == "conversion" and not seconds:
            self.on_stage(at, job_id, server_id, index + 1)
            return
        job.note(at, START_EVENTS[stage], **self._stage_data(job, participant, stage))
        fault = self._server_fault(job, participant, stage)
        if fault is None:
            self.schedule(at + timedelta(seconds=seconds), "stage_ended", job_id, server_id, index)
        elif fault.effect == "fail":
            text = fault.message or f"The {stage} of {server_id} failed by a fault of the sandbox."
            self.schedule(at + timedelta(seconds=seconds * FAILS_AT), "stage_failed", job_id, server_id, index, text)

    def on_stage_ended(self, at: datetime, job_id: str, server_id: str, index: int) -> None:
        """A server has passed a stage."""
        found = self._running(job_id, server_id)
        if found is None:
            return
        job, participant = found
        stage = STAGES[index]
        if stage == "launch":
            self.carry_out_launch(at, job, participant)
            self._end_if_over(at, job)
            return
        if stage == "cleanup":
            self._clean_up(job, participant)
        job.note(at, END_EVENTS[stage], **self._stage_data(job, participant, stage))
        self.on_stage(at, job_id, server_id, index + 1)

    def on_stage_failed(self, at: datetime, job_id: str, server_id: str, index: int, text: str) -> None:
        """A server has failed in a stage."""
        found = self._running(job_id, server_id)
        if found is None:
            return
        job, participant = found
        job.note(at, FAIL_EVENTS[STAGES[index]], sourceServerID=server_id, rawError=text)
        self.settle(at, job, participant, LaunchStatus.FAILED)
        self._end_if_over(at, job)

    def on_terminated(self, at: datetime, job_id: str, instance_id: str) -> None:
        """A recovery instance is terminated and forgotten."""
        found = self._running(job_id, instance_id)
        if found is None:
            return
        job, participant = found
        self.forget_instance(instance_id, terminate=True)
        self.settle(at, job, participant, LaunchStatus.TERMINATED)
        self._end_if_over(at, job)

    def on_job_ended(self, at: datetime, job_id: str) -> None:
        """The job is COMPLETED."""
        job = self.active_jobs.get(job_id)
        if job is not None:
            job.note(at, "JOB_END")
            self._complete(at, job)

    def on_job_given_up(self, at: datetime, job_id: str) -> None:
        """A day has passed: what is not through has failed."""
        job = self.active_jobs.get(job_id)
        if job is None:
            return
        for participant in job.participants.values():
            if participant.status in {LaunchStatus.PENDING, LaunchStatus.IN_PROGRESS}:
                self.settle(at, job, participant, LaunchStatus.FAILED)
        job.note(at, "JOB_CANCEL")
        self._complete(at, job)

    # What the events stand on

    def _running(self, job_id: str, key: str) -> tuple[Job, Participant] | None:
        job = self.active_jobs.get(job_id)
        participant = job.participants.get(key) if job else None
        if job is None or participant is None or participant.status is not LaunchStatus.IN_PROGRESS:
            return None
        return job, participant

    def _server_fault(self, job: Job, participant: Participant, stage: str) -> ServerFault | None:
        server = self.servers.get(participant.server_id)
        names = server.names if server else (participant.server_id,)
        return self.runtime.faults.hit(
            ServerFault, self.account_id, self.region_name, server=names, stage=stage, mode=job.mode
        )

    def _stage_data(self, job: Job, participant: Participant, stage: str) -> dict[str, Any]:
        data: dict[str, Any] = {"sourceServerID": participant.server_id}
        if stage == "conversion":
            data["conversionServerID"] = self.ec2_identifier("i-", job.job_id, participant.server_id, "conversion")
        return data

    def _clean_up(self, job: Job, participant: Participant) -> None:
        """A recovery replaces the former recovery instance of its server; a drill leaves what is there."""
        server = self.servers.get(participant.server_id)
        if server is None or job.initiated_by != "START_RECOVERY":
            return
        former = self.recovery_instances.get(server.recovery_instance_id or "")
        if former is not None and not former.is_drill:
            self.forget_instance(former.instance_id, terminate=True)

    def carry_out_launch(self, at: datetime, job: Job, participant: Participant) -> None:
        """Make the recovery instance, or fail as EC2 does."""
        plan = participant.plan
        if plan is None:
            return
        try:
            zone = subnet_of(plan, self.account_id, self.region_name).availability_zone
            capacity = self.runtime.faults.hit(
                CapacityFault, self.account_id, self.region_name, instance_type=plan.instance_type, zone=zone
            )
            if capacity is not None:
                raise LaunchError(
                    f"InsufficientInstanceCapacity: We currently do not have sufficient {plan.instance_type} "
                    f"capacity in the Availability Zone you requested ({zone})."
                )
            instance = launch(
                plan, self.account_id, self.region_name,
                self.runtime.seed, self.account_id, self.region_name, plan.server_id, participant.attempt,
            )  # fmt: skip
        except LaunchError as refusal:
            job.note(at, "LAUNCH_FAILED", sourceServerID=participant.server_id, rawError=str(refusal))
            self.settle(at, job, participant, LaunchStatus.FAILED)
        else:
            participant.instance_id = instance.id
            self._record_instance(at, job, participant, instance)
            self.settle(at, job, participant, LaunchStatus.LAUNCHED)

    def _record_instance(self, at: datetime, job: Job, participant: Participant, instance: Any) -> None:
        server = self.servers.get(participant.server_id)
        self.remember_ec2_instance(instance)
        self.recovery_instances[instance.id] = RecoveryInstance(
            instance_id=instance.id,
            arn=self.arn("recovery-instance", instance.id),
            job_id=job.job_id,
            server_id=participant.server_id,
            is_drill=job.drill,
            point_in_time=participant.point_in_time or at,
            launched_at=at,
            origin_zone=server.source_zone if server else None,
            origin_aws=bool(server and server.source_account),
        )
        if server is not None:
            server.recovery_instance_id = instance.id

    def settle(self, at: datetime, job: Job, participant: Participant, status: LaunchStatus) -> None:
        """Bring a server of a job to its end."""
        participant.status = status
        participant.ended_at = at
        server = self.servers.get(participant.server_id)
        if server and server.last_launch and server.last_launch.job_id == job.job_id:
            server.last_launch.status = status.value
            server.last_launch_result = "SUCCEEDED" if status is LaunchStatus.LAUNCHED else "FAILED"
            self.tell(
                LAUNCH_RESULT,
                server.arn,
                state=f"RECOVERY_LAUNCH_{server.last_launch_result}",
                job_id=job.job_id,
                is_drill=str(job.drill).upper(),
            )

    def _end_if_over(self, at: datetime, job: Job) -> None:
        if job.is_over():
            seconds = job_end(generator(self.runtime.seed, "job-end", job.job_id)) + job.extra_seconds
            self.schedule(at + timedelta(seconds=seconds), "job_ended", job.job_id)

    def _complete(self, at: datetime, job: Job) -> None:
        job.status = JobStatus.COMPLETED
        job.ended_at = at
        self.active_jobs.pop(job.job_id, None)
        for participant in job.participants.values():
            if self.busy_servers.get(participant.server_id) == job.job_id:
                del self.busy_servers[participant.server_id]
        self.job_completed(at, job)

    def job_completed(self, at: datetime, job: Job) -> None:
        """What hangs on a job's end: recovery plan executions."""
