"""EC2 instances, read by id or by state.

In: `Sessions`, a `Location`, instance ids. Out: EC2's own answers, one by one, or those that exist now as plain
values; or an `AwsError`. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prefect_drs.aws.drs import batches
from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.location import Location
from prefect_drs.aws.networks import RESULTS_A_PAGE, VALUES_A_FILTER
from prefect_drs.aws.sessions import Sessions

HOLDING_ADDRESSES = ("pending", "running", "stopping", "stopped")
"""Instance states in which an instance keeps its network interfaces (EC2 user guide, "Instance state changes")."""
USING_VCPUS = frozenset({"pending", "running"})
"""Instance states that count towards the vCPU quotas (EC2 user guide, "On-Demand Instance quotas")."""


@dataclass(frozen=True, slots=True)
class PresentInstance:
    """An instance that exists now, running or stopped.

    Args:
        instance_id: which.
        instance_type: such as `m6i.large`.
        subnet_ids: the subnet of each of its network interfaces' addresses, one entry an address.
        uses_quota: it counts towards a vCPU quota: it runs, On-Demand, on no Dedicated Host.
        boot_mode: `CurrentInstanceBootMode`: legacy-bios or uefi; None where EC2 does not say.
    """

    instance_id: str
    instance_type: str
    subnet_ids: tuple[str, ...]
    uses_quota: bool
    boot_mode: str | None = None


def iterate_instances(
    sessions: Sessions, location: Location, instance_ids: Iterable[str]
) -> Iterator[Mapping[str, Any]]:
    """The instances of those ids that EC2 still knows: one DescribeInstances for 200 of them.

    By filter, since an unknown id in `InstanceIds` would fail the whole call.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    for batch in batches(instance_ids, VALUES_A_FILTER):
        yield from iterate_filtered(sessions, location, "instance-id", batch)


def describe_present_instances(sessions: Sessions, location: Location) -> tuple[PresentInstance, ...]:
    """All instances that hold addresses, whoever launched them: one DescribeInstances for 1,000 of them.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    return tuple(map(_present, iterate_filtered(sessions, location, "instance-state-name", HOLDING_ADDRESSES)))


def iterate_filtered(
    sessions: Sessions, location: Location, name: str, values: Iterable[str]
) -> Iterator[Mapping[str, Any]]:
    """The instances that a filter of DescribeInstances finds, page by page.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    with aws_call("DescribeInstances", location.account_id, location.region):
        paginator = sessions.client("ec2", **location._asdict()).get_paginator("describe_instances")
        pages = paginator.paginate(
            Filters=[{"Name": name, "Values": list(values)}], PaginationConfig={"PageSize": RESULTS_A_PAGE}
        )
        for page in pages:
            for reservation in page["Reservations"]:
                for instance in reservation["Instances"]:
                    if not instance["InstanceId"]:  # without an id it could be any instance
                        raise ValueError("an instance without an id")
                    yield instance


def _present(item: Mapping[str, Any]) -> PresentInstance:
    interfaces = item.get("NetworkInterfaces") or ()
    addresses = [
        interface.get("SubnetId", "") for interface in interfaces for _ in interface.get("PrivateIpAddresses") or ((),)
    ]
    return PresentInstance(
        instance_id=item["InstanceId"],
        instance_type=item.get("InstanceType", ""),
        subnet_ids=tuple(addresses or filter(None, [item.get("SubnetId")])),
        uses_quota=item.get("State", {}).get("Name") in USING_VCPUS
        and item.get("InstanceLifecycle") is None  # spot instances and capacity blocks have quotas of their own
        and item.get("Placement", {}).get("Tenancy") != "host",
        boot_mode=item.get("CurrentInstanceBootMode"),
    )
