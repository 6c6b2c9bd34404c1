"""The flow `prefect_drs.flows:failback` as a file, for deployments that name `flows/failback.py:failback`."""

from prefect_drs.flows import failback

__all__ = ["failback"]
