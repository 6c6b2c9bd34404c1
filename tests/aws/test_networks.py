"""What the network of an account and region has of what was asked for, in few calls."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from prefect_drs.aws.location import Location
from prefect_drs.aws.networks import AccountFacts, Wanted, read_facts
from prefect_drs.aws.sessions import Sessions
from prefect_drs.simulator import Sandbox, mock_drs
from tests.rig import ACCOUNT, REGION

HERE = Location(ACCOUNT, REGION)


@pytest.fixture(autouse=True)
def sandbox() -> Iterator[Sandbox]:
    with mock_drs(default_images=False) as sandbox:
        yield sandbox


def subnet(cidr: str = "10.9.1.0/24") -> tuple[str, str]:
    ec2 = boto3.client("ec2", region_name=REGION)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    return vpc, ec2.create_subnet(VpcId=vpc, CidrBlock=cidr)["Subnet"]["SubnetId"]


def test_nothing_is_asked_where_nothing_is_wanted() -> None:
    sessions = Sessions()
    assert read_facts(sessions, HERE, Wanted()) == AccountFacts(HERE)
    assert sessions.calls.snapshot().total() == 0


def test_what_is_not_there_is_simply_not_in_the_answer() -> None:
    _, there = subnet()
    facts = read_facts(
        Sessions(), HERE, Wanted(frozenset({there, "subnet-" + "0" * 17}), frozenset({"sg-" + "0" * 17}))
    )
    assert set(facts.subnets) == {there}
    assert facts.security_groups == {}
    assert facts.failures == ()


@pytest.mark.parametrize("more", [0, 1000])
def test_holders_are_found_by_address_or_by_subnet(more: int) -> None:
    vpc, there = subnet()
    ec2 = boto3.client("ec2", region_name=REGION)
    made = ec2.create_network_interface(SubnetId=there, PrivateIpAddress="10.9.1.20", Description="a load balancer")
    others = {f"10.10.{number // 250}.{number % 250}" for number in range(more)}
    sessions = Sessions()
    facts = read_facts(sessions, HERE, Wanted(frozenset({there}), addresses=frozenset({"10.9.1.20", *others})))
    ((key, holder),) = facts.holders.items()
    assert key == (vpc, "10.9.1.20")
    assert holder.interface_id == made["NetworkInterface"]["NetworkInterfaceId"]
    assert "a load balancer" in str(holder)
    assert sessions.calls.snapshot()["ec2:DescribeNetworkInterfaces"] == 1


def test_ids_are_asked_for_in_batches_of_200() -> None:
    sessions = Sessions()
    ids = frozenset(f"subnet-{number:017x}" for number in range(401))
    read_facts(sessions, HERE, Wanted(subnet_ids=ids))
    assert sessions.calls.snapshot() == {"ec2:DescribeSubnets": 3}


def test_zones_that_offer_a_type_are_told() -> None:
    offered = read_facts(Sessions(), HERE, Wanted(instance_types=frozenset({"m6i.large", "x9.huge"}))).offered
    assert (f"{REGION}a", "m6i.large") in offered
    assert {instance_type for _, instance_type in offered} == {"m6i.large"}


def test_what_may_not_be_read_is_in_the_answer(sandbox: Sandbox) -> None:
    fault = {"kind": "operation", "service": "ec2", "operation": "DescribeSubnets", "effect": "error"}
    sandbox.faults.add({**fault, "code": "UnauthorizedOperation", "message": "no"})
    (failure,) = read_facts(Sessions(), HERE, Wanted(subnet_ids=frozenset({"subnet-" + "0" * 17}))).failures
    assert f"DescribeSubnets failed in {HERE}" in failure.message


def test_iam_that_does_not_answer_hides_nothing_of_ec2(sandbox: Sandbox) -> None:
    _, there = subnet()
    fault = {"kind": "operation", "service": "iam", "operation": "GetInstanceProfile", "effect": "error"}
    sandbox.faults.add({**fault, "code": "AccessDenied", "message": "no"})
    facts = read_facts(Sessions(), HERE, Wanted(frozenset({there}), profiles=frozenset({"web"})))
    assert set(facts.subnets) == {there}
    assert facts.profiles is None
    assert facts.iam_failure is not None
