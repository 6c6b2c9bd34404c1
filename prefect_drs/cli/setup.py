"""`setup`: make a Prefect server ready for prefect-drs. One line on stdout for each thing that was looked after."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter


def setup(*, sample: Annotated[bool, Parameter(name="--sample", negative="")] = False) -> None:
    """Register the block types and restore the schedules of stored settings; again and again, if you like.

    Parameters
    ----------
    sample
        Save the sandbox's account as the block `sandbox` too; AWS_ENDPOINT_URL says where the sandbox is.
    """
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.operations.setup import set_up

    require_prefect()
    for line in set_up(sample=sample, endpoint_url=os.environ.get("AWS_ENDPOINT_URL")):
        print(line)
