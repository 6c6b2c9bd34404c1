"""One inventory within a flow run, kept so that whoever reaches the same Prefect API reads the last one.

In: accounts and regions to keep to. Out: an `Inventory` and a dashboard artifact; of the last one, its age too. One of
only some accounts or regions is shown, and does not take the place of the last one of everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL

from prefect_drs.aws.locations import accounts_to_read
from prefect_drs.core.clock import configured_clock
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.inventory import Inventory, take_inventory
from prefect_drs.orchestration.blocks import load_target_accounts, open_sessions
from prefect_drs.orchestration.scheduled.latest_artifact import read_latest, save_latest
from prefect_drs.orchestration.scheduled.pages import inventory_page
from prefect_drs.orchestration.settings import PrefectDrsSettings

INVENTORY_KEY = "drs-inventory"
DASHBOARD_KEY = "drs-dashboard"


class InventoryIncompleteError(PrefectDrsError):
    """Some account-regions did not answer; what the others hold is in `inventory`, which is kept all the same."""

    code = "INVENTORY_INCOMPLETE"

    def __init__(self, message: str, *, inventory: Inventory) -> None:
        super().__init__(message)
        self.inventory = inventory


class NoInventoryError(PrefectDrsError):
    """None was taken yet."""

    code = "NOT_FOUND"
    exit_code = 2


@dataclass(frozen=True, slots=True)
class LastInventory:
    """The last inventory of everything, and how long ago it was taken."""

    inventory: Inventory
    age: timedelta


def run_inventory(*, accounts: Sequence[str] = (), regions: Sequence[str] = ()) -> Inventory:
    """Take an inventory now, within the running flow run.

    Args:
        accounts: keep to these accounts; none is all TargetAccount blocks, or the caller's own.
        regions: keep to these regions.

    Raises:
        InventoryIncompleteError: account-regions did not answer; carries the inventory.
        UsageError: accounts or regions that cannot be.
        AwsError: the caller's own account could not be read.
    """
    known = load_target_accounts() if PREFECT_API_URL.value() else ()
    sessions = open_sessions(known, session_name="prefect-drs-inventory")
    inventory = take_inventory(
        sessions,
        clock=configured_clock(),
        accounts=accounts_to_read(sessions, known, accounts),
        regions=regions,
        workers=PrefectDrsSettings().workers,
    )
    create_markdown_artifact(
        markdown=inventory_page(inventory), key=DASHBOARD_KEY, description="DRS: servers, instances, capacity"
    )
    if not (accounts or regions):
        save_latest(
            INVENTORY_KEY,
            inventory.model_dump(mode="json", by_alias=True),
            description="The last inventory of all accounts and regions",
        )
    for failure in inventory.failures:
        get_run_logger().error("%s: %s", failure.code, failure.message)
    if inventory.failures:
        places = ", ".join(failure.place for failure in inventory.failures)
        raise InventoryIncompleteError(
            f"the inventory is not complete, these did not answer: {places}; the artifact {DASHBOARD_KEY} says why",
            inventory=inventory,
        )
    return inventory


def last_inventory() -> LastInventory:
    """The last inventory of everything.

    Raises:
        NoInventoryError: none was taken on this Prefect API.
    """
    kept = read_latest(INVENTORY_KEY)
    if kept is None:
        raise NoInventoryError(
            "no inventory was taken on this Prefect API yet: `prefect deployment run inventory/scheduled` takes one"
        )
    inventory = Inventory.model_validate(kept.data)
    return LastInventory(inventory, configured_clock().now() - inventory.taken_at)
