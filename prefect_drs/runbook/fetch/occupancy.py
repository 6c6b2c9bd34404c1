"""Instances that run, and the vCPU quotas of those that are launched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from prefect_drs.aws.instances import describe_present_instances
from prefect_drs.aws.location import Location
from prefect_drs.aws.networks import AccountFacts
from prefect_drs.aws.parallel import map_by_key
from prefect_drs.aws.sessions import Sessions
from prefect_drs.aws.vcpu_quotas import quota_class, read_vcpu_quota
from prefect_drs.core.errors import AwsError
from prefect_drs.runbook.preflight_input import LaunchPreview, Occupancy


def read_instances(sessions: Sessions, locations: Iterable[Location]) -> dict[Location, Occupancy]:
    """The instances that run now, whoever launched them: one call for 1,000 of them."""

    def read(location: Location) -> Occupancy:
        try:
            found = describe_present_instances(sessions, location)
        except AwsError as error:
            return Occupancy(failures=(error,))
        return Occupancy({instance.instance_id: instance for instance in found})

    return map_by_key(read, sorted(set(locations)), sessions.workers)


def read_quotas(
    sessions: Sessions,
    occupancies: Mapping[Location, Occupancy],
    previews: Iterable[LaunchPreview],
    facts: Mapping[Location, AccountFacts],
) -> dict[Location, Occupancy]:
    """`occupancies` with the vCPU quotas of the plan's instance types: one call for each quota."""
    codes: dict[Location, set[str]] = defaultdict(set)
    for preview in previews:
        counted = quota_class(preview.launched_type)
        there = facts.get(preview.server.location)
        if counted is not None and there is not None and preview.launched_type in there.types:
            codes[preview.server.location].add(counted.code)

    def read(location: Location) -> Occupancy:
        quotas: dict[str, float] = {}
        try:
            for code in sorted(codes[location]):
                quotas[code] = read_vcpu_quota(sessions, location, code)
        except AwsError as error:
            there = occupancies[location]
            return replace(there, quotas=quotas, failures=(*there.failures, error))
        return replace(occupancies[location], quotas=quotas)

    return map_by_key(read, sorted(occupancies), sessions.workers)
