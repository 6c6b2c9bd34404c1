"""Instances that servers are launched into: what EC2 says of them, and which server each is the target of.

In: `Sessions`, a `Location`, instance ids or tags, source server ids. Out: frozen values, or an `AwsError`. Reads only.

Sources: AWS DRS user guide, "Launch into source instance" (the tag, platform, boot mode, HVM, EBS root device, OS
licensing), and "Launch configuration errors" ("Select a stopped target Amazon EC2 instance that uses the same
architecture as the protected server"); `Instance` in the EC2 model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefect_drs.aws.drs import batches
from prefect_drs.aws.errors import NotFoundError, aws_call
from prefect_drs.aws.instances import iterate_filtered, iterate_instances
from prefect_drs.aws.location import Location
from prefect_drs.aws.networks import VALUES_A_FILTER
from prefect_drs.aws.parallel import map_by_key
from prefect_drs.aws.sessions import Sessions

LAUNCH_INTO_TAG = "AWSDRS"
LAUNCH_INTO_VALUE = "AllowLaunchingIntoThisInstance"
"""The tag without which DRS launches into no instance."""
GONE_STATES = frozenset({"shutting-down", "terminated"})


@dataclass(frozen=True, slots=True)
class InstanceIdentity:
    """What is to stay the same of an instance that is launched into; None where it has none now.

    Args:
        instance_id: its EC2 id.
        private_ip: the primary private address of its primary network interface.
        network_interface_id: its primary network interface.
        subnet_id: its subnet.
    """

    instance_id: str
    private_ip: str | None = None
    network_interface_id: str | None = None
    subnet_id: str | None = None


@dataclass(frozen=True, slots=True)
class TargetInstance:
    """An instance to launch into, as EC2 has it now; empty where EC2 does not say.

    Args:
        identity: its id, address and interface.
        tags: of the instance.
        state: such as `stopped`.
        zone: its Availability Zone.
        architecture: `x86_64` or `arm64`.
        boot_mode: `CurrentInstanceBootMode`: `legacy-bios` or `uefi`.
        windows: whether its platform is Windows.
        virtualization: `hvm` or `paravirtual`.
        root_device_type: `ebs` or `instance-store`.
        root_attached: whether a volume is attached as its root device.
        tenancy: `default`, `dedicated` or `host`.
    """

    identity: InstanceIdentity
    tags: Mapping[str, str]
    state: str
    zone: str
    architecture: str
    boot_mode: str
    windows: bool
    virtualization: str
    root_device_type: str
    root_attached: bool
    tenancy: str

    @property
    def instance_id(self) -> str:
        """Its EC2 id."""
        return self.identity.instance_id

    @property
    def allowed(self) -> bool:
        """Whether it carries the tag that lets DRS launch into it."""
        return self.tags.get(LAUNCH_INTO_TAG) == LAUNCH_INTO_VALUE


def read_targets(sessions: Sessions, location: Location, instance_ids: Iterable[str]) -> dict[str, TargetInstance]:
    """The instances of those ids that EC2 knows there, by id: one DescribeInstances for 200 of them.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    found = map(_target, iterate_instances(sessions, location, sorted(set(instance_ids))))
    return {target.instance_id: target for target in found}


def find_by_tag(
    sessions: Sessions, location: Location, key: str, values: Iterable[str]
) -> dict[str, list[TargetInstance]]:
    """The instances that carry a tag with one of those values, by value; terminated ones are left out.

    Tag filters of EC2 know wildcards, so that more may match: only equal values are kept.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    found: dict[str, list[TargetInstance]] = {value: [] for value in values}
    for batch in batches([_literal(value) for value in sorted(found)], VALUES_A_FILTER):
        for item in iterate_filtered(sessions, location, f"tag:{key}", batch):
            target = _target(item)
            if target.state not in GONE_STATES and (value := target.tags.get(key, "")) in found:
                found[value].append(target)
    return found


def read_launch_into(sessions: Sessions, location: Location, server_ids: Sequence[str]) -> dict[str, str]:
    """The instance that each of those servers is launched into, by source server id; most have none.

    One GetLaunchConfiguration a server, which has no batch form.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    drs = sessions.client("drs", **location._asdict())

    def read(server_id: str) -> str | None:
        try:
            with aws_call("GetLaunchConfiguration", *location, source_server_id=server_id):
                answer = drs.get_launch_configuration(sourceServerID=server_id)
        except NotFoundError:
            return None
        return (answer.get("launchIntoInstanceProperties") or {}).get("launchIntoEC2InstanceID")

    found = map_by_key(read, server_ids, sessions.workers)
    return {server_id: instance_id for server_id, instance_id in found.items() if instance_id}


def launches_into_source_instances(sessions: Sessions, location: Location) -> bool:
    """Whether DRS gives each new source server there the instance that its data came from as the one to launch into.

    "Launch into source instance" of the default launch settings
    (https://docs.aws.amazon.com/drs/latest/userguide/default-drs-launch-into-source-instance.html).

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    drs = sessions.client("drs", **location._asdict())
    with aws_call("DescribeLaunchConfigurationTemplates", *location):
        pages = drs.get_paginator("describe_launch_configuration_templates").paginate()
        return any(template.get("launchIntoSourceInstance") for page in pages for template in page["items"])


def _literal(value: str) -> str:
    """A value in which a filter's wildcards stand for themselves ("Using filters", EC2 user guide)."""
    return value.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")


def identity_of(item: Mapping[str, Any]) -> InstanceIdentity:
    """The identity of an instance, from an item of DescribeInstances."""
    interfaces = item.get("NetworkInterfaces") or ()
    primary: Mapping[str, Any] = next(
        (each for each in interfaces if (each.get("Attachment") or {}).get("DeviceIndex") == 0), {}
    )
    return InstanceIdentity(
        item["InstanceId"],
        item.get("PrivateIpAddress") or primary.get("PrivateIpAddress"),
        primary.get("NetworkInterfaceId"),
        item.get("SubnetId") or primary.get("SubnetId"),
    )


def _target(item: Mapping[str, Any]) -> TargetInstance:
    placement = item.get("Placement") or {}
    devices = {mapping.get("DeviceName") for mapping in item.get("BlockDeviceMappings") or ()}
    return TargetInstance(
        identity=identity_of(item),
        tags={tag["Key"]: tag.get("Value", "") for tag in item.get("Tags") or ()},
        state=(item.get("State") or {}).get("Name", ""),
        zone=placement.get("AvailabilityZone", ""),
        architecture=item.get("Architecture", ""),
        boot_mode=item.get("CurrentInstanceBootMode") or "",
        windows=str(item.get("Platform") or item.get("PlatformDetails") or "").lower().startswith("windows"),
        virtualization=item.get("VirtualizationType", ""),
        root_device_type=item.get("RootDeviceType", ""),
        root_attached=bool(item.get("RootDeviceName")) and item.get("RootDeviceName") in devices,
        tenancy=placement.get("Tenancy", ""),
    )
