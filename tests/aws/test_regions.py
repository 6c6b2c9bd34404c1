"""Regions and partitions, as botocore has them."""

from __future__ import annotations

import boto3
import pytest

from prefect_drs.aws.regions import drs_regions, partition_of
from prefect_drs.core.errors import UsageError


def test_the_regions_of_drs_are_botocore_s_own() -> None:
    assert set(drs_regions()) == set(boto3.Session().get_available_regions("drs"))
    assert set(drs_regions("aws-us-gov")) == {"us-gov-east-1", "us-gov-west-1"}
    assert drs_regions("aws-cn") == ()


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn"), ("eusc-de-east-1", "aws-eusc")],
)
def test_a_region_knows_its_partition(region: str, partition: str) -> None:
    assert partition_of(region) == partition


def test_a_region_of_tomorrow_that_fits_the_pattern_has_a_partition_too() -> None:
    assert partition_of("eu-north-9") == "aws"


def test_an_unknown_region_is_told() -> None:
    with pytest.raises(UsageError, match="no region mars-north-1"):
        partition_of("mars-north-1")
