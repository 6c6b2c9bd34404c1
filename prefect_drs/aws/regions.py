"""Which regions DRS has, and which partition a region is in: botocore's answer, never a list of ours."""

from __future__ import annotations

from functools import cache

import botocore.session
from botocore.exceptions import UnknownRegionError

from prefect_drs.core.errors import UsageError


@cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


@cache
def partition_of(region: str) -> str:
    """The partition of a region: `aws`, `aws-us-gov`, `aws-cn` …

    Raises:
        UsageError: botocore knows no such region.
    """
    try:
        return str(_session().get_partition_for_region(region))
    except UnknownRegionError:
        raise UsageError(
            f"botocore knows no region {region}; check its spelling (such as eu-west-1) or update botocore",
            region=region,
        ) from None


@cache
def drs_regions(partition: str = "aws") -> tuple[str, ...]:
    """The regions of a partition in which DRS exists, sorted; empty where the partition has no DRS."""
    return tuple(sorted(_session().get_available_regions("drs", partition_name=partition)))
