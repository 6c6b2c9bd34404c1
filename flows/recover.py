"""The flow `prefect_drs.flows:recover` as a file, for deployments whose entrypoint is `flows/recover.py:recover`."""

from prefect_drs.flows import recover

__all__ = ["recover"]
