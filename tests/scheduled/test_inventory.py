"""The flow `inventory` on a real Prefect server, and what is read back from it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from prefect_drs.flows import inventory
from prefect_drs.orchestration.scheduled.inventory import InventoryIncompleteError, NoInventoryError, last_inventory
from tests.rig import ACCOUNT, REGION
from tests.scheduled.conftest import artifacts
from tests.tag_sync.conftest import Estate

OTHER = "222222222222"


def test_without_an_inventory_the_error_says_how_to_take_one(prefect_api: None) -> None:
    with pytest.raises(NoInventoryError, match="prefect deployment run inventory/scheduled"):
        last_inventory()


def test_the_last_one_is_read_back_with_its_age_and_there_is_only_one(site: Estate) -> None:
    server = site.pair({"Name": "a"})
    inventory()
    site.server(None)
    taken = inventory()
    last = last_inventory()
    assert last.inventory == taken
    assert server in {one.source_server_id for one in last.inventory.servers}
    assert timedelta(0) <= last.age < timedelta(minutes=5)
    assert len(artifacts("drs-inventory")) == 1


def test_a_partial_one_is_shown_and_does_not_replace_it(site: Estate) -> None:
    site.pair({"Name": "a"})
    inventory(regions=[REGION])
    with pytest.raises(NoInventoryError):
        last_inventory()
    (dashboard,) = artifacts("drs-dashboard")
    assert f"| {ACCOUNT} | {REGION} | 1 of 300 (0.3 %) | 1 of 4000 (0.0 %) | OK |" in dashboard["data"]


def test_an_incomplete_one_ends_failed_and_is_stored(site: Estate) -> None:
    site.pair({"Name": "a"})
    state = inventory(regions=[REGION], accounts=[ACCOUNT, OTHER], return_state=True)
    assert state.is_failed()
    incomplete = state.result(raise_on_failure=False)
    assert isinstance(incomplete, InventoryIncompleteError)
    assert incomplete.inventory.totals.source_servers == 1
    assert f"**{OTHER}/all regions**" in artifacts("drs-dashboard")[0]["data"]
