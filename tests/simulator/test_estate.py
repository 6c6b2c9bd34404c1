"""The estate a manifest asks for, and the networks that hold its addresses."""

import itertools
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.plan import check_manifest
from prefect_drs.plan.model import Manifest, ProtectionGroup
from prefect_drs.simulator.estate import account_number, estate_for
from prefect_drs.simulator.estate_model import RegionSpec, SandboxEstate
from prefect_drs.simulator.networks import SubnetNeed, may_hold, place_subnets, plan_networks, tightest

THREE_TIER = Path(__file__).parents[2] / "examples" / "three-tier.json"
REAL = "s-" + "a" * 17


def manifest(*groups: dict[str, Any], **more: Any) -> Manifest:
    named = [{"groupName": f"G{n}", "region": "us-east-1", **one} for n, one in enumerate(groups)]
    return Manifest(
        schema_version="1.1",
        protection_groups=tuple(ProtectionGroup.model_validate(one) for one in named),
        recovery_plans=(),
        **more,
    )


def only_region(estate: SandboxEstate) -> RegionSpec:
    ((region,),) = (account.regions for account in estate.accounts)
    return region


def three_tier() -> SandboxEstate:
    reading = check_manifest(THREE_TIER, rehearsal=True)
    assert reading.manifest is not None
    return estate_for(reading.manifest)


def test_the_samples_addresses_lie_in_disjoint_subnets_of_one_vpc_as_wide_as_can_be() -> None:
    (vpc,) = only_region(three_tier()).vpcs
    cidrs = {subnet.name: subnet.cidr for subnet in vpc.subnets}
    assert cidrs["subnet-db-az1"] == "10.100.56.0/25"
    assert cidrs["subnet-db-az2"] == "10.100.56.128/25"
    blocks = [IPv4Network(cidr) for cidr in cidrs.values()]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(blocks, 2))


def test_what_the_sample_writes_as_a_real_id_keeps_it_and_needs_no_binding() -> None:
    estate = three_tier()
    (vpc,) = only_region(estate).vpcs
    assert "subnet-db123456" in {subnet.subnet_id for subnet in vpc.subnets}
    assert "subnet-db123456" not in estate.bindings.subnets
    assert "subnet-db-az1" in estate.bindings.subnets


def test_zones_follow_the_names() -> None:
    (vpc,) = only_region(three_tier()).vpcs
    zones = {subnet.name: subnet.zone for subnet in vpc.subnets}
    assert (zones["subnet-db-az1"], zones["subnet-db-az2"]) == (0, 1)


def test_the_same_manifest_always_asks_for_the_same_estate() -> None:
    assert three_tier() == three_tier()


def test_an_estate_survives_json() -> None:
    estate = three_tier()
    assert SandboxEstate.model_validate_json(estate.model_dump_json(by_alias=True)) == estate


def test_a_tag_selection_finds_at_least_two_servers_with_all_its_tags() -> None:
    tags = {"Tier": "db", "Env": "prod"}
    servers = only_region(estate_for(manifest({"serverSelectionTags": tags}))).source_servers
    assert len(servers) == 2
    assert all(tags.items() <= server.tags.items() for server in servers)


def test_servers_that_a_tag_selection_names_count_and_carry_its_tags() -> None:
    group = {"serverSelectionTags": {"Tier": "db"}, "servers": [{"name": "db-a"}, {"name": "db-b"}, {"name": "db-c"}]}
    servers = only_region(estate_for(manifest(group))).source_servers
    assert [server.tags["Name"] for server in servers] == ["db-a", "db-b", "db-c"]
    assert all(server.tags["Tier"] == "db" for server in servers)


def test_a_real_server_id_is_kept() -> None:
    estate = estate_for(manifest({"sourceServerIds": [REAL, "p-db1"]}))
    assert only_region(estate).source_servers[0].source_server_id == REAL
    assert set(estate.bindings.source_servers) == {"p-db1"}


def test_an_entry_by_name_in_an_explicit_group_is_one_of_its_servers() -> None:
    group = {"sourceServerIds": ["s-db001", "s-web001"], "servers": [{"name": "web001"}]}
    servers = only_region(estate_for(manifest(group))).source_servers
    assert [(server.reference, server.tags["Name"]) for server in servers] == [
        ("s-db001", "db001"),
        ("s-web001", "web001"),
    ]


def test_a_server_by_instance_id_has_its_instance_where_the_manifest_comes_from() -> None:
    group = {"servers": [{"instanceId": "i-0123456789abcdef0"}]}
    (server,) = only_region(estate_for(manifest(group, source_region="eu-west-1"))).source_servers
    assert (server.instance_id, server.source_region) == ("i-0123456789abcdef0", "eu-west-1")


def test_an_instance_id_that_is_none_is_bound_to_its_source_server() -> None:
    estate = estate_for(manifest({"servers": [{"instanceId": "my-instance"}]}))
    (server,) = only_region(estate).source_servers
    assert estate.bindings.source_servers == {"my-instance": server.source_server_id}
    assert server.instance_id is not None
    assert server.instance_id.startswith("i-")


def test_other_accounts_get_the_role_and_the_callers_does_not() -> None:
    estate = estate_for(
        manifest({"sourceServerIds": ["a"]}, {"accountId": "222222222222", "sourceServerIds": ["b"]}), external_id="x-1"
    )
    roles = {account.account_id: account.role for account in estate.accounts}
    assert roles["123456789012"] is None
    other = roles["222222222222"]
    assert other is not None
    assert (other.name, other.external_id) == ("DRSOrchestrationRole", "x-1")


def test_an_account_by_name_gets_twelve_digits_and_a_binding() -> None:
    estate = estate_for(manifest({"accountId": "production", "sourceServerIds": ["a"]}))
    number = account_number("production")
    assert len(number) == 12
    assert number.isdigit()
    assert estate.bindings.accounts == {"production": number}
    assert [account.account_id for account in estate.accounts] == [number]


def test_a_name_in_two_regions_is_bound_for_each() -> None:
    estate = estate_for(
        manifest({"sourceServerIds": ["db"]}, {"groupName": "B", "region": "eu-west-1", "sourceServerIds": ["db"]})
    )
    assert set(estate.bindings.source_servers) == {"us-east-1/db", "eu-west-1/db"}
    assert len(set(estate.bindings.source_servers.values())) == 2


def test_a_name_in_two_accounts_of_one_region_is_bound_for_each() -> None:
    estate = estate_for(manifest({"sourceServerIds": ["db"]}, {"accountId": "222222222222", "sourceServerIds": ["db"]}))
    assert set(estate.bindings.source_servers) == {"123456789012/us-east-1/db", "222222222222/us-east-1/db"}


def test_an_instance_type_that_is_none_is_bound_to_one() -> None:
    estate = estate_for(manifest({"sourceServerIds": ["a"], "launchConfig": {"instanceType": "big-db"}}))
    assert estate.bindings.instance_types == {"big-db": "m5.large"}


def test_a_security_group_without_a_subnet_lies_in_the_default_vpc() -> None:
    region = only_region(estate_for(manifest({"sourceServerIds": ["a"], "launchConfig": {"securityGroupIds": ["sg"]}})))
    assert [group.name for group in region.default_security_groups] == ["sg"]
    assert region.vpcs == ()


def test_a_source_address_can_be_copied_into_the_subnet_it_lands_in() -> None:
    group = {
        "sourceServerIds": ["a", "b"],
        "launchConfig": {"subnetId": "net", "copyPrivateIp": True},
        "servers": [{"sourceServerId": "a", "launchTemplate": {"staticPrivateIp": "10.1.2.6"}}],
    }
    region = only_region(estate_for(manifest(group)))
    block = IPv4Network(region.vpcs[0].subnets[0].cidr)
    addresses = [IPv4Address(server.private_ip) for server in region.source_servers]
    assert addresses[0] == IPv4Address("10.1.2.6")
    assert all(may_hold(block, address) for address in addresses)
    assert len(set(addresses)) == 2


def test_the_same_address_twice_needs_two_vpcs() -> None:
    same = frozenset({IPv4Address("10.0.0.10")})
    plan = plan_networks([SubnetNeed("a", same), SubnetNeed("b", same)], [], [])
    assert len(plan.vpcs) == 2
    assert plan.remarks == ()


def test_subnets_that_share_a_security_group_share_a_vpc() -> None:
    needs = [
        SubnetNeed("a", frozenset({IPv4Address("10.0.0.10")})),
        SubnetNeed("b", frozenset({IPv4Address("192.168.1.10")})),
    ]
    (vpc,) = plan_networks(needs, [("a", "sg"), ("b", "sg")], ["sg"]).vpcs
    assert vpc.security_groups == ("sg",)
    assert {str(block) for block in vpc.blocks} == {"10.0.0.0/16", "192.168.0.0/16"}


def test_addresses_among_each_other_in_one_vpc_are_told_as_impossible() -> None:
    needs = [
        SubnetNeed("a", frozenset({IPv4Address("10.0.0.10"), IPv4Address("10.0.0.200")})),
        SubnetNeed("b", frozenset({IPv4Address("10.0.0.100")})),
    ]
    plan = plan_networks(needs, [("a", "sg"), ("b", "sg")], ["sg"])
    (remark,) = plan.remarks
    assert "10.0.0.100" in remark
    assert "a" in remark


def test_a_subnet_for_many_servers_is_wider_than_a_24() -> None:
    blocks, remarks = place_subnets([SubnetNeed("a", servers=1_000)])
    assert blocks["a"].num_addresses - 5 >= 2_000
    assert remarks == []


def test_the_last_address_of_a_narrow_block_asks_for_a_wider_one() -> None:
    block = tightest({IPv4Address("10.0.0.15")})
    assert block is not None
    assert may_hold(block, IPv4Address("10.0.0.15"))


addresses = st.integers(min_value=int(IPv4Address("10.0.0.0")), max_value=int(IPv4Address("10.3.255.255"))).map(
    IPv4Address
)


@given(st.lists(st.frozensets(addresses, max_size=3), min_size=1, max_size=6))
def test_subnets_are_always_disjoint_and_hold_their_addresses_unless_told_otherwise(
    wanted: list[frozenset[IPv4Address]],
) -> None:
    needs = [SubnetNeed(f"n{i}", held, 3) for i, held in enumerate(wanted)]
    plan = plan_networks(needs, [], [])
    blocks = {name: block for vpc in plan.vpcs for name, block in vpc.subnets.items()}
    assert set(blocks) == {need.name for need in needs}
    for vpc in plan.vpcs:
        assert not any(a.overlaps(b) for a, b in itertools.combinations(vpc.subnets.values(), 2))
        assert all(any(block.subnet_of(own) for own in vpc.blocks) for block in vpc.subnets.values())
    told = " ".join(plan.remarks)
    for need in needs:
        if f"{need.name}:" not in told:
            assert all(may_hold(blocks[need.name], address) for address in need.addresses)
