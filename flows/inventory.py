"""Entrypoint of the `inventory` deployment (see prefect.yaml)."""

from prefect_drs.flows import inventory

__all__ = ["inventory"]
