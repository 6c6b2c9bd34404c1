"""An inventory of the simulator's accounts, read back by plain boto3 where it matters."""

from __future__ import annotations

import pytest

from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.inventory import Inventory, take_inventory
from tests.rig import ACCOUNT, REGION
from tests.tag_sync.conftest import Estate, estate

__all__ = ["estate"]

OTHER = "222222222222"
FAR = "eu-west-1"


def taken(estate: Estate, *regions: str, accounts: tuple[str, ...] = (ACCOUNT,)) -> Inventory:
    return take_inventory(
        Sessions(attempts=1),
        clock=estate.sandbox.clock,
        accounts=[AccountAccess(account) for account in accounts],
        regions=regions or (REGION, FAR),
    )


def test_it_holds_every_source_server_with_state_lag_and_tags(estate: Estate) -> None:
    server = estate.pair({"Name": "a"}, {"Owner": "ada"})
    elsewhere = estate.server(None, region=FAR)
    estate.sandbox.backend(ACCOUNT, FAR).stall_replication(estate.sandbox.backend(ACCOUNT, FAR).servers[elsewhere])
    inventory = taken(estate)
    found = {one.source_server_id: one for one in inventory.servers}
    assert set(found) == {server, elsewhere}
    assert (found[server].tags, found[server].replication_state) == ({"Owner": "ada"}, "CONTINUOUS")
    assert (found[elsewhere].region, found[elsewhere].replication_state) == (FAR, "STALLED")
    assert inventory.totals.states == {"CONTINUOUS": 1, "STALLED": 1}
    assert inventory.taken_at == estate.sandbox.clock.now()


def test_it_holds_recovery_instances_and_says_which_are_of_drills(estate: Estate) -> None:
    server = estate.pair({"Name": "a"})
    estate.client("drs", REGION).start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)
    estate.sandbox.clock.advance(3 * 3600)
    (instance,) = taken(estate, REGION).recovery_instances
    (described,) = estate.client("drs", REGION).describe_recovery_instances()["items"]
    assert instance.recovery_instance_id == described["recoveryInstanceID"]
    assert (instance.source_server_id, instance.is_drill) == (server, True)


def test_capacity_is_reported_by_account_and_region_and_in_total(estate: Estate) -> None:
    for number in range(3):
        estate.server(None, region=(REGION, REGION, FAR)[number])
    inventory = taken(estate)
    used = {(place.region, quota.name): quota.used for place in inventory.capacity for quota in place.quotas}
    assert used == {
        (FAR, "replicating servers"): 1,
        (FAR, "source servers"): 1,
        (REGION, "replicating servers"): 2,
        (REGION, "source servers"): 2,
    }
    totals = inventory.totals
    assert (totals.source_servers, totals.source_limit, totals.replicating_limit) == (3, 8000, 600)
    assert totals.worst_level == "OK"


@pytest.mark.parametrize(("servers", "level"), [(239, "OK"), (240, "INFO"), (250, "WARNING"), (280, "CRITICAL")])
def test_the_level_is_that_of_the_fullest_quota(estate: Estate, servers: int, level: str) -> None:
    for _ in range(servers):
        estate.server(None)
    assert taken(estate, REGION).totals.worst_level == level


def test_an_account_region_that_does_not_answer_is_reported_and_never_counts_as_empty(estate: Estate) -> None:
    estate.server(None)
    estate.server(None, region=FAR)
    estate.sandbox.faults.add({"kind": "region", "region": FAR})
    inventory = taken(estate, accounts=(ACCOUNT, OTHER))
    assert [failure.place for failure in inventory.failures] == [f"{ACCOUNT}/{FAR}", f"{OTHER}/all regions"]
    assert [(place.account_id, place.region) for place in inventory.capacity] == [(ACCOUNT, REGION)]
    assert inventory.totals.accounts == 1


def test_recovery_instances_that_cannot_be_read_are_a_failure_and_the_servers_stay(estate: Estate) -> None:
    estate.server(None)
    estate.sandbox.faults.add(
        {
            "kind": "operation",
            "operation": "DescribeRecoveryInstances",
            "effect": "error",
            "code": "InternalServerError",
        }
    )
    inventory = taken(estate, REGION)
    assert [failure.operation for failure in inventory.failures] == ["DescribeRecoveryInstances"]
    assert len(inventory.servers) == 1


def test_it_is_restored_from_json(estate: Estate) -> None:
    estate.pair({"Name": "a"})
    inventory = taken(estate, REGION)
    data = inventory.model_dump(mode="json", by_alias=True)
    assert {"takenAt", "servers", "recoveryInstances", "capacity", "totals", "failures"} <= data.keys()
    assert Inventory.model_validate(data) == inventory
