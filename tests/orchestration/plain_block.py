"""A file-system block that can do no more than Prefect demands of one."""

from __future__ import annotations

from pathlib import Path


class PlainBlock:
    """The least that a file-system block of Prefect can do: read and write paths, over what was there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read_path(self, path: str) -> bytes:
        return (self._folder / path).read_bytes()

    def write_path(self, path: str, content: bytes) -> None:
        (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self._folder / path).write_bytes(content)
