"""The flow `prefect_drs.flows:inventory` as a file, for deployments that name `flows/inventory.py:inventory`."""

from prefect_drs.flows import inventory

__all__ = ["inventory"]
