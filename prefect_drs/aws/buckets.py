"""Where an S3 bucket is.

In: a client of S3, whose credentials are those of the bucket's block. Out: a region, or an `AwsError`.
"""

from __future__ import annotations

from typing import Any

from prefect_drs.aws.errors import aws_call


def bucket_region(s3: Any, bucket: str) -> str:
    """The region of a bucket (`HeadBucket`, which needs s3:ListBucket).

    Raises:
        AwsError: there is no such bucket, access is denied, or S3 could not be reached.
    """
    with aws_call("HeadBucket", None, s3.meta.region_name, bucket=bucket):
        answer = s3.head_bucket(Bucket=bucket)
        return str(answer.get("BucketRegion") or answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"])
