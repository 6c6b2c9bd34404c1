"""Journals on any Prefect file-system block other than S3 buckets and local folders.

In: a block that reads and writes files. Out: objects that are created once and never changed, as far as the block can
guarantee it.
"""

from __future__ import annotations

from typing import Protocol

from prefect_drs.recovery.journal import JournalUnavailableError, one_line

NOT_FOUND = frozenset({"NotFound", "ResourceNotFoundError", "NoSuchKey"})  # error classes of other clouds' libraries


class FileSystemBlock(Protocol):
    """The common interface of Prefect's readable and writable file-system blocks."""

    def read_path(self, path: str) -> bytes:
        """The content of a file; FileNotFoundError or ValueError if it does not exist."""
        ...

    def write_path(self, path: str, content: bytes) -> object:
        """Write a file, replacing an existing one."""
        ...


class BlockStorage:
    """Objects on a file-system block. A block cannot create conditionally, so the object is read before and after.

    If a process dies during a write, the object may be truncated: `StoredJournal` refuses such an object and says what
    to do.
    """

    atomic = False

    def __init__(self, block: FileSystemBlock) -> None:
        self._block = block

    def read(self, name: str) -> bytes | None:
        """The file's content; None if the block reports that it does not exist.

        Raises:
            JournalUnavailableError: the block failed in any other way.
        """
        try:
            return self._block.read_path(name)
        except FileNotFoundError:
            return None
        except Exception as error:  # each block raises the errors of its library
            if type(error).__name__ in NOT_FOUND or (type(error) is ValueError and "not exist" in str(error)):
                return None
            raise self._failed("read", name, error) from None

    def create(self, name: str, content: bytes) -> bool:
        """Write the file unless it exists; return whether it has our content.

        Raises:
            JournalUnavailableError: the block failed, or stored only a part of the content.
        """
        if self.read(name) is not None:
            return False
        failure: Exception = ValueError("the written file cannot be read back")
        try:
            self._block.write_path(name, content)
        except Exception as error:
            failure = error
        stored = self.read(name)
        if stored is None or (stored != content and content.startswith(stored)):
            raise self._failed("written", name, failure)
        return stored == content

    def replace(self, name: str, content: bytes) -> None:
        """Write the file.

        Raises:
            JournalUnavailableError: the block failed.
        """
        try:
            self._block.write_path(name, content)
        except Exception as error:  # each block raises the errors of its library
            raise self._failed("written", name, error) from None

    def _failed(self, verb: str, name: str, error: Exception) -> JournalUnavailableError:
        return JournalUnavailableError(
            f"the journal cannot be {verb}: {name} on {type(self._block).__name__}: {one_line(error)}; correct the "
            "block that PREFECT_DRS_JOURNAL names, or its storage"
        )

    def listing(self, folder: str) -> None:
        """None: Prefect's file-system blocks have no common method for listings."""

    def delete(self, folder: str) -> None:
        """None: Prefect's file-system blocks have no common method for deletions."""

    def newest(self, limit: int) -> tuple[str, ...]:
        """Empty: Prefect's file-system blocks have no common method for listings."""
        return ()
