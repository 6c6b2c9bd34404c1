"""The settings `PREFECT_DRS_ANCHOR_*` on a real Prefect server: a key in a Secret block, copies in a locked bucket."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import boto3
import pytest
from prefect.blocks.system import Secret
from prefect_aws import AwsCredentials, S3Bucket

from prefect_drs.core.errors import UsageError
from prefect_drs.evidence.keys import KeyRing
from prefect_drs.execution.events import ExecutionEnded, ExecutionStarted
from prefect_drs.operations.evidence import verified_execution
from prefect_drs.orchestration.storage.anchor_settings import locked_anchors, trusted_keys
from prefect_drs.orchestration.storage.journal_storage import open_journal
from tests.conftest import PrefectServer
from tests.evidence.drilled import private_pem, ring
from tests.report.story import completed
from tests.rig import REGION, simulated_aws

EXECUTION = "6f1c7a52-0f0e-4c0e-9a41-5d2f1a9f0c22"


def save(block: Any, name: str) -> None:
    block.save(name, overwrite=True, _sync=True)


def write_journal() -> None:
    events = completed()
    assert isinstance(events[0], ExecutionStarted)
    journal = open_journal(EXECUTION)
    journal.append([events[0].model_copy(update={"execution_id": EXECUTION})])
    journal.append(events[1:])
    assert isinstance(events[-1], ExecutionEnded)


def test_a_secret_block_signs_and_a_locked_bucket_shows_what_was_deleted_from_the_journal(
    prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path))
    save(Secret(value=private_pem().decode()), "anchor-key-of-a-test")
    save(S3Bucket(bucket_name="anchors", credentials=AwsCredentials(region_name=REGION)), "anchors-of-a-test")
    monkeypatch.setenv("PREFECT_DRS_ANCHOR_KEY", "secret/anchor-key-of-a-test")
    monkeypatch.setenv("PREFECT_DRS_ANCHOR_BUCKET", "s3-bucket/anchors-of-a-test")
    monkeypatch.setenv("PREFECT_DRS_ANCHOR_RETENTION_DAYS", "7")
    with simulated_aws():
        boto3.client("s3", REGION).create_bucket(
            Bucket="anchors",
            ObjectLockEnabledForBucket=True,
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )
        write_journal()
        assert trusted_keys().keys.keys() == ring().keys.keys()
        bucket = locked_anchors()
        assert bucket is not None
        assert bucket.read(EXECUTION)
        assert verified_execution(EXECUTION, KeyRing()).closed

        for path in (tmp_path / "journal" / EXECUTION).iterdir():  # the writer of the storage deletes all but the start
            if path.name not in {"00000001.json", "anchor-00000001.json"}:
                path.unlink()
        faults = verified_execution(EXECUTION, KeyRing()).faults
        assert [(fault.code, fault.record) for fault in faults] == [("TAIL_MISSING", 2)]

    monkeypatch.setenv("PREFECT_DRS_ANCHOR_BUCKET", "s3-bucket/there-is-none")
    with pytest.raises(UsageError, match="there-is-none"):
        locked_anchors()
    monkeypatch.setenv("PREFECT_DRS_ANCHOR_BUCKET", "secret/anchor-key-of-a-test")
    with pytest.raises(UsageError, match="which is no S3Bucket block"):
        locked_anchors()


def test_a_key_that_is_not_there_stops_no_execution_and_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_DRS_ANCHOR_KEY", str(tmp_path / "none.pem"))
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("prefect.prefect_drs.orchestration.storage.anchor_settings")
    logger.addHandler(handler)
    try:
        write_journal()
    finally:
        logger.removeHandler(handler)
    assert open_journal(EXECUTION).read()
    (line,) = told
    assert f"execution {EXECUTION}: the anchor of record " in line
    assert "none.pem cannot be read" in line
