"""Where journals are kept under Prefect: on the file-system block that the settings name, or in a local folder.

In: an execution's id. Out: its journal. `PREFECT_DRS_JOURNAL` names a block as `type/name`, such as
`s3-bucket/drs-journal` (prefect-aws's S3Bucket, what production should use: what is lost with the machine that wrote
it cannot be resumed elsewhere). Secrets never go into a journal, so none is kept from it here.
"""

from __future__ import annotations

import os
import socket
from typing import Any, Protocol, cast

from botocore.exceptions import ClientError
from prefect.blocks.core import Block
from prefect.filesystems import LocalFileSystem
from prefect_aws import S3Bucket

from prefect_drs.aws.errors import aws_call
from prefect_drs.errors import UsageError
from prefect_drs.recovery.journal import Archive, FolderStorage, StoredJournal
from prefect_drs.settings import PrefectDrsSettings

PRECONDITION_FAILED = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
NOT_THERE = frozenset({"NoSuchKey", "404", "NotFound"})


class FileSystemBlock(Protocol):
    """What Prefect's readable and writable file-system blocks have in common."""

    def read_path(self, path: str) -> bytes:
        """The content of a file; FileNotFoundError or ValueError where there is none."""
        ...

    def write_path(self, path: str, content: bytes) -> object:
        """Write a file, over a former one."""
        ...


class S3Storage:
    """Objects in a bucket; S3 itself refuses to create a key twice (`If-None-Match: *`, PutObject API reference).

    Args:
        bucket: the block; its folder and credentials are used.
    """

    def __init__(self, bucket: S3Bucket) -> None:
        self._bucket = bucket
        self._client: Any = bucket.credentials.get_client("s3")

    def _key(self, name: str) -> str:
        return "/".join(part.strip("/") for part in (self._bucket.bucket_folder, name) if part)

    def read(self, name: str) -> bytes | None:
        """The object's content; None where S3 says that there is no such key."""
        with aws_call("GetObject", None, self._client.meta.region_name or "", bucket=self._bucket.bucket_name):
            try:
                answer = self._client.get_object(Bucket=self._bucket.bucket_name, Key=self._key(name))
            except ClientError as error:
                if error.response["Error"]["Code"] in NOT_THERE:
                    return None
                raise
            return cast("bytes", answer["Body"].read())

    def create(self, name: str, content: bytes) -> bool:
        """Put the object unless the key is taken. A lost answer is read back: our own content counts as created."""
        with aws_call("PutObject", None, self._client.meta.region_name or "", bucket=self._bucket.bucket_name):
            try:
                self._client.put_object(
                    Bucket=self._bucket.bucket_name, Key=self._key(name), Body=content, IfNoneMatch="*"
                )
            except ClientError as error:
                if error.response["Error"]["Code"] in PRECONDITION_FAILED:
                    return self.read(name) == content  # botocore may have retried a put whose answer was lost
                raise
        return True

    def newest(self, limit: int) -> tuple[str, ...]:
        """The ids of the executions that began last: Prefect's flow run ids begin with their time (UUIDv7)."""
        prefix = self._key("").rstrip("/")
        prefix = f"{prefix}/" if prefix else ""
        with aws_call("ListObjectsV2", None, self._client.meta.region_name or "", bucket=self._bucket.bucket_name):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket.bucket_name, Prefix=prefix, Delimiter="/"
            )
            folders = [folder["Prefix"] for page in pages for folder in page.get("CommonPrefixes", [])]
        return tuple(sorted((folder[len(prefix) :].rstrip("/") for folder in folders), reverse=True)[:limit])


class BlockStorage:
    """Objects on any other file-system block. It cannot create conditionally, so it looks before and after."""

    def __init__(self, block: FileSystemBlock) -> None:
        self._block = block

    def read(self, name: str) -> bytes | None:
        """The file's content; None where the block says that there is none."""
        try:
            return self._block.read_path(name)
        except (FileNotFoundError, ValueError):
            return None

    def create(self, name: str, content: bytes) -> bool:
        """Write the file unless it is there; then see whether it is ours."""
        if self.read(name) is not None:
            return False
        self._block.write_path(name, content)
        return self.read(name) == content

    def newest(self, limit: int) -> tuple[str, ...]:
        """None: Prefect's file systems have no listing in common."""
        return ()


def journal_storage() -> Archive:
    """The storage that the settings name.

    Raises:
        UsageError: there is no such block, or it is no file system.
    """
    settings = PrefectDrsSettings()
    if not settings.journal:
        return FolderStorage(settings.home.expanduser() / "journal")
    load: Any = Block.load
    try:
        block = load(settings.journal, _sync=True)
    except ValueError as fault:
        raise UsageError(f"PREFECT_DRS_JOURNAL names {settings.journal!r}, which cannot be loaded: {fault}") from None
    if isinstance(block, S3Bucket):
        return S3Storage(block)
    if isinstance(block, LocalFileSystem):
        return FolderStorage(block._resolve_path("."))  # a local folder can create atomically
    if hasattr(block, "read_path") and hasattr(block, "write_path"):
        return BlockStorage(cast("FileSystemBlock", block))
    raise UsageError(f"PREFECT_DRS_JOURNAL names {settings.journal!r}, which is no file system to write to")


def open_journal(execution_id: str) -> StoredJournal:
    """The journal of an execution, empty or not.

    Raises:
        UsageError: the storage that the settings name is not usable.
    """
    return StoredJournal(journal_storage(), execution_id, holder=holder())


def holder() -> str:
    """Who this process is, for people who look into a journal."""
    return f"{socket.gethostname()} pid {os.getpid()}"
