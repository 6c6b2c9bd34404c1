"""A release stops before it builds anything unless the version, the tree, the tag and the changelog are in order."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from release.__main__ import main, release
from release.errors import ReleaseError
from release.preconditions import changelog_problems, problems
from tests.snippets import ROOT

VERSION = "1.2.0"
CHANGELOG = (
    "# Changelog\n\n## Unreleased\n\n## 1.2.0 - 2026-11-29\n\n### Added\n\n- A thing.\n\n## 1.1.0 - 2026-10-01\n"
)


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.com")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository from which version 1.2.0 can be released."""
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "p"\nversion = "{VERSION}"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--message", "all")
    return tmp_path


def test_a_clean_tree_with_a_dated_section_can_be_released(repository: Path) -> None:
    assert problems(repository, VERSION) == []


@pytest.mark.parametrize("change", ["pyproject.toml", "untracked.txt"])
def test_a_dirty_tree_is_refused_and_nothing_is_tagged(repository: Path, change: str) -> None:
    with (repository / change).open("a") as file:
        file.write("# changed\n")
    with pytest.raises(ReleaseError, match=f"the tree is not clean: commit or remove {change}"):
        release(repository, VERSION)
    tags = subprocess.run(["git", "tag"], cwd=repository, capture_output=True, check=True).stdout
    assert tags == b""


def test_a_version_is_released_once(repository: Path) -> None:
    git(repository, "tag", "v1.2.0")
    assert problems(repository, VERSION) == ["the tag v1.2.0 exists: a version is released once"]


def test_the_version_of_the_project_is_the_one_released(repository: Path) -> None:
    found = problems(repository, "1.3.0")
    assert "pyproject.toml has version 1.2.0: set it to 1.3.0 and commit" in found
    assert any(problem.startswith("CHANGELOG.md has no section of 1.3.0") for problem in found)


@pytest.mark.parametrize("version", ["1.2", "v1.2.0", "1.2.0-beta", "1.2.0; rm", ""])
def test_what_is_no_version_is_refused(repository: Path, version: str) -> None:
    (problem,) = problems(repository, version)
    assert "is not a version such as 1.2.3" in problem


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("## Unreleased\n\n", "", "does not begin with the section `## Unreleased`"),
        ("## Unreleased\n", "## Unreleased\n\n- Another thing.\n", "has entries under `## Unreleased`"),
        (" - 2026-11-29", "", "has no date"),
        (" - 2026-11-29", " - soon", "has no date"),
        ("### Added\n\n- A thing.\n", "", "says nothing about 1.2.0"),
        ("## 1.2.0", "## 1.2.1 - 2026-11-29\n\n- A thing.\n\n## 1.2.0", "has another section above that of 1.2.0"),
    ],
)
def test_a_changelog_that_is_not_ready_is_told_with_the_remedy(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in CHANGELOG
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG.replace(old, new, 1))
    (problem,) = changelog_problems(tmp_path, VERSION)
    assert told in problem


@pytest.mark.parametrize("arguments", [[], [""], ["1.2.0", "1.3.0"]])
def test_a_call_without_one_version_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "make release VERSION=" in capsys.readouterr().err


def test_a_release_that_stopped_ends_with_exit_code_1() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "release", "no-version"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith('not released:\n"no-version" is not a version')


def test_the_changelog_of_the_project_has_the_present_version_below_unreleased() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    told = list(changelog_problems(ROOT, version))
    assert all("has entries under `## Unreleased`" in problem for problem in told), told
