"""The storage of journals: the bucket or the file-system block that the settings name, or a local folder.

In: an execution's id. Out: its journal. `PREFECT_DRS_JOURNAL` names a bucket as `s3://BUCKET/FOLDER?region=REGION`, or
a block as `type/name`, such as `s3-bucket/drs-journal` (prefect-aws's S3Bucket). A block is stored in the Prefect
server, so that it is not found without one; a journal in a local folder is lost with its machine. Journals contain no
secrets.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, cast

from prefect.blocks.core import Block
from prefect.filesystems import LocalFileSystem

from prefect_drs.core.errors import UsageError
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.orchestration.storage.block_journal import BlockStorage, FileSystemBlock
from prefect_drs.recovery.journal import Archive, FolderStorage, Journal, StoredJournal, one_line

BUCKET_SCHEME = "s3://"


def journal_storage(*, blocks: bool = True) -> Archive:
    """The storage that the settings name, with its mirror, where one is named.

    Args:
        blocks: whether blocks may be loaded from the Prefect API; False where no Prefect API is to be asked.

    Raises:
        UsageError: there is no such block, it is not a file-system block, or blocks may not be loaded.
    """
    settings = PrefectDrsSettings()
    first = storage_of(named_store(settings, blocks=blocks))
    if not settings.journal_mirror:
        return first
    if not settings.journal_mirror.startswith(BUCKET_SCHEME):
        raise UsageError(
            f"PREFECT_DRS_JOURNAL_MIRROR names {settings.journal_mirror!r}: a mirror is a bucket, written as "
            "s3://BUCKET/FOLDER?region=REGION"
        )
    from prefect_drs.coordination.mirror import MirroredStorage  # noqa: PLC0415
    from prefect_drs.orchestration.storage.s3_journal import NamedBucket, S3Storage  # noqa: PLC0415

    return MirroredStorage(first, S3Storage(NamedBucket(settings.journal_mirror)))


def storage_of(named: Any) -> Archive:
    """The storage in a store.

    Args:
        named: as of `named_store`.
    """
    if isinstance(named, Path):
        return FolderStorage(named)
    if isinstance(named, LocalFileSystem):
        return FolderStorage(named._resolve_path("."))  # a local folder can create atomically
    if is_bucket(named):
        from prefect_drs.orchestration.storage.s3_journal import S3Storage  # noqa: PLC0415

        return S3Storage(named)
    return BlockStorage(cast("FileSystemBlock", named))


def names_block(settings: PrefectDrsSettings) -> bool:
    """Whether the setting `journal` names a block, which is in a Prefect server."""
    return bool(settings.journal) and not settings.journal.startswith(BUCKET_SCHEME)


def is_bucket(named: Any) -> bool:
    """Whether a store is an S3 bucket: prefect-aws's block, or one that a setting names."""
    if isinstance(named, Block):
        from prefect_aws import S3Bucket  # noqa: PLC0415 - imported only if a block is named: it takes a second

        return isinstance(named, S3Bucket)
    return hasattr(named, "bucket_name")


def named_store(settings: PrefectDrsSettings, *, blocks: bool) -> Any:
    """What the setting `journal` names: a folder (`Path`), a bucket (`Bucket`) or another file-system block.

    Args:
        settings: of this process.
        blocks: as of `journal_storage`.

    Raises:
        UsageError: as of `journal_storage`.
    """
    if not settings.journal:
        return settings.home.expanduser() / "journal"
    if settings.journal.startswith(BUCKET_SCHEME):
        from prefect_drs.orchestration.storage.s3_journal import NamedBucket  # noqa: PLC0415

        return NamedBucket(settings.journal)
    if not blocks:
        raise UsageError(
            f"PREFECT_DRS_JOURNAL names {settings.journal!r}, a block, which only the Prefect server has; without "
            "Prefect, name the place itself: PREFECT_DRS_JOURNAL=s3://BUCKET/FOLDER?region=REGION, or nothing and the "
            "folder by PREFECT_DRS_HOME"
        )
    load: Any = Block.load
    try:
        block = load(settings.journal, _sync=True)
    except ValueError as fault:
        raise UsageError(
            f"PREFECT_DRS_JOURNAL names {settings.journal!r}, which cannot be loaded: {one_line(fault)}; save the "
            "block, or correct the setting"
        ) from None
    if not (hasattr(block, "read_path") and hasattr(block, "write_path")):
        raise UsageError(f"PREFECT_DRS_JOURNAL names {settings.journal!r}, which is not a writable file-system block")
    return block


def open_journal(execution_id: str, *, blocks: bool = True) -> Journal:
    """The journal of an execution; it may be empty. It is anchored where a key is configured.

    Args:
        execution_id: the execution.
        blocks: as of `journal_storage`.

    Raises:
        UsageError: `PREFECT_DRS_JOURNAL` names no usable place.
    """
    storage = journal_storage(blocks=blocks)
    stored = StoredJournal(storage, execution_id, holder=holder())
    if not PrefectDrsSettings().anchor_key:
        return stored
    from prefect_drs.evidence.anchoring import AnchoredJournal  # noqa: PLC0415 - only who signs needs it
    from prefect_drs.orchestration.storage.anchor_settings import configured_anchoring  # noqa: PLC0415

    anchoring = configured_anchoring(execution_id, storage, blocks=blocks)
    return stored if anchoring is None else AnchoredJournal(stored, execution_id, anchoring)


def holder() -> str:
    """The host name and process id, recorded in the journal for people."""
    return f"{socket.gethostname()} pid {os.getpid()}"
