"""The flow `prefect_drs.flows:tag_sync` as a file, for deployments whose entrypoint is `flows/tag_sync.py:tag_sync`."""

from prefect_drs.flows import tag_sync

__all__ = ["tag_sync"]
