"""EC2 instance types as far as a launch depends on them: architecture, boot modes, hypervisor, vCPUs.

In: `Sessions`, a `Location` and names of types. Out: `InstanceType`s by name; a type that EC2 does not know is not in
the answer. One DescribeInstanceTypes for 100 types. Reads only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect_drs.aws.drs import batches
from prefect_drs.aws.errors import aws_call

if TYPE_CHECKING:
    from prefect_drs.aws.location import Location
    from prefect_drs.aws.sessions import Sessions

TYPES_A_CALL = 100  # DescribeInstanceTypes, MaxResults: 5 to 100, so that each call is one page
NITRO = "nitro"
"""`InstanceTypeHypervisor` of the types that are built on the Nitro System."""


@dataclass(frozen=True, slots=True)
class InstanceType:
    """One instance type (`InstanceTypeInfo` in the EC2 model).

    Args:
        name: such as `m6i.large`.
        architectures: `ProcessorInfo.SupportedArchitectures`: x86_64, arm64, i386, …
        boot_modes: `SupportedBootModes`: legacy-bios, uefi; empty where EC2 does not say.
        nitro: it is built on the Nitro System, bare metal included.
        vcpus: `VCpuInfo.DefaultVCpus`; 0 where EC2 does not say.
    """

    name: str
    architectures: frozenset[str]
    boot_modes: frozenset[str]
    nitro: bool
    vcpus: int


def describe_instance_types(sessions: Sessions, location: Location, names: Collection[str]) -> dict[str, InstanceType]:
    """The instance types of those names. Makes no call for none.

    By filter, since an unknown name in `InstanceTypes` would fail the whole call.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    found: dict[str, InstanceType] = {}
    if not names:
        return found
    with aws_call("DescribeInstanceTypes", location.account_id, location.region):
        paginator = sessions.client("ec2", **location._asdict()).get_paginator("describe_instance_types")
        for batch in batches(sorted(names), TYPES_A_CALL):
            pages = paginator.paginate(
                Filters=[{"Name": "instance-type", "Values": batch}], PaginationConfig={"PageSize": TYPES_A_CALL}
            )
            for page in pages:
                found |= {item["InstanceType"]: _instance_type(item) for item in page["InstanceTypes"]}
    return found


def _instance_type(item: Mapping[str, Any]) -> InstanceType:
    return InstanceType(
        name=item["InstanceType"],
        architectures=frozenset(item.get("ProcessorInfo", {}).get("SupportedArchitectures", ())),
        boot_modes=frozenset(item.get("SupportedBootModes", ())),
        nitro=item.get("Hypervisor") == NITRO or bool(item.get("BareMetal")),
        vcpus=item.get("VCpuInfo", {}).get("DefaultVCpus", 0),
    )
