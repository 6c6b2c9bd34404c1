"""Inventory of DRS in all accounts and in all regions where it is set up.

In: accounts, a clock. Out: an `Inventory`: source servers, recovery instances, and the usage of quotas. Read-only;
never imports Prefect.
"""

from prefect_drs.inventory.model import (
    Inventory,
    InventoryCapacity,
    InventoryRecoveryInstance,
    InventoryServer,
    InventoryTotals,
)
from prefect_drs.inventory.take import take_inventory

__all__ = [
    "Inventory",
    "InventoryCapacity",
    "InventoryRecoveryInstance",
    "InventoryServer",
    "InventoryTotals",
    "take_inventory",
]
