"""Make prefect-drs's block types known to a Prefect server; on the sandbox, save a sample account too.

Run `python blocks/register.py` with `PREFECT_API_URL` set. Where tag sync is deployed, it gets the schedule that its
settings say: `prefect deploy` takes it away. Running it again changes nothing. The sample document
`sandbox` is written only where `AWS_ENDPOINT_URL` leads to a simulated AWS (`eval "$(prefect-drs sandbox env)"`), and
only what differs from it; no other document is touched.
"""

from __future__ import annotations

import os
import sys

from prefect_drs.blocks import TargetAccount
from prefect_drs.estate.blocks import EstateState, StoredProtectionGroup, StoredRecoveryPlan
from prefect_drs.scheduled.deployments import DEPLOYMENT, apply_schedule
from prefect_drs.scheduled.settings import TagSyncSettings, load_settings

BLOCK_TYPES = (TargetAccount, StoredProtectionGroup, StoredRecoveryPlan, EstateState, TagSyncSettings)
SANDBOX_BLOCK = "sandbox"
SANDBOX_ACCOUNT = "123456789012"  # whose account the sandbox takes any credentials for


def register(endpoint_url: str | None) -> list[str]:
    """Register the block types, and the sample document where there is an endpoint.

    Args:
        endpoint_url: the address of the simulated AWS.

    Returns:
        One line for each thing that was looked after.
    """
    for kind in BLOCK_TYPES:
        kind.register_type_and_schema()
    slug = TargetAccount.get_block_type_slug()
    done = [f"block type {kind.get_block_type_slug()} is registered" for kind in BLOCK_TYPES]
    if apply_schedule(load_settings()):
        done.append(f"deployment {DEPLOYMENT} has the schedule of its settings")
    if endpoint_url is None:
        return [*done, "no sample was written: AWS_ENDPOINT_URL is not set, so this is not the sandbox"]
    sample = TargetAccount(account_id=SANDBOX_ACCOUNT, account_name="The sandbox", endpoint_url=endpoint_url)
    try:
        there = TargetAccount.load(SANDBOX_BLOCK)
    except ValueError:  # Prefect's word for a document that does not exist
        sample.save(SANDBOX_BLOCK)
        return [*done, f"block {slug}/{SANDBOX_BLOCK} was created"]
    if there.access() == sample.access():
        return [*done, f"block {slug}/{SANDBOX_BLOCK} is as it should be"]
    sample.save(SANDBOX_BLOCK, overwrite=True)
    return [*done, f"block {slug}/{SANDBOX_BLOCK} was updated"]


if __name__ == "__main__":
    print("\n".join(register(os.environ.get("AWS_ENDPOINT_URL"))))
    sys.exit(0)
