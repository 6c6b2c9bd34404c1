"""The operations of `prefect_drs.operations.ec2` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset


class InstanceProfiles(TypedDict):
    """Instance profiles."""

    instanceProfiles: list[OfferedInstanceProfile]


class InstanceTypes(TypedDict):
    """Instance types."""

    instanceTypes: list[OfferedInstanceType]


class OfferedInstanceProfile(TypedDict):
    """An instance profile, and the names of its roles."""

    name: str
    arn: str
    roles: list[str]


class OfferedInstanceType(TypedDict):
    """An instance type, and the zones that offer it. `memory_mib`: MiB."""

    instanceType: str
    zones: list[str]
    vcpus: int
    memoryMib: int
    architectures: list[str]
    currentGeneration: bool


class OfferedSecurityGroup(TypedDict):
    """A security group."""

    groupId: str
    name: str
    description: str
    vpcId: str


class OfferedSubnet(TypedDict):
    """A subnet. `available_addresses`: IPv4 addresses that nobody holds now."""

    subnetId: str
    name: str
    vpcId: str
    cidr: str
    zone: str
    availableAddresses: int


class SecurityGroups(TypedDict):
    """Security groups."""

    securityGroups: list[OfferedSecurityGroup]


class Subnets(TypedDict):
    """Subnets."""

    subnets: list[OfferedSubnet]


class Ec2Operations(Caller):
    """Calls the operations."""

    def get_ec2_instance_profiles(self, *, region: str, account_id: str | Unset = UNSET) -> InstanceProfiles:
        """List the instance profiles of an account."""
        return self.call("get_ec2_instance_profiles", {"region": region, "accountId": account_id})

    def get_ec2_instance_types(
        self, *, region: str, account_id: str | Unset = UNSET, availability_zone: str | Unset = UNSET
    ) -> InstanceTypes:
        """List the instance types on offer in an account and region, with their zones."""
        return self.call(
            "get_ec2_instance_types", {"region": region, "accountId": account_id, "availabilityZone": availability_zone}
        )

    def get_ec2_security_groups(
        self, *, region: str, account_id: str | Unset = UNSET, vpc_id: str | Unset = UNSET
    ) -> SecurityGroups:
        """List the security groups of an account and region."""
        return self.call("get_ec2_security_groups", {"region": region, "accountId": account_id, "vpcId": vpc_id})

    def get_ec2_subnets(self, *, region: str, account_id: str | Unset = UNSET, vpc_id: str | Unset = UNSET) -> Subnets:
        """List the subnets of an account and region with their free addresses."""
        return self.call("get_ec2_subnets", {"region": region, "accountId": account_id, "vpcId": vpc_id})
