"""The data of an EC2 launch template that DRS makes: its settings in a plan's words, and the changes of a plan.

In: `LaunchTemplateData` as `DescribeLaunchTemplateVersions` answers it, and a plan's `LaunchSettings`. Out: the
settings in it, the differences, and complete new data for `CreateLaunchTemplateVersion`. Pure: no call is made here.

What DRS owns (`imageId`, `userData`, `blockDeviceMappings`, `placement`, `keyName`) is copied unchanged, and so is
everything else that the plan does not name.

Subnet, security groups and addresses belong to the network interface with device index 0: EC2 knows no subnet outside
an interface, and refuses security groups both beside and inside one (`RunInstances`, API reference). Only a template
without any interface holds its security groups at the top.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from prefect_drs.core.errors import UsageError
from prefect_drs.plan.model import LaunchSettings

if TYPE_CHECKING:
    from botocore.model import Shape

Data = Mapping[str, Any]

TAGGED_RESOURCES = ("instance", "volume")  # what DRS tags in the templates it makes
INTERFACE_FIELDS = ("subnet_id", "security_group_ids", "static_private_ip", "associate_public_ip")
_ADDRESS_KEYS = ("PrivateIpAddress", "PrivateIpAddresses", "SecondaryPrivateIpAddressCount")
_ADDRESS_KEYS_IPV6 = ("Ipv6Addresses", "Ipv6AddressCount", "Ipv6Prefixes", "Ipv6PrefixCount")
_ADDRESS_KEYS_PREFIX = ("Ipv4Prefixes", "Ipv4PrefixCount")
_PREFIX_SIZE = 16  # addresses of an IPv4 prefix, a /28 (EC2 user guide, "Prefix delegation")


def template_differences(data: Data, settings: LaunchSettings) -> tuple[tuple[str, JsonValue, JsonValue], ...]:
    """What `settings` would change in `data`: the manifest's word, the value now, the value after.

    A new subnet without a new static address takes an old static address away: it lies in the old subnet.
    """
    found: list[tuple[str, JsonValue, JsonValue]] = []
    for name, read in _READERS.items():
        wanted = _plain(getattr(settings, name))
        if wanted is None:
            continue
        now = read(data)
        if _comparable(now) != _comparable(wanted):
            found.append((_word(name), now, wanted))
    if drops_static_address(data, settings):
        found.append((_word("static_private_ip"), static_private_ip(data), None))
    before, after = _tag_differences(data, settings.tags or {})
    if after:
        found.append(("tags", before, after))
    return tuple(found)


def with_settings(data: Data, settings: LaunchSettings) -> dict[str, Any]:
    """A complete copy of `data` with `settings` written into it; what they leave out, and what DRS owns, is the same.

    Raises:
        UsageError: the template attaches an existing network interface, or names security groups by name, and
            the settings ask for a network of their own.
    """
    new: dict[str, Any] = deepcopy(dict(data))
    _write_network(new, settings)
    if settings.instance_type is not None:
        new["InstanceType"] = settings.instance_type
        new.pop("InstanceRequirements", None)  # EC2 takes one of the two
    if settings.instance_profile_name is not None and instance_profile_name(data) != settings.instance_profile_name:
        new["IamInstanceProfile"] = {"Name": settings.instance_profile_name}
    if settings.monitoring is not None:
        new["Monitoring"] = {**(new.get("Monitoring") or {}), "Enabled": settings.monitoring}
    if settings.ebs_optimized is not None:
        new["EbsOptimized"] = settings.ebs_optimized
    if settings.disable_api_termination is not None:
        new["DisableApiTermination"] = settings.disable_api_termination
    if settings.credit_specification is not None:
        new["CreditSpecification"] = {"CpuCredits": settings.credit_specification}
    if settings.tags:
        new["TagSpecifications"] = _merged_tags(new.get("TagSpecifications") or [], settings.tags)
    return new


def request_form(data: Data, shape: Shape) -> dict[str, Any]:
    """`data` with only the members that a request takes: answers have some that requests have not.

    Args:
        data: template data, as answered.
        shape: botocore's shape of the request's `LaunchTemplateData`.
    """
    pruned = _pruned(data, shape)
    return pruned if isinstance(pruned, dict) else {}


def _pruned(value: Any, shape: Any) -> Any:
    if shape.type_name == "structure":
        members = {
            key: _pruned(item, shape.members[key])
            for key, item in value.items()
            if key in shape.members and item is not None
        }
        return {key: item for key, item in members.items() if item != {} or value[key] == {}}
    if shape.type_name == "list":
        return [_pruned(item, shape.member) for item in value]
    return value


# ---- reading -----------------------------------------------------------------------------------------------------


def primary_interface(data: Data) -> Data | None:
    """The network interface of device index 0, or None."""
    interfaces = data.get("NetworkInterfaces") or []
    return next((item for item in interfaces if not item.get("DeviceIndex")), None)


def subnet_id(data: Data) -> str | None:
    """The subnet it launches into; None is the default VPC's."""
    return (primary_interface(data) or {}).get("SubnetId")


def security_group_ids(data: Data) -> list[str] | None:
    """The security groups, wherever the template has them."""
    interface = primary_interface(data) or {}
    groups = interface.get("Groups") or data.get("SecurityGroupIds")
    return list(groups) if groups else None


def static_private_ip(data: Data) -> str | None:
    """The primary private IPv4 address that it sets."""
    interface = primary_interface(data) or {}
    if interface.get("PrivateIpAddress"):
        return str(interface["PrivateIpAddress"])
    addresses = interface.get("PrivateIpAddresses") or []
    return next((item["PrivateIpAddress"] for item in addresses if item.get("Primary")), None)


def addresses_taken(data: Data, settings: LaunchSettings) -> tuple[tuple[str | None, int], ...]:
    """How many private IPv4 addresses a launch takes, by subnet; None is the default VPC's.

    Secondary addresses and prefixes of 16 addresses count; those of the first interface go where the settings move it
    to another subnet. An existing interface that is attached holds its addresses already.

    Args:
        data: the launch template's.
        settings: what the server is launched with, the template's own included.
    """
    first = primary_interface(data)
    stays = settings.subnet_id == subnet_id(data)
    taken = [] if first and first.get("NetworkInterfaceId") else [(settings.subnet_id, 1)]
    if first and taken and stays:
        taken = [(settings.subnet_id, _addresses_of(first))]
    others = [item for item in data.get("NetworkInterfaces") or [] if item is not first]
    taken += [(item.get("SubnetId"), _addresses_of(item)) for item in others if not item.get("NetworkInterfaceId")]
    return tuple(taken)


def _addresses_of(interface: Data) -> int:
    listed = len(interface.get("PrivateIpAddresses") or ())
    more = interface.get("SecondaryPrivateIpAddressCount") or 0
    prefixes = len(interface.get("Ipv4Prefixes") or ()) + (interface.get("Ipv4PrefixCount") or 0)
    return max(1, listed) + int(more) + _PREFIX_SIZE * int(prefixes)


def on_dedicated_host(data: Data) -> bool:
    """Whether it runs on a Dedicated Host, which no vCPU quota counts."""
    return (data.get("Placement") or {}).get("Tenancy") == "host"


def associate_public_ip(data: Data) -> bool | None:
    """Whether the instance gets a public address; None is the subnet's own setting."""
    return (primary_interface(data) or {}).get("AssociatePublicIpAddress")


def instance_profile_name(data: Data) -> str | None:
    """The instance profile's name, also where the template has its ARN."""
    profile = data.get("IamInstanceProfile") or {}
    name: str | None = profile.get("Name")
    return name or (profile.get("Arn") or "").rpartition("/")[2] or None


_READERS: dict[str, Callable[[Data], JsonValue]] = {
    "subnet_id": subnet_id,
    "security_group_ids": lambda data: _plain(security_group_ids(data)),
    "static_private_ip": static_private_ip,
    "associate_public_ip": associate_public_ip,
    "instance_type": lambda data: data.get("InstanceType"),
    "instance_profile_name": instance_profile_name,
    "monitoring": lambda data: (data.get("Monitoring") or {}).get("Enabled"),
    "ebs_optimized": lambda data: data.get("EbsOptimized"),
    "disable_api_termination": lambda data: data.get("DisableApiTermination"),
    "credit_specification": lambda data: (data.get("CreditSpecification") or {}).get("CpuCredits"),
}


def template_values(data: Data) -> dict[str, Any]:
    """What the template holds, by the fields of `LaunchSettings`; the tags are those of instances."""
    values: dict[str, Any] = {name: read(data) for name, read in _READERS.items()}
    groups = values["security_group_ids"]
    return values | {
        "security_group_ids": None if groups is None else tuple(groups),
        "tags": _tags_of(data, "instance") or None,
    }


def _word(name: str) -> str:
    return LaunchSettings.model_fields[name].alias or name


def _plain(value: Any) -> JsonValue:
    return list(value) if isinstance(value, tuple | list) else value


def _comparable(value: JsonValue) -> Any:
    return frozenset(map(str, value)) if isinstance(value, list) else value


def _tags_of(data: Data, resource: str) -> dict[str, str]:
    return {
        tag["Key"]: tag.get("Value", "")
        for item in data.get("TagSpecifications") or []
        if item.get("ResourceType") == resource
        for tag in item.get("Tags") or []
    }


def _tag_differences(data: Data, wanted: Mapping[str, str]) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
    """The tags that differ on any of the resources that are tagged: their values now, and after."""
    before: dict[str, JsonValue] = {}
    after: dict[str, JsonValue] = {}
    for resource in TAGGED_RESOURCES:
        now = _tags_of(data, resource)
        for key, value in wanted.items():
            if now.get(key) != value and key not in after:
                before[key], after[key] = now.get(key), value
    return before, after


# ---- writing -----------------------------------------------------------------------------------------------------


def drops_static_address(data: Data, settings: LaunchSettings) -> bool:
    """Whether a static address of the template goes, since it lies in a subnet that the settings leave."""
    return (
        settings.static_private_ip is None
        and settings.subnet_id is not None
        and settings.subnet_id != subnet_id(data)
        and static_private_ip(data) is not None
    )


def _write_network(new: dict[str, Any], settings: LaunchSettings) -> None:
    given = [name for name in INTERFACE_FIELDS if getattr(settings, name) is not None]
    if not given:
        return
    interface = _interface_to_write(new)
    if interface is None and given == ["security_group_ids"]:
        new["SecurityGroupIds"] = list(settings.security_group_ids or ())
        new.pop("SecurityGroups", None)
        return
    if interface is None:
        interface = {"DeviceIndex": 0, "DeleteOnTermination": True}
        new["NetworkInterfaces"] = [interface, *(new.get("NetworkInterfaces") or [])]
    if attached := interface.get("NetworkInterfaceId"):
        raise UsageError(
            f"the launch template attaches the existing network interface {attached}, which brings its own "
            f"{', '.join(_word(name) for name in INTERFACE_FIELDS)}; take it out of the template, or those settings "
            "out of the plan"
        )
    _write_groups(new, interface, settings.security_group_ids)
    if settings.subnet_id is not None and settings.subnet_id != interface.get("SubnetId"):
        interface["SubnetId"] = settings.subnet_id
        for key in (*_ADDRESS_KEYS, *_ADDRESS_KEYS_IPV6, *_ADDRESS_KEYS_PREFIX):
            interface.pop(key, None)  # addresses of the subnet that is left
    if settings.static_private_ip is not None:
        _write_address(interface, settings.static_private_ip)
    if settings.associate_public_ip is not None:
        interface["AssociatePublicIpAddress"] = settings.associate_public_ip


def _interface_to_write(new: dict[str, Any]) -> dict[str, Any] | None:
    for item in new.get("NetworkInterfaces") or []:
        if not item.get("DeviceIndex"):
            found: dict[str, Any] = item
            return found
    return None


def _write_groups(new: dict[str, Any], interface: dict[str, Any], wanted: tuple[str, ...] | None) -> None:
    """Put the groups into the interface: the wanted ones, or those at the top, which EC2 refuses beside it."""
    at_the_top = new.pop("SecurityGroupIds", None)
    names = new.pop("SecurityGroups", None)
    if wanted is not None:
        interface["Groups"] = list(wanted)
    elif not interface.get("Groups") and at_the_top:
        interface["Groups"] = at_the_top
    elif not interface.get("Groups") and names:
        raise UsageError(
            f"the launch template has its security groups by name ({', '.join(names)}), which EC2 refuses beside a "
            "network interface; give securityGroupIds in the plan"
        )


def _write_address(interface: dict[str, Any], address: str) -> None:
    addresses = interface.get("PrivateIpAddresses")
    if not addresses:
        interface["PrivateIpAddress"] = address
        return
    others = [item for item in addresses if not item.get("Primary") and item["PrivateIpAddress"] != address]
    interface["PrivateIpAddresses"] = [{"Primary": True, "PrivateIpAddress": address}, *others]
    interface.pop("PrivateIpAddress", None)


def _merged_tags(specifications: list[dict[str, Any]], wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    merged = list(specifications)
    for resource in TAGGED_RESOURCES:
        tags = {**_tags_of({"TagSpecifications": merged}, resource), **wanted}
        entry = {"ResourceType": resource, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        at = [index for index, item in enumerate(merged) if item.get("ResourceType") == resource]
        if at:
            merged[at[0]] = entry
        else:
            merged.append(entry)
        merged = [item for index, item in enumerate(merged) if index not in at[1:]]
    return merged
