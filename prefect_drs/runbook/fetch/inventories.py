"""Source servers and jobs of the accounts and regions of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from prefect_drs.aws.drs import JOB_LIFETIME, Job, SourceServer, describe_jobs, describe_source_servers
from prefect_drs.aws.fan_out import fan_out
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError
from prefect_drs.runbook.preflight_input import Unread


@dataclass(frozen=True, slots=True)
class LocationInventory:
    """The source servers of an account and region, and the jobs that may still run there."""

    servers: tuple[SourceServer, ...]
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class LocationInventories:
    """The inventories of a plan's accounts and regions; `unread`: those that could not be read, and why."""

    by_location: Mapping[Location, LocationInventory]
    unread: tuple[Unread, ...]


def read_inventories(sessions: Sessions, locations: Iterable[Location], now: datetime) -> LocationInventories:
    """The source servers and recent jobs of those accounts and regions, read in parallel."""

    def read(location: Location) -> LocationInventory:
        return LocationInventory(
            describe_source_servers(sessions, location),
            describe_jobs(sessions, location, since=now - JOB_LIFETIME),
        )

    answers = fan_out(locations, read)
    return LocationInventories(
        {location: answer for location, answer in answers.items() if isinstance(answer, LocationInventory)},
        tuple(
            Unread(location, f"{location}: {answer.message}")
            for location, answer in answers.items()
            if isinstance(answer, AwsError)
        ),
    )
