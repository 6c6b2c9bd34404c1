"""Networks, instance types and instance profiles that launch settings name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from prefect_drs.aws.location import Location
from prefect_drs.aws.networks import AccountFacts, Wanted, read_facts
from prefect_drs.aws.parallel import map_by_key
from prefect_drs.aws.sessions import Sessions
from prefect_drs.runbook.launch_settings import wanted_by
from prefect_drs.runbook.preflight_input import LaunchPreview, Occupancy, OtherExecution


def read_networks(
    sessions: Sessions,
    previews: Iterable[LaunchPreview],
    occupancies: Mapping[Location, Occupancy],
    others: Iterable[OtherExecution],
) -> dict[Location, AccountFacts]:
    """What the accounts have of what the settings name, a retry's alternatives included.

    Of instance types, also the properties of those that run, that DRS recommends and that others have still to launch.
    """
    pending = _pending_types(others)
    by_location: dict[Location, list[LaunchPreview]] = defaultdict(list)
    for preview in previews:
        by_location[preview.server.location].append(preview)

    def read(location: Location) -> AccountFacts:
        running = occupancies.get(location, Occupancy()).instances.values()
        types = {*(instance.instance_type for instance in running), *pending.get(location, ())}
        return read_facts(sessions, location, _wanted(by_location[location], types))

    return map_by_key(read, sorted(by_location), sessions.workers)


def _wanted(previews: Sequence[LaunchPreview], other_types: Iterable[str]) -> Wanted:
    """What those launches name in one account and region; of `other_types` only the properties are read."""
    named = wanted_by(preview.settings for preview in previews)
    retries = [preview.wave.retry for preview in previews]
    recommended = (preview.source.recommended_instance_type for preview in previews if preview.source)
    return replace(
        named,
        subnet_ids=named.subnet_ids.union(*(retry.subnet_ids for retry in retries)),
        instance_types=named.instance_types.union(*(retry.instance_types for retry in retries)),
        default_subnets=any(
            subnet_id is None for preview in previews if not preview.into_instance for subnet_id, _ in preview.addresses
        ),
        described_types=frozenset(filter(None, (*recommended, *other_types))),
    )


def _pending_types(others: Iterable[OtherExecution]) -> dict[Location, set[str]]:
    """The instance types that other executions have still to launch."""
    types: dict[Location, set[str]] = defaultdict(set)
    for other in others:
        for launch in other.pending:
            if launch.instance_type:
                types[launch.location].add(launch.instance_type)
    return types
