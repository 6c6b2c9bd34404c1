"""Where journals are kept under Prefect: on the file-system block that the settings name, or in a local folder.

In: an execution's id. Out: its journal. `PREFECT_DRS_JOURNAL` names a block as `type/name`, such as
`s3-bucket/drs-journal` (prefect-aws's S3Bucket, what production should use: what is lost with the machine that wrote
it cannot be resumed elsewhere). Secrets never go into a journal, so none is kept from it here.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.parsers import ResponseParserError
from prefect.blocks.core import Block
from prefect.filesystems import LocalFileSystem
from prefect_aws import S3Bucket

from prefect_drs.aws.errors import aws_error, is_ambiguous
from prefect_drs.core.errors import UsageError
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.recovery.journal import (
    Archive,
    FolderStorage,
    JournalUnavailableError,
    StoredJournal,
    one_line,
)

TAKEN = frozenset({"PreconditionFailed", "412"})
UNDER_WAY = "ConditionalRequestConflict"  # another put of the key is being decided: send it again (PutObject, 409)
NOT_THERE = frozenset({"NoSuchKey", "404", "NotFound"})
ABSENT = frozenset({"NotFound", "ResourceNotFoundError", "NoSuchKey"})  # the libraries of other clouds' blocks
CONFLICT_ATTEMPTS = 5
BODY_ATTEMPTS = 3
BROKEN_BODY = (HTTPClientError, IncompleteReadError)
DENIED_REMEDY = (
    "allow s3:GetObject, s3:PutObject and s3:ListBucket to the block's credentials (without s3:ListBucket, S3 denies "
    "what is not there instead of saying so)"
)


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

    Raises:
        JournalUnavailableError: its credentials or settings make no client.
    """

    atomic = True

    def __init__(self, bucket: S3Bucket) -> None:
        self._bucket = bucket
        with self._told("opened", "making a client for s3", ""):
            self._client: Any = bucket.credentials.get_client("s3")

    def _key(self, name: str) -> str:
        return "/".join(part.strip("/") for part in (self._bucket.bucket_folder, name) if part)

    @contextmanager
    def _told(self, verb: str, operation: str, name: str) -> Iterator[None]:
        """Turn what botocore raises into one line with the object's address, AWS's reason and a remedy."""
        try:
            yield
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            region = self._client.meta.region_name if hasattr(self, "_client") else ""
            why = aws_error(error, operation, None, region or "", denied_remedy=DENIED_REMEDY)
            address = f"s3://{self._bucket.bucket_name}/{self._key(name)}"
            raise JournalUnavailableError(f"the journal cannot be {verb}: {address}: {why.message}") from None

    def read(self, name: str) -> bytes | None:
        """The object's content; None where S3 says that there is no such key.

        Raises:
            JournalUnavailableError: S3 refused, or could not be reached.
        """
        with self._told("read", "GetObject", name):
            for attempt in range(1, BODY_ATTEMPTS + 1):
                try:
                    answer = self._client.get_object(Bucket=self._bucket.bucket_name, Key=self._key(name))
                except ClientError as error:
                    if error.response["Error"]["Code"] in NOT_THERE:
                        return None
                    raise
                try:
                    return cast("bytes", answer["Body"].read())
                except BROKEN_BODY:  # botocore tries a request again, not the body of its answer
                    if attempt == BODY_ATTEMPTS:
                        raise
        return None

    def create(self, name: str, content: bytes) -> bool:
        """Put the object unless the key is taken. A lost answer is read back: our own content counts as created.

        Raises:
            JournalUnavailableError: S3 refused, or no answer came and the object is not seen. It may still appear, so
                nothing more may be written after it before the journal is read anew.
        """
        with self._told("written", "PutObject", name):
            for attempt in range(1, CONFLICT_ATTEMPTS + 1):
                try:
                    self._client.put_object(
                        Bucket=self._bucket.bucket_name, Key=self._key(name), Body=content, IfNoneMatch="*"
                    )
                except (ClientError, BotoCoreError, ResponseParserError) as error:
                    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
                    if code in TAKEN:
                        return self.read(name) == content  # botocore may have sent it again after a lost answer
                    if code == UNDER_WAY and attempt < CONFLICT_ATTEMPTS:
                        continue
                    if (code == UNDER_WAY or is_ambiguous(error)) and (there := self._seen(name)) is not None:
                        return there == content
                    raise
                return True
        return False

    def _seen(self, name: str) -> bytes | None:
        """What the key holds after a put without an answer; None where that cannot be read either."""
        try:
            return self.read(name)
        except JournalUnavailableError:
            return None

    def listing(self, folder: str) -> Collection[str]:
        """The names of the objects in a folder.

        Raises:
            JournalUnavailableError: S3 refused, or could not be reached.
        """
        prefix = f"{self._key(folder)}/"
        return [key[len(prefix) :] for key in self._listed("Contents", "Key", prefix)]

    def newest(self, limit: int) -> tuple[str, ...]:
        """The ids of the executions that began last: Prefect's flow run ids begin with their time (UUIDv7)."""
        prefix = self._key("").rstrip("/")
        prefix = f"{prefix}/" if prefix else ""
        folders = self._listed("CommonPrefixes", "Prefix", prefix, Delimiter="/")
        return tuple(sorted((folder[len(prefix) :].rstrip("/") for folder in folders), reverse=True)[:limit])

    def _listed(self, kind: str, member: str, prefix: str, **arguments: str) -> list[str]:
        with self._told("read", "ListObjectsV2", ""):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket.bucket_name, Prefix=prefix, **arguments
            )
            return [found[member] for page in pages for found in page.get(kind, [])]


class BlockStorage:
    """Objects on any other file-system block. It cannot create conditionally, so it looks before and after.

    What the block holds after a write that its process did not survive may be cut off: `StoredJournal` refuses such an
    object and says what to do.
    """

    atomic = False

    def __init__(self, block: FileSystemBlock) -> None:
        self._block = block

    def read(self, name: str) -> bytes | None:
        """The file's content; None where the block says that there is none.

        Raises:
            JournalUnavailableError: the block failed in any other way.
        """
        try:
            return self._block.read_path(name)
        except FileNotFoundError:
            return None
        except Exception as error:  # each block raises what its library does
            if type(error).__name__ in ABSENT or (type(error) is ValueError and "not exist" in str(error)):
                return None
            raise self._failed("read", name, error) from None

    def create(self, name: str, content: bytes) -> bool:
        """Write the file unless it is there; then see whether it is ours.

        Raises:
            JournalUnavailableError: the block failed, or holds a part of the content only.
        """
        if self.read(name) is not None:
            return False
        failure: Exception = ValueError("what was written does not show")
        try:
            self._block.write_path(name, content)
        except Exception as error:
            failure = error
        there = self.read(name)
        if there is None or (there != content and content.startswith(there)):
            raise self._failed("written", name, failure)
        return there == content

    def _failed(self, verb: str, name: str, error: Exception) -> JournalUnavailableError:
        return JournalUnavailableError(
            f"the journal cannot be {verb}: {name} on {type(self._block).__name__}: {one_line(error)}; correct the "
            "block that PREFECT_DRS_JOURNAL names, or what it leads to"
        )

    def listing(self, folder: str) -> None:
        """None: Prefect's file systems have no listing in common."""

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
        raise UsageError(
            f"PREFECT_DRS_JOURNAL names {settings.journal!r}, which cannot be loaded: {one_line(fault)}"
        ) from None
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
