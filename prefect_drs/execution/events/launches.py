"""Events of launches: launch settings, jobs, and what became of each server."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from prefect_drs.aws.location import Location
from prefect_drs.execution.event import Event
from prefect_drs.execution.records import LaunchJob, LaunchRequest
from prefect_drs.execution.state import ExecutionState
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.runbook import PlannedChange


class SettingsApplied(Event):
    """Launch settings of a server were written to its account. `fields`: named as in the manifest.

    `changes`: from what to what; empty in journals of former releases.
    """

    kind: Literal["SettingsApplied"] = "SettingsApplied"
    wave_number: int
    source_server_id: str
    fields: tuple[str, ...]
    changes: tuple[PlannedChange, ...] = ()

    @property
    def text(self) -> str:
        """Which settings of which server."""
        return f"wave {self.wave_number} {self.source_server_id}: set {', '.join(self.fields)}"


class JobRequested(Event):
    """A launch is about to be requested. Written before the call, so that the job of a lost answer is looked for."""

    kind: Literal["JobRequested"] = "JobRequested"
    wave_number: int
    batch: str
    account_id: str
    region: str
    server_ids: tuple[str, ...]

    @property
    def text(self) -> None:
        """`JobStarted` or `JobRefused` says what came of it."""
        return

    def apply_to(self, state: ExecutionState) -> None:
        """The servers are in no other request until the answer is known."""
        location = Location(self.account_id, self.region)
        state.request_launch(LaunchRequest(self.wave_number, self.batch, location, self.server_ids, self.at))


class JobRefused(Event):
    """The requested job does not exist: DRS refused it, or it was looked for and is certainly not there."""

    kind: Literal["JobRefused"] = "JobRefused"
    wave_number: int
    batch: str
    reason: str

    @property
    def text(self) -> str:
        """Which request, and why."""
        return f"wave {self.wave_number} batch {self.batch} not started: {self.reason}"

    def apply_to(self, state: ExecutionState) -> None:
        """The servers may be put in another job."""
        state.answer_request(self.batch)


class JobStarted(Event):
    """A launch job of this execution exists in DRS."""

    kind: Literal["JobStarted"] = "JobStarted"
    wave_number: int
    batch: str
    job_id: str
    account_id: str
    region: str
    server_ids: tuple[str, ...]
    started_at: datetime

    @property
    def text(self) -> str:
        """The job, where it is, and its size."""
        where = f"{self.account_id}/{self.region}"
        return f"wave {self.wave_number} job {self.job_id} in {where}: {len(self.server_ids)} server(s)"

    def apply_to(self, state: ExecutionState) -> None:
        """The servers are in the job."""
        location = Location(self.account_id, self.region)
        state.add_job(LaunchJob(self.wave_number, self.batch, self.job_id, location, self.server_ids, self.started_at))


class ServerStatus(Event):
    """A server's `launchStatus` in its job changed."""

    kind: Literal["ServerStatus"] = "ServerStatus"
    wave_number: int
    source_server_id: str
    launch_status: str
    job_id: str | None = None
    recovery_instance_id: str | None = None
    error: str | None = None

    @property
    def text(self) -> str:
        """The status, the recovery instance, the error."""
        error = f": {self.error}" if self.error else ""
        instance = f" as {self.recovery_instance_id}" if self.recovery_instance_id else ""
        return f"wave {self.wave_number} {self.source_server_id} {self.launch_status}{instance}{error}"

    def apply_to(self, state: ExecutionState) -> None:
        """The server has that status."""
        run = state.waves[self.wave_number].servers[self.source_server_id]
        run.report_status(self.launch_status, self.recovery_instance_id, self.error or "", self.at)


class ServerRetried(Event):
    """A server that did not come up will be launched once more.

    `how`: what is different this time; `settings` and `snapshot_id`: what it is launched with and from.
    """

    kind: Literal["ServerRetried"] = "ServerRetried"
    wave_number: int
    source_server_id: str
    how: str = ""
    settings: LaunchSettings
    snapshot_id: str | None = None

    @property
    def text(self) -> str:
        """Which server, and what is different."""
        how = f": {self.how}" if self.how else ""
        return f"wave {self.wave_number} {self.source_server_id} is launched once more{how}"

    def apply_to(self, state: ExecutionState) -> None:
        """The server may be put in a job again."""
        state.waves[self.wave_number].servers[self.source_server_id].retry(self.settings, self.snapshot_id)


class JobEnded(Event):
    """A job is COMPLETED, which says nothing of its servers."""

    kind: Literal["JobEnded"] = "JobEnded"
    job_id: str
    ended_at: datetime

    @property
    def text(self) -> str:
        """Which job."""
        return f"job {self.job_id} ended"

    def apply_to(self, state: ExecutionState) -> None:
        """The job is over."""
        state.end_job(self.job_id, self.ended_at)
