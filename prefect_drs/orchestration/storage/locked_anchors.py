"""Anchors in an S3 bucket with object lock, where whoever can write the journal can neither change nor delete them.

In: the block of a bucket. Out: objects `<folder>/<execution>/anchor-….json`. Every version of an object is read, those
under a delete marker too: a lock keeps versions, and does not keep anybody from hiding them (S3 User Guide, "How S3
Object Lock works").
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from prefect_aws import S3Bucket

from prefect_drs.aws.errors import aws_error
from prefect_drs.recovery.journal import JournalUnavailableError

REMEDY = (
    "allow s3:PutObject and s3:PutObjectRetention to write anchors, s3:ListBucketVersions and s3:GetObjectVersion to "
    "read them"
)


class LockedAnchors:
    """Anchors in a bucket.

    Args:
        bucket: the block; its folder and credentials are used.
        retention_days: how long each object is locked in compliance mode; 0 for the bucket's default retention.
    """

    def __init__(self, bucket: S3Bucket, retention_days: int) -> None:
        self._bucket = bucket
        self._retention = timedelta(days=retention_days)
        self._client: Any = bucket.credentials.get_client("s3")

    def _key(self, name: str) -> str:
        return "/".join(part.strip("/") for part in (self._bucket.bucket_folder, name) if part)

    @contextmanager
    def _explained(self, operation: str, key: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            why = aws_error(error, operation, None, self._client.meta.region_name or "", denied_remedy=REMEDY)
            address = f"s3://{self._bucket.bucket_name}/{key}"
            raise JournalUnavailableError(f"anchors in {address}: {why.message}") from None

    def write(self, name: str, content: bytes) -> None:
        """Put an anchor, locked.

        Raises:
            JournalUnavailableError: S3 refused, or could not be reached.
        """
        lock: dict[str, Any] = {}
        if self._retention:
            lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime.now(UTC) + self._retention}
        with self._explained("PutObject", self._key(name)):
            self._client.put_object(
                Bucket=self._bucket.bucket_name, Key=self._key(name), Body=content, ChecksumAlgorithm="SHA256", **lock
            )

    def read(self, folder: str) -> dict[str, bytes]:
        """Every version of every anchor of an execution, by its address.

        Raises:
            JournalUnavailableError: S3 refused, or could not be reached.
        """
        bucket, prefix = self._bucket.bucket_name, f"{self._key(folder)}/"
        found: dict[str, bytes] = {}
        with self._explained("ListObjectVersions", prefix):
            pages = self._client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
            for version in (each for page in pages for each in page.get("Versions", [])):
                key, version_id = version["Key"], version["VersionId"]
                answer = self._client.get_object(Bucket=bucket, Key=key, VersionId=version_id)
                found[f"s3://{bucket}/{key}?versionId={version_id}"] = answer["Body"].read()
        return found
