"""`setup`: prepare a Prefect server for prefect-drs. One line on stdout per block type, schedule and block."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter


def setup(*, sample: Annotated[bool, Parameter(name="--sample", negative="")] = False) -> None:
    """Register the block types and restore the schedules of stored settings. Safe to repeat.

    Parameters
    ----------
    sample
        Save the sandbox's account as the block `sandbox` too; AWS_ENDPOINT_URL is the sandbox's address.
    """
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.operations.setup import set_up

    require_prefect()
    for line in set_up(sample=sample, endpoint_url=os.environ.get("AWS_ENDPOINT_URL")):
        print(line)
