"""Takes an inventory in a flow run, and stores it for everyone who uses the same Prefect API.

In: accounts and regions. Out: an `Inventory` and a dashboard artifact; the latest complete inventory with its age. An
inventory of selected accounts or regions is shown on the dashboard and does not replace the latest complete one.
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
from prefect_drs.orchestration.accounts import load_target_accounts, open_sessions
from prefect_drs.orchestration.scheduled.latest_artifact import read_latest, save_latest
from prefect_drs.orchestration.scheduled.pages import inventory_page
from prefect_drs.orchestration.settings import PrefectDrsSettings

INVENTORY_KEY = "drs-inventory"
DASHBOARD_KEY = "drs-dashboard"


class InventoryIncompleteError(PrefectDrsError):
    """Some account-regions did not answer; `inventory` has the others, and is stored nevertheless."""

    code = "INVENTORY_INCOMPLETE"

    def __init__(self, message: str, *, inventory: Inventory) -> None:
        super().__init__(message)
        self.inventory = inventory


class NoInventoryError(PrefectDrsError):
    """No inventory was taken yet."""

    code = "NOT_FOUND"
    exit_code = 2


@dataclass(frozen=True, slots=True)
class LastInventory:
    """The latest inventory of all accounts and regions, and its age."""

    inventory: Inventory
    age: timedelta


def run_inventory(*, accounts: Sequence[str] = (), regions: Sequence[str] = ()) -> Inventory:
    """Take an inventory now, within the running flow run.

    Args:
        accounts: only these accounts; by default those of all TargetAccount blocks, else the caller's own.
        regions: only these regions.

    Raises:
        InventoryIncompleteError: account-regions did not answer; has the inventory.
        UsageError: an account or region is invalid.
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
            description="The latest inventory of all accounts and regions",
        )
    for failure in inventory.failures:
        get_run_logger().error("%s: %s", failure.code, failure.message)
    if inventory.failures:
        failed = ", ".join(failure.place for failure in inventory.failures)
        raise InventoryIncompleteError(
            f"the inventory is not complete, these did not answer: {failed}; the artifact {DASHBOARD_KEY} says why",
            inventory=inventory,
        )
    return inventory


def last_inventory() -> LastInventory:
    """The latest inventory of all accounts and regions.

    Raises:
        NoInventoryError: this Prefect API has none.
    """
    stored = read_latest(INVENTORY_KEY)
    if stored is None:
        raise NoInventoryError(
            "this Prefect API has no inventory yet: `prefect deployment run inventory/scheduled` takes one"
        )
    inventory = Inventory.model_validate(stored.data)
    return LastInventory(inventory, configured_clock().now() - inventory.taken_at)
