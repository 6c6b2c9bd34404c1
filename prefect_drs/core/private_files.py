"""Files and folders that only their owner can read: journals, the sandbox's state and logs, bindings.

In: paths and content. Out: files of mode 0600 and folders of mode 0700, independent of the process's umask. An existing
folder keeps its mode: its creator decided who may enter it. On Windows these modes have no effect; the folder's access
control list applies.
"""

from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path
from typing import BinaryIO

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents with mode 0700; existing ones are not changed.

    Raises:
        OSError: one of them cannot be created, or is not a folder.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(mode=FOLDER_MODE)
    except FileExistsError:
        if not folder.is_dir():
            raise
    else:
        folder.chmod(FOLDER_MODE)  # a umask can remove bits that the owner needs


def create_file(path: Path) -> BinaryIO:
    """Create a file of mode 0600 and open it for writing.

    Raises:
        FileExistsError: the path exists.
        OSError: it cannot be created.
    """
    return _open(path, os.O_EXCL)


def truncate_file(path: Path) -> BinaryIO:
    """Open a file for writing, empty and with mode 0600; create it if it does not exist.

    Raises:
        OSError: it cannot be written.
    """
    return _open(path, os.O_TRUNC)


def write_file(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 atomically; its folder must exist.

    Symbolic links are followed. Special files, such as a terminal or a pipe, are written to directly.

    Raises:
        OSError: it cannot be written; the former content is unchanged.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        target.write_bytes(content)
        return
    draft = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex}")
    try:
        with create_file(draft) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _open(path: Path, flag: int) -> BinaryIO:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | flag | getattr(os, "O_BINARY", 0), FILE_MODE)
    try:
        if hasattr(os, "fchmod") and stat.S_IMODE(os.fstat(descriptor).st_mode) != FILE_MODE:
            os.fchmod(descriptor, FILE_MODE)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "wb")
