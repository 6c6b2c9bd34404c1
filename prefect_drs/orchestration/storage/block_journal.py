"""Journals on any Prefect file-system block but S3's and a local folder's.

In: a block that reads and writes files. Out: objects that are created once and never changed, as far as the block
allows.
"""

from __future__ import annotations

from typing import Protocol

from prefect_drs.recovery.journal import JournalUnavailableError, one_line

NOT_FOUND = frozenset({"NotFound", "ResourceNotFoundError", "NoSuchKey"})  # the libraries of other clouds' blocks


class FileSystemBlock(Protocol):
    """What Prefect's readable and writable file-system blocks have in common."""

    def read_path(self, path: str) -> bytes:
        """The content of a file; FileNotFoundError or ValueError where there is none."""
        ...

    def write_path(self, path: str, content: bytes) -> object:
        """Write a file, over a former one."""
        ...


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
            if type(error).__name__ in NOT_FOUND or (type(error) is ValueError and "not exist" in str(error)):
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
        """Empty: Prefect's file systems have no listing in common."""
        return ()
