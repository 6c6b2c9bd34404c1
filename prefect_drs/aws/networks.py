"""The network of an account and region (subnets, security groups, addresses in use) and its instance types.

In: `Sessions`, a `Location` and the ids in question. Out: an `AccountFacts` of plain values, read in batches of 200;
what does not exist is left out, and what could not be read is listed in `failures`. Reads only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from typing import Any

from prefect_drs.aws.drs import batches
from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.iam import existing_profiles
from prefect_drs.aws.instance_types import InstanceType, describe_instance_types
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError

VALUES_A_FILTER = 200  # EC2 user guide, "List and filter your resources": up to 200 values a filter
RESULTS_A_PAGE = 1000  # MaxResults of these operations: 5 to 1000
ADDRESSES_ONE_BY_ONE_UP_TO = 1000  # addresses looked up by value; more are read by subnet


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet: its VPC, its IPv4 block (None where it is IPv6 only) and its zone.

    `free_addresses`: IPv4 addresses not in use now (`AvailableIpAddressCount`); None where EC2 does not say.
    """

    subnet_id: str
    vpc_id: str
    block: IPv4Network | None
    zone: str
    free_addresses: int | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """The network interface that has a private address, and the instance it is attached to."""

    interface_id: str
    instance_id: str | None
    description: str

    def __str__(self) -> str:
        whose = f" of instance {self.instance_id}" if self.instance_id else ""
        return f"network interface {self.interface_id}{whose}" + (f" ({self.description})" if self.description else "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What launch settings name in one account and region.

    Args:
        subnet_ids: subnets.
        security_group_ids: security groups.
        addresses: static private addresses.
        instance_types: instance types.
        profiles: names of instance profiles.
        default_subnets: the subnets that an instance without one lands in.
        described_types: further instance types of which only the properties are wanted, not where they are offered.
    """

    subnet_ids: frozenset[str] = frozenset()
    security_group_ids: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    instance_types: frozenset[str] = frozenset()
    profiles: frozenset[str] = frozenset()
    default_subnets: bool = False
    described_types: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What one account and region has of what was wanted.

    Args:
        location: the account and region.
        subnets: by id.
        security_groups: the VPC of each, by id.
        holders: who holds an address now, by VPC and address.
        offered: pairs of zone and instance type.
        profiles: instance profiles that exist; None where IAM could not be read.
        types: the properties of instance types, by name.
        default_subnets: the default subnet of each zone; empty where there is no default VPC, or they were not wanted.
        failures: what could not be read: EC2's in the account and region.
        iam_failure: why IAM could not be read.
    """

    location: Location
    subnets: Mapping[str, Subnet] = field(default_factory=dict)
    security_groups: Mapping[str, str] = field(default_factory=dict)
    holders: Mapping[tuple[str, str], Holder] = field(default_factory=dict)
    offered: frozenset[tuple[str, str]] = frozenset()
    profiles: frozenset[str] | None = frozenset()
    types: Mapping[str, InstanceType] = field(default_factory=dict)
    default_subnets: tuple[Subnet, ...] = ()
    failures: tuple[AwsError, ...] = ()
    iam_failure: AwsError | None = None


def read_facts(sessions: Sessions, location: Location, wanted: Wanted) -> AccountFacts:
    """What that account and region has of what is wanted. Only what is wanted is read.

    Never raises an `AwsError`: what could not be read is in the answer.
    """
    reading = _Reading(sessions, location)
    try:
        subnets = reading.subnets(wanted.subnet_ids)
        groups = reading.security_groups(wanted.security_group_ids)
        holders = reading.holders(wanted.addresses, subnets)
        offered = reading.offered(wanted.instance_types)
        types = describe_instance_types(sessions, location, wanted.instance_types | wanted.described_types)
        defaults = reading.default_subnets() if wanted.default_subnets else ()
    except AwsError as error:
        return AccountFacts(location, failures=(error,))
    facts = AccountFacts(location, subnets, groups, holders, offered, types=types, default_subnets=defaults)
    try:
        profiles = existing_profiles(sessions, location, wanted.profiles) if wanted.profiles else frozenset()
    except AwsError as error:
        return replace(facts, profiles=None, iam_failure=error)
    return replace(facts, profiles=profiles)


@dataclass(frozen=True, slots=True)
class _Reading:
    """EC2's paginated answers in one account and region."""

    sessions: Sessions
    location: Location

    def _items(self, operation: str, member: str, **arguments: Any) -> Iterator[Any]:
        client = self.sessions.client("ec2", **self.location._asdict())
        word = "".join(part.title() for part in operation.split("_"))
        with aws_call(word, self.location.account_id, self.location.region):
            paginator: Any = client.get_paginator(operation)  # type: ignore[call-overload]
            for page in paginator.paginate(**arguments, PaginationConfig={"PageSize": RESULTS_A_PAGE}):
                yield from page[member]

    def _reading(self, operation: str) -> AbstractContextManager[None]:
        """Wraps the use of an answer, so that a missing member becomes an `UnreadableAnswerError`."""
        return aws_call(operation, self.location.account_id, self.location.region)

    def _filtered(self, operation: str, member: str, name: str, values: Collection[str], **more: Any) -> Iterator[Any]:
        for batch in batches(sorted(values), VALUES_A_FILTER):
            yield from self._items(operation, member, Filters=[{"Name": name, "Values": batch}], **more)

    def subnets(self, subnet_ids: Collection[str]) -> dict[str, Subnet]:
        with self._reading("DescribeSubnets"):
            found = map(_subnet, self._filtered("describe_subnets", "Subnets", "subnet-id", subnet_ids))
            return {subnet.subnet_id: subnet for subnet in found}

    def default_subnets(self) -> tuple[Subnet, ...]:
        """Those of the default VPC, one a zone (DescribeSubnets, filter `default-for-az`)."""
        with self._reading("DescribeSubnets"):
            return tuple(map(_subnet, self._filtered("describe_subnets", "Subnets", "default-for-az", ["true"])))

    def security_groups(self, group_ids: Collection[str]) -> dict[str, str]:
        found = self._filtered("describe_security_groups", "SecurityGroups", "group-id", group_ids)
        with self._reading("DescribeSecurityGroups"):
            return {item["GroupId"]: item.get("VpcId", "") for item in found}

    def holders(self, addresses: Collection[str], subnets: Mapping[str, Subnet]) -> dict[tuple[str, str], Holder]:
        if len(addresses) > ADDRESSES_ONE_BY_ONE_UP_TO:
            name, values = "subnet-id", frozenset(subnets)
        else:
            name, values = "addresses.private-ip-address", frozenset(addresses)
        with self._reading("DescribeNetworkInterfaces"):
            return {
                (item.get("VpcId", ""), address["PrivateIpAddress"]): Holder(
                    item["NetworkInterfaceId"],
                    (item.get("Attachment") or {}).get("InstanceId"),
                    item.get("Description") or "",
                )
                for item in self._filtered("describe_network_interfaces", "NetworkInterfaces", name, values)
                for address in item.get("PrivateIpAddresses", [])
                if address["PrivateIpAddress"] in addresses
            }

    def offered(self, instance_types: Collection[str]) -> frozenset[tuple[str, str]]:
        found = self._filtered(
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            "instance-type",
            instance_types,
            LocationType="availability-zone",
        )
        with self._reading("DescribeInstanceTypeOfferings"):
            return frozenset((item["Location"], item["InstanceType"]) for item in found)


def _subnet(item: Any) -> Subnet:
    return Subnet(
        item["SubnetId"],
        item["VpcId"],
        IPv4Network(item["CidrBlock"]) if item.get("CidrBlock") else None,
        item["AvailabilityZone"],
        item.get("AvailableIpAddressCount"),
    )
