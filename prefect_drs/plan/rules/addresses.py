"""Rules for static private addresses that need no account."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from prefect_drs.plan.read.draft import Draft, DraftGroup, DraftServer, DraftSettings
from prefect_drs.plan.read.finding import Place, PlanFinding, quote

PRIVATE = tuple(
    ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
"""RFC 1918, and RFC 6598 which VPC subnets may use too."""


def _holders(draft: Draft) -> Iterator[tuple[DraftGroup, DraftServer, DraftSettings, str]]:
    """Every server entry whose static address will be applied."""
    for group in draft.groups:
        for entry in group.entries:
            settings = entry.settings
            if settings is not None and settings.static_address is not None and not entry.uses_group_defaults:
                yield group, entry, settings, settings.static_address


def _parsed(address: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(address)
    except ValueError:
        return None


def addresses_are_of_servers(draft: Draft) -> Iterator[PlanFinding]:
    """A group cannot have a static address: its servers would all get it."""
    for group in draft.groups:
        if group.config is not None and group.config.static_address is not None:
            yield PlanFinding(
                group.config.entry.place("staticPrivateIp"),
                "STATIC_IP_ON_GROUP",
                f"group {quote(group.label)} cannot have a staticPrivateIp, all its servers would get it; "
                "move it to the launchTemplate of one server",
            )


def addresses_are_private_ipv4(draft: Draft) -> Iterator[PlanFinding]:
    """A static address is IPv4 and private."""
    for _, entry, settings, address in _holders(draft):
        at = settings.entry.place("staticPrivateIp")
        parsed = _parsed(address)
        if parsed is None:
            yield PlanFinding(at, "INVALID_ADDRESS", f"{quote(address)} is no IPv4 address; write it like 10.0.1.20")
        elif not any(parsed in block for block in PRIVATE):
            yield PlanFinding(
                at,
                "ADDRESS_NOT_PRIVATE",
                f"{address} of server {quote(entry.label)} is not private; use one of {', '.join(map(str, PRIVATE))}",
            )


def addresses_are_given_once(draft: Draft) -> Iterator[PlanFinding]:
    """No two servers of one account and region get the same address, in whichever groups they are.

    Offline, the VPC of a subnet is not known; within an account and region it is taken to be one.
    """
    first: dict[object, tuple[Place, str]] = {}
    for group, entry, settings, address in _holders(draft):
        parsed = _parsed(address)
        if parsed is None:
            continue
        at = settings.entry.place("staticPrivateIp")
        key = (*group.where, parsed)
        if key in first:
            place, other = first[key]
            yield PlanFinding(
                at,
                "DUPLICATE_ADDRESS",
                f"{parsed} is given to server {quote(other)} and to server {quote(entry.label)}; give each its own "
                "(or its own file, where their subnets are in two VPCs)",
                first=place,
            )
        first.setdefault(key, (at, entry.label))


def addresses_have_a_subnet(draft: Draft) -> Iterator[PlanFinding]:
    """A static address needs a subnet: the server's own or its group's."""
    for group, entry, settings, address in _holders(draft):
        if settings.subnet is None and (group.config is None or group.config.subnet is None):
            yield PlanFinding(
                settings.entry.place("staticPrivateIp"),
                "ADDRESS_WITHOUT_SUBNET",
                f"{quote(address)} of server {quote(entry.label)} needs a subnet; add subnetId here or to the "
                f"launchConfig of group {quote(group.label)}",
            )


def addresses_exclude_copy_private_ip(draft: Draft) -> Iterator[PlanFinding]:
    """A server with a static address does not copy the source's address as well."""
    for _, entry, settings, _ in _holders(draft):
        if settings.entry.get("copyPrivateIp", bool):
            yield PlanFinding(
                settings.entry.place("copyPrivateIp"),
                "ADDRESS_AND_COPY",
                f"server {quote(entry.label)} has staticPrivateIp and copyPrivateIp: true; keep one",
                first=settings.entry.place("staticPrivateIp"),
            )
