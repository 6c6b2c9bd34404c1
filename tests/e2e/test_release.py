"""A release of a copy of this checkout: sdist and wheel are built, the wheel is tried, the version is tagged."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from release.__main__ import release
from release.errors import ReleaseError
from tests.snippets import ROOT

VERSION = "99.0.0"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the files of this one, ready for the release of VERSION."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada Lovelace")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.com")
    copy = tmp_path / "checkout"
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    project, changelog = copy / "pyproject.toml", copy / "CHANGELOG.md"
    project.write_text(re.sub(r'^version = ".*"$', f'version = "{VERSION}"', project.read_text(), flags=re.MULTILINE))
    released = f"## Unreleased\n\n## {VERSION} - 2026-11-29\n"
    changelog.write_text(changelog.read_text().replace("## Unreleased\n", released, 1))
    git(copy, "init")
    git(copy, "add", ".")
    git(copy, "commit", "--message", "all")
    return copy


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout


def test_a_release_is_built_tried_and_tagged(checkout: Path) -> None:
    release(checkout, VERSION)
    assert {file.name for file in (checkout / "dist").iterdir()} == {
        f"prefect_drs-{VERSION}.tar.gz",
        f"prefect_drs-{VERSION}-py3-none-any.whl",
    }
    assert git(checkout, "tag", "--points-at", "HEAD") == f"v{VERSION}\n"
    assert git(checkout, "cat-file", "-t", f"v{VERSION}") == "tag\n"
    assert git(checkout, "status", "--porcelain") == ""


def test_a_wheel_that_does_not_do_its_work_is_not_tagged(checkout: Path) -> None:
    (checkout / "examples/three-tier-bindings.yaml").write_text("subnets: {}\n")
    git(checkout, "commit", "--all", "--message", "the example has no bindings any more")
    with pytest.raises(ReleaseError, match="INVALID_SOURCE_SERVER_ID"):
        release(checkout, VERSION)
    assert git(checkout, "tag") == ""
    assert not (checkout / "dist").exists()
