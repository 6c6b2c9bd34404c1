"""Address and overlap rules on random estates, beside what EC2's documentation says of them in other words."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.aws.location import Location
from prefect_drs.aws.networks import AccountFacts, Holder, Subnet
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.runbook.launch_settings import problems, wanted_by
from prefect_drs.runbook.model import RunbookServer, RunbookWave
from prefect_drs.runbook.preflight_input import LaunchPreview, PreflightInput
from prefect_drs.runbook.rules import RULES

HERE = Location("123456789012", "us-west-2")
DUPLICATE = next(rule for rule in RULES if rule.code == "DUPLICATE_ADDRESS")
IN_USE = next(rule for rule in RULES if rule.code == "ADDRESS_IN_USE")

prefixes = st.integers(16, 28)
blocks = st.builds(
    lambda number, prefix: IPv4Network((0x0A000000 + (number << (32 - prefix)) % 0x1000000, prefix)),
    st.integers(0, 4095),
    prefixes,
)


@st.composite
def an_address_near_a_subnet(draw: st.DrawFn) -> tuple[IPv4Network, IPv4Address]:
    """A subnet and an address in it, at its edges or beside it."""
    block = draw(blocks)
    offset = draw(
        st.integers(-3, 8) | st.integers(block.num_addresses - 4, block.num_addresses + 2) | st.integers(0, 999)
    )
    return block, IPv4Address(max(0, int(block[0]) + offset))


def facts(block: IPv4Network, *, holders: dict[tuple[str, str], Holder] | None = None) -> AccountFacts:
    subnet = Subnet("subnet-1", "vpc-1", block, "us-west-2a")
    return AccountFacts(HERE, subnets={"subnet-1": subnet}, holders=holders or {})


@given(an_address_near_a_subnet())
def test_an_address_may_be_had_where_it_is_none_of_the_five_that_aws_keeps(
    place: tuple[IPv4Network, IPv4Address],
) -> None:
    block, address = place
    kept = {*list(block)[:4], block.broadcast_address}
    settings = LaunchSettings(subnet_id="subnet-1", static_private_ip=str(address))
    found = {problem.code for problem in problems(settings, facts(block))}
    expected = (
        {"ADDRESS_OUTSIDE_SUBNET"} if address not in block else {"ADDRESS_RESERVED"} if address in kept else set()
    )
    assert found == expected


@given(st.sampled_from([None, "i-own", "i-other"]), st.sampled_from([None, "i-own"]), st.booleans())
def test_an_address_is_free_unless_somebody_holds_it_whom_the_launch_does_not_replace(
    holder: str | None, former: str | None, same_vpc: bool
) -> None:
    block = IPv4Network("10.0.0.0/24")
    held = {("vpc-1" if same_vpc else "vpc-2", "10.0.0.10"): Holder("eni-1", holder, "")}
    settings = LaunchSettings(subnet_id="subnet-1", static_private_ip="10.0.0.10")
    found = problems(settings, facts(block, holders=held), replaced_instance_id=former)
    free = not same_vpc or (holder is not None and holder == former)
    assert [problem.code for problem in found] == ([] if free else ["ADDRESS_IN_USE"])


places = st.tuples(
    st.sampled_from(["10.0.0.10", "10.0.0.11", None]),
    st.sampled_from(["subnet-1", "subnet-2", "subnet-3", None]),
    st.sampled_from(["us-west-2", "eu-west-1"]),
    st.integers(1, 3),
)
VPCS = {"subnet-1": "vpc-1", "subnet-2": "vpc-1", "subnet-3": "vpc-2"}


def situation(previews: list[tuple[str | None, str | None, str, int]]) -> PreflightInput:
    """Servers that land as told: address, subnet, region, wave."""
    made: dict[int, list[tuple[RunbookServer, LaunchSettings]]] = {}
    for number, (address, subnet, region, wave) in enumerate(previews):
        settings = LaunchSettings(static_private_ip=address, subnet_id=subnet)
        server = RunbookServer(
            source_server_id=f"s-{number}",
            name=f"server {number}",
            account_id=HERE.account_id,
            region=region,
            group="g",
            replication_state="CONTINUOUS",
            lag=None,
            recovery_instance_id=None,
            settings=settings,
            changes=(),
        )
        made.setdefault(wave, []).append((server, settings))
    waves = {
        number: RunbookWave(
            wave_number=number,
            wave_name=str(number),
            depends_on_waves=(),
            gate=False,
            servers=tuple(server for server, _ in servers),
        )
        for number, servers in made.items()
    }
    there = {name: Subnet(name, vpc, IPv4Network("10.0.0.0/24"), "us-west-2a") for name, vpc in VPCS.items()}
    return PreflightInput(
        mode="drill",
        now=datetime(2026, 1, 1, tzinfo=UTC),
        waves=tuple(waves.values()),
        previews=tuple(
            LaunchPreview(server, waves[number], settings, "lt-1", True)
            for number, servers in made.items()
            for server, settings in servers
        ),
        facts={
            Location(HERE.account_id, region): AccountFacts(Location(HERE.account_id, region), subnets=there)
            for region in ("us-west-2", "eu-west-1")
        },
    )


@given(st.lists(places, max_size=12))
def test_two_servers_on_one_address_of_a_vpc_are_told_across_groups_waves_and_subnets(
    previews: list[tuple[str | None, str | None, str, int]],
) -> None:
    targets = [
        (region, VPCS[subnet], address) for address, subnet, region, _ in previews if address is not None and subnet
    ]
    told = list(DUPLICATE(situation(previews)))
    assert len(told) == len(targets) - len(set(targets))


@given(
    st.lists(
        st.builds(LaunchSettings, subnet_id=st.none() | st.sampled_from(["a", "b"]), instance_type=st.just("m6i.large"))
    )
)
def test_each_thing_that_settings_name_is_asked_for_once(every: list[LaunchSettings]) -> None:
    wanted = wanted_by(every)
    assert wanted.subnet_ids == {settings.subnet_id for settings in every} - {None}
    assert wanted.instance_types == ({"m6i.large"} if every else set())


def test_a_type_that_drs_sizes_itself_is_not_looked_up() -> None:
    sized = LaunchSettings(instance_type="x9.huge", target_instance_type_right_sizing_method="BASIC")
    assert wanted_by([sized]).instance_types == frozenset()
    assert problems(sized, AccountFacts(HERE)) == ()
    assert [problem.code for problem in problems(LaunchSettings(instance_type="x9.huge"), AccountFacts(HERE))] == [
        "INSTANCE_TYPE_NOT_OFFERED"
    ]


def test_what_could_not_be_read_of_iam_is_no_problem_of_the_settings() -> None:
    settings = LaunchSettings(instance_profile_name="web")
    assert problems(settings, AccountFacts(HERE, profiles=None)) == ()
    assert [problem.code for problem in problems(settings, AccountFacts(HERE))] == ["INSTANCE_PROFILE_NOT_FOUND"]
