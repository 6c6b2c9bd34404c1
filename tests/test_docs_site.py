"""The documentation site: every page is in the navigation, links lead on, the API pages name what is public."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.snippets import ROOT

REPOSITORY = "https://example.com/p"
IDENTIFIER = re.compile(r"^::: (\S+)$", re.MULTILINE)


def pages_of(nav: Any) -> Iterator[str]:
    """The pages of a navigation, from top to bottom."""
    match nav:
        case str():
            yield nav
        case list():
            for entry in nav:
                yield from pages_of(entry)
        case dict():
            for entry in nav.values():
                yield from pages_of(entry)


def test_the_navigation_names_every_page_once() -> None:
    from mkdocs.config import load_config

    from docs.site_hooks import ROOT_PAGES

    named = list(pages_of(load_config(str(ROOT / "mkdocs.yml")).nav))
    there = {page.name for page in (ROOT / "docs").glob("*.md")} | set(ROOT_PAGES.values())
    assert sorted(named) == sorted(there)


def test_the_build_of_the_site_fails_for_every_warning() -> None:
    recipe = re.search(r"^docs: install\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    assert "mkdocs build --strict" in recipe[1]
    assert "--quiet" not in recipe[1], "it hides warnings from --strict"
    assert "\nmake docs\n" in (ROOT / ".ci/run").read_text()


def test_every_markdown_file_of_the_root_is_a_page() -> None:
    from docs.site_hooks import ROOT_PAGES

    assert set(ROOT_PAGES) == {page.name for page in ROOT.glob("*.md")}


@pytest.mark.parametrize(
    ("page", "target", "expected"),
    [
        ("README.md", "docs/manifest.md", "manifest.md"),
        ("README.md", "docs/images/gate.png", "images/gate.png"),
        ("README.md", "CHANGELOG.md#unreleased", "changelog.md#unreleased"),
        ("README.md", "LICENSE", f"{REPOSITORY}/blob/main/LICENSE"),
        ("docs/manifest.md", "checks.md#the-kinds", "checks.md#the-kinds"),
        ("docs/manifest.md", "../README.md", "index.md"),
        ("docs/manifest.md", "../examples/diamond.yaml", f"{REPOSITORY}/blob/main/examples/diamond.yaml"),
        ("docs/manifest.md", "#names-and-bindings", "#names-and-bindings"),
        ("docs/manifest.md", "https://docs.prefect.io", "https://docs.prefect.io"),
    ],
)
def test_a_link_of_the_repository_leads_to_the_same_on_the_site(page: str, target: str, expected: str) -> None:
    from docs.site_hooks import site_link

    assert site_link(target, page, REPOSITORY) == expected


def test_the_api_page_names_every_public_name() -> None:
    import prefect_drs

    text = (ROOT / "docs/api.md").read_text()
    identifiers = set(IDENTIFIER.findall(text))
    errors = {
        name for name in prefect_drs.__all__ if getattr(prefect_drs, name).__module__ == "prefect_drs.core.errors"
    }
    assert {f"prefect_drs.{name}" for name in set(prefect_drs.__all__) - errors} <= identifiers
    assert "prefect_drs.core.errors" in identifiers


@pytest.mark.parametrize("page", ["docs/api.md", "docs/api-operations.md"])
def test_what_the_api_pages_name_can_be_imported(page: str) -> None:
    for identifier in IDENTIFIER.findall((ROOT / page).read_text()):
        assert _found(identifier), f"{page} names {identifier}"


def _found(identifier: str) -> bool:
    module, _, name = identifier.rpartition(".")
    try:
        importlib.import_module(identifier)
    except ImportError:
        return hasattr(importlib.import_module(module), name)
    return True


def test_the_page_of_operations_has_each_operation_and_its_request() -> None:
    from docs.site_hooks import OPERATIONS_MARK, operations_markdown
    from prefect_drs.operations import OPERATIONS

    assert OPERATIONS_MARK in (ROOT / "docs/api-operations.md").read_text()
    named = IDENTIFIER.findall(operations_markdown())
    assert len(named) == len(set(named))
    for operation in OPERATIONS:
        assert f"{operation.function.__module__}.{operation.function.__name__}" in named
        assert f"{operation.request.__module__}.{operation.request.__name__}" in named


def test_the_address_of_the_repository_is_written_in_one_file() -> None:
    address = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    for file in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "mkdocs.yml", *map(str, (ROOT / "docs").glob("*.md"))):
        assert address not in (ROOT / file).read_text(), file
