"""Entrypoint of the `tag-sync` deployment (see prefect.yaml)."""

from prefect_drs.flows import tag_sync

__all__ = ["tag_sync"]
