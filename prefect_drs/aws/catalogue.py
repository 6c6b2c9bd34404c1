"""What an account-region offers to launch into: subnets, security groups, instance types, instance profiles.

In: `Sessions` and a `Location`. Out: plain values, all of them, sorted; for people and forms to choose from. What
launch settings name is looked up by `networks` instead. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.models import FrozenModel


class OfferedSubnet(FrozenModel):
    """A subnet. `available_addresses`: IPv4 addresses that nobody holds now."""

    subnet_id: str
    name: str
    vpc_id: str
    cidr: str
    zone: str
    available_addresses: int


class OfferedSecurityGroup(FrozenModel):
    """A security group."""

    group_id: str
    name: str
    description: str
    vpc_id: str


class OfferedInstanceType(FrozenModel):
    """An instance type, and the zones that offer it. `memory_mib`: MiB."""

    instance_type: str
    zones: tuple[str, ...]
    vcpus: int
    memory_mib: int
    architectures: tuple[str, ...]
    current_generation: bool


class OfferedInstanceProfile(FrozenModel):
    """An instance profile, and the names of its roles."""

    name: str
    arn: str
    roles: tuple[str, ...]


def list_subnets(sessions: Sessions, location: Location, vpc_id: str | None = None) -> tuple[OfferedSubnet, ...]:
    """The subnets, or those of a VPC.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    found = (
        OfferedSubnet(
            subnet_id=item["SubnetId"],
            name=_name(item),
            vpc_id=item["VpcId"],
            cidr=item.get("CidrBlock", ""),
            zone=item["AvailabilityZone"],
            available_addresses=item.get("AvailableIpAddressCount", 0),
        )
        for item in _items(sessions, location, "ec2", "describe_subnets", "Subnets", **_of_vpc(vpc_id))
    )
    with aws_call("DescribeSubnets", *location):
        return tuple(sorted(found, key=lambda one: (one.vpc_id, one.zone, one.subnet_id)))


def list_security_groups(
    sessions: Sessions, location: Location, vpc_id: str | None = None
) -> tuple[OfferedSecurityGroup, ...]:
    """The security groups, or those of a VPC.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    found = (
        OfferedSecurityGroup(
            group_id=item["GroupId"],
            name=item["GroupName"],
            description=item.get("Description", ""),
            vpc_id=item.get("VpcId", ""),
        )
        for item in _items(sessions, location, "ec2", "describe_security_groups", "SecurityGroups", **_of_vpc(vpc_id))
    )
    with aws_call("DescribeSecurityGroups", *location):
        return tuple(sorted(found, key=lambda one: (one.vpc_id, one.name, one.group_id)))


def list_instance_types(
    sessions: Sessions, location: Location, zone: str | None = None
) -> tuple[OfferedInstanceType, ...]:
    """The instance types on offer in the region, or in a zone.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    only = {"Filters": [{"Name": "location", "Values": [zone]}]} if zone else {}
    zones: dict[str, set[str]] = {}
    for item in _items(
        sessions,
        location,
        "ec2",
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        **only,
    ):
        if "InstanceType" in item and "Location" in item:
            zones.setdefault(item["InstanceType"], set()).add(item["Location"])
    found = (
        OfferedInstanceType(
            instance_type=item["InstanceType"],
            zones=tuple(sorted(zones[item["InstanceType"]])),
            vcpus=item.get("VCpuInfo", {}).get("DefaultVCpus", 0),
            memory_mib=item.get("MemoryInfo", {}).get("SizeInMiB", 0),
            architectures=tuple(item.get("ProcessorInfo", {}).get("SupportedArchitectures", [])),
            current_generation=bool(item.get("CurrentGeneration")),
        )
        for item in _items(sessions, location, "ec2", "describe_instance_types", "InstanceTypes")
        if item.get("InstanceType") in zones
    )
    with aws_call("DescribeInstanceTypes", *location):
        return tuple(sorted(found, key=lambda one: one.instance_type))


def list_instance_profiles(sessions: Sessions, location: Location) -> tuple[OfferedInstanceProfile, ...]:
    """The instance profiles of the account; the region only says which partition.

    Raises:
        AwsError: IAM refused or could not be reached.
    """
    found = (
        OfferedInstanceProfile(
            name=item["InstanceProfileName"],
            arn=item["Arn"],
            roles=tuple(role["RoleName"] for role in item.get("Roles", [])),
        )
        for item in _items(sessions, location, "iam", "list_instance_profiles", "InstanceProfiles")
    )
    with aws_call("ListInstanceProfiles", *location):
        return tuple(sorted(found, key=lambda one: one.name))


def _of_vpc(vpc_id: str | None) -> dict[str, Any]:
    return {"Filters": [{"Name": "vpc-id", "Values": [vpc_id]}]} if vpc_id else {}


def _name(item: Any) -> str:
    return next((str(tag.get("Value", "")) for tag in item.get("Tags", []) if tag.get("Key") == "Name"), "")


def _items(
    sessions: Sessions, location: Location, service: str, operation: str, member: str, **arguments: Any
) -> Iterator[Any]:
    """All items of a paginated operation."""
    client = sessions.client(service, **location._asdict())
    with aws_call(client.meta.method_to_api_mapping[operation], location.account_id, location.region):
        for page in client.get_paginator(operation).paginate(**arguments):
            yield from page[member]
