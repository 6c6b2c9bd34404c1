"""Journals in an S3 bucket.

In: the block of a bucket. Out: objects that are created once and never changed: S3 refuses to create a key twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.parsers import ResponseParserError

from prefect_drs.aws.buckets import own_s3_client
from prefect_drs.aws.errors import aws_error, is_ambiguous
from prefect_drs.core.errors import UsageError
from prefect_drs.recovery.journal import RESERVED_FOLDERS, JournalUnavailableError

KEY_EXISTS = frozenset({"PreconditionFailed", "412"})
CONFLICT = "ConditionalRequestConflict"  # a concurrent put of the key is in progress: retry (PutObject, 409)
NOT_FOUND = frozenset({"NoSuchKey", "404", "NotFound"})
CONFLICT_ATTEMPTS = 5
BODY_ATTEMPTS = 3
BROKEN_BODY = (HTTPClientError, IncompleteReadError)
DENIED_REMEDY = (
    "allow s3:GetObject, s3:PutObject and s3:ListBucket to the block's credentials (without s3:ListBucket, S3 answers "
    "AccessDenied for a missing key)"
)


class BucketCredentials(Protocol):
    """Gives clients: prefect-aws's AwsCredentials, or `NamedBucket`."""

    def get_client(self, client_type: str) -> Any:
        """A boto3 client of that service."""
        ...


class Bucket(Protocol):
    """A bucket and the folder in it: prefect-aws's S3Bucket block, or `NamedBucket`."""

    bucket_name: str
    bucket_folder: str
    credentials: Any


class NamedBucket:
    """A bucket that a setting names as `s3://BUCKET/FOLDER?region=REGION`, entered with boto3's own credentials.

    It is in no Prefect server, so it is found on the day that there is none.

    Args:
        url: the setting's value. Without a region, boto3's default region.

    Raises:
        UsageError: it names no bucket, or something else than a folder and a region.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query, keep_blank_values=True)
        if parts.scheme != "s3" or not parts.netloc or set(query) - {"region"} or parts.fragment or "@" in parts.netloc:
            raise UsageError(
                f"{url!r} names no bucket: write s3://BUCKET, s3://BUCKET/FOLDER or s3://BUCKET?region=REGION"
            )
        self.bucket_name = parts.netloc
        self.bucket_folder = parts.path.strip("/")
        self.region = query.get("region", [""])[0] or None
        self.credentials: BucketCredentials = self

    def get_client(self, client_type: str) -> Any:
        """A client of S3 with boto3's default credentials; no other service is asked for."""
        return own_s3_client(self.region)


class S3Storage:
    """Objects in a bucket; S3 refuses to create a key twice (`If-None-Match: *`, PutObject API reference).

    Args:
        bucket: the block, or the bucket that a setting names; its folder and credentials are used.

    Raises:
        JournalUnavailableError: no client can be created with its credentials or settings.
    """

    atomic = True

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        with self._explained("opened", "making a client for s3", ""):
            self._client: Any = bucket.credentials.get_client("s3")

    def _key(self, name: str) -> str:
        return "/".join(part.strip("/") for part in (self._bucket.bucket_folder, name) if part)

    @contextmanager
    def _explained(self, verb: str, operation: str, name: str) -> Iterator[None]:
        """Convert botocore's errors into one line with the object's address, AWS's reason and a remedy."""
        try:
            yield
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            region = self._client.meta.region_name if hasattr(self, "_client") else ""
            why = aws_error(error, operation, None, region or "", denied_remedy=DENIED_REMEDY)
            address = f"s3://{self._bucket.bucket_name}/{self._key(name)}"
            raise JournalUnavailableError(f"the journal cannot be {verb}: {address}: {why.message}") from None

    def read(self, name: str) -> bytes | None:
        """The object's content; None if there is no such key.

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
                except BROKEN_BODY:  # botocore retries a request, but not reading its response body
                    if attempt == BODY_ATTEMPTS:
                        raise
        return None

    def create(self, name: str, content: bytes) -> bool:
        """Put the object unless the key exists. If the answer is lost, read it back: our own content counts as created.

        Raises:
            JournalUnavailableError: S3 refused, or the answer was lost and the object cannot be read. It may still
                appear, so nothing more may be written until the journal is read again.
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
                        return self.read(name) == content  # botocore may have retried after a lost answer
                    if code == CONFLICT and attempt < CONFLICT_ATTEMPTS:
                        continue
                    if (code == CONFLICT or is_ambiguous(error)) and (stored := self._read_back(name)) is not None:
                        return stored == content
                    raise
                return True
        return False

    def replace(self, name: str, content: bytes) -> None:
        """Put the object, whether or not the key exists.

        Raises:
            JournalUnavailableError: S3 refused, or could not be reached.
        """
        with self._explained("written", "PutObject", name):
            self._client.put_object(Bucket=self._bucket.bucket_name, Key=self._key(name), Body=content)

    def _read_back(self, name: str) -> bytes | None:
        """The object after a put without an answer; None if it cannot be read either."""
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
        """The ids of the executions that started last: Prefect's flow run ids begin with their time (UUIDv7)."""
        prefix = self._key("").rstrip("/")
        prefix = f"{prefix}/" if prefix else ""
        folders = self._listed("CommonPrefixes", "Prefix", prefix, Delimiter="/")
        names = {folder[len(prefix) :].rstrip("/") for folder in folders} - RESERVED_FOLDERS
        return tuple(sorted(names, reverse=True)[:limit])

    def delete(self, folder: str) -> int:
        """Delete the objects of a folder, the first entry last.

        Raises:
            JournalUnavailableError: S3 refused (s3:DeleteObject, or an object lock), or could not be reached.
        """
        names = sorted(self.listing(folder), reverse=True)
        with self._explained("deleted", "DeleteObject", folder):
            for name in names:
                self._client.delete_object(Bucket=self._bucket.bucket_name, Key=self._key(f"{folder}/{name}"))
        return len(names)

    def _listed(self, kind: str, member: str, prefix: str, **arguments: str) -> list[str]:
        with self._explained("read", "ListObjectsV2", ""):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket.bucket_name, Prefix=prefix, **arguments
            )
            return [found[member] for page in pages for found in page.get(kind, [])]
