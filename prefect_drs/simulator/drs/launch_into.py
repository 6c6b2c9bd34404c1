"""Launches into a prepared instance: what must match, and what becomes of the instance.

In: a moto instance and a server's properties or `LaunchPlan`. Out: the fields that do not match, or the same instance
with the server's disks. The instance keeps its id, network interfaces, addresses, type, profile and tags; its volumes
are detached, and its root volume is deleted.

Sources: AWS DRS user guide, "Launch into source instance" (pre-requisites) and "Launch configuration errors"
(architecture, stopped); AMS Advanced user guide, "Disaster recovery planning" (stopped; "Swap out the volumes and
delete the source (placeholder) root volume"; other volumes "are retained in the account").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ec2.models.instances import Instance
from werkzeug.exceptions import HTTPException

from .instances import attach_disks

LAUNCH_INTO_TAG = ("AWSDRS", "AllowLaunchingIntoThisInstance")
"""The tag without which nothing is launched into an instance."""


def ec2_error(refusal: ServiceException | HTTPException) -> str:
    """EC2's error as `code: message`."""
    return f"{getattr(refusal, 'error_type', refusal.code)}: {getattr(refusal, 'message', refusal)}"


def is_allowed(instance: Instance) -> bool:
    """Whether the instance carries the tag."""
    key, value = LAUNCH_INTO_TAG
    return any(tag["key"] == key and tag["value"] == value for tag in instance.get_tags())


def mismatches(instance: Any, *, architecture: str, windows: bool, boot_mode: str | None) -> Iterator[str]:
    """The fields in which an instance does not match a server.

    Args:
        instance: moto's.
        architecture: the server's: x86_64 or arm64.
        windows: whether its operating system is Windows.
        boot_mode: of its recovery instances; None where it has none.
    """
    if instance.architecture != architecture:
        yield "Architecture"
    if (instance.platform == "windows") != windows:
        yield "Platform"
    has = getattr(instance, "current_instance_boot_mode", None)
    demanded = boot_mode if windows else "uefi" if architecture == "arm64" else "legacy-bios"
    if has and demanded and has != demanded:
        yield "BootMode"
    if instance.virtualization_type != "hvm":
        yield "VirtualizationType"
    if instance.root_device_type != "ebs":
        yield "RootDeviceType"


def swap_volumes(ec2: Any, instance: Any, disks: list[dict[str, Any]], tags: dict[str, str]) -> None:
    """Detach all volumes, delete the former root volume, and attach the server's disks; the first becomes the root."""
    for device, mapping in list(instance.block_device_mapping.items()):
        del instance.block_device_mapping[device]
        volume = ec2.volumes.get(mapping.volume_id)
        if volume is not None:
            volume.attachment = None
            if device == instance.root_device_name:
                ec2.delete_volume(mapping.volume_id)
    attach_disks(ec2, instance, disks, tags)
