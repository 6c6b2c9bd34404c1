"""Commands that a release runs: their output, or an error that shows it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from release.errors import ReleaseError

TIMEOUT_SECONDS = 600
SHOWN_CHARACTERS = 3000
TOOLS = Path(sys.executable).parent
"""The folder of the development environment's programs: uv, twine."""


def run(*command: str, cwd: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a command without a terminal and return its standard output.

    Raises:
        ReleaseError: it ended with another exit code than 0.
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        shown = f"{done.stdout[-SHOWN_CHARACTERS:]}\n{done.stderr[-SHOWN_CHARACTERS:]}".strip()
        raise ReleaseError(f"`{' '.join(command)}` ended with exit code {done.returncode}:\n{shown}")
    return done.stdout
