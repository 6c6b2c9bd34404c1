"""Free addresses of subnets: who is counted, what comes free, and what an operator is told."""

from __future__ import annotations

import pytest

from prefect_drs.aws.launch_template import addresses_taken
from prefect_drs.aws.location import Location
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.runbook import OtherExecution, PendingLaunch, Runbook
from tests.rig import ACCOUNT, REGION
from tests.runbook.world import World, codes

HERE = Location(ACCOUNT, REGION)
CODE = "SUBNET_FREE_ADDRESSES"
SMALL = "10.9.2.0/28"
FREE = 11  # of a /28: sixteen, less the five that AWS keeps


def found(runbook: Runbook) -> list[str]:
    return [finding.message for finding in runbook.findings if finding.code == CODE]


def launch(world: World, *servers: str, drill: bool) -> None:
    """Let DRS launch these servers and wait for it."""
    asked = [{"sourceServerID": server} for server in servers]
    world.client("drs").start_recovery(sourceServers=asked, isDrill=drill)
    world.clock.advance(6 * 3600)


def in_subnet(world: World, subnet: str, *servers: str) -> None:
    for server in servers:
        world.template(server, InstanceType="m6i.large", NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet}])


def test_servers_of_all_groups_and_waves_count_together(world: World) -> None:
    subnet = world.make_subnet(SMALL)
    first, second = world.servers(6), [world.server(f"other{number}") for number in range(6)]
    groups = [{"sourceServerIds": ids, "launchConfig": {"subnetId": subnet}} for ids in (first, second)]
    (message,) = found(world.resolve(*groups))
    assert f"subnet {subnet} ({SMALL}, {REGION}a) has {FREE} free address(es), but 12 are needed" in message
    assert "12 server(s) of this plan (6 in wave 1, 6 in wave 2)" in message
    assert found(world.resolve(groups[0])) == []


def test_the_subnet_that_a_launch_template_names_counts_like_the_plans(world: World) -> None:
    subnet = world.make_subnet(SMALL)
    servers = world.servers(12)
    in_subnet(world, subnet, *servers)
    assert len(found(world.resolve(servers))) == 1


def test_what_other_executions_have_still_to_launch_counts_and_is_named(world: World) -> None:
    subnet = world.make_subnet(SMALL)
    servers = world.servers(6)
    group = {"sourceServerIds": servers, "launchConfig": {"subnetId": subnet}}
    waiting = tuple(PendingLaunch(f"s-{number:017d}", HERE, subnet) for number in range(6))
    other = OtherExecution("exec-7", "another plan", frozenset(launch.source_server_id for launch in waiting), waiting)
    (message,) = found(world.resolve(group, others=[other]))
    assert "and 6 that other executions have still to launch (6 of execution exec-7)" in message
    elsewhere = OtherExecution("exec-8", "p", frozenset(), (PendingLaunch("s-1", HERE, world.subnet),) * 6)
    assert found(world.resolve(group, others=[elsewhere])) == []


def test_a_server_of_both_executions_is_counted_once(world: World) -> None:
    subnet = world.make_subnet(SMALL)
    servers = world.servers(FREE)
    waiting = tuple(PendingLaunch(server, HERE, subnet) for server in servers)
    other = OtherExecution("exec-7", "another plan", frozenset(servers), waiting)
    group = {"sourceServerIds": servers, "launchConfig": {"subnetId": subnet}}
    assert found(world.resolve(group, others=[other])) == []


@pytest.mark.parametrize(
    ("former", "mode", "refused"), [(False, "recovery", False), (True, "recovery", True), (False, "drill", True)]
)
def test_a_recovery_frees_what_a_former_recovery_launched_and_nothing_else(
    former: bool, mode: str, refused: bool, world: World
) -> None:
    """Eleven servers fill the subnet; they are recovered once more. What a drill left is not replaced."""
    subnet = world.make_subnet(SMALL)
    servers = world.servers(FREE)
    in_subnet(world, subnet, *servers)
    launch(world, *servers, drill=former)
    runbook = world.resolve(servers, mode=mode)  # type: ignore[arg-type]
    assert bool(found(runbook)) is refused


def test_what_comes_free_in_a_later_wave_does_not_help_an_earlier_one(world: World) -> None:
    subnet = world.make_subnet(SMALL)
    old = world.servers(FREE)
    in_subnet(world, subnet, *old)
    launch(world, *old, drill=False)
    new = world.server("new")
    with_new = {"sourceServerIds": [new], "launchConfig": {"subnetId": subnet}}
    moved = {"sourceServerIds": old, "launchConfig": {"subnetId": world.subnet}}
    assert len(found(world.resolve(with_new, moved, mode="recovery"))) == 1
    assert found(world.resolve(moved, with_new, mode="recovery")) == []


def test_servers_without_a_subnet_land_in_the_default_vpc(world: World) -> None:
    ec2 = world.client("ec2")
    defaults = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    assert defaults
    servers = world.servers(2)
    assert found(world.resolve(servers)) == []
    for subnet in defaults:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    (message,) = found(world.resolve(servers))
    assert "there is no default VPC" in message


def test_a_waiver_lets_it_pass_with_its_reason(world: World) -> None:
    subnet = world.make_subnet(SMALL)
    group = {"sourceServerIds": world.servers(12), "launchConfig": {"subnetId": subnet}}
    runbook = world.resolve(group, waivers={CODE: "four drill instances end at three"})
    assert runbook.refusals == ()
    assert codes(runbook) == [CODE]


@pytest.mark.parametrize(
    ("interfaces", "taken"),
    [
        ([], [("subnet-b", 1)]),
        ([{"DeviceIndex": 0, "SubnetId": "subnet-b", "SecondaryPrivateIpAddressCount": 3}], [("subnet-b", 4)]),
        ([{"DeviceIndex": 0, "SubnetId": "subnet-a", "SecondaryPrivateIpAddressCount": 3}], [("subnet-b", 1)]),
        ([{"DeviceIndex": 0, "SubnetId": "subnet-b", "Ipv4PrefixCount": 2}], [("subnet-b", 33)]),
        (
            [{"DeviceIndex": 0, "SubnetId": "subnet-b"}, {"DeviceIndex": 1, "SubnetId": "subnet-c"}],
            [("subnet-b", 1), ("subnet-c", 1)],
        ),
        ([{"DeviceIndex": 0, "NetworkInterfaceId": "eni-1"}], []),
    ],
)
def test_interfaces_secondary_addresses_and_prefixes_take_addresses(
    interfaces: list[dict[str, object]], taken: list[tuple[str, int]]
) -> None:
    settings = LaunchSettings(subnet_id="subnet-b")
    assert list(addresses_taken({"NetworkInterfaces": interfaces}, settings)) == taken
