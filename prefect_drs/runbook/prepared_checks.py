"""Checks of a prepared instance against what AWS demands, each a function with a name; all of them in `CHECKS`.

In: a `PreparedLaunch`. Out: messages, each with the remedy. Pure: operations that write settings use the same checks
as the preflight.

Sources: AWS DRS user guide, "Launch into source instance", pre-requisites (the tag; the same platform; Linux boots by
BIOS, Windows as its recovery instance does; HVM and an EBS root device; OS licensing; Transfer server tags and Copy
private IP deactivated) and "Launch configuration errors" (a stopped instance of the same architecture, arm64
included); AMS Advanced user guide, "Disaster recovery planning" (stopped; the former root volume is deleted). That the
instance is nobody else's, and is not to be terminated by the launch, are this project's own demands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prefect_drs.aws.drs import SourceServer
from prefect_drs.aws.location import Location
from prefect_drs.aws.networks import Subnet
from prefect_drs.aws.prepared_instances import GONE_STATES, LAUNCH_INTO_TAG, LAUNCH_INTO_VALUE, TargetInstance
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.runbook.machines import Machine
from prefect_drs.runbook.prepared_target import FoundTarget

LINUX_BOOT_MODES = {"x86_64": "legacy-bios", "arm64": "uefi"}
"""The boot mode of a Linux instance that is launched into; Graviton types boot by UEFI only."""


@dataclass(frozen=True, slots=True)
class PreparedLaunch:
    """A server that is launched into a prepared instance, with all that the checks look at.

    Args:
        location: its account and region.
        found: the instance.
        server: as DRS reports it.
        machine: its architecture, and its boot mode where that is known.
        settings: all that it is launched with.
        subnet: the subnet of these settings; None where they have none, or EC2 does not have it.
        claimed_by: other servers that are launched into the same instance.
        used_by: another server whose recovery instance it is, or that replicates from it; None where there is none.
        replaces: the recovery instance that the launch terminates first; None where it terminates none.
    """

    location: Location
    found: FoundTarget
    server: SourceServer
    machine: Machine
    settings: LaunchSettings
    subnet: Subnet | None = None
    claimed_by: tuple[str, ...] = ()
    used_by: str | None = None
    replaces: str | None = None

    @property
    def windows(self) -> bool:
        """Whether the server's operating system is Windows."""
        return "windows" in self.server.os.lower()

    @property
    def label(self) -> str:
        """The instance in messages."""
        return self.found.instance_id or self.found.choice.text


@dataclass(frozen=True, slots=True)
class PreparedCheck:
    """A check. `code`, `what`, `remedy` and `waivable` are those of its preflight rule."""

    code: str
    what: str
    remedy: str
    look: Callable[[PreparedLaunch], Iterator[str]]
    waivable: bool = False


def instance_is_found(launch: PreparedLaunch) -> Iterator[str]:
    """The choice means an instance that EC2 has in the account and region of the launch."""
    found = launch.found
    if found.unmatched:
        yield f"{found.unmatched}"
    elif found.read and found.instance is None and not found.matches:
        there = (
            f"it is in {found.elsewhere}; prepare one in {launch.location}"
            if found.elsewhere
            else "it may be of another account or region, or be deleted; name one that is there"
        )
        yield f"EC2 has no such instance in {launch.location}: {there}"


def one_instance_is_meant(launch: PreparedLaunch) -> Iterator[str]:
    """A tag leads to one instance."""
    if launch.found.matches:
        yield (
            f"{len(launch.found.matches)} instances match ({', '.join(launch.found.matches)}); leave the tag on one of "
            "them"
        )


def instance_is_not_terminated(launch: PreparedLaunch) -> Iterator[str]:
    """The instance was not terminated, such as after a drill."""
    instance = launch.found.instance
    if instance is not None and instance.state in GONE_STATES:
        yield (
            f"the instance is {instance.state}, such as by the clean-up of a drill; prepare a new one and name that "
            "(its id, address and network interface are new)"
        )


def instance_is_stopped(launch: PreparedLaunch) -> Iterator[str]:
    """DRS launches into a stopped instance."""
    instance = launch.found.instance
    if instance is not None and instance.state != "stopped" and instance.state not in GONE_STATES:
        yield (
            f"the instance is {instance.state or 'in a state that EC2 does not say'}, and DRS launches into a stopped "
            f"one only; stop it if nobody needs it: aws ec2 stop-instances --instance-ids {instance.instance_id} "
            f"--region {launch.location.region}"
        )


def instance_is_allowed(launch: PreparedLaunch) -> Iterator[str]:
    """The instance carries the tag by which its owner allows the launch."""
    instance = launch.found.instance
    if instance is not None and not instance.allowed:
        has = (
            f"{LAUNCH_INTO_TAG}={instance.tags[LAUNCH_INTO_TAG]}" if LAUNCH_INTO_TAG in instance.tags else "no such tag"
        )
        yield (
            f"DRS demands the tag {LAUNCH_INTO_TAG}={LAUNCH_INTO_VALUE}, and the instance has {has}; tag it: aws ec2 "
            f"create-tags --resources {instance.instance_id} --tags Key={LAUNCH_INTO_TAG},Value={LAUNCH_INTO_VALUE} "
            f"--region {launch.location.region}"
        )


def instance_is_in_the_zone(launch: PreparedLaunch) -> Iterator[str]:
    """The instance is in the zone that the launch settings place the server in."""
    instance, subnet = launch.found.instance, launch.subnet
    if instance is not None and subnet is not None and instance.zone != subnet.zone:
        yield (
            f"the instance is in {instance.zone}, but subnetId {subnet.subnet_id} is in {subnet.zone}; prepare one in "
            f"{subnet.zone}, or give the subnet of the instance ({instance.identity.subnet_id})"
        )


def instance_has_the_address(launch: PreparedLaunch) -> Iterator[str]:
    """A static address is the one that the instance has, since it keeps its own."""
    instance, address = launch.found.instance, launch.settings.static_private_ip
    if instance is not None and address is not None and instance.identity.private_ip != address:
        yield (
            f"staticPrivateIp is {address}, but the instance has and keeps {instance.identity.private_ip}; remove "
            "staticPrivateIp, or prepare an instance with that address"
        )


def architecture_matches(launch: PreparedLaunch) -> Iterator[str]:
    """The instance has the architecture of the server."""
    instance = launch.found.instance
    if instance is not None and instance.architecture != launch.machine.architecture:
        yield (
            f"the instance is {instance.architecture or 'of an architecture that EC2 does not say'}, but the server is "
            f"{launch.machine.architecture}; prepare an instance of the server's architecture"
        )


def boot_mode_matches(launch: PreparedLaunch) -> Iterator[str]:
    """Linux boots by BIOS (arm64 by UEFI), Windows as its recovery instances do."""
    instance, demanded = launch.found.instance, _boot_mode(launch)
    if instance is not None and instance.boot_mode and demanded and instance.boot_mode != demanded:
        yield (
            f"the instance boots by {instance.boot_mode}, but DRS demands {demanded} of it; prepare an instance of an "
            f"image with boot mode {demanded}"
        )


def boot_mode_is_known(launch: PreparedLaunch) -> Iterator[str]:
    """The boot modes of instance and server are known."""
    instance = launch.found.instance
    if instance is None:
        return
    if not instance.boot_mode:
        yield "EC2 does not say how the instance boots, so that the boot mode is not checked; start and stop it once"
    elif _boot_mode(launch) is None:
        yield (
            "how the Windows server boots is not known before its first recovery instance, and must be as the "
            f"instance does ({instance.boot_mode}); compare it on the server, and waive this with what you found"
        )


def _boot_mode(launch: PreparedLaunch) -> str | None:
    return launch.machine.boot_mode if launch.windows else LINUX_BOOT_MODES.get(launch.machine.architecture)


def platform_matches(launch: PreparedLaunch) -> Iterator[str]:
    """The instance has the platform of the server: Linux or Windows."""
    instance = launch.found.instance
    if instance is not None and launch.server.os and instance.windows != launch.windows:
        names = {True: "Windows", False: "Linux"}
        yield (
            f"the platform of the instance is {names[instance.windows]}, but the server runs "
            f"{names[launch.windows]}; prepare an instance of a {names[launch.windows]} image"
        )


def root_volume_can_be_replaced(launch: PreparedLaunch) -> Iterator[str]:
    """The root device is a volume, is attached, and the instance is HVM."""
    instance = launch.found.instance
    if instance is None or instance.state in GONE_STATES:
        return
    if instance.root_device_type != "ebs":
        yield f"its root device is {instance.root_device_type or 'unknown'}, not EBS; prepare an EBS-backed instance"
    elif not instance.root_attached:
        yield "no volume is attached as its root device; attach one"
    if instance.virtualization != "hvm":
        yield f"its virtualization is {instance.virtualization or 'unknown'}, not HVM; prepare an HVM instance"


def licence_is_allowed(launch: PreparedLaunch) -> Iterator[str]:
    """Bring your own licence is for Linux, and for Windows on a Dedicated Host."""
    instance, licensing = launch.found.instance, launch.settings.licensing
    byol = licensing is not None and licensing.os_byol
    if instance is not None and byol and launch.windows and instance.tenancy != "host":
        yield (
            f"licensing.osByol is true, and the tenancy of the Windows instance is {instance.tenancy or 'unknown'}; "
            "prepare an instance on a Dedicated Host, or set osByol to false"
        )


def instance_is_nobody_elses(launch: PreparedLaunch) -> Iterator[str]:
    """The instance is neither another server's target or recovery instance, nor a machine that replicates."""
    if launch.claimed_by:
        yield (
            f"it is also the instance that {', '.join(launch.claimed_by)} is launched into; prepare one for each server"
        )
    if launch.used_by is not None:
        yield f"it is {launch.used_by}, whose data the launch would replace; prepare another instance"


def instance_is_released(launch: PreparedLaunch) -> Iterator[str]:
    """The instance is not the recovery instance that the recovery terminates first.

    A recovery terminates the former recovery instance of its server. AWS does not document that it spares one that is
    launched into again.
    """
    instance = launch.found.instance
    if instance is not None and launch.replaces == instance.instance_id and instance.state not in GONE_STATES:
        named = f"--recovery-instance-id {instance.instance_id} --region {launch.location.region}"
        yield (
            "it is the server's recovery instance of the former recovery, which DRS terminates before it launches: its "
            "id, address and interface may be lost; take it out of DRS first, which leaves it in EC2: aws drs "
            f"disconnect-recovery-instance {named}, then aws drs delete-recovery-instance {named}"
        )


CHECKS: tuple[PreparedCheck, ...] = (
    PreparedCheck(
        "PREPARED_INSTANCE_NOT_FOUND",
        "no prepared instance is in the server's account and region: unknown id, no instance with the tag, or a table "
        "without the server",
        "name one that is there; the message says what was looked for",
        instance_is_found,
    ),
    PreparedCheck(
        "PREPARED_INSTANCE_AMBIGUOUS",
        "several instances carry the tag that names a prepared instance",
        "leave the tag on one of them",
        one_instance_is_meant,
    ),
    PreparedCheck(
        "PREPARED_INSTANCE_TERMINATED",
        "the prepared instance is terminated, such as by the clean-up of a drill",
        "prepare a new one and name that",
        instance_is_not_terminated,
    ),
    PreparedCheck(
        "PREPARED_INSTANCE_NOT_STOPPED",
        "the prepared instance is not stopped",
        "stop it if nobody needs it",
        instance_is_stopped,
    ),
    PreparedCheck(
        "PREPARED_INSTANCE_NOT_ALLOWED",
        "the prepared instance does not carry the tag `AWSDRS=AllowLaunchingIntoThisInstance`",
        "tag it",
        instance_is_allowed,
    ),
    PreparedCheck(
        "PREPARED_INSTANCE_IN_OTHER_ZONE",
        "the prepared instance is in another Availability Zone than the subnet of the launch settings",
        "prepare one in that zone, or give the subnet of the instance",
        instance_is_in_the_zone,
    ),
    PreparedCheck(
        "PREPARED_INSTANCE_ADDRESS",
        "`staticPrivateIp` is not the address of the prepared instance, which keeps its own",
        "remove `staticPrivateIp`, or prepare an instance with that address",
        instance_has_the_address,
    ),
    PreparedCheck(
        "PREPARED_INSTANCE_ARCHITECTURE",
        "the prepared instance has another architecture than the server",
        "prepare an instance of the server's architecture",
        architecture_matches,
    ),
    PreparedCheck(
        "PREPARED_INSTANCE_BOOT_MODE",
        "the prepared instance boots otherwise than DRS demands: Linux by legacy BIOS (arm64 by UEFI), Windows as the "
        "server's last recovery instance",
        "prepare an instance of an image with that boot mode",
        boot_mode_matches,
    ),
    PreparedCheck(
        "PREPARED_INSTANCE_BOOT_MODE_UNKNOWN",
        "the boot mode of the prepared instance, or of a Windows server without a recovery instance, is not known",
        "compare them yourself and waive it",
        boot_mode_is_known,
        waivable=True,
    ),
    PreparedCheck(
        "PREPARED_INSTANCE_PLATFORM",
        "the prepared instance is Linux and the server Windows, or the other way round",
        "prepare an instance of the server's platform",
        platform_matches,
    ),
    PreparedCheck(
        "PREPARED_INSTANCE_ROOT_VOLUME",
        "the root device of the prepared instance is no EBS volume, or none is attached, or the instance is not HVM",
        "prepare an EBS-backed HVM instance with its root volume",
        root_volume_can_be_replaced,
    ),
    PreparedCheck(
        "PREPARED_INSTANCE_LICENSING",
        "`licensing.osByol` is true for a Windows instance that is not on a Dedicated Host",
        "prepare one on a Dedicated Host, or set `osByol` to false",
        licence_is_allowed,
    ),
    PreparedCheck(
        "PREPARED_INSTANCE_TAKEN",
        "the prepared instance is that of another server too, is another server's recovery instance, or is a machine "
        "that replicates",
        "prepare another instance",
        instance_is_nobody_elses,
    ),
    PreparedCheck(
        "PREPARED_INSTANCE_NOT_RELEASED",
        "the prepared instance is the server's recovery instance of the former recovery, which a recovery terminates "
        "before it launches",
        "disconnect it and delete it from DRS (`aws drs disconnect-recovery-instance`, `delete-recovery-instance`); it "
        "stays in EC2",
        instance_is_released,
        waivable=True,
    ),
)


def problems_of(launch: PreparedLaunch) -> Iterator[tuple[PreparedCheck, str]]:
    """Everything that is wrong with a prepared instance."""
    for check in CHECKS:
        for message in check.look(launch):
            yield check, message


def users_of(instance: TargetInstance | None, server: SourceServer, others: tuple[SourceServer, ...]) -> str | None:
    """Whose recovery instance, or which replicating machine, an instance is; None where it is free.

    Args:
        instance: the prepared one.
        server: the server that is to be launched into it.
        others: every server of the account and region, that one included.
    """
    if instance is None:
        return None
    for other in others:
        if other.instance_id == instance.instance_id:
            return f"the machine that source server {other.source_server_id} ({other.name}) replicates from"
        own = other.source_server_id == server.source_server_id
        if not own and other.recovery_instance_id == instance.instance_id:
            return f"the recovery instance of source server {other.source_server_id} ({other.name})"
    return None
