"""Choices for launch settings: subnets, security groups, instance types and instance profiles of an account-region.

In: a region, and an account (by default the caller's own). Out: what EC2 and IAM list there.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from prefect_drs.aws.catalogue import (
    OfferedInstanceProfile,
    OfferedInstanceType,
    OfferedSecurityGroup,
    OfferedSubnet,
    list_instance_profiles,
    list_instance_types,
    list_security_groups,
    list_subnets,
)
from prefect_drs.aws.location import Location
from prefect_drs.aws.regions import partition_of
from prefect_drs.core.models import FrozenModel
from prefect_drs.operations.context import Context
from prefect_drs.operations.models import OptionalAccountId
from prefect_drs.operations.registry import OperationKind, operation


class LocationRequest(FrozenModel):
    """A region of an account; by default of the caller's own."""

    region: str
    account_id: OptionalAccountId = None


class VpcRequest(LocationRequest):
    """A region of an account, or one VPC of it."""

    vpc_id: Annotated[str, Field(pattern="^vpc-[0-9a-f]{8,17}$")] | None = None


class TypesRequest(LocationRequest):
    """A region of an account, or one zone of it."""

    availability_zone: str | None = None


class Subnets(FrozenModel):
    """Subnets."""

    subnets: tuple[OfferedSubnet, ...]


class SecurityGroups(FrozenModel):
    """Security groups."""

    security_groups: tuple[OfferedSecurityGroup, ...]


class InstanceTypes(FrozenModel):
    """Instance types."""

    instance_types: tuple[OfferedInstanceType, ...]


class InstanceProfiles(FrozenModel):
    """Instance profiles."""

    instance_profiles: tuple[OfferedInstanceProfile, ...]


@operation(kind=OperationKind.QUERY, permission="view_protection_groups")
def get_ec2_subnets(context: Context, request: VpcRequest) -> Subnets:
    """List the subnets of an account and region with their free addresses.

    Raises:
        UsageError: botocore knows no such region.
        AwsError: EC2 could not be read.
    """
    found = list_subnets(context.sessions, _location(context, request), request.vpc_id)
    return Subnets(subnets=found)


@operation(kind=OperationKind.QUERY, permission="view_protection_groups")
def get_ec2_security_groups(context: Context, request: VpcRequest) -> SecurityGroups:
    """List the security groups of an account and region.

    Raises:
        UsageError: botocore knows no such region.
        AwsError: EC2 could not be read.
    """
    found = list_security_groups(context.sessions, _location(context, request), request.vpc_id)
    return SecurityGroups(security_groups=found)


@operation(kind=OperationKind.QUERY, permission="view_protection_groups")
def get_ec2_instance_types(context: Context, request: TypesRequest) -> InstanceTypes:
    """List the instance types on offer in an account and region, with their zones.

    Raises:
        UsageError: botocore knows no such region.
        AwsError: EC2 could not be read.
    """
    found = list_instance_types(context.sessions, _location(context, request), request.availability_zone)
    return InstanceTypes(instance_types=found)


@operation(kind=OperationKind.QUERY, permission="view_protection_groups")
def get_ec2_instance_profiles(context: Context, request: LocationRequest) -> InstanceProfiles:
    """List the instance profiles of an account.

    Raises:
        UsageError: botocore knows no such region.
        AwsError: IAM could not be read.
    """
    found = list_instance_profiles(context.sessions, _location(context, request))
    return InstanceProfiles(instance_profiles=found)


def _location(context: Context, request: LocationRequest) -> Location:
    partition_of(request.region)
    return Location(request.account_id or context.sessions.caller_account_id, request.region)
