"""Where an S3 bucket is.

In: a client of S3, whose credentials are those of the bucket's block. Out: a region, or an `AwsError`.
"""

from __future__ import annotations

from typing import Any

import boto3

from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.sessions import Sessions

DEFAULT_REGION = "us-east-1"  # where boto3 has none; S3 answers with the bucket's, and botocore goes there


def own_s3_client(region: str | None) -> Any:
    """A client of S3 with boto3's default credentials.

    Args:
        region: the bucket's region; None is boto3's default region.

    Raises:
        UsageError: no such region.
        AwsError: the AWS configuration cannot be read.
    """
    with aws_call("reading the AWS configuration", None, region or "default"):
        chosen = region or boto3.Session().region_name or DEFAULT_REGION
    client: Any = Sessions(session_name="prefect-drs-journal").client
    return client("s3", region=chosen)


def bucket_region(s3: Any, bucket: str) -> str:
    """The region of a bucket (`HeadBucket`, which needs s3:ListBucket).

    Raises:
        AwsError: there is no such bucket, access is denied, or S3 could not be reached.
    """
    with aws_call("HeadBucket", None, s3.meta.region_name, bucket=bucket):
        answer = s3.head_bucket(Bucket=bucket)
        return str(answer.get("BucketRegion") or answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"])
