"""The threat models of the documentation: each line names tests that exist, a page that shows it, or its limit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = re.compile(r"`((?:tests|benchmarks)/[\w/.]+\.py)`")


def rows(page: str) -> list[list[str]]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").split("## Threat model", 1)[1]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


@pytest.mark.parametrize("page", ["access.md", "evidence.md"])
def test_each_line_has_its_test_or_its_limit(page: str):
    for access, attempt, outcome in rows(page):
        named = TESTS.findall(outcome)
        assert named or "**Limit:**" in outcome, (access, attempt)
        assert [file for file in named if not (ROOT / file).is_file()] == []


def test_it_covers_whatever_somebody_may_reach():
    found = " ".join(access for access, _, _ in rows("access.md"))
    for access in ("REST", "the Prefect API", "the worker", "the journal's storage", "the mail box", "the AWS role"):
        assert access in found
