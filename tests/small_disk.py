"""A small file system to fill or to make read-only: real ENOSPC and EROFS. On Linux as root; skipped elsewhere."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = 4096


class SmallDisk:
    """The file system, mounted on `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        """Leave no byte free."""
        with (self.path / "ballast").open("ab", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(b"x" * PAGE)
            except OSError:
                return

    def empty(self) -> None:
        """Free what `fill` took."""
        (self.path / "ballast").unlink(missing_ok=True)

    def read_only(self, on: bool = True) -> None:
        """Let nothing be written any more, or let it again."""
        mode = "ro" if on else "rw"
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.path)], check=True, capture_output=True)

    def files(self, pattern: str = "**/*") -> list[str]:
        """What is on it, besides the ballast."""
        found = (path for path in self.path.glob(pattern) if path.is_file() and path.name != "ballast")
        return sorted(str(path.relative_to(self.path)) for path in found)


@contextmanager
def small_disk(path: Path, size: str = "64k") -> Iterator[SmallDisk]:
    """Mount one."""
    path.mkdir(parents=True)
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    try:
        done = subprocess.run(mounting, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no `mount` here: {error}")
    if done.returncode:
        pytest.skip(f"no tmpfs may be mounted here: {done.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True, capture_output=True)
