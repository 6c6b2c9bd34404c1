"""Where the examples are, and the programs that check them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.snippets import ROOT

EXAMPLES = ROOT / "examples"
TOOLS = Path(sys.executable).parent


def checked(*command: str | Path, text: str | None = None) -> None:
    """Run a program of the development environment that must find nothing."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
