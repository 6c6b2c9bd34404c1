"""A folder that all processes of one run of the tests share, and what is made there once, by the first that needs it.

In: pytest's own temporary folder. Out: a folder, and a lock of a name within it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder; without pytest-xdist that of the one process. Gone with pytest's own temporary folders."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    shared = folder / "shared"
    shared.mkdir(exist_ok=True)
    return shared


def run_id() -> int:
    """The process that lives as long as the run: pytest's, or the one that started pytest-xdist's."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


@contextmanager
def exclusive(shared: Path, name: str) -> Iterator[None]:
    """One process at a time."""
    with (shared / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
