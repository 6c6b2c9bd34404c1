"""Whether a source server can run as an instance type: architecture, boot mode, Nitro.

In: what DRS and EC2 report of a server, and an `InstanceType`. Out: the reasons why it cannot, in words. Pure.

Sources: `SourceProperties` in the DRS model (`architecture`, `supportsNitroInstances`, `recommendedInstanceType`; it
has no boot mode); `ProcessorInfo.SupportedArchitectures`, `SupportedBootModes` and `Hypervisor` of `InstanceTypeInfo`
in the EC2 model; EC2 user guide, "Instance type boot modes". A server's boot mode is that of the recovery instance that
was last launched from it (`CurrentInstanceBootMode` of DescribeInstances); while it has none, its boot mode is not
known and not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prefect_drs.aws.drs import SourceServer
from prefect_drs.aws.instance_types import InstanceType

ARCHITECTURES = ("arm64", "x86_64")
"""`SourceProperties.architecture` in the DRS model."""
USUAL_ARCHITECTURE = "x86_64"
"""The only one that DRS replicated before it reported a server's architecture."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What an instance type must support to run a server.

    Args:
        architecture: x86_64 or arm64.
        supports_nitro: whether it can run on Nitro types; None where DRS does not say.
        boot_mode: legacy-bios or uefi; None where it is not known.
    """

    architecture: str = USUAL_ARCHITECTURE
    supports_nitro: bool | None = None
    boot_mode: str | None = None


def machine_of(server: SourceServer, types: Mapping[str, InstanceType], boot_mode: str | None = None) -> Machine:
    """What an instance type must support to run `server`.

    Where DRS does not report the architecture, that of its recommended instance type decides.

    Args:
        server: as DRS reports it.
        types: instance types that were read, by name.
        boot_mode: of its former recovery instance.
    """
    architecture = server.architecture
    if not architecture and (recommended := types.get(server.recommended_instance_type)) is not None:
        supported = [each for each in ARCHITECTURES if each in recommended.architectures]
        architecture = supported[0] if len(supported) == 1 else ""
    return Machine(architecture or USUAL_ARCHITECTURE, server.supports_nitro, boot_mode)


def incompatibilities(machine: Machine, instance_type: InstanceType) -> Iterator[str]:
    """Why the server cannot run as that type, each with the remedy."""
    if instance_type.architectures and machine.architecture not in instance_type.architectures:
        offered = ", ".join(sorted(instance_type.architectures))
        yield (
            f"its architecture is {offered}, but the server's is {machine.architecture}; use a type of the server's "
            "architecture"
        )
    if machine.supports_nitro is False and instance_type.nitro:
        yield (
            "it is built on the Nitro System, for which the server has no drivers (supportsNitroInstances is false in "
            "DRS); use a type of an earlier generation, or install the drivers"
        )
    if machine.boot_mode and instance_type.boot_modes and machine.boot_mode not in instance_type.boot_modes:
        offered = ", ".join(sorted(instance_type.boot_modes))
        yield (
            f"it boots by {offered} only, but the server boots by {machine.boot_mode}, as its last recovery instance "
            "did; use a type that supports it"
        )
