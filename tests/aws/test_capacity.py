"""How full DRS is: counts from the simulated DRS, and the levels that the quotas give them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prefect_drs.aws.capacity import (
    REPLICATING_SERVERS,
    SOURCE_SERVERS,
    CapacityLevel,
    QuotaUsage,
    RegionCapacity,
    capacity_conflicts,
    read_capacity,
    share_level,
)
from prefect_drs.aws.errors import DrsNotInitializedError
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.simulator import Sandbox, mock_drs
from prefect_drs.simulator.drs.replication import ReplicationState

HERE = Location("123456789012", "eu-west-1")
STAGING = "333333333333"
GIB = 2**30


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with mock_drs(default_images=False) as sandbox:
        yield sandbox


def seed(sandbox: Sandbox, account: str, count: int) -> list[str]:
    backend = sandbox.backend(account, HERE.region)
    if not backend.initialized:
        backend.initialize_service()
    return [
        backend.seed_source_server(
            hostname=f"{account}-{index}", ram_bytes=GIB, cpus=1, disks=[{"deviceName": "/dev/sda1", "bytes": GIB}]
        ).server_id
        for index in range(count)
    ]


@pytest.mark.parametrize(
    ("used", "level"), [(0, "OK"), (239, "OK"), (240, "INFO"), (250, "WARNING"), (280, "CRITICAL"), (300, "CRITICAL")]
)
def test_replicating_servers_warn_at_250_and_are_critical_at_280(used: int, level: str) -> None:
    assert REPLICATING_SERVERS.level(used) == level


@pytest.mark.parametrize("used", [0, 3199, 3200, 3600, 4000, 4001])
def test_source_servers_are_levelled_by_their_share(used: int) -> None:
    assert SOURCE_SERVERS.level(used) == share_level(used, 4000)


@pytest.mark.parametrize(
    ("used", "level"),
    [(239, "OK"), (240, "INFO"), (269, "INFO"), (270, "WARNING"), (299, "WARNING"), (300, "CRITICAL")],
)
def test_conflicts_go_by_80_90_and_100_percent(used: int, level: str) -> None:
    assert share_level(used, 300) == level


def test_what_is_over_the_quota_leaves_nothing_and_not_less() -> None:
    usage = QuotaUsage(REPLICATING_SERVERS, 310)
    assert (usage.available, usage.percent, usage.level) == (0, 103.3, CapacityLevel.CRITICAL)


def test_a_server_that_is_stopped_or_disconnected_is_a_source_server_and_does_not_replicate(sandbox: Sandbox) -> None:
    servers = seed(sandbox, HERE.account_id, 4)
    backend = sandbox.backend(*HERE)
    for server, state in zip(servers, (ReplicationState.STOPPED, ReplicationState.DISCONNECTED), strict=False):
        backend.servers[server].replication.move(state, sandbox.clock.now())
    capacity = read_capacity(Sessions(), HERE)
    assert (capacity.source_servers, capacity.replicating) == (4, 2)
    assert capacity.states == {"CONTINUOUS": 2, "DISCONNECTED": 1, "STOPPED": 1}


def test_an_extended_server_counts_against_its_staging_account_s_300_and_the_target_s_4000(sandbox: Sandbox) -> None:
    seed(sandbox, HERE.account_id, 1)
    staging = sandbox.backend(STAGING, HERE.region)
    target = sandbox.backend(*HERE)
    for server in seed(sandbox, STAGING, 3)[:2]:
        target.call("CreateExtendedSourceServer", {"sourceServerArn": staging.servers[server].arn})
    capacity = read_capacity(Sessions(), HERE)
    assert (capacity.source_servers, capacity.replicating, capacity.extended) == (3, 1, {STAGING: 2})
    assert capacity.extended_servers == 2


def test_more_servers_than_a_page_are_all_counted(sandbox: Sandbox) -> None:
    seed(sandbox, HERE.account_id, 230)
    assert read_capacity(Sessions(), HERE).source_servers == 230
    assert [call.operation for call in sandbox.calls].count("DescribeSourceServers") == 2


def test_where_drs_is_not_initialised_the_reader_says_so_and_counts_nothing(sandbox: Sandbox) -> None:
    with pytest.raises(DrsNotInitializedError):
        read_capacity(Sessions(), HERE)


def test_a_conflict_names_the_place_the_counts_and_what_can_be_done() -> None:
    full = RegionCapacity(HERE, source_servers=3700, replicating=300)
    fixed, adjustable = capacity_conflicts([RegionCapacity(HERE, 10, 10), full])
    assert (fixed.level, adjustable.level) == (CapacityLevel.CRITICAL, CapacityLevel.WARNING)
    assert "123456789012/eu-west-1 has 300 of 300 replicating servers (100.0 %)" in fixed.message
    assert "staging account" in fixed.message
    assert "higher quota" in adjustable.message
