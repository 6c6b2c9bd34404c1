"""Launches into prepared instances as the checks look at them.

In: launch previews, the instances that were found, and what the accounts hold. Out: a `PreparedLaunch` for each server
that is launched into an instance. Pure: no call is made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prefect_drs.aws.location import Location
from prefect_drs.aws.networks import AccountFacts
from prefect_drs.runbook.fetch.inventories import LocationInventories
from prefect_drs.runbook.machines import machine_of
from prefect_drs.runbook.members import MemberKey
from prefect_drs.runbook.preflight_input import LaunchPreview
from prefect_drs.runbook.prepared import FoundTargets
from prefect_drs.runbook.prepared_checks import PreparedLaunch, users_of


def prepared_launches(
    previews: Iterable[LaunchPreview],
    targets: FoundTargets,
    facts: Mapping[Location, AccountFacts],
    inventories: LocationInventories,
) -> Iterator[tuple[LaunchPreview, PreparedLaunch]]:
    """The launches into prepared instances, each with its preview.

    Args:
        previews: how the servers would be launched.
        targets: the prepared instances.
        facts: networks and instance types of the accounts.
        inventories: the source servers of the accounts and regions.
    """
    for preview in previews:
        server, source = preview.server, preview.source
        found = targets.by_server.get(MemberKey(server.group, server.source_server_id))
        if found is None or source is None:
            continue
        there = facts.get(server.location, AccountFacts(server.location))
        inventory = inventories.by_location.get(server.location)
        claims = targets.claims.get((server.location, found.instance_id or ""), frozenset())
        yield (
            preview,
            PreparedLaunch(
                location=server.location,
                found=found,
                server=source,
                machine=machine_of(source, there.types, preview.boot_mode),
                settings=preview.settings,
                subnet=there.subnets.get(preview.settings.subnet_id or ""),
                claimed_by=tuple(sorted(claims - {server.source_server_id})),
                used_by=users_of(found.instance, source, inventory.servers if inventory else ()),
                replaces=preview.replaces,
            ),
        )
