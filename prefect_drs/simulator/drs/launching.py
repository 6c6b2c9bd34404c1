"""Launching: from a source server's launch configuration and its EC2 launch template to an instance in moto's EC2.

In: a `LaunchPlan`, made when the job starts. Out: the id of an EC2 instance with the planned subnet, address, security
groups, type, profile and tags, or `LaunchError` with EC2's error. moto's EC2 ignores parts of a launch template (the
address of its network interface, its profile), so the template is expanded here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from moto.core.exceptions import ServiceException
from moto.ec2.models import ec2_backends
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance
from moto.iam.models import iam_backends
from werkzeug.exceptions import HTTPException

from .identifiers import identifier
from .instances import associate_profile, run_instance, seeded_ec2, stamp
from .launch_into import LAUNCH_INTO_TAG, ec2_error, is_allowed, mismatches, swap_volumes
from .service_roles import LAUNCH_ACTIONS_PROFILE, RECOVERY_PROFILE
from .sizing import recommended_instance_type
from .source_servers import SourceServer

TRUE = (True, "true")
"""What launch templates say for yes."""
SUBNET_IS_FULL = (
    "InsufficientFreeAddressesInSubnet: There are not enough free addresses in subnet to satisfy the requested number "
    "of instances."
)


class LaunchError(Exception):
    """EC2 refused the launch; the text becomes `rawError` in the job log."""


@dataclass(slots=True)
class LaunchPlan:
    """The launch settings of one server at the start of the job. Plain data."""

    server_id: str
    template_id: str
    template_version: int
    template: dict[str, Any]
    instance_type: str
    disposition: str
    name: str
    private_ip: str | None
    copied_tags: dict[str, str]
    into_instance: str | None
    disks: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    architecture: str = "x86_64"
    boot_mode: str | None = None
    windows: bool = False
    has_actions: bool = False
    """Whether post-launch actions are on."""


def plan_launch(server: SourceServer, account_id: str, region: str) -> LaunchPlan:
    """Read the launch configuration and the default version of the launch template.

    A missing template is not an error here: the launch fails in the launch stage, as on AWS.
    """
    settings = server.launch.settings
    templates = ec2_backends[account_id][region].launch_templates
    template = templates.get(server.launch.ec2_launch_template_id)
    version = template.default_version() if template else None
    data: dict[str, Any] = deepcopy(dict(version.data)) if version else {}
    method = settings["targetInstanceTypeRightSizingMethod"]
    instance_type = str(data.get("InstanceType") or "")
    if method == "BASIC" or not instance_type:
        instance_type = recommended_instance_type(server.cpus, server.ram_bytes)
    elif method == "IN_AWS" and server.source_instance_type:
        instance_type = server.source_instance_type
    return LaunchPlan(
        server_id=server.server_id,
        template_id=server.launch.ec2_launch_template_id,
        template_version=version.number if version else 0,
        template=data,
        instance_type=instance_type,
        disposition=settings["launchDisposition"],
        name=server.launch.name,
        private_ip=server.private_ips[0] if settings["copyPrivateIp"] and server.private_ips else None,
        copied_tags=dict(server.tags) if settings["copyTags"] else {},
        into_instance=server.launch.into_instance,
        disks=[dict(disk) for disk in server.disks],
        error="" if template else f"The launch template {server.launch.ec2_launch_template_id} does not exist.",
        architecture=server.architecture,
        boot_mode=server.boot_mode,
        windows=server.windows,
        has_actions=bool(settings.get("postLaunchEnabled")),
    )


def conflicts(ec2: Any, instance_id: str, server: SourceServer) -> list[str]:
    """The fields in which an instance does not match a server, for UpdateLaunchConfiguration.

    Raises:
        EC2ClientError: EC2 does not know the instance.
    """
    return list(
        mismatches(
            ec2.get_instance(instance_id),
            architecture=server.architecture,
            windows=server.windows,
            boot_mode=server.boot_mode,
        )
    )


def primary_interface(template: dict[str, Any]) -> dict[str, Any]:
    """The network interface of device index 0, or an empty one."""
    for interface in template.get("NetworkInterfaces") or ():
        if int(interface.get("DeviceIndex") or 0) == 0:
            return dict(interface)
    return {}


def _address(interface: dict[str, Any]) -> str | None:
    if interface.get("PrivateIpAddress"):
        return str(interface["PrivateIpAddress"])
    for address in interface.get("PrivateIpAddresses") or ():
        if address.get("Primary") in TRUE:
            return str(address["PrivateIpAddress"])
    return None


def place_of(plan: LaunchPlan, account_id: str, region: str) -> tuple[str, str]:
    """The instance type that a plan launches, and its zone; of a prepared instance, its own.

    Raises:
        LaunchError: the subnet or the prepared instance does not exist.
    """
    if not plan.into_instance:
        return plan.instance_type, subnet_of(plan, account_id, region).availability_zone
    try:
        instance = ec2_backends[account_id][region].get_instance(plan.into_instance)
    except ServiceException as refusal:
        raise LaunchError(ec2_error(refusal)) from refusal
    return instance.instance_type, str(instance.availability_zone)


def subnet_of(plan: LaunchPlan, account_id: str, region: str) -> Any:
    """The subnet a plan launches into: the template's, or the default VPC's first.

    Raises:
        LaunchError: it does not exist, or there is no default subnet.
    """
    ec2 = ec2_backends[account_id][region]
    wanted = primary_interface(plan.template).get("SubnetId")
    if wanted:
        for by_id in ec2.subnets.values():
            if wanted in by_id:
                return by_id[wanted]
        raise LaunchError(f"InvalidSubnetID.NotFound: The subnet ID '{wanted}' does not exist")
    defaults = ec2.get_default_subnets()
    if not defaults:
        raise LaunchError("MissingInput: No subnets found for the default VPC. Please specify a subnet.")
    return defaults[min(defaults)]


def launch(plan: LaunchPlan, place: tuple[str, str], at: datetime, *seed: object) -> Instance:
    """Launch an instance in moto's EC2 of an account and region, at a time, according to a plan.

    Raises:
        LaunchError: EC2 refused the launch; has EC2's error.
    """
    if plan.error:
        raise LaunchError(plan.error)
    ec2 = ec2_backends[place[0]][place[1]]
    try:
        with seeded_ec2(*seed):
            if plan.into_instance:
                return _launch_into(ec2, plan)
            instance = _run(ec2, plan, *place)
            stamp(ec2, instance, at)
            return instance
    except StopIteration as full:  # moto's, where a subnet has no free address
        raise LaunchError(SUBNET_IS_FULL) from full
    except (ServiceException, HTTPException) as refusal:
        raise LaunchError(ec2_error(refusal)) from refusal


def _launch_into(ec2: Any, plan: LaunchPlan) -> Instance:
    instance: Instance = ec2.get_instance(plan.into_instance)
    if not is_allowed(instance):
        raise LaunchError(f"The instance {instance.id} does not carry the tag {'='.join(LAUNCH_INTO_TAG)}.")
    if instance.state != "stopped":
        raise LaunchError(f"The instance {instance.id} is {instance.state}: it must be stopped to be launched into.")
    windows = getattr(plan, "windows", False)  # a state file of a former release has none
    differing = list(mismatches(instance, architecture=plan.architecture, windows=windows, boot_mode=plan.boot_mode))
    if differing:
        raise LaunchError(f"The instance {instance.id} does not match the source server: {', '.join(differing)}.")
    swap_volumes(ec2, instance, plan.disks, _template_tags(plan.template, "volume"))
    if plan.disposition == "STARTED":
        instance.start()
    return instance


def _check_type(plan: LaunchPlan) -> None:
    """Refuse an instance type that is incompatible with the machine, as RunInstances does for an image."""
    known = INSTANCE_TYPES.get(plan.instance_type, {})
    architectures = known.get("ProcessorInfo", {}).get("SupportedArchitectures", [plan.architecture])
    if plan.architecture not in architectures:
        raise LaunchError(
            f"InvalidParameterValue: The architecture '{','.join(architectures)}' of the specified instance type does "
            f"not match the architecture '{plan.architecture}' of the specified AMI."
        )
    boot_modes = known.get("SupportedBootModes", [])
    if plan.boot_mode and boot_modes and plan.boot_mode not in boot_modes:
        raise LaunchError(
            f"InvalidParameterValue: The instance type {plan.instance_type} does not support the boot mode "
            f"{plan.boot_mode} of the specified AMI."
        )


def _run(ec2: Any, plan: LaunchPlan, account_id: str, region: str) -> Instance:
    _check_type(plan)
    template = plan.template
    subnet = subnet_of(plan, account_id, region)
    interface = primary_interface(template)
    address = plan.private_ip or _address(interface)
    if address:
        _check_address(address, subnet)
    public = interface.get("AssociatePublicIpAddress")
    instance = run_instance(
        ec2,
        groups=_security_groups(ec2, interface.get("Groups") or template.get("SecurityGroupIds") or (), subnet),
        disks=plan.disks,
        tags=_instance_tags(plan),
        volume_tags=_template_tags(template, "volume"),
        image_id=_image_id(plan, region),
        instance_type=plan.instance_type,
        region_name=region,
        subnet_id=subnet.id,
        private_ip=address,
        associate_public_ip=None if public is None else public in TRUE,
        ebs_optimized=template.get("EbsOptimized") in TRUE,
        disable_api_termination=template.get("DisableApiTermination") in TRUE,
        monitoring_state="enabled" if (template.get("Monitoring") or {}).get("Enabled") in TRUE else "disabled",
        client_token=plan.server_id,
    )
    try:
        _finish(ec2, instance, plan)
    except Exception:
        instance.terminate()  # EC2 launches whole instances or none
        raise
    return instance


def _finish(ec2: Any, instance: Instance, plan: LaunchPlan) -> None:
    """Give a new instance its profile, its interface's tags, its boot mode and its state."""
    _associate_profile(ec2, instance, plan.template.get("IamInstanceProfile") or {}, plan)
    if tags := _template_tags(plan.template, "network-interface"):
        ec2.create_tags([instance.nics[0].id], tags)
    if getattr(plan, "windows", False):  # a state file of a former release has none
        instance.platform = "windows"
    instance.architecture = plan.architecture
    if plan.boot_mode:
        cast("Any", instance).current_instance_boot_mode = plan.boot_mode  # moto has none, and answers what is there
    if plan.disposition == "STOPPED":
        instance.stop()


def _image_id(plan: LaunchPlan, region: str) -> str:
    """The image of DRS for this kind of machine in the region."""
    windows = getattr(plan, "windows", False)
    return identifier("ami-", "drs", region, plan.architecture, windows, plan.boot_mode)


def _security_groups(ec2: Any, ids: Iterable[str], subnet: Any) -> list[Any]:
    groups = []
    for group in ids:
        found = ec2.get_security_group_from_id(group)
        if found is None:
            raise LaunchError(f"InvalidGroup.NotFound: The security group '{group}' does not exist")
        if found.vpc_id != subnet.vpc_id:
            raise LaunchError(
                f"InvalidParameter: Security group {group} and subnet {subnet.id} belong to different networks."
            )
        groups.append(found)
    if not groups and (default := ec2.get_default_security_group(subnet.vpc_id)) is not None:
        groups.append(default)
    return groups


def _instance_tags(plan: LaunchPlan) -> dict[str, str]:
    tags = {**_template_tags(plan.template, "instance"), **plan.copied_tags}
    tags["Name"] = plan.copied_tags.get("Name") or tags.get("Name") or plan.name
    tags["AWSElasticDisasterRecoverySourceServerID"] = plan.server_id
    tags["aws:ec2launchtemplate:id"] = plan.template_id
    tags["aws:ec2launchtemplate:version"] = str(plan.template_version)
    return tags


def _associate_profile(ec2: Any, instance: Instance, profile: dict[str, Any], plan: LaunchPlan) -> None:
    """Associate the template's instance profile, or DRS's own where it names none."""
    name, arn = profile.get("Name"), profile.get("Arn")
    if not name and not arn:
        name = LAUNCH_ACTIONS_PROFILE if getattr(plan, "has_actions", False) else RECOVERY_PROFILE
        if name not in iam_backends[ec2.account_id][ec2.partition].instance_profiles:
            return  # the account is not initialised
    associate_profile(ec2, instance, name=name, arn=arn)


def _check_address(address: str, subnet: Any) -> None:
    wanted = ipaddress.ip_address(address)
    network = ipaddress.ip_network(subnet.cidr_block)
    reserved = {network.network_address + n for n in range(4)} | {network.broadcast_address}
    if wanted not in network or wanted in reserved:
        raise LaunchError(f"InvalidParameterValue: Address {address} does not fall within the subnet's address range")
    if address in subnet._subnet_ips:
        raise LaunchError(f"InvalidIPAddress.InUse: Address {address} is in use.")


def _template_tags(template: dict[str, Any], kind: str) -> dict[str, str]:
    for specification in template.get("TagSpecifications") or ():
        if specification.get("ResourceType") == kind:
            return {tag["Key"]: tag["Value"] for tag in specification.get("Tags") or ()}
    return {}
