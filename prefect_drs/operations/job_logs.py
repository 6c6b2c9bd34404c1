"""The logs of DRS jobs, read from AWS within a time that is known beforehand.

In: sessions and jobs of a report. Out: for each job its log, or why it is missing. Without AWS a single call may be
tried for minutes. So an account and region that cannot be entered or reached is asked no more after the first failure,
and all logs together get `PATIENCE` seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prefect_drs.aws.drs import describe_job_log
from prefect_drs.aws.errors import (
    CredentialsError,
    DrsNotInitializedError,
    PermissionDeniedError,
    RegionNotEnabledError,
    RoleAssumptionError,
    UnreachableError,
)
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.aws.time_limit import map_within
from prefect_drs.core.errors import AwsError
from prefect_drs.core.models import FrozenModel
from prefect_drs.report.model import JobReport, WaveReport

PATIENCE = 60.0
"""Seconds of real time for the logs of all jobs together."""
READERS = 8
OF_THE_REGION = (
    CredentialsError,
    DrsNotInitializedError,
    PermissionDeniedError,
    RegionNotEnabledError,
    RoleAssumptionError,
    UnreachableError,
)
"""Errors that every other job of the account and region would get too."""
OK, NOT_IN_TIME = "OK", "NOT_READ_IN_TIME"


class JobLogEntry(FrozenModel):
    """A step of a job, as DRS logs it."""

    at: datetime | None
    event: str
    source_server_id: str | None
    error: str | None


class JobLog(FrozenModel):
    """The log of a DRS job; `status` is OK, or the code of why it is missing, as `message` says."""

    job_id: str
    account_id: str
    region: str
    wave_number: int
    wave_name: str
    status: str
    message: str | None = None
    entries: tuple[JobLogEntry, ...] = ()


def read_job_log(sessions: Sessions, wave: WaveReport, job: JobReport) -> JobLog:
    """The log of a job; where AWS does not tell it, why not."""
    return _read(sessions, wave, job, {})


def read_job_logs(
    sessions: Sessions, jobs: Sequence[tuple[WaveReport, JobReport]], patience: float = PATIENCE
) -> list[JobLog]:
    """The logs of these jobs, in their order; of each that is missing, why.

    Args:
        sessions: the way into the accounts.
        jobs: each with its wave.
        patience: seconds of real time for all of them together.
    """
    failed: dict[Location, AwsError] = {}
    logs = map_within(lambda each: _read(sessions, *each, failed), jobs, READERS, patience)
    late = f"not read: the logs of all jobs together took longer than {patience:g} s; try again later"
    return [log or _missing(*each, NOT_IN_TIME, late) for log, each in zip(logs, jobs, strict=True)]


def _read(sessions: Sessions, wave: WaveReport, job: JobReport, failed: dict[Location, AwsError]) -> JobLog:
    """Read a log, unless its account and region is one that failed."""
    location = Location(job.account_id, job.region)
    if (known := failed.get(location)) is not None:
        return _missing(wave, job, known.code, known.message)
    try:
        steps = describe_job_log(sessions, location, job.job_id)
    except AwsError as error:
        if isinstance(error, OF_THE_REGION):
            failed[location] = error
        return _missing(wave, job, error.code, error.message)
    entries = tuple(
        JobLogEntry(at=step.at, event=step.event, source_server_id=step.source_server_id, error=step.raw_error)
        for step in steps
    )
    return _log(wave, job, OK, None, entries)


def _missing(wave: WaveReport, job: JobReport, status: str, why: str) -> JobLog:
    return _log(wave, job, status, why, ())


def _log(
    wave: WaveReport, job: JobReport, status: str, message: str | None, entries: tuple[JobLogEntry, ...]
) -> JobLog:
    return JobLog(
        job_id=job.job_id,
        account_id=job.account_id,
        region=job.region,
        wave_number=wave.wave_number,
        wave_name=wave.wave_name,
        status=status,
        message=message,
        entries=entries,
    )
