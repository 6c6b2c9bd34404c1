"""Anchors in a bucket with object lock: whoever can write the journal can neither change, delete nor hide them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from prefect_aws import AwsCredentials, S3Bucket

from prefect_drs.orchestration.storage.locked_anchors import LockedAnchors
from prefect_drs.recovery.journal import JournalUnavailableError
from tests.rig import REGION, Rig

BUCKET = "anchors-of-tests"


@pytest.fixture
def s3(rig: Rig) -> Any:
    client = boto3.client("s3", REGION)
    client.create_bucket(
        Bucket=BUCKET,
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": REGION},
    )
    return client


def anchors(bucket: str = BUCKET, days: int = 30) -> LockedAnchors:
    credentials = AwsCredentials(region_name=REGION)
    return LockedAnchors(S3Bucket(bucket_name=bucket, bucket_folder="drs", credentials=credentials), days)


def test_an_anchor_is_locked_and_read_under_a_delete_marker_and_other_versions(s3: Any) -> None:
    kept = anchors()
    kept.write("exec-1/anchor-00000001.json", b"first")
    kept.write("exec-2/anchor-00000001.json", b"another execution")
    head = s3.head_object(Bucket=BUCKET, Key="drs/exec-1/anchor-00000001.json")
    assert head["ObjectLockMode"] == "COMPLIANCE"
    assert head["ObjectLockRetainUntilDate"] > datetime.now(UTC) + timedelta(days=29)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=BUCKET, Key="drs/exec-1/anchor-00000001.json", VersionId=head["VersionId"])

    s3.put_object(Bucket=BUCKET, Key="drs/exec-1/anchor-00000001.json", Body=b"forged")
    s3.delete_object(Bucket=BUCKET, Key="drs/exec-1/anchor-00000001.json")
    assert set(kept.read("exec-1").values()) == {b"first", b"forged"}
    assert all(
        name.startswith(f"s3://{BUCKET}/drs/exec-1/anchor-00000001.json?versionId=") for name in kept.read("exec-1")
    )
    assert kept.read("exec-3") == {}


def test_a_bucket_that_is_not_there_is_one_line_with_its_address(s3: Any) -> None:
    missing = anchors("no-such-bucket")
    for attempt in (lambda: missing.write("exec-1/anchor-00000001.json", b""), lambda: missing.read("exec-1")):
        with pytest.raises(JournalUnavailableError, match=r"^anchors in s3://no-such-bucket/drs/exec-1/.*$"):
            attempt()
