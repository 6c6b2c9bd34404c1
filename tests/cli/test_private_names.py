"""No module of the package imports a private name of another one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def private_imports(source: str) -> Iterator[str]:
    """Each `from prefect_drs.x import _y` of a source text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("prefect_drs")):
            for name in (alias.name for alias in node.names):
                if name.startswith("_") and not name.startswith("__"):
                    yield f"from {'.' * node.level}{node.module or ''} import {name}"


@pytest.mark.parametrize("folder", ["prefect_drs", "benchmarks", "examples", "deployments", "docs", "release"])
def test_no_module_imports_a_private_name_of_another(folder: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {statement}"
        for path in (ROOT / folder).rglob("*.py")
        for statement in private_imports(path.read_text(encoding="utf-8"))
    }
    assert found == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from prefect_drs.cli.run import _sessions", ["from prefect_drs.cli.run import _sessions"]),
        ("def f():\n    from .run import a, _b", ["from .run import _b"]),
        ("from prefect_drs import __version__\nfrom typing import _T", []),
    ],
)
def test_the_search_finds_private_names_anywhere_in_a_module(source: str, found: list[str]) -> None:
    assert list(private_imports(source)) == found
