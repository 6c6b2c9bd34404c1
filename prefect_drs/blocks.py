"""The stable import path of the blocks: `from prefect_drs.blocks import TargetAccount`, `prefect block register -m`."""

from prefect_drs.orchestration.blocks import StagingAccount, TargetAccount
from prefect_drs.orchestration.storage.access_policy import AccessPolicy

__all__ = ["AccessPolicy", "StagingAccount", "TargetAccount"]
