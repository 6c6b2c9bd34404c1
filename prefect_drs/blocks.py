"""The stable import path of the blocks: `from prefect_drs.blocks import TargetAccount`, `prefect block register -m`."""

from prefect_drs.orchestration.blocks import StagingAccount, TargetAccount

__all__ = ["StagingAccount", "TargetAccount"]
