"""What CONTRIBUTING.md names is there: files, make targets, the hooks before a commit."""

from __future__ import annotations

import re

import pytest

from tests.snippets import ROOT

PATH = re.compile(r"`((?:prefect_drs|tests|docs|examples|benchmarks|release)/[\w./-]*)`")
PLACEHOLDER = {"docs/PAGE.md"}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md"])
def test_every_path_that_is_named_is_there(page: str) -> None:
    for path in set(PATH.findall((ROOT / page).read_text())) - PLACEHOLDER:
        assert (ROOT / path).exists(), f"{page} names {path}"


def test_every_make_target_that_is_named_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))
    assert {first or second for first, second in named} <= targets


def test_a_commit_runs_the_tools_of_make_check_without_a_download() -> None:
    from ruamel.yaml import YAML

    (source,) = YAML(typ="safe").load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert source["repo"] == "local"
    assert {hook["language"] for hook in source["hooks"]} == {"system"}
    makefile = (ROOT / "Makefile").read_text()
    check = re.search(r"^check: install\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert check is not None
    tools = re.findall(r"\$\(BIN\)/(\S+(?: format| check)?)", check[1])
    assert [" ".join(hook["entry"].removeprefix(".venv/bin/").split()[:2]) for hook in source["hooks"]] == tools
