"""Cases of the rules about prepared instances: a stopped, tagged instance that matches its server but in one thing."""

from __future__ import annotations

from typing import Any

from moto.ec2.models import ec2_backends

from prefect_drs.runbook import Runbook
from tests.rig import ACCOUNT, REGION
from tests.runbook.case import case
from tests.runbook.world import World

ALLOWED = {"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}
ALLOW_DRILLS = {"drillIntoPreparedInstances": True}


def prepare(
    world: World,
    *,
    region: str = REGION,
    instance_type: str = "m5.large",
    subnet: str | None = None,
    state: str = "stopped",
    tags: tuple[dict[str, str], ...] = (ALLOWED,),
    **attributes: Any,
) -> str:
    """An instance as a plan prepares one; `attributes` are those of moto's instance, which RunInstances cannot set."""
    ec2 = world.client("ec2", region)
    network = {"SubnetId": subnet or world.subnet} if region == REGION else {}
    made = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, InstanceType=instance_type, **network)
    instance = str(made["Instances"][0]["InstanceId"])
    if tags:
        ec2.create_tags(Resources=[instance], Tags=list(tags))
    if state == "stopped":
        ec2.stop_instances(InstanceIds=[instance])
    elif state == "terminated":
        ec2.terminate_instances(InstanceIds=[instance])
    for name, value in attributes.items():
        setattr(ec2_backends[ACCOUNT][region].get_instance(instance), name, value)
    return instance


def into(
    world: World, instance: str | dict[str, Any], *, mode: Any = "recovery", server: str | None = None, **settings: Any
) -> Runbook:
    """A server that is launched into an instance."""
    server = server or world.server()
    choice = {"instanceId": instance} if isinstance(instance, str) else instance
    entry = {"sourceServerId": server, "launchTemplate": {"launchIntoInstance": choice, **settings}}
    return world.resolve({"sourceServerIds": [server], "servers": [entry]}, mode=mode)


@case("PREPARED_INSTANCE_NOT_FOUND")
def an_instance_of_another_region(world: World, broken: bool) -> Runbook:
    return into(world, prepare(world, region="eu-west-1" if broken else REGION))


@case("PREPARED_INSTANCE_AMBIGUOUS")
def a_tag_on_two_instances(world: World, broken: bool) -> Runbook:
    for number in range(2):
        prepare(world, tags=(ALLOWED, {"Key": "for", "Value": "web" if broken or not number else "db"}))
    return into(world, {"tag": "for", "value": "web"})


@case("PREPARED_INSTANCE_TERMINATED")
def an_instance_that_a_drill_terminated(world: World, broken: bool) -> Runbook:
    return into(world, prepare(world, state="terminated" if broken else "stopped"))


@case("PREPARED_INSTANCE_NOT_STOPPED")
def an_instance_that_runs(world: World, broken: bool) -> Runbook:
    return into(world, prepare(world, state="running" if broken else "stopped"))


@case("PREPARED_INSTANCE_NOT_ALLOWED")
def an_instance_without_the_tag(world: World, broken: bool) -> Runbook:
    return into(world, prepare(world, tags=({**ALLOWED, "Value": "No"},) if broken else (ALLOWED,)))


@case("PREPARED_INSTANCE_IN_OTHER_ZONE")
def an_instance_of_another_zone_than_the_subnet(world: World, broken: bool) -> Runbook:
    made = world.client("ec2").create_subnet(
        VpcId=world.vpc, CidrBlock="10.9.2.0/24", AvailabilityZone=f"{REGION}{'b' if broken else 'a'}"
    )
    return into(world, prepare(world), subnetId=made["Subnet"]["SubnetId"])


@case("PREPARED_INSTANCE_ADDRESS")
def an_instance_with_another_address_than_the_static_one(world: World, broken: bool) -> Runbook:
    instance = prepare(world)
    found = world.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    address = "10.9.1.200" if broken else found["PrivateIpAddress"]
    return into(world, instance, subnetId=world.subnet, staticPrivateIp=address)


@case("PREPARED_INSTANCE_ARCHITECTURE")
def an_instance_of_another_architecture(world: World, broken: bool) -> Runbook:
    boot_mode = {"current_instance_boot_mode": "legacy-bios"}
    return into(world, prepare(world, instance_type="m6g.large" if broken else "m5.large", **boot_mode))


@case("PREPARED_INSTANCE_BOOT_MODE")
def a_linux_instance_that_boots_by_uefi(world: World, broken: bool) -> Runbook:
    return into(world, prepare(world, current_instance_boot_mode="uefi" if broken else "legacy-bios"))


@case("PREPARED_INSTANCE_BOOT_MODE_UNKNOWN")
def an_instance_whose_boot_mode_ec2_does_not_say(world: World, broken: bool) -> Runbook:
    return into(world, prepare(world, current_instance_boot_mode=None if broken else "legacy-bios"))


@case("PREPARED_INSTANCE_PLATFORM")
def a_windows_instance_for_a_linux_server(world: World, broken: bool) -> Runbook:
    return into(world, prepare(world, platform="windows" if broken else None))


@case("PREPARED_INSTANCE_ROOT_VOLUME")
def an_instance_without_its_root_volume(world: World, broken: bool) -> Runbook:
    instance = prepare(world)
    if broken:
        ec2 = world.client("ec2")
        (volume,) = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [instance]}])["Volumes"]
        ec2.detach_volume(VolumeId=volume["VolumeId"], InstanceId=instance)
    return into(world, instance)


@case("PREPARED_INSTANCE_LICENSING")
def an_own_licence_for_windows_on_shared_tenancy(world: World, broken: bool) -> Runbook:
    server = world.server(os="Windows", boot_mode="legacy-bios")
    launch_once(world, server)
    return into(world, prepare(world, platform="windows"), server=server, licensing={"osByol": broken})


@case("PREPARED_INSTANCE_TAKEN")
def an_instance_of_two_servers(world: World, broken: bool) -> Runbook:
    instance = prepare(world)
    if broken:
        world.client("drs").update_launch_configuration(
            sourceServerID=world.server("other"), launchIntoInstanceProperties={"launchIntoEC2InstanceID": instance}
        )
    return into(world, instance)


@case("PREPARED_INSTANCE_NOT_RELEASED")
def an_instance_that_is_the_former_recovery_instance(world: World, broken: bool) -> Runbook:
    server, instance = world.server(), prepare(world)
    drs = world.client("drs")
    drs.update_launch_configuration(
        sourceServerID=server, launchIntoInstanceProperties={"launchIntoEC2InstanceID": instance}
    )
    launch_once(world, server, drill=False)
    world.client("ec2").stop_instances(InstanceIds=[instance])
    if not broken:
        drs.disconnect_recovery_instance(recoveryInstanceID=instance)
        drs.delete_recovery_instance(recoveryInstanceID=instance)
    return into(world, instance, server=server)


@case("DRILL_INTO_PREPARED_INSTANCE")
def a_drill_into_an_instance(world: World, broken: bool) -> Runbook:
    server = world.server()
    entry = {"sourceServerId": server, "launchTemplate": {"launchIntoInstance": {"instanceId": prepare(world)}}}
    group = {"sourceServerIds": [server], "servers": [entry]}
    return world.resolve(group, plan={} if broken else ALLOW_DRILLS)


@case("PREPARED_INSTANCE_REPLACED")
def a_launch_that_replaces_what_is_on_an_instance(world: World, broken: bool) -> Runbook:
    return into(world, prepare(world)) if broken else world.resolve(world.server(), mode="recovery")


def launch_once(world: World, server: str, *, drill: bool = True) -> None:
    world.client("drs").start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=drill)
    world.clock.advance(7200)
