"""Checks of launch settings against an account: each a function with a name, all of them in `CHECKS`.

In: a server's effective settings and what its account and region hold (`AccountFacts`). Out: problems, all at once,
each with the setting, its value, what is wrong and the remedy. Pure: operations that change settings use the
same checks as the preflight. What could not be read is no problem of the settings: see `facts.failures`.

Sources: Amazon VPC user guide, "Subnet sizing" (the first four addresses and the last are AWS's own);
`RunInstances`, API reference (security groups and subnet are of one VPC).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prefect_drs.aws.networks import AccountFacts, Subnet, Wanted
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.runbook.machines import Machine, incompatibilities

RESERVED_AT_THE_BEGINNING = 4  # addresses of a subnet that AWS keeps, the network's own included


@dataclass(frozen=True, slots=True)
class Problem:
    """One setting that the account does not allow.

    Args:
        code: stable, upper snake case.
        setting: the manifest's word.
        value: what it is.
        message: what is wrong and what to do.
    """

    code: str
    setting: str
    value: str
    message: str


Check = Callable[[LaunchSettings, AccountFacts], Iterator[Problem]]


def wanted_by(settings: Iterable[LaunchSettings]) -> Wanted:
    """What those settings name, to be read at once."""
    every = tuple(settings)
    return Wanted(
        subnet_ids=frozenset(each.subnet_id for each in every if each.subnet_id),
        security_group_ids=frozenset(group for each in every for group in each.security_group_ids or ()),
        addresses=frozenset(each.static_private_ip for each in every if each.static_private_ip),
        instance_types=frozenset(each.instance_type for each in every if each.instance_type and not sized_by_drs(each)),
        profiles=frozenset(each.instance_profile_name for each in every if each.instance_profile_name),
    )


def problems(
    settings: LaunchSettings,
    facts: AccountFacts,
    *,
    machine: Machine | None = None,
    replaced_instance_id: str | None = None,
) -> tuple[Problem, ...]:
    """Everything that the account does not allow in a server's effective settings.

    Args:
        settings: the plan's settings laid over the account's (`prefect_drs.plan.effective`).
        facts: what exists in the account and region of what they name (`wanted_by`, `read_facts`).
        machine: what an instance type must support to run the server; None skips that check.
        replaced_instance_id: the server's former recovery instance, if the launch terminates it: its address is free.
    """
    found = [problem for check in CHECKS for problem in check(settings, facts)]
    if machine is not None:
        found += instance_type_fits(settings, facts, machine)
    return (*found, *address_is_free(settings, facts, replaced_instance_id=replaced_instance_id))


def subnet_exists(settings: LaunchSettings, facts: AccountFacts) -> Iterator[Problem]:
    """The subnet is one of that account and region."""
    if settings.subnet_id and settings.subnet_id not in facts.subnets:
        yield Problem(
            "SUBNET_NOT_FOUND",
            "subnetId",
            settings.subnet_id,
            f"there is no such subnet in {facts.location}; name one of that account and region",
        )


def security_groups_exist(settings: LaunchSettings, facts: AccountFacts) -> Iterator[Problem]:
    """The security groups are ones of that account and region."""
    for group in settings.security_group_ids or ():
        if group not in facts.security_groups:
            yield Problem(
                "SECURITY_GROUP_NOT_FOUND",
                "securityGroupIds",
                group,
                f"there is no such security group in {facts.location}; name one of that account and region",
            )


def security_groups_are_of_the_vpc(settings: LaunchSettings, facts: AccountFacts) -> Iterator[Problem]:
    """The security groups are of the VPC of the subnet."""
    subnet = _subnet(settings, facts)
    if subnet is None:
        return
    for group in settings.security_group_ids or ():
        vpc = facts.security_groups.get(group, subnet.vpc_id)
        if vpc != subnet.vpc_id:
            yield Problem(
                "SECURITY_GROUP_IN_OTHER_VPC",
                "securityGroupIds",
                group,
                f"it is of {vpc}, but subnet {subnet.subnet_id} is of {subnet.vpc_id}; "
                f"name a security group of {subnet.vpc_id}",
            )


def address_has_a_subnet(settings: LaunchSettings, facts: AccountFacts) -> Iterator[Problem]:
    """A static address has a subnet: the server's own, its group's or its launch template's."""
    del facts
    if settings.static_private_ip and not settings.subnet_id:
        yield Problem(
            "ADDRESS_WITHOUT_SUBNET",
            "staticPrivateIp",
            settings.static_private_ip,
            "neither the plan nor the launch template names a subnet for it; add subnetId",
        )


def address_is_in_the_subnet(settings: LaunchSettings, facts: AccountFacts) -> Iterator[Problem]:
    """A static address lies in the subnet's block."""
    address, block = _address_and_block(settings, facts)
    if address is not None and block is not None and address not in block:
        yield Problem(
            "ADDRESS_OUTSIDE_SUBNET",
            "staticPrivateIp",
            str(address),
            f"it is outside {block}, the block of subnet {settings.subnet_id}; "
            f"use one from {block[RESERVED_AT_THE_BEGINNING]} to {block[-2]}, or another subnet",
        )


def address_is_not_reserved(settings: LaunchSettings, facts: AccountFacts) -> Iterator[Problem]:
    """A static address is none of the subnet's first four, nor its last."""
    address, block = _address_and_block(settings, facts)
    if address is None or block is None or address not in block:
        return
    if int(address) - int(block[0]) < RESERVED_AT_THE_BEGINNING or address == block[-1]:
        yield Problem(
            "ADDRESS_RESERVED",
            "staticPrivateIp",
            str(address),
            f"AWS keeps the first four addresses of {block} and its last; "
            f"use one from {block[RESERVED_AT_THE_BEGINNING]} to {block[-2]}",
        )


def address_is_free(
    settings: LaunchSettings, facts: AccountFacts, *, replaced_instance_id: str | None = None
) -> Iterator[Problem]:
    """No other network interface of the VPC has the static address now."""
    subnet = _subnet(settings, facts)
    if subnet is None or not settings.static_private_ip:
        return
    holder = facts.holders.get((subnet.vpc_id, settings.static_private_ip))
    if holder is not None and (holder.instance_id is None or holder.instance_id != replaced_instance_id):
        yield Problem(
            "ADDRESS_IN_USE",
            "staticPrivateIp",
            settings.static_private_ip,
            f"{holder} holds it in {subnet.vpc_id}; free it or choose another",
        )


def address_excludes_a_copy(settings: LaunchSettings, facts: AccountFacts) -> Iterator[Problem]:
    """A server with a static address does not copy the source's address as well."""
    del facts
    if settings.static_private_ip and settings.copy_private_ip:
        yield Problem(
            "ADDRESS_AND_COPY",
            "copyPrivateIp",
            "true",
            f"its launch template has the static address {settings.static_private_ip} as well; "
            "set copyPrivateIp to false, or give staticPrivateIp in the plan",
        )


def instance_type_is_offered(settings: LaunchSettings, facts: AccountFacts) -> Iterator[Problem]:
    """The instance type is on offer in the subnet's zone; without a subnet, in some zone of the region."""
    if settings.instance_type and not sized_by_drs(settings):
        yield from type_problem(settings.instance_type, _subnet(settings, facts), facts)


def type_problem(instance_type: str, subnet: Subnet | None, facts: AccountFacts) -> Iterator[Problem]:
    """An instance type that is not on offer where it would be launched."""
    zones = sorted(zone for zone, offered in facts.offered if offered == instance_type)
    if (subnet.zone in zones) if subnet else zones:
        return
    where = f"{subnet.zone}, the zone of subnet {subnet.subnet_id}" if subnet else facts.location.region
    elsewhere = f"zones that offer it: {', '.join(zones)}; use a subnet there, or" if zones else "use"
    yield Problem(
        "INSTANCE_TYPE_NOT_OFFERED",
        "instanceType",
        instance_type,
        f"it is not offered in {where}; {elsewhere} another instance type",
    )


def instance_type_fits(settings: LaunchSettings, facts: AccountFacts, machine: Machine) -> Iterator[Problem]:
    """The server can run as its instance type: architecture, boot mode, Nitro."""
    if settings.instance_type and not sized_by_drs(settings):
        yield from type_misfit(settings.instance_type, facts, machine)


def type_misfit(instance_type: str, facts: AccountFacts, machine: Machine) -> Iterator[Problem]:
    """Why a server cannot run as an instance type; nothing of a type that EC2 does not know there."""
    known = facts.types.get(instance_type)
    for reason in incompatibilities(machine, known) if known is not None else ():
        yield Problem("INSTANCE_TYPE_INCOMPATIBLE", "instanceType", instance_type, reason)


def instance_profile_exists(settings: LaunchSettings, facts: AccountFacts) -> Iterator[Problem]:
    """The instance profile is one of that account."""
    name = settings.instance_profile_name
    if name and facts.profiles is not None and name not in facts.profiles:
        yield Problem(
            "INSTANCE_PROFILE_NOT_FOUND",
            "instanceProfileName",
            name,
            f"there is no such instance profile in account {facts.location.account_id}; make it, or name another",
        )


CHECKS: tuple[Check, ...] = (
    subnet_exists,
    security_groups_exist,
    security_groups_are_of_the_vpc,
    address_has_a_subnet,
    address_is_in_the_subnet,
    address_is_not_reserved,
    address_excludes_a_copy,
    instance_type_is_offered,
    instance_profile_exists,
)
"""All but `address_is_free` and `instance_type_fits`, which also need to know the server."""


def sized_by_drs(settings: LaunchSettings) -> bool:
    """Whether DRS chooses the instance type itself (`targetInstanceTypeRightSizingMethod` other than NONE)."""
    return settings.target_instance_type_right_sizing_method not in {None, "NONE"}


def _subnet(settings: LaunchSettings, facts: AccountFacts) -> Subnet | None:
    return facts.subnets.get(settings.subnet_id) if settings.subnet_id else None


def _address_and_block(
    settings: LaunchSettings, facts: AccountFacts
) -> tuple[ipaddress.IPv4Address | None, ipaddress.IPv4Network | None]:
    subnet = _subnet(settings, facts)
    if subnet is None or not settings.static_private_ip:
        return None, None
    try:
        return ipaddress.IPv4Address(settings.static_private_ip), subnet.block
    except ValueError:  # no address at all, which the rules of the plan report
        return None, None
