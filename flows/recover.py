"""Entrypoint of the `recover` deployments (see prefect.yaml)."""

from prefect_drs.flows import recover

__all__ = ["recover"]
