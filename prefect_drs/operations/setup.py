"""Prepare a Prefect server for prefect-drs: block types, schedules, and a sample account.

In: whether to save the sample, and the address of the simulated AWS for it. Out: one line per block type, schedule and
block. Running it again changes nothing. It works from the wheel alone; `prefect-drs setup` and `blocks/register.py`
call it.

Must never: change a document other than the sample; write a sample that leads to AWS itself.
"""

from __future__ import annotations

from typing import cast

from prefect_drs.core.errors import UsageError
from prefect_drs.estate.blocks import EstateState, StoredProtectionGroup, StoredRecoveryPlan
from prefect_drs.orchestration.blocks import TargetAccount
from prefect_drs.orchestration.scheduled.deployments import DEPLOYMENT, apply_schedule
from prefect_drs.orchestration.scheduled.settings import TagSyncSettings, load_settings
from prefect_drs.orchestration.storage.access_policy import AccessPolicy

BLOCK_TYPES = (TargetAccount, StoredProtectionGroup, StoredRecoveryPlan, EstateState, TagSyncSettings, AccessPolicy)
SANDBOX_BLOCK = "sandbox"
SANDBOX_ACCOUNT = "123456789012"  # whose account the sandbox takes any credentials for


def set_up(*, sample: bool = False, endpoint_url: str | None = None) -> tuple[str, ...]:
    """Register the block types, restore the schedule of the stored settings, and save the sample if requested.

    `prefect deploy` removes a schedule that is not in the deployment's file; tag sync's schedule is in a block.

    Args:
        sample: save the sandbox's account as the TargetAccount block `sandbox`.
        endpoint_url: the address of the simulated AWS, for the sample.

    Returns:
        One line per block type, schedule and block.

    Raises:
        UsageError: a sample without the address of a simulated AWS; nothing was done then. Or the stored settings of
            tag sync are no longer valid; the block types are registered then.
    """
    if sample and not endpoint_url:
        raise UsageError(
            "the sample is an account of the sandbox, and AWS_ENDPOINT_URL does not lead to one; "
            'start it and run eval "$(prefect-drs sandbox env)", or leave --sample out'
        )
    for kind in BLOCK_TYPES:
        kind.register_type_and_schema()
    done = [f"block type {kind.get_block_type_slug()} is registered" for kind in BLOCK_TYPES]
    if apply_schedule(load_settings()):
        done.append(f"deployment {DEPLOYMENT} has the schedule of its settings")
    if sample and endpoint_url:
        done.append(_save_sample(endpoint_url))
    return tuple(done)


def _save_sample(endpoint_url: str) -> str:
    block = f"block {TargetAccount.get_block_type_slug()}/{SANDBOX_BLOCK}"
    sample = TargetAccount(account_id=SANDBOX_ACCOUNT, account_name="The sandbox", endpoint_url=endpoint_url)
    try:
        there = cast("TargetAccount", TargetAccount.load(SANDBOX_BLOCK))
    except ValueError:  # what Prefect raises for a document that does not exist
        sample.save(SANDBOX_BLOCK)
        return f"{block} was created"
    if there.access() == sample.access():
        return f"{block} is up to date"
    sample.save(SANDBOX_BLOCK, overwrite=True)
    return f"{block} was updated"
