"""The storage of journals: the file-system block that the settings name, or a local folder.

In: an execution's id. Out: its journal. `PREFECT_DRS_JOURNAL` names a block as `type/name`, such as
`s3-bucket/drs-journal` (prefect-aws's S3Bucket, recommended in production: a journal in a local folder is lost with its
machine, and its execution cannot be resumed elsewhere). Journals contain no secrets.
"""

from __future__ import annotations

import os
import socket
from typing import Any, cast

from prefect.blocks.core import Block
from prefect.filesystems import LocalFileSystem

from prefect_drs.core.errors import UsageError
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.orchestration.storage.block_journal import BlockStorage, FileSystemBlock
from prefect_drs.recovery.journal import Archive, FolderStorage, Journal, StoredJournal, one_line

AUDIT_FOLDER = "audit"
"""The folder beside the journals that holds the audit log; it is no journal."""


def journal_storage() -> Archive:
    """The storage that the settings name.

    Raises:
        UsageError: there is no such block, or it is not a file-system block.
    """
    settings = PrefectDrsSettings()
    if not settings.journal:
        return FolderStorage(settings.home.expanduser() / "journal")
    from prefect_aws import S3Bucket  # noqa: PLC0415 - imported only if a block is named: it takes a second

    from prefect_drs.orchestration.storage.s3_journal import S3Storage  # noqa: PLC0415

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
    raise UsageError(f"PREFECT_DRS_JOURNAL names {settings.journal!r}, which is not a writable file-system block")


def open_journal(execution_id: str) -> Journal:
    """The journal of an execution; it may be empty. It is anchored where a key is configured.

    Raises:
        UsageError: `PREFECT_DRS_JOURNAL` names no usable block.
    """
    storage = journal_storage()
    stored = StoredJournal(storage, execution_id, holder=holder())
    if not PrefectDrsSettings().anchor_key:
        return stored
    from prefect_drs.evidence.anchoring import AnchoredJournal  # noqa: PLC0415 - only who signs needs it
    from prefect_drs.orchestration.storage.anchor_settings import configured_anchoring  # noqa: PLC0415

    anchoring = configured_anchoring(execution_id, storage)
    return stored if anchoring is None else AnchoredJournal(stored, execution_id, anchoring)


def holder() -> str:
    """The host name and process id, recorded in the journal for people."""
    return f"{socket.gethostname()} pid {os.getpid()}"
