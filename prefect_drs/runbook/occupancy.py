"""The preflight's readings of the room there is: instances that run, vCPU quotas, keys of encrypted volumes.

In: locations and launch previews. Out: plain values for the `PreflightInput`; what could not be read is among them.
Each is made in batches, side by side in the accounts and regions; none changes anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from prefect_drs.aws.encryption import Encryption, read_encryption
from prefect_drs.aws.instances import describe_present_instances
from prefect_drs.aws.launch_configuration import LaunchState
from prefect_drs.aws.location import Location
from prefect_drs.aws.networks import AccountFacts
from prefect_drs.aws.parallel import each
from prefect_drs.aws.sessions import Sessions
from prefect_drs.aws.vcpu_quotas import quota_class, read_vcpu_quota
from prefect_drs.core.errors import AwsError
from prefect_drs.runbook.preflight_input import LaunchPreview, Occupancy, OtherExecution


def read_instances(sessions: Sessions, places: Iterable[Location]) -> dict[Location, Occupancy]:
    """The instances that are there now, whosever they are: a call for 1,000 of them."""

    def ask(location: Location) -> Occupancy:
        try:
            found = describe_present_instances(sessions, location)
        except AwsError as error:
            return Occupancy(failures=(error,))
        return Occupancy({instance.instance_id: instance for instance in found})

    asked = sorted(set(places))
    return dict(zip(asked, each(ask, asked, min(sessions.workers, len(asked))), strict=True))


def read_quotas(
    sessions: Sessions,
    occupancies: Mapping[Location, Occupancy],
    landings: Iterable[LaunchPreview],
    facts: Mapping[Location, AccountFacts],
) -> dict[Location, Occupancy]:
    """The same with the vCPU quotas that the plan's instance types count towards: a call for each class of types."""
    codes: dict[Location, set[str]] = defaultdict(set)
    for landing in landings:
        counted = quota_class(landing.launched_type)
        there = facts.get(landing.server.location)
        if counted is not None and there is not None and landing.launched_type in there.types:
            codes[landing.server.location].add(counted.code)

    def ask(location: Location) -> Occupancy:
        quotas: dict[str, float] = {}
        try:
            for code in sorted(codes[location]):
                quotas[code] = read_vcpu_quota(sessions, location, code)
        except AwsError as error:
            there = occupancies[location]
            return replace(there, quotas=quotas, failures=(*there.failures, error))
        return replace(occupancies[location], quotas=quotas)

    asked = sorted(occupancies)
    return dict(zip(asked, each(ask, asked, min(sessions.workers, len(asked))), strict=True))


def read_encryptions(
    sessions: Sessions, landings: Iterable[LaunchPreview], states: Mapping[str, LaunchState]
) -> dict[Location, Encryption]:
    """The keys that the volumes of servers are encrypted with; a server that is launched into an instance has none."""
    wanted: dict[Location, dict[str, LaunchPreview]] = defaultdict(dict)
    for landing in landings:
        if not landing.into_instance:
            wanted[landing.server.location].setdefault(landing.server.source_server_id, landing)

    def ask(location: Location) -> Encryption:
        own = [
            (server_id, landing.server.name)
            for server_id, landing in wanted[location].items()
            if landing.source is None or landing.source.staging_account_id in {None, location.account_id}
        ]
        templates = {server_id: states[server_id].template_data for server_id in wanted[location]}
        return read_encryption(sessions, location, own, templates)

    asked = sorted(wanted)
    return dict(zip(asked, each(ask, asked, min(sessions.workers, len(asked))), strict=True))


def pending_types(others: Iterable[OtherExecution]) -> dict[Location, set[str]]:
    """The instance types that other executions have still to launch."""
    types: dict[Location, set[str]] = defaultdict(set)
    for other in others:
        for launch in other.pending:
            if launch.instance_type:
                types[launch.location].add(launch.instance_type)
    return types
