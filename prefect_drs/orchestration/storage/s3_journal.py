"""Journals in an S3 bucket.

In: the block of a bucket. Out: objects that are created once and never changed; S3 itself refuses to create a key
twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.parsers import ResponseParserError
from prefect_aws import S3Bucket

from prefect_drs.aws.errors import aws_error, is_ambiguous
from prefect_drs.recovery.journal import JournalUnavailableError

KEY_EXISTS = frozenset({"PreconditionFailed", "412"})
CONFLICT = (
    "ConditionalRequestConflict"  # a concurrent put of the key is not decided yet: send it again (PutObject, 409)
)
NOT_FOUND = frozenset({"NoSuchKey", "404", "NotFound"})
CONFLICT_ATTEMPTS = 5
BODY_ATTEMPTS = 3
BROKEN_BODY = (HTTPClientError, IncompleteReadError)
DENIED_REMEDY = (
    "allow s3:GetObject, s3:PutObject and s3:ListBucket to the block's credentials (without s3:ListBucket, S3 denies "
    "what is not there instead of saying so)"
)


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
        with self._explained("opened", "making a client for s3", ""):
            self._client: Any = bucket.credentials.get_client("s3")

    def _key(self, name: str) -> str:
        return "/".join(part.strip("/") for part in (self._bucket.bucket_folder, name) if part)

    @contextmanager
    def _explained(self, verb: str, operation: str, name: str) -> Iterator[None]:
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
        with self._explained("read", "GetObject", name):
            for attempt in range(1, BODY_ATTEMPTS + 1):
                try:
                    answer = self._client.get_object(Bucket=self._bucket.bucket_name, Key=self._key(name))
                except ClientError as error:
                    if error.response["Error"]["Code"] in NOT_FOUND:
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
        with self._explained("written", "PutObject", name):
            for attempt in range(1, CONFLICT_ATTEMPTS + 1):
                try:
                    self._client.put_object(
                        Bucket=self._bucket.bucket_name, Key=self._key(name), Body=content, IfNoneMatch="*"
                    )
                except (ClientError, BotoCoreError, ResponseParserError) as error:
                    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
                    if code in KEY_EXISTS:
                        return self.read(name) == content  # botocore may have sent it again after a lost answer
                    if code == CONFLICT and attempt < CONFLICT_ATTEMPTS:
                        continue
                    if (code == CONFLICT or is_ambiguous(error)) and (there := self._seen(name)) is not None:
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
        with self._explained("read", "ListObjectsV2", ""):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket.bucket_name, Prefix=prefix, **arguments
            )
            return [found[member] for page in pages for found in page.get(kind, [])]
