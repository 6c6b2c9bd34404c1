"""The wheel as a user has it: built, and installed in an empty environment outside the checkout.

In: the repository's root, a folder, constraints. Out: an `InstalledWheel` that runs commands. The release and the
end-to-end tests try the wheel with it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from release.commands import TOOLS, run

UV = str(TOOLS / "uv")


@dataclass(frozen=True, slots=True)
class InstalledWheel:
    """An environment that contains the wheel and its dependencies, and a folder that contains nothing of the project.

    Args:
        folder: the working directory of its commands.
        environment: the environment variables of its commands.
    """

    folder: Path
    environment: Mapping[str, str]

    def run(self, *command: str) -> str:
        """Run a command as a user of the wheel would, and return its standard output.

        Raises:
            ReleaseError: it ended with another exit code than 0.
        """
        return run(*command, cwd=self.folder, environment=self.environment)


def build_wheel(root: Path, folder: Path) -> Path:
    """Build the wheel of the checkout `root` into `folder`."""
    run(UV, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(root), cwd=root)
    (wheel,) = folder.glob("prefect_drs-*.whl")
    return wheel


def install(wheel: Path, folder: Path, *, constraints: Path, environment: Mapping[str, str]) -> InstalledWheel:
    """Install a wheel in a new environment below `folder`, which exists."""
    binaries = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    run(UV, "venv", "--quiet", "--python", sys.executable, str(folder / "venv"), cwd=elsewhere)
    python = str(binaries / "python")
    pinned = ("--constraint", str(constraints))
    run(UV, "pip", "install", "--quiet", "--python", python, *pinned, str(wheel), cwd=elsewhere)
    of_wheel = {name: value for name, value in environment.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    of_wheel["PATH"] = os.pathsep.join([str(binaries), environment.get("PATH", os.defpath)])
    return InstalledWheel(elsewhere, of_wheel | {"NO_COLOR": "1", "COLUMNS": "200"})
