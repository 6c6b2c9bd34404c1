"""What must hold before a release is built: the version, a clean tree, a free tag, a dated section of the changelog.

In: the repository's root and a version. Out: the problems, all at once, each with its remedy. It changes nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from release.commands import run

VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")
"""Semantic versions, written as PEP 440 writes them."""
HEADING = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
ENTRY = re.compile(r"^- .+$", re.MULTILINE)
UNRELEASED = "Unreleased"


def problems(root: Path, version: str) -> list[str]:
    """Why `version` cannot be released from `root`; empty if it can."""
    if not VERSION.fullmatch(version):
        return [f'"{version}" is not a version such as 1.2.3 or 1.2.3rc1: make release VERSION=1.2.3']
    return [*_version_problems(root, version), *_git_problems(root, version), *changelog_problems(root, version)]


def tag_of(version: str) -> str:
    """The tag of a release."""
    return f"v{version}"


def _version_problems(root: Path, version: str) -> Iterator[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if project["version"] != version:
        yield f"pyproject.toml has version {project['version']}: set it to {version} and commit"


def _git_problems(root: Path, version: str) -> Iterator[str]:
    changes = run("git", "status", "--porcelain", cwd=root).splitlines()
    if changes:
        yield f"the tree is not clean: commit or remove {', '.join(line[3:] for line in changes)}"
    tag = tag_of(version)
    if run("git", "tag", "--list", tag, cwd=root).strip():
        yield f"the tag {tag} exists: a version is released once"


def changelog_problems(root: Path, version: str) -> Iterator[str]:
    """Whether the newest section is that of `version`, dated and with entries, below an empty `Unreleased`."""
    sections = _sections((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    if next(iter(sections), None) != UNRELEASED:
        yield f"CHANGELOG.md does not begin with the section `## {UNRELEASED}`: put it above the others"
    elif sections[UNRELEASED]:
        yield f"CHANGELOG.md has entries under `## {UNRELEASED}`: move them to `## {version} - {date.today()}`"
    released = [title for title in sections if title != UNRELEASED]
    title = next((title for title in released if title.split(" - ")[0] == version), None)
    if title is None:
        yield f"CHANGELOG.md has no section of {version}: add `## {version} - {date.today()}`"
    elif title != released[0]:
        yield f"CHANGELOG.md has another section above that of {version}: the newest version stands first"
    elif not _is_dated(title):
        yield f"CHANGELOG.md: `## {title}` has no date: write `## {version} - {date.today()}`"
    elif not sections[title]:
        yield f"CHANGELOG.md says nothing about {version}: write what changed for users"


def _sections(changelog: str) -> dict[str, list[str]]:
    """The entries of each section by its title, from top to bottom."""
    found = list(HEADING.finditer(changelog))
    ends = [heading.start() for heading in found[1:]] + [len(changelog)]
    texts = (changelog[heading.end() : end] for heading, end in zip(found, ends, strict=True))
    return {heading["title"]: ENTRY.findall(text) for heading, text in zip(found, texts, strict=True)}


def _is_dated(title: str) -> bool:
    try:
        date.fromisoformat(title.partition(" - ")[2])
    except ValueError:
        return False
    return True
