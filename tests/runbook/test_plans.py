"""Plan files that passed the preflight and failed in the drill: each is refused before anything is launched."""

from __future__ import annotations

from pathlib import Path

from prefect_drs.plan import Bindings, load_manifest
from prefect_drs.runbook import Runbook, resolve
from tests.runbook.world import World, codes

PLANS = Path(__file__).with_name("plans")
IRELAND = "eu-west-1"


def resolved(world: World, plan: str, bindings: Bindings) -> Runbook:
    manifest = load_manifest(PLANS / f"{plan}.yaml", bindings=bindings)
    return resolve(manifest, manifest.plan(), mode="drill", sessions=world.sessions, clock=world.clock)


def test_twelve_servers_in_a_subnet_with_eleven_free_addresses(world: World) -> None:
    ec2 = world.client("ec2", IRELAND)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    servers = {f"w{number:02d}": world.server(f"w{number:02d}", region=IRELAND) for number in range(1, 13)}
    for block, found in (("10.9.1.0/28", ["SUBNET_FREE_ADDRESSES"]), ("10.9.2.0/27", [])):
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=block)["Subnet"]["SubnetId"]
        bindings = Bindings(source_servers=servers, subnets={"net-small": subnet})
        assert codes(resolved(world, "subnet-too-small", bindings)) == found


def test_graviton_types_for_an_x86_server(world: World) -> None:
    bindings = Bindings(source_servers={"api1": world.server("api1", region=IRELAND)})
    assert codes(resolved(world, "arm64-type", bindings)) == ["INSTANCE_TYPE_INCOMPATIBLE", "RETRY_TYPE_INCOMPATIBLE"]
