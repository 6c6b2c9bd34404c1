"""`python -m release VERSION`, behind `make release`.

Exit codes: 0 the release is tagged and its files are in dist/ · 1 it stopped, nothing is tagged · 2 wrong usage.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from release.commands import TOOLS, run
from release.errors import ReleaseError
from release.preconditions import problems, tag_of
from release.wheel import UV, install

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ("three-tier.json", "three-tier-bindings.yaml")


def build(root: Path, folder: Path) -> Path:
    """Build the sdist and, from the sdist, the wheel into `folder`; check their metadata; return the wheel."""
    run(UV, "build", "--quiet", "--out-dir", str(folder), str(root), cwd=root)
    files = sorted(str(file) for file in folder.iterdir() if file.suffix in {".gz", ".whl"})
    run(str(TOOLS / "twine"), "check", "--strict", *files, cwd=root)
    (wheel,) = folder.glob("*.whl")
    return wheel


def try_out(wheel: Path, folder: Path, root: Path, version: str) -> None:
    """Install the wheel in an empty environment and run what needs neither AWS nor Prefect there."""
    installed = install(wheel, folder, constraints=root / "constraints.txt", environment=os.environ)
    told = installed.run("prefect-drs", "--version").strip()
    if told != version:
        raise ReleaseError(f"the wheel's `prefect-drs --version` prints {told} instead of {version}")
    installed.run("prefect-drs", "--help")
    manifest, bindings = (str(shutil.copy(root / "examples" / name, installed.folder)) for name in SAMPLE)
    installed.run("prefect-drs", "validate", manifest, "--bindings", bindings)


def release(root: Path, version: str) -> None:
    """Check, build, try and tag a version. Its files are in `dist/` afterwards; nothing is uploaded.

    Raises:
        ReleaseError: it stopped before the tag.
    """
    if found := problems(root, version):
        raise ReleaseError("\n".join(found))
    with tempfile.TemporaryDirectory(prefix="prefect-drs-release-") as made:
        built, tried = Path(made, "built"), Path(made, "tried")
        built.mkdir()
        tried.mkdir()
        wheel = build(root, built)
        try_out(wheel, tried, root, version)
        shutil.rmtree(root / "dist", ignore_errors=True)
        (root / "dist").mkdir()
        for file in (*built.glob("*.tar.gz"), wheel):
            shutil.copy(file, root / "dist")
    run("git", "tag", "--annotate", tag_of(version), "--message", f"prefect-drs {version}", cwd=root)


def main(arguments: list[str]) -> int:
    """Release the version that the arguments name; return the exit code."""
    if len(arguments) != 1 or not arguments[0]:
        print("usage: make release VERSION=1.2.3", file=sys.stderr)
        return 2
    (version,) = arguments
    try:
        release(ROOT, version)
    except ReleaseError as stopped:
        print(f"not released:\n{stopped}", file=sys.stderr)
        return 1
    tag = tag_of(version)
    print(f"tagged {tag}; dist/ has the sdist and the wheel. Nothing was uploaded:\n  git push origin {tag}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
