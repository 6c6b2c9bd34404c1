"""Instances where moto differs from AWS: virtualization type, architecture and boot mode follow the instance type.

In: an instance that moto has just made. Out: the same with what DescribeInstances of AWS says. Without its catalogue
of images, moto calls every instance paravirtual and x86_64, and it knows no `CurrentInstanceBootMode`.

Sources: EC2 user guide, "Instance type boot modes" (Graviton types boot by UEFI, the others by default by legacy BIOS);
`SupportedVirtualizationTypes`, `ProcessorInfo` and `SupportedBootModes` of `InstanceTypeInfo` in the EC2 model.
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES


def complete(instance: Any) -> None:
    """Set what follows from the instance's type."""
    properties: dict[str, Any] = INSTANCE_TYPES.get(instance.instance_type, {})
    virtualization = properties.get("SupportedVirtualizationTypes", ["hvm"])
    if instance.virtualization_type not in virtualization or "hvm" in virtualization:
        instance.virtualization_type = "hvm" if "hvm" in virtualization else virtualization[0]
    architectures = properties.get("ProcessorInfo", {}).get("SupportedArchitectures", [])
    if architectures and instance.architecture not in architectures:
        instance.architecture = architectures[-1]
    boot_modes = properties.get("SupportedBootModes", [])
    instance.current_instance_boot_mode = "legacy-bios" if "legacy-bios" in boot_modes or not boot_modes else "uefi"
