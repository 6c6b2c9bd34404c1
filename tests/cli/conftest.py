"""A way to call the command line as a person does: in a process of its own, forked from one that has imported it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Programs

Run = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def cli(programs: Programs) -> Run:
    """Runs `prefect-drs` with arguments, in the project's folder, and gives back its output and exit code."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [programs.folder / "prefect-drs", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, **programs.environment, **environment},
            timeout=120,
            check=False,
        )

    return run
