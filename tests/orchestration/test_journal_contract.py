"""The contract of a store of journals, held against every kind of block that Prefect has here.

A block of your own is held against it by its name: `PREFECT_DRS_CONTRACT_BLOCK=type/name pytest` of this file, with
`PREFECT_API_URL` leading to the server that has it. Everything is written to a folder of its own, which a block that
cannot delete keeps.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from prefect.blocks.core import Block
from prefect.filesystems import LocalFileSystem, RemoteFileSystem
from prefect_aws import AwsCredentials, S3Bucket

from prefect_drs.coordination.messages import Message, MessageBox
from prefect_drs.execution.events import CancelAsked, Event
from prefect_drs.orchestration.storage.journal_storage import storage_of
from prefect_drs.recovery.journal import Archive, FencedError, StoredJournal
from tests.orchestration.plain_block import PlainBlock
from tests.rig import aws_environment

AT = datetime(2030, 1, 1, tzinfo=UTC)
OWN = os.environ.get("PREFECT_DRS_CONTRACT_BLOCK", "")


def s3_bucket() -> S3Bucket:
    boto3.client("s3", "us-east-1").create_bucket(Bucket="journals")
    return S3Bucket(bucket_name="journals", bucket_folder="drs", credentials=AwsCredentials(region_name="us-east-1"))


BLOCKS: dict[str, Callable[[Path], Any]] = {
    "folder": lambda folder: folder,
    "LocalFileSystem": lambda folder: LocalFileSystem(basepath=str(folder)),
    "RemoteFileSystem": lambda _: RemoteFileSystem(basepath=f"memory://{uuid.uuid4().hex}"),
    "S3Bucket": lambda _: s3_bucket(),
    "read_path and write_path": PlainBlock,
}


@pytest.fixture(params=[*BLOCKS, *filter(None, [OWN])])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    if request.param == OWN:
        load: Any = Block.load
        yield storage_of(load(OWN, _sync=True))
        return
    with aws_environment(), mock_aws():
        yield storage_of(BLOCKS[request.param](tmp_path))


@pytest.fixture
def execution() -> str:
    return f"contract-{uuid.uuid4()}"


def asked(by: str) -> Event:
    return CancelAsked(at=AT, by=by)


def test_what_is_not_there_reads_as_none(storage: Archive, execution: str) -> None:
    assert storage.read(f"{execution}/00000001.json") is None
    assert StoredJournal(storage, execution).read() == ()


@pytest.mark.parametrize("content", [b"{}", bytes(range(256)), "Überschuß ✓\r\n\n".encode(), b"x" * 3_000_000])
def test_an_object_is_read_back_byte_for_byte(storage: Archive, execution: str, content: bytes) -> None:
    assert storage.create(f"{execution}/00000001.json", content)
    assert storage.read(f"{execution}/00000001.json") == content


def test_a_name_is_created_once(storage: Archive, execution: str) -> None:
    assert storage.create(f"{execution}/00000001.json", b"one")
    assert not storage.create(f"{execution}/00000001.json", b"two")
    assert storage.read(f"{execution}/00000001.json") == b"one"


def test_an_object_that_may_be_replaced_is(storage: Archive, execution: str) -> None:
    storage.replace(f"{execution}/mark.json", b"a longer content")
    storage.replace(f"{execution}/mark.json", b"short")
    assert storage.read(f"{execution}/mark.json") == b"short"


def test_folders_are_kept_apart(storage: Archive, execution: str) -> None:
    names = (f"{execution}/1", f"{execution}/messages/1", f"{execution}-2/1", f"claims/{execution}/1")
    for name in names:
        assert storage.create(name, name.encode())
    assert [storage.read(name) for name in names] == [name.encode() for name in names]


def test_a_listing_is_complete_where_there_is_one(storage: Archive, execution: str) -> None:
    for number in range(1, 4):
        storage.create(f"{execution}/{number:08d}.json", b"{}")
    listed = storage.listing(execution)
    assert listed is None or sorted(listed) == [f"{number:08d}.json" for number in range(1, 4)]


def test_what_was_appended_is_read_in_order_by_another_process(storage: Archive, execution: str) -> None:
    writer = StoredJournal(storage, execution)
    writer.append([asked("a"), asked("b")])
    writer.append([asked("c")])
    assert StoredJournal(storage, execution).read() == (asked("a"), asked("b"), asked("c"))
    assert StoredJournal(storage, f"{execution}-2").read() == ()


def test_whoever_comes_second_is_told_so_and_changes_nothing(storage: Archive, execution: str) -> None:
    first, second = StoredJournal(storage, execution), StoredJournal(storage, execution)
    first.append([asked("a")])
    with pytest.raises(FencedError):
        second.append([asked("b")])
    assert StoredJournal(storage, execution).read() == (asked("a"),)


def test_of_many_that_create_at_once_one_is_told_that_it_did(storage: Archive, execution: str) -> None:
    if not storage.atomic:
        return  # such a store reads back what it wrote, which tells two apart only where they do not write at once
    contents = [str(number).encode() for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda content: storage.create(f"{execution}/00000001.json", content), contents))
    kept = storage.read(f"{execution}/00000001.json")
    assert [content for content, told in zip(contents, created, strict=True) if told] == [kept]


def test_messages_reach_another_process(storage: Archive, execution: str) -> None:
    sent = Message(action="CANCEL", by="ada", at=AT)
    MessageBox(storage, execution).send(sent)
    (received,) = MessageBox(storage, execution).read()
    assert received.message == sent


def test_a_journal_is_deleted_whole_where_the_storage_can_delete(storage: Archive, execution: str) -> None:
    for name in (execution, f"{execution}-2"):
        StoredJournal(storage, name).append([asked("ada")])
    deleted = storage.delete(execution)
    kept = StoredJournal(storage, execution).read()
    assert (deleted, len(kept)) in {(1, 0), (None, 1)}, "either deleted and gone, or not deleted and there"
    assert len(StoredJournal(storage, f"{execution}-2").read()) == 1
    assert not storage.delete(f"{execution}-3")
