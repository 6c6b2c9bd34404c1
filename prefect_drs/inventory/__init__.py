"""Inventory: what all accounts hold in DRS, in all regions where it is set up.

In: accounts, a clock. Out: an `Inventory`: source servers, recovery instances, and how full DRS is. Reads only; never
imports Prefect.
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
