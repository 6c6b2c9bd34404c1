"""A journal on whatever file system Prefect has a block for: it keeps what it is given, and fences who comes second."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from prefect.filesystems import LocalFileSystem
from prefect_aws import AwsCredentials, S3Bucket

from prefect_drs.core.errors import UsageError
from prefect_drs.execution.events import CancelAsked, Event
from prefect_drs.orchestration.storage.block_journal import BlockStorage
from prefect_drs.orchestration.storage.journal_storage import journal_storage, open_journal
from prefect_drs.orchestration.storage.s3_journal import S3Storage
from prefect_drs.recovery.journal import FencedError, FolderStorage, Storage, StoredJournal
from tests.conftest import PrefectServer
from tests.rig import aws_environment

AT = datetime(2030, 1, 1, tzinfo=UTC)


class PlainBlock:
    """The least that a file-system block of Prefect can do: read and write paths, over what was there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read_path(self, path: str) -> bytes:
        return (self._folder / path).read_bytes()

    def write_path(self, path: str, content: bytes) -> None:
        (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self._folder / path).write_bytes(content)


@pytest.fixture(params=["folder", "s3", "block"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "folder":
        yield FolderStorage(tmp_path)
    elif request.param == "block":
        yield BlockStorage(PlainBlock(tmp_path))
    else:
        with aws_environment(), mock_aws():
            boto3.client("s3", "us-east-1").create_bucket(Bucket="journals")
            credentials = AwsCredentials(region_name="us-east-1")
            yield S3Storage(S3Bucket(bucket_name="journals", bucket_folder="drs", credentials=credentials))


def asked(by: str) -> Event:
    return CancelAsked(at=AT, by=by)


def test_what_was_appended_is_read_in_order_by_another_process(storage: Storage) -> None:
    writer = StoredJournal(storage, "exec-1")
    writer.append([asked("a"), asked("b")])
    writer.append([asked("c")])
    assert StoredJournal(storage, "exec-1").read() == (asked("a"), asked("b"), asked("c"))
    assert StoredJournal(storage, "exec-2").read() == ()


def test_whoever_comes_second_is_told_so_and_changes_nothing(storage: Storage) -> None:
    first, second = StoredJournal(storage, "exec-1"), StoredJournal(storage, "exec-1")
    first.append([asked("a")])
    with pytest.raises(FencedError):
        second.append([asked("b")])
    assert StoredJournal(storage, "exec-1").read() == (asked("a"),)


def test_a_name_is_created_once(storage: Storage) -> None:
    assert storage.read("exec-1/00000001.json") is None
    assert storage.create("exec-1/00000001.json", b"one")
    assert not storage.create("exec-1/00000001.json", b"two")
    assert storage.read("exec-1/00000001.json") == b"one"


def test_a_journal_is_deleted_whole_where_the_storage_can_delete(storage: Storage) -> None:
    for execution in ("exec-1", "exec-2"):
        StoredJournal(storage, execution).append([asked("ada")])
    deleted = storage.delete("exec-1")  # type: ignore[attr-defined]
    kept = StoredJournal(storage, "exec-1").read()
    assert (deleted, len(kept)) in {(1, 0), (None, 1)}, "either deleted and gone, or not deleted and there"
    assert len(StoredJournal(storage, "exec-2").read()) == 1
    assert not storage.delete("exec-3")  # type: ignore[attr-defined]


def test_the_settings_choose_the_storage(
    prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path / "home"))
    open_journal("exec-1").append([asked("a")])
    assert (tmp_path / "home" / "journal" / "exec-1" / "00000001.json").is_file()

    save: Any = LocalFileSystem(basepath=str(tmp_path / "shared")).save
    save("journals-of-a-test", overwrite=True, _sync=True)
    monkeypatch.setenv("PREFECT_DRS_JOURNAL", "local-file-system/journals-of-a-test")
    open_journal("exec-2").append([asked("b")])
    assert (tmp_path / "shared" / "exec-2" / "00000001.json").is_file()

    monkeypatch.setenv("PREFECT_DRS_JOURNAL", "local-file-system/there-is-none")
    with pytest.raises(UsageError, match="there-is-none"):
        journal_storage()
